package dns

import (
	"context"
	"net/netip"

	wire "github.com/miekg/dns"
)

// LookupIPv4 finds a host's IPv4 addresses alone: lists of addresses (RFC 5782) have no others, and some count the questions.
func (c *Client) LookupIPv4(ctx context.Context, host string) (Answer[netip.Addr], error) {
	return lookup(ctx, c, host, wire.TypeA, func(rr *wire.A) (netip.Addr, bool) {
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	})
}
