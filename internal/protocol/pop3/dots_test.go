package pop3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// slowStuff is RFC 1939 §3, line by line.
func slowStuff(message string) string {
	if message == "" {
		return ".\r\n"
	}
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimSuffix(message, "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, ".") {
			b.WriteString(".")
		}
		b.WriteString(line + "\r\n")
	}
	return b.String() + ".\r\n"
}

// stuff writes a message in portions.
func stuff(t testing.TB, message string, portion int) string {
	t.Helper()
	var b bytes.Buffer
	s := newStuffer(&b)
	for i := 0; i < len(message); i += portion {
		if _, err := io.WriteString(s, message[i:min(i+portion, len(message))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func FuzzStuffer(f *testing.F) {
	for _, s := range []string{"", ".", "\n", ".\n", "..\r\n.\r\n", "a\n.b\n\n..", "a\r\n.\r\nb", "\r\n.\n.", "no end"} {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, message string, portion uint8) {
		if strings.HasSuffix(message, "\r") { // a CR alone at the end stays, where lines see half of a CRLF
			message += "x"
		}
		got := stuff(t, message, int(portion)+1)
		if want := slowStuff(message); got != want {
			t.Fatalf("%q in portions of %d:\ngot  %q\nwant %q", message, portion+1, got, want)
		}
		if i := strings.Index(got, "\r\n.\r\n"); i >= 0 && i != len(got)-5 || strings.HasPrefix(got, ".\r\n") && len(got) > 3 {
			t.Fatalf("%q ends before its end", got)
		}
	})
}

func TestStufferFailsWithItsWriter(t *testing.T) {
	boom := errors.New("boom")
	for n := 0; ; n++ {
		out := &failing{after: n, err: boom}
		s := newStuffer(out)
		_, err := io.WriteString(s, ".a\nb\r\n.c")
		if err == nil {
			err = s.end()
		}
		if (err != nil) != (out.after < 0) || err != nil && err != boom {
			t.Errorf("after %d writes: %v", n, err)
		}
		if err == nil {
			return
		}
	}
}

type failing struct {
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestTopper(t *testing.T) {
	const message = "A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\nfour"
	for lines, want := range map[int]string{
		0: "A: 1\r\nB: 2\r\n\r\n", 1: "A: 1\r\nB: 2\r\n\r\none\r\n", 2: "A: 1\r\nB: 2\r\n\r\none\r\n\r\n",
		4: message, 1000: message,
	} {
		for _, m := range [][2]string{{message, want}, {strings.ReplaceAll(message, "\r", ""), strings.ReplaceAll(want, "\r", "")}} {
			for portion := 1; portion < 20; portion++ {
				var b bytes.Buffer
				top := &topper{out: &b, lines: lines}
				var err error
				for i := 0; i < len(m[0]) && err == nil; i += portion {
					_, err = io.WriteString(top, m[0][i:min(i+portion, len(m[0]))])
				}
				if err != nil && err != errEnough {
					t.Fatal(err)
				}
				if b.String() != m[1] {
					t.Errorf("%d lines in portions of %d: %q, want %q", lines, portion, b.String(), m[1])
				}
			}
		}
	}
}

func BenchmarkStuffer(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("x", 74)+"\r\n", 860))
	s := newStuffer(io.Discard)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.Write(text)
	}
}

func TestInput(t *testing.T) {
	limit := func([]byte) int { return maxLine }
	for _, c := range []struct {
		text string
		want []string
		end  error
	}{
		{"", nil, io.EOF},
		{"NOOP\r\nSTAT\nLI", []string{"NOOP", "STAT"}, io.EOF},
		{strings.Repeat("a", maxLine-2) + "\r\nb\r\n", []string{strings.Repeat("a", maxLine-2), "b"}, io.EOF},
		{strings.Repeat("a", maxLine-1) + "\r\nb\r\n", []string{errLong.Error(), "b"}, io.EOF},
		{strings.Repeat("a", 600) + "\r\nb\r\n", []string{errLong.Error(), "b"}, io.EOF},
		{strings.Repeat("a", longBuffer) + "\r\nb\r\n", []string{errLong.Error(), "b"}, io.EOF},
		{strings.Repeat("a", maxSkipped-10) + "\r\nb\r\n", []string{errLong.Error(), "b"}, io.EOF},
		{strings.Repeat("a", maxSkipped+longBuffer) + "\r\nb\r\n", nil, errFlood},
		{strings.Repeat("a", 100*maxSkipped), nil, errFlood},
		{"a\x00b\r\na\rb\r\nc\r\n", []string{errOdd.Error(), errOdd.Error(), "c"}, io.EOF},
	} {
		for _, portion := range []int{1, 7, 100_000} {
			var in input
			r := &portions{r: strings.NewReader(c.text), n: portion}
			var got []string
			var end error
			for end == nil {
				line, whole, err := in.line(limit)
				switch {
				case whole && err != nil:
					got = append(got, err.Error())
				case whole:
					got = append(got, string(line))
				case err != nil:
					end = err
				default:
					end = in.fill(r)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) || end != c.end {
				t.Errorf("%.40q in portions of %d: %.80q, %v; want %.80q, %v", c.text, portion, got, end, c.want, c.end)
			}
			in.drop()
			if in.long != nil {
				t.Error("a buffer is left over")
			}
		}
	}
}

// portions reads at most n bytes at a time.
type portions struct {
	r io.Reader
	n int
}

func (p *portions) Read(b []byte) (int, error) { return p.r.Read(b[:min(p.n, len(b))]) }
