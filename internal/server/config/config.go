// Package config reads the setting file: where data lies, which addresses to
// listen on, and the few limits that a site may want to change.
//
// Everything else (domains, accounts, passwords) is in the store and is changed
// by commands, without a restart. The file is TOML and is read strictly: a key
// that we don't know is an error which names the line and the nearest key that
// we do know, since a misspelt setting that is silently ignored is worse than
// a server that doesn't start.
package config

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postroad/internal/fault"
)

// Config is the whole of the settings. Load and Default give complete ones;
// Validate says what is wrong with one made by hand.
type Config struct {
	// Hostname is the name that the server gives itself: in greetings, trace
	// headers and self-signed certificates. It should be in the DNS.
	Hostname string `toml:"hostname"`
	// Data is the folder that holds all mail and accounts. It is made if missing, mode 0700.
	Data string `toml:"data"`
	// Listen names the addresses to listen on. None means Standard.
	Listen []Listener `toml:"listen"`
	// TLS names the certificate. Without one, a self-signed one is made in Data.
	TLS TLS `toml:"tls"`
	// Certificate names more of them, for clients that ask for their names.
	Certificate []Certificate `toml:"certificate"`
	// ACME says how to get certificates from an authority.
	ACME ACME `toml:"acme"`
	// DNS says whom to ask for the hosts that take other domains' mail.
	DNS DNS `toml:"dns"`
	// Checks say how mail of strangers is judged.
	Checks Checks `toml:"checks"`
	// Sending says how to connect to them.
	Sending Sending `toml:"sending"`
	// Route are static routes and smart hosts; the first that matches decides. Without any, the DNS does.
	Route []Route `toml:"route"`
	// SMTP says how arriving mail is taken.
	SMTP SMTPRules `toml:"smtp"`
	// Trace bounds what is remembered of messages.
	Trace Trace `toml:"trace"`
	// MTASTS says which MTA-STS policies are served for our domains.
	MTASTS MTASTS `toml:"mta_sts"`
	// DKIM says how the keys that sign mail are kept.
	DKIM DKIM `toml:"dkim"`
	// Reports say which reports are sent to other sites.
	Reports Reports `toml:"reports"`
	// IMAP is what mail programs may learn of the server.
	IMAP IMAPEntries `toml:"imap"`
	// POP3 is about collecting mail.
	POP3 POP3Settings `toml:"pop3"`
	// Sharing says what people may give to others.
	Sharing Sharing `toml:"sharing"`
	// Scanner are other programs that are shown messages. Default: none.
	Scanner []Scanner `toml:"scanner"`
	// Quarantine bounds what is kept of messages that they, or policies, have put aside.
	Quarantine QuarantineRoom `toml:"quarantine"`
	// Sieve says how people's filters run.
	Sieve Sieve `toml:"sieve"`
	// Junk says how junk is told from good mail.
	Junk Junk `toml:"junk"`
	// Audit bounds what is remembered of sign-ins and of administrators' acts.
	Audit Audit `toml:"audit"`
	// HTTP says how the listeners of http answer.
	HTTP HTTPServer `toml:"http"`
	// OAuth is our own OAuth 2.0 provider.
	OAuth OAuth `toml:"oauth"`
	// Auth says how people sign in.
	Auth Auth `toml:"auth"`
	// Pages are those where people look after their own accounts.
	Pages Pages `toml:"pages"`
	// LDAP and SQL are outside directories of accounts. Default: none.
	LDAP []LDAP `toml:"ldap"`
	SQL  []SQL  `toml:"sql"`
	// Accounts says what becomes of accounts that are removed.
	Accounts Accounts `toml:"accounts"`
	// Autoconfig says what mail programs are told that ask for their settings.
	Autoconfig Autoconfig `toml:"autoconfig"`
	// Log says how much is logged, and how.
	Log Log `toml:"log"`
	// Limits bound what one server takes on.
	Limits Limits `toml:"limits"`
}

// TLS names the files of the certificate. Both or none. They are read again when
// they change, and on SIGHUP.
type TLS struct {
	Cert string `toml:"cert"` // PEM: the certificate, then those that lead to its root
	Key  string `toml:"key"`  // PEM: its private key
}

// Log says what goes to standard error.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn or error
	Format string `toml:"format"` // text or json
}

// SMTPRules say how arriving mail is taken.
type SMTPRules struct {
	// BareLineEndings says what becomes of a message with a CR or LF that stands alone: refuse
	// (default), or normalise: it counts as the end of a line. It never ends a message (RFC 5321 §2.3.8, §4.1.1.4).
	BareLineEndings string `toml:"bare_line_endings"`
}

// What becomes of line endings that are no CRLF.
const (
	Refuse    = "refuse"
	Normalise = "normalise"
)

