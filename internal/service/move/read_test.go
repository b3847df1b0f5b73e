package move

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

const fromAnn = "From ann@example.org Sun Sep  9 01:46:40 2001\n"

func mboxOf(s string, d Dialect) Source {
	return readMbox(strings.NewReader(s), int64(len(s)), d, []string{"x"})
}

func bodies(list []seen) (all []string) {
	for _, x := range messages(list) {
		all = append(all, x.Body)
	}
	return all
}

func TestMboxDialects(t *testing.T) {
	quoted := fromAnn + "S: 1\n\n>From a\n>>From b\n\n\n" + fromAnn + "S: 2\n\nend\n"
	counted := fromAnn + "S: 1\nContent-Length: 65\n\n>From a\n\n" + fromAnn + "more text\n\n" + fromAnn + "S: 2\n\nend\n"
	for _, c := range []struct {
		name, in string
		dialect  Dialect
		want     []string
	}{
		{"o", quoted, MboxO, []string{"S: 1\r\n\r\nFrom a\r\n>>From b\r\n\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"rd", quoted, MboxRD, []string{"S: 1\r\n\r\nFrom a\r\n>From b\r\n\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"auto without lengths", quoted, AnyMbox, []string{"S: 1\r\n\r\nFrom a\r\n>From b\r\n\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"cl2", counted, MboxCL2, []string{"S: 1\r\n\r\n>From a\r\n\r\n" + crlfOf(fromAnn) + "more text\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"cl", counted, MboxCL, []string{"S: 1\r\n\r\nFrom a\r\n\r\n" + crlfOf(fromAnn) + "more text\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"auto with lengths", counted, AnyMbox, []string{"S: 1\r\n\r\n>From a\r\n\r\n" + crlfOf(fromAnn) + "more text\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"a wrong length is not believed", strings.Replace(counted, "65", "21", 1), AnyMbox,
			[]string{"S: 1\r\n\r\nFrom a\r\n", "more text\r\n\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"a length beyond the end", fromAnn + "Content-Length: 99999999999\n\nx\n\n" + fromAnn + "\ny\n", AnyMbox, []string{"\r\nx\r\n", "\r\ny\r\n"}},
		{"CRLF", crlfOf(quoted), AnyMbox, []string{"S: 1\r\n\r\nFrom a\r\n>From b\r\n\r\n", "S: 2\r\n\r\nend\r\n"}},
		{"no quotes, no lengths", fromAnn + "S: 1\n\na\n\nFrom the start\n", AnyMbox, []string{"S: 1\r\n\r\na\r\n\r\nFrom the start\r\n"}},
		{"no text", fromAnn + "S: 1\n\n" + fromAnn + "S: 2\n", AnyMbox, []string{"S: 1\r\n\r\n", "S: 2\r\n"}},
		{"no last line end", fromAnn + "S: 1\n\na", AnyMbox, []string{"S: 1\r\n\r\na"}},
		{"Thunderbird", "From - Sun Sep 09 01:46:40 2001\nX-Mozilla-Status: 0009\n\ngone\n\nFrom - Sun Sep 09 01:46:40 2001\nX-Mozilla-Status: 0005\nX-Mozilla-Keys: $label1   \nS: 2\n\nx\n",
			AnyMbox, []string{"S: 2\r\n\r\nx\r\n"}},
		{"Pine's own data", fromAnn + "X-IMAP: 1 2\nSubject: DON'T DELETE\n\nx\n\n" + fromAnn + "S: 2\n\nx\n", AnyMbox, []string{"S: 2\r\n\r\nx\r\n"}},
		{"nothing", "\n", AnyMbox, nil},
	} {
		if d := cmp.Diff(c.want, bodies(all(t, mboxOf(c.in, c.dialect)))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	if err := mboxOf("hello\n", AnyMbox)(context.Background(), func(*Message) error { return nil }); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func crlfOf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// Lines and headers of any length go through, in parts.
func TestMboxWithLongLines(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	in := fromAnn + "S: 1\n\n" + long + "From ann Sun Sep  9 01:46:40 2001\n" + long + "\n\n" + fromAnn + "S: " + long + "\nT: 2\n\nend\n"
	want := []string{"S: 1\r\n\r\n" + long + "From ann Sun Sep  9 01:46:40 2001\r\n" + long + "\r\n", "S: " + long + "\r\nT: 2\r\n\r\nend\r\n"}
	got := bodies(all(t, mboxOf(in, AnyMbox)))
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%d messages: %.90q", len(got), got)
	}
}

func TestMboxMarks(t *testing.T) {
	for _, c := range []struct {
		header   string
		flags    mailbox.Flags
		keywords []string
	}{
		{"Status: RO\nX-Status: AF\nX-Keywords: a  $b\n", mailbox.Seen | mailbox.Answered | mailbox.Flagged, []string{"a", "$b"}},
		{"Status: O\nX-Status: DT\n", mailbox.Deleted | mailbox.Draft, nil},
		{"X-Mozilla-Status: 1003\n", mailbox.Seen | mailbox.Answered, []string{"$Forwarded"}},
		{"X-Gmail-Labels: Inbox,Unread,Starred\n", mailbox.Flagged, nil},
		{"X-Gmail-Labels: Sent,Opened\n", mailbox.Seen, nil},
		{"X-Unsent: 1\n", mailbox.Draft, nil},
		{"", 0, nil},
	} {
		x := messages(all(t, mboxOf(fromAnn+c.header+"S: 1\n\nx\n", AnyMbox)))[0]
		if x.Flags != c.flags || cmp.Diff(c.keywords, x.Keywords) != "" || x.Received != 1e9 {
			t.Errorf("%s: %+v", c.header, x)
		}
	}
	x := messages(all(t, mboxOf("From MAILER-DAEMON 00:00:00 0000\nReceived: a; Sun, 9 Sep 2001 01:46:40 +0000\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n\nx\n", AnyMbox)))[0]
	if x.Received != 1e9 {
		t.Error(x.Received)
	}
}

func TestMaildir(t *testing.T) {
	dir := files(t, map[string]string{
		"cur/1.a.host:2,FRSTDPab": "S: 1\n\nx\n", "new/2.b.host": "S: 2\n\nx", "new/.hidden": "x", "tmp/3": "half",
		"dovecot-keywords": "0 $label1\n1 work\n77 x\nnonsense\n", "dovecot-uidlist": "x", "subscriptions": "Work",
		".Work.2024/cur/1:2,S": "S: 3\n\nx\n", ".Work.2024/new": "/", ".Entw&APw-rfe/cur": "/", ".Entw&APw-rfe/new": "/",
		"plain/sub/cur/1": "S: 4\n\nx\n", "plain/sub/new": "/", ".Sent Items/new": "/", ".Sent Items/cur": "/",
	})
	list := all(t, mustOpen(t, dir))
	want := []seen{
		{Folder: []string{"INBOX"}, IsFolder: true},
		{Folder: []string{"INBOX"}, Flags: 31, Keywords: []string{"$Forwarded", "$label1", "work"}, Received: 1e9, Body: "S: 1\r\n\r\nx\r\n"},
		{Folder: []string{"INBOX"}, Received: 1e9, Body: "S: 2\r\n\r\nx"},
		{Folder: []string{"Entwürfe"}, IsFolder: true},
		{Folder: []string{"Sent Items"}, IsFolder: true},
		{Folder: []string{"Work", "2024"}, IsFolder: true},
		{Folder: []string{"Work", "2024"}, Flags: mailbox.Seen, Received: 1e9, Body: "S: 3\r\n\r\nx\r\n"},
		{Folder: []string{"plain", "sub"}, IsFolder: true},
		{Folder: []string{"plain", "sub"}, Received: 1e9, Body: "S: 4\r\n\r\nx\r\n"},
	}
	if d := cmp.Diff(want, list, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	w := newWorld(t)
	w.bring(1, w.open(dir, Options{}))
	if _, ok := w.session(1).Child(0, "Sent Items"); ok {
		t.Error("Sent Items is a folder of its own")
	}
}

func mustOpen(t *testing.T, name string) Source {
	t.Helper()
	from, err := Open(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return from
}

func TestTreesOfFiles(t *testing.T) {
	dir := files(t, map[string]string{
		"a.eml": "Date: Sun, 9 Sep 2001 01:46:41 +0000\nX-Unsent: 1\n\nx", "Work/b.EML": "S: 2\n\nx\n", "Work/notes.txt": "x", ".git/x.eml": "x",
		"Mail": fromAnn + "S: 3\n\nx\n", "Mail.msf": "x", "Mail.sbd/Old.mbox": fromAnn + "S: 4\n\nx\n",
	})
	want := []seen{
		{Folder: []string{"Mail"}, IsFolder: true},
		{Folder: []string{"Mail"}, Received: 1e9, Body: "S: 3\r\n\r\nx\r\n"},
		{Folder: []string{"Mail", "Old"}, IsFolder: true},
		{Folder: []string{"Mail", "Old"}, Received: 1e9, Body: "S: 4\r\n\r\nx\r\n"},
		{Folder: []string{"Work"}, Received: 1e9, Body: "S: 2\r\n\r\nx\r\n"},
		{Folder: []string{"INBOX"}, Flags: mailbox.Draft, Received: 1e9 + 1, Body: "Date: Sun, 9 Sep 2001 01:46:41 +0000\r\nX-Unsent: 1\r\n\r\nx"},
	}
	if d := cmp.Diff(want, all(t, mustOpen(t, dir)), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]fault.Kind{dir + "/none": fault.NotFound, dir + "/Work/notes.txt": fault.Invalid} {
		if _, err := Open(name, Options{}); !fault.Is(err, want) {
			t.Error(name, err)
		}
	}
	if _, err := Open(dir, Options{Mbox: "mboxx"}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	from, err := Open(dir+"/Mail", Options{Folder: []string{"There"}, Seen: true})
	if err != nil {
		t.Fatal(err)
	}
	if x := messages(all(t, from))[0]; x.Folder[0] != "There" || x.Flags != mailbox.Seen {
		t.Errorf("%+v", x)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"plain", "Entwürfe", "a&b", "日本語", "a.b/c%", "😀", "&", ".."} {
		if got := unescapeName(decodeUTF7(encodeUTF7(escapeName(name, ".")))); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	for _, odd := range []string{"a&b", "&AB", "&AAAA", "Entwürfe"} { // as other servers write them
		if got := decodeUTF7(odd); got != odd {
			t.Errorf("%q became %q", odd, got)
		}
	}
	if got := tidyName("a\x00/b\xff" + strings.Repeat("é", 300)); len(got) > mailbox.MaxName || !strings.HasPrefix(got, "a_-b\uFFFD") {
		t.Errorf("%q", got)
	}
}

// A link isn't followed: it could lead to what is for other eyes.
func TestLinksAreLeftOut(t *testing.T) {
	secret := files(t, map[string]string{"secret": fromAnn + "S: 1\n\nx\n", "dir/a.eml": "S: 1\n\nx\n", "md/cur/1": "S: 1\n\nx\n", "md/new": "/"})
	dir := files(t, map[string]string{"box/cur": "/", "box/new": "/"})
	for name, target := range map[string]string{"box/cur/1:2,S": "secret", "a.eml": "secret", "mbox": "secret", "sub": "dir", "box/.Sub": "md"} {
		if err := os.Symlink(filepath.Join(secret, target), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	warned := 0
	from, err := Open(dir, Options{Warn: func(string) { warned++ }})
	if err != nil {
		t.Fatal(err)
	}
	if got := messages(all(t, from)); len(got) != 0 || warned == 0 {
		t.Errorf("%d warnings, %+v", warned, got)
	}
}

// Reading what was written gives the same bytes.
func FuzzMboxGivesBackWhatItTook(f *testing.F) {
	f.Add([]byte("S: 1\r\n\r\nFrom a\r\n>From b\r\n\r\n"))
	f.Add([]byte("S: 1\r\n\r\n" + fromAnn))
	f.Fuzz(func(t *testing.T, in []byte) {
		var text bytes.Buffer
		if _, err := io.Copy(&text, newCRLF(bytes.NewReader(in))); err != nil {
			t.Fatal(err)
		}
		want := "S: 1\r\n\r\n" + text.String()
		if !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		if strings.Contains(want, "\r\r\n") {
			t.Skip("a file whose lines end with LF can't tell a CR at a line's end from CRLF")
		}
		var out bytes.Buffer
		for range 2 {
			if err := writeMbox(&out, &Message{Body: strings.NewReader(want)}); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]string{want, want}, bodies(all(t, mboxOf(out.String(), MboxRD)))); d != "" {
			t.Error(d)
		}
	})
}

func FuzzMbox(f *testing.F) {
	f.Add(fromAnn+"Content-Length: 2\n\nx\n\n"+fromAnn+"\ny\n", "auto")
	f.Fuzz(func(t *testing.T, in, dialect string) {
		total := 0
		_ = mboxOf(in, Dialect(dialect))(context.Background(), func(m *Message) error {
			if m.Body != nil {
				n, err := io.Copy(io.Discard, m.Body)
				total += int(n)
				return err
			}
			return nil
		})
		if total > 2*len(in) {
			t.Errorf("%d bytes of %d", total, len(in))
		}
	})
}

// Google's labels are folders, for each message one, and the rest keywords.
func TestTakeout(t *testing.T) {
	letter := func(n int, labels string) string {
		return fmt.Sprintf("%sX-Gmail-Labels: %s\nSubject: %d\n\nx\n\n", fromAnn, labels, n)
	}
	dir := files(t, map[string]string{"All mail.mbox": letter(1, "Inbox,Unread,Work/2024,Two words") + letter(2, "Archived,Work/2024,Opened") + letter(3, "Sent,Opened") +
		letter(4, "=?UTF-8?Q?Papierkorb,Ge=C3=B6ffnet?=") + letter(5, "Spam,Inbox") + letter(6, "Category Updates,Important") + letter(7, "Draft") + letter(8, "Starred,\n =?UTF-8?Q?=C3=89t=C3=A9?=")})
	from, err := Open(filepath.Join(dir, "All mail.mbox"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all(t, from) {
		got = append(got, fmt.Sprint(m.Folder, m.Keywords, m.Flags))
	}
	want := []string{"[INBOX] [Work/2024 Two_words] 0", "[Work 2024] [] 1", "[Sent] [] 1", "[Trash] [] 1", "[Junk] [] 1", "[Archive] [] 1", "[Drafts] [] 17", "[\u00c9t\u00e9] [] 5"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if from, err = Open(filepath.Join(dir, "All mail.mbox"), Options{Folder: []string{"Google"}}); err != nil {
		t.Fatal(err)
	}
	if m := messages(all(t, from)); fmt.Sprint(m[3].Folder) != "[Google]" {
		t.Error(m[3].Folder)
	}
}

// A file that keeps CRLF keeps the message as it is; and so does a Maildir that we write.
func TestBareLinesStay(t *testing.T) {
	bare := "Subject: x\r\n\r\none\ntwo\r\nthree"
	dir := files(t, map[string]string{"cur/1:2,S": bare, "cur/2:2,S": "Subject: y\n\nx\n", "new": "/"})
	w := newWorld(t)
	w.bring(1, w.open(dir, Options{}))
	again := t.TempDir()
	if _, err := Write(w.ctx, again, Maildir, "ann", through(w, Outgoing(w.session(1)))); err != nil {
		t.Fatal(err)
	}
	w.bring(2, w.open(again, Options{}))
	for _, s := range []*mailbox.Session{w.session(1), w.session(2)} {
		got := map[string]bool{}
		for _, m := range messages(all(t, Outgoing(s))) {
			got[m.Body] = true
		}
		if !got[bare] || !got["Subject: y\r\n\r\nx\r\n"] || len(got) != 2 {
			t.Errorf("%v", got)
		}
	}
}
