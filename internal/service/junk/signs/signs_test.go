package signs

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/format/message"
)

// look parses a message, whose line ends are LF, and looks at it.
func look(msg string, f Facts) *Message {
	b := []byte(strings.ReplaceAll(msg, "\n", "\r\n"))
	p := message.NewParser(message.Limits{})
	p.Write(b)
	return Look(p.Finish(), bytes.NewReader(b), f)
}

// said lists signs as "kind severity evidence".
func said(all []Sign) []string {
	var s []string
	for _, x := range all {
		s = append(s, strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Kind, x.Severity, x.Evidence)))
	}
	return s
}

func check(t *testing.T, what string, got []Sign, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, said(got)); diff != "" {
		t.Errorf("%s:%s", what, diff)
	}
}

func local(domain string) bool { return domain == "ours.example" || domain == "ours.com" }

func TestAuthors(t *testing.T) {
	unproven, proven := Facts{Checked: true, Local: local}, Facts{Checked: true, Proven: true, Local: local}
	for _, c := range []struct {
		from  string
		facts Facts
		want  []string
	}{
		{`Ann <ann@example.com>`, proven, nil},
		{`"ann@example.com" <ann@example.com>`, proven, nil},
		{`"Booking.com" <noreply@mail.booking.com>`, proven, nil},
		{`"Amazon.com" <noreply@amazon.co.uk>`, proven, nil},
		{`"Dr. med. A. St.John" <a@example.com>`, proven, nil},
		{`"service@bank.com" <x@evil.net>`, proven, []string{"name-address warning bank.com > evil.net"}},
		{`"boss@ours.com" <x@evil.net>`, proven, []string{"name-address danger ours.com > evil.net"}},
		{"\"boss@ou\u200brs.c\u00adom\" <x@evil.net>", proven, []string{"name-address danger ours.com > evil.net"}},
		{"\"Pay\u2060Pal Service\" <x@evil.net>", proven, []string{"name-brand warning PayPal Service > evil.net"}},
		{`"www.bank.com service" <x@evil.net>`, proven, []string{"name-domain notice www.bank.com > evil.net"}},
		{`"PayPal Service" <x@evil.net>`, proven, []string{"name-brand warning PayPal Service > evil.net"}},
		{`=?utf-8?b?UGF5UNCwbA==?= <x@evil.net>`, proven, []string{"name-brand warning PayPаl > evil.net"}},
		{`PayPal <x@paypal.de>`, proven, nil},
		{`Boss <boss@ours.com>`, unproven, []string{"from-forged danger ours.com"}},
		{`Boss <boss@ours.com>`, proven, nil},
		{`Boss <boss@ours.com>`, Facts{Local: local}, nil},
		{`PP <x@paypa1.com>`, proven, []string{"from-lookalike danger paypa1.com > paypal"}},
		{`PP <x@mail.rnicrosoft.com>`, proven, []string{"from-lookalike danger mail.rnicrosoft.com > microsoft"}},
		{`PP <x@microsotf.com>`, proven, []string{"from-lookalike warning microsotf.com > microsoft"}},
		{`PP <x@xn--pypal-4ve.com>`, proven, []string{"from-script danger pаypal.com", "from-lookalike danger pаypal.com > paypal"}},
		{`Müller <x@xn--mller-kva.de>`, proven, nil},
		{"=?utf-8?b?4oCuZXhl?= <x@example.com>", proven, []string{"name-hidden danger exe"}},
		{``, proven, nil},
		{`undisclosed:;`, proven, nil},
	} {
		check(t, c.from, look("From: "+c.from+"\nSubject: hello\n\nHello.\n", c.facts).Signs(), c.want...)
	}
	usual := Facts{Checked: true, Usual: func(d string) bool { return d == "bank.com" }}
	check(t, "usual", look("From: a@bank.com\n\n", usual).Signs(), "from-unproven warning bank.com")
}

