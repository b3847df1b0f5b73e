package setup

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/mtasts"
)

// checkSTS looks at the domain's policy as others do (RFC 8461).
func (k *checker) checkSTS(ctx context.Context, n *notes) {
	name := "_mta-sts." + k.Domain
	txt := ask(ctx, k.DNS.LookupTXT, name)
	if txt.unknown() {
		unanswered(n, name, txt.err)
		return
	}
	id, err := mtasts.ParseRecord(txt.Records)
	switch {
	case fault.Is(err, fault.NotFound) && k.Policy.Mode == mtasts.None:
		n.ok("no policy, as the settings want it")
	case fault.Is(err, fault.NotFound):
		n.warn(k.record(name, "TXT"), "no MTA-STS record: others don't learn that mail must come over TLS")
	case err != nil:
		n.wrong(k.record(name, "TXT"), "the MTA-STS record is malformed: %s", fault.TextOf(err))
	case k.Offline:
		n.ok("there is an MTA-STS record; the policy wasn't fetched")
		k.compareID(n, id)
	default:
		k.fetchPolicy(ctx, n, id)
	}
}

// fetchTimeout is how long the policy may take.
const fetchTimeout = 2 * dialTimeout

// fetchPolicy gets the policy from its web server.
func (k *checker) fetchPolicy(ctx context.Context, n *notes, id string) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	client := mtasts.New(mtasts.Options{TXT: k.DNS, Transport: mtasts.NewTransport(k.dialName, k.Roots), Now: k.Now})
	found, err := client.Find(ctx, k.Domain)
	if err == nil {
		err = found.Trouble
	}
	if ctx.Err() != nil {
		err = errors.New("no answer in time")
	}
	if err != nil {
		n.wrong(k.policyFix(err), "the record says that there is a policy, but nobody gets it from https://mta-sts.%s: %s", k.Domain, clean(cause(err), 300))
		return
	}
	k.judgeSTS(n, found.Policy)
	if found.Policy.Text() != k.Policy.Text() {
		n.warn("let mta-sts."+k.Domain+" lead to this server; if it does, something in front of it answers", "https://mta-sts.%s has another policy than this server (mode %s)", k.Domain, found.Policy.Mode)
		return
	}
	k.compareID(n, id)
}

// policyFix says how the policy gets to be fetched. The certificate is what mostly lacks.
func (k *checker) policyFix(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "get a certificate for mta-sts." + k.Domain + " too: by [acme] (postroad cert list says what is in the way), or [[certificate]]"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "use certificates of a public authority ([acme], or [tls] and [[certificate]]), for " + k.Hostname + " and mta-sts." + k.Domain
	}
	return "let mta-sts." + k.Domain + " lead to this server (CNAME " + k.Hostname + ".), and let port 443 in"
}

// judgeSTS compares the policy with where mail goes: what isn't in it gets no mail (RFC 8461 §4.1).
func (k *checker) judgeSTS(n *notes, p mtasts.Policy) {
	var missing []string
	for _, mx := range k.mx.Records {
		if !p.Match(mx.Host) {
			missing = append(missing, mx.Host)
		}
	}
	fix := "add the host to mta_sts.mx in the settings, or remove its MX record"
	switch {
	case p.Mode == mtasts.None:
		n.ok("the policy demands nothing (mode none)")
	case len(missing) > 0 && p.Mode == mtasts.Enforce:
		n.wrong(fix, "the policy leaves out %s, which gets no mail from many others", clean(many(missing), maxShown))
	case len(missing) > 0:
		n.warn(fix, "the policy leaves out %s", clean(many(missing), maxShown))
	case p.Mode == mtasts.Testing:
		n.ok("the policy is found; it only tests (mode testing). Once TLS reports show no failures, set mta_sts.mode = \"enforce\"")
	default:
		n.ok("the policy is found and enforced: mail comes over TLS, or not at all")
	}
}

// compareID compares the record with the policy that is served: with an old id nobody looks for the new policy (RFC 8461 §3.1).
func (k *checker) compareID(n *notes, id string) {
	if id != k.Policy.ID() {
		n.warn(k.record("_mta-sts."+k.Domain, "TXT"), "the record's id %s isn't that of the policy that is served: who has an older one doesn't look again", shown(id))
	}
}

// checkTLSReports looks whether others report failures (RFC 8460 §3).
func (k *checker) checkTLSReports(ctx context.Context, n *notes) {
	name := tlsrpt.RecordName + k.Domain
	fix := k.record(name, "TXT")
	txt := ask(ctx, k.DNS.LookupTXT, name)
	if txt.unknown() {
		unanswered(n, name, txt.err)
		return
	}
	r, ok := tlsrpt.ParseRecord(txt.Records)
	claim := 0
	for _, t := range txt.Records {
		if strings.HasPrefix(t, "v=TLSRPTv1") {
			claim++
		}
	}
	switch {
	case ok:
		n.ok("failures of TLS are reported to %s", clean(many(r.RUA), maxShown))
	case claim == 0:
		n.warn(fix, "no TLS-RPT record: nobody tells you when mail can't reach you safely")
	case claim > 1:
		n.wrong("leave only one", "%s has %d TLS-RPT records, which counts as none", name, claim)
	default:
		n.wrong(fix, "the TLS-RPT record has no address to report to (rua=mailto: or https:)")
	}
}
