package authres

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"io"
)

// stripped is what a Stripper makes of a message that comes in portions of n bytes.
func stripped(t testing.TB, msg string, n int, names ...string) string {
	t.Helper()
	var out bytes.Buffer
	s := NewStripper(&out, "mx.example.org")
	for _, name := range names {
		s.Remove(name)
	}
	for rest := msg; rest != ""; rest = rest[min(n, len(rest)):] {
		if k, err := s.Write([]byte(rest[:min(n, len(rest))])); err != nil || k != min(n, len(rest)) {
			t.Fatal(k, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStripper(t *testing.T) {
	const end = "\r\nAuthentication-Results: mx.example.org; dkim=pass\r\n\r\nbody\r\n"
	long := strings.Repeat(" (x)\r\n", MaxHeld/6)
	for name, c := range map[string][2]string{
		"ours":                {"A: 1\r\nAuthentication-Results: mx.example.org; spf=pass\r\nB: 2\r\n" + end, "A: 1\r\nB: 2\r\n" + end},
		"first":               {"Authentication-Results: mx.example.org; spf=pass\r\nB: 2\r\n" + end, "B: 2\r\n" + end},
		"last":                {"B: 2\r\nAuthentication-Results: mx.example.org; spf=pass\r\n" + end, "B: 2\r\n" + end},
		"all there is":        {"Authentication-Results: mx.example.org; spf=pass", ""},
		"two":                 {"authentication-results:MX.EXAMPLE.ORG.\r\nAuthentication-Results: mx.example.org 1;none\r\n" + end, end},
		"another's":           {"Authentication-Results: mx.example.net; spf=pass\r\n" + end, "Authentication-Results: mx.example.net; spf=pass\r\n" + end},
		"folded":              {"Authentication-Results\r\n :\r\n\t(hey)\r\n\tmx.example.org;\r\n\tspf=pass\r\nA: 1\r\n" + end, "A: 1\r\n" + end},
		"quoted":              {"Authentication-Results: \"mx.example.org\"; spf=pass\r\nA: 1\r\n" + end, "A: 1\r\n" + end},
		"bare LF":             {"A: 1\nAuthentication-Results: mx.example.org; spf=pass\n a\nB: 2\n\nAuthentication-Results: mx.example.org\n", "A: 1\nB: 2\n\nAuthentication-Results: mx.example.org\n"},
		"a longer name":       {"Authentication-Results-X: mx.example.org\r\nAuthentication-Result: mx.example.org\r\n" + end, "Authentication-Results-X: mx.example.org\r\nAuthentication-Result: mx.example.org\r\n" + end},
		"no header":           {"\r\nAuthentication-Results: mx.example.org\r\n", "\r\nAuthentication-Results: mx.example.org\r\n"},
		"its site comes late": {"Authentication-Results:" + long + " " + long + " mx.example.net; spf=pass\r\nA: 1\r\n" + end, "A: 1\r\n" + end},
		"long, and ours":      {"Authentication-Results: mx.example.org;" + long + long + "A: 1\r\n" + end, "A: 1\r\n" + end},
		"long, not ours":      {"Authentication-Results: mx.example.net;" + long + long + "A: 1\r\n" + end, "Authentication-Results: mx.example.net;" + long + long + "A: 1\r\n" + end},
		"a CR alone":          {"\rAuthentication-Results: mx.example.org\r\nA: 1\r\n" + end, "\rAuthentication-Results: mx.example.org\r\nA: 1\r\n" + end},
		"empty":               {"", ""},
		"a space first":       {" Authentication-Results: mx.example.org\r\nA: 1\r\n" + end, " Authentication-Results: mx.example.org\r\nA: 1\r\n" + end},
	} {
		for _, n := range []int{1, 2, 3, 7, 24, 1 << 20} {
			if got := stripped(t, c[0], n); got != c[1] {
				t.Errorf("%s, in portions of %d:\nwant %q\n got %q", name, n, c[1], got)
			}
		}
	}
}

// TestNamesBeyondASCII: a site's name is the same in A-labels and in letters.
func TestNamesBeyondASCII(t *testing.T) {
	const other = "Authentication-Results: mx.bucher.example; spf=pass\r\n"
	for _, ours := range []string{"mx.b\u00fccher.example", "mx.xn--bcher-kva.example"} {
		for _, theirs := range []string{"mx.b\u00fccher.example", "MX.B\u00dcCHER.example.", "mx.xn--BCHER-kva.example"} {
			var out bytes.Buffer
			s := NewStripper(&out, ours)
			s.Write([]byte(other + "Authentication-Results: " + theirs + "; spf=pass\r\n\r\n"))
			if s.Close(); out.String() != other+"\r\n" {
				t.Errorf("%s, %s: %q", ours, theirs, out.String())
			}
		}
	}
}

// portions counts what is written.
type portions struct{ n int }

func (w *portions) Write(p []byte) (int, error) {
	w.n++
	return len(p), nil
}

// TestStripperPassesOnAtOnce: what is not removed comes in as few portions as it can, for those who read it pay for each.
func TestStripperPassesOnAtOnce(t *testing.T) {
	const fields = "Received: x\r\n\tby y\r\nFrom: a@b\r\nAutocrypt: z\r\n"
	for msg, want := range map[string]int{
		fields + "\r\nbody\r\n": 1,
		fields:                  1,
		fields + "Authentication-Results: mx; spf=pass\r\n" + fields + "\r\nbody": 2,
	} {
		w := &portions{}
		s := NewStripper(w, "mx")
		s.Write([]byte(msg))
		if s.Close(); w.n != want {
			t.Errorf("%q is passed on in %d portions, not %d", msg, w.n, want)
		}
	}
}

// TestStripperFails: the writer's error sticks.
func TestStripperFails(t *testing.T) {
	broken := errors.New("no room")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	s := NewStripper(w, "x")
	_, err := io.Copy(s, iotest.OneByteReader(strings.NewReader("A: 1\r\n\r\ntext")))
	if !errors.Is(err, broken) || !errors.Is(s.Close(), broken) {
		t.Error(err)
	}
}

// TestStripperHoldsLittle: whatever comes, memory is bounded.
func TestStripperHoldsLittle(t *testing.T) {
	s := NewStripper(io.Discard, "mx.example.org")
	s.Write([]byte("Authentication-Results:"))
	for range 10_000 {
		s.Write([]byte("\r\n (x)"))
		if cap(s.held) > 4*MaxHeld {
			t.Fatal(cap(s.held))
		}
	}
}

// simpleStrip is the reference: it has all of the message.
func simpleStrip(msg []byte, ids ...string) []byte {
	end := len(msg)
	for i := 0; i < len(msg); i++ {
		if (i == 0 || msg[i-1] == '\n') && (msg[i] == '\n' || bytes.HasPrefix(msg[i:], []byte("\r\n"))) {
			end = i
			break
		}
	}
	var out []byte
	for start := 0; start < end; {
		stop := fieldEnd(msg[:end], start)
		field := msg[start:stop]
		ours := claims(field, ids)
		if len(field) > MaxHeld && NewStripper(nil).classify(field) == holding {
			s := Stripper{ids: ids}
			id, told := siteOf(field[:MaxHeld])
			ours = !told || s.isOurs(id)
		}
		if !ours {
			out = append(out, field...)
		}
		start = stop
	}
	return append(out, msg[end:]...)
}

// simpleRemove removes the fields of a name.
func simpleRemove(msg []byte, name string) []byte {
	var out []byte
	start := 0
	for start < len(msg) && NewStripper(nil).classify(msg[start:]) != text {
		stop := fieldEnd(msg, start)
		if f := msg[start:stop]; len(f) <= len(name) || !strings.EqualFold(string(f[:len(name)]), name) || !strings.ContainsRune(" \t\r\n:", rune(f[len(name)])) {
			out = append(out, f...)
		}
		start = stop
	}
	return append(out, msg[start:]...)
}

// TestRemove: fields of a name go, whatever is in them; others, and the text, stay.
func TestRemove(t *testing.T) {
	const msg = "x-OURS: yes\r\n and more\r\nX-Our: a\r\nX-Ours-Too: b\r\nAuthentication-Results: mx.example.org; spf=pass\r\nX-Ours : c\r\nX-Other: X-Ours: d\r\nX-Ours:\r\n\r\nX-Ours: text\r\n"
	const want = "X-Our: a\r\nX-Ours-Too: b\r\nX-Other: X-Ours: d\r\n\r\nX-Ours: text\r\n"
	for n := 1; n < len(msg); n++ {
		if got := stripped(t, msg, n, "X-Ours"); got != want {
			t.Fatalf("portions of %d: %q", n, got)
		}
	}
}

func FuzzStripper(f *testing.F) {
	f.Add([]byte("A: 1\r\nAuthentication-Results: mx.example.org; spf=pass\r\n\tx\r\nB: 2\r\n\r\nbody"), 3)
	f.Add([]byte("Authentication-Results\r\n : (a) mx.example.org\r\n\r\n"), 1)
	f.Add([]byte("authentication-results:"+strings.Repeat(" (x)\r\n", MaxHeld/6+1)+" mx.example.org\r\n\r"), 1000)
	f.Add([]byte("X-Ours: 1\r\n 2\r\nX-Our\r\nx-ours\r\n\r\nX-Ours: body"), 2)
	f.Fuzz(func(t *testing.T, msg []byte, n int) {
		if n < 1 {
			n = 1
		}
		want := string(simpleStrip(msg, "mx.example.org"))
		if other := "x-ours"; n%2 == 0 { // a name more
			want = string(simpleStrip(simpleRemove(msg, other), "mx.example.org"))
			if got := stripped(t, string(msg), n, other); got != want {
				t.Errorf("portions of %d of %q:\nwant %q\n got %q", n, msg, want, got)
			}
			return
		}
		if got := stripped(t, string(msg), n); got != want {
			t.Errorf("portions of %d of %q:\nwant %q\n got %q", n, msg, want, got)
		}
	})
}

func BenchmarkStripper(b *testing.B) {
	msg := []byte(strings.Repeat("Received: from a by b with ESMTP id 1;\r\n\tSat, 21 Nov 2026 12:00:00 +0000\r\n", 8) + "\r\n" + strings.Repeat("The quick brown fox\r\n", 1000))
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewStripper(io.Discard, "mx.example.org")
		s.Write(msg)
		s.Close()
	}
}

// fieldEnd finds where the field that begins at start ends: before a line that doesn't begin with white space.
func fieldEnd(b []byte, start int) int {
	for i := start; i < len(b); i++ {
		if b[i] == '\n' && (i+1 == len(b) || b[i+1] != ' ' && b[i+1] != '\t') {
			return i + 1
		}
	}
	return len(b)
}
