package features

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// parse makes of a text what Extract takes.
func parse(raw string) *Message {
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	p := message.NewParser(message.Limits{})
	p.Write([]byte(raw))
	s := p.Finish()
	return &Message{Summary: summary.Make(s, ""), Body: strings.NewReader(raw)}
}

// names are the names of all features of a message.
func names(m *Message) []string {
	x := New()
	return x.Name(m, x.Extract(m))
}

// TestNames: whatever is a feature has a name, so that every score can be explained.
func TestNames(t *testing.T) {
	files, _ := filepath.Glob("../../../format/message/testdata/*.eml")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ns := names(parse(strings.ReplaceAll(string(b), "\r\n", "\n")))
		if len(ns) < 20 || slices.Contains(ns, "") {
			t.Errorf("%s: %q", f, ns)
		}
	}
}

// TestUnclosedQuotes: a quote that isn't closed is none, but a document of such tags isn't searched to its end for each of them.
func TestUnclosedQuotes(t *testing.T) {
	for n, want := range map[int]bool{1: true, 10: true, maxUnclosed + 10: false} {
		doc := strings.Repeat("<b x='>'", n) + "<b x='>\n" + `<a title=">" href="https://trick.example/">x</a>`
		got := names(parse(head + "Content-Type: text/html\n\n" + doc + "\n"))
		if slices.Contains(got, "link to: trick.example") != want {
			t.Errorf("%d tags: %q", n, got)
		}
	}
}

// TestMeeting: texts that were made to meet in the table don't make it slow, and others aren't lost for them.
func TestMeeting(t *testing.T) {
	var c collector
	c.reset()
	for i := range uint64(Max / 2) {
		c.put(Word, 7|i<<40, nil, nil)
	}
	if len(c.set) != maxProbes {
		t.Errorf("%d features of %d in one place", len(c.set), maxProbes)
	}
	for i := range uint64(1000) {
		c.put(Word, 1000+i|(i+5000)<<40, nil, nil)
	}
	if len(c.set) != maxProbes+1000 {
		t.Errorf("%d features, not %d", len(c.set), maxProbes+1000)
	}
}

// TestWordHash: words are hashed in words' own way, with the same outcome as Of, wherever they stand.
func TestWordHash(t *testing.T) {
	text := "a bb ccc dddd eeeee ffffff ggggggg hhhhhhhh iiiiiiiii 'jjjjjjjjjjjjjjjjjjjjjjj' kk"
	x := &extraction{}
	x.reset()
	x.words(Word, Pair, []byte(text))
	ws := strings.Fields(strings.ReplaceAll(text, "'", ""))
	for i, w := range ws {
		if !slices.Contains(x.set, Of(Word, w)) || i > 0 && !slices.Contains(x.set, Of(Pair, ws[i-1], w)) {
			t.Errorf("%q isn't there", w)
		}
	}
	if len(x.set) != 2*len(ws)-1 {
		t.Errorf("%d features", len(x.set))
	}
}

func benchmark(b *testing.B, raw string) {
	m := parse(raw)
	m.Facts = FactsOf(m.Summary.Header(), "")
	x := New()
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		x.Extract(m)
	}
	b.ReportMetric(float64(len(x.Extract(m))), "features")
}

const head = `Received: from mail.example.org (mail.example.org [192.0.2.7]) by mx.example.com with ESMTPS id 1; Mon, 2 Feb 2026 10:00:00 +0000
From: "Ann Example" <ann@example.org>
To: Bob <bob@example.com>
Subject: The plan for Thursday, and a question
Date: Mon, 2 Feb 2026 10:00:00 +0000
Message-ID: <abc123.4567@example.org>
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
`

// prose is about n octets of text, of several hundred words.
func prose(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString([]string{"meeting", "the", "report", "shall", "we", "begin", "on", "Thursday", "because", "of", "http://example.org/a/b?c=d"}[i*7%11])
		if i%5 == 0 {
			b.WriteString(string(rune('a'+i/5%26)) + string(rune('a'+i/130%26)) + "ing")
		}
		b.WriteString([]string{" ", " ", " ", ", ", " ", " ", ". ", "\n"}[i%8])
	}
	return b.String()
}

func BenchmarkText2KB(b *testing.B) {
	benchmark(b, head+"Content-Type: text/plain; charset=utf-8\n\n"+prose(1600))
}

func BenchmarkHTML50KB(b *testing.B) {
	var h strings.Builder
	for i := range 150 {
		h.WriteString(`<tr><td style="font-family:Arial;color:#333" align="left"><a href="https://click.example.org/x/` + string(rune('a'+i%26)) +
			`?id=1&amp;z=2" style="color:red">` + prose(120) + `</a>&nbsp;</td></tr>` + "\n")
	}
	benchmark(b, head+"Content-Type: text/html; charset=utf-8\n\n<html><body><table>"+h.String()+"</table></body></html>")
}

// TestLettersIn: the letters among eight octets are told as one looks at each of them, wherever they stand.
func TestLettersIn(t *testing.T) {
	for i := range 1 << 16 {
		a, b := byte(i), byte(i>>8)
		text := []byte{a, b, b, a, a, a, b, a}
		got := lettersIn(eightOf(text))
		for k, c := range text {
			if want := c >= 'a' && c <= 'z' || c == '0'; got>>(8*k+7)&1 == 1 != want {
				t.Fatalf("%q: %x", text, got)
			}
		}
	}
}
