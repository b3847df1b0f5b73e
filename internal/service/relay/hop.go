package relay

import (
	"crypto/tls"
	"net/netip"
)

// Hop is one address of a host that takes mail for a destination, and the terms on which it gets it.
type Hop struct {
	// Host is the host's name, in A-labels: the name that its certificate is checked for.
	Host string
	// Addr is where it listens.
	Addr netip.AddrPort
	// Socket, if set, is the path of the unix socket where it listens instead.
	Socket string
	// Source is the address to connect from; the zero value leaves it to the system.
	Source   netip.Addr
	Protocol Protocol
	TLS      Policy
	// Auth, if set, is how we show who we are (a smart host).
	Auth *Credentials
	// Observe, if set, hears how TLS came about on each new connection, or why it didn't. It must not wait.
	Observe func(Handshake)
}

// where is the address or socket, for outcomes.
func (h *Hop) where() string {
	if h.Socket != "" {
		return h.Socket
	}
	return h.Addr.String()
}

// Protocol is what a hop speaks.
type Protocol uint8

// What a hop speaks.
const (
	SMTP Protocol = iota
	LMTP
)

// Mode says how much protection the channel needs.
type Mode uint8

// How much protection the channel needs.
const (
	// None: STARTTLS is not even tried.
	None Mode = iota
	// Opportunistic: TLS if the hop offers it, with any certificate, and in the clear if that fails (RFC 7435).
	Opportunistic
	// Required: TLS 1.2 or better, with any certificate.
	Required
	// Verified: TLS 1.2 or better, with a certificate that Config accepts.
	Verified
)

// Policy is how the channel to a hop is protected. The zero value is no TLS at all.
type Policy struct {
	Mode Mode
	// Config, if set, is what TLS is set up with. It is not changed, and decides alone what a good certificate is, except
	// that TLS is never older than 1.2 and that ServerName, if empty, is the hop's Host. If nil, Verified means a
	// certificate for Host by an authority that the system trusts, and the others take any.
	Config *tls.Config
	// Label says in outcomes how the hop was verified: "DANE", "MTA-STS". Connections are shared between jobs with the
	// same Label for the same hop. "" stands for "verified" or "unverified".
	Label string
	// Pins tells Configs with one Label apart: connections are shared between jobs with the same Pins only.
	Pins string
	// Implicit: TLS from the first byte (RFC 8314 §3.3). Mode must be Required or Verified.
	Implicit bool
}

// Credentials are what a smart host knows us by. They appear in no log, error or outcome.
type Credentials struct {
	User, Password string
}

// label says how the hop was verified.
func (p *Policy) label() string {
	switch {
	case p.Label != "":
		return p.Label
	case p.Mode == Verified:
		return "verified"
	}
	return "unverified"
}

// config makes the configuration for a connection to host.
func (p *Policy) config(host string) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: p.Mode != Verified} //nolint:gosec // RFC 7435: some protection beats none
	if p.Config != nil {
		c = p.Config.Clone()
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}
