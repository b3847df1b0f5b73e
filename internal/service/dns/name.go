package dns

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"postroad/internal/fault"
)

// Limits of names (RFC 1035 §2.3.4), without the final dot.
const (
	maxName  = 253
	maxLabel = 63
)

// ASCII returns a domain name as it is asked for: in lower case, without a final dot, non-ASCII
// labels as A-labels (RFC 5891). It refuses with fault.Invalid what can't be a name; labels have
// letters, digits, hyphens and underscores.
func ASCII(name string) (string, error) {
	full := strings.TrimSuffix(name, ".")
	if !isASCII(full) {
		if len(full) > 4*maxName || !utf8.ValidString(full) {
			return "", badName()
		}
		// Unicode's own dots separate labels too, therefore the whole name at once.
		mapped, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(full)
		if err != nil {
			return "", badName()
		}
		full = strings.TrimSuffix(mapped, ".")
	}
	full = strings.ToLower(full)
	if !isName(full) {
		return "", badName()
	}
	return full, nil
}

func badName() error { return fault.New(fault.Invalid, "not a domain name") }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// reverse is the name that holds an address's names (RFC 1035 §3.5, RFC 3596 §2.5).
func reverse(addr netip.Addr) (string, error) {
	addr = addr.Unmap()
	if !addr.IsValid() {
		return "", fault.New(fault.Invalid, "not an address")
	}
	const digits = "0123456789abcdef"
	var b strings.Builder
	bytes := addr.AsSlice()
	if addr.Is4() {
		ip := addr.As4()
		ip[0], ip[1], ip[2], ip[3] = ip[3], ip[2], ip[1], ip[0]
		return netip.AddrFrom4(ip).String() + ".in-addr.arpa", nil
	}
	for i := len(bytes) - 1; i >= 0; i-- {
		b.WriteByte(digits[bytes[i]&15])
		b.WriteByte('.')
		b.WriteByte(digits[bytes[i]>>4])
		b.WriteByte('.')
	}
	return b.String() + "ip6.arpa", nil
}
