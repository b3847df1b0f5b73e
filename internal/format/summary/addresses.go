package summary

import "postroad/internal/format/message"

// appendAddresses writes the six lists of addresses, each one a mark (message.GroupMark), the decoded name, the mailbox
// and the host.
func (w *writer) appendAddresses(e *message.Envelope) {
	for i, as := range [...][]message.Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		as = w.detail.addresses(as)
		for j := range as {
			if w.full() {
				break
			}
			a := &as[j]
			w.buf = append(w.buf, byte(a.Group))
			w.appendString(w.detail.clipText(message.DecodeWordsIn(w.detail.clip(a.Name), w.charset)))
			w.appendString(w.detail.clipText(message.DecodeText(a.Mailbox)))
			w.appendString(w.detail.clipText(message.DecodeText(a.Host)))
		}
		w.end(secFrom + i)
	}
}

// From returns the addresses of the From field, with names decoded. Groups are marked as by message.ParseAddresses.
func (r Record) From() []message.Address { return readAddresses(r.section(secFrom)) }

// Sender is like From, for the Sender field. It is empty if there is none.
func (r Record) Sender() []message.Address { return readAddresses(r.section(secSender)) }

// ReplyTo is like From, for the Reply-To field. It is empty if there is none.
func (r Record) ReplyTo() []message.Address { return readAddresses(r.section(secReplyTo)) }

// To is like From, for the To field.
func (r Record) To() []message.Address { return readAddresses(r.section(secTo)) }

// Cc is like From, for the Cc field.
func (r Record) Cc() []message.Address { return readAddresses(r.section(secCc)) }

// Bcc is like From, for the Bcc field.
func (r Record) Bcc() []message.Address { return readAddresses(r.section(secBcc)) }

// A List names one of a message's lists of addresses.
type List int

// The lists of addresses.
const (
	From    List = secFrom
	Sender  List = secSender
	ReplyTo List = secReplyTo
	To      List = secTo
	Cc      List = secCc
	Bcc     List = secBcc
)

// AddressBytes is an address in place: parts of its Record. A group's name, or its end, is told as From does.
type AddressBytes struct {
	Group               message.GroupMark
	Name, Mailbox, Host []byte
}

// Addresses is a list of addresses that is read in place.
type Addresses struct{ c cursor }

// Addresses returns a list for going through without copying it, for those who look at many messages.
func (r Record) Addresses(l List) Addresses { return Addresses{read(r.section(int(l)))} }

// Next returns the next address, false behind the last one.
func (l *Addresses) Next() (a AddressBytes, ok bool) {
	if l.c.Rest() == 0 {
		return a, false
	}
	a = AddressBytes{Group: message.GroupMark(l.c.Byte()), Name: l.c.Bytes(), Mailbox: l.c.Bytes(), Host: l.c.Bytes()}
	return a, !l.c.Bad() && a.Group <= message.GroupEnd
}

func readAddresses(b []byte) []message.Address {
	var as []message.Address
	c := read(b)
	for c.Rest() > 0 {
		a := message.Address{Group: message.GroupMark(c.Byte()), Name: c.String(), Mailbox: c.String(), Host: c.String()}
		if c.Bad() || a.Group > message.GroupEnd {
			break
		}
		as = append(as, a)
	}
	return as
}
