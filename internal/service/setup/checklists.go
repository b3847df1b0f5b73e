package setup

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// DefaultBlocklists are lists that many consult, and that list for reasons which can be undone.
func DefaultBlocklists() []string {
	return []string{"zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com"}
}

// maxLists is how many lists are asked.
const maxLists = 20

// checkBlocklists asks lists of bad senders for our addresses (RFC 5782).
func (k *checker) checkBlocklists(ctx context.Context, n *notes) {
	lists := k.Blocklists[:min(len(k.Blocklists), maxLists)]
	if len(lists) == 0 {
		return
	}
	verdicts := make([]verdict, len(lists)*len(k.sources))
	turns := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, a := range k.sources {
		for j, zone := range lists {
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				verdicts[i*len(lists)+j] = k.listed(ctx, a, zone)
			})
		}
	}
	wg.Wait()
	for i, a := range k.sources {
		k.tellLists(n, a, lists, verdicts[i*len(lists):])
	}
}

func (k *checker) tellLists(n *notes, a netip.Addr, lists []string, verdicts []verdict) {
	var clear, refused, dead []string
	for j, zone := range lists {
		switch v := verdicts[j]; v.state {
		case isListed:
			n.wrong(listFix(zone, v.codes), "%s is on the list %s (%s)%s", a, zone, many(v.codes), v.text)
		case isClear:
			clear = append(clear, zone)
		case isRefused:
			refused = append(refused, zone)
		default:
			dead = append(dead, zone)
		}
	}
	if len(refused) > 0 {
		n.warn("ask through a resolver of your own ([dns] servers): lists don't answer public ones. Or look at the lists' web pages",
			"whether %s is on %s can't be found out through this resolver", a, many(refused))
	}
	if len(dead) > 0 && a.Is4() { // many lists have no IPv6 part
		n.warn("look at the lists' web pages, or ask others with --blocklist", "%s gave no answer that makes sense, so that nothing is known of %s there", many(dead), a)
	}
	if len(clear) > 0 {
		n.ok("%s is on none of %s", a, many(clear))
	}
}

// listFix says how to get off a list. The policy list isn't about what the address has done.
func listFix(zone string, codes []netip.Addr) string {
	if zone == "zen.spamhaus.org" && !slices.ContainsFunc(codes, func(c netip.Addr) bool { return c != policy10 && c != policy11 }) {
		return "this is the list of addresses that shouldn't send mail by themselves, such as those of home connections: have it taken off at the list's web page if the address is yours, or send through a smart host ([[route]])"
	}
	return "find out what was sent from the address and stop it; then have it taken off at the list's web page"
}

var policy10, policy11 = netip.MustParseAddr("127.0.0.10"), netip.MustParseAddr("127.0.0.11")

// verdict is what a list says.
type verdict struct {
	state listState
	codes []netip.Addr
	// text is the list's own reason, for show; it may be empty.
	text string
}

type listState int

const (
	isUnknown listState = iota // no answer, or the list doesn't know that kind of address
	isRefused                  // the list doesn't answer us
	isClear
	isListed
)

// Values in answers (RFC 5782 §2.1): listed are codes in 127.0.0.0/8, of which lists use the upper end to say
// that they don't answer; all else is no list's answer.
var (
	codes    = netip.MustParsePrefix("127.0.0.0/8")
	refusals = netip.MustParsePrefix("127.255.255.0/24")
)

// listed asks one list. Whether a list is alive, and not of the kind that lists everybody, is told by the entries that
// each must and must not have (RFC 5782 §5).
func (k *checker) listed(ctx context.Context, a netip.Addr, zone string) verdict {
	v := k.entry(ctx, reversed(a)+"."+zone)
	must, mustNot := "2.0.0.127."+zone, "1.0.0.127."+zone
	if a.Is6() {
		must, mustNot = reversed(netip.MustParseAddr("::ffff:7f00:2"))+"."+zone, reversed(netip.MustParseAddr("::ffff:7f00:1"))+"."+zone
	}
	switch v.state {
	case isListed:
		if k.entry(ctx, mustNot).state != isClear {
			return verdict{}
		}
		if txt := ask(ctx, k.DNS.LookupTXT, reversed(a)+"."+zone); txt.err == nil {
			v.text = ": " + shown(txt.Records[0])
		}
	case isClear:
		if s := k.entry(ctx, must).state; s == isRefused {
			return verdict{state: isRefused}
		} else if s != isListed {
			return verdict{}
		}
	}
	return v
}

// entry looks up one name of a list.
func (k *checker) entry(ctx context.Context, name string) verdict {
	a := ask(ctx, k.DNS.LookupIP, name)
	switch {
	case a.none():
		return verdict{state: isClear}
	case a.err != nil:
		return verdict{}
	}
	v := verdict{state: isUnknown}
	for _, c := range a.Records {
		switch {
		case refusals.Contains(c):
			return verdict{state: isRefused}
		case codes.Contains(c) && len(v.codes) < maxHosts:
			v.state, v.codes = isListed, append(v.codes, c)
		}
	}
	return v
}
