package setup

import (
	"context"
	"net/netip"
	"slices"
)

// checkReverse looks at the names of the addresses that mail is sent from (RFC 8601 §3, iprev).
func (k *checker) checkReverse(ctx context.Context, n *notes) {
	if k.SmartHost != "" {
		n.ok("mail leaves through %s, whose name and addresses count with others", k.SmartHost)
		return
	}
	if len(k.sources) == 0 {
		n.warn("say --public-ip with this server's addresses", "it isn't known from which address this server sends, so its name can't be looked up")
	}
	for _, a := range k.sources {
		k.checkName(ctx, n, a)
	}
}

func (k *checker) checkName(ctx context.Context, n *notes, a netip.Addr) {
	answer, err := k.DNS.LookupPTR(ctx, a)
	ptr := found[string]{answer, err}
	ours := k.nameAt(a)
	fix := "have " + ours + " set as the reverse name (PTR) of " + a.String() + " by whoever gave you the address, mostly in their web console"
	switch {
	case ptr.unknown():
		unanswered(n, "the name of "+a.String(), ptr.err)
	case ptr.none():
		n.wrong(fix, "%s has no name: many servers refuse mail from it", a)
	default:
		name := ptr.Records[0]
		if slices.Contains(ptr.Records, ours) {
			name = ours
		}
		k.compareName(ctx, n, a, name, fix)
	}
}

// compareName looks whether the name leads back, and is ours.
func (k *checker) compareName(ctx context.Context, n *notes, a netip.Addr, name, fix string) {
	back := ask(ctx, k.DNS.LookupIP, name)
	leads := slices.Contains(back.Records, a)
	switch ours := k.nameAt(a); {
	case back.unknown():
		unanswered(n, shown(name), back.err)
	case name == ours && leads:
		n.ok("%s is called %s, and that has this address", a, ours)
	case name == ours:
		n.wrong("publish: "+ours+". "+addressType(a)+" "+a.String(), "%s is called %s, but that name doesn't have the address", a, ours)
	case leads:
		n.warn(fix, "%s is called %s, but this server calls itself %s: some count that against it", a, shown(name), ours)
	default:
		n.wrong(fix, "%s is called %s, which doesn't have this address: many servers refuse mail from it", a, shown(name))
	}
}