func TestReplies(t *testing.T) {
	for reply, want := range map[string][]string{
		"ann@example.com": nil, "list@other.example": nil, "ann@mail.example.com": nil,
		"ann.boss@gmail.com": {"reply-elsewhere warning ann@example.com > ann.boss@gmail.com"},
	} {
		check(t, reply, look("From: ann@example.com\nReply-To: "+reply+"\n\n", Facts{}).Signs(), want...)
	}
}

// htmlMail is a message of HTML alone.
func htmlMail(body string) string {
	return "From: Ann <ann@example.com>\nSubject: hello\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n" + body
}

func TestLinks(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`<a href="https://example.com/a">Here</a>`, ""},
		{`<a href="https://www.bank.com/">www.bank.com</a>`, ""},
		{`<a href="https://bank.de/">bank.com</a>`, ""},
		{`<a href="https://evil.net/x">https://www.bank.com/login</a>`, "link-text warning www.bank.com > evil.net"},
		{`<A HREF=https://evil.net/x><b>www.</b>bank.com</A>`, "link-text warning www.bank.com > evil.net"},
		{`<a href="https://evil.net/x">Sign in at https://paypal.com now</a>`, "link-text danger paypal.com > evil.net"},
		{`<a href="https://evil.net/x">www.ours.com</a>`, "link-text danger www.ours.com > evil.net"},
		{`<a href="https://click.mailer.com/x">www.bank.com</a>`, "link-text notice www.bank.com > click.mailer.com"},
		{`<a href="https://nam01.safelinks.protection.outlook.com/?url=x">www.bank.com</a>`, ""},
		{`<a href="https://evil.net/">Dear ann@bank.com</a>`, ""},
		{`<a href="mailto:ann@example.com">bank.com</a>`, ""},
		{`<a href="http://192.0.2.7/x">go</a>`, "link-address warning 192.0.2.7"},
		{`<a href="http://3221225991/x">go</a>`, "link-address warning 3221225991"},
		{`<a href="http://0xc0.0.2.07/x">go</a>`, "link-address warning 0xc0.0.2.07"},
		{`<a href="http://[2001:db8::1]:80/x">go</a>`, "link-address warning [2001:db8::1]"},
		{`<a href="http://192.168.1.1/">router</a>`, "link-address notice 192.168.1.1"},
		{`<a href="https://bank.com@evil.net/">go</a>`, "link-user danger bank.com > evil.net"},
		{`<a href="https://ann:pw@example.com/">go</a>`, "link-user notice ann:pw > example.com"},
		{"<a href=' ht\ntps:\\\\evil.net\\x'>bank.com</a>", "link-text warning bank.com > evil.net"},
		{`<a href="//evil.net">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https:&#47;&#x2f;evil.net">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a href="javascript:alert(1)">go</a>`, "link-code danger javascript"},
		{`<a href="data:text/html;base64,AAAA">go</a>`, "link-code warning data"},
		{`<a href="https://xn--pypal-4ve.com/">go</a>`, "link-script danger pаypal.com; link-lookalike danger pаypal.com > paypal"},
		{`<a href="https://pаypal.com/">go</a>`, "link-script danger pаypal.com; link-lookalike danger pаypal.com > paypal"},
		{`<a href="https://arnazon.com/">go</a>`, "link-lookalike danger arnazon.com > amazon"},
		{`<form action="https://evil.net/f"><input name=a type="password"></form>`, "form warning evil.net; form-password danger"},
		{`<abbr href="http://192.0.2.7/">x</abbr><area href="http://192.0.2.7/">`, "link-address warning 192.0.2.7"},
		{`<a title="a>b" href="http://192.0.2.7/">`, "link-address warning 192.0.2.7"},
		{`<a data-href="http://192.0.2.7/" href="https://example.com">`, ""},
		{`<a href="https://evil.net/"><b title=">">bank.com</b></a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/"><b title="</a>">bank.com</b></a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/"><abbr></abbr>bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/">bank<!-- > -->.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/">bank&#8203;.com</a>`, "link-text warning bank.com > evil.net"},
		{"<a href=\"https://evil.net/\">ba\u00adnk.c\u200dom</a>", "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/">https://bank.com/ and so on`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/"><b title="` + strings.Repeat("x", 2000) + `"></b>bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/">bank.com<a href="https://example.com/">and</a>`, "link-text warning bank.com > evil.net"},
		{`<base href="https://evil.net/x/"><a href="/login">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<base href="https://192.0.2.7"><a href="login?x">here</a>`, "link-address warning 192.0.2.7"},
		{`<a href="/login">bank.com</a>`, ""},
		{`<a title="href=https://bank.com/" href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a title=" href=https://bank.com/ " href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a href="https://evil.net/" href="https://bank.com/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a "><a href="https://evil.net/">bank.com</a><a ">`, "link-text warning bank.com > evil.net"},
		{`<a x=y"><a href="https://evil.net/">bank.com</a><a ">`, "link-text warning bank.com > evil.net"},
		{`<b x='<a title="'><a href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<!-- <a title=" --><a href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<!-- <a href="https://evil.net/">bank.com</a> -->`, "link-text warning bank.com > evil.net"},
		{`<style><!-- <a title=" </style><a href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<script>"<a title='"</script><a href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<!x <a title="><a href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<!--><a href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a data-x="` + strings.Repeat("x", 9000) + `" href="https://evil.net/">bank.com</a>`, "link-text warning bank.com > evil.net"},
		{`<a`, ""}, {`<a href`, ""}, {`<a href=`, ""}, {`<`, ""}, {`<a href="`, ""},
	} {
		want := []string(nil)
		if c.want != "" {
			want = strings.Split(c.want, "; ")
		}
		check(t, c.body, look(htmlMail(c.body), Facts{Local: local, Vouched: []string{"mailer.com"}}).Signs(), want...)
	}
	check(t, "text", look("From: ann@example.com\n\nSee http://192.0.2.7/x, https://paypa1.com.\n", Facts{}).Signs(),
		"link-address warning 192.0.2.7", "link-lookalike danger paypa1.com > paypal")
}

