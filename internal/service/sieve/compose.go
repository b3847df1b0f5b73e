package sieve

import (
	"bytes"
	"io"
	"strings"
	"time"

	"postroad/internal/format/message"
)

// Letter is a message of ours that an action sends.
type Letter struct {
	// From is the reverse-path; "": the null path. To are the recipients.
	From string
	To   []string
	Text []byte
}

// Composer writes the messages that actions send. It is safe for concurrent use.
type Composer struct {
	// Host names this server.
	Host string
	// ID returns something that is never the same: the left side of message identifiers, and what boundaries are made of.
	ID func() string
}

func (c *Composer) begin(now time.Time, from string, to ...message.Address) *message.Draft {
	d := &message.Draft{Boundary: "sieve" + strings.Map(alnum, c.ID())}
	d.AddDate("Date", now)
	d.AddAddresses("From", people(from)...)
	d.AddAddresses("To", to...)
	d.AddMessageIDs("Message-ID", c.ID()+"@"+c.Host)
	return d
}

// Heading are the fields that every message has: Date, From and Message-ID.
func (c *Composer) Heading(now time.Time, from string) []byte { return fieldLines(c.begin(now, from)) }

func alnum(r rune) rune {
	if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}

// people reads addresses as somebody wrote them.
func people(s string) []message.Address {
	var out []message.Address
	for _, a := range message.ParseAddresses(s) {
		if a.Group == message.NoGroup && a.Mailbox != "" {
			a.Route, a.Name = "", a.DisplayName()
			out = append(out, a)
		}
	}
	return out
}

// Reply is the answer that vacation gives. RFC 5230 §5, RFC 3834 §3.
func (c *Composer) Reply(env *Environment, r *Reply) Letter {
	to := people(r.To)
	for i := range to {
		to[i].Name = r.Name
	}
	d := c.begin(env.Now, r.From, to...)
	d.AddText("Subject", r.Subject)
	if r.InReplyTo != "" {
		d.AddMessageIDs("In-Reply-To", r.InReplyTo)
		d.AddMessageIDs("References", r.References...)
	}
	d.Add("Auto-Submitted", "auto-replied (vacation)")
	d.Add("Precedence", "bulk")
	d.Add("X-Auto-Response-Suppress", "All")
	d.Body = message.NewText(ended(r.Body))
	if r.HTML != "" {
		d.Body = message.NewMultipart("alternative", d.Body, message.NewHTML(ended(r.HTML)))
	}
	text := d.Bytes()
	if r.MIME {
		text = withEntity(text, r.Body)
	}
	return Letter{To: []string{r.To}, Text: text}
}

// ended is a text that ends with a line end.
func ended(s string) string {
	if strings.HasSuffix(s, "\n") {
		return s
	}
	return s + "\r\n"
}

// withEntity puts a MIME entity, with its header, in the place of a message's body. Of its header only Content-* fields count.
func withEntity(text []byte, entity string) []byte {
	i := bytes.Index(text, []byte("MIME-Version:"))
	if i < 0 {
		return text
	}
	head := message.ParseHeader(entity)
	out := append(text[:i:i], "MIME-Version: 1.0\r\n"...)
	end := 0
	for _, f := range head.Fields {
		end = int(f.End)
		if name := head.Name(f); len(name) > 8 && strings.EqualFold(name[:8], "Content-") {
			out = append(out, entity[f.Start:f.End]...)
		}
	}
	body := strings.TrimPrefix(entity[end:], "\r\n")
	return append(append(out, "\r\n"...), body...)
}

// Rejection is the notification of reject. RFC 5429 §2.2, RFC 8098 §3.
func (c *Composer) Rejection(env *Environment, msg Message, reason string) (Letter, error) {
	to := env.Envelope.From
	d := c.begin(env.Now, "Mail Delivery Subsystem <postmaster@"+c.Host+">", people(to)...)
	d.AddText("Subject", "Automatically rejected mail")
	d.Add("Auto-Submitted", "auto-replied (rejected)")
	head := msg.Header()
	h := message.ParseHeader(string(head))
	if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) > 0 {
		d.AddMessageIDs("In-Reply-To", ids[0])
		d.AddMessageIDs("References", ids[0])
	}
	human := "Your message to <" + env.Envelope.To + "> was automatically rejected:\r\n\r\n" + reason + "\r\n"
	machine := message.Entity{Type: "message/disposition-notification", Content: []byte(c.disposition(env, &h))}
	d.Body = message.NewReport("disposition-notification", message.NewText(human), machine, message.Entity{Type: "text/rfc822-headers", Content: head})
	return Letter{To: []string{to}, Text: d.Bytes()}, nil
}

