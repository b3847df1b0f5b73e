package delivery

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/policy"
	"postroad/internal/service/transfer"
)

// Journaling: of each message that a policy names, an archive gets a report with its envelope and, unchanged, the message. The report is
// durable before anybody hears that the message was taken, and before anybody gets it: what an archive doesn't have never was. Should the
// message then fail for everybody, the archive has one too many, which is the harmless way to be wrong.

// errNotJournaled: it may be better soon, and nobody is told why.
func errNotJournaled(err error) error {
	return fault.Wrap(fault.Unavailable, err, "a copy that is wanted of this message could not be kept")
}

// journal reports the message to all who are to have it. An error means that the message can't be taken now.
func (r *run) journal(ctx context.Context) error {
	if r.e.report || !r.a.policies.Journaling() || r.seenBefore() {
		return nil
	}
	all := r.a.policies.Journals(r.writer(), r.readers())
	if len(all) == 0 || r.isReport() {
		return nil
	}
	reports, err := r.reports(ctx, all)
	if err != nil {
		return errNotJournaled(err)
	}
	for _, j := range reports {
		if err := r.reportTo(ctx, &j); err != nil {
			r.a.log.ErrorContext(ctx, "a message can't be journaled", "id", r.e.ID, "to", j.address, "policy", j.policies[0].ID, "err", err)
			return errNotJournaled(err)
		}
	}
	return nil
}

// report is what one archive gets of a message.
type report struct {
	address  string
	home     string // the domain whose archive it is; "": that of the whole server
	policies []policy.Policy
}

// reports are those that policies want: one for each archive and the domain that has chosen it, since who administers a domain is not to
// learn from a report what is another's. One for the whole server stands for all at its address.
func (r *run) reports(ctx context.Context, all []policy.Policy) (list []report, err error) {
	wide := map[string]bool{} // addresses to which the whole server's go
	for i := range all {
		wide[all[i].Pattern] = wide[all[i].Pattern] || all[i].Account == 0 && all[i].Domain == ""
	}
	for i := range all {
		one := report{address: all[i].Pattern}
		if !wide[one.address] {
			if one.home, err = r.home(ctx, &all[i]); fault.Is(err, fault.NotFound) {
				continue // the account has gone meanwhile
			} else if err != nil {
				return nil, err
			}
		}
		at := slices.IndexFunc(list, func(j report) bool { return j.address == one.address && j.home == one.home })
		if at < 0 {
			at, list = len(list), append(list, one)
		}
		list[at].policies = append(list[at].policies, all[i])
	}
	return list, nil
}

// home is the domain that a policy is of.
func (r *run) home(ctx context.Context, p *policy.Policy) (domain string, err error) {
	if p.Account == 0 {
		return p.Domain, nil
	}
	a, err := r.a.dir.Account(ctx, p.Account)
	return policy.DomainOf(a.Address), err
}

func (j *report) strict() bool {
	return slices.ContainsFunc(j.policies, func(p policy.Policy) bool { return p.Strict })
}

// names reports whether a report may name a recipient who doesn't stand in the message's header: who wrote it may know of them, and so may those whose
// mail it is of their own. Others' blind copies are their affair.
func (j *report) names(writer, reader *policy.Party) bool {
	return j.ours(reader) || slices.ContainsFunc(j.policies, func(p policy.Policy) bool {
		return p.Direction&policy.Out != 0 && p.Covers(writer) || p.Covers(reader)
	})
}

// ours reports whether a recipient is of the archive's domain, or it is the server's.
func (j *report) ours(reader *policy.Party) bool { return j.home == "" || j.home == reader.Domain }

// seenBefore reports whether all that is done once for a message was done when it came: it comes out of the queue, but not out of the
// quarantine. What we ourselves tell people of their mail isn't theirs; and if it weren't left out, a notification that a report could not be
// delivered would be reported.
func (r *run) seenBefore() bool {
	return r.e.queued && r.e.Source != fromQuarantine || r.e.Who != nil && r.e.Who.System
}

// writer is who sends, if they are of ours.
func (r *run) writer() policy.Party {
	who := r.e.Who
	if who == nil || who.System {
		return policy.Party{}
	}
	return policy.Party{Domain: policy.SenderDomain(r.e.From, who.Login), Accounts: []ident.AccountID{who.Account}}
}