func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, n := range names {
		if _, err := w.Create(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fileMail is a message with one attached file.
func fileMail(name, typ string, content []byte) string {
	e := base64.StdEncoding.EncodeToString(content)
	var lines strings.Builder
	for c := range slices.Chunk([]byte(e), 76) {
		lines.Write(c)
		lines.WriteByte('\n')
	}
	return "From: ann@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHello.\n--b\nContent-Type: " + typ +
		"\nContent-Disposition: attachment; filename*=utf-8''" + strings.ReplaceAll(strings.ReplaceAll(name, " ", "%20"), "\u202e", "%E2%80%AE") +
		"\nContent-Transfer-Encoding: base64\n\n" + lines.String() + "--b--\n"
}

func TestFiles(t *testing.T) {
	encrypted := zipOf(t, "invoice.txt", "a.js")
	for at := 0; ; {
		i := bytes.Index(encrypted[at:], []byte("PK\x01\x02"))
		if i < 0 {
			break
		}
		encrypted[at+i+8] |= 1
		at += i + 4
	}
	ole := append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 100<<10)...)
	ole = append(append(ole, vbaProject...), make([]byte, 3000)...)
	big := zipOf(t, "a.txt", "dir/run.vbs")
	big = append([]byte("PK\x03\x04"+strings.Repeat("x", 300<<10)), big...)
	for _, c := range []struct {
		name, typ string
		content   []byte
		want      string
	}{
		{"report.pdf", "application/pdf", []byte("%PDF"), ""},
		{"photo.jpg", "image/jpeg", []byte("x"), ""},
		{"setup.exe", "application/octet-stream", []byte("MZ"), "file-program warning setup.exe"},
		{"setup.exe. .", "application/octet-stream", []byte("MZ"), "file-program warning setup.exe. ."},
		{"invoice.pdf.exe", "application/octet-stream", []byte("MZ"), "file-double danger invoice.pdf.exe; file-program warning invoice.pdf.exe"},
		{"invoice.pdf", "application/pdf", []byte("MZ\x90"), "file-program danger invoice.pdf"},
		{"annex\u202egpj.exe", "application/octet-stream", []byte("MZ"), "name-hidden danger annexgpj.exe; file-program warning annexgpj.exe"},
		{"a.docm", "application/x", nil, "file-macro warning a.docm"},
		{"a.docx", "application/x", zipOf(t, "word/document.xml", "word/vbaProject.bin"), "file-macro warning a.docx"},
		{"a.docx", "application/x", zipOf(t, "word/document.xml"), ""},
		{"a.doc", "application/msword", ole, "file-macro warning a.doc"},
		{"a.doc", "application/msword", ole[:1000], ""},
		{"a.zip", "application/zip", zipOf(t, "a.txt", "b/c.pdf.scr"), "file-double danger b/c.pdf.scr; archive-program warning b/c.pdf.scr"},
		{"a.zip", "image/png", zipOf(t, "b.scr"), "archive-program warning b.scr"},
		{"a.docx", "text/plain", zipOf(t, "word/vbaProject.bin"), "file-macro warning a.docx"},
		{"a.xls", "video/mp4", ole, "file-macro warning a.xls"},
		{"a.zip", "application/zip", big, "archive-program warning dir/run.vbs"},
		{"a.zip", "application/zip", encrypted, "archive-locked notice a.zip; archive-program danger a.js"},
		{"page.html", "application/octet-stream", []byte("<p>hello"), "file-html notice page.html"},
		{"page.html", "text/html", []byte("<form><INPUT Type='password'>"), "file-html notice page.html; file-form danger page.html"},
		{"page.svg", "image/svg+xml", []byte("<script>x</script>"), "file-html notice page.svg; file-form warning page.svg"},
	} {
		want := []string(nil)
		if c.want != "" {
			want = strings.Split(c.want, "; ")
		}
		check(t, c.name, look(fileMail(c.name, c.typ, c.content), Facts{}).Signs(), want...)
	}
}

