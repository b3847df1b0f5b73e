package message

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.eml")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		"", "\n", "--b", mp("--b\n\n1\n--b--"), nestedMultiparts(3), "Content-Type: message/rfc822\n\nA: b\n\nx",
		"Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n--b\n--b--",
		"Content-Type: multipart/a; boundary=a\n\n--a\nContent-Type: multipart/a; boundary=aa\n\n--aa\n\nx\r\n--a--\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkOffsets(t, b)
		checkPortions(t, b)
		checkLimited(t, b)
		s := Parse(b)
		r := bytes.NewReader(b)
		if text := Text(s, r, 1000); !utf8.ValidString(text) || len(text) > 1000 {
			t.Fatalf("text of %q: %q", b, text)
		}
		if off, n, ok := PlainBody(s, b); ok {
			if got, want := AppendPlain(nil, b[off:off+n]), AppendText(nil, s, r, 1<<20); !bytes.Equal(got, want) {
				t.Fatalf("of %q: plain text %q, text %q", b, got, want)
			}
		}
		if p := Preview(s, r); !utf8.ValidString(p) || utf8.RuneCountInString(p) > PreviewLen || strings.ContainsAny(p, "\r\n\t\x00") {
			t.Fatalf("preview of %q: %q", b, p)
		}
	})
}

// checkLimited parses with limits so small that they are met.
func checkLimited(t *testing.T, b []byte) {
	t.Helper()
	l := Limits{Depth: 3, Parts: 4, HeaderBytes: 100, HeaderFields: 3, KeptBytes: 50}
	p := NewParser(l)
	p.Write(b)
	want := p.Finish()
	if countParts(want) > l.Parts+1 { // and the text of a multipart without boundaries
		t.Fatalf("%d parts in %q", countParts(want), b)
	}
	checkPart(t, b, want.Root)
	p.Reset()
	for i := range b {
		p.Write(b[i : i+1])
	}
	if diff := cmp.Diff(want, p.Finish()); diff != "" {
		t.Fatalf("with limits, octet by octet: %q\n%s", b, diff)
	}
}

func FuzzFields(f *testing.F) {
	for _, s := range []string{"text/plain; charset=x", "a/b; f*0*=utf-8''%c3; f*1=x", "Re: [x] [fwd: y] (fwd)", "<a@b> <c", "a\r\n b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		typ, sub, ps := parseType(s)
		if (typ == "") != (sub == "") {
			t.Fatalf("%q is %q/%q", s, typ, sub)
		}
		for _, p := range ps {
			if !utf8.ValidString(p.Value) {
				t.Fatalf("%q has parameter %+v", s, p)
			}
		}
		base, _ := BaseSubject(s)
		if again, _ := BaseSubject(base); again != base && !strings.Contains(base, "=?") {
			t.Fatalf("base subject of %q is %q, and of that %q", s, base, again)
		}
		for _, id := range ParseMessageIDs(s) {
			if id == "" || strings.ContainsAny(id, " \t\r\n") {
				t.Fatalf("identifier %q in %q", id, s)
			}
		}
		if u := Unfold(s); strings.Contains(u, "\n") {
			t.Fatalf("%q unfolds to %q", s, u)
		}
	})
}
