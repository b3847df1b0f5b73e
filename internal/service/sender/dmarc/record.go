package dmarc

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Policy is what a domain's owner asks for.
type Policy string

// The policies, from mild to strict.
const (
	None       Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// rank orders policies by strictness.
func (p Policy) rank() int {
	switch p {
	case Quarantine:
		return 1
	case Reject:
		return 2
	}
	return 0
}

// milder is the policy one level below, which is asked for in testing (§4.7, t).
func (p Policy) milder() Policy {
	if p == Reject {
		return Quarantine
	}
	return None
}

// Limits of ParseRecord.
const (
	// MaxRecord is the longest record that is read, in bytes.
	MaxRecord = 4096
	// MaxURIs is how many addresses for reports of a kind are kept: the first ones.
	MaxURIs = 10
)

// Record is a policy record (§4.7).
type Record struct {
	// Policy is for the domain itself (p), Subdomains for those below it that exist (sp), NonExistent for
	// those that don't (np); the latter two are "" if not given.
	Policy, Subdomains, NonExistent Policy
	// StrictDKIM and StrictSPF ask for alignment of whole names (adkim, aspf).
	StrictDKIM, StrictSPF bool
	// PSD is 'y' for a public suffix, 'n' for an organizational domain, 'u' if the record doesn't say.
	PSD byte
	// Testing: policies shall be applied one level milder (t=y, or pct=0 where RFC 7489 is followed).
	Testing bool
	// RUA and RUF are where aggregate and failure reports shall go: URIs without the obsolete size limits.
	RUA, RUF []string
	// RUALimits are these limits in bytes, in the order of RUA; 0: none (RFC 7489 §6.2; RFC 9989 has done away with them).
	RUALimits []int64
	// FailureOptions are the letters of fo; "0" if not given.
	FailureOptions string
	// Unusable: the record has no valid policy and no address for reports. No policy follows from it (§4.10.1).
	Unusable bool
}

// ParseRecord reads a TXT record; ok is false if it is no DMARC record. Unknown tags are passed over,
// mistakes too, for the defaults (§4.8).
func ParseRecord(txt string) (r Record, ok bool) {
	if len(txt) > MaxRecord {
		return r, false
	}
	first, rest, _ := strings.Cut(txt, ";")
	name, value, _ := strings.Cut(first, "=")
	if strings.TrimRight(name, wsp) != "v" || strings.Trim(value, wsp) != "DMARC1" {
		return r, false
	}
	r = Record{PSD: 'u', FailureOptions: "0"}
	p := parser{r: &r}
	for tag := range strings.SplitSeq(rest, ";") {
		if name, value, ok := strings.Cut(tag, "="); ok {
			p.tag(strings.ToLower(strings.Trim(name, wsp)), strings.Trim(value, wsp))
		}
	}
	if p.bad || r.Policy == "" { // §4.10.1
		r.Policy, r.Subdomains, r.NonExistent = None, "", ""
		r.Unusable = len(r.RUA) == 0
	}
	return r, true
}

const wsp = " \t"

// tagNames are those of the tags that mean something.
var tagNames = [...]string{"p", "sp", "np", "adkim", "aspf", "psd", "t", "pct", "rua", "ruf", "fo"}

type parser struct {
	r    *Record
	seen [len(tagNames)]bool
	// bad: a policy is none that we know.
	bad bool
}

// tag takes one tag; of several with one name the first counts.
func (p *parser) tag(name, value string) {
	i := slices.Index(tagNames[:], name)
	if i < 0 || p.seen[i] {
		return
	}
	p.seen[i] = true
	lower := strings.ToLower(value)
	switch name {
	case "p":
		p.policy(&p.r.Policy, lower)
	case "sp":
		p.policy(&p.r.Subdomains, lower)
	case "np":
		p.policy(&p.r.NonExistent, lower)
	case "adkim":
		p.r.StrictDKIM = lower == "s"
	case "aspf":
		p.r.StrictSPF = lower == "s"
	case "psd":
		if lower == "y" || lower == "n" {
			p.r.PSD = lower[0]
		}
	case "t":
		p.r.Testing = lower == "y"
	case "pct":
		// Historic (§A.6): t=y is what 0 came to mean; other values were never applied well, and count as 100.
		if lower == "0" && !p.seen[slices.Index(tagNames[:], "t")] {
			p.r.Testing = true
		}
	case "rua":
		p.r.RUA, p.r.RUALimits = uris(value)
	case "ruf":
		p.r.RUF, _ = uris(value)
	case "fo":
		if isOptions(lower) {
			p.r.FailureOptions = lower
		}
	}
}

func (p *parser) policy(to *Policy, value string) {
	switch v := Policy(value); v {
	case None, Quarantine, Reject:
		*to = v
	default:
		p.bad = true
	}
}

func isOptions(s string) bool {
	for o := range strings.SplitSeq(s, ":") {
		if o = strings.Trim(o, wsp); o != "0" && o != "1" && o != "d" && o != "s" {
			return false
		}
	}
	return true
}

// uris splits a list of URIs, and keeps the valid ones. Obsolete size limits ("!10m") are cut off.
func uris(list string) (all []string, limits []int64) {
	for s := range strings.SplitSeq(list, ",") {
		s, limit, _ := strings.Cut(strings.Trim(s, wsp), "!")
		u, err := url.Parse(s)
		if err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" || u.Scheme == "mailto" && !strings.Contains(u.Opaque, "@") {
			continue
		}
		limits = append(limits, sizeLimit(limit))
		if all = append(all, s); len(all) == MaxURIs {
			break
		}
	}
	return all, limits
}

// sizeLimit reads "10m" (RFC 7489 §6.4); 0 if there is none that makes sense.
func sizeLimit(s string) int64 {
	s = strings.ToLower(strings.Trim(s, wsp))
	if s == "" {
		return 0
	}
	shift := 0
	if at := strings.IndexByte("kmgt", s[len(s)-1]); at >= 0 {
		shift, s = 10*(at+1), s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<62>>shift {
		return 0
	}
	return n << shift
}
