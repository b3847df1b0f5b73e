package spf

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
)

// MaxRecord is the longest record that is read, in bytes.
const MaxRecord = 4096

// record is an SPF record taken apart (RFC 7208 §4.6, §12).
type record struct {
	terms []term
	// redirect and exp are domain-specs; "" if not there.
	redirect, exp string
}

// term is a directive.
type term struct {
	text   string
	result authres.Result
	// name is the mechanism's.
	name string
	// domain is its domain-spec; "" for the domain being checked.
	domain string
	// cidr are the prefix lengths for IPv4 and IPv6 addresses.
	cidr4, cidr6 int
	// prefix is what ip4 and ip6 name.
	prefix netip.Prefix
}

// isRecord reports whether a TXT record is an SPF record (RFC 7208 §4.5).
func isRecord(txt string) bool {
	const version = "v=spf1"
	return len(txt) >= len(version) && strings.EqualFold(txt[:len(version)], version) && (len(txt) == len(version) || txt[len(version)] == ' ')
}

func bad(text string) error { return fault.New(fault.Invalid, "bad term %q", shorten(text)) }

func shorten(s string) string { return s[:min(len(s), 60)] }

// parse reads a record. Errors are of kind fault.Invalid.
func parse(txt string) (*record, error) {
	if len(txt) > MaxRecord {
		return nil, fault.New(fault.Invalid, "record longer than %d bytes", MaxRecord)
	}
	r := &record{terms: make([]term, 0, min(16, strings.Count(txt, " ")))}
	for text := range strings.SplitSeq(txt[len("v=spf1"):], " ") {
		if text == "" {
			continue
		}
		if err := r.term(text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// cutModifier splits name=value (RFC 7208 §4.6.1).
func cutModifier(text string) (name, value string, ok bool) {
	for i := range len(text) {
		switch c := text[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'):
		case i > 0 && c == '=':
			return text[:i], text[i+1:], strings.IndexByte(text, '\n') < 0
		default:
			return "", "", false
		}
	}
	return "", "", false
}

func (r *record) term(text string) error {
	if name, value, ok := cutModifier(text); ok {
		return r.modifier(strings.ToLower(name), value, text)
	}
	if strings.ContainsAny(text, "\r\n") {
		return bad(text)
	}
	t := term{text: text, result: authres.Pass, cidr4: 32, cidr6: 128}
	switch text[0] {
	case '+':
		text = text[1:]
	case '-':
		t.result, text = authres.Fail, text[1:]
	case '?':
		t.result, text = authres.Neutral, text[1:]
	case '~':
		t.result, text = authres.SoftFail, text[1:]
	}
	if err := t.mechanism(text); err != nil {
		return err
	}
	r.terms = append(r.terms, t)
	return nil
}

// modifier reads redirect and exp, each of which may come once (RFC 7208 §6), and checks others.
func (r *record) modifier(name, value, text string) error {
	var to *string
	switch name {
	case "redirect":
		to = &r.redirect
	case "exp":
		to = &r.exp
	}
	switch {
	case to == nil:
		if !isMacroString(value, false) {
			return bad(text)
		}
		return nil
	case *to != "" || !isDomainSpec(value):
		return bad(text)
	}
	*to = value
	return nil
}

// mechanism reads a directive without its qualifier (RFC 7208 §5).
func (t *term) mechanism(text string) error {
	end := strings.IndexAny(text, ":/")
	if end < 0 {
		end = len(text)
	}
	t.name = strings.ToLower(text[:end])
	rest := text[end:]
	argument, given := strings.CutPrefix(rest, ":")
	switch t.name {
	case "all":
		if rest == "" {
			return nil
		}
	case "include", "exists":
		if t.domain = argument; given && isDomainSpec(argument) {
			return nil
		}
	case "ptr":
		if t.domain = argument; rest == "" || given && isDomainSpec(argument) {
			return nil
		}
	case "a", "mx":
		return t.dual(rest)
	case "ip4", "ip6":
		if given {
			return t.network(argument)
		}
	}
	return bad(t.text)
}

var cidrs = regexp.MustCompile(`(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$`)

// dual reads [":" domain-spec] [dual-cidr-length].
func (t *term) dual(rest string) error {
	if rest == "" {
		return nil
	}
	m := cidrs.FindStringSubmatchIndex(rest)
	for _, c := range []struct {
		at  int
		to  *int
		max int
	}{{2, &t.cidr4, 32}, {4, &t.cidr6, 128}} {
		if m[c.at] < 0 {
			continue
		}
		*c.to, _ = strconv.Atoi(rest[m[c.at]:m[c.at+1]])
		if *c.to > c.max {
			return bad(t.text)
		}
	}
	rest = rest[:m[0]]
	if rest == "" {
		return nil
	}
	t.domain = rest[1:]
	if rest[0] != ':' || !isDomainSpec(t.domain) {
		return bad(t.text)
	}
	return nil
}

// isNumber reports whether s is a number of up to three digits, without zeros in front.
func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s == "0" || s != "" && len(s) <= 3 && s[0] != '0'
}

// network reads an address with an optional prefix length (RFC 7208 §5.6).
func (t *term) network(s string) error {
	text, length, has := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Is4() != (t.name == "ip4") {
		return bad(t.text)
	}
	bits := addr.BitLen()
	if has {
		if bits, err = strconv.Atoi(length); err != nil || !isNumber(length) || bits > addr.BitLen() {
			return bad(t.text)
		}
	}
	t.prefix = netip.PrefixFrom(addr, bits)
	return nil
}
