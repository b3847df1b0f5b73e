package imap

import (
	"strings"
	"testing"
)

// TestIdentity: what decoded octets are called by RFC 2045 §2.7 to 2.9, however they come.
func TestIdentity(t *testing.T) {
	for in, want := range map[string]string{
		"": "7BIT", "hello world": "7BIT", "a\r\nb\r\n": "7BIT", "\r\n\r\n": "7BIT", "gr\xc3\xbcn\r\n": "8BIT", "a\x00b": "BINARY",
		"a\nb": "BINARY", "a\rb": "BINARY", "a\r": "BINARY", "a\r\r\n": "BINARY", "\n": "BINARY",
		strings.Repeat("x", 998) + "\r\n": "7BIT", strings.Repeat("x", 998): "7BIT", strings.Repeat("x", 999) + "\r\n": "BINARY", strings.Repeat("x", 999): "BINARY",
		strings.Repeat("x", 100_000): "BINARY", strings.Repeat("\xff", 998) + "\r\nb": "8BIT",
	} {
		for _, size := range []int{1, 3, 1 << 20} {
			var all tally
			for rest := []byte(in); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				all.Write(rest[:min(size, len(rest))])
			}
			if got := all.identity(); got != want {
				t.Errorf("%.20q, %d octets at a time: %s, want %s", in, size, got, want)
			}
		}
	}
}
