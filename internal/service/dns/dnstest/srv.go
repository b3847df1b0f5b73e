package dnstest

import (
	"context"

	"postroad/internal/service/dns"
)

var _ dns.Services = (*World)(nil)

// LookupSRV implements dns.Services.
func (w *World) LookupSRV(ctx context.Context, name string) (dns.Answer[dns.SRV], error) {
	return w.Resolver.(dns.Services).LookupSRV(ctx, name)
}
