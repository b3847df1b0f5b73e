package managesieve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/sieve"
	"postroad/internal/service/talk"
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
	// Certificate gives our certificate for a server's name: see talk.Config.
	Certificate func(serverName string) *x509.Certificate

	Limits Limits
	Logger *slog.Logger // default: nothing is logged
}

// Limits bound what clients can take. Zero fields have the defaults; that of Idle is 30 minutes here (RFC 5804 §1.2), for a command with
// its script.
type Limits = talk.Limits

// ListenerOptions are what one listener does differently from others.
type ListenerOptions = talk.ListenerOptions

// Lengths, in octets.
const (
	maxWord   = 64       // of a command's name
	maxQuoted = 4096     // of a quoted string: RFC 5804 §4 asks for 1,024
	maxEarly  = 16 << 10 // of a literal before somebody has signed in
	// maxDiscarded bounds what is read of a literal that is too long, to stay in step. Beyond, the connection ends.
	maxDiscarded = 16 << 20
)
