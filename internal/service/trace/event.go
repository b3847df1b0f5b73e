package trace

import (
	"encoding/binary"
	"net/netip"
	"time"

	"postroad/internal/format/record"
	"postroad/internal/service/transfer"
)

// Kind says what happened.
type Kind uint8

// What happens to a message. The numbers are stored.
const (
	// Received: we took responsibility for it. Client says from whom, Text what the checks found.
	Received Kind = 1 + iota
	// Refused: we did not, or not for the recipients in To. Stage says when, Outcome's Code, Status and Text what we replied.
	Refused
	// Delivered: it lies in the mailbox of Account, in Folder. To is the address that led there.
	Delivered
	// Forwarded: a copy goes elsewhere because of an alias or group, to To. ID is the copy's, Parent the message's.
	Forwarded
	// Listed is Forwarded to the members of a list.
	Listed
	// Queued: it lies in the queue for To. Text says why it waits, if it is held or scheduled.
	Queued
	// Attempt to send it to To; Outcome is what came of it.
	Attempt
	// Warned: the sender was told that To waits. Outcome is the last attempt's.
	Warned
	// Done: To is given up, or the sender was told what became of it. Outcome is what they were told.
	Done
	// Dropped by an administrator.
	Dropped
	// Held by an administrator: nothing is tried.
	Held
	// Released, or put forward to be tried now.
	Released
	// Notification: a message of our own about the message Parent. ID is its own, To who gets it.
	Notification
	// Quarantined: it is kept for an administrator, and nobody gets it before they let it go on. Text says why.
	Quarantined
	// Discarded: we took it, and nobody gets it. Text says why.
	Discarded

	kindEnd
)

var kindNames = [kindEnd]string{
	Received: "received", Refused: "refused", Delivered: "delivered", Forwarded: "forwarded", Listed: "listed", Queued: "queued",
	Attempt: "tried", Warned: "warned", Done: "ended", Dropped: "dropped", Held: "held", Released: "released", Notification: "notified",
	Quarantined: "quarantined", Discarded: "discarded",
}

// String names the kind in a word.
func (k Kind) String() string {
	if k == 0 || k >= kindEnd {
		return "unknown"
	}
	return kindNames[k]
}

// Event is something that happened to a message. Kind is needed, all else is as far as it is known. Strings that are too long
// are cut.
type Event struct {
	At   time.Time // zero: now
	Kind Kind
	// ID names the message, as logs, replies and Received fields do. A copy with another envelope or other bytes has an
	// ID of its own, and the message's as its Parent. Empty only if it was refused before there was one.
	ID, Parent string
	// MessageID is the header's, without brackets.
	MessageID string
	// From is the reverse-path, "" the null one. It is needed in each event of a message, else nobody finds it by sender.
	From string
	// To are the recipients that the event is about; more than MaxTo are not remembered. Note does not keep the slice.
	To     []string
	Size   int64
	Client Client
	// Stage of Refused: "connect", "helo", "mail", "rcpt", "data".
	Stage string
	// Text says more: of Received what the checks found ("spf=pass dkim=pass dmarc=pass"), else in a few words why.
	Text string
	// Account is the address of the mailbox, Folder its folder.
	Account, Folder string
	// Outcome of Attempt, Warned, Done, and with Code, Status and Text alone of Refused and Dropped.
	Outcome transfer.Outcome
}

// Client is who brought a message.
type Client struct {
	Addr netip.Addr
	Name string // the address's name in the DNS, as far as it is confirmed
	Helo string
	TLS  string // version and cipher; "": none
	// Protocol as in the Received field: "ESMTPSA"; "local" for what the server sends itself.
	Protocol string
	// Account who signed in: an address.
	Account string
}

// Limits of what is kept of an event.
const (
	MaxTo       = 200
	maxID       = 255
	maxAddress  = 320
	maxSentence = 512
)

// hasSender reports whether From is known: a client that is refused before MAIL has named none.
func (e *Event) hasSender() bool { return e.From != "" || e.ID != "" }

