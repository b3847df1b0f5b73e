package sieve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

// vacation is "vacation". RFC 5230, RFC 6131.
type vacation struct {
	pos       syntax.Pos
	every     time.Duration
	subject   *value
	from      *value
	addresses []value
	mime      bool
	handle    *value
	reason    value
	synthetic string // the handle, if none is given
	copies    *fcc
}

// How often a sender may get the same answer. RFC 5230 §4.1 asks for a maximum above 30 days.
const (
	vacationEvery = 7 * 24 * time.Hour
	vacationLeast = 24 * time.Hour // for :days
	vacationMost  = 365 * 24 * time.Hour
)

var vacationTags = []tag{
	{name: "days", value: aNumber, group: "period"}, {name: "seconds", value: aNumber, group: "period", exts: []string{"vacation-seconds"}},
	{name: "subject", value: aString}, {name: "from", value: aString}, {name: "addresses", value: aList}, {name: "mime"}, {name: "handle", value: aString},
}

func (c *compiler) vacation(a *args) command {
	v := &vacation{
		pos: a.call.Pos, every: vacationPeriod(a), subject: c.tagText(a, "subject"), from: c.tagText(a, "from"), addresses: c.tagList(a, "addresses"),
		mime: a.has("mime"), handle: c.tagText(a, "handle"), reason: c.argText(a, 0), copies: c.fcc(a),
	}
	if v.from != nil && v.from.constant() {
		if _, ok := parseMailboxes(v.from.lit); !ok {
			c.fail(v.from.pos, "'%s' is no address", cut(oneLine(v.from.lit), 200))
		}
	}
	for _, addr := range v.addresses {
		if _, ok := parseMailbox(addr.lit); !ok && addr.constant() {
			c.fail(addr.pos, "'%s' is no address", cut(oneLine(addr.lit), 200))
		}
	}
	if v.mime && v.reason.constant() && !cleanEntity(v.reason.lit) {
		c.fail(v.reason.pos, "the header of this MIME entity has octets that must be encoded")
	}
	v.synthetic = syntheticHandle(a)
	return v
}

func vacationPeriod(a *args) time.Duration {
	if days, ok := a.tagNumber("days"); ok {
		return min(max(time.Duration(min(days, 1000))*24*time.Hour, vacationLeast), vacationMost)
	}
	if s, ok := a.tagNumber("seconds"); ok { // RFC 6131 §2: 0 is each time
		return min(time.Duration(min(s, 1<<30))*time.Second, vacationMost)
	}
	return vacationEvery
}

// cleanEntity reports whether a MIME entity's header is ASCII. RFC 5230 §5.
func cleanEntity(s string) bool {
	head, _, _ := strings.Cut(s, "\r\n\r\n")
	for i := range len(head) {
		if head[i] >= 0x80 {
			return false
		}
	}
	return true
}

