package setup

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

// checkDMARC looks for the policy that applies to the domain (RFC 9989 §4.10).
func (k *checker) checkDMARC(ctx context.Context, n *notes) {
	name := "_dmarc." + k.Domain
	fix := k.record(name, "TXT")
	txt := ask(ctx, k.DNS.LookupTXT, name)
	if txt.unknown() {
		unanswered(n, name, txt.err)
		return
	}
	switch records := dmarcRecords(txt.Records); {
	case len(records) > 1: // RFC 9989 §4.10
		n.wrong("leave only one", "%s has %d DMARC records, which counts as none", name, len(records))
	case len(records) == 1:
		k.judgePolicy(ctx, n, records[0])
	case slices.ContainsFunc(txt.Records, func(t string) bool { return strings.Contains(strings.ToUpper(t), "DMARC1") }):
		n.wrong(fix, "the DMARC record of %s doesn't begin with v=DMARC1 and is not seen as one", k.Domain)
	default:
		k.inherited(ctx, n, fix)
	}
}

func dmarcRecords(texts []string) (all []dmarc.Record) {
	for _, t := range texts {
		if r, ok := dmarc.ParseRecord(t); ok {
			all = append(all, r)
		}
	}
	return all
}

// inherited looks whether a domain above has a record.
func (k *checker) inherited(ctx context.Context, n *notes, fix string) {
	r := dmarc.Evaluate(ctx, sender.FromDNS(k.DNS), dmarc.Message{From: []string{"postmaster@" + k.Domain}})
	switch {
	case r.Status == authres.TempError:
		n.warn("try again", "whether a DMARC record applies isn't known for now")
	case r.PolicyDomain != "":
		n.ok("the DMARC record of %s applies: p=%s", shown(r.PolicyDomain), r.Policy)
	default:
		n.warn(fix, "no DMARC record: large receivers distrust %s, and you aren't told who sends in its name", k.Domain)
	}
}

func (k *checker) judgePolicy(ctx context.Context, n *notes, r dmarc.Record) {
	switch {
	case r.Unusable:
		n.wrong(k.record("_dmarc."+k.Domain, "TXT"), "the DMARC record has no valid policy (p=none, quarantine or reject)")
		return
	case len(r.RUA) == 0:
		n.warn("add rua=mailto:"+k.DMARCReports, "DMARC asks for p=%s, but for no reports (rua), so that mistakes don't show", r.Policy)
	case r.Policy == dmarc.None:
		n.ok("DMARC watches only (p=none); once the reports show that all your own mail passes, ask for p=quarantine, then p=reject")
	default:
		n.ok("DMARC asks for p=%s", r.Policy)
	}
	for _, uri := range r.RUA {
		k.destination(ctx, n, uri)
	}
}

// destination looks whether reports may be sent to an address elsewhere, which its domain has to allow (RFC 9990 §4, RFC 7489 §7.1).
func (k *checker) destination(ctx context.Context, n *notes, uri string) {
	scheme, address, _ := strings.Cut(uri, ":")
	_, domain, _ := strings.Cut(address, "@")
	domain, _, _ = strings.Cut(domain, "?")
	if !strings.EqualFold(scheme, "mailto") || domain == "" || isBelow(strings.ToLower(domain), k.Domain) || isBelow(k.Domain, strings.ToLower(domain)) {
		return
	}
	name := k.Domain + "._report._dmarc." + domain
	if txt := ask(ctx, k.DNS.LookupTXT, name); txt.none() || txt.err == nil && len(dmarcRecords(txt.Records)) == 0 {
		n.warn("publish: "+name+". TXT v=DMARC1", "DMARC reports to %s aren't sent: that domain doesn't allow it", shown(address))
	}
}
