package summary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/format/message"
)

func TestAccessors(t *testing.T) {
	r := recordOf(typical)
	if base, reply := r.BaseSubject(); base != "The quarterly numbers and what to do about them" || !reply {
		t.Errorf("base subject %q, %v", base, reply)
	}
	want := []any{
		"Re: [list] The quarterly numbers and what to do about them",
		"20260303111109.12345@laptop.example.org",
		[]string{"CAFoo123@mail.example.com"},
		[]string{"CAFoo120@mail.example.com", "CAFoo121@mail.example.com", "CAFoo123@mail.example.com"},
		"Hello Bob, the numbers are in, and they are better than we thought… Ann",
		[]message.Address{{Name: "Ann Example", Mailbox: "ann", Host: "example.org"}},
		[]message.Address{{Name: "Bob Builder", Mailbox: "bob", Host: "example.com"}, {Name: "Carol, the third", Mailbox: "carol", Host: "example.com"}},
		[]message.Address{{Name: "Jörg Müller", Mailbox: "joerg", Host: "example.de"}},
		typical[:strings.Index(typical, "\r\n\r\n")+4],
	}
	got := []any{r.Subject(), r.MessageID(), r.InReplyTo(), r.References(), r.Preview(), r.From(), r.To(), r.Cc(), string(r.Header())}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for list, want := range map[List][]message.Address{From: r.From(), Sender: r.Sender(), ReplyTo: r.ReplyTo(), To: r.To(), Cc: r.Cc(), Bcc: r.Bcc()} {
		var got []message.Address
		l := r.Addresses(list)
		for a, ok := l.Next(); ok; a, ok = l.Next() {
			got = append(got, message.Address{Group: a.Group, Name: string(a.Name), Mailbox: string(a.Mailbox), Host: string(a.Host)})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("list %d: %s", list, diff)
		}
	}
	if d, ok := r.SentDate(); !ok || d.Format(time.RFC3339) != "2026-03-03T11:11:09+01:00" {
		t.Errorf("date %v, %v", d, ok)
	}
	if len(r.Sender()) != 0 || len(r.ReplyTo()) != 0 || len(r.Bcc()) != 0 || !r.Valid() {
		t.Error("there is no sender, no reply-to and no bcc")
	}
	html, ok := r.Part(2)
	wantPart := Part{Kind: Leaf, Header: html.Header, Body: html.Body, Lines: html.Lines, Type: "text", Subtype: "html", Encoding: "quoted-printable", Charset: "UTF-8"}
	if !ok || cmp.Diff(wantPart, html) != "" || html.Lines != 1 {
		t.Errorf("part 2 is %+v", html)
	}
}

func TestGroupsAndBadText(t *testing.T) {
	r := recordOf("To: g: a@b;\nFrom: \xff <\xff@b>\nSubject: \xff\n\n")
	if diff := cmp.Diff([]message.Address{{Name: "g", Group: message.GroupStart}, {Mailbox: "a", Host: "b"}, {Group: message.GroupEnd}}, r.To()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]message.Address{{Name: "ÿ", Mailbox: "ÿ", Host: "b"}}, r.From()); diff != "" || r.Subject() != "ÿ" {
		t.Error(diff, r.Subject())
	}
}

// 8-bit headers are in the character set of the text.
func TestHeaderCharset(t *testing.T) {
	for _, tt := range []struct{ contentType, want string }{
		{"text/plain; charset=windows-1251", "Поздравляем"},
		{"text/plain; charset=nonsense", "Ïîçäðàâëÿåì"},
		{"text/plain", "Ïîçäðàâëÿåì"},
		{"multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=windows-1251", "Поздравляем"},
	} {
		r := recordOf("Subject: Re: \xcf\xee\xe7\xe4\xf0\xe0\xe2\xeb\xff\xe5\xec\nFrom: \xcf\xee\xe7\xe4\xf0\xe0\xe2\xeb\xff\xe5\xec <a@b>\nContent-Type: " + tt.contentType + "\n\nx")
		if base, reply := r.BaseSubject(); r.Subject() != "Re: "+tt.want || base != tt.want || !reply || r.From()[0].Name != tt.want {
			t.Errorf("%s: subject %q, base %q, from %+v", tt.contentType, r.Subject(), base, r.From())
		}
	}
}

