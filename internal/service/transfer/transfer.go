// Package transfer has the words that those share who pass mail on to other
// servers: the queue, which decides when; the route, which decides where to; and the relay,
// which speaks to the next hop.
//
// It holds values only. Envelope parameters are those of RFC 5321, 3461 (DSN), 4865
// (FUTURERELEASE), 2852 (DELIVERBY), 6710 (MT-PRIORITY) and 8689 (REQUIRETLS).
package transfer

import (
	"io"
	"net/netip"
	"time"

	"postroad/internal/model/ident"
)

// Notify says when a recipient's sender wants to hear (RFC 3461 §4.1). The zero
// value is the default: of failures, and of delays if the server likes.
type Notify uint8

// When to notify. NotifyNever excludes the others.
const (
	NotifySuccess Notify = 1 << iota
	NotifyFailure
	NotifyDelay
	NotifyNever
)

// Return says how much of the message a notification gives back (RFC 3461 §4.3).
type Return uint8

// How much is given back.
const (
	ReturnDefault Return = iota
	ReturnFull
	ReturnHeaders
)

// Envelope is what is known of a message apart from its bytes and recipients.
type Envelope struct {
	// ID names the message in logs, traces and trace headers.
	ID string
	// From is the reverse-path without brackets; "" is the null path: nobody is told of anything.
	From string
	// EnvelopeID is the sender's ENVID, decoded from xtext; "" if there was none.
	EnvelopeID string
	Return     Return
	// EightBit, Binary and UTF8 say what the bytes or the addresses need: 8BITMIME, BINARYMIME, SMTPUTF8.
	EightBit, Binary, UTF8 bool
	// RequireTLS: never over an unverified channel (RFC 8689).
	RequireTLS bool
	// Priority is from -9 to 9; 0 is a person's ordinary mail (RFC 6710).
	Priority int
	// Received is when we took responsibility.
	Received time.Time
	// Deadline, if set, is when delivery has failed, or is to be told of as late (RFC 2852).
	Deadline time.Time
	// NotifyLate: at the Deadline say so and go on, rather than give up (RFC 2852 by-mode N).
	NotifyLate bool
	// ByTrace: the sender wants to hear from each host that passes the message on (RFC 2852 by-trace).
	ByTrace bool
	// TLSOptional: the sender would rather have it arrive than be protected: what the recipient's domain says
	// about TLS doesn't matter ("TLS-Required: No", RFC 8689 §4.2.2).
	TLSOptional bool
	// Account is who sent it after signing in here; 0: nobody did.
	Account ident.AccountID
}

// Recipient is one address that the message has to reach.
type Recipient struct {
	// Address is where to, without brackets.
	Address string
	// Original is the ORCPT as type and address ("rfc822", "ann@example.org"); "" if there was none.
	OriginalType, Original string
	Notify                 Notify
}

// Content is a message's bytes. It is safe for concurrent use.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Job is one attempt: a message for one or several recipients at one destination.
type Job struct {
	Envelope
	Recipients []Recipient
	Content    Content
}

// Result says what became of a recipient.
type Result uint8

// What becomes of a recipient.
const (
	// Deferred: not now, try again. The zero value: nothing is ever lost by forgetting to say.
	Deferred Result = iota
	// Delivered: the next hop has taken responsibility, and will send the notifications.
	Delivered
	// Relayed is Delivered to a hop that doesn't know DSN: a success notification is ours to send (RFC 3461 §5.2.2).
	Relayed
	// Failed: it will never work.
	Failed
)

// Outcome is what one attempt came to for one recipient. It travels unchanged
// into logs, traces and notifications.
type Outcome struct {
	Result Result
	// Code is the remote's reply code, 0 if there was no reply.
	Code int
	// Status is the enhanced status code (RFC 3463) without which there is no Outcome: "4.4.1".
	Status string
	// Text is the remote's reply, or our words. It has no control characters and at most MaxText bytes.
	Text string
	// Remote is the name of the host that answered, or was tried last; "" if it never came to that.
	Remote string
	Addr   netip.AddrPort
	// TLS says how the channel was protected: "", "TLS1.3 unverified", "TLS1.3 DANE", "TLS1.3 MTA-STS".
	TLS string
	// Untimed: the host that took the message knows nothing of its Deadline, which was still to come.
	Untimed bool
	// HostWide: the trouble is the destination's (no connection, 421), not the recipient's: others for it should wait.
	HostWide bool
	At       time.Time
	Took     time.Duration
}

// MaxText is the longest Outcome.Text, in bytes.
const MaxText = 1024
