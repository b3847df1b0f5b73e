// Package dsn writes and reads delivery status notifications: the messages that tell
// a sender what became of a message.
//
// Compose makes a multipart/report (RFC 6522) of a text for people, a part for programs
// (RFC 3464) and the message in question or its header. Whatever the values hold, they
// can't add fields or parts. If the sender's address isn't ASCII the forms of RFC 6533
// are used; else all that isn't ASCII is wrapped, so that any server can take it.
//
// When to send one, and about whom, is not decided here: see package queue.
package dsn

import (
	"time"

	"postroad/internal/format/message"
)

// Action says what became of a recipient (RFC 3464 §2.3.3).
type Action uint8

// What becomes of a recipient.
const (
	// Failed: the message was not delivered, and it isn't tried any more.
	Failed Action = iota
	// Delayed: not yet, but we go on.
	Delayed
	// Delivered: it lies in the mailbox.
	Delivered
	// Relayed: it went to a server that will not tell of success.
	Relayed
	// Expanded: it went on to several addresses.
	Expanded

	actionEnd
)

// String is the action as it is written in the notification.
func (a Action) String() string {
	names := [actionEnd]string{"failed", "delayed", "delivered", "relayed", "expanded"}
	if a < actionEnd {
		return names[a]
	}
	return "failed"
}

// Report is what a notification tells. Texts may hold anything: control characters
// become spaces, and what is too long is cut.
type Report struct {
	// From is the address in the header, Host the name of the reporting server.
	From, Host string
	// To is the sender who is told: the reverse-path of the message.
	To string
	// MessageID is the notification's own, without brackets.
	MessageID string
	// Date is the notification's own, Arrival when the message came to us (zero: not told).
	Date, Arrival time.Time
	// DeliverBy is when it should have been delivered (RFC 2852 §5); zero: nobody has said so.
	DeliverBy time.Time
	// EnvelopeID is the sender's ENVID, decoded; "": there was none (RFC 3461 §6.3).
	EnvelopeID string
	// Recipients are those told about, in this order. Not none.
	Recipients []Recipient
	// Original is the whole message if Full, else its header; nil: nothing is given back.
	Original []byte
	Full     bool
	// Boundary is what the boundaries are made of: see message.Draft.
	Boundary string
}

// Recipient is what is told of one recipient.
type Recipient struct {
	Action Action
	// Address is from our envelope; OriginalType and Original are the ORCPT, "" if there was none.
	Address                string
	OriginalType, Original string
	// Status is the enhanced status code (RFC 3463), such as "5.1.1".
	Status string
	// Remote is the server that was spoken to, "" if none was.
	Remote string
	// Reply is what it said, with the reply code; or, if Remote is "", our own words.
	Reply string
	// LastAttempt and RetryUntil are told unless zero.
	LastAttempt, RetryUntil time.Time
	// LogID is how our log calls the message.
	LogID string
}

// Limits of what is told.
const (
	// MaxValue is the longest value of a field, in bytes; the rest is cut off.
	MaxValue = 2048
	// MaxListed is how many recipients the text for people names. The part for programs has all.
	MaxListed = 100
)

// Compose writes a notification. The same report gives the same octets.
func Compose(r *Report) []byte {
	wide := !ascii(r.To) // the way back takes UTF-8 (RFC 6533 §4.5)
	d := message.Draft{Boundary: r.Boundary}
	d.Add("From", "Mail Delivery System <"+address(r.From)+">")
	d.Add("To", "<"+address(r.To)+">")
	d.Add("Subject", subject(r))
	d.AddDate("Date", r.Date)
	d.Add("Message-ID", "<"+address(r.MessageID)+">")
	h := message.ParseHeader(string(headerOf(r.Original)))
	if ids := message.ParseMessageIDs(h.Get("Message-ID")); len(ids) == 1 && plain(ids[0]) {
		d.AddMessageIDs("In-Reply-To", ids...)
		d.AddMessageIDs("References", ids...)
	}
	d.Add("Auto-Submitted", "auto-replied") // RFC 3834 §5
	d.Body = message.NewReport("delivery-status", message.NewText(text(r, &h)), status(r, wide), original(r, wide))
	return d.Bytes()
}

func subject(r *Report) string {
	switch worst(r) {
	case Failed:
		return "Your message could not be delivered"
	case Delayed:
		return "Your message is delayed"
	case Relayed, Expanded:
		return "Your message was passed on"
	}
	return "Your message was delivered"
}

// worst is the action that the sender must hear of first.
func worst(r *Report) Action {
	w := actionEnd
	for i := range r.Recipients {
		w = min(w, rank(r.Recipients[i].Action))
	}
	return [...]Action{Failed, Delayed, Relayed, Expanded, Delivered, Delivered}[w]
}

func rank(a Action) Action {
	return [actionEnd]Action{Failed: 0, Delayed: 1, Relayed: 2, Expanded: 3, Delivered: 4}[a]
}
