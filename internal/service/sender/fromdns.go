package sender

import (
	"context"
	"net/netip"

	"postroad/internal/service/dns"
)

// FromDNS makes a Resolver of the DNS service's.
func FromDNS(r dns.Resolver) Resolver { return fromDNS{r} }

type fromDNS struct{ dns dns.Resolver }

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
