package smtp

import (
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"time"

	"postroad/internal/service/policy"
	"postroad/internal/service/scan"
	history "postroad/internal/service/trace"
)

// Config is what a Server needs. Post and Hostname must be set.
type Config struct {
	// Hostname is the name that the server gives itself in greetings and trace fields.
	Hostname string
	// Post knows the recipients and takes the messages.
	Post Post
	// Auth signs people in. Nil: AUTH is never offered, and submission refuses everything.
	Auth Auth
	// Senders decides who may use which sender address in submission. Nil: everybody any.
	Senders Senders
	// URLs finds what IMAP URLs lead to, for BURL (RFC 4468) in submission. Nil: it isn't offered.
	URLs URLs
	// Gate decides who may hand in mail. Nil: everybody may, and nothing is checked.
	Gate Gate
	// Scan shows messages to other programs, at the same time as the Gate checks them; some go along with a client from its beginning. Nil: nobody else looks.
	Scan *scan.Set
	// Policies are what administrators have decided. Nil: nothing.
	Policies *policy.Book
	// Note hears of what is refused, for the history of messages. It must not wait. Nil: nobody does.
	Note func(history.Event)
	// TLS has the certificates. Nil: STARTTLS is not offered.
	TLS *tls.Config
	// SubmissionTLS is used instead in mode Submission, where clients may be asked for certificates. Nil: TLS is.
	SubmissionTLS *tls.Config
	// Limits bound what clients may do; its zero value means the defaults.
	Limits Limits
	// Hold is how long a message in submission may ask to be held (FUTURERELEASE, RFC 4865). 0: it isn't offered.
	Hold time.Duration
	// BareLineEndings says what becomes of a message with a CR or LF that isn't part of a CRLF.
	BareLineEndings BareLineEndings
	// Logger gets one line for each message and what went wrong. Nil: no logging.
	Logger *slog.Logger
	// Now tells the time for trace fields. Nil: time.Now. Timeouts are those of the
	// connection and follow the machine's clock.
	Now func() time.Time
	// Rand makes message identifiers hard to guess. Nil: crypto/rand.
	Rand io.Reader
}

// Mode is what a listener is for.
type Mode uint8

const (
	// MX takes mail from other servers for the people here (port 25).
	MX Mode = iota
	// Submission takes mail from the people here, who must sign in (ports 587 and 465).
	Submission
	// LMTP takes mail from a relay that keeps a queue of its own (port 24): each
	// recipient gets a reply of their own (RFC 2033).
	LMTP
)

// String names the mode as logs do.
func (m Mode) String() string {
	switch m {
	case Submission:
		return "submission"
	case LMTP:
		return "lmtp"
	}
	return "smtp"
}

// ListenerOptions say how the connections of one listener are served.
type ListenerOptions struct {
	Mode Mode
	// ImplicitTLS: the TLS handshake comes first (RFC 8314 §3.3). Config.TLS must be set.
	ImplicitTLS bool
	// PlainAllowed permits passwords in the clear without TLS (a loopback demonstration).
	PlainAllowed bool
	// OfferAuth offers AUTH in the modes MX and LMTP also. Submission always does.
	OfferAuth bool
}

// BareLineEndings says what becomes of a message that has a CR without LF or an
// LF without CR. Neither ever ends a line of the conversation itself.
type BareLineEndings uint8

const (
	// RefuseBare refuses the message after its end was read.
	RefuseBare BareLineEndings = iota
	// NormaliseBare stores a CRLF in place of each.
	NormaliseBare
)

// Limits bound what a client may do. A zero field means its default.
type Limits struct {
	// MessageBytes is the largest message (RFC 1870); 150 MB by default.
	MessageBytes int64
	// TextLine is the longest line of a message in bytes, CRLF included; 1 MiB by
	// default. RFC 5321 §4.5.3.1.6 asks for 1000; much legitimate mail has longer ones.
	TextLine int
	// CommandLine is the longest command line in bytes, CRLF included; 4096 by default.
	// RFC 5321 §4.5.3.1.4 asks for 512, the extensions add about 1,200. AUTH lines may have 12288 (RFC 4954 §4).
	CommandLine int
	// Recipients is the most that one message may have; 1000 by default.
	Recipients int
	// Messages is the most transactions of one connection; 100,000 by default.
	Messages int
	// Errors is how many wrong commands end the session; 20 by default. An accepted message sets the count back.
	Errors int
	// IdleCommands is how many commands that get nowhere (NOOP, RSET, EHLO, VRFY and
	// the like) end the session; 1000 by default. An accepted message sets the count back.
	IdleCommands int
	// RefusedRecipients is how many unknown recipients end a stranger's session; 100 by default.
	// From the tenth on, each waits RefusalDelay for its reply.
	RefusedRecipients int
	// RefusalDelay slows those who guess addresses; one second by default.
	RefusalDelay time.Duration
	// AuthFailures is how many failed sign-ins end the session; 5 by default.
	AuthFailures int
	// Hops is the most Received fields of a message, beyond which it is in a loop
	// (RFC 5321 §6.3); 100 by default.
	Hops int
	// Connections is the most at a time; 10,000 by default.
	Connections int
	// ConnectionsPerAddress is the most at a time from one IPv4 address or IPv6 /64;
	// 100 by default. Loopback is not counted.
	ConnectionsPerAddress int
	// CommandTimeout is how long a whole command line may take to come; 5 minutes by
	// default (RFC 5321 §4.5.3.2.7). It also bounds writing a reply.
	CommandTimeout time.Duration
	// DataTimeout is how long the next bytes of a message may take to come; 3 minutes
	// by default (RFC 5321 §4.5.3.2.5).
	DataTimeout time.Duration
	// TransactionTimeout bounds a transaction from MAIL to the end of data; 1 hour by default.
	TransactionTimeout time.Duration
	// BytesPerSecond is the lowest average speed of message data, DataTimeout granted
	// at the start; 512 by default.
	BytesPerSecond int64
	// HandshakeTimeout bounds a TLS handshake; 1 minute by default.
	HandshakeTimeout time.Duration
}

// authLine is the longest line of an authentication exchange (RFC 4954 §4).
const authLine = 12288

func (l Limits) withDefaults() Limits {
	set(&l.MessageBytes, 150_000_000)
	set(&l.TextLine, 1<<20)
	set(&l.CommandLine, 4096)
	set(&l.Recipients, 1000)
	set(&l.Messages, 100_000)
	set(&l.Errors, 20)
	set(&l.IdleCommands, 1000)
	set(&l.RefusedRecipients, 100)
	set(&l.RefusalDelay, time.Second)
	set(&l.AuthFailures, 5)
	set(&l.Hops, 100)
	set(&l.Connections, 10_000)
	set(&l.ConnectionsPerAddress, 100)
	set(&l.CommandTimeout, 5*time.Minute)
	set(&l.DataTimeout, 3*time.Minute)
	set(&l.TransactionTimeout, time.Hour)
	set(&l.BytesPerSecond, 512)
	set(&l.HandshakeTimeout, time.Minute)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}
