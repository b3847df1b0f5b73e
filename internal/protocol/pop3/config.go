package pop3

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/talk"
)

// Config is what a Server needs. Auth and Mailboxes must be set.
type Config struct {
	Auth      *auth.Engine
	Mailboxes *mailbox.Store
	// Hostname is what the greeting says; default "localhost".
	Hostname string
	// TLS is used for STLS and implicit TLS; nil: there is neither.
	TLS *tls.Config
	// Certificate gives our certificate for a server's name: see talk.Config.
	Certificate func(serverName string) *x509.Certificate
	// LoginDelay is the least time between two sign-ins of an account (RFC 2449 §6.5). Default: none, and none is announced.
	LoginDelay time.Duration

	Limits Limits
	Logger *slog.Logger     // default: nothing is logged
	Now    func() time.Time // for LoginDelay; default time.Now. Timeouts follow the runtime's clock.
}

// Limits bound what clients can take. Zero fields have the defaults. That of Idle, 10 minutes, is the least of RFC 1939 §3.
// Deviation: it would give strangers as long; they have Login, 3 minutes.
type Limits = talk.Limits

// ListenerOptions are what one listener does differently from others.
type ListenerOptions = talk.ListenerOptions

// Lengths of lines, in octets, line ends included.
const (
	// maxLine: RFC 2449 §4.
	maxLine = 255
	// maxSASLLine bounds AUTH and the lines of its exchange (RFC 5034 §4 leaves it to the mechanisms; RFC 4954 §4 has 12288).
	maxSASLLine = 12288
	// maxSkipped bounds what is read of a line that is too long. Beyond, the connection ends.
	maxSkipped = 64 << 10
)
