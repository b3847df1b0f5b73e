package features

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

const plain = "From: ann@example.org\nTo: bob@example.com\nSubject: x\n\n"

func wants(t *testing.T, raw string, want ...string) {
	t.Helper()
	ns := names(parse(raw))
	for _, w := range want {
		if not, ok := strings.CutPrefix(w, "!"); ok {
			if slices.Contains(ns, not) {
				t.Errorf("has %q", not)
			}
		} else if !slices.Contains(ns, w) {
			t.Errorf("lacks %q; has %q", w, ns)
		}
	}
}

// TestDisguises: tricks with characters don't hide words, and are noticed.
func TestDisguises(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":            "cheap viagra here",
		"capitals":            "CHEAP ViAgRa here",
		"without width":       "cheap via\u200bg\u200dra here",
		"soft hyphens":        "cheap vi\u00adagra here",
		"Cyrillic letters":    "cheap vi\u0430gra here", // а
		"accents":             "cheap viágrà here",
		"combining accents":   "cheap via\u0301gra here",
		"full width":          "cheap ｖｉａｇｒａ here",
		"mathematical":        "cheap 𝐯𝐢𝐚𝐠𝐫𝐚 here",
		"circled":             "cheap ⓥⓘⓐⓖⓡⓐ here",
		"tags and comments":   "",
		"base64":              "",
		"quoted-printable":    "",
		"entities":            "",
		"no space by a break": "",
	} {
		raw := plain[:len(plain)-1] + "Content-Type: text/plain; charset=utf-8\n\n" + text
		switch name {
		case "tags and comments":
			raw = plain[:len(plain)-1] + "Content-Type: text/html\n\n<p>cheap vi<b>ag</b><!-- x -->ra <i>here</i>"
		case "entities":
			raw = plain[:len(plain)-1] + "Content-Type: text/html\n\n<p>cheap v&#105;agr&#x61; here"
		case "base64":
			raw = plain[:len(plain)-1] + "Content-Transfer-Encoding: base64\n\nY2hlYXAgdmlhZ3JhIGhlcmU=\n"
		case "quoted-printable":
			raw = plain[:len(plain)-1] + "Content-Transfer-Encoding: quoted-printable\n\ncheap via=\ngra =68ere\n"
		case "no space by a break":
			raw = plain[:len(plain)-1] + "Content-Type: text/html\n\ncheap<br>viagra<div>here</div>"
		}
		t.Run(name, func(t *testing.T) { wants(t, raw, "word: viagra", "words: cheap viagra", "words: viagra here") })
	}
	wants(t, plain[:len(plain)-1]+"Content-Type: text/plain; charset=utf-8\n\ncheap vi\u0430gr\u0430\u200b", "text: look-alike letters", "text: characters without width")
}

// TestOwnScripts: a text in another script is not taken for Latin in disguise.
func TestOwnScripts(t *testing.T) {
	wants(t, plain[:len(plain)-1]+"Content-Type: text/plain; charset=utf-8\n\nПривет мир, как дела сегодня вечером\n",
		"word: привет", "words: привет мир", "text: Cyrillic", "!text: look-alike letters")
	wants(t, plain[:len(plain)-1]+"Content-Type: text/plain; charset=utf-8\n\n会議の予定を送ります\n", "word: 会議", "word: 議の", "text: CJK")
}

func TestHTML(t *testing.T) {
	const page = "From: ann@example.org\nSubject: x\nContent-Type: text/html\n\n"
	wants(t, page+`<div style="display:none">secret <div>inner</div> words</div><p>seen</p>`, "word: seen", "HTML: hidden text 2", "!word: secret", "!word: inner", "!word: words")
	wants(t, page+`<style>p { color: red }</style><script>evil()</script><title>Name</title>text`, "word: text", "HTML: script", "!word: evil", "!word: color", "!word: name")
	wants(t, page+`<a href="http://evil.example/login">https://bank.example/</a>`, "HTML: links that name another host", "link to: evil.example", "link: path with login")
	wants(t, page+`<a href="http://www.bank.example/login">https://bank.example/</a>`, "!HTML: links that name another host")
	wants(t, page+`<img src="https://count.example/p.gif" width="1" height="1"><form action="https://x.example/"></form>`,
		"HTML: images of one pixel", "HTML: form", "link to: count.example", "HTML: images, hardly any text")
	wants(t, page+`vi&#97gra&nbsp;now &amp; caf&eacute; &#x41;bc &#xffffffff; &bogus; &#; &`, "word: viagra", "words: viagra now", "word: cafe", "word: abc", "word: bogus")
	wants(t, page+`a < b and <> c <never closed`, "word: a", "word: b", "word: c")
}

func TestLinks(t *testing.T) {
	wants(t, plain+"see http://WWW.Shop.co.uk:8080/a%41%42%43%44/x.PHP?u=ann@example.org now, or https://ann@198.51.100.7/",
		"link to: www.shop.co.uk", "link to domain: shop.co.uk", "link to domain: .uk", "link: port", "link: file .php", "link: hidden characters",
		"link: address in query", "link to domain: an address", "link to: 198.51.100.7", "link: user name in it", "link: scheme https:")
}