// A header that is too long is not kept, but known.
func TestHeaderLimit(t *testing.T) {
	for _, n := range []int{MaxHeader - 1, MaxHeader, MaxHeader + 1, 20 * MaxHeader} {
		msg := "Subject: x\nA: " + strings.Repeat("a", n-len("Subject: x\nA: ")-2) + "\n\nbody"
		r := recordOf(msg)
		if kept := len(r.Header()) == n; kept != (n <= MaxHeader) {
			t.Errorf("header of %d octets: %d kept", n, len(r.Header()))
		}
		if root, ok := r.Root(); !ok || root.Header.Size != int64(n) || r.Subject() != "x" {
			t.Errorf("header of %d octets: %+v", n, root)
		}
	}
}

func TestEmptyAndDamaged(t *testing.T) {
	good := recordOf(typical)
	readAll(nil)
	for i := range good {
		readAll(good[:i])
		bad := append(Record(nil), good...)
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			bad[i] = b
			readAll(bad)
		}
	}
	if Record(nil).Valid() || good[:1].Valid() || good[:10].Valid() {
		t.Error("a damaged record is valid")
	}
	// A record of a later version with more sections, and of an earlier one with fewer, can be read.
	more := append(Record{version, sections + 1}, good[tableStart:tableStart+4*sections]...)
	more = append(more, good[tableStart+4*(sections-1):tableStart+4*sections]...)
	more = append(more, good[tableStart+4*sections:]...)
	if more.Subject() != good.Subject() || string(more.Envelope()) != string(good.Envelope()) {
		t.Error("a record with more sections reads differently")
	}
	fewer := append(Record{version, 2}, good[tableStart:tableStart+8]...)
	fewer = append(fewer, good[tableStart+4*sections:]...)
	if string(fewer.BodyStructure()) != string(good.BodyStructure()) || fewer.Subject() != "" {
		t.Error("a record with fewer sections reads differently")
	}
}

// readAll calls every accessor, for they must not panic, and checks that what they say stays in the record.
func readAll(r Record) {
	r.Envelope()
	r.BodyStructure()
	r.Body()
	r.Header()
	r.Preview()
	r.Subject()
	r.BaseSubject()
	r.MessageID()
	r.InReplyTo()
	r.References()
	for _, f := range []func() []message.Address{r.From, r.Sender, r.ReplyTo, r.To, r.Cc, r.Bcc} {
		f()
	}
	r.SentDate()
	r.Root()
	for range r.Parts() {
	}
	for _, n := range [][]uint32{nil, {0}, {1}, {2}, {1, 1}, {1, 1, 1}, {1 << 31}, {2, 3, 4, 5}} {
		r.Part(n...)
		r.Nested(n...)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(recordOf(typical)))
	f.Add([]byte(recordOf("Content-Type: message/rfc822\n\nSubject: \xff\n\nx")))
	f.Fuzz(func(t *testing.T, b []byte) { readAll(b) })
}

// FuzzMake checks that whatever is in a message, its texts for IMAP are what the syntax allows.
func FuzzMake(f *testing.F) {
	files, _ := filepath.Glob("../message/testdata/*.eml")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(typical))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\nTo: g: a;\n\n--b\nContent-Type: message/rfc822\n\nSubject: \"\\\x00\xff\n--b--"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := message.Parse(b)
		r := Make(s, "")
		checkSyntax(t, r)
		if len(r) > MaxSize {
			t.Fatalf("record of %d octets", len(r))
		}
		n := 0
		for range r.Parts() {
			n++
		}
		want := 0
		s.Root.Walk(func(*message.Part) bool { want++; return true })
		if n != want {
			t.Fatalf("%d parts in the table of %d", n, want)
		}
	})
}
