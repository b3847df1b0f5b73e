package dns

import (
	"cmp"
	"context"
	"slices"

	wire "github.com/miekg/dns"
)

// SRV is where a service is (RFC 2782). Host is in lower case, without a final dot but for ".": the
// service is decidedly not available.
type SRV struct {
	Priority, Weight, Port uint16
	Host                   string
}

// Services finds services. It stands beside Resolver, since only set-up help asks for them. Client is one.
type Services interface {
	// LookupSRV finds where a service is, lowest priority first. The name has its prefix already: "_imaps._tcp.example.org".
	LookupSRV(ctx context.Context, name string) (Answer[SRV], error)
}

var _ Services = (*Client)(nil)

// LookupSRV implements Services.
func (c *Client) LookupSRV(ctx context.Context, name string) (Answer[SRV], error) {
	a, err := lookup(ctx, c, name, wire.TypeSRV, func(rr *wire.SRV) (SRV, bool) {
		return SRV{Priority: rr.Priority, Weight: rr.Weight, Port: rr.Port, Host: canonical(rr.Target)}, true
	})
	slices.SortStableFunc(a.Records, func(a, b SRV) int { return cmp.Compare(a.Priority, b.Priority) })
	return a, err
}
