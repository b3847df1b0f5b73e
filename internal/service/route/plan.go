package route

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dane"
	"postroad/internal/service/dns"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/transfer"
)

// Plan is where mail for a domain goes. A plan that comes without error has hops.
type Plan struct {
	// Domain is whose mail it is, as A-labels, or an address literal.
	Domain string
	// Next is the domain that the hosts are those of: Domain, or the smart host that a Rule names. Its MTA-STS policy counts (RFC
	// 8461 §3.4), and it hears of trouble with TLS. "" stands for Domain.
	Next string
	// Hops are in the order to try: best hosts first, each with its addresses.
	Hops []Hop
	// Skipped are the hosts that are left out, for the log.
	Skipped []Skipped
	// MXSecure: DNSSEC vouches for the hosts' names (RFC 7672 §2.2.1).
	MXSecure bool
	// STS is the domain's MTA-STS policy, if it was looked up.
	STS mtasts.Found
	// Ruled: a Rule with a host of its own decided, not the DNS.
	Ruled bool
}

// Hop is one address of a host that takes mail.
type Hop struct {
	// Host is its name, or an address literal.
	Host string
	Addr netip.AddrPort
	// Socket, if set, is the path of the unix socket to connect to instead; Host is "localhost" then.
	Socket string
	// Source is the address to connect from; the zero value leaves it to the system.
	Source     netip.Addr
	Protocol   Protocol
	Preference uint16
	TLS        Policy
	// Secure: DNSSEC vouches for the address.
	Secure bool
	// Credentials refers to those of the Rule; "" for none.
	Credentials string
}

// Skipped is a host that is left out.
type Skipped struct {
	Host, Why string
	// TLS is what it is about the protection of its channel that keeps mail away; the zero value if it is something else.
	TLS Obstacle
}

// Obstacle is what is wrong with the way a host is to be known.
type Obstacle uint8

// What may be wrong.
const (
	NoObstacle  Obstacle = iota
	NotInPolicy          // the MTA-STS policy doesn't name the host
	NoTLSA               // a Rule demands TLSA records, and there are none
	TLSAUnknown          // the TLSA records can't be had: no answer that can be trusted
)

// Protocol is what a hop speaks.
type Protocol uint8

// What a hop speaks.
const (
	SMTP Protocol = iota
	LMTP
)

// Mode says how well the channel to a hop is protected.
type Mode uint8

// How well a channel is protected. The zero value is what the Internet does where nothing else is said.
const (
	// Opportunistic: TLS if the hop can, with any certificate; in the clear otherwise (RFC 7435).
	Opportunistic Mode = iota
	// None: no TLS.
	None
	// Required: TLS, with any certificate.
	Required
	// Verified: TLS, with a certificate for one of the Names by an authority that we trust.
	Verified
	// DANE: TLS, with a certificate that the TLSA records speak of.
	DANE
)

// Policy says how the channel to a hop is protected, and how to know the hop.
type Policy struct {
	Mode Mode
	// Names are those that the hop may prove to have, best first; the first is the server name to send.
	Names []string
	// TLSA are the usable records, with mode DANE.
	TLSA []dns.TLSA
	// Unusable are the records of which none is usable, so that TLS is due, but no certificate (RFC 7672 §2.2).
	Unusable []dns.TLSA
	// Implicit: TLS begins with the connection (RFC 8314 §3.3), without STARTTLS.
	Implicit bool
	// Label says in logs whose wish it is: "DANE", "MTA-STS", or "".
	Label string
}

// Config makes the TLS configuration for the hop: a handshake that succeeds satisfies the
// policy. It is nil with mode None. Nil for roots means the system's authorities, nil for now time.Now.
func (p Policy) Config(roots *x509.CertPool, now func() time.Time) *tls.Config {
	switch p.Mode {
	case None:
		return nil
	case DANE:
		return dane.Config(p.TLSA, p.Names, now)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Time: now, InsecureSkipVerify: true}
	if len(p.Names) > 0 {
		c.ServerName = p.Names[0]
	}
	if p.Mode == Verified {
		c.VerifyConnection = func(s tls.ConnectionState) error { return p.verify(s.PeerCertificates, c) }
	}
	return c
}

