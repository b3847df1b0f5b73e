package message

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// depthOf returns how deep the parts of a message lie in each other, and whether the innermost is opaque.
func depthOf(p *Part) (depth int, opaque bool) {
	depth, opaque = 1, p.Opaque
	below := p.Children
	if p.Message != nil {
		below = []*Part{p.Message.Root}
	}
	for _, c := range below {
		if d, o := depthOf(c); d+1 > depth {
			depth, opaque = d+1, o
		}
	}
	return depth, opaque
}

func nestedMultiparts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d.\n\n--b%d.\n", i, i)
	}
	b.WriteString("\ninnermost\n")
	return b.String()
}

func TestDepthLimit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		msg   func(n int) string
		limit int
	}{
		{"multiparts", nestedMultiparts, 10},
		{"messages", func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n) + "\ninnermost\n" }, 10},
		{"multiparts, default", nestedMultiparts, 100},
	} {
		for _, n := range []int{tt.limit - 2, tt.limit - 1, tt.limit, 10_000} {
			l := Limits{Depth: tt.limit}
			if tt.limit == 100 {
				l = Limits{}
			}
			p := NewParser(l)
			io.WriteString(p, tt.msg(n))
			s := p.Finish()
			depth, opaque := depthOf(s.Root)
			if want := min(n+1, tt.limit); depth != want || opaque != (n >= tt.limit) || s.Limited != (n >= tt.limit) {
				t.Errorf("%s: %d inside each other: depth %d, opaque %v, limited %v", tt.name, n, depth, opaque, s.Limited)
			}
		}
	}
}

func countParts(s *Structure) (n int) {
	s.Root.Walk(func(*Part) bool { n++; return true })
	return n
}

func TestPartsLimit(t *testing.T) {
	const limit = 100
	for _, n := range []int{limit - 2, limit - 1, limit, 20 * limit} {
		msg := mp(strings.Repeat("--b\n\nx\n", n) + "--b--\nend\n")
		p := NewParser(Limits{Parts: limit})
		io.WriteString(p, msg)
		s := p.Finish()
		if got, want := countParts(s), min(n+1, limit); got != want || s.Limited != (n+1 >= limit) {
			t.Errorf("%d parts: %d, limited %v", n, got, s.Limited)
		}
		last := s.Root.Children[len(s.Root.Children)-1]
		if s.Limited && last.BodyOffset+last.BodySize != s.Size {
			t.Errorf("%d parts: the last one ends at %d of %d", n, last.BodyOffset+last.BodySize, s.Size)
		}
	}
	digest := "Content-Type: multipart/digest; boundary=b\n\n" + strings.Repeat("--b\n\nA: b\n\nx\n", 1000)
	p := NewParser(Limits{Parts: limit})
	io.WriteString(p, digest)
	if got := countParts(p.Finish()); got > limit {
		t.Errorf("digest: %d parts", got)
	}
}

func TestHeaderLimits(t *testing.T) {
	for _, n := range []int{99, 101, 102, 5000} {
		for _, write := range []int{1 << 20, 7} {
			// Each field has 10 octets; the type comes last.
			msg := strings.Repeat("A: 345678\n", n) + "Content-Type: text/html\n\nbody"
			p := NewParser(Limits{HeaderBytes: 1024, HeaderFields: 101})
			for rest := msg; rest != ""; {
				k := min(write, len(rest))
				io.WriteString(p, rest[:k])
				rest = rest[k:]
			}
			s := p.Finish()
			within := n <= 99 // 1024 octets hold 100 fields and a bit
			if (s.Root.Subtype == "html") != within || s.Limited == within {
				t.Errorf("%d fields: %s/%s, limited %v", n, s.Root.Type, s.Root.Subtype, s.Limited)
			}
			if s.Root.BodySize != 4 || int(s.Root.HeaderSize) != len(msg)-4 {
				t.Errorf("%d fields: header of %d octets, body of %d", n, s.Root.HeaderSize, s.Root.BodySize)
			}
			if len(s.Header.Fields) > 101 || len(s.Header.Raw) > 1024 {
				t.Errorf("%d fields: %d kept, %d octets", n, len(s.Header.Fields), len(s.Header.Raw))
			}
		}
	}
}

func TestKeptLimit(t *testing.T) {
	part := "--b\nContent-Type: application/x; name=" + strings.Repeat("n", 900) + "\n\nx\n"
	p := NewParser(Limits{KeptBytes: 10_000})
	io.WriteString(p, mp(strings.Repeat(part, 100)))
	s := p.Finish()
	named := 0
	for _, c := range s.Root.Children {
		if c.Type != "application" || c.BodySize == 0 {
			t.Fatalf("part %+v", c)
		}
		if c.Param("name") != "" {
			named++
		}
	}
	if named != 10 || !s.Limited {
		t.Errorf("%d parts have a name, limited %v", named, s.Limited)
	}
	// Multiparts are still looked into when nothing is kept.
	p = NewParser(Limits{KeptBytes: 1})
	io.WriteString(p, nestedMultiparts(5))
	if depth, _ := depthOf(p.Finish().Root); depth != 6 {
		t.Errorf("depth %d", depth)
	}
}

