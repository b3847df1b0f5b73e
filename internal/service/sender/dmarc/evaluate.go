package dmarc

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/service/sender/authres"
)

// MaxAuthors is how many domains in From are looked at (§11.5).
const MaxAuthors = 5

// Identifier is a domain that SPF or DKIM may have authenticated.
type Identifier struct {
	// Domain is SPF's reverse-path domain, or a signature's d.
	Domain string
	Result authres.Result
}

// Message is what DMARC looks at.
type Message struct {
	// From are the bodies of all From fields.
	From []string
	// SPF is the result for the reverse-path; the zero value if there is none.
	SPF Identifier
	// DKIM are the signatures' results.
	DKIM []Identifier
	// Records remembers what records say; nil: each is read anew.
	Records *Records
}

// Result is the outcome.
type Result struct {
	// Status is pass, fail, none (no policy applies), temperror (the DNS has no answer now, so nobody knows)
	// or permerror (there is no author's domain to ask, or too many).
	Status authres.Result
	// Reason says in words why Status is an error.
	Reason string
	// Author is the domain in From, as A-labels. Of several it is the one that fares worst.
	Author string
	// PolicyDomain is where Record was found; "" if there is none.
	PolicyDomain string
	// Record's lists are shared, and not to be changed.
	Record Record
	// Policy is what the record asks for the author's domain, and Disposition what shall be done with this
	// message: None unless Status is fail, and milder than Policy if the record is in testing. Where Status is permerror, but people
	// may see an address in From all the same, it is Quarantine.
	Policy, Disposition Policy
	// SPFAligned and DKIMAligned say which of them authenticated the author's domain.
	SPFAligned, DKIMAligned bool
}

// rank orders results from good to bad.
func (r *Result) rank() int {
	switch r.Status {
	case authres.Pass:
		return 0
	case authres.None:
		return 1
	case authres.TempError:
		return 4
	}
	return 2 + 3*r.Disposition.rank()
}

// Evaluate applies DMARC to a message (§5.3). With several domains in From each is
// evaluated, and the worst result counts (§11.5). So it does beside addresses that can't be read: they are no way round
// the others' policies, and what people may take for an address that nobody can check is suspicious.
func Evaluate(ctx context.Context, resolver Resolver, m Message) Result {
	authors, odd := authors(m.From)
	w := &walker{resolver: resolver, records: m.Records}
	var worst Result
	for i, a := range authors {
		if r := evaluate(ctx, w, a, &m); i == 0 || r.rank() > worst.rank() {
			worst = r
		}
	}
	if odd == nil || worst.Status == authres.Fail && worst.Disposition != None {
		return worst
	}
	r := Result{Status: authres.PermError, Reason: fault.TextOf(odd), Author: worst.Author, Disposition: None}
	if slices.ContainsFunc(m.From, looksLikeAddress) {
		r.Disposition = Quarantine
	}
	return r
}

// looksLikeAddress reports whether people may see an address in a field.
func looksLikeAddress(field string) bool {
	return strings.Contains(message.DecodeWords(field), "@")
}

// authors are the domains in From fields (§5.3.1), MaxAuthors at most. The error, of kind fault.Invalid, says what else is
// there, or that there are none.
func authors(fields []string) (domains []string, odd error) {
	for _, f := range fields {
		all := message.ParseAddresses(f)
		if message.TooManyAddresses(all) {
			odd = fault.New(fault.Invalid, "more addresses in From than anybody reads")
		}
		for _, a := range all {
			if a.Group != message.NoGroup {
				continue
			}
			d := canonical(a.Host)
			switch {
			case d == "":
				odd = fault.New(fault.Invalid, "an address in From without a domain")
			case slices.Contains(domains, d):
			case len(domains) == MaxAuthors:
				return domains, fault.New(fault.Invalid, "more than %d domains in From", MaxAuthors)
			default:
				domains = append(domains, d)
			}
		}
	}
	if len(domains) == 0 && odd == nil {
		odd = fault.New(fault.Invalid, "no author in From")
	}
	return domains, odd
}

func evaluate(ctx context.Context, w *walker, author string, m *Message) Result {
	r := Result{Status: authres.None, Author: author, Disposition: None}
	p, err := w.policy(ctx, author)
	if err != nil {
		r.Status, r.Reason = authres.TempError, fault.TextOf(err)
		return r
	}
	if p == nil || p.Unusable {
		return r
	}
	r.PolicyDomain, r.Record = p.domain, *p.Record
	unknown, err := w.align(ctx, &r, m)
	if err == nil {
		r.Policy, err = w.applicable(ctx, author, p)
	}
	switch {
	case r.SPFAligned || r.DKIMAligned:
		r.Status = authres.Pass
	case err != nil:
		r.Status, r.Reason = authres.TempError, fault.TextOf(err)
	case unknown: // §5.3.6
		r.Status, r.Reason = authres.TempError, "SPF or DKIM has no result for now"
	default:
		r.Status, r.Disposition = authres.Fail, r.Policy
		if p.Testing {
			r.Disposition = r.Policy.milder()
		}
	}
	return r
}

// applicable is the policy of a record for an author's domain (§4.10.1).
func (w *walker) applicable(ctx context.Context, author string, p *published) (Policy, error) {
	if p.domain == author {
		return p.Policy, nil
	}
	below := p.Subdomains
	if below == "" {
		below = p.Policy
	}
	if p.NonExistent == "" || p.NonExistent == below {
		return below, nil
	}
	exists, err := w.resolver.Exists(ctx, author)
	if err != nil {
		return below, fault.Wrap(fault.Unavailable, err, "no answer from the DNS")
	}
	if !exists {
		return p.NonExistent, nil
	}
	return below, nil
}

// align finds out which identifiers are the author's (§4.10.2). unknown: one of them that may be
// has no result for now.
func (w *walker) align(ctx context.Context, r *Result, m *Message) (unknown bool, err error) {
	look := func(id Identifier, strict bool) bool {
		if id.Result != authres.Pass && id.Result != authres.TempError {
			return false
		}
		aligned, e := w.aligned(ctx, r.Author, canonical(id.Domain), strict)
		if e != nil {
			err = e
		}
		if aligned && id.Result == authres.TempError {
			unknown = true
			return false
		}
		return aligned
	}
	r.SPFAligned = look(m.SPF, r.Record.StrictSPF)
	for _, id := range m.DKIM {
		if look(id, r.Record.StrictDKIM) {
			r.DKIMAligned = true
			break
		}
	}
	return unknown, err
}

func (w *walker) aligned(ctx context.Context, author, domain string, strict bool) (bool, error) {
	switch {
	case domain == "":
		return false, nil
	case domain == author:
		return true, nil
	case strict, last(domain, 1) != last(author, 1): // no organization spans top-level domains
		return false, nil
	}
	org, err := w.organizationOf(ctx, author)
	if err != nil || domain != org && !strings.HasSuffix(domain, "."+org) {
		return false, err // an organizational domain is at or above the domain: no need to walk
	}
	other, err := w.organizationOf(ctx, domain)
	return err == nil && other == org, err
}
