package summary

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/format/message"
)

func recordOf(msg string) Record {
	b := []byte(msg)
	s := message.Parse(b)
	return Make(s, message.Preview(s, strings.NewReader(msg)))
}

func TestIMAP(t *testing.T) {
	for _, tt := range []struct{ name, msg, envelope, structure, body string }{
		{
			"nothing", "",
			`(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)`,
			`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)`,
			`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0)`,
		},
		{
			"all envelope fields", "Message-ID: <msg@id>\nIn-Reply-To: <reply@to.id>\nDate: Thu, 15 Feb 2007 01:02:03 +0200\nSubject: subject header\n" +
				"From: From Real <fromuser@fromdomain.org>\nTo: To Real <touser@todomain.org>\nCc: Cc Real <ccuser@ccdomain.org>\n" +
				"Bcc: Bcc Real <bccuser@bccdomain.org>\nSender: Sender Real <senderuser@senderdomain.org>\nReply-To: ReplyTo Real <replytouser@replytodomain.org>\n\nbody\n",
			`("Thu, 15 Feb 2007 01:02:03 +0200" "subject header" (("From Real" NIL "fromuser" "fromdomain.org")) (("Sender Real" NIL "senderuser" "senderdomain.org")) (("ReplyTo Real" NIL "replytouser" "replytodomain.org")) (("To Real" NIL "touser" "todomain.org")) (("Cc Real" NIL "ccuser" "ccdomain.org")) (("Bcc Real" NIL "bccuser" "bccdomain.org")) "<reply@to.id>" "<msg@id>")`,
			`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 5 1 NIL NIL NIL NIL)`,
			`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 5 1)`,
		},
		{
			"groups, comments", "From: user@domain (Real Name)\nSender: \nReply-To: \nTo: group: g1@d1.org, g2@d2.org;, group2: g3@d3.org;\nCc: group:;, group2: (foo) ;\n\n",
			`(NIL NIL (("Real Name" NIL "user" "domain")) (("Real Name" NIL "user" "domain")) (("Real Name" NIL "user" "domain")) ((NIL NIL "group" NIL)(NIL NIL "g1" "d1.org")(NIL NIL "g2" "d2.org")(NIL NIL NIL NIL)(NIL NIL "group2" NIL)(NIL NIL "g3" "d3.org")(NIL NIL NIL NIL)) ((NIL NIL "group" NIL)(NIL NIL NIL NIL)(NIL NIL "group2" NIL)(NIL NIL NIL NIL)) NIL NIL NIL)`,
			"", "",
		},
		{
			"route, empty fields, no host", "From: <@route:user@domain>\nSubject:\nDate: \nIn-Reply-To:\nMessage-ID:\nTo: nobody\n\n",
			`("" "" ((NIL "@route" "user" "domain")) ((NIL "@route" "user" "domain")) ((NIL "@route" "user" "domain")) ((NIL NIL "nobody" "")) NIL NIL "" "")`,
			"", "",
		},
		{
			"quotes and literals", "Subject: say \"hi\\\"\nFrom: \"a \\\"b\\\" c\" <\"x y\"@z>\nTo: J\xc3\xb6rg <j@x>\nMessage-ID: <a\x00b\xff>\n\n",
			`(NIL "say \"hi\\\"" (("a \"b\" c" NIL "x y" "z")) (("a \"b\" c" NIL "x y" "z")) (("a \"b\" c" NIL "x y" "z")) (({5}` + "\r\nJ\xc3\xb6rg" + ` NIL "j" "x")) NIL NIL NIL {6}` + "\r\n<a?b\xff>)",
			"", "",
		},
		{
			"imaptest fetch-bodystructure", "Content-Type: multipart/mixed; boundary=\"foo\n bar\"\n\n--foo bar\nContent-Type: text/x-myown; charset=us-ascii\n\nhello\n\n--foo bar--\n",
			"",
			`(("TEXT" "X-MYOWN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 6 1 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "foo bar") NIL NIL NIL)`,
			`(("TEXT" "X-MYOWN" ("CHARSET" "us-ascii") NIL NIL "7BIT" 6 1) "MIXED")`,
		},
		{
			"everything a part can say", "Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: Base64\nContent-ID: <i@d>\nContent-Description: a (b)\nContent-MD5: Q2hl\nContent-Disposition: Attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac.png\nContent-Language: en, de\nContent-Location: http://x/\n\nAAAA\n",
			"",
			`("IMAGE" "PNG" ("NAME" "a.png") "<i@d>" "a (b)" "BASE64" 5 "Q2hl" ("ATTACHMENT" ("FILENAME*" "utf-8''%e2%82%ac.png")) ("en" "de") "http://x/")`,
			`("IMAGE" "PNG" ("NAME" "a.png") "<i@d>" "a (b)" "BASE64" 5)`,
		},
		{
			"nested message", "Content-Type: message/rfc822\nContent-Disposition: inline\n\nSubject: inner (x\nContent-Type: text/html\n\n<p>\n",
			"",
			`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 47 (NIL "inner (x" NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "HTML" NIL NIL NIL "7BIT" 4 1 NIL NIL NIL NIL) 4 NIL ("INLINE" NIL) NIL NIL)`,
			`("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 47 (NIL "inner (x" NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "HTML" NIL NIL NIL "7BIT" 4 1) 4)`,
		},
		{
			"literals in the structure", "Content-Type: multipart/mixed; boundary=\"\xff b\"\n\n--\xff b\nContent-Description: \xe4)\n\nx\n--\xff b--",
			"",
			"((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL {2}\r\n\xe4) \"7BIT\" 1 0 NIL NIL NIL NIL) \"MIXED\" (\"BOUNDARY\" {3}\r\n\xff b) NIL NIL NIL)",
			"((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL {2}\r\n\xe4) \"7BIT\" 1 0) \"MIXED\")",
		},
		{
			"encoded message keeps the shape", "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nAAAA\n",
			"",
			`("MESSAGE" "RFC822" NIL NIL NIL "BASE64" 5 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL) 1 NIL NIL NIL NIL)`,
			`("MESSAGE" "RFC822" NIL NIL NIL "BASE64" 5 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0) 1)`,
		},
		{
			"multipart without parts", "Content-Type: multipart/mixed; boundary=x\n\n",
			"",
			`(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "x") NIL NIL NIL)`,
			`(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0) "MIXED")`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := recordOf(tt.msg)
			if got := string(r.Envelope()); tt.envelope != "" && got != tt.envelope {
				t.Errorf("envelope\n got %s\nwant %s", got, tt.envelope)
			}
			if got := string(r.BodyStructure()); tt.structure != "" && got != tt.structure {
				t.Errorf("body structure\n got %s\nwant %s", got, tt.structure)
			}
			if got := string(r.Body()); tt.body != "" && got != tt.body {
				t.Errorf("body\n got %s\nwant %s", got, tt.body)
			}
		})
	}
}

