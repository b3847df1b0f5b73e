package directory

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"postroad/internal/fault"
)

// Limits of RFC 5321 §4.5.3.1, in bytes.
const (
	MaxLocal   = 64
	MaxDomain  = 253 // §4.5.3.1.2 says 255 for the wire form of DNS, which is 253 characters of text
	MaxAddress = 254 // §4.5.3.1.3: 256 with the angle brackets
)

// Address is a mailbox's address, taken apart. Addresses of equal spelling
// compare equal; Fold gives those that mean the same mailbox one spelling.
type Address struct {
	// Local is the local part without quotes, as it was written.
	Local string
	// Domain is in lower-case A-labels, or an address literal in brackets.
	Domain string
}

// Parse reads an address as RFC 5321 §4.1.2 (Mailbox) and RFC 6531 §3.3 write
// it: a dot-string or a quoted string, UTF-8 allowed, and a domain. Errors are fault.Invalid.
func Parse(s string) (Address, error) {
	if len(s) > MaxAddress {
		return Address{}, fault.New(fault.Invalid, "address is too long")
	}
	if !utf8.ValidString(s) {
		return Address{}, fault.New(fault.Invalid, "address is not UTF-8")
	}
	local, rest, ok := localPart(s)
	if !ok || len(local) > MaxLocal || rest == "" || rest[0] != '@' {
		return Address{}, fault.New(fault.Invalid, "not an address")
	}
	domain, err := ParseDomain(rest[1:])
	if err != nil {
		domain, ok = literal(rest[1:])
		if !ok {
			return Address{}, err
		}
	}
	return Address{Local: local, Domain: domain}, nil
}

// localPart reads Dot-string / Quoted-string from the beginning of s.
func localPart(s string) (local, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		return quotedString(s[1:])
	}
	end := strings.IndexByte(s, '@')
	if end <= 0 {
		return "", "", false
	}
	return s[:end], s[end:], isDotString(s[:end])
}

// quotedString reads what follows an opening quote.
func quotedString(s string) (content, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], b.Len() > 0 && !hasControl(b.String())
		case c == '\\':
			i++
			if i == len(s) || s[i] >= 0x7f {
				return "", "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// isDotString reports whether s is atoms with single dots between them (RFC 5321 §4.1.2).
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, c := range s {
		if !isAtext(c) && c != '.' {
			return false
		}
	}
	return true
}

// isAtext: RFC 5322 §3.2.3, and any printable UTF-8 by RFC 6531 §3.3.
func isAtext(c rune) bool {
	switch {
	case c >= utf8.RuneSelf:
		return !unicode.IsControl(c) && !unicode.IsSpace(c)
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", c)
}

// literal reads an address literal: [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 §4.1.3).
func literal(s string) (string, bool) {
	inner, ok := strings.CutPrefix(s, "[")
	if !ok || !strings.HasSuffix(inner, "]") {
		return "", false
	}
	inner = inner[:len(inner)-1]
	const tag = "ipv6:"
	six := len(inner) > len(tag) && strings.EqualFold(inner[:len(tag)], tag)
	if six {
		inner = inner[len(tag):]
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || ip.Zone() != "" || ip.Is6() != six {
		return "", false
	}
	if six {
		return "[IPv6:" + ip.String() + "]", true
	}
	return "[" + ip.String() + "]", true
}

// domains checks names in other scripts, and A-labels, by UTS 46 and RFC 5891.
func domains() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
}

// ParseDomain gives a domain's name its one spelling: lower-case A-labels.
// Errors are fault.Invalid.
func ParseDomain(name string) (string, error) {
	if len(name) > 4*MaxDomain {
		return "", fault.New(fault.Invalid, "domain name is too long")
	}
	plain := strings.ToLower(name)
	if !isASCII(name) || strings.Contains(plain, "xn--") {
		ascii, err := domains().ToASCII(name)
		if err != nil {
			return "", fault.New(fault.Invalid, "not a domain name")
		}
		plain = strings.ToLower(ascii)
	}
	if !isHostName(plain) {
		return "", fault.New(fault.Invalid, "not a domain name")
	}
	return plain, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isHostName: letters, digits and inner hyphens, in labels of 1 to 63 (RFC 5321 §4.1.2 Domain, RFC 1034 §3.1).
func isHostName(s string) bool {
	if s == "" || len(s) > MaxDomain {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}

// IsLiteral reports whether the domain is an address literal.
func (a Address) IsLiteral() bool { return strings.HasPrefix(a.Domain, "[") }

// Fold gives all spellings of one mailbox's address the same form: local
// parts differ neither by case nor by Unicode composition.
func (a Address) Fold() Address {
	return Address{Local: foldLocal(a.Local), Domain: a.Domain}
}

func foldLocal(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return norm.NFC.String(strings.ToLower(norm.NFC.String(s)))
}

// Base returns the address without its detail by DefaultDelimiters ("ann+lists@..." is ann's), and
// the detail. An address without a detail, or with nothing before it, is its own base. What an address
// means here depends on its domain's delimiters and on what addresses there are: see Resolve.
func (a Address) Base() (Address, string) {
	local, detail, ok := strings.Cut(a.Local, DefaultDelimiters)
	if !ok || local == "" {
		return a, ""
	}
	return Address{Local: local, Domain: a.Domain}, detail
}

// String writes the address for SMTP and for headers: the local part quoted if need be, the domain in A-labels.
func (a Address) String() string {
	if isDotString(a.Local) {
		return a.Local + "@" + a.Domain
	}
	return quote(a.Local) + "@" + a.Domain
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