func TestBoundaryLimit(t *testing.T) {
	for _, n := range []int{70, 71, maxBoundary, maxBoundary + 1, 100_000} {
		bd := strings.Repeat("x", n)
		msg := []byte("Content-Type: multipart/mixed; boundary=" + bd + "\n\n--" + bd + "\n\n1\n--" + bd + "\n\n2\n--" + bd + "--\nepilogue")
		want := 2
		if n > maxBoundary {
			want = 1 // the text
		}
		if got := len(Parse(msg).Root.Children); got != want {
			t.Errorf("boundary of %d octets: %d parts", n, got)
		}
		if n <= maxBoundary+1 {
			checkPortions(t, msg)
		}
	}
}

// A big message passes by without being kept.
func TestMemory(t *testing.T) {
	portion := []byte(strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 1000))
	p := NewParser(Limits{})
	io.WriteString(p, mp("--b\nContent-Transfer-Encoding: base64\n\n"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 2000 // 156 MB
	for range n {
		p.Write(portion)
	}
	runtime.ReadMemStats(&after)
	s := p.Finish()
	if got := s.Root.Children[0].BodySize; got != int64(n*len(portion)) {
		t.Errorf("body of %d octets", got)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d octets", got)
	}
}

func TestReset(t *testing.T) {
	p := NewParser(Limits{})
	first := mp("--b\nContent-Type: message/rfc822\n\nSubject: a\n\nx\n--b--\n")
	io.WriteString(p, first)
	s := p.Finish()
	p.Reset()
	io.WriteString(p, "Subject: other\n\ntext\n--b\n")
	other := p.Finish()
	if diff := cmp.Diff(Parse([]byte(first)), s); diff != "" {
		t.Errorf("the first structure changed\n%s", diff)
	}
	if diff := cmp.Diff(Parse([]byte("Subject: other\n\ntext\n--b\n")), other); diff != "" {
		t.Error(diff)
	}
}

// hostile are inputs that make careless parsers slow, each about half a megabyte.
var hostile = map[string]func() string{
	"dashes":         func() string { return deepBoundaries(90) + strings.Repeat("--\n", 1<<18) },
	"near misses":    func() string { return deepBoundaries(90) + strings.Repeat("--"+strings.Repeat("x", 60)+"\n", 1<<14) },
	"blobs":          func() string { return "Subject: " + strings.Repeat("[]", 1<<18) + "\n\n" },
	"fwds":           func() string { return "Subject: " + strings.Repeat("[fwd: ", 1<<17) + "\n\n" },
	"encoded words":  func() string { return "Subject: " + strings.Repeat("=?a?q?", 1<<17) + "\n\n" },
	"half words":     func() string { return "From: " + strings.Repeat("=?", 1<<18) + "\n\n" },
	"comments":       func() string { return "From: " + strings.Repeat("(", 1<<19) + "\n\n" },
	"angles":         func() string { return "From: " + strings.Repeat("<,", 1<<18) + "\n\n" },
	"quotes":         func() string { return "From: " + strings.Repeat("<\"", 1<<18) + "\n\n" },
	"dots":           func() string { return "From: a@" + strings.Repeat(". ", 1<<18) + "\n\n" },
	"dots before":    func() string { return "From: " + strings.Repeat(". ", 1<<18) + "@a\n\n" },
	"ats":            func() string { return "From: " + strings.Repeat("@", 1<<19) + "\n\n" },
	"groups":         func() string { return "To: " + strings.Repeat("a:", 1<<18) + "\n\n" },
	"parameters":     func() string { return "Content-Type: a/b" + strings.Repeat(";a*0*=b", 1<<17) + "\n\n" },
	"semicolons":     func() string { return "Content-Type: a/b" + strings.Repeat(";\"", 1<<18) + "\n\n" },
	"references":     func() string { return "References: " + strings.Repeat("<a", 1<<18) + "\n\n" },
	"dates":          func() string { return "Date: " + strings.Repeat("1:", 1<<18) + "\n\n" },
	"folds":          func() string { return "Subject: " + strings.Repeat("\n ", 1<<18) + "\n\n" },
	"fields":         func() string { return strings.Repeat("To:\n", 1<<18) + "\n" },
	"many addresses": func() string { return "To: " + strings.Repeat("a@b,", 1<<18) + "\n\n" },
}

func deepBoundaries(n int) string {
	var b strings.Builder
	for i := range n {
		bd := strings.Repeat("x", 60) + fmt.Sprint(i+10)
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%s\n\n--%s\n", bd, bd)
	}
	return b.String() + "\n"
}

// Work must be linear in the input: were it not, this test would take minutes.
func TestHostile(t *testing.T) {
	for name, msg := range hostile {
		t.Run(name, func(t *testing.T) {
			m := msg()
			p := NewParser(Limits{HeaderBytes: 2 << 20, HeaderFields: 1 << 20})
			io.WriteString(p, m)
			s := p.Finish()
			BaseSubject(s.Envelope.Subject)
			DecodeWords(s.Envelope.Subject)
			ParseMessageIDs(s.Envelope.References)
			ParseDate(s.Envelope.Date)
			Text(s, strings.NewReader(m), 1<<20)
			Preview(s, strings.NewReader(m))
		})
	}
}
