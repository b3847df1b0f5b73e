package authres

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// claims reports whether a field is an Authentication-Results field of one of ids, or of nobody knows whom.
func claims(field []byte, ids []string) bool {
	const name = "authentication-results"
	if len(field) <= len(name) || !strings.EqualFold(string(field[:len(name)]), name) {
		return false
	}
	rest := strings.TrimLeft(string(field[len(name):]), " \t\r\n") // obsolete syntax has space before the colon
	body, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return false
	}
	id := ID(body)
	return id == "" || isOneOf(id, ids) // whose name can't be found here, behind too much of a comment, may be found by others
}

// isOneOf compares sites without regard to case, to a final dot, and to how names beyond ASCII are written (RFC 8601 §5).
func isOneOf(got string, ids []string) bool {
	got = asciiName(got)
	return slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(got, asciiName(id)) })
}

// asciiName is a name in A-labels, if it can be one, without a final dot.
func asciiName(name string) string {
	if !isASCII(name) {
		if a, err := idna.Lookup.ToASCII(name); err == nil {
			name = a
		}
	}
	return strings.TrimSuffix(name, ".")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
