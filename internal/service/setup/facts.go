package setup

import (
	"cmp"
	"crypto/x509"
	"net/netip"
	"strings"

	"postroad/internal/service/mtasts"
)

// Facts are what this server is, and what a domain is here.
type Facts struct {
	// Domain is the one to publish, in lower-case A-labels, without a final dot.
	Domain string
	// Hostname is the server's name, likewise. Mail for the domain goes there.
	Hostname string
	// Addrs are the addresses at which others reach this server, as far as is known; Sources are those from which
	// it sends. Both may be empty: the DNS is believed then.
	Addrs, Sources []netip.Addr
	// Names are how the server introduces itself on connections from an address, if not as Hostname. Nil: always so.
	Names map[netip.Addr]string
	// Told: somebody who knows has said what Addrs are; otherwise they are those of this machine, which may stand behind a
	// router with others.
	Told bool
	// Keys are the domain's DKIM keys, as they are to be published.
	Keys []Key
	// Services are what the server offers.
	Services []Service
	// Public are the services that people's mail programs shall use, where they are reached in another way than Services; nil: in no other.
	Public []Service
	// Policy is the MTA-STS policy that is served for the domain.
	Policy mtasts.Policy
	// Chain is the certificate in use, then those that lead to its root. It may be empty.
	Chain []*x509.Certificate
	// NextKeys are public keys (SubjectPublicKeyInfo) that the certificate will have later: their TLSA records must be known before.
	NextKeys [][]byte
	// Renews: this server renews its certificate by itself, with the same key.
	Renews bool
	// Signed: DNSSEC vouches for the zone that Hostname is in.
	Signed bool
	// DMARCReports and TLSReports are the addresses that take reports; "" for none.
	DMARCReports, TLSReports string
	// Autoconfig: mail programs that ask over HTTPS are told their settings.
	Autoconfig bool
	// SmartHost takes all mail that leaves; "" if the DNS decides.
	SmartHost string
}

// KeyState says what is done with a DKIM key.
type KeyState string

// What is done with a key.
const (
	Pending KeyState = "pending" // to be published, then used
	Active  KeyState = "active"  // signs
	Retired KeyState = "retired" // signs no more; mail that it signed is still on its way
)

// Key is a DKIM key.
type Key struct {
	Selector string
	// Record is the text to publish (RFC 6376 §3.6.1).
	Record string
	State  KeyState
}

// name is where the key is published.
func (k Key) name(domain string) string { return k.Selector + "._domainkey." + domain }

// Protocol is what a service speaks.
type Protocol string

// What services speak.
const (
	SMTP       Protocol = "smtp"
	Submission Protocol = "submission"
	IMAP       Protocol = "imap"
	POP3       Protocol = "pop3"
	Sieve      Protocol = "sieve" // ManageSieve
	HTTP       Protocol = "http"
)

// Service is a port at which others may come.
type Service struct {
	Protocol Protocol
	Port     uint16
	// Implicit: TLS from the first byte. Otherwise the client asks for it, but for HTTP, which has none then.
	Implicit bool
	// Host is where it is, if not at Facts.Hostname.
	Host string
}

// srv is the service's name in SRV records (RFC 6186 §3, RFC 8314 §5.1); "" if it is not for people's mail programs.
func (s Service) srv() string {
	switch s.Protocol {
	case Sieve: // RFC 5804 §1.8; it has TLS by STARTTLS only
		return string(s.Protocol)
	case Submission, IMAP, POP3:
		if s.Implicit {
			return string(s.Protocol) + "s"
		}
		return string(s.Protocol)
	}
	return ""
}

// hostFor is where a service is.
func (f *Facts) hostFor(s Service) string { return cmp.Or(s.Host, f.Hostname) }

// find returns the service that SRV records call by a name. Of several ports the standard one, or the first.
func (f *Facts) find(srv string, standard uint16) (found Service, ok bool) {
	services := f.Services
	if f.Public != nil && srv != string(Sieve) {
		services = f.Public
	}
	for _, s := range services {
		if s.srv() == srv && (!ok || s.Port == standard) {
			found, ok = s, true
		}
	}
	return found, ok
}

// https is where this server answers over HTTPS.
func (f *Facts) https() (Service, bool) {
	for _, s := range f.Services {
		if s.Protocol == HTTP && s.Implicit {
			return s, true
		}
	}
	return Service{}, false
}

// nameAt is how the server introduces itself on connections from an address.
func (f *Facts) nameAt(a netip.Addr) string {
	if name, ok := f.Names[a]; ok {
		return name
	}
	return f.Hostname
}

// within reports whether a name is in the domain's own zone, as far as names tell.
func (f *Facts) within(name string) bool { return isBelow(name, f.Domain) }

// isBelow reports whether a name is a domain, or below it.
func isBelow(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// IsPublic reports whether an address can be one of the Internet's.
func IsPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}

// sharedSpace is what providers use behind their own translators (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
