package policy

import (
	"strings"
	"testing"

	"postroad/internal/model/directory"
)

// FuzzSpelled: what is taken as it is has one spelling.
func FuzzSpelled(f *testing.F) {
	for _, s := range []string{"", "ann@example.org", "Ann@example.org", `"ann"@example.org`, `"a b"@example.org`, "ann@[192.0.2.1]", "ann@xn--bcher-kva.example", "ann@bücher.example", "é@example.org",
		"ann", ".ann@example.org", "ann@example.org.", "ann@@b", "ann@xn-", "a-xn--b@c.example", `a\@b`, "a@b..c", "a b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := strings.TrimRight(s, ".")
		a, err := directory.Parse(want)
		if err != nil && !spelledOnce(want) {
			return // TestSpellings
		}
		if err == nil {
			want = a.Fold().String()
		}
		if want = strings.ToLower(want); spelled(s) != want {
			t.Errorf("%q: %q, not %q", s, spelled(s), want)
		}
	})
}

// TestSpellings: no way to write a sender's address evades what is said of its domain.
func TestSpellings(t *testing.T) {
	b := openBook(t, openDB(t))
	for _, p := range []string{"bad.example", "ann@odd.example", "bücher.example"} {
		add(t, b, Policy{Kind: Sender, Pattern: p, Action: Reject})
	}
	for _, a := range []string{
		"x@bad.example", "x@BAD.example", "x@a.bad.example", "x@bad.example.", "<x@bad.example..>", "x@bad.example\u3002", "x@bad\uff0eexample\uff61", "x@bad.ex\u00adample", "<@q.example:x@bad.example>",
		"g: x@bad.example;", "y@good.example, x@bad.example", "y@good.example\r\nFrom: x@bad.example", "x(c) @ bad . (c) example", `"a b"@bad.example`,
		"ann@odd.example", "Ann@odd.example.", `"a\nn"@odd.example`, "x@bücher.example", "x@BÜCHER.example", "x@xn--bcher-kva.example.", "x@bu\u0308cher.example.",
		"\xff@BÜCHER.example", "a..b@BÜCHER.example.", strings.Repeat("a", 70) + "@bücher.example",
		strings.Repeat("y@good.example, ", 1000) + "x@bad.example",
	} {
		mail := "From: " + a + "\r\n\r\nhello\r\n"
		if _, err := b.Judge(&Message{Direction: In, Content: strings.NewReader(mail), Size: int64(len(mail))}); RefusalOf(err) == nil {
			t.Errorf("%q: taken", a)
		}
	}
}

// BenchmarkManyAuthors is the dearest that a header can have.
func BenchmarkManyAuthors(b *testing.B) {
	book := openBook(b, openDB(b))
	add(b, book, Policy{Kind: Sender, Pattern: "bad.example", Action: Reject})
	mail := "From: " + strings.Repeat("a@é.aa,", 30_000) + "\r\n\r\nhello\r\n"
	for b.Loop() {
		if _, err := book.Judge(&Message{Direction: In, Content: strings.NewReader(mail), Size: int64(len(mail))}); err != nil {
			b.Fatal(err)
		}
	}
}
