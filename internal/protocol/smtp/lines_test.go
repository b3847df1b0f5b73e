package smtp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// plainMessage takes text alone: no trace fields, no header to watch.
func plainMessage(c Content, limits Limits) *message {
	limits = limits.withDefaults()
	return &message{content: c, limits: &limits, front: true, header: header{done: true}}
}

// feedPieces feeds input in pieces of the given size until the message ends.
func feedPieces(l *lines, input []byte, size int) (used int, ended bool) {
	for used < len(input) {
		n, ended := l.feed(input[used:min(used+size, len(input))])
		used += n
		if ended {
			return used, true
		}
	}
	return used, false
}

// naive is DATA by the book (RFC 5321 §4.5.2): lines are what stands between CRLFs.
func naive(input []byte) (text []byte, used int, ended, bare bool) {
	for {
		end := bytes.Index(input[used:], crlf)
		if end < 0 {
			rest := input[used:]
			return append(text, strings.TrimPrefix(string(rest), ".")...), len(input), false, bare
		}
		line := input[used : used+end]
		used += end + 2
		if string(line) == "." {
			return text, used, true, bare
		}
		bare = bare || bytes.ContainsAny(line, "\r\n")
		line = bytes.TrimPrefix(line, []byte("."))
		text = append(append(text, line...), "\r\n"...)
	}
}

func normalised(text []byte) string {
	s := strings.ReplaceAll(string(text), "\r\n", "\x00")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r", "\x00"), "\n", "\x00")
	return strings.ReplaceAll(s, "\x00", "\r\n")
}

// TestSmuggling goes through ways in which servers have been made to disagree on where a message ends.
func TestSmuggling(t *testing.T) {
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\r\r\n", "\r\n\r.\r\n", "\n\n.\r\n", "\r\n\x00.\r\n",
		"\r\n.\x00\r\n", "\r\n .\r\n", "\r\n. \r\n", "\r\n..\r\n", "\r\r\n.\r\r\n", "\n\r.\n\r", "\r\n.\n\r\n", "\x85.\x85", "\x0b.\x0b", "\u2028.\u2028",
	} {
		input := []byte("Subject: x\r\n\r\nhello" + end + "MAIL FROM:<evil@example.org>\r\n.\r\nNOOP\r\n")
		for size := 1; size <= len(input); size++ {
			c := &content{w: &world{}}
			l := &lines{to: plainMessage(c, Limits{}), dots: true, maxLine: 1 << 20}
			used, ended := feedPieces(l, input, size)
			if want := len(input) - len("NOOP\r\n"); !ended || used != want && end != "\r\r\n.\r\r\n" {
				t.Fatalf("%q in pieces of %d: ended %v at %d, want %d", end, size, ended, used, want)
			}
			bare := strings.ContainsAny(strings.ReplaceAll(string(input), "\r\n", ""), "\r\n")
			if refused := l.to.refused.code != 0; refused != bare {
				t.Fatalf("%q in pieces of %d: refused %v, want %v", end, size, refused, bare)
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("hello\r\n..dot\r\n.\r\nrest"), 3, false)
	f.Add([]byte(".\r\r\n.\n\r\n.\r\n"), 1, true)
	f.Add([]byte(".a\r.\r\n\r\n.\r\n"), 2, true)
	f.Fuzz(func(t *testing.T, input []byte, size int, lenient bool) {
		size = max(1, size&0xff)
		text, wantUsed, wantEnded, bare := naive(input)
		if bytes.IndexByte(text, 0) >= 0 {
			return // the reference uses it
		}
		c := &content{w: &world{}}
		l := &lines{to: plainMessage(c, Limits{}), dots: true, maxLine: 1 << 30}
		l.to.lenient = lenient
		used, ended := feedPieces(l, input, size)
		if used != wantUsed || ended != wantEnded {
			t.Fatalf("used %d ended %v, want %d %v", used, ended, wantUsed, wantEnded)
		}
		if !ended {
			return
		}
		switch {
		case !lenient && bare != (l.to.refused.code != 0):
			t.Fatalf("bare %v, refused %v", bare, l.to.refused)
		case !bare && c.String() != string(text):
			t.Fatalf("got %q, want %q", c.String(), text)
		case lenient && c.String() != normalised(text):
			t.Fatalf("got %q, want %q", c.String(), normalised(text))
		}
	})
}

// FuzzChunks says that BDAT's text passes as it is, or is refused.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("hello\r\n.\r\n"), 1)
	f.Add([]byte("hello\r"), 3)
	f.Fuzz(func(t *testing.T, input []byte, size int) {
		c := &content{w: &world{}}
		l := &lines{to: plainMessage(c, Limits{}), maxLine: 1 << 30}
		feedPieces(l, input, max(1, size&0xff))
		l.finish()
		bare := bytes.ContainsAny(bytes.ReplaceAll(input, crlf, nil), "\r\n") || bytes.Contains(input, []byte("\r\r\n")) || bytes.Contains(input, []byte("\r\n\n"))
		if bare != (l.to.refused.code != 0) {
			t.Fatalf("%q: bare %v, refused %v", input, bare, l.to.refused)
		}
		if !bare && !bytes.Equal(c.Bytes(), input) {
			t.Fatalf("got %q, want %q", c.Bytes(), input)
		}
	})
}

