package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/fault"
)

// form returns a body's canonical form, fed in portions, with room for 16 octets in the buffer at first.
func form(relaxed bool, body string, portion int) string {
	var out bytes.Buffer
	c := &canonical{relaxed: relaxed, n: canonicalBuffer - 16}
	c.digests = []*BodyDigest{{limit: Whole, h: tee{sha256.New(), &out}}}
	for ; body != ""; body = body[min(portion, len(body)):] {
		c.write([]byte(body[:min(portion, len(body))]))
	}
	c.close()
	return out.String()[canonicalBuffer-16:]
}

// tee shows what is digested.
type tee struct {
	hash.Hash
	w io.Writer
}

func (t tee) Write(p []byte) (int, error) { return t.w.Write(p) }

// RFC 6376 §3.4.3, §3.4.4, and the example of §3.4.5.
func TestCanonicalBody(t *testing.T) {
	for _, c := range []struct{ body, simple, relaxed string }{
		{" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
		{"", "\r\n", ""},
		{"\r\n", "\r\n", ""},
		{"\r\n\r\n", "\r\n", ""},
		{" \t\r\n", " \t\r\n", ""},
		{" ", " \r\n", ""},
		{"a", "a\r\n", "a\r\n"},
		{"a\r\n", "a\r\n", "a\r\n"},
		{"a \t", "a \t\r\n", "a\r\n"},
		{"\r\n\r\na", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
		{"a\r\n \r\nb", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"},
		{"a\rb\nc", "a\rb\nc\r\n", "a\rb\nc\r\n"},
		{"a\r", "a\r\r\n", "a\r\r\n"},
		{"a\r\r\n", "a\r\r\n", "a\r\r\n"},
		{"a \r", "a \r\r\n", "a \r\r\n"},
		{"a  b c\t\td  \r\n", "a  b c\t\td  \r\n", "a b c d\r\n"},
		{"\n", "\n\r\n", "\n\r\n"},
	} {
		for _, portion := range []int{1, 2, 3, 100} {
			if got := form(false, c.body, portion); got != c.simple {
				t.Errorf("simple %q in portions of %d: %q", c.body, portion, got)
			}
			if got := form(true, c.body, portion); got != c.relaxed {
				t.Errorf("relaxed %q in portions of %d: %q", c.body, portion, got)
			}
		}
	}
}

// slowForm is the canonical form straight from the RFC's text.
func slowForm(relaxed bool, body string) string {
	lines := strings.Split(body, "\r\n")
	if relaxed {
		for i, line := range lines {
			line = strings.ReplaceAll(line, "\t", " ")
			for strings.Contains(line, "  ") {
				line = strings.ReplaceAll(line, "  ", " ")
			}
			lines[i] = strings.TrimSuffix(line, " ")
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if len(lines) == 0 && relaxed {
		return ""
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

func FuzzCanonicalBody(f *testing.F) {
	f.Add(" C \r\nD \t E\r\n\r\n\r\n", uint8(3))
	f.Add("a\r \r\n\n", uint8(1))
	f.Fuzz(func(t *testing.T, body string, portion uint8) {
		for _, relaxed := range []bool{false, true} {
			if got, want := form(relaxed, body, int(portion)+1), slowForm(relaxed, body); got != want {
				t.Errorf("relaxed %v: %q is %q, want %q", relaxed, body, got, want)
			}
		}
	})
}

// TestCanonicalBodyByTheBook: what makes eight octets usual depends on each of them, and on those around.
func TestCanonicalBodyByTheBook(t *testing.T) {
	pieces := rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{"\r\n", "\r", "\n", " ", "\t", "  ", " !", "\x00", "\r\n ", "\r\n.", "\x8d\x8a\xa0\x89"}),
		rapid.StringMatching(`[a-z!]{0,20}( [a-z]{1,5}){0,4}`)), 0, 20)
	rapid.Check(t, func(t *rapid.T) {
		body, portion := strings.Join(pieces.Draw(t, "body"), ""), rapid.IntRange(1, 100).Draw(t, "portion")
		for _, relaxed := range []bool{false, true} {
			if got, want := form(relaxed, body, portion), slowForm(relaxed, body); got != want {
				t.Fatalf("relaxed %v: %q is %q, want %q", relaxed, body, got, want)
			}
		}
	})
}

// TestDigestsOfSizes: bodies that fit in the buffer are digested at once, longer ones in portions; used again, a buffer has nothing left in it.
func TestDigestsOfSizes(t *testing.T) {
	for _, size := range []int{0, 1, canonicalBuffer - 3, canonicalBuffer - 2, canonicalBuffer - 1, canonicalBuffer, canonicalBuffer + 1, 3 * canonicalBuffer, 7} {
		for _, limit := range []int64{0, 5, canonicalBuffer, canonicalBuffer + 2, Whole} {
			var b Bodies
			d := b.Want(false, limit)
			body := strings.Repeat("x", size)
			b.Write([]byte(body))
			b.Close()
			body += "\r\n"
			if sum := sha256.Sum256([]byte(body[:min(limit, int64(len(body)))])); !bytes.Equal(d.Sum(), sum[:]) || d.Length() != int64(len(body)) {
				t.Errorf("%d octets up to %d: a wrong digest, or length: %d", size, limit, d.Length())
			}
		}
	}
}

// TestUnfinishedBodiesMatchNothing: what a digest is before the body has come to an end is nobody's to match.
func TestUnfinishedBodiesMatchNothing(t *testing.T) {
	var b Bodies
	d := b.Want(true, Whole)
	b.Write([]byte("text\r\n"))
	if err := (&Signature{BodyLimit: Whole}).CheckBody(d); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	b.Close()
	if err := (&Signature{BodyLimit: Whole, BodyHash: sha256.Sum256([]byte("text\r\n"))}).CheckBody(d); err != nil {
		t.Error(err)
	}
}

// TestUnfoldingCopiesNothing but what it appends, however many words there are.
func TestUnfoldingCopiesNothing(t *testing.T) {
	s := strings.Repeat("a\rb  c \r\n\t", 100)
	room := make([]byte, 0, len(s))
	if n := testing.AllocsPerRun(100, func() { room = appendUnfolded(room[:0], s) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// One canonical form serves all digests of it, whatever their limits.
func TestLimitsOfDigests(t *testing.T) {
	var b Bodies
	whole, three, none := b.Want(true, Whole), b.Want(true, 3), b.Want(true, 0)
	if b.Want(true, 3) != three || b.Want(false, 3) == three {
		t.Error("digests are not shared as they ought to be")
	}
	b.Write([]byte("ab  c\r\n\r\n"))
	b.Close()
	for d, want := range map[*BodyDigest]string{whole: "ab c\r\n", three: "ab ", none: ""} {
		if sum := sha256.Sum256([]byte(want)); string(d.Sum()) != string(sum[:]) || d.Length() != 6 {
			t.Errorf("digest of %q is wrong, or the length: %d", want, d.Length())
		}
	}
}

func TestCanonicalHeader(t *testing.T) {
	// RFC 6376 §3.4.5.
	h := ParseHeader("A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\n")
	if len(h) != 2 || h[0].Name != "a" || h[1].Name != "b" {
		t.Fatalf("%q", h)
	}
	for i, want := range []string{"a:X", "b:Y Z"} {
		if got := string(appendField(nil, h[i].Raw, true)); got != want {
			t.Errorf("relaxed %q", got)
		}
	}
	if got := string(appendField(nil, h[1].Raw, false)); got != "B : Y\t\r\n\tZ  " {
		t.Errorf("simple %q", got)
	}
	for field, want := range map[string]string{"A:": "a:", "A: \r\n ": "a:", "A:b\rc\nd": "a:b\rc\nd", "Ä-X:1": "Ä-x:1"} {
		if got := string(appendField(nil, field, true)); got != want {
			t.Errorf("%q became %q", field, got)
		}
	}
}

func TestWithoutSignature(t *testing.T) {
	for field, want := range map[string]string{
		"D: a=1; b=xyz; c=2":              "D: a=1; b=; c=2",
		"D: a=1; b = x\r\n\ty\r\n z ;c=2": "D: a=1; b =;c=2",
		"D: bh=1; b=xyz":                  "D: bh=1; b=",
		"D: b=x;b=y":                      "D: b=;b=y",
		"b=1: B=2;\r\n b=3 ":              "b=1: B=2;\r\n b=",
		"D: a=b=c":                        "D: a=b=c",
		"D:":                              "D:",
	} {
		if got := WithoutSignature(field); got != want {
			t.Errorf("%q became %q, want %q", field, got, want)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	body := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog, as it does each and every day.\r\n"), 4000)
	for name, relaxed := range map[string]bool{"simple": false, "relaxed": true} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				var bodies Bodies
				bodies.Want(relaxed, Whole)
				bodies.Write(body)
				bodies.Close()
			}
		})
	}
}