// verify checks a server's certificates like crypto/tls does, but accepts any of the names.
func (p Policy) verify(chain []*x509.Certificate, c *tls.Config) error {
	if len(chain) == 0 {
		return fault.New(fault.Denied, "the server shows no certificate")
	}
	o := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
	if c.Time != nil {
		o.CurrentTime = c.Time()
	}
	for _, cert := range chain[1:] {
		o.Intermediates.AddCert(cert)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return fault.Wrap(fault.Denied, err, "the server's certificate isn't valid")
	}
	for _, n := range p.Names {
		if chain[0].VerifyHostname(n) == nil {
			return nil
		}
	}
	wrong := x509.HostnameError{Certificate: chain[0]}
	if len(p.Names) > 0 {
		wrong.Host = p.Names[0]
	}
	return fault.Wrap(fault.Denied, wrong, "the server's certificate has none of the names that it should have")
}

// RequireTLS is the plan for messages with REQUIRETLS (RFC 8689 §4.2.1): only hosts whose names are certain, by
// DNSSEC, by a matching MTA-STS policy or by a Rule, and they must prove them. It fails with a *NoRoute, Failed
// 5.7.10, if there is none.
func (p Plan) RequireTLS() (Plan, error) {
	var hops []Hop
	for _, h := range p.Hops {
		certain := p.MXSecure || p.Ruled || p.STS.Policy.Mode != mtasts.None && p.STS.Policy.Match(h.Host)
		if !certain || h.TLS.Mode == None {
			continue
		}
		if h.TLS.Mode != DANE {
			h.TLS.Mode = Verified
		}
		hops = append(hops, h)
	}
	if len(hops) == 0 {
		return Plan{}, &NoRoute{transfer.Outcome{
			Result: transfer.Failed, Status: "5.7.10",
			Text: "encryption is required, and no host of " + p.Domain + " is known for certain",
		}}
	}
	p.Hops = hops
	return p, nil
}

// NoRoute says that there is no way to a domain. It is a fault of kind Unavailable if
// there may be one later, else NotFound.
type NoRoute struct {
	// Outcome is what it comes to for each recipient there. It has no Remote.
	// Code is 0, since nobody replied, but for the null MX, which stands for a reply of 556 (RFC 7505 §4.1).
	Outcome transfer.Outcome
}

// Error is the outcome's status and text.
func (e *NoRoute) Error() string { return e.Outcome.Status + " " + e.Outcome.Text }

// Unwrap gives the error its kind.
func (e *NoRoute) Unwrap() error {
	if e.Outcome.Result == transfer.Failed {
		return fault.New(fault.NotFound, "%s", e.Outcome.Text)
	}
	return fault.New(fault.Unavailable, "%s", e.Outcome.Text)
}

// OutcomeOf is what an error of Route or RequireTLS comes to for each recipient: that of a NoRoute; for all
// others Deferred.
func OutcomeOf(err error) transfer.Outcome {
	if e, ok := errors.AsType[*NoRoute](err); ok {
		return e.Outcome
	}
	return transfer.Outcome{Result: transfer.Deferred, Status: "4.3.0", Text: clean(fault.TextOf(err)), HostWide: true}
}

// clean makes a text fit for outcomes: without control characters, and short.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 || r == 0xFFFD {
			return '?'
		}
		return r
	}, s[:min(len(s), 1024)])
	if len(s) > 256 {
		return strings.ToValidUTF8(s[:256], "") + "..."
	}
	return s
}

// because tells why a host is left out.
func because(err error) string {
	return clean(fmt.Sprintf("DNS: %s", dns.ReasonOf(err)))
}
