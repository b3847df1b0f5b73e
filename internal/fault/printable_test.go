package fault

import "testing"

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{"": "", "abc": "abc", "a\r\nb": "a??b", "é": "??", "abcdefgh": "abcdef", "~\x7f ": "~? "} {
		if got := Printable(text, 6); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
