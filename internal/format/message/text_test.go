package message

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func textOf(msg string, limit int) string {
	return Text(Parse([]byte(msg)), strings.NewReader(msg), limit)
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, msg, want string }{
		{"plain", "\nhello\r\nyou\r\n", "hello\nyou"},
		{"line ends", "\n\r\na\r\n\r\n\rb\r\r\nc\r", "a\n\n\rb\r\nc"},
		{"blank part", mp("--b\n\none\n--b\n\n \r\n \n--b\n\ntwo\n--b--\n"), "one\ntwo"},
		{"charset", "Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9", "café"},
		{"no charset", "\ncaf\xe9 café", "café café"},
		{"base64", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nY2Fmw6k=", "café"},
		{"html", "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<style>x</style><p>caf=C3=A9<p>two", "café\n\ntwo"},
		{"html that names its charset", "Content-Type: text/html\n\n<meta charset=\"koi8-r\">\xf0", "П"},
		{"all parts", mp("--b\n\none\n--b\nContent-Type: text/html\n\n<b>two</b>\n--b\nContent-Type: image/png; name=pic.png\n\nnot this\n" +
			"--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename*=utf-8''%c3%bc.csv\n\nthree\n" +
			"--b\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?f=C3=B6ur?=\nFrom: Ann <a@b>\n\nfive\n--b--\n"),
			"one\ntwo\npic.png\nü.csv\nthree\nföur\nAnn\na@b\nfive"},
		{"no text", "Content-Type: image/png\n\nnot this", ""},
	} {
		if got := textOf(tt.msg, 1000); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if got := AppendText([]byte("before"), Parse([]byte(tt.msg)), strings.NewReader(tt.msg), 1000); string(got) != "before"+tt.want {
			t.Errorf("%s: appended, got %q", tt.name, got)
		}
		for limit := range len(tt.want) {
			got := textOf(tt.msg, limit)
			if len(got) > limit || !strings.HasPrefix(tt.want, strings.TrimRight(got, "\n")) || !utf8.ValidString(got) {
				t.Errorf("%s, limit %d: %q", tt.name, limit, got)
			}
		}
	}
}

func TestPlainBody(t *testing.T) {
	for _, tt := range []struct {
		msg  string
		want string // "-": there is more to the text than the body
	}{
		{"Subject: x\r\n\r\n\t hello\r\nyou \r\n\r\n", "hello\nyou"},
		{"Content-Type: text/plain; charset=us-ascii\n\nhello", "hello"},
		{"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncaf\u00e9", "caf\u00e9"},
		{"Content-Type: text/plain; charset=utf-8\n\ncaf\xe9", "-"},
		{"Content-Type: text/plain; charset=utf-7\n\ncaf+AOk-", "-"},
		{"Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B\x25\x2b\x1b(B", "-"},
		{"Content-Type: text/plain; charset=us-ascii; name=a.txt\n\nhello", "-"},
		{"Content-Disposition: attachment; filename=a.txt\n\nhello", "-"},
		{"Content-Transfer-Encoding: quoted-printable\n\nhello", "-"},
		{"Content-Type: text/html\n\nhello", "-"},
		{"Content-Type: image/png\n\nhello", "-"},
		{mp("--b\n\none\n--b--\n"), "-"},
		{"Content-Type: multipart/mixed\n\nno boundary", "-"},
	} {
		got := "-"
		if off, n, ok := PlainBody(Parse([]byte(tt.msg)), []byte(tt.msg)); ok {
			got = string(AppendPlain(nil, []byte(tt.msg[off:off+n])))
		}
		if got != tt.want || got != "-" && got != textOf(tt.msg, 1000) {
			t.Errorf("%q: %q, want %q", tt.msg, got, tt.want)
		}
	}
}

// TestPlainBodyIsTheText: whatever PlainBody takes for all the text is what AppendText makes.
func TestPlainBodyIsTheText(t *testing.T) {
	types := []string{"", "text/plain", "text/plain; charset=utf-8", "text/plain; charset=\"UTF8\"", "text/enriched; charset=us-ascii", "text/plain; charset=iso-8859-1",
		"text/plain; charset=unknown", "text/plain; charset=utf-16", "text", "text/plain; name=\"\"", "message/rfc822", "text/plain; charset=hz-gb-2312"}
	pieces := []string{"word", " ", "\r\n", "\n", "\r", "\u00e9", "\xe9", "\x00", "\u00a0", "\u2003", "\ufeff", "\t", "~{", "\x1b$B", "--b", "begin 644 x"}
	plain := 0
	rapid.Check(t, func(t *rapid.T) {
		msg := "Content-Type: " + rapid.SampledFrom(types).Draw(t, "type") + "\r\nContent-Transfer-Encoding: " +
			rapid.SampledFrom([]string{"7bit", "binary", "weird", "x-uuencode"}).Draw(t, "encoding") + "\r\n" +
			rapid.SampledFrom([]string{"\r\n", "\n", "", "x\r\n", " \r\n\r\n"}).Draw(t, "end") + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "body"), "")
		s := Parse([]byte(msg))
		off, n, ok := PlainBody(s, []byte(msg))
		if !ok {
			return
		}
		plain++
		if got, want := string(AppendPlain(nil, []byte(msg[off:off+n]))), textOf(msg, 1000); got != want {
			t.Fatalf("%q: %q, want %q", msg, got, want)
		}
	})
	if plain == 0 {
		t.Error("none was plain: this would prove nothing")
	}
}

