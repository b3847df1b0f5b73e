package message

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func draft(body Entity) *Draft {
	d := &Draft{Body: body}
	d.AddDate("Date", time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)))
	d.AddAddresses("From", Address{Name: "Jörg, the \"fox\"", Mailbox: "j", Host: "example.org"})
	d.AddAddresses("To", Address{Name: "Ann B. Example", Mailbox: "ann", Host: "example.com"}, Address{Mailbox: "bob", Host: "example.com"})
	d.AddAddresses("Cc")
	d.AddText("Subject", "Grüße aus Köln, and a rather long text in ASCII behind it to see where the line is folded")
	d.AddMessageIDs("Message-ID", "1@example.org")
	return d
}

// The whole of a message, to be read.
func TestCompose(t *testing.T) {
	d := draft(NewMultipart("mixed",
		NewMultipart("alternative", NewText("Hello,\n\nsee below.  \n"), NewHTML("<p>Hello, <b>größer</b>")),
		NewAttachment("Übersicht.pdf", "application/pdf", []byte("%PDF-1.4\x00\xff")),
	))
	d.Boundary = "b"
	want := strings.ReplaceAll(`Date: Wed, 4 Mar 2026 05:06:07 +0100
From: =?utf-8?q?J=C3=B6rg=2C_the_=22fox=22?= <j@example.org>
To: "Ann B. Example" <ann@example.com>, bob@example.com
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln=2C?= and a rather long text
 in ASCII behind it to see where the line is folded
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b-0002

--b-0002
Content-Type: multipart/alternative; boundary=b-0001

--b-0001
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Hello,

see below. =20

--b-0001
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Hello, <b>gr=C3=B6=C3=9Fer</b>
--b-0001--

--b-0002
Content-Type: application/pdf; name*=utf-8''%C3%9Cbersicht.pdf
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.pdf

JVBERi0xLjQA/w==

--b-0002--
`, "\n", "\r\n")
	if diff := cmp.Diff(want, string(d.Bytes())); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(d.Bytes(), d.Bytes()) {
		t.Error("the same draft gives different messages")
	}
}

// What is composed is parsed as it was meant.
func TestComposeParses(t *testing.T) {
	longName := strings.Repeat("sehr länger Name ", 10) + ".txt"
	d := draft(NewMultipart("mixed",
		NewMultipart("related", NewHTML("<img src='cid:i@x'>"), NewInline("i@x", "p.png", "image/png", []byte{1, 2, 3})),
		NewAttachment(longName, "", []byte("--=_part-0002--\r\n")),
		NewAttachment(`we"ird \ (name); x.txt`, "text/plain", []byte("a\nFrom b\n.c\n\x00 \t\n"+strings.Repeat("x", 2000))),
		NewMessage(draft(NewText("Привет, мир")).Bytes()),
		NewReport("delivery-status", NewText("failed"), Entity{Type: "message/delivery-status", Content: []byte("Reporting-MTA: dns; x\n\n")}, Entity{}),
	))
	b := d.Bytes()
	checkOffsets(t, b)
	checkPortions(t, b)
	s := Parse(b)
	root := s.Root
	if len(root.Children) != 5 || root.Children[0].Children[1].ID != "<i@x>" || root.Children[0].Children[1].Filename() != "p.png" {
		t.Fatalf("structure\n%s", outline(string(b), s))
	}
	body := func(p *Part) string {
		c, _ := io.ReadAll(p.Body(bytes.NewReader(b)))
		return string(c)
	}
	if got := root.Children[1]; got.Filename() != longName || got.Disposition != "attachment" || body(got) != "--=_part-0002--\r\n" {
		t.Errorf("attachment %+v: %q", got, body(got))
	}
	if got := root.Children[2]; got.Filename() != `we"ird \ (name); x.txt` || body(got) != "a\r\nFrom b\r\n.c\r\n\x00 \t\r\n"+strings.Repeat("x", 2000) {
		t.Errorf("text attachment %+v: %q", got, body(got))
	}
	nested := root.Children[3].Message
	if nested == nil || body(nested.Root) != "Привет, мир" || DecodeWords(nested.Envelope.Subject) != DecodeWords(s.Envelope.Subject) {
		t.Errorf("nested %+v", nested)
	}
	if r := root.Children[4]; r.Param("report-type") != "delivery-status" || len(r.Children) != 2 || body(r.Children[1]) != "Reporting-MTA: dns; x\r\n\r\n" {
		t.Errorf("report %+v", r)
	}
	for l := range strings.Lines(string(b)) {
		if len(l) > 80 && !strings.Contains(l, "xxx") || strings.TrimRight(l, "\r\n") != strings.TrimSuffix(l, "\r\n") {
			t.Errorf("line %q", l)
		}
	}
}