// append writes the event after b.
func (e *Event) append(b []byte) []byte {
	b = append(b, byte(e.Kind))
	b = binary.AppendVarint(b, e.At.UnixMicro())
	for _, s := range [...]string{cut(e.ID, maxID), cut(e.Parent, maxID), cut(e.MessageID, 998), cut(e.From, maxAddress)} {
		b = record.AppendString(b, s)
	}
	n := min(len(e.To), MaxTo)
	b = binary.AppendUvarint(b, uint64(n))
	for _, to := range e.To[:n] {
		b = record.AppendString(b, cut(to, maxAddress))
	}
	b = binary.AppendUvarint(b, uint64(max(e.Size, 0)))
	b = e.Client.append(b)
	for _, s := range [...]string{cut(e.Stage, 32), cut(e.Text, maxSentence), cut(e.Account, maxAddress), cut(e.Folder, maxSentence)} {
		b = record.AppendString(b, s)
	}
	return appendOutcome(b, &e.Outcome)
}

// append writes a flag whether there is anything, and then the client.
func (c *Client) append(b []byte) []byte {
	if *c == (Client{}) {
		return append(b, 0)
	}
	b = append(b, 1)
	addr := c.Addr.AsSlice()
	b = record.AppendString(b, addr)
	for _, s := range [...]string{cut(c.Name, maxID), cut(c.Helo, maxID), cut(c.TLS, 64), cut(c.Protocol, 32), cut(c.Account, maxAddress)} {
		b = record.AppendString(b, s)
	}
	return b
}

// appendOutcome writes a flag whether there is any, and then the outcome.
func appendOutcome(b []byte, o *transfer.Outcome) []byte {
	if *o == (transfer.Outcome{}) {
		return append(b, 0)
	}
	b = append(b, 1, byte(o.Result), boolByte(o.HostWide))
	b = binary.AppendUvarint(b, uint64(max(o.Code, 0)))
	for _, s := range [...]string{cut(o.Status, 32), cut(o.Text, transfer.MaxText), cut(o.Remote, maxID), cut(o.TLS, 64)} {
		b = record.AppendString(b, s)
	}
	b = record.AppendString(b, o.Addr.Addr().AsSlice())
	b = binary.AppendUvarint(b, uint64(o.Addr.Port()))
	at := int64(0)
	if !o.At.IsZero() {
		at = o.At.UnixMicro()
	}
	b = binary.AppendVarint(b, at)
	return binary.AppendVarint(b, int64(o.Took))
}

// readEvent reads what append wrote.
func readEvent(b []byte) (e Event, ok bool) {
	d := record.Read(b)
	e.Kind, e.At = Kind(d.Byte()), time.UnixMicro(d.Int()).UTC()
	e.ID, e.Parent, e.MessageID, e.From = d.String(), d.String(), d.String(), d.String()
	if n := d.Count(); n > 0 {
		e.To = make([]string, 0, min(n, MaxTo))
		for range n {
			e.To = append(e.To, d.String())
		}
	}
	e.Size = int64(d.Uint())
	if d.Byte() != 0 {
		e.Client.Addr, _ = netip.AddrFromSlice(d.Bytes())
		e.Client.Name, e.Client.Helo, e.Client.TLS = d.String(), d.String(), d.String()
		e.Client.Protocol, e.Client.Account = d.String(), d.String()
	}
	e.Stage, e.Text, e.Account, e.Folder = d.String(), d.String(), d.String(), d.String()
	if d.Byte() != 0 {
		e.Outcome = readOutcome(&d)
	}
	return e, !d.Bad() && e.Kind > 0 && e.Kind < kindEnd
}

func readOutcome(d *record.Decoder) (o transfer.Outcome) {
	o.Result, o.HostWide, o.Code = transfer.Result(d.Byte()), d.Byte() != 0, int(d.Uint())
	o.Status, o.Text, o.Remote, o.TLS = d.String(), d.String(), d.String(), d.String()
	addr, known := netip.AddrFromSlice(d.Bytes())
	if port := uint16(d.Uint()); known {
		o.Addr = netip.AddrPortFrom(addr, port)
	}
	if at := d.Int(); at != 0 {
		o.At = time.UnixMicro(at).UTC()
	}
	o.Took = time.Duration(d.Int())
	return o
}

func boolByte(on bool) byte {
	if on {
		return 1
	}
	return 0
}

func cut(s string, n int) string { return s[:min(len(s), n)] }