func TestPreview(t *testing.T) {
	for _, tt := range []struct{ name, msg, want string }{
		{"plain", "\n Hello,\r\n\r\n\tyou  there \r\n", "Hello, you there"},
		{"nothing", "Subject: x\n\n", ""},
		{"alternative", mp("--b\n\nplain\n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--"), "plain"},
		{"empty plain text", mp("--b\n\n\n \n--b\nContent-Type: text/html\n\n<b>html</b>\n--b--"), "html"},
		{"attachment", mp("--b\nContent-Disposition: attachment\n\nno\n--b\n\nyes\n--b--"), "yes"},
		{"nested message", mp("--b\nContent-Type: message/rfc822\n\n\nno\n--b--"), ""},
		{"quotes", "\n> you said\n>> more\nAnd I say\n> x", "And I say"},
		{"quotes only", "\n> you said\n", "> you said"},
		{"html filler", "Content-Type: text/html; charset=utf-8\n\n<div>Sale!\u200c\u00a0\u200c\u00a0\u200c</div>Now", "Sale! Now"},
		{"late html", "Content-Type: text/html\n\n<style>" + strings.Repeat("x", 100_000) + "</style><p>late", "late"},
		{"long", "\n" + strings.Repeat("äb ", 200), strings.Repeat("äb ", 66) + "äb"},
		{"long ASCII", "\n" + strings.Repeat("ab ", 200), strings.Repeat("ab ", 66) + "ab"},
		{"two blanks", "\n" + strings.Repeat("ab  ", 200), strings.Repeat("ab ", 66) + "ab"},
		{"a blank before the last", "\n" + strings.Repeat("x", 198) + " yz", strings.Repeat("x", 198) + " y"},
		{"a blank for the last", "\n" + strings.Repeat("x", 199) + " yz", strings.Repeat("x", 199)},
		{"as long as may be", "\n" + strings.Repeat("x", 200) + " yz", strings.Repeat("x", 200)},
		{"controls", "\na\x00\x1b[1mb\x7f\x85", "a [1mb …"},
	} {
		s := Parse([]byte(tt.msg))
		if got := Preview(s, strings.NewReader(tt.msg)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A part that is read at once and one that is streamed have the same text.
func TestTextOfBigParts(t *testing.T) {
	for _, typ := range []string{"plain", "html"} {
		for _, n := range []int{wholeRead, wholeRead + 1} {
			msg := "Content-Type: text/" + typ + "; charset=iso-8859-1\n\n" + strings.Repeat("caf\xe9 au lait.\r\n", n/15+1)[:n]
			for _, limit := range []int{1000, 10 << 20} {
				got := textOf(msg, limit)
				if want := min(n, limit) * 9 / 10; len(got) < want || len(got) > limit || strings.Contains(got, "\r") || !strings.HasPrefix(got, "café au lait.") {
					t.Errorf("%s of %d octets, limit %d: %d octets, %q", typ, n, limit, len(got), got[:min(len(got), 100)])
				}
			}
		}
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("broken") }

func TestTextUnreadable(t *testing.T) {
	s := Parse([]byte(mp("--b\nContent-Type: text/plain; name=x.txt\n\nhello\n--b\nContent-Type: text/html\n\nhello\n--b--")))
	if got := Text(s, failing{}, 100); got != "x.txt" {
		t.Errorf("text %q", got)
	}
	if got := Preview(s, failing{}); got != "" {
		t.Errorf("preview %q", got)
	}
}

// TestEarlyPreview: a preview made of little is the one that more gives.
func TestEarlyPreview(t *testing.T) {
	early := 0
	rapid.Check(t, func(t *rapid.T) {
		pieces := []string{"word ", "another\r\n", "\r\n> quoted text\r\n", " ", "=41", "=\r\n", "é", "\xe9", "+AGE-", "\x1b$B", "=C3=A9", "aGVsbG8g", "  > x\n", "long" + strings.Repeat("x", 150)}
		var body strings.Builder
		for body.Len() < 3000 {
			body.WriteString(strings.Repeat(rapid.SampledFrom(pieces).Draw(t, "piece"), rapid.IntRange(1, 60).Draw(t, "times")))
		}
		msg := "Content-Type: text/plain; charset=" + rapid.SampledFrom([]string{"utf-8", "us-ascii", "iso-8859-1", "utf-7", "iso-2022-jp", "utf-16", "unheard-of"}).Draw(t, "charset") +
			"\r\nContent-Transfer-Encoding: " + rapid.SampledFrom([]string{"7bit", "quoted-printable", "base64"}).Draw(t, "encoding") + "\r\n\r\n" + body.String()
		r := strings.NewReader(msg)
		part := Parse([]byte(msg)).Root
		got, ok := part.earlyPreview(r)
		if want, _ := part.previewOf(r, previewRead); ok && got != want {
			t.Fatalf("%q: got %q, want %q", msg, got, want)
		}
		if ok {
			early++
		}
	})
	if early == 0 {
		t.Error("never early")
	}
}

func BenchmarkPreview(b *testing.B) {
	msg := "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + strings.Repeat("Some words, and what they mean =3D much.\r\n", 1000)
	s, r := Parse([]byte(msg)), strings.NewReader(msg)
	b.ReportAllocs()
	for b.Loop() {
		Preview(s, r)
	}
}
