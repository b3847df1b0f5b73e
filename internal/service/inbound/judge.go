package inbound

import (
	"slices"
	"strings"

	"postroad/internal/service/sender"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

// judgement is what becomes of a message.
type judgement struct {
	// disposition is none, quarantine or reject, and overrides why it isn't what the author's domain asks for.
	disposition dmarc.Policy
	overrides   []Override
	// refusal is set if the message is refused.
	refusal *Refusal
	// authentic: the reverse-path's domain is, and domain is it. It is "" otherwise.
	authentic bool
	domain    string
}

// why is the last override's comment, which decided.
func (j *judgement) why() string {
	if len(j.overrides) == 0 {
		return ""
	}
	return j.overrides[len(j.overrides)-1].Comment
}

// override does something milder than was asked for.
func (j *judgement) override(to dmarc.Policy, t OverrideType, comment string) {
	j.disposition = to
	j.overrides = append(j.overrides, Override{t, comment})
}

// judge decides. vouched: the one who brought the message has a record here, or is on a list of the good.
//
// A policy of reject alone is no reason to refuse (RFC 9989 §7.4): a mailing list's members would be thrown off it.
// It is together with our own knowledge: what comes by a trusted sealer is let in, what comes from a sender with a
// record goes to the junk, and the rest is refused.
func (g *Guard) judge(r *sender.Verdict, vouched bool) judgement {
	j := judgement{disposition: r.DMARC.Disposition}
	if j.disposition == "" {
		j.disposition = dmarc.None
	}
	j.authentic, j.domain = authentic(r)
	if r.DMARC.Status == authres.Fail && j.disposition != r.DMARC.Policy {
		j.override(j.disposition, PolicyTestMode, "the policy is being tested")
	}
	sealer := trustedSeal(&r.ARC, r.DMARC.Author, g.o.Sealers)
	if j.disposition != dmarc.None {
		switch {
		case g.o.DMARC == MarkOnly:
			j.override(dmarc.None, LocalPolicy, "policies are only noted here")
		case sealer != "":
			j.override(dmarc.None, TrustedForwarder, "ARC seal of "+sealer)
			g.counts.sealed.Add(1)
		case vouched && j.disposition == dmarc.Reject:
			j.override(dmarc.Quarantine, LocalPolicy, "its bearer is known here")
		}
	}
	switch {
	case j.disposition == dmarc.Reject:
		j.refusal = &Refusal{Reason: DMARC, Code: 550, Status: "5.7.1", Text: printable("The DMARC policy of " + r.DMARC.PolicyDomain + " (p=" + string(r.DMARC.Policy) +
			") has us refuse mail that is not proved to be from " + r.DMARC.Author)}
	case g.o.SPFRefuse && r.SPF.Status == authres.Fail && r.DMARC.Status != authres.Pass && sealer == "" && !vouched:
		j.override(dmarc.Reject, LocalPolicy, "SPF does not permit the client")
		j.refusal = &Refusal{Reason: SPF, Code: 550, Status: "5.7.23", Text: printable("SPF: " + r.SPF.Domain + " does not permit your address to send its mail")} // RFC 7372 §3.2
	}
	return j
}

// authentic tells whether the reverse-path's domain sent the message, and which it is.
func authentic(r *sender.Verdict) (bool, string) {
	domain := domainOf(r.Session.MailFrom)
	if domain == "" {
		return false, ""
	}
	if r.SPF.Status == authres.Pass {
		return true, domain
	}
	for i := range r.DKIM {
		d := strings.ToLower(r.DKIM[i].Domain)
		if r.DKIM[i].Status == authres.Pass && (d == domain || strings.HasSuffix(domain, "."+d)) {
			return true, domain
		}
	}
	return false, ""
}

// proved is the author's domain if it is proved that they are there; "" otherwise. Where there is no DMARC record to say what proves it,
// the domain itself has to, or for a signature one that it is below.
func proved(r *sender.Verdict) string {
	author := r.DMARC.Author
	if author == "" || r.DMARC.Status == authres.Pass {
		return author
	}
	if r.DMARC.PolicyDomain != "" {
		return ""
	}
	if r.SPF.Status == authres.Pass && r.Session.MailFrom != "" && strings.EqualFold(r.SPF.Domain, author) {
		return author
	}
	for i := range r.DKIM {
		if d := strings.ToLower(r.DKIM[i].Domain); r.DKIM[i].Status == authres.Pass && (d == author || strings.Contains(d, ".") && strings.HasSuffix(author, "."+d)) {
			return author
		}
	}
	return ""
}

// trustedSeal is the domain whose ARC seal vouches that the message passed DMARC when it came there; "" if none that is believed does.
// All who sealed after it must be believed too, unless they have left the message as it was (RFC 8617 §7.2, §9).
func trustedSeal(chain *arc.Result, author string, sealers []string) string {
	if chain.Status != authres.Pass || len(sealers) == 0 {
		return ""
	}
	strangers := false
	for i := len(chain.Sets) - 1; i >= 0; i-- {
		s := &chain.Sets[i]
		trusted := slices.Contains(sealers, strings.ToLower(s.Domain))
		untouched := chain.OldestPass <= i+1
		if trusted && (!strangers || untouched) && sawPass(s.Results, author) {
			return s.Domain
		}
		strangers = strangers || !trusted
	}
	return ""
}

// sawPass reports whether a site's results say that DMARC passed for the author's domain.
func sawPass(results, author string) bool {
	h, err := authres.Parse(results)
	if err != nil {
		return false
	}
	for _, m := range h.Methods {
		if m.Name != "dmarc" || m.Result != authres.Pass {
			continue
		}
		for _, p := range m.Props {
			if p.Type == "header" && p.Name == "from" && strings.EqualFold(strings.TrimSuffix(p.Value, "."), author) {
				return true
			}
		}
	}
	return false
}