func TestCircles(t *testing.T) {
	c := Circle{Domains: []string{"mycompany.com", "stadtwerke-musterstadt.de"}, Person: func(key string) []string {
		if key == NameKey("Jane Doe") {
			return []string{"jane@mycompany.com"}
		}
		return nil
	}}
	known := c
	known.Known = true
	for _, x := range []struct {
		msg  string
		c    Circle
		want string
	}{
		{"From: x@mycompany.com\n\n", c, ""},
		{"From: x@mail.mycompany.com\n\n", c, ""},
		{"From: x@mycompany.de\n\n", c, ""},
		{"From: x@rnycompany.com\n\n", c, "from-lookalike danger rnycompany.com > mycompany.com"},
		{"From: x@mycompony.com\n\n", c, "from-lookalike warning mycompony.com > mycompany.com"},
		{"From: x@mycompany.com.evil.net\n\n", c, "from-lookalike danger mycompany.com.evil.net > mycompany.com"},
		{"From: x@t.co.uk\n\n", Circle{Domains: []string{"t.co"}}, ""},
		{"From: x@mycompany-login.net\n\n", c, "from-lookalike notice mycompany-login.net > mycompany.com"},
		{"From: x@other.net\n\nhttps://mycornpany.com/\n", c, "link-lookalike danger mycornpany.com > mycompany.com"},
		{"From: Jane Doe <jane@mycompany.com>\n\n", c, ""},
		{"From: Jane Doe <jane.doe@sub.mycompany.com>\n\n", c, ""},
		{"From: \"Doe, Jane\" <ceo@evil.net>\n\n", c, "name-person warning jane@mycompany.com > ceo@evil.net"},
		{"From: =?utf-8?b?SsOhbmUgRNC+ZQ==?= <ceo@evil.net>\nSubject: URGENT: wire\n\n", c, "urgent-stranger notice URGENT: wire; name-person danger jane@mycompany.com > ceo@evil.net"},
		{"From: Jane Doe <jane@home.net>\nSubject: urgent\n\n", known, ""},
		{"From: Jane <ceo@evil.net>\nSubject: insurgents\n\n", c, ""},
	} {
		want := []string(nil)
		if x.want != "" {
			want = strings.Split(x.want, "; ")
		}
		check(t, x.msg, look(x.msg, Facts{}).For(x.c), want...)
	}
}

