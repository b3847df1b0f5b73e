package managesieve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/sieve"
)

// Compiler says whether a script is right. *rules.Rules is one.
type Compiler interface {
	// Compile compiles a script as one of the account's. The error is sieve.Problems if the script is wrong.
	Compile(ctx context.Context, s *mailbox.Session, name, text string) (*sieve.Script, error)
}

// Config is what a Server needs. Auth, Mailboxes and Compiler must be set.
type Config struct {
	Auth      *auth.Engine
	Mailboxes *mailbox.Store
	Compiler  Compiler
	// Extensions are those that scripts may require. MaxRedirects is how many redirections a run may ask for.
	Extensions   []string
	MaxRedirects int
	// Lists are the kinds of external lists that there are (RFC 6134); "": none.
	Lists string
	// TLS is used for STARTTLS and implicit TLS; nil: there is neither.
	TLS *tls.Config
	// Certificate gives our certificate for a server's name, for channel binding in resumed sessions (RFC 5929 §4). Nil: there is none.
	Certificate func(serverName string) *x509.Certificate

	Limits Limits
	Logger *slog.Logger // default: nothing is logged
}

// Limits bound what clients can take. Zero fields have the defaults.
type Limits struct {
	// Connections at a time; default 10,000.
	Connections int
	// ConnectionsPerAddress at a time from an IPv4 address or IPv6 /64; default 100. Loopback isn't counted.
	ConnectionsPerAddress int
	// Errors are how many wrong commands and failed sign-ins a session may make; default 10.
	Errors int
	// Idle is how long a client may take for a command, its script included; default 30 minutes (RFC 5804 §1.2).
	Idle time.Duration
	// Login is how long a client may take from connecting to having signed in; default 3 minutes.
	Login time.Duration
	// Write is how long a client may take to read a reply; default 2 minutes.
	Write time.Duration
}

// Lengths, in octets.
const (
	maxWord   = 64       // of a command's name
	maxQuoted = 4096     // of a quoted string: RFC 5804 §4 asks for 1,024
	maxEarly  = 16 << 10 // of a literal before somebody has signed in
	// maxDiscarded bounds what is read of a literal that is too long, to stay in step. Beyond, the connection ends.
	maxDiscarded = 16 << 20
)

func (c Config) withDefaults() Config {
	l := &c.Limits
	setDefault(&l.Connections, 10_000)
	setDefault(&l.ConnectionsPerAddress, 100)
	setDefault(&l.Errors, 10)
	setDefault(&l.Idle, 30*time.Minute)
	setDefault(&l.Login, 3*time.Minute)
	setDefault(&l.Write, 2*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
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
	// ImplicitTLS: connections begin with the TLS handshake.
	ImplicitTLS bool
	// PlainAllowed: passwords may be sent without TLS.
	PlainAllowed bool
}
