package junk

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"

	"postroad/internal/service/delivery"
)

// lines is text of n bytes of some thousand words, as newsletters and reports have it.
func lines(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "In part %d of the report they said that the %s of the harbour should %s, which https://www.example.org/part/%d tells.\r\n",
			i, strings.Repeat(string(rune('a'+i%26)), 1+i%5)+"ing", string(rune('a'+i/26%26))+"ay"+string(rune('a'+i%17)), i%9)
	}
	return b.String()
}

// page is HTML of n bytes, a third of it text.
func page(n int) string {
	var b strings.Builder
	b.WriteString("<html><body><table>\r\n")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<tr><td style=\"font-family:Arial;color:#333;padding:0 %dpx\" align=\"left\">\r\n<a href=\"https://click.example.org/x/%d?id=1&amp;z=2\" style=\"color:red\">%s</a>&nbsp;</td></tr>\r\n", i, i, strings.ReplaceAll(lines(100), "https://www.example.org/", ""))
	}
	return b.String() + "</table></body></html>\r\n"
}

// quoted is a text in quoted-printable.
func quoted(text string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

// BenchmarkJudgeLarge is what a message of 50 KB costs that is text, or HTML.
func BenchmarkJudgeLarge(b *testing.B) {
	const html = "Content-Type: text/html; charset=utf-8\r\n"
	for _, k := range []struct{ name, kind, text string }{
		{"dull", "", strings.Repeat("All work and no play makes mail a dull thing to read.\r\n", 50<<10/55)},
		{"text", "", lines(50 << 10)},
		{"html", html, page(50 << 10)},
		{"html-qp", html + "Content-Transfer-Encoding: quoted-printable\r\n", quoted(page(47 << 10))},
	} {
		b.Run(k.name, func(b *testing.B) {
			w := newWorld(b, 1)
			for i := range 10 {
				_, err := w.s.Train(w.ctx, 1, i%2 == 0, []byte(letterFrom("a.example", true, i, "x", junkText(i))))
				w.must(err)
			}
			raw := letterFrom("b.example", true, 1, "the report", k.text)
			if k.kind != "" {
				raw = strings.Replace(raw, "Content-Type: text/plain; charset=utf-8\r\n", k.kind, 1)
			}
			c := w.content(raw)
			box := w.open(1)
			e := &delivery.Envelope{From: "x@y.example", Source: "smtp"}
			b.SetBytes(c.Size())
			b.ReportAllocs()
			for b.Loop() {
				w.s.Letter(e, c).For(w.ctx, box)
			}
		})
	}
}