// The numbers and what they mean are those of RFC 9051 section 6.4.5.1, "example of a complex message".
func TestPartNumbers(t *testing.T) {
	msg := "Subject: top\nContent-Type: multipart/mixed; boundary=b\n\n" +
		"--b\n\none\n--b\nContent-Type: application/octet-stream\n\ntwo\n" +
		"--b\nContent-Type: message/rfc822\n\nSubject: in 3\nContent-Type: multipart/mixed; boundary=c\n\n" +
		"--c\nX: 1\n\nthree-one\n--c\n\nthree-two\n--c--\n" +
		"--b\nContent-Type: multipart/mixed; boundary=d\n\n" +
		"--d\nContent-Type: image/gif\n\nfour-one\n--d\nContent-Type: message/rfc822\n\nSubject: in 4.2\n\nfour-two-one\n--d--\n--b--\n"
	r := recordOf(msg)
	cut := func(s Span) string { return msg[s.Offset:s.End()] }
	for _, tt := range []struct{ number, header, body, nested string }{
		{"1", "\n", "one", ""},
		{"2", "Content-Type: application/octet-stream\n\n", "two", ""},
		{"3", "Content-Type: message/rfc822\n\n", "*", "Subject: in 3\nContent-Type: multipart/mixed; boundary=c\n\n"},
		{"3.1", "X: 1\n\n", "three-one", ""},
		{"3.2", "\n", "three-two", ""},
		{"4", "Content-Type: multipart/mixed; boundary=d\n\n", "*", ""},
		{"4.1", "Content-Type: image/gif\n\n", "four-one", ""},
		{"4.2", "Content-Type: message/rfc822\n\n", "Subject: in 4.2\n\nfour-two-one", "Subject: in 4.2\n\n"},
		{"4.2.1", "Subject: in 4.2\n\n", "four-two-one", ""},
		{"0", "", "", ""}, {"5", "", "", ""}, {"1.1", "", "", ""}, {"3.3", "", "", ""}, {"3.1.1", "", "", ""}, {"4.2.2", "", "", ""}, {"4.2.1.1", "", "", ""}, {"", "", "", ""},
	} {
		p, ok := r.Part(number(tt.number)...)
		if ok != (tt.header != "") {
			t.Errorf("part %s: found is %v", tt.number, ok)
			continue
		}
		if !ok {
			continue
		}
		if got := cut(p.Header); got != tt.header {
			t.Errorf("part %s has header %q", tt.number, got)
		}
		if got := cut(p.Body); tt.body != "*" && got != tt.body {
			t.Errorf("part %s has body %q", tt.number, got)
		}
		n, ok := r.Nested(number(tt.number)...)
		if ok != (tt.nested != "") || ok && cut(n.Header) != tt.nested {
			t.Errorf("part %s has a message: %v, %q", tt.number, ok, cut(n.Header))
		}
	}
	if p, ok := r.Root(); !ok || cut(p.Header) != string(r.Header()) || p.Kind != Multipart {
		t.Errorf("root %+v", p)
	}
	var kinds []string
	for depth, p := range r.Parts() {
		kinds = append(kinds, fmt.Sprintf("%d %s/%s", depth, p.Type, p.Subtype))
	}
	want := []string{"0 multipart/mixed", "1 text/plain", "1 application/octet-stream", "1 message/rfc822", "2 multipart/mixed",
		"3 text/plain", "3 text/plain", "1 multipart/mixed", "2 image/gif", "2 message/rfc822", "3 text/plain"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
}

func number(s string) (ns []uint32) {
	for f := range strings.SplitSeq(s, ".") {
		var n uint32
		if _, err := fmt.Sscan(f, &n); err == nil {
			ns = append(ns, n)
		}
	}
	return ns
}
