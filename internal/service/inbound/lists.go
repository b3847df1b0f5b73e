package inbound

import (
	"context"
	"net/netip"
	"strings"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// List is a block list or a list of the good, asked by DNS (RFC 5782).
type List struct {
	// Zone is where it is: "zen.example.org".
	Zone string
	// Codes are the answers that count; nil: all but those that say that we may not ask.
	Codes []Codes
	// Mark: being listed is noted and makes the client suspicious, but is no reason to refuse it.
	Mark bool
	// Score, if set, is what being listed adds: clients with a sum of RefuseScore are refused, not those on one list alone.
	Score int
}

// RefuseScore is the sum of scores that is too much.
const RefuseScore = 10

// Codes is a range of answers, both ends included.
type Codes struct{ From, To netip.Addr }

// ParseCodes reads "127.0.0.2", "127.0.0.2-127.0.0.11" or "127.0.0.0/24". Errors are of kind fault.Invalid.
func ParseCodes(s string) (Codes, error) {
	bad := fault.New(fault.Invalid, "code %q: want 127.0.0.2, 127.0.0.2-127.0.0.11 or 127.0.0.0/24", s)
	if p, err := netip.ParsePrefix(s); err == nil && p.Addr().Is4() {
		p = p.Masked()
		last := p.Addr().As4()
		for i := p.Bits(); i < 32; i++ {
			last[i/8] |= 0x80 >> (i % 8)
		}
		return Codes{p.Addr(), netip.AddrFrom4(last)}, nil
	}
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	from, err := netip.ParseAddr(strings.TrimSpace(first))
	to, err2 := netip.ParseAddr(strings.TrimSpace(last))
	if err != nil || err2 != nil || !from.Is4() || !to.Is4() || to.Less(from) {
		return Codes{}, bad
	}
	return Codes{from, to}, nil
}

func (c Codes) holds(a netip.Addr) bool { return !a.Less(c.From) && !c.To.Less(a) }

// counts reports whether an answer says that the client is listed. Answers outside of 127.0.0.0/8 come from parked domains and resolvers
// that lie, 127.0.0.1 can't be (RFC 5782 §2.1), and 127.255.255.0/24 and 127.0.0.255 are how well-known lists tell that we may not ask.
func (l *List) counts(a netip.Addr) bool {
	b := a.As4()
	if b[0] != 127 || b == [4]byte{127, 0, 0, 1} {
		return false
	}
	if len(l.Codes) == 0 {
		return b != [4]byte{127, 0, 0, 255} && [3]byte(b[:3]) != [3]byte{127, 255, 255}
	}
	for _, c := range l.Codes {
		if c.holds(a) {
			return true
		}
	}
	return false
}

// listName is what is asked for about an address (RFC 5782 §2.1, §2.4).
func listName(a netip.Addr, zone string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	if a.Is4() {
		ip := a.As4()
		ip[0], ip[1], ip[2], ip[3] = ip[3], ip[2], ip[1], ip[0]
		b.WriteString(netip.AddrFrom4(ip).String())
		b.WriteByte('.')
	} else {
		ip := a.As16()
		for i := 15; i >= 0; i-- {
			b.Write([]byte{digits[ip[i]&15], '.', digits[ip[i]>>4], '.'})
		}
	}
	return b.String() + strings.TrimPrefix(zone, ".")
}

// listed is a list's word on a client.
type listed struct {
	list *List
	// code is the answer that counts; the zero Addr: the client isn't listed, as far as is known.
	code netip.Addr
	// text is what the list says of it, in printable ASCII.
	text string
	// secure: DNSSEC vouches for it.
	secure bool
}

// neverListed are addresses that no list in working order has (RFC 5782 §5): one that has them lists everybody.
var (
	neverListed4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	neverListed6 = netip.MustParseAddr("::ffff:127.0.0.1")
)

// ask asks lists about an address, all at once. Those that don't answer have no say. withText: their words too.
func (g *Guard) ask(ctx context.Context, lists []List, a netip.Addr, withText bool) []listed {
	all := make([]listed, len(lists))
	var wg sync.WaitGroup
	for i := range lists {
		all[i].list = &lists[i]
		wg.Go(func() {
			if !g.survives("list "+lists[i].Zone, func() { g.askOne(ctx, &all[i], a, withText) }) {
				all[i].code = netip.Addr{}
			}
		})
	}
	wg.Wait()
	n := 0
	for _, l := range all {
		if l.code.IsValid() {
			all[n] = l
			n++
		}
	}
	return all[:n]
}

func (g *Guard) askOne(ctx context.Context, l *listed, a netip.Addr, withText bool) {
	name := listName(a, l.list.Zone)
	answer, err := g.lookup(ctx, name)
	if err != nil {
		if !fault.Is(err, fault.NotFound) && ctx.Err() == nil {
			g.counts.listTrouble.Add(1)
		}
		return
	}
	code := l.list.find(answer)
	if !code.IsValid() || !g.inOrder(ctx, l.list, a) {
		return
	}
	l.code, l.secure = code, answer.Secure
	if withText {
		if txt, err := g.o.Resolver.LookupTXT(ctx, name); err == nil {
			l.text = printable(txt.Records[0])
		}
	}
}

// lookup asks for what lists answer with: IPv4 addresses. Resolvers that can ask for those alone do.
func (g *Guard) lookup(ctx context.Context, name string) (dns.Answer[netip.Addr], error) {
	if r, ok := g.o.Resolver.(interface {
		LookupIPv4(context.Context, string) (dns.Answer[netip.Addr], error)
	}); ok {
		return r.LookupIPv4(ctx, name)
	}
	return g.o.Resolver.LookupIP(ctx, name)
}

// find picks the first answer that counts; the zero Addr if none does.
func (l *List) find(answer dns.Answer[netip.Addr]) netip.Addr {
	for _, r := range answer.Records {
		if r = r.Unmap(); r.Is4() && l.counts(r) {
			return r
		}
	}
	return netip.Addr{}
}

// inOrder reports whether a list that has the client doesn't have everybody: lists that are given up
// have ended that way. The resolver's cache makes this cheap.
func (g *Guard) inOrder(ctx context.Context, l *List, a netip.Addr) bool {
	name := listName(neverListed4, l.Zone)
	if a.Is6() {
		name = listName(neverListed6, l.Zone)
	}
	answer, err := g.lookup(ctx, name)
	if err != nil {
		return fault.Is(err, fault.NotFound) // else nobody knows
	}
	if !l.find(answer).IsValid() {
		return true
	}
	if g.broken.take(l.Zone, g.o.Now()) {
		g.log.Warn("a DNS list has everybody on it and is not believed", "zone", l.Zone)
	}
	return false
}
