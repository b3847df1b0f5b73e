package spf

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
)

// Limits of one check (RFC 7208 §4.6.4).
const (
	// MaxTerms is how many terms may ask the DNS.
	MaxTerms = 10
	// MaxVoid is how many of those may get no answer.
	MaxVoid = 2
	// MaxHosts is how many hosts an MX may have, and how many names of a PTR are looked at.
	MaxHosts = 10
)

// Resolver asks the DNS. Errors are of kind fault.NotFound if there is no such name or record; all
// other kinds count as temporary. Answers may be empty instead of NotFound. Implementations bound time by ctx.
type Resolver interface {
	// LookupTXT returns the TXT records of a name, the strings of each joined.
	LookupTXT(ctx context.Context, name string) ([]string, error)
	// LookupIP returns the IPv4 and IPv6 addresses of a name.
	LookupIP(ctx context.Context, name string) ([]netip.Addr, error)
	// LookupMX returns the hosts in a name's MX records.
	LookupMX(ctx context.Context, name string) ([]string, error)
	// LookupPTR returns the names of an address.
	LookupPTR(ctx context.Context, addr netip.Addr) ([]string, error)
}

// Request says who sends.
type Request struct {
	// IP is the client's address.
	IP netip.Addr
	// Helo is what the client calls itself.
	Helo string
	// MailFrom is the reverse-path without brackets. If it is empty, Helo is checked instead (RFC 7208 §2.4).
	MailFrom string
	// Receiver is our own name, for explanations; it may be empty.
	Receiver string
	// Now tells the time, for explanations; nil for time.Now.
	Now func() time.Time
	// Records remembers what records say; nil: each is read anew.
	Records *Records
}

// Result is the outcome of a check.
type Result struct {
	// Status is one of RFC 7208 §2.6: none, neutral, pass, fail, softfail, temperror, permerror.
	Status authres.Result
	// Domain is the one that was checked, in lower case.
	Domain string
	// Term is the directive that matched, as published; "" if none did.
	Term string
	// Reason says in words what is wrong with the record or the DNS.
	Reason string
	// Explanation is what the domain's owner has to say about a fail (RFC 7208 §6.2), in printable ASCII. It is a stranger's
	// text: not to be taken for ours.
	Explanation string
}

// check is one check on its way.
type check struct {
	Request
	resolver Resolver
	// local and domain are the sender's.
	local, domain string
	terms, void   int
	// names are the client's, once asked for.
	names    []string
	hasNames bool
	reason   string
	matched  string
	now      func() time.Time
}

// Check evaluates the record of the reverse-path's domain, or of Helo if the reverse-path is null.
func Check(ctx context.Context, r Resolver, q Request) Result {
	c := &check{Request: q, resolver: r, now: q.Now}
	if c.now == nil {
		c.now = time.Now
	}
	c.IP = q.IP.Unmap().WithZone("")
	at := strings.LastIndexByte(q.MailFrom, '@')
	switch {
	case at < 0:
		c.local, c.domain = "postmaster", q.Helo
	case at == 0: // RFC 7208 §4.3
		c.local, c.domain = "postmaster", q.MailFrom[1:]
	default:
		c.local, c.domain = q.MailFrom[:at], q.MailFrom[at+1:]
	}
	c.domain = strings.ToLower(strings.TrimSuffix(c.domain, "."))
	if !c.IP.IsValid() {
		return Result{Status: authres.None, Domain: c.domain, Reason: "no address to check"}
	}
	status, rec, domain := c.host(ctx, c.domain)
	res := Result{Status: status, Domain: c.domain, Term: c.matched, Reason: c.reason}
	if status == authres.Fail && rec != nil {
		res.Explanation = c.explain(ctx, rec, domain)
	}
	return res
}

// CheckHelo evaluates the record of the name in HELO or EHLO (RFC 7208 §2.3).
func CheckHelo(ctx context.Context, r Resolver, q Request) Result {
	q.MailFrom = ""
	return Check(ctx, r, q)
}

// isName reports whether s is a domain name with at least two labels (RFC 7208 §4.3).
func isName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 || !strings.Contains(s, ".") || strings.HasPrefix(s, "[") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}

// host is check_host (RFC 7208 §4). It returns too which record of which domain decided.
func (c *check) host(ctx context.Context, domain string) (authres.Result, *record, string) {
	if !isName(domain) {
		return authres.None, nil, domain
	}
	rec, status := c.record(ctx, domain)
	if rec == nil {
		return status, nil, domain
	}
	for i := range rec.terms {
		t := &rec.terms[i]
		switch status := c.matches(ctx, t, domain); status {
		case authres.Pass:
			c.matched = t.text
			return t.result, rec, domain
		case authres.Fail:
		default:
			return status, rec, domain
		}
	}
	if rec.redirect == "" {
		return authres.Neutral, rec, domain
	}
	return c.redirect(ctx, rec, domain)
}

// redirect goes on with another domain's record (RFC 7208 §6.1).
func (c *check) redirect(ctx context.Context, rec *record, domain string) (authres.Result, *record, string) {
	if !c.count() {
		return authres.PermError, nil, domain
	}
	target := c.target(ctx, rec.redirect, domain)
	status, rec, domain := c.host(ctx, target)
	if status == authres.None {
		c.reason = "redirect to " + shorten(target) + ", which has no record"
		return authres.PermError, nil, domain
	}
	return status, rec, domain
}

// record finds and reads a domain's record (RFC 7208 §4.4, §4.5); without one the status says why.
func (c *check) record(ctx context.Context, domain string) (*record, authres.Result) {
	txts, err := c.resolver.LookupTXT(ctx, domain)
	if err != nil && !absent(err) {
		return nil, c.temporary(domain, err)
	}
	found, n := "", 0
	for _, txt := range txts {
		if isRecord(txt) {
			found = txt
			n++
		}
	}
	switch n {
	case 0:
		return nil, authres.None
	case 1:
		rec, err := c.Records.parse(found)
		if err != nil {
			c.reason = shorten(domain) + ": " + fault.TextOf(err)
			return nil, authres.PermError
		}
		return rec, ""
	}
	c.reason = shorten(domain) + " has several records"
	return nil, authres.PermError
}

// absent reports whether an error says that there is no such name or record; names that are none have none.
func absent(err error) bool { return fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) }

func (c *check) temporary(name string, err error) authres.Result {
	c.reason = "no answer from the DNS for " + shorten(name)
	if errors.Is(err, context.DeadlineExceeded) {
		c.reason = "time ran out"
	}
	return authres.TempError
}

// count counts a term that asks the DNS; false if there are too many.
func (c *check) count() bool {
	if c.terms++; c.terms > MaxTerms {
		c.reason = "more than 10 terms ask the DNS"
		return false
	}
	return true
}

// unanswered counts a term that got no answer; false if there are too many.
func (c *check) unanswered() bool {
	if c.void++; c.void > MaxVoid {
		c.reason = "more than 2 terms got no answer from the DNS"
		return false
	}
	return true
}

// target expands a domain-spec, and cuts labels off its left until it fits (RFC 7208 §7.3).
func (c *check) target(ctx context.Context, spec, domain string) string {
	if spec == "" {
		return domain
	}
	name := strings.TrimSuffix(c.expand(ctx, spec, domain), ".")
	for len(name) > 253 {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = rest
	}
	return name
}
