package spf

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// The grammar of RFC 7208 §12 by regular expressions says the same.
func TestModifiersAndNumbers(t *testing.T) {
	modifier := regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]*)=(.*)$`)
	number := regexp.MustCompile(`^(0|[1-9][0-9]{0,2})$`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("aZ@[09._-==\n\r :é")), 0, 12, -1).Draw(t, "text")
		m := modifier.FindStringSubmatch(text)
		name, value, ok := cutModifier(text)
		if ok != (m != nil) || ok && (name != m[1] || value != m[2]) {
			t.Fatalf("%q: %q %q %v, not %q", text, name, value, ok, m)
		}
		if digits := rapid.StringMatching(`[0-9a]{0,4}`).Draw(t, "digits"); isNumber(digits) != number.MatchString(digits) {
			t.Fatalf("%q: %v", digits, isNumber(digits))
		}
	})
}