// TestForDoesNotChangeTheMessage: what one recipient's circle shows, another doesn't see.
func TestForDoesNotChangeTheMessage(t *testing.T) {
	m := look("From: \"x@bank.com\" <x@rnycompany.com>\n\n", Facts{})
	m.For(Circle{Domains: []string{"mycompany.com"}})
	check(t, "signs", m.Signs(), "name-address warning bank.com > rnycompany.com")
}

func TestTextForm(t *testing.T) {
	all := []Sign{{LinkText, Danger, "bank.com > evil.net"}, {FormPassword, Danger, ""}, {NameHidden, Warning, "größe: 100% \"x\""}}
	text := string(AppendText(nil, all))
	if want := `link-text:3:bank.com%20%3E%20evil.net form-password:3 name-hidden:2:gr%C3%B6%C3%9Fe%3A%20100%25%20%22x%22`; text != want {
		t.Errorf("%s", text)
	}
	if diff := cmp.Diff(all, Parse(strings.ReplaceAll(text, " ", "\r\n\t"))); diff != "" {
		t.Error(diff)
	}
	if got := Parse("later-sign:2:x form:0 form:4 form: form form:22 :2:x " + strings.Repeat("form:1 ", 100)); len(got) != MaxSigns {
		t.Errorf("%d signs", len(got))
	}
}

// TestKindsAreNamed: each kind has a name of its own, in the characters that the text form takes, and an explanation.
func TestKindsAreNamed(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if n := k.String(); n == "" || seen[n] || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz-") != "" || KindOf(n) != k {
			t.Errorf("kind %d: %q", k, n)
		}
		seen[k.String()] = true
		if s := (Sign{k, Notice, "x"}).Explain(); !strings.HasSuffix(s, ": x") || len(s) < 20 {
			t.Errorf("%s: %q", k, s)
		}
	}
}

func TestListsAreSorted(t *testing.T) {
	if !slices.IsSorted(freeMail[:]) {
		t.Error("freeMail")
	}
}

// TestBounds: very many links, hosts and files cost no more than the bounds allow.
func TestBounds(t *testing.T) {
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, `<a href="https://h%d.example.net/">www.bank%d.com</a>`, i, i)
	}
	m := look(htmlMail(b.String()), Facts{})
	if len(m.Hosts()) != maxHosts || m.links > maxLinks+1 {
		t.Errorf("%d hosts, %d links", len(m.Hosts()), m.links)
	}
	long := strings.Repeat("ö", 5000)
	for _, s := range look("From: \""+long+" paypal x@bank.com\" <"+long+"@"+long+".example>\nReply-To: x@gmail.com\nSubject: \u202e"+long+"\n\n", Facts{}).Signs() {
		if len(s.Evidence) > MaxEvidence {
			t.Errorf("%d bytes of evidence", len(s.Evidence))
		}
	}
}

