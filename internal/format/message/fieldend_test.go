package message

import "testing"

// TestFieldEnd: what continues a field belongs to it, in both forms.
func TestFieldEnd(t *testing.T) {
	for header, want := range map[string]int{"": 0, "a": 1, "A: b\r\n": 6, "A: b\nB: c\n": 5, "A: b\r\n c\r\n\td\r\nB: e\r\n": 14, "\r\nbody": 2, "A: b\n ": 6} {
		if got := FieldEnd([]byte(header)); got != want || fieldEnd("xx"+header, 2) != want+2 {
			t.Errorf("%q: %d, want %d", header, got, want)
		}
	}
}
