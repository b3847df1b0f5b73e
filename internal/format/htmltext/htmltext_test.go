package htmltext

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"  a \n b\t", "a b"},
		{"<p>one</p><p>two</p>", "one\n\ntwo"},
		{"a<br>b<br/>c", "a\nb\nc"},
		{"<b>bo</b>ld", "bold"},
		{"<div>a<div>b</div></div>c", "a\nb\nc"},
		{"<ul><li>a<li>b</ul>c", "a\nb\n\nc"},
		{"<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3"},
		{"a&nbsp;&amp;&lt;b&gt;&#8364;&#xe4;&unknown;", "a &<b>€ä&unknown;"},
		{"<html><head><title>T</title><style>p {color: red}</style></head><body>x<script>if (a<b) {}</script>y</body></html>", "xy"},
		{"<STYLE>a</STYLE>b", "b"},
		{"<!-- hidden -->shown<!-- never closed", "shown"},
		{"<img src=x alt='A picture'>text", "A picture text"},
		{"<img src=x>text", "text"},
		{"<pre>a\n  b\n\n\nc</pre>d", "a\nb\n\nc\n\nd"},
		{"<p>a<p>b", "a\n\nb"},
		{"a</p></p></nonsense>b", "a\n\nb"},
		{"a<b", "a"},
		{"1 < 2 > 1", "1 < 2 > 1"},
		{"<a href='x", ""},
		{"\xff\xfe", "�"},
		{"pre\u00a0\u034f\u00a0\ufeffheader", "pre header"},
		{"日本<wbr>語", "日本語"},
		{"<svg><title>t</title></svg>x", "x"},
	} {
		if got := Text(strings.NewReader(tt.in), 1000); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
		if got := Text(iotest.OneByteReader(strings.NewReader(tt.in)), 1000); got != tt.want {
			t.Errorf("%q byte by byte: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	for limit, want := range []string{"", "a", "a", "aé", "aé", "aé", "aé\n\nb", "aé\n\nb"} {
		if got := Text(strings.NewReader("<p>aé</p> b"), limit); got != want {
			t.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
	}
	if got := Text(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errors.New("broken"))), 100); got != "abc" {
		t.Errorf("broken reader: got %q", got)
	}
	// The limit also ends reading.
	r := &counting{}
	Text(r, 1000)
	if r.n > 64<<10 {
		t.Errorf("read %d octets for 1000", r.n)
	}
}

// A picture inside a tag is passed over; one beyond all measure ends the text.
func TestBigToken(t *testing.T) {
	for n, want := range map[int]string{maxToken - 100: "a\nb", maxToken + 1: "a"} {
		doc := "a<br><img src='data:" + strings.Repeat("x", n) + "'>b"
		if got := strings.Replace(Text(strings.NewReader(doc), 100), "\n ", "\n", 1); got != want {
			t.Errorf("%d octets: %q", n, got)
		}
	}
}

// counting is an endless document.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	n := copy(p, "<p>some words ")
	c.n += n
	return n, nil
}

// Nesting and unclosed things are no more work than other text.
func TestHostile(t *testing.T) {
	for _, s := range []string{"<div>", "<", "<!--", "<a b=", "&", "<script>", "&#x", "</", "<table><tr><td>", "<![CDATA["} {
		Text(strings.NewReader(strings.Repeat(s, 1<<20/len(s))), 1<<20)
	}
}

func FuzzText(f *testing.F) {
	f.Add("<p>a<b>c</p><style>x</style>&amp;<img alt=y>", 10)
	f.Add("<pre>a\n\n\nb</pre><!-- x", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := Text(strings.NewReader(s), limit)
		if len(got) > max(limit, 0) || !utf8.ValidString(got) || strings.Contains(got, "  ") || strings.Contains(got, "\n\n\n") {
			t.Fatalf("%q, limit %d: %q", s, limit, got)
		}
	})
}

func BenchmarkText(b *testing.B) {
	doc := strings.Repeat("<div class='x'><p style='margin:0'>Some words, <b>bold</b> &amp; plain.</p></div>\n", 400)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		Text(strings.NewReader(doc), 1<<20)
	}
}
