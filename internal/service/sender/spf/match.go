package spf

import (
	"context"
	"net/netip"
	"strings"

	"postroad/internal/service/sender/authres"
)

// matches evaluates a directive (RFC 7208 §5): pass if it matches, fail if it doesn't; anything
// else ends the check.
func (c *check) matches(ctx context.Context, t *term, domain string) authres.Result {
	switch t.name {
	case "all":
		return authres.Pass
	case "ip4", "ip6":
		return matched(t.prefix.Contains(c.IP))
	}
	if !c.count() {
		return authres.PermError
	}
	target := c.target(ctx, t.domain, domain)
	switch t.name {
	case "include":
		return c.include(ctx, target)
	case "a":
		return c.a(ctx, t, target)
	case "mx":
		return c.mx(ctx, t, target)
	case "exists":
		return c.exists(ctx, target)
	}
	return c.ptr(ctx, target)
}

func matched(yes bool) authres.Result {
	if yes {
		return authres.Pass
	}
	return authres.Fail
}

// include: RFC 7208 §5.2.
func (c *check) include(ctx context.Context, target string) authres.Result {
	status, _, _ := c.host(ctx, target)
	c.matched = ""
	switch status {
	case authres.Pass, authres.TempError, authres.PermError:
		return status
	case authres.None:
		c.reason = "includes " + shorten(target) + ", which has no record"
		return authres.PermError
	}
	return authres.Fail
}

// addresses looks a name's addresses up, those of one family. The status is "" if there is an answer, or none.
func (c *check) addresses(ctx context.Context, name string, four bool) ([]netip.Addr, authres.Result) {
	if !isLookupName(name) {
		return nil, ""
	}
	all, err := c.resolver.LookupIP(ctx, name)
	if err != nil && !absent(err) {
		return nil, c.temporary(name, err)
	}
	var some []netip.Addr
	for _, a := range all {
		if a = a.Unmap(); a.Is4() == four {
			some = append(some, a)
		}
	}
	return some, ""
}

// isLookupName reports whether the DNS could know a name. Others just don't exist (RFC 7208 §4.8).
func isLookupName(s string) bool { return isName(s + ".x") }

// a: RFC 7208 §5.3.
func (c *check) a(ctx context.Context, t *term, target string) authres.Result {
	addrs, status := c.addresses(ctx, target, c.IP.Is4())
	if status != "" {
		return status
	}
	if len(addrs) == 0 && !c.unanswered() {
		return authres.PermError
	}
	return matched(c.among(addrs, t))
}

// among reports whether the client is in the network of one of addrs.
func (c *check) among(addrs []netip.Addr, t *term) bool {
	bits := t.cidr6
	if c.IP.Is4() {
		bits = t.cidr4
	}
	for _, a := range addrs {
		if p, err := a.WithZone("").Prefix(bits); err == nil && p.Contains(c.IP) {
			return true
		}
	}
	return false
}

// mx: RFC 7208 §5.4.
func (c *check) mx(ctx context.Context, t *term, target string) authres.Result {
	var hosts []string
	if isLookupName(target) {
		var err error
		if hosts, err = c.resolver.LookupMX(ctx, target); err != nil && !absent(err) {
			return c.temporary(target, err)
		}
	}
	switch {
	case len(hosts) == 0 && !c.unanswered():
		return authres.PermError
	case len(hosts) > MaxHosts:
		c.reason = shorten(target) + " has more than 10 MX records"
		return authres.PermError
	}
	for _, h := range hosts {
		addrs, status := c.addresses(ctx, strings.TrimSuffix(h, "."), c.IP.Is4())
		if status != "" {
			return status
		}
		if c.among(addrs, t) {
			return authres.Pass
		}
	}
	return authres.Fail
}

// exists: RFC 7208 §5.7. It asks for IPv4 addresses, whatever the client's is.
func (c *check) exists(ctx context.Context, target string) authres.Result {
	addrs, status := c.addresses(ctx, target, true)
	if status != "" {
		return status
	}
	if len(addrs) == 0 && !c.unanswered() {
		return authres.PermError
	}
	return matched(len(addrs) > 0)
}

// ptr: RFC 7208 §5.5.
func (c *check) ptr(ctx context.Context, target string) authres.Result {
	names := c.clientNames(ctx)
	if len(names) == 0 && !c.unanswered() {
		return authres.PermError
	}
	for _, n := range names {
		if within(n, target) && c.has(ctx, n) {
			return authres.Pass
		}
	}
	return authres.Fail
}

// within reports whether a name is a domain or below it.
func within(name, domain string) bool {
	domain = strings.TrimSuffix(domain, ".")
	n := len(name) - len(domain)
	return n >= 0 && strings.EqualFold(name[n:], domain) && (n == 0 || name[n-1] == '.')
}

// clientNames are the names of the client's address, the first ones of them. Errors count as no names.
func (c *check) clientNames(ctx context.Context) []string {
	if !c.hasNames {
		c.hasNames = true
		names, err := c.resolver.LookupPTR(ctx, c.IP)
		if err != nil {
			names = nil
		}
		for _, n := range names[:min(len(names), MaxHosts)] {
			c.names = append(c.names, strings.TrimSuffix(n, "."))
		}
	}
	return c.names
}

// has reports whether a name has the client's address. Errors count as no.
func (c *check) has(ctx context.Context, name string) bool {
	reason := c.reason
	addrs, _ := c.addresses(ctx, name, c.IP.Is4())
	c.reason = reason
	for _, a := range addrs {
		if a == c.IP {
			return true
		}
	}
	return false
}

// validated is the p macro: a name of the client that is true, best the domain itself or below (RFC 7208 §7.3).
func (c *check) validated(ctx context.Context, domain string) string {
	best, rank := "unknown", 0
	for _, n := range c.clientNames(ctx) {
		r := 1
		if strings.EqualFold(n, domain) {
			r = 3
		} else if within(n, domain) {
			r = 2
		}
		if r > rank && c.has(ctx, n) {
			best, rank = n, r
		}
	}
	return best
}

// explain fetches and expands an explanation (RFC 7208 §6.2); "" if there is none, or trouble with it.
func (c *check) explain(ctx context.Context, rec *record, domain string) string {
	if rec.exp == "" {
		return ""
	}
	name := c.target(ctx, rec.exp, domain)
	if !isLookupName(name) {
		return ""
	}
	txts, err := c.resolver.LookupTXT(ctx, name)
	if err != nil || len(txts) != 1 || len(txts[0]) > MaxRecord || !isMacroString(txts[0], true) {
		return ""
	}
	text := c.expand(ctx, txts[0], domain)
	if len(text) > MaxRecord || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return text
}
