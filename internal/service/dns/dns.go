// Package dns asks the domain name system what a mail server has to know: where a domain's mail
// goes, at which addresses hosts are, what is published about them, and whether DNSSEC vouches for it.
//
// Resolver is the contract that the others use; Client keeps it by asking recursive servers, as a stub:
//
//	client, err := dns.New(dns.Options{ResolvConf: "/etc/resolv.conf"})
//	answer, err := client.LookupMX(ctx, "example.org")
//	switch {
//	case err == nil: // answer.Records, answer.Secure, answer.TTL
//	case dns.ReasonOf(err) == dns.NoName: // the domain doesn't exist
//	case dns.ReasonOf(err) == dns.NoRecord: // it exists, and has no MX
//	case fault.Is(err, fault.Unavailable): // try later
//	}
//
// # Trust
//
// An answer is Secure if a validating resolver says so with the AD bit (RFC 4035 §3.2.3) and nobody on the
// way could have set it: the resolver is on a loopback address, or is asked over TLS (RFC 7858) and configured
// as validating. From all others the bit means nothing. The loopback resolver must be one that validates, or leaves
// the bit alone: that is the administrator's care.
//
// # What it does not
//
// It doesn't validate signatures itself, follows no referrals and adds no search domains: every name is
// complete as it stands. Package dnstest has a resolver for tests.
package dns

import (
	"context"
	"net/netip"
	"time"
)

// Resolver answers questions. It is safe for concurrent use.
//
// Names are absolute, with or without a final dot; non-ASCII labels are sent as A-labels. A name
// that can't exist is refused with fault.Invalid. Aliases (CNAME) are followed. No records is
// an error, never an empty answer: see Failure.
type Resolver interface {
	// LookupMX finds where a domain's mail goes, lowest preference first. Host "." is the null MX (RFC 7505).
	LookupMX(ctx context.Context, domain string) (Answer[MX], error)
	// LookupIP finds a host's IPv4 and IPv6 addresses. If one family's question fails for now and the
	// other's is answered, the answer has the latter.
	LookupIP(ctx context.Context, host string) (Answer[netip.Addr], error)
	// LookupTXT finds text records, each with its strings joined.
	LookupTXT(ctx context.Context, name string) (Answer[string], error)
	// LookupTLSA finds certificate associations (RFC 6698). The name has its prefix already: "_25._tcp.mx.example.org".
	LookupTLSA(ctx context.Context, name string) (Answer[TLSA], error)
	// LookupPTR finds an address's names.
	LookupPTR(ctx context.Context, addr netip.Addr) (Answer[string], error)
	// LookupCNAME finds what a name is an alias of, one step, not followed further.
	LookupCNAME(ctx context.Context, name string) (Answer[string], error)
}

// Answer is what was found. Records is never empty and belongs to the caller.
type Answer[T any] struct {
	Records []T
	// Secure: DNSSEC vouches for the whole answer, aliases included.
	Secure bool
	// Name is the name that has the records, aliases followed: in lower case, without a final dot.
	Name string
	// TTL is for how long the answer holds.
	TTL time.Duration
}

// MX is a mail exchanger. Host is in lower case, without a final dot but for ".".
type MX struct {
	Preference uint16
	Host       string
}

// TLSA is a certificate association (RFC 6698 §2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}