func TestSenders(t *testing.T) {
	wants(t, "From: \"PayPal support@paypal.example\" <x@evil.example>\nReply-To: y@other.example\nSubject: RE: HELLO FRIEND!!!\n\nx",
		"from: x@evil.example", "from: evil.example", "sender's addresses: name is an address no", "sender's addresses: reply to no",
		"subject has: (capitals)", "subject has: ! 3", "author's name has: paypal", "message ID: missing", "recipients: number 0")
}

func TestFiles(t *testing.T) {
	wants(t, "From: a@b.example\nSubject: x\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nhi\n--q\nContent-Type: application/zip; name=\"invoice 2026.pdf.exe\"\n\nMZ\n--q--\n",
		"file: .exe", "file: .exe application/zip", "file: .pdf.exe", "file: named invoice", "structure: 0multipart/mixed1text/plain1application/zip")
}

// TestTrace: what servers put in front of messages, on the way and here, isn't the message's own.
func TestTrace(t *testing.T) {
	x := New()
	without := func(s Set) Set {
		return slices.DeleteFunc(s, func(f uint32) bool { return KindOf(f) == Trace })
	}
	bare := x.Extract(parse(plain + "hello"))
	trace := "Return-Path: <ann@example.org>\nAuthentication-Results: mx.example.com; spf=pass\nX-Postroad-Junk: no, score=3\nX-Spam-Status: No\n" +
		"Received: from a.example ([192.0.2.1]) by b.example; Mon, 2 Feb 2026 10:00:00 +0000\nX-MS-Exchange-Organization-SCL: 1\n"
	if with := without(x.Extract(parse(trace + plain + "hello"))); !slices.Equal(bare, with) {
		t.Errorf("%d features without a trace, %d with one", len(bare), len(with))
	}
}

func TestFactsOf(t *testing.T) {
	const header = "Return-Path: <ann@lists.example.org>\r\nReceived: from localhost (localhost [127.0.0.1])\r\n\tby mx.example.com\r\n" +
		"Received: from Mail.Example.NET (mail.example.net [IPv6:2001:db8::7])\r\n\tby mx.example.com with ESMTPS id 1\r\n" +
		"Received: from forged.example ([192.0.2.99]) by x\r\nAuthentication-Results: mx.example.com; dmarc=pass\r\nFrom: Ann <ann@Example.org>\r\n\r\n"
	f := FactsOf([]byte(header), "mx.example.com;\r\n\tiprev=pass (mail.example.net) policy.iprev=2001:db8::7;"+
		" spf=pass smtp.mailfrom=ann@lists.example.org; spf=fail smtp.helo=mail.example.net; dkim=fail header.d=other.example; dkim=pass header.d=example.org")
	if f.Client.String() != "2001:db8::7" || f.Helo != "mail.example.net" || f.Host != "mail.example.net" || f.From != "ann@lists.example.org" ||
		f.SPF != "pass" || f.DKIM != "pass" || f.DMARC != "" || f.Proven != "example.org" {
		t.Errorf("%+v", f)
	}
	if f := FactsOf([]byte(header), ""); f.DMARC != "" || f.Proven != "" {
		t.Errorf("believes a stranger's field: %+v", f)
	}
	own := "Authentication-Results: mx.example.com; dmarc=fail; dkim=pass header.d=evil.example\r\n" + header
	if f := FactsOf([]byte(own), ""); f.DMARC != "fail" || f.DKIM != "pass" || f.Proven != "" {
		t.Errorf("%+v", f)
	}
}

// TestAuthorBehindMany: who names more authors than anybody reads is none of them for certain.
func TestAuthorBehindMany(t *testing.T) {
	for from, want := range map[string]string{"a@b.example": "b.example", "a@b.example, " + strings.Repeat(":", 50_000): ""} {
		if got := authorOf([][]byte{[]byte(from)}); got != want {
			t.Errorf("%.40q: %q", from, got)
		}
	}
}

// TestProven: whoever has a domain below another one proves nothing about that, and where the author's domain has a policy that alone counts.
func TestProven(t *testing.T) {
	for _, c := range []struct{ author, results, want string }{
		{"github.example", "dkim=pass header.d=evil.github.example; dmarc=none", ""},
		{"github.example", "spf=pass smtp.mailfrom=x@evil.github.example; dmarc=none", ""},
		{"evil.github.example", "spf=pass smtp.mailfrom=x@github.example; dmarc=none", ""},
		{"a.shop.example", "dkim=pass header.d=shop.example; dmarc=none", "a.shop.example"},
		{"a.shop.example", "dkim=pass header.d=shop.example; dmarc=fail", ""},
		{"a.shop.example", "dmarc=fail; dkim=pass header.d=shop.example", ""},
		{"shop.example", "dkim=pass header.d=shop.example; dmarc=permerror", ""},
		{"shop.example", "dkim=pass header.d=Shop.example; dmarc=none", "shop.example"},
		{"shop.example", "spf=pass smtp.mailfrom=x@shop.example", "shop.example"},
		{"shop.example", "spf=pass smtp.mailfrom=x@ashop.example; dkim=pass header.d=example", ""},
		{"shop.example", "spf=fail smtp.mailfrom=x@shop.example; dmarc=pass", "shop.example"},
		{"shop.example", "dkim=pass header.d=hop.example; dkim=pass header.d=.example", ""},
	} {
		if f := FactsOf([]byte("From: x@"+c.author+"\r\n"), "us; "+c.results); f.Proven != c.want {
			t.Errorf("%s, %s: %q", c.author, c.results, f.Proven)
		}
	}
}