func TestTextLineLimit(t *testing.T) {
	for _, tc := range []struct {
		line    string
		refused bool
	}{
		{strings.Repeat("x", 8) + "\r\n", false},
		{strings.Repeat("x", 9) + "\r\n", true},
		{"." + strings.Repeat("x", 8) + "\r\n", false}, // the doubled dot isn't counted
		{strings.Repeat("x", 9999), true},
		{strings.Repeat("12345678\r\n", 99), false},
	} {
		for _, size := range []int{1, 3, 10000} {
			l := &lines{to: plainMessage(&content{w: &world{}}, Limits{}), dots: true, maxLine: 10}
			feedPieces(l, []byte(tc.line), size)
			if got := l.to.refused == replyLongText; got != tc.refused {
				t.Errorf("%.20q of %d in pieces of %d: refused %v", tc.line, len(tc.line), size, got)
			}
		}
	}
}

// TestOddLineEndsAreLinear: each byte is looked at a bounded number of times,
// whatever it is. A quadratic scan of these would take minutes.
func TestOddLineEndsAreLinear(t *testing.T) {
	for _, odd := range []string{"\r", "\n", "\n\r", "\r\n", ".\r", "x\n"} {
		l := &lines{to: plainMessage(&content{w: &world{}}, Limits{}), dots: true, maxLine: 1 << 30}
		feedPieces(l, bytes.Repeat([]byte(odd), 4<<20/len(odd)), largeBuffer)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Discard()                    {}

func BenchmarkLines(b *testing.B) {
	for name, line := range map[string]string{
		"text":   strings.Repeat("x", 76) + "\r\n",
		"short":  "x\r\n",
		"dots":   "..\r\n",
		"stored": strings.Repeat("x", 998) + "\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			data := bytes.Repeat([]byte(line), largeBuffer/len(line))
			l := &lines{to: plainMessage(discard{}, Limits{MessageBytes: 1 << 62}), dots: true, maxLine: 1 << 20}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				l.feed(data)
			}
		})
	}
}

func TestHeaderWatch(t *testing.T) {
	text := "Received: a\r\n b\r\nRECEIVED: c\r\nReceived-SPF: x\r\nDate : no\r\ndate: yes\r\nMessage-IDx: no\r\n\r\nMessage-ID: no\r\nReceived: no\r\n"
	for size := 1; size < len(text); size++ {
		var h header
		for i := 0; i < len(text); i += size {
			h.see([]byte(text[i:min(i+size, len(text))]))
		}
		if got := fmt.Sprint(h.received, h.date, h.messageID, h.done); got != "2 true false true" {
			t.Fatalf("in pieces of %d: %s", size, got)
		}
	}
}
