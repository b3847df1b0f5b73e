package setup

import (
	"context"
	"net/netip"
	"strings"

	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/spf"
)

// checkSPF evaluates the domain's record as others do (RFC 7208).
func (k *checker) checkSPF(ctx context.Context, n *notes) {
	txt := ask(ctx, k.DNS.LookupTXT, k.Domain)
	fix := k.record(k.Domain, "TXT")
	if txt.unknown() {
		unanswered(n, k.Domain+" TXT", txt.err)
		return
	}
	switch records := spfRecords(txt.Records); len(records) {
	case 0:
		n.wrong(fix, "no SPF record: others can't tell that this server may send for %s", k.Domain)
	case 1:
		k.evaluateSPF(ctx, n, records[0])
	default: // RFC 7208 §4.5
		n.wrong("make one record of them", "%s has %d SPF records, which makes all of them invalid", k.Domain, len(records))
	}
	k.checkHello(ctx, n)
}

// spfRecords are those among text records (RFC 7208 §4.5).
func spfRecords(texts []string) (all []string) {
	for _, t := range texts {
		if first, _, _ := strings.Cut(t, " "); strings.EqualFold(first, "v=spf1") {
			all = append(all, t)
		}
	}
	return all
}

func (k *checker) spf(ctx context.Context, ip netip.Addr, from string) spf.Result {
	return spf.Check(ctx, sender.FromDNS(k.DNS), spf.Request{IP: ip, Helo: k.nameAt(ip), MailFrom: from, Now: k.Now})
}

func (k *checker) evaluateSPF(ctx context.Context, n *notes, record string) {
	from := "postmaster@" + k.Domain
	for _, a := range k.sources {
		switch r := k.spf(ctx, a, from); r.Status {
		case authres.Pass:
			n.ok("%s may send for %s (by %s)", a, k.Domain, clean(r.Term, maxShown))
		case authres.TempError:
			n.warn("try again; if it stays so, see whether the name servers of the names in the record answer", "whether %s may send for %s isn't known: %s", a, k.Domain, r.Reason)
		case authres.PermError:
			n.wrong("correct the record; it may ask the DNS ten times at most", "the SPF record of %s is invalid: %s", k.Domain, r.Reason)
			return
		default:
			n.wrong("add "+spfTerm(a)+" to the record, before its last term", "the SPF record doesn't let %s send for %s (%s): %s", a, k.Domain, r.Status, shown(record))
		}
	}
	switch {
	case k.SmartHost != "":
		n.ok("there is an SPF record; as mail leaves through %s, it must have what they ask for, mostly an include", k.SmartHost)
	case len(k.sources) == 0:
		n.warn("say --public-ip with this server's addresses", "there is an SPF record, but it isn't known from which address this server sends")
	}
	k.strangers(ctx, n, from)
}

// strangers looks at what the record says of everybody else, by two addresses that are nobody's (RFC 5737, RFC 3849). Only
// such a one makes all of the record be read.
func (k *checker) strangers(ctx context.Context, n *notes, from string) {
	for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, 251}), netip.MustParseAddr("2001:db8:ffff::fb")} {
		r := k.spf(ctx, a, from)
		switch r.Status {
		case authres.Pass:
			n.wrong("end the record with ~all", "the SPF record lets everybody send for %s (by %s)", k.Domain, clean(r.Term, maxShown))
			return
		case authres.PermError:
			n.wrong("remove terms (include, a, mx, exists); ten may ask the DNS, and two get no answer", "for all but this server the SPF record of %s is invalid: %s", k.Domain, r.Reason)
			return
		case authres.Neutral:
			n.warn("end the record with ~all", "the SPF record says nothing of other servers, so it keeps nobody from sending as %s", k.Domain)
			return
		}
	}
}

// checkHello looks at the server's own names, which notifications are judged by (RFC 7208 §2.3, §2.4).
func (k *checker) checkHello(ctx context.Context, n *notes) {
	told := map[string]bool{k.Domain: true} // whose record has been looked at
	for _, a := range k.sources {
		name := k.nameAt(a)
		if told[name] {
			continue
		}
		switch r := k.spf(ctx, a, ""); r.Status {
		case authres.Pass, authres.TempError: // the latter is told of by the host's other checks
			continue
		case authres.None:
			n.warn("publish: "+name+". TXT v=spf1 a -all", "%s has no SPF record, so that notifications of this server have nothing to show", name)
		default:
			n.wrong("publish: "+name+". TXT v=spf1 a -all", "the SPF record of %s doesn't let %s send (%s) %s", name, a, r.Status, r.Reason)
		}
		told[name] = true
	}
}