// readers are the recipients who are of ours.
func (r *run) readers() []policy.Party {
	all := make([]policy.Party, 0, len(r.to))
	for i := range r.to {
		all = append(all, readerOf(&r.to[i]))
	}
	return all
}

func readerOf(to *Recipient) policy.Party {
	p := policy.Party{Domain: to.at.Domain, Accounts: to.accounts}
	for l := range to.lists {
		p.Accounts = append(slices.Clip(p.Accounts), to.lists[l].Accounts...)
	}
	return p
}

// Fields of a report. The first is how archives know one that Exchange made, and it has no value; the second is our proof that we made it.
const (
	reportField = "X-MS-Journal-Report"
	proofField  = "X-Postroad-Journal"
)

// isReport reports whether the message is a report of ours that has come back: it is not journaled again, else two archives that forward to
// each other would never end. What a stranger writes there proves nothing.
func (r *run) isReport() bool {
	for _, v := range r.header().proofs {
		id, proof, ok := strings.Cut(strings.TrimSpace(v), " ")
		if ok && hmac.Equal([]byte(proof), []byte(r.a.proof(id))) {
			return true
		}
	}
	return false
}

// proof is what only we can write of an ID.
func (a *Agent) proof(id string) string {
	h := hmac.New(sha256.New, a.journalKey)
	h.Write([]byte(id))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// reportTo delivers a report, or leaves it to the queue. It is from the postmaster, who hears of it if the archive never takes it.
func (r *run) reportTo(ctx context.Context, j *report) error {
	address := j.address
	id := r.child(strings.TrimSuffix("journal "+address+" "+j.home, " "))
	c, err := r.written(func(w io.Writer) error { return r.writeReport(w, id, j) })
	if err != nil {
		return err
	}
	who := ident.System()
	e := Envelope{
		ID: id, From: r.reporter(j), Who: &who, Source: "journal", Return: transfer.ReturnFull,
		EightBit: r.e.EightBit, Binary: r.e.Binary, UTF8: r.e.UTF8, RequireTLS: r.e.RequireTLS,
		Verdict: &Verdict{Sender: true, Decided: true}, report: true,
	}
	to, err := r.a.Recipient(ctx, Sender{Who: &who, From: e.From}, address)
	if err == nil {
		err = r.a.Deliver(ctx, e, []Recipient{to}, c)[0]
	}
	if err == nil || j.strict() || r.a.queue == nil {
		return err
	}
	r.a.log.WarnContext(ctx, "a journal report is left to the queue", "id", id, "to", address, "err", err)
	return r.queueReport(ctx, &e, address, c)
}

// reporter is whose reports are: the postmaster of the domain whose archive it is, or else whose mail.
func (r *run) reporter(j *report) string {
	domain := j.home
	if domain == "" {
		domain = r.writer().Domain
	}
	for i := 0; domain == "" && i < len(r.to); i++ {
		domain = r.to[i].at.Domain
	}
	if domain == "" {
		domain = policy.DomainOf(j.address)
	}
	return "postmaster@" + domain
}

// queueReport has the queue deliver a report.
func (r *run) queueReport(ctx context.Context, e *Envelope, address string, c *mailbox.Content) error {
	job := transfer.Job{
		Envelope: transfer.Envelope{ID: e.ID, From: e.From, EightBit: e.EightBit, Binary: e.Binary, UTF8: e.UTF8, RequireTLS: e.RequireTLS,
			Received: r.a.now(), Return: e.Return},
		Recipients: []transfer.Recipient{{Address: address}}, Content: c,
	}
	p, err := r.a.queue.Begin(ctx, Submission{Job: job})
	if fault.Is(err, fault.Exists) {
		return nil // the same message was handed in before, and is on its way
	}
	if err != nil {
		return err
	}
	return p.Wait()
}

// writeReport writes a report: a multipart/mixed of the envelope in words and the message, octet by octet.
func (r *run) writeReport(w io.Writer, id string, j *report) error {
	boundary := "=_journal-" + r.a.proof("boundary "+id)
	head, words := r.reportHead(id, j, boundary), r.reportWords(j)
	typ := "message/rfc822"
	if r.e.UTF8 && r.header().utf8 {
		typ = "message/global" // RFC 6532 §3.7
	}
	encoding := ""
	switch {
	case r.e.Binary:
		encoding = "Content-Transfer-Encoding: binary\r\n"
	case r.e.EightBit || r.e.UTF8:
		encoding = "Content-Transfer-Encoding: 8bit\r\n"
	}
	_, err := io.WriteString(w, head+"--"+boundary+"\r\n"+words+"\r\n--"+boundary+"\r\nContent-Type: "+typ+"\r\n"+encoding+"\r\n")
	if err == nil {
		_, err = io.Copy(w, io.NewSectionReader(r.content, 0, r.content.Size()))
	}
	if err == nil {
		_, err = io.WriteString(w, "\r\n--"+boundary+"--\r\n")
	}
	return err
}

// reportHead is a report's header.
func (r *run) reportHead(id string, j *report, boundary string) string {
	domain := policy.DomainOf(r.reporter(j))
	var d message.Draft
	d.AddAddresses("From", message.Address{Name: "Journal", Mailbox: "postmaster", Host: domain})
	d.Add("To", "<"+safe(j.address)+">")
	d.AddText("Subject", safe(message.DecodeWords(r.header().subject)))
	d.AddDate("Date", r.a.now())
	d.AddMessageIDs("Message-ID", "journal."+id+"@"+domain)
	d.Add("Auto-Submitted", "auto-generated") // RFC 3834 §5
	d.Add(reportField, "")
	d.Add(proofField, id+" "+r.a.proof(id))
	d.Add("MIME-Version", "1.0")
	d.Add("Content-Type", `multipart/mixed; boundary="`+boundary+`"`)
	return headOf(&d)
}

// headOf writes a draft's fields alone.
func headOf(d *message.Draft) string {
	d.Body = message.NewText("")
	raw := string(d.Bytes())
	h := message.ParseHeader(raw)
	var b strings.Builder
	for _, f := range h.Fields[:len(d.Fields)] {
		b.WriteString(raw[f.Start:f.End])
	}
	return b.String() + "\r\n"
}

// reportWords is the report's first part: the envelope, in the words that archives of Exchange's reports read.
func (r *run) reportWords(j *report) string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + ": " + safe(value) + "\r\n") }
	h := r.header()
	line("Sender", r.e.From)
	line("Subject", message.DecodeWords(h.subject))
	line("Message-Id", h.messageID)
	writer, places := r.writer(), h.places()
	for i := range r.to {
		to := &r.to[i]
		reader, place, leads := readerOf(to), placeOf(places, to.Address, r.e.Who != nil), ""
		if j.ours(&reader) {
			leads = r.leads(to)
		}
		if place == "To" || place == "Cc" || j.names(&writer, &reader) {
			line(place, to.Address+leads)
		}
	}
	text := message.NewText(b.String())
	d := message.Draft{Body: text}
	return strings.TrimPrefix(string(d.Bytes()), "MIME-Version: 1.0\r\n")
}

// leads says where a recipient's mail goes on to, as far as that is elsewhere.
func (r *run) leads(to *Recipient) string {
	if len(to.remote) == 0 || len(to.remote) == 1 && strings.EqualFold(to.remote[0], to.Address) {
		return ""
	}
	return ", Forwarded: " + strings.Join(to.remote, " ")
}

// places are the fields that name addresses, which are in lower case: To before Cc.
func (h *head) places() map[string]string {
	all := map[string]string{}
	for _, x := range [...]struct {
		name   string
		fields []string
	}{{"Cc", h.cc}, {"To", h.to}} {
		for _, v := range x.fields {
			for _, a := range message.ParseAddresses(v) {
				all[strings.ToLower(a.Addr())] = x.name
			}
		}
	}
	return all
}

// placeOf is the field that names a recipient. Who is in none was a blind copy's, if somebody here wrote the message; else who knows.
func placeOf(places map[string]string, address string, ours bool) string {
	if name, ok := places[strings.ToLower(address)]; ok {
		return name
	}
	if ours {
		return "Bcc"
	}
	return "Recipient"
}