func TestComposeEncodings(t *testing.T) {
	for _, tt := range []struct {
		e    Entity
		want string
	}{
		{NewText("plain"), "7bit"},
		{NewText("From me"), "quoted-printable"},
		{NewText("blank \n"), "quoted-printable"},
		{NewText(strings.Repeat("x", 79)), "quoted-printable"},
		{NewText("größer als sonst immer"), "quoted-printable"},
		{NewText("日本語"), "base64"},
		{NewAttachment("x", "image/png", []byte("x")), "base64"},
		{Entity{Type: "text/plain", Encoding: "8BIT", Content: []byte("ü")}, "8bit"},
		{Entity{Type: "a/b", Encoding: "binary", Content: []byte("\n\x00")}, "binary"},
		{NewMessage([]byte("From: a\n\nFrom x ")), "7bit"},
		{NewMessage([]byte("From: ü\n\n")), "8bit"},
	} {
		d := Draft{Body: tt.e}
		b := d.Bytes()
		root := Parse(b).Root
		if root.Encoding != tt.want {
			t.Errorf("%q is encoded as %s, want %s", tt.e.Content, root.Encoding, tt.want)
		}
		want := string(tt.e.Content)
		if tt.e.isText() {
			want = string(crlf([]byte(want)))
		}
		if got, _ := io.ReadAll(root.Body(bytes.NewReader(b))); string(got) != want {
			t.Errorf("%q came back as %q", want, got)
		}
	}
	e := NewReport("disposition-notification", NewText("read"), NewText("machine"), NewMessage([]byte("A: b\n\n")))
	e.Description, e.Fields = "ein Bericht für dich", []DraftField{{"X-Own", "1"}}
	s := Parse((&Draft{Body: e}).Bytes())
	if len(s.Root.Children) != 3 || DecodeWords(s.Root.Description) != e.Description || s.Header.Get("x-own") != "1" {
		t.Errorf("report %q", s.Header.Raw)
	}
}

func TestComposeTakesNoFieldsFromValues(t *testing.T) {
	d := &Draft{Body: NewAttachment("a\r\nX: y", "", nil)}
	d.AddText("Subject", "x\r\nBcc: evil@example.org\r\n\r\nbody")
	d.Add("X-A", "x\nBcc: evil@example.org")
	d.AddMessageIDs("Message-ID", "a\r\nBcc: evil")
	s := Parse(d.Bytes())
	if s.Header.Has("Bcc") || s.Header.Has("X") {
		t.Errorf("header %q", s.Header.Raw)
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("subject", "text\n", "name", []byte("content"))
	f.Add("ü =?utf-8?q?x?=", "a  \nFrom \n--=_part-0001\n"+strings.Repeat("é", 80), "ü/\\\"", []byte("--=_part-0001--"))
	f.Fuzz(func(t *testing.T, subject, text, name string, content []byte) {
		d := draft(NewMultipart("mixed", NewText(text), NewAttachment(name, "", content)))
		d.Fields = append([]DraftField{{"Subject", EncodeWords(subject)}}, d.Fields...)
		b := d.Bytes()
		s := Parse(b)
		if len(s.Root.Children) != 2 {
			t.Fatalf("%d parts in %q", len(s.Root.Children), b)
		}
		got, _ := io.ReadAll(s.Root.Children[0].Body(bytes.NewReader(b)))
		if want := crlf([]byte(strings.ToValidUTF8(text, "\uFFFD"))); !bytes.Equal(got, want) {
			t.Fatalf("text %q came back as %q in %q", want, got, b)
		}
		if got, _ := io.ReadAll(s.Root.Children[1].Body(bytes.NewReader(b))); !bytes.Equal(got, content) {
			t.Fatalf("content %q came back as %q", content, got)
		}
		if want := strings.TrimSpace(strings.Map(oneLine, strings.ToValidUTF8(subject, "\uFFFD"))); DecodeWords(s.Envelope.Subject) != want {
			t.Fatalf("subject %q came back as %q", want, DecodeWords(s.Envelope.Subject))
		}
	})
}