// disposition are the fields for programs. RFC 8098 §3.2.
func (c *Composer) disposition(env *Environment, h *message.Header) string {
	var b strings.Builder
	b.WriteString("Reporting-UA: " + c.Host + "; Postroad Sieve\r\n")
	if o := env.Envelope.Original; o != "" {
		b.WriteString("Original-Recipient: rfc822; " + oneLine(o) + "\r\n")
	}
	b.WriteString("Final-Recipient: rfc822; " + oneLine(env.Envelope.To) + "\r\n")
	if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) > 0 {
		b.WriteString("Original-Message-ID: <" + oneLine(ids[0]) + ">\r\n")
	}
	b.WriteString("Disposition: automatic-action/MDN-sent-automatically; deleted\r\n")
	return b.String()
}

// Notification is the message of a mailto: notification. RFC 5436 §2.7.
func (c *Composer) Notification(env *Environment, msg Message, n *Notice) (Letter, error) {
	from := n.From
	if from == "" {
		from = env.Envelope.To
	}
	d := c.begin(env.Now, from, people(strings.Join(n.Mail.To, ", "))...)
	var cc []message.Address
	for _, a := range n.Mail.Cc {
		cc = append(cc, people(a)...)
	}
	d.AddAddresses("Cc", cc...)
	h := message.ParseHeader(string(msg.Header()))
	d.AddText("Subject", shortened(n.subject(&h)))
	d.Add("Auto-Submitted", "auto-notified; owner-email=\""+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(env.Envelope.To)+"\"")
	d.Add("Importance", [...]string{"high", "normal", "low"}[n.Importance-1])
	d.Add("X-Priority", [...]string{"1 (Highest)", "3 (Normal)", "5 (Lowest)"}[n.Importance-1])
	d.Add("Precedence", "bulk")
	for _, f := range n.Mail.Fields {
		d.AddText(f[0], f[1])
	}
	if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) > 0 {
		d.AddMessageIDs("References", ids[0])
	}
	text, err := n.body(&h)
	if err != nil {
		return Letter{}, err
	}
	d.Body = message.NewText(ended(text))
	l := Letter{To: n.Mail.everybody(), Text: d.Bytes()}
	if env.Envelope.From != "" { // otherwise empty, to avoid loops
		l.From = env.Envelope.To
	}
	return l, nil
}

func (n *Notice) subject(h *message.Header) string {
	switch {
	case n.Message != "":
		return n.Message
	case n.Mail.HasSubject:
		return n.Mail.Subject
	case strings.TrimSpace(h.Get("Subject")) != "":
		return message.DecodeWords(strings.TrimSpace(h.Get("Subject")))
	}
	return "New message"
}

func (n *Notice) body(h *message.Header) (string, error) {
	if n.Mail.Body != "" {
		return n.Mail.Body, nil
	}
	var b strings.Builder
	b.WriteString("A new message has arrived.\r\n\r\n")
	for _, name := range []string{"From", "To", "Subject", "Date"} {
		if v := h.Get(name); v != "" {
			io.WriteString(&b, name+": "+oneLine(message.DecodeWords(v))+"\r\n")
		}
	}
	return b.String(), nil
}

// everybody are all recipients, each once.
func (mt *Mailto) everybody() []string {
	var out []string
	for _, list := range [][]string{mt.To, mt.Cc, mt.Bcc} {
		for _, a := range list {
			if !containsFold(out, a) {
				out = append(out, a)
			}
		}
	}
	return out
}

// Trouble tells the owner of a script that it does not work.
func (c *Composer) Trouble(owner string, now time.Time, what []string) Letter {
	d := c.begin(now, "Postroad <postmaster@"+c.Host+">", people(owner)...)
	d.AddText("Subject", "Your mail filter does not work as it should")
	d.Add("Auto-Submitted", "auto-generated")
	text := "A message came for you, and your filter script could not be followed for it.\r\nMessages that it can't decide about are kept in your INBOX.\r\n\r\nWhat went wrong (line and column of the script):\r\n\r\n"
	for _, w := range what {
		text += "    " + strings.ReplaceAll(cut(w, 2000), "\n", "\r\n    ") + "\r\n"
	}
	d.Body = message.NewText(text + "\r\nYou are told of this once a day at most.\r\n")
	return Letter{To: []string{owner}, Text: d.Bytes()}
}
