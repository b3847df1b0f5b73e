package mailbox

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// slowLineOctets says plainly what lineCounter counts.
func slowLineOctets(text []byte) int64 {
	if len(text) == 0 {
		return 0
	}
	crlf := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	if !bytes.HasSuffix(text, []byte("\n")) {
		crlf = append(crlf, "\r\n"...)
	}
	return int64(len(crlf) - len(text))
}

func TestLineCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOfN(rapid.SampledFrom([]rune("ab\r\n.")), 0, 40, -1).Draw(t, "text"))
		var l lineCounter
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "portion")
			l.write(rest[:n])
			l.write(nil)
			rest = rest[n:]
		}
		if got, want := l.end(), slowLineOctets(text); got != want {
			t.Fatalf("%q: %d, want %d", text, got, want)
		}
	})
}

func BenchmarkLineCounter(b *testing.B) {
	text := bytes.Repeat([]byte("some words of a line that is as long as lines are\r\n"), 40)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var l lineCounter
		l.write(text)
	}
}