// Limits bound what one server takes on. Where no default is said, zero means
// that of each protocol: see its package's Limits.
type Limits struct {
	MessageSize           Size     `toml:"message_size"`            // largest message; default 150 MiB
	Connections           int      `toml:"connections"`             // of one protocol
	ConnectionsPerAddress int      `toml:"connections_per_address"` // of one protocol from one address (IPv6: /64)
	Recipients            int      `toml:"recipients"`              // of one message; default 1,000
	Shutdown              Duration `toml:"shutdown"`                // how long sessions may take to end; default 20 s
	Cache                 Size     `toml:"cache"`                   // memory for recently read data; default 48 MiB

	// Account bounds what one account sends.
	Account AccountLimits `toml:"account"`
}

// Protocols that a listener may speak.
const (
	SMTP       = "smtp"       // mail from other servers (RFC 5321)
	Submission = "submission" // mail from people's programs (RFC 6409)
	LMTP       = "lmtp"       // mail from a server in front of this one (RFC 2033)
	IMAP       = "imap"       // RFC 9051, RFC 3501
	POP3       = "pop3"       // RFC 1939
	// ManageSieve lets people's programs keep filter scripts (RFC 5804).
	ManageSieve = "managesieve"
	HTTP        = "http" // health, metrics and the admin API
)

// Kinds of TLS on a listener.
const (
	NoTLS    = "none"     // plain text only
	StartTLS = "starttls" // plain text, and TLS on request
	Implicit = "implicit" // TLS from the first byte (RFC 8314)
)

// Listener is one address that speaks one protocol.
type Listener struct {
	Protocol string `toml:"protocol"`
	// Address is host:port, :port for all addresses, or unix:/path. With socket
	// activation it may be fd:NAME, a socket that systemd hands over.
	Address string `toml:"address"`
	// TLS is none, starttls or implicit. Default: implicit on 465, 993, 995 and
	// 443, none for lmtp and http, otherwise starttls.
	TLS string `toml:"tls"`
	// Proxy lists the networks whose hosts may (and must) begin a connection
	// with a PROXY header that tells the client's address.
	Proxy []string `toml:"proxy"`
	// PlainLogin lets clients sign in without TLS. It is meant for loopback.
	PlainLogin bool `toml:"plain_login"`
}

// Standard is the set of listeners when the file names none.
func Standard() []Listener {
	return []Listener{
		{Protocol: SMTP, Address: ":25", TLS: StartTLS},
		{Protocol: Submission, Address: ":465", TLS: Implicit},
		{Protocol: Submission, Address: ":587", TLS: StartTLS},
		{Protocol: IMAP, Address: ":143", TLS: StartTLS},
		{Protocol: IMAP, Address: ":993", TLS: Implicit},
		{Protocol: POP3, Address: ":110", TLS: StartTLS},
		{Protocol: POP3, Address: ":995", TLS: Implicit},
		{Protocol: ManageSieve, Address: ":4190", TLS: StartTLS},
		{Protocol: HTTP, Address: ":443", TLS: Implicit},
	}
}

// DefaultData is where a server that runs as a system service keeps its data.
const DefaultData = "/var/lib/postroad"

// DefaultFile is where commands look for the setting file.
const DefaultFile = "/etc/postroad/postroad.toml"

// defaultLimits are those of a file that names none.
var defaultLimits = Limits{
	MessageSize: 150 << 20, Recipients: 1000, Shutdown: Duration(20 * time.Second), Cache: 48 << 20,
}

// Default is the configuration of an empty file. The hostname is the machine's.
func Default() Config {
	c := Config{}
	c.complete()
	return c
}

