package signs

import (
	"fmt"
	"strings"
	"testing"
)

// htmlOf is what a document shows.
func htmlOf(doc string) *Message {
	return look("From: a@example.com\nContent-Type: text/html; charset=utf-8\n\n"+doc+"\n", Facts{})
}

// TestLettersThatGrow: where a host stands in a link's text is told by the text, not by its lower case, which may be longer.
func TestLettersThatGrow(t *testing.T) {
	for _, grow := range []string{"Ⱥ", "ȺȺȺȺȺȺȺȺȺȺ", "İ", "ẞ"} {
		got := said(htmlOf(`<a href="https://evil.net/">` + grow + ` WWW.Bank.com</a>`).Signs())
		if len(got) != 1 || !strings.HasSuffix(got[0], "www.bank.com > evil.net") {
			t.Errorf("%s: %q", grow, got)
		}
		got = said(htmlOf(`<a href="https://evil.net/">` + grow + ` HTTPS://Bank.com/x</a>`).Signs())
		if len(got) != 1 || !strings.HasSuffix(got[0], "bank.com > evil.net") {
			t.Errorf("%s: %q", grow, got)
		}
	}
}

// TestUnclosedQuotes: a quote that isn't closed is none, but not each tag of very many such is searched for its end twice.
func TestUnclosedQuotes(t *testing.T) {
	for n, want := range map[int]bool{0: true, 10: true, maxUnclosed + 10: false} {
		doc := strings.Repeat("<a x='>'", n) + strings.Repeat("x", maxTag) + `<a title=">" href="https://192.0.2.1/">x</a>`
		if got := len(htmlOf(doc).Signs()) == 1; got != want {
			t.Errorf("after %d tags a link is seen: %v", n, got)
		}
	}
}

// TestSameHosts: links whose beginnings are alike lead where they lead.
func TestSameHosts(t *testing.T) {
	var doc strings.Builder
	want := map[string]bool{}
	for i := range 40 {
		host := fmt.Sprintf("h%d.example.com", i%20)
		want[host] = true
		fmt.Fprintf(&doc, `<a href="https://%s/%d">x</a><a href="https://%s">x</a><a href="https://%s?%d#x">x</a>`, host, i, host, host, i)
	}
	doc.WriteString(`<a href="https://h1.example.com@other.example.com/">x</a><a href="https://h1.example.com:8443/">x</a><a href="https://h1.example.com.third.example.com/">x</a>`)
	want["other.example.com"], want["h1.example.com.third.example.com"] = true, true
	m := htmlOf(doc.String())
	if len(m.Hosts()) != len(want) {
		t.Errorf("%q", m.Hosts())
	}
	for _, h := range m.Hosts() {
		if !want[h] {
			t.Errorf("%q is no host", h)
		}
	}
	if got := said(m.Signs()); len(got) != 1 || !strings.HasPrefix(got[0], "link-user ") {
		t.Errorf("%q", got)
	}
}

// TestHostsInDisguise: the text of a link that has a host in it is looked at, however the host is written; that of others needn't be.
func TestHostsInDisguise(t *testing.T) {
	for text, want := range map[string]bool{
		"bank.com": true, "http://bank%2Ecom/": true, "bank&#46;com": true, "www.b\u00e4nk.com": true, "bank<b>.</b>com": true, "See www.bank.com.": true,
		"The end.": false, "One. Two.": false, "bank": false, ".": false,
	} {
		if got := len(htmlOf(`<a href="https://evil.net/">`+text+`</a>`).Signs()) == 1; got != want {
			t.Errorf("%q shows a host: %v", text, got)
		}
	}
}
