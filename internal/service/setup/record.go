package setup

import (
	"strings"
)

// Need says how much depends on a record.
type Need string

// How much depends on a record.
const (
	Needed      Need = "needed"      // mail doesn't come or isn't believed without it
	Recommended Need = "recommended" // mail is safer, or people's lives easier, with it
	Optional    Need = "optional"    // nothing is lost without it
)

// Record is one to publish.
type Record struct {
	// Name is complete, with a final dot.
	Name string `json:"name"`
	// Type is A, AAAA, CNAME, MX, PTR, SRV, TLSA or TXT.
	Type string `json:"type"`
	// Value is as the forms of DNS hosts want it. A text is whole and without quotes; names end in a dot.
	Value string `json:"value"`
	// Strings are a text's parts, each of at most 255 octets, for those who must split it themselves. Empty for other types.
	Strings []string `json:"strings,omitempty"`
	Need    Need     `json:"need"`
	// Why is one sentence, or two.
	Why string `json:"why"`
	// Elsewhere: the record isn't in the domain's own zone, but in one that somebody else may look after.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// maxString is the longest string of a text record (RFC 1035 §3.3).
const maxString = 255

// split cuts a text into strings that a record can hold.
func split(text string) []string {
	all := []string{}
	for len(text) > maxString {
		all = append(all, text[:maxString])
		text = text[maxString:]
	}
	return append(all, text)
}

// spell writes a value as a master file has it (RFC 1035 §5.1).
func (r *Record) spell() string {
	if r.Type != "TXT" {
		return r.Value
	}
	quoted := make([]string, len(r.Strings))
	for i, s := range r.Strings {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, " ")
}

// quote makes a character-string in quotes; what isn't printable ASCII becomes \DDD.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			b.WriteByte('\\')
			b.WriteByte('0' + c/100)
			b.WriteByte('0' + c/10%10)
			b.WriteByte('0' + c%10)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