// syntheticHandle stands for an answer that has no handle: made of the arguments before variables are expanded. RFC 5230 §4.2.
func syntheticHandle(a *args) string {
	h := sha256.New()
	for _, name := range []string{"subject", "from", "mime"} {
		g, ok := a.find(name)
		switch {
		case ok && g.value != nil:
			io.WriteString(h, name+"\x00"+g.value.List[0].Value+"\x00")
		case ok:
			io.WriteString(h, name+"\x00")
		}
	}
	io.WriteString(h, "reason\x00"+a.pos[0].List[0].Value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (v *vacation) exec(m *machine) error {
	r := &Reply{Handle: v.synthetic, MIME: v.mime, Every: v.every, Body: m.text(&v.reason)}
	if v.handle != nil {
		r.Handle = "h:" + m.text(v.handle)
	}
	act := Action{Op: Vacation, Pos: v.pos, Reply: r}
	if err := v.copies.apply(m, &act); err != nil {
		return err
	}
	// Contradictions are errors even if nobody is to be answered.
	if err := m.add(act); err != nil {
		return err
	}
	v.answer(m, r)
	return nil
}

// answer fills in the reply, if the message gets one.
func (v *vacation) answer(m *machine, r *Reply) {
	mine := append([]string{m.env.Envelope.To}, m.env.Addresses...)
	mine = append(mine, m.texts(v.addresses)...)
	if m.env.Envelope.Original != "" {
		mine = append(mine, m.env.Envelope.Original)
	}
	as, ok := m.deserves(mine)
	if !ok {
		return
	}
	r.To = m.env.Envelope.From
	r.Name = m.senderName(r.To)
	r.From = m.replyFrom(v.from, as)
	r.Subject = m.replySubject(v.subject)
	m.thread(r)
}

// AutoReply is an answer to a message that its recipient gives without a script: to whom, from whom, about what. Text, handle and
// period are left to the caller. Nil: it is no message to be answered (RFC 3834 §2, RFC 5230 §4.5, §4.6).
func AutoReply(ctx context.Context, env *Environment, msg Message) *Reply {
	m := newMachine(ctx, Limits{}.withDefaults(), env, msg)
	defer m.release()
	m.frame = &frame{unit: &unit{}}
	mine := append([]string{env.Envelope.To}, env.Addresses...)
	if o := env.Envelope.Original; o != "" {
		mine = append(mine, o)
	}
	as, ok := m.deserves(mine)
	if !ok {
		return nil
	}
	r := &Reply{To: env.Envelope.From, From: m.replyFrom(nil, as), Subject: m.replySubject(nil)}
	r.Name = m.senderName(r.To)
	m.thread(r)
	return r
}

// replyFrom is who the answer is from: what :from says, or the owner's name (RFC 3834 §3.1.1) and the address that the message was written to. Only the owner's own will do
// (RFC 5230 §4.3), though :addresses names others as well; else it is the address that the message was delivered to.
func (m *machine) replyFrom(v *value, as string) string {
	if v != nil {
		if text := oneLine(m.text(v)); m.isAuthor(text) {
			return text
		}
	}
	if m.isAuthor(as) {
		return m.named(as)
	}
	return m.named(m.env.Envelope.To)
}

// named is an address with the owner's name.
func (m *machine) named(address string) string {
	for _, a := range message.ParseAddresses(address) {
		a.Name = m.env.Name
		return a.String()
	}
	return address
}

// isAuthor reports whether the owner may write as somebody: under one address, of their own. What a script says proves nothing.
func (m *machine) isAuthor(text string) bool {
	addr, ok := parseMailbox(text)
	return ok && m.isMine(append([]string{m.env.Envelope.To}, m.env.Addresses...), addr)
}

// maxSubject is how long the subject of what we write may be, in characters.
const maxSubject = 256

// shortened cuts a subject that is too long.
func shortened(s string) string {
	if short := firstRunes(s, maxSubject-1); short != s {
		return short + "…"
	}
	return s
}

// replySubject is the subject of an answer. RFC 5230 §5.3.
func (m *machine) replySubject(v *value) string {
	if v != nil {
		return shortened(oneLine(message.DecodeWords(m.text(v))))
	}
	if f := m.head().first("Subject"); f != nil && strings.TrimSpace(f.decoded()) != "" {
		return shortened("Auto: " + oneLine(strings.TrimSpace(f.decoded())))
	}
	return "Automated reply"
}

// senderName is the name that a sender gives to their address.
func (m *machine) senderName(addr string) string {
	for _, name := range []string{"From", "Sender"} {
		if f := m.head().first(name); f != nil {
			for _, a := range f.addresses() {
				if a.Group == message.NoGroup && strings.EqualFold(a.Addr(), addr) {
					return a.DisplayName()
				}
			}
		}
	}
	return ""
}

// thread says what the answer refers to. RFC 5230 §5.8.
func (m *machine) thread(r *Reply) {
	h := m.head()
	if f := h.first("Message-ID"); f != nil {
		if ids := message.ParseMessageIDs(f.unfolded()); len(ids) > 0 {
			r.InReplyTo = ids[0]
		}
	}
	for _, name := range []string{"References", "In-Reply-To"} {
		if f := h.first(name); f != nil && r.References == nil {
			r.References = message.ParseMessageIDs(f.unfolded())
		}
	}
	if len(r.References) > 30 {
		r.References = append(r.References[:1:1], r.References[len(r.References)-29:]...)
	}
	if r.InReplyTo != "" {
		r.References = append(r.References, r.InReplyTo)
	}
}

// deserves reports whether a message is one that gets automatic answers, and which of the owner's addresses it was written to.
// RFC 5230 §4.5, §4.6, RFC 3834 §2.
func (m *machine) deserves(mine []string) (as string, ok bool) {
	from := m.env.Envelope.From
	if from == "" || automatic(from) || m.isMine(mine, from) || m.env.Junk {
		return "", false
	}
	h := m.head()
	for i := range h.labels {
		if forbidsAnswer(h.at(i)) {
			return "", false
		}
	}
	if f := h.first("From"); f != nil {
		for _, a := range f.addresses() {
			if a.Group == message.NoGroup && m.among(mine, a.Addr()) || m.fuel < 0 {
				return "", false // one's own mail
			}
		}
	}
	return m.addressed(h, mine)
}

// addressed finds the first of the addresses that is named as a recipient.
func (m *machine) addressed(h *header, mine []string) (as string, ok bool) {
	for i := range h.labels {
		f := h.at(i)
		switch lowerASCII(f.name) {
		case "to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc":
			m.burn(len(f.raw))
			for _, a := range f.addresses() {
				if m.fuel < 0 {
					return "", false
				}
				if a.Group == message.NoGroup && m.isMine(mine, a.Addr()) {
					return (&message.Address{Mailbox: a.Mailbox, Host: a.Host}).String(), true
				}
			}
		}
	}
	return "", false
}

// isMine reports whether an address is the owner's.
func (m *machine) isMine(mine []string, addr string) bool {
	if m.among(mine, addr) {
		return true
	}
	if m.fuel -= 1000; m.env.Owner == nil || m.fuel < 0 {
		return false
	}
	yes, err := m.env.Owner.Mine(addr)
	return yes && err == nil && m.fuel > 0
}

// among looks for an address in a list, as long as there is fuel.
func (m *machine) among(list []string, addr string) bool {
	m.fuel -= int64(len(list)/4) + 1
	return m.fuel >= 0 && containsFold(list, addr)
}

func containsFold(list []string, s string) bool {
	for _, l := range list {
		if l != "" && strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

// forbidsAnswer tells by a field that a machine or a list sent the message.
func forbidsAnswer(f *field) bool {
	name := lowerASCII(f.name)
	switch name {
	case "list-id", "list-help", "list-subscribe", "list-unsubscribe", "list-post", "list-owner", "list-archive":
		return true
	case "auto-submitted": // RFC 3834 §5
		word, _, _ := strings.Cut(stripComments(f.unfolded()), ";")
		return !equalASCII(strings.TrimSpace(word), "no")
	case "precedence":
		switch lowerASCII(strings.TrimSpace(f.unfolded())) {
		case "bulk", "junk", "list":
			return true
		}
	case "x-auto-response-suppress": // [MS-OXCMAIL] section 2.2.3.2.14
		for w := range strings.SplitSeq(lowerASCII(f.unfolded()), ",") {
			if w = strings.TrimSpace(w); w == "all" || w == "oof" || w == "autoreply" {
				return true
			}
		}
	}
	return false
}

// automatic reports whether an address is a machine's. RFC 5230 §4.6, RFC 3834 §2.
func automatic(address string) bool {
	local := lowerASCII(address)
	if i := strings.LastIndexByte(local, '@'); i >= 0 {
		local = local[:i]
	}
	switch local {
	case "mailer-daemon", "listserv", "majordomo", "noreply", "no-reply", "donotreply", "do-not-reply":
		return true
	}
	return strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-request")
}
