package spf

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// macro is a macro-expand with braces, in an explanation if c, r and t are among the letters (RFC 7208 §7.1).
var macro = regexp.MustCompile(`^%\{([slodiphcrtvSLODIPHCRTV])([1-9][0-9]{0,2}|0*[1-9][0-9]{0,2})?([rR]?)([-.+,/_=]*)\}`)

// isMacroString reports whether s is a macro-string; in an explanation more letters and spaces are good.
func isMacroString(s string, explanation bool) bool {
	for s != "" {
		switch {
		case s[0] == '%':
			n := macroLength(s, explanation)
			if n == 0 {
				return false
			}
			s = s[n:]
		case s[0] > ' ' && s[0] < 0x7f, s[0] == ' ' && explanation:
			s = s[1:]
		default:
			return false
		}
	}
	return true
}

// macroLength is the length of the macro-expand that s begins with; 0 if it is none.
func macroLength(s string, explanation bool) int {
	if len(s) > 1 && strings.IndexByte("%_-", s[1]) >= 0 {
		return 2
	}
	m := macro.FindStringSubmatch(s)
	if m == nil || !explanation && strings.Contains("crtCRT", m[1]) {
		return 0
	}
	return len(m[0])
}

// isDomainSpec reports whether s is a domain-spec: a macro-string that ends with a macro, or with a
// dot and a top label.
func isDomainSpec(s string) bool {
	if s == "" || !isMacroString(s, false) {
		return false
	}
	last := 0 // where the literal text at the end begins
	for i := 0; i < len(s); {
		if s[i] != '%' {
			i++
			continue
		}
		i += macroLength(s[i:], false)
		last = i
	}
	tail := s[last:]
	if tail == "" {
		return true
	}
	tail = strings.TrimSuffix(tail, ".")
	dot := strings.LastIndexByte(tail, '.')
	return dot >= 0 && isTopLabel(tail[dot+1:])
}

// isTopLabel: letters, digits, and hyphens inside; not digits only.
func isTopLabel(s string) bool {
	digits := true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			digits = false
		case c == '-' && i > 0 && i < len(s)-1:
			digits = false
		default:
			return false
		}
	}
	return s != "" && !digits
}

// expand replaces macros (RFC 7208 §7.3). s has been found to be a macro-string.
func (c *check) expand(ctx context.Context, s, domain string) string {
	var b strings.Builder
	for s != "" {
		if s[0] != '%' {
			n := strings.IndexByte(s, '%')
			if n < 0 {
				n = len(s)
			}
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		m := macro.FindStringSubmatch(s)
		switch {
		case m != nil:
			b.WriteString(transform(c.value(ctx, m[1][0]|0x20, domain), m))
			s = s[len(m[0]):]
			continue
		case s[1] == '%':
			b.WriteByte('%')
		case s[1] == '_':
			b.WriteByte(' ')
		default:
			b.WriteString("%20")
		}
		s = s[2:]
	}
	return b.String()
}

func (c *check) value(ctx context.Context, letter byte, domain string) string {
	switch letter {
	case 's':
		return c.local + "@" + c.domain
	case 'l':
		return c.local
	case 'o':
		return c.domain
	case 'd':
		return domain
	case 'i':
		return dotted(c.IP)
	case 'p':
		return c.validated(ctx, domain)
	case 'h':
		return c.Helo
	case 'c':
		return c.IP.String()
	case 'r':
		if c.Receiver == "" {
			return "unknown"
		}
		return c.Receiver
	case 't':
		return strconv.FormatInt(c.now().Unix(), 10)
	}
	if c.IP.Is4() { // v
		return "in-addr"
	}
	return "ip6"
}

// dotted is an IPv4 address as ever, and an IPv6 address as nibbles with dots.
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	var b strings.Builder
	for i, octet := range ip.As16() {
		if i > 0 {
			b.WriteByte('.')
		}
		fmt.Fprintf(&b, "%x.%x", octet>>4, octet&15)
	}
	return b.String()
}

// transform splits, reverses, shortens and escapes as a macro's match says: letter, digits, r, delimiters.
func transform(v string, m []string) string {
	delimiters := m[4]
	if delimiters == "" {
		delimiters = "."
	}
	var parts []string
	for {
		i := strings.IndexAny(v, delimiters)
		if i < 0 {
			break
		}
		parts = append(parts, v[:i])
		v = v[i+1:]
	}
	parts = append(parts, v)
	if m[3] != "" {
		slices.Reverse(parts)
	}
	if n, err := strconv.Atoi(m[2]); err == nil && n < len(parts) {
		parts = parts[len(parts)-n:]
	}
	v = strings.Join(parts, ".")
	if m[1][0] < 'a' { // an upper case letter
		v = escape(v)
	}
	return v
}

// escape leaves unreserved characters (RFC 3986 §2.3) as they are.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
