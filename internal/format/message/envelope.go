package message

import "strings"

// An Envelope is what a message's header says about the message as a whole; the fields of IMAP's ENVELOPE, RFC 9051
// section 7.5.2. Texts are unfolded but not decoded. Of a field that comes twice the first one counts, except that
// lists of addresses are put together.
type Envelope struct {
	Date       string
	Subject    string
	From       []Address
	Sender     []Address // as it is in the header: not taken from From
	ReplyTo    []Address // likewise
	To         []Address
	Cc         []Address
	Bcc        []Address
	InReplyTo  string
	MessageID  string
	References string
	// These tell a field that is there but empty from one that isn't there.
	HasDate, HasSubject, HasInReplyTo, HasMessageID bool
}

// newEnvelope reads the envelope from a header.
func newEnvelope(h *Header) *Envelope { return new(Envelope).read(h) }

func (e *Envelope) read(h *Header) *Envelope {
	l := lexers.Get().(*addressLexer)
	defer l.leave()
	for _, f := range h.Fields {
		if name := h.Name(f); len(name) >= 2 && len(name) <= len("in-reply-to") {
			e.set(name, h.Value(f), l)
		}
	}
	return e
}

func (e *Envelope) set(name, raw string, l *addressLexer) {
	switch name[0] | 0x20 {
	case 'd':
		setFirst(&e.Date, &e.HasDate, name, "date", raw)
	case 's':
		setFirst(&e.Subject, &e.HasSubject, name, "subject", raw)
		addAddresses(&e.Sender, name, "sender", raw, l)
	case 'f':
		addAddresses(&e.From, name, "from", raw, l)
	case 'r':
		addAddresses(&e.ReplyTo, name, "reply-to", raw, l)
		var seen bool
		setFirst(&e.References, &seen, name, "references", raw)
	case 't':
		addAddresses(&e.To, name, "to", raw, l)
	case 'c':
		addAddresses(&e.Cc, name, "cc", raw, l)
	case 'b':
		addAddresses(&e.Bcc, name, "bcc", raw, l)
	case 'i':
		setFirst(&e.InReplyTo, &e.HasInReplyTo, name, "in-reply-to", raw)
	case 'm':
		setFirst(&e.MessageID, &e.HasMessageID, name, "message-id", raw)
	}
}

func setFirst(to *string, seen *bool, name, want, raw string) {
	if !*seen && *to == "" && strings.EqualFold(name, want) {
		*to, *seen = Unfold(raw), true
	}
}

func addAddresses(to *[]Address, name, want, raw string, l *addressLexer) {
	if strings.EqualFold(name, want) {
		*to = l.appendTo(*to, Unfold(raw))
	}
}