// TestProvenAuthor: what proves one author says nothing of another one whom the message names as well.
func TestProvenAuthor(t *testing.T) {
	const ok = "us; dkim=pass header.d=evil.example; dmarc=pass header.from=evil.example"
	for from, want := range map[string]string{
		"From: x@evil.example\r\n":                                       "evil.example",
		"From: friends: a@bank.example;, x@evil.example\r\n":             "",
		"From: a@bank.example, x@evil.example\r\n":                       "",
		"From: x@evil.example, a@bank.example\r\n":                       "",
		"From: a@bank.example\r\nSubject: x\r\nFrom: x@evil.example\r\n": "",
		"From: x@evil.example\r\nfrom : a@bank.example\r\n":              "",
		"From: a@bank.example\r\n":                                       "",
		"From: x@evil.example.\r\n":                                      "evil.example",
		"From: x@Evil.example, y@evil.EXAMPLE\r\n":                       "evil.example",
	} {
		if f := FactsOf([]byte(from+"To: x@y.example\r\n"), ok); f.Proven != want {
			t.Errorf("%q: %q", from, f.Proven)
		}
	}
	if f := FactsOf([]byte("From: x@b\u00fccher.example\r\n"), "us; dmarc=pass header.from=xn--bcher-kva.example"); f.Proven != "b\u00fccher.example" {
		t.Errorf("%q", f.Proven)
	}
	if f := FactsOf([]byte("From: x@evil.example\r\nReceived: from a ([203.0.113.1]) by b\r\n"), ""); f.Client.IsValid() {
		t.Errorf("%+v", f)
	}
}

func TestFacts(t *testing.T) {
	m := parse(plain + "x")
	m.Facts = FactsOf([]byte("Received: from dsl-192-0-2-1.isp.example (dsl-192-0-2-1.isp.example [192.0.2.1]) by us\r\nFrom: a@b.example\r\n"),
		"us; spf=fail smtp.mailfrom=a@b.example; dmarc=none")
	m.Facts.Signs = []string{"link-text"}
	ns := names(m)
	for _, w := range []string{"authentication: SPF fail", "authentication: author's domain isn't proven", "network: 192.0.2.0/24", "network: 192.0.0.0/16",
		"client: like somebody's home", "client: its own name yes", "phishing sign: link-text"} {
		if !slices.Contains(ns, w) {
			t.Errorf("lacks %q; has %q", w, ns)
		}
	}
}

// TestBounds: whatever comes, a set is bounded, without duplicates, and the same each time.
func TestBounds(t *testing.T) {
	var long strings.Builder
	for i := range 60_000 {
		long.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + " http://" + string(rune('a'+i%26)) + ".example/ ")
	}
	x := New()
	for name, raw := range map[string]string{
		"nothing": "", "text": plain + long.String(), "html": plain[:len(plain)-1] + "Content-Type: text/html\n\n" + strings.Repeat("<a href=x>", 50_000),
		"header": strings.Repeat("X-Field-Number: y\nA: b\n", 20_000) + "\nx", "subject": "Subject: " + long.String()[:50_000] + "\n\n",
		"open": plain[:len(plain)-1] + "Content-Type: text/html\n\n" + strings.Repeat(`<a b="`, 30_000),
	} {
		m := parse(raw)
		s := x.Extract(m)
		if len(s) > Max {
			t.Errorf("%s: %d features", name, len(s))
		}
		seen := map[uint32]bool{}
		for _, f := range s {
			if seen[f] {
				t.Fatalf("%s: twice", name)
			}
			seen[f] = true
		}
		if !slices.Equal(s, x.Extract(m)) {
			t.Errorf("%s: another set the second time", name)
		}
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte(plain + "cheap http://a.example/ watches"))
	f.Add([]byte("Content-Type: text/html\n\n<a href='http://x/'>http://y/</a><div style=display:none>a</div><!-- --"))
	x := New()
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := message.NewParser(message.Limits{})
		p.Write(raw)
		s := p.Finish()
		m := &Message{Summary: summary.Make(s, ""), Body: bytes.NewReader(raw), Facts: FactsOf([]byte(s.Header.Raw), "")}
		set := x.Extract(m)
		if len(set) > Max || !slices.Equal(set, x.Extract(m)) {
			t.Errorf("%d features", len(set))
		}
		if slices.Contains(x.Name(m, set), "") {
			t.Error("a feature without a name")
		}
	})
}
