package pop3

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
)

// Config is what a Server needs. Auth and Mailboxes must be set.
type Config struct {
	Auth      *auth.Engine
	Mailboxes *mailbox.Store
	// Hostname is what the greeting says; default "localhost".
	Hostname string
	// TLS is used for STLS and implicit TLS; nil: there is neither.
	TLS *tls.Config
	// Certificate gives our certificate for a server's name, for channel binding to it (RFC 5929 §4) in resumed sessions, where
	// clients are shown none. If nil, that binding is offered there only if TLS has one certificate and no choice.
	Certificate func(serverName string) *x509.Certificate

	Limits Limits
	Logger *slog.Logger     // default: nothing is logged
	Now    func() time.Time // for LoginDelay; default time.Now. Timeouts follow the runtime's clock.
}

// Limits bound what clients can take. Zero fields have the defaults.
type Limits struct {
	// Connections at a time; default 10,000.
	Connections int
	// ConnectionsPerAddress at a time from an IPv4 address or IPv6 /64; default 100. Loopback isn't counted.
	ConnectionsPerAddress int
	// Errors are how many unknown, malformed or misplaced commands and failed
	// sign-ins a session may make; default 10.
	Errors int
	// Idle is how long a client may take for a command; default 10 minutes, the least of RFC 1939 §3.
	Idle time.Duration
	// Login is how long a client may take from connecting to having signed in; default 3 minutes.
	// Deviation: RFC 1939 §3 would give strangers the same ten minutes as everybody.
	Login time.Duration
	// Write is how long a client may take to read a buffer (32 KiB); default 2 minutes.
	Write time.Duration
	// LoginDelay is the least time between two sign-ins of an account (RFC 2449 §6.5). Default: none, and none is announced.
	LoginDelay time.Duration
}

// Lengths of lines, in octets, line ends included.
const (
	// maxLine: RFC 2449 §4.
	maxLine = 255
	// maxSASLLine bounds AUTH and the lines of its exchange (RFC 5034 §4 leaves it to the mechanisms; RFC 4954 §4 has 12288).
	maxSASLLine = 12288
	// maxSkipped bounds what is read of a line that is too long. Beyond, the connection ends.
	maxSkipped = 64 << 10
)

func (c Config) withDefaults() Config {
	l := &c.Limits
	setDefault(&c.Hostname, "localhost")
	setDefault(&l.Connections, 10_000)
	setDefault(&l.ConnectionsPerAddress, 100)
	setDefault(&l.Errors, 10)
	setDefault(&l.Idle, 10*time.Minute)
	setDefault(&l.Login, 3*time.Minute)
	setDefault(&l.Write, 2*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// ListenerOptions are what one listener does differently from others.
type ListenerOptions struct {
	// ImplicitTLS: connections begin with the TLS handshake (port 995, RFC 8314 §3.2).
	ImplicitTLS bool
	// PlainAllowed: passwords may be sent without TLS.
	PlainAllowed bool
}