func FuzzLook(f *testing.F) {
	f.Add([]byte(htmlMail(`<a href="https://evil.net/x">https://www.bank.com/login</a><form action=x><input type=password>`)))
	f.Add([]byte(fileMail("a.zip", "application/zip", zipOf(f, "a.pdf.exe"))))
	f.Add([]byte("From: \"service@bank.com\" <x@xn--pypal-4ve.com>\nReply-To: x@gmail.com\n\nhttp://0x7f.1/"))
	c := Circle{Domains: []string{"mycompany.com"}, Person: func(string) []string { return []string{"x@y.z"} }}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := message.NewParser(message.Limits{})
		p.Write(b)
		all := Look(p.Finish(), bytes.NewReader(b), Facts{Checked: true, Local: local}).For(c)
		if len(all) > MaxSigns {
			t.Fatalf("%d signs", len(all))
		}
		if diff := cmp.Diff(len(all), len(Parse(string(AppendText(nil, all))))); diff != "" {
			t.Fatal(diff)
		}
		for _, s := range all {
			if len(s.Evidence) > MaxEvidence || strings.ContainsAny(s.Evidence, "\r\n\x00") {
				t.Fatalf("%q", s.Evidence)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("link-text:3:bank.com%20%3E%20evil.net form-password:3")
	f.Fuzz(func(t *testing.T, s string) {
		all := Parse(s)
		if diff := cmp.Diff(all, Parse(string(AppendText(nil, all)))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkLook2KB(b *testing.B) {
	body := `<html><head><style>p {color: red}</style></head><body><p>Dear customer,</p>` +
		strings.Repeat(`<p style="margin:0">Some text of a newsletter that goes on. <a href="https://news.example.com/path?x=1">Read more</a></p>`, 8) +
		`<p><a href="https://news.example.com/">www.example.com</a></p>` + strings.Repeat("<p>More text.</p>", 30) + `</body></html>`
	benchmark(b, []byte(strings.ReplaceAll(htmlMail(body), "\n", "\r\n")))
}

func BenchmarkLookPlain2KB(b *testing.B) {
	benchmark(b, []byte("From: Ann Other <ann@example.com>\r\nSubject: hello\r\n\r\n"+strings.Repeat("Some text of a letter. See https://example.com/a\r\n", 40)))
}

func benchmark(b *testing.B, msg []byte) {
	p := message.NewParser(message.Limits{})
	p.Write(msg)
	s := p.Finish()
	f := Facts{Checked: true, Proven: true, Vouched: []string{"example.com"}, Local: local}
	var c Circle
	for i := range 100 {
		c.Domains = append(c.Domains, fmt.Sprintf("company-%d.example", i))
	}
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		Look(s, bytes.NewReader(msg), f).For(c)
	}
}

// TestNameKeyHidden: nothing that can't be seen, or that nobody looks at, hides whose name it is.
func TestNameKeyHidden(t *testing.T) {
	want := NameKey("Jane Doe")
	for _, name := range []string{
		"Jane Doe" + strings.Repeat(" ", 2000), "Jane Doe" + strings.Repeat("\u200b", 400), "Jane\u3164Doe", "Jane \uffa0\u2800 Doe", "Jane Doe @", "Jane Doe <jane@friend.example>", "Ja\u00adne Doe",
		"Jane Doe " + strings.Repeat("x", 400), "\u2060Jane\u00a0Doe\u034f",
	} {
		if got := NameKey(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
	for _, name := range []string{"jane.doe@friend.example", "Jane", "@ @", "Jane Doe of the Society for the Prevention of Names", strings.Repeat("\u3164", 50)} {
		if got := NameKey(name); got == want || strings.Contains(name, "@") && got != "" {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// TestAnchors: what costs most to look at is still cheap: links without an address aren't looked into.
func TestAnchors(t *testing.T) {
	m := look("From: a@b.example\nContent-Type: text/html\n\n<a name=x>www.somewhere.com</a><a href=http://evil.net/>www.somewhere.com</a>", Facts{})
	if got := m.Signs(); len(got) != 1 || got[0].Kind != LinkText || len(m.Hosts()) != 1 {
		t.Errorf("%+v", got)
	}
}

// BenchmarkLookHostile is what costs most: anchors without an end.
func BenchmarkLookHostile(b *testing.B) {
	msg := []byte("From: a@b.example\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("<a></", maxBody/5))
	s := message.Parse(msg)
	for b.Loop() {
		Look(s, bytes.NewReader(msg), Facts{})
	}
}
