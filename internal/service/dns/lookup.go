package dns

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"postroad/internal/fault"
)

var _ Resolver = (*Client)(nil)

// LookupMX implements Resolver.
func (c *Client) LookupMX(ctx context.Context, domain string) (Answer[MX], error) {
	a, err := lookup(ctx, c, domain, wire.TypeMX, func(rr *wire.MX) (MX, bool) {
		return MX{Preference: rr.Preference, Host: canonical(rr.Mx)}, true
	})
	slices.SortStableFunc(a.Records, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return a, err
}

// LookupTXT implements Resolver.
func (c *Client) LookupTXT(ctx context.Context, name string) (Answer[string], error) {
	return lookup(ctx, c, name, wire.TypeTXT, func(rr *wire.TXT) (string, bool) {
		return rr.Txt[0], true // joined has seen to it
	})
}

// LookupTLSA implements Resolver.
func (c *Client) LookupTLSA(ctx context.Context, name string) (Answer[TLSA], error) {
	return lookup(ctx, c, name, wire.TypeTLSA, func(rr *wire.TLSA) (TLSA, bool) {
		data, err := hex.DecodeString(rr.Certificate)
		return TLSA{Usage: rr.Usage, Selector: rr.Selector, Matching: rr.MatchingType, Data: data}, err == nil
	})
}

// LookupPTR implements Resolver.
func (c *Client) LookupPTR(ctx context.Context, addr netip.Addr) (Answer[string], error) {
	name, err := reverse(addr)
	if err != nil {
		return Answer[string]{}, err
	}
	return lookup(ctx, c, name, wire.TypePTR, func(rr *wire.PTR) (string, bool) {
		return hostName(rr.Ptr)
	})
}

// LookupCNAME implements Resolver.
func (c *Client) LookupCNAME(ctx context.Context, name string) (Answer[string], error) {
	return lookup(ctx, c, name, wire.TypeCNAME, func(rr *wire.CNAME) (string, bool) {
		return hostName(rr.Target)
	})
}

// hostName refuses what can be in the DNS but isn't a name that we can ask for.
func hostName(s string) (string, bool) {
	s = canonical(s)
	return s, isName(s)
}

// LookupIP implements Resolver. Both families are asked for at once.
func (c *Client) LookupIP(ctx context.Context, host string) (Answer[netip.Addr], error) {
	if remembering(ctx) != nil { // there is nothing to wait for
		v6, err6 := c.lookup6(ctx, host)
		v4, err4 := c.lookup4(ctx, host)
		return bothFamilies(v6, v4, err6, err4)
	}
	var v4 Answer[netip.Addr]
	var err4 error
	var other fault.Group
	other.Go(func() { v4, err4 = c.lookup4(ctx, host) })
	v6, err6 := c.lookup6(ctx, host)
	other.Wait()
	return bothFamilies(v6, v4, err6, err4)
}

func (c *Client) lookup4(ctx context.Context, host string) (Answer[netip.Addr], error) {
	return lookup(ctx, c, host, wire.TypeA, func(rr *wire.A) (netip.Addr, bool) {
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	})
}

func (c *Client) lookup6(ctx context.Context, host string) (Answer[netip.Addr], error) {
	return lookup(ctx, c, host, wire.TypeAAAA, func(rr *wire.AAAA) (netip.Addr, bool) {
		return netip.AddrFromSlice(rr.AAAA)
	})
}

// bothFamilies puts the answers for IPv6 and IPv4 together. One that says that the host has no addresses
// must come from both: what isn't known for now may be there.
func bothFamilies(a, b Answer[netip.Addr], errA, errB error) (Answer[netip.Addr], error) {
	switch {
	case errA == nil && errB == nil:
		a.Records = append(a.Records, b.Records...)
		a.Secure = a.Secure && b.Secure
		a.TTL = min(a.TTL, b.TTL)
		return a, nil
	case errA == nil:
		return a, nil
	case errB == nil:
		return b, nil
	case fault.Is(errA, fault.NotFound):
		return Answer[netip.Addr]{}, errB
	}
	return Answer[netip.Addr]{}, errA
}

// lookup asks for the records of a type and converts them. Records that can't be converted are left out.
func lookup[R wire.RR, T any](ctx context.Context, c *Client, name string, qtype uint16, convert func(R) (T, bool)) (Answer[T], error) {
	ascii, err := ASCII(name)
	if err != nil {
		return Answer[T]{}, err
	}
	res, ttl := c.resolve(ctx, question{ascii, qtype})
	if res == nil {
		return Answer[T]{}, unanswered(ctx)
	}
	a := Answer[T]{Secure: res.secure, Name: res.name, TTL: ttl}
	for i, rr := range res.records {
		if r, ok := rr.(R); ok {
			if v, ok := convert(r); ok {
				if a.Records == nil {
					a.Records = make([]T, 0, len(res.records)-i)
				}
				a.Records = append(a.Records, v)
			}
		}
	}
	if len(a.Records) == 0 {
		return Answer[T]{}, res.failure(question{ascii, qtype})
	}
	return a, nil
}

// failure says why there is no record.
func (res *result) failure(q question) error {
	if res.err != nil {
		return res.err
	}
	f := Failure{Name: q.name, Type: wire.TypeToString[q.qtype], Reason: res.reason, Secure: res.secure, Detail: res.detail}
	if !res.failed { // what there is can't be read
		f.Reason = NoRecord
	}
	return f.Fault()
}

// resolve answers from the cache, or asks. It returns nil if ctx has ended, or is of Remembered and the cache has no answer.
func (c *Client) resolve(ctx context.Context, q question) (*result, time.Duration) {
	if m := remembering(ctx); m != nil {
		res, left := c.cache.get(q, m.now)
		if res == nil {
			m.missed.Store(true)
		}
		return res, left
	}
	if res, left := c.cache.get(q, c.now()); res != nil {
		return res, left
	}
	res := c.flights.do(ctx, q, func() *result { return c.fetch(ctx, q) })
	if res == nil {
		return nil, 0
	}
	return res, res.ttl
}

// fetch asks and remembers. It returns nil if ctx has ended.
func (c *Client) fetch(ctx context.Context, q question) *result {
	r, err := c.ask(ctx, q.name, q.qtype)
	if ctx.Err() != nil {
		return nil
	}
	var res *result
	if err != nil {
		res = (&result{name: q.name, detail: err}).fail(Temporary, failureTTL)
	} else {
		res = interpret(r, q.name, q.qtype)
	}
	if res.failed { // much is asked of what isn't there
		res.err = res.failure(q)
	}
	c.cache.keep(q, res, c.now())
	return res
}

// unescape undoes how the wire package writes bytes that a zone file can't have: \" and \ddd.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		if i+3 < len(s) && isDigits(s[i+1:i+4]) {
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
			continue
		}
		i++
		b = append(b, s[i])
	}
	return string(b)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
