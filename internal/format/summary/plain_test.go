package summary

import (
	"strings"
	"testing"
)

// TestPlain: what needs more than quotes around it is found at any place.
func TestPlain(t *testing.T) {
	for n := range 40 {
		text := strings.Repeat("a~ !", 10)[:n]
		if !plain(text) {
			t.Errorf("%q isn't plain", text)
		}
		for at := range n {
			for _, c := range []byte{0, 1, '\t', '\r', '\n', 0x1f, '"', '\\', 0x80, 0xa2, 0xdc, 0xff} {
				if odd := text[:at] + string([]byte{c}) + text[at+1:]; plain(odd) {
					t.Fatalf("%q is plain", odd)
				}
			}
		}
	}
}
