package htmltag

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestAttr(t *testing.T) {
	for tag, want := range map[string]string{
		` href=x`: "x", ` HREF = 'a b'`: "a b", `/href="x"`: "x", ` title="href=y" href="x"`: "x", ` title='a href=y ' href=x>`: "x", ` href=x href=y`: "x",
		` data-href=y href=x`: "x", ` a"b="y href=z" href=x`: "x", ` a="b"c"y href=z" href=x`: `z"`, "\n\thref\n=\n'x'": "x", ` href=x/>`: "x/", ` href`: "-", ` xhref=y`: "-", ``: "-", ` href="x`: "x",
		` a='"'href=x`: "x", ` = href=x`: "x", ` ==y href=x`: "x", ` href=>`: "",
	} {
		got := Attr([]byte(tag), "href")
		if want == "-" && got != nil || want != "-" && (got == nil || string(got) != want) {
			t.Errorf("%q: %q", tag, got)
		}
	}
}

func TestEnd(t *testing.T) {
	for tag, want := range map[string]string{
		`>a`: `>a`, ` a=">">b`: `>b`, ` a='>'>b`: `>b`, ` a= ">">b`: `>b`, ` a=b">c">d`: `>c">d`, ` ">c">d`: `>c">d`, ` =">c">d`: `>c">d`, `/>b`: `>b`, ` a=>b`: `>b`,
		` a="b"c=">">d`: `>d`, ` a`: ``,
	} {
		if n, closed := End([]byte(tag)); tag[n:] != want || !closed {
			t.Errorf("%q: %q, %v", tag, tag[n:], closed)
		}
	}
	for _, tag := range []string{` a="`, ` a=">`, ` a='">`, ` a=b c= "x>`} {
		if n, closed := End([]byte(tag)); n != len(tag) || closed {
			t.Errorf("%q: %d, %v", tag, n, closed)
		}
	}
}

// FuzzTag compares with another reader of HTML.
func FuzzTag(f *testing.F) {
	for _, s := range []string{` href="x>y" title='a'>text`, ` a"b="y href=z" href=x>`, ` = = href=x/>x`, "\nhref\f=\rx>", ` ==y>`, ` a=b"> c`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.Map(func(r rune) rune {
			if r == 0 || r >= 0x80 || r == '&' || r == '\r' { // what it does to these isn't told here
				return 'x'
			}
			return r
		}, s)
		if s == "" || strings.IndexByte(" \n\t\f/>", s[0]) < 0 {
			s = " " + s
		}
		n, closed := End([]byte(s))
		if n > len(s) || n < len(s) && s[n] != '>' || !closed && n != len(s) {
			t.Fatalf("%q ends at %d, %v", s, n, closed)
		}
		z := html.NewTokenizer(strings.NewReader("<a" + s))
		if n == len(s) {
			if kind := z.Next(); kind != html.ErrorToken {
				t.Errorf("%q isn't unfinished: %v", s, kind)
			}
			return
		}
		z.Next()
		if raw := z.Raw(); !bytes.Equal(raw, []byte("<a"+s[:n+1])) {
			t.Errorf("%q ends behind %q", s, raw)
		}
		seen := map[string]bool{}
		for _, more := z.TagName(); more; {
			var name, value []byte
			name, value, more = z.TagAttr()
			if len(name) == 0 || seen[string(name)] {
				continue
			}
			seen[string(name)] = true
			if got := Attr([]byte(s[:n]), string(name)); !bytes.Equal(got, value) {
				t.Errorf("%q: %q is %q, not %q", s, name, got, value)
			}
		}
	})
}

func TestComments(t *testing.T) {
	for doc, want := range map[string]string{
		"<!---->a": "a", "<!-- x -->a": "a", "<!-->a-->": "a-->", "<!--->a-->": "a-->", "<!-- x --!>a": "a", "<!-- - -- > -->a": "a", "<!----->a": "a", "<!-- x": "", "<!--": "",
		"<!---- >-->a": "a",
	} {
		if got := doc[Comment([]byte(doc)):]; got != want {
			t.Errorf("%q: %q", doc, got)
		}
		z := html.NewTokenizer(strings.NewReader(doc))
		if z.Next(); want != "" && doc[len(z.Raw()):] != want {
			t.Errorf("%q: %q", doc, z.Raw())
		}
	}
	for doc, want := range map[string]int{"<!x>a": 4, `<?x a=">">`: 8, "</ a>": 5, "</>": 3, "<!x": 3, "<a>": 0, "</a>": 0, "<": 0, "<!": 2, "</": 0, "< a": 0} {
		if got := Bogus([]byte(doc)); got != want {
			t.Errorf("%q: %d", doc, got)
		}
	}
}

func TestRaw(t *testing.T) {
	for doc, want := range map[string]string{"a</b></STYLE >c": "</STYLE >c", "</stylex></style": "</style", "</style=></style/>": "</style/>", "<!--</style>-->": "</style>-->", "x": "", "": ""} {
		if got := doc[Raw([]byte(doc), []byte("style")):]; got != want {
			t.Errorf("%q: %q", doc, got)
		}
	}
	for tag, want := range map[string]int{"a>": 1, "a b": 1, `a"b=">`: 5, "/a>": 2, "a/": 1, "o:p": 3, "": 0} {
		if got := Name([]byte(tag)); got != want {
			t.Errorf("%q: %d", tag, got)
		}
	}
}

func BenchmarkEnd(b *testing.B) {
	tag := []byte(` align="left" style="font-size:0px;padding:10px 25px;word-break:break-word;" href=https://shop.example/a/b/c>`)
	b.SetBytes(int64(len(tag)))
	for b.Loop() {
		End(tag)
	}
}
