package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/netip"
	"time"

	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
)

// Post is where messages go. Its methods are called from many sessions at once.
type Post interface {
	// Recipient finds who an address belongs to. e is what is known so far: it is only looked at. address is
	// a mailbox of RFC 5321 §4.1.2 without angle brackets, or "postmaster" in any case.
	// Errors: fault.NotFound (nobody here), fault.Unsupported (the domain is not
	// ours), fault.OverQuota, and whatever else is in the way.
	Recipient(ctx context.Context, e *Envelope, address string) (Mailbox, error)
	// NewContent begins a message.
	NewContent() Content
	// Deliver gives the message to all recipients and tells, for each, how it went.
	// When it returns, all that succeeded are durable. It takes the content over. The
	// envelope and its recipients are not used after it returns.
	Deliver(ctx context.Context, e *Envelope, c Content) []error
}

// Mailbox is the Post's own notion of a recipient.
type Mailbox any

// Content takes a message's bytes in order. After a failed Write all later ones fail.
type Content interface {
	io.Writer
	// Discard gives the message up.
	Discard()
}

// Envelope is what the client said about a message (RFC 5321 §2.3.1).
type Envelope struct {
	// ID names the transaction in the log, in the Received field and to the client.
	ID string
	// From is the reverse-path's mailbox, without angle brackets. Empty: the null path.
	From string
	// Recipients are those accepted, in order.
	Recipients []Recipient
	// Who signed in; nil: a stranger.
	Who *ident.Identity
	// Peer is where the client is; the zero Addr if that isn't known.
	Peer netip.Addr
	// Helo is the name that the client gave itself.
	Helo string
	// TLS: the connection is private; Cipher is its version and cipher, for the trace.
	TLS    bool
	Cipher string
	// Protocol is the Received field's WITH clause.
	Protocol string
	// Mode of the listener.
	Mode Mode
	// Trusted: the client is one of ours, whom the Gate doesn't check: a relay that speaks LMTP, a host of a trusted network.
	Trusted bool
	// UTF8: the client asserted SMTPUTF8 (RFC 6531 §3.4).
	UTF8 bool
	// Body is the encoding that the client declared.
	Body Body
	// Declared is the size that the client announced; 0: none.
	Declared int64
	// Return says what a failure notice should contain (RFC 3461 §4.3).
	Return Return
	// EnvelopeID is ENVID, decoded (RFC 3461 §4.4).
	EnvelopeID string
	// Verdict is what the Gate's checks found out; nil: nothing was checked. It is there when the message is delivered.
	Verdict *delivery.Verdict
	// HoldUntil is before when nobody gets the message (RFC 4865); zero: at once.
	HoldUntil time.Time
	// Deadline is until when it must be delivered, or else be given back or, with NotifyLate, told of (RFC 2852);
	// zero: there is none. ByTrace: the sender wants to hear of each host that passes it on.
	Deadline            time.Time
	NotifyLate, ByTrace bool
	// Priority is from -9 to 9, as far as the client may have it (RFC 6710). Prioritised: the client gave one.
	Priority    int
	Prioritised bool
	// RequireTLS: the message goes on over verified TLS or not at all (RFC 8689).
	RequireTLS bool
}

// Recipient is one accepted RCPT.
type Recipient struct {
	// Address as the client gave it, without angle brackets.
	Address string
	// Mailbox is what Post.Recipient made of it.
	Mailbox Mailbox
	// Notify says when to send notices (RFC 3461 §4.1); 0: not said.
	Notify Notify
	// OriginalType and Original are ORCPT's two halves, decoded (RFC 3461 §4.2); empty: not given.
	OriginalType, Original string
}

// Body is the BODY parameter of MAIL (RFC 6152, RFC 3030 §3).
type Body uint8

// Bodies.
const (
	Body7Bit Body = iota // also if not given
	Body8BitMIME
	BodyBinaryMIME
)

// Return is the RET parameter of MAIL.
type Return uint8

// Returns.
const (
	ReturnUnsaid Return = iota
	ReturnFull
	ReturnHeaders
)

// Notify is the NOTIFY parameter of RCPT: a set.
type Notify uint8

// Occasions for a notice. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Auth signs people in.
type Auth interface {
	// Mechanisms names what may be offered to the peer, best first.
	Mechanisms(p Peer) []string
	// Start begins an exchange. fault.Unsupported: no such mechanism, or not for this peer.
	Start(p Peer, mechanism string) (Exchange, error)
}

// Peer is who wants to sign in, and over what.
type Peer struct {
	Addr         netip.Addr
	Protocol     string               // "smtp", "submission" or "lmtp"
	TLS          *tls.ConnectionState // nil: in the clear
	Certificate  *x509.Certificate    // of ours, that the client was shown; nil: none was noted, as in a resumed session
	PlainAllowed bool                 // passwords may pass in the clear
	Connection   Connection           // what a Connector has made of it; nil: there is none
}

// Connector is an Auth that knows who is signed in where.
type Connector interface {
	// Connect announces a connection. end closes it at once, from any goroutine.
	Connect(end func()) Connection
}

// Connection is a connection that a Connector knows.
type Connection interface {
	// Close says that it has ended.
	Close()
}

// Exchange is a SASL exchange under way.
type Exchange interface {
	// Next takes the client's response (nil: none was sent yet) and gives the next
	// challenge. With done the client is who Identity says; challenge may still be something to send.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	Identity() ident.Identity
}

// Senders decides who may send as whom.
type Senders interface {
	// MaySend returns fault.Denied if who may not use the address as reverse-path.
	MaySend(ctx context.Context, who ident.Identity, from string) error
}