// complete fills in what was left out.
func (c *Config) complete() {
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname()
	}
	setDefault(&c.Data, DefaultData)
	setDefault(&c.Log.Level, "info")
	setDefault(&c.Log.Format, "text")
	setDefault(&c.Limits.MessageSize, defaultLimits.MessageSize)
	setDefault(&c.Limits.Recipients, defaultLimits.Recipients)
	setDefault(&c.Limits.Shutdown, defaultLimits.Shutdown)
	setDefault(&c.Limits.Cache, defaultLimits.Cache)
	if len(c.Listen) == 0 {
		c.Listen = Standard()
	}
	for i := range c.Listen {
		setDefault(&c.Listen[i].TLS, defaultTLS(c.Listen[i]))
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func defaultTLS(l Listener) string {
	_, port, _ := net.SplitHostPort(l.Address)
	switch port {
	case "465", "993", "995", "443":
		return Implicit
	}
	if l.Protocol == LMTP || l.Protocol == HTTP {
		return NoTLS
	}
	return StartTLS
}

// Validate returns what is wrong with c, as fault.Invalid, or nil.
func (c *Config) Validate() error {
	if err := c.validateTop(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, l := range c.Listen {
		if err := l.validate(); err != nil {
			return fault.New(fault.Invalid, "listener %d (%s %s): %s", i+1, l.Protocol, l.Address, fault.TextOf(err))
		}
		if seen[l.Address] && !strings.HasSuffix(l.Address, ":0") {
			return fault.New(fault.Invalid, "two listeners have the address %s", l.Address)
		}
		seen[l.Address] = true
	}
	return nil
}

func (c *Config) validateTop() error {
	var level slog.Level
	switch {
	case c.Hostname == "" || strings.ContainsAny(c.Hostname, " \t\r\n/@:"):
		return fault.New(fault.Invalid, "hostname %q is not a host's name", c.Hostname)
	case !filepath.IsAbs(c.Data):
		return fault.New(fault.Invalid, "data %q must be an absolute path", c.Data)
	case (c.TLS.Cert == "") != (c.TLS.Key == ""):
		return fault.New(fault.Invalid, "[tls] needs both cert and key, or none")
	case level.UnmarshalText([]byte(c.Log.Level)) != nil:
		return fault.New(fault.Invalid, "log level %q: want debug, info, warn or error", c.Log.Level)
	case c.Log.Format != "text" && c.Log.Format != "json":
		return fault.New(fault.Invalid, "log format %q: want text or json", c.Log.Format)
	}
	if b := c.SMTP.BareLineEndings; b != "" && b != Refuse && b != Normalise {
		return fault.New(fault.Invalid, "smtp.bare_line_endings %q: want refuse or normalise", b)
	}
	for _, validate := range []func() error{
		c.Trace.validate, c.Accounts.validate, c.validateProvision, c.Reports.validate, c.Autoconfig.validate,
		c.validateCertificates, c.Audit.validate, c.HTTP.validate, c.OAuth.validate, c.Auth.validate,
		c.DKIM.validate, c.validateSending, c.Checks.validate, c.Quarantine.validate, c.validateScanners,
		c.MTASTS.validate, c.IMAP.validate, c.POP3.validate, c.Sieve.validate, c.Junk.validate, c.Sharing.validate,
		c.Limits.validate,
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	return nil
}

// Bounds of Limits. A cache of less holds hardly more than the indexes of what is read. Sizes of messages go to clients as numbers that
// some of them read as signed ones of 32 bits.
const (
	leastMessage, mostMessage = 64 << 10, 2 << 30 // RFC 5321 §4.5.3.1.7
	leastCache, mostCache     = 4 << 20, 1 << 40
	mostRecipients            = 100_000
	mostConnections           = 1_000_000
	longestShutdown           = 24 * time.Hour
)

func (l Limits) validate() error {
	switch {
	case l.MessageSize < leastMessage:
		return fault.New(fault.Invalid, "limits.message_size: at least 64K")
	case l.MessageSize > mostMessage:
		return fault.New(fault.Invalid, "limits.message_size: at most 2G")
	case l.Connections < 0 || l.Connections > mostConnections:
		return fault.New(fault.Invalid, "limits.connections: from 1 to %d", mostConnections)
	case l.ConnectionsPerAddress < 0 || l.ConnectionsPerAddress > mostConnections:
		return fault.New(fault.Invalid, "limits.connections_per_address: from 1 to %d", mostConnections)
	case l.Recipients < 100: // RFC 5321 §4.5.3.1.8
		return fault.New(fault.Invalid, "limits.recipients: at least 100")
	case l.Recipients > mostRecipients:
		return fault.New(fault.Invalid, "limits.recipients: at most %d", mostRecipients)
	case l.Shutdown <= 0 || time.Duration(l.Shutdown) > longestShutdown:
		return fault.New(fault.Invalid, "limits.shutdown: more than 0s, and at most 24h")
	case l.Cache < leastCache:
		return fault.New(fault.Invalid, "limits.cache: at least 4M")
	case l.Cache > mostCache:
		return fault.New(fault.Invalid, "limits.cache: at most 1T")
	}
	return l.Account.validate()
}

func (l Listener) validate() error {
	switch l.Protocol {
	case SMTP, Submission, LMTP, IMAP, POP3, ManageSieve, HTTP:
	default:
		return fault.New(fault.Invalid, "unknown protocol%s", suggest(l.Protocol, SMTP, Submission, LMTP, IMAP, POP3, ManageSieve, HTTP))
	}
	switch {
	case l.TLS != NoTLS && l.TLS != StartTLS && l.TLS != Implicit:
		return fault.New(fault.Invalid, "tls %q: want none, starttls or implicit", l.TLS)
	case l.Protocol == HTTP && l.TLS == StartTLS:
		return fault.New(fault.Invalid, "http has no starttls: want none or implicit")
	case l.Address == "":
		return fault.New(fault.Invalid, "address is missing")
	}
	if _, err := l.Trusted(); err != nil {
		return err
	}
	return validateAddress(l.Address)
}

func validateAddress(a string) error {
	if strings.HasPrefix(a, "unix:") || strings.HasPrefix(a, "fd:") {
		return nil
	}
	if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
		return fault.New(fault.Invalid, "address: want host:port, :port, unix:/path or fd:NAME")
	}
	return nil
}

// Trusted parses Proxy. A single address is a network of one.
func (l Listener) Trusted() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, s := range l.Proxy {
		p, err := network(s)
		if err != nil {
			return nil, fault.New(fault.Invalid, "proxy %q is not a network", s)
		}
		all = append(all, p)
	}
	return all, nil
}
