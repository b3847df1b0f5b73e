package sender

import (
	"context"
	"net/netip"

	"postroad/internal/service/dns"
)

// FromDNS makes a Resolver of the DNS service's.
func FromDNS(r dns.Resolver) Resolver { return fromDNS{r} }

type fromDNS struct{ dns dns.Resolver }

// rememberer is a resolver that can be asked for what it has at hand alone, as a dns.Client can.
type rememberer interface {
	// Remembered returns a context with which nothing is waited for, and what tells whether all that was asked with it was at hand.
	Remembered(ctx context.Context) (_ context.Context, complete func() bool)
}

// Remembered implements rememberer; complete is nil, and nothing is to be asked, if the resolver isn't one.
func (f fromDNS) Remembered(ctx context.Context) (_ context.Context, complete func() bool) {
	if r, ok := f.dns.(rememberer); ok {
		return r.Remembered(ctx)
	}
	return ctx, nil
}

func (f fromDNS) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := f.dns.LookupTXT(ctx, name)
	return a.Records, err
}

func (f fromDNS) LookupIP(ctx context.Context, name string) ([]netip.Addr, error) {
	a, err := f.dns.LookupIP(ctx, name)
	return a.Records, err
}

func (f fromDNS) LookupPTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	a, err := f.dns.LookupPTR(ctx, addr)
	return a.Records, err
}

// LookupMX leaves out the null MX (RFC 7505), which is no host.
func (f fromDNS) LookupMX(ctx context.Context, name string) ([]string, error) {
	a, err := f.dns.LookupMX(ctx, name)
	var hosts []string
	for _, mx := range a.Records {
		if mx.Host != "." {
			hosts = append(hosts, mx.Host)
		}
	}
	return hosts, err
}

func (f fromDNS) Exists(ctx context.Context, name string) (bool, error) {
	_, err := f.dns.LookupTXT(ctx, name)
	switch {
	case err == nil, dns.ReasonOf(err) == dns.NoRecord:
		return true, nil
	case dns.ReasonOf(err) == dns.NoName:
		return false, nil
	}
	return true, err
}
