package policy

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

func openDB(t testing.TB) kv.DB {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openBook(t testing.TB, db kv.DB) *Book {
	t.Helper()
	b, err := Open(context.Background(), db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func add(t testing.TB, b *Book, p Policy) Policy {
	t.Helper()
	p, err := b.Add(context.Background(), p)
	if err != nil {
		t.Fatalf("%+v: %v", p, err)
	}
	return p
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		p    Policy
		want string // "": it is refused
	}{
		{Policy{Kind: Sender, Pattern: " *.Spam.EXAMPLE ", Action: Reject}, "spam.example"},
		{Policy{Kind: Sender, Pattern: "@bücher.example", Action: Reject}, "xn--bcher-kva.example"},
		{Policy{Kind: Sender, Pattern: "Ann@Example.COM", Action: Reject}, "ann@example.com"},
		{Policy{Kind: Sender, Pattern: "a b", Action: Reject}, ""},
		{Policy{Kind: Sender, Pattern: "example.com"}, ""},
		{Policy{Kind: Sender, Pattern: "example.com", Action: Junk, Text: "x"}, ""},
		{Policy{Kind: Sender, Pattern: "example.com", Action: Reject, Text: "no\r\n250 yes"}, ""},
		{Policy{Kind: Sender, Pattern: "example.com", Action: Reject, Direction: Out}, ""},
		{Policy{Kind: Sender, Pattern: "example.com", Action: Reject, Account: 7}, ""},
		{Policy{Kind: Network, Pattern: "192.0.2.77/24", Action: Allow}, "192.0.2.0/24"},
		{Policy{Kind: Network, Pattern: "2001:db8::1", Action: Allow}, "2001:db8::1/128"},
		{Policy{Kind: Network, Pattern: "::ffff:192.0.2.1", Action: Allow}, "192.0.2.1/32"},
		{Policy{Kind: Network, Pattern: "fe80::1%eth0/64", Action: Allow}, ""},
		{Policy{Kind: Network, Pattern: "example.com", Action: Allow}, ""},
		{Policy{Kind: File, Pattern: "*.EXE", Action: Reject, Direction: Both}, "exe"},
		{Policy{Kind: File, Pattern: "tar.gz", Action: Reject}, ""},
		{Policy{Kind: File, Pattern: "exe", Action: Allow}, ""},
		{Policy{Kind: File, Pattern: "exe", Action: Junk, Direction: Both}, ""},
		{Policy{Kind: Type, Pattern: "Video/*", Action: Quarantine}, "video/*"},
		{Policy{Kind: Type, Pattern: "*/*", Action: Quarantine}, ""},
		{Policy{Kind: Type, Pattern: "video", Action: Quarantine}, ""},
		{Policy{Kind: Size}, ""},
		{Policy{Kind: Size, MaxBytes: 1 << 51}, ""},
		{Policy{Kind: Disclaimer, Text: "x"}, ""},
		{Policy{Kind: Disclaimer, Domain: "ours.example", Text: " "}, ""},
		{Policy{Kind: Disclaimer, Domain: "ours.example", Text: strings.Repeat("x", MaxText+1)}, ""},
		{Policy{Kind: Disclaimer, Domain: "ours.example", Text: "\xff"}, ""},
		{Policy{Kind: Journal, Pattern: "nobody"}, ""},
		{Policy{Kind: Journal, Pattern: "keep@Archive.Example"}, "keep@archive.example"},
		{Policy{Kind: 0, Pattern: "x"}, ""}, {Policy{Kind: kinds, Pattern: "x"}, ""},
	} {
		got, err := c.p.normalised()
		if (err == nil) != (c.want != "") || err == nil && got.Pattern != c.want || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s %q: %q %v", c.p.Kind, c.p.Pattern, got.Pattern, err)
		}
	}
}

// TestTheMostExactDecides: and what is against mail comes before what is for it.
func TestTheMostExactDecides(t *testing.T) {
	b := openBook(t, openDB(t))
	for _, p := range []Policy{
		{Kind: Sender, Pattern: "bad.example", Action: Reject},
		{Kind: Sender, Pattern: "good.bad.example", Action: Allow},
		{Kind: Sender, Pattern: "ann@bad.example", Action: Junk},
		{Kind: Sender, Pattern: "fine.example", Action: Allow},
		{Kind: Sender, Pattern: "fine.example", Domain: "ours.example", Action: Reject},
		{Kind: Sender, Pattern: "bad.example", Domain: "ours.example", Action: Allow},
		{Kind: Network, Pattern: "192.0.2.0/24", Action: Reject},
		{Kind: Network, Pattern: "192.0.2.128/25", Action: Allow},
	} {
		add(t, b, p)
	}
	for _, c := range []struct {
		from, domain string
		want         Action
	}{
		{"x@bad.example", "", Reject}, {"x@sub.bad.example", "", Reject}, {"X@BAD.example", "other.example", Reject},
		{"x@notbad.example", "", 0}, {"x@good.bad.example", "", Allow}, {"x@a.good.bad.example", "", Allow},
		{"Ann@bad.example", "", Junk}, {"", "", 0}, {"example", "", 0},
		{"x@fine.example", "", Allow}, {"x@fine.example", "other.example", Allow},
		{"x@fine.example", "ours.example", Reject}, // a domain may refuse whom the server lets in
		{"x@bad.example", "ours.example", Reject},  // and not the other way round
	} {
		got := Action(0)
		if p := b.current().sender(c.from, c.domain); p != nil {
			got = p.Action
		}
		if got != c.want {
			t.Errorf("%s in %q: %s, not %s", c.from, c.domain, got, c.want)
		}
	}
	for a, want := range map[string]Action{"192.0.2.1": Reject, "192.0.2.200": Allow, "::ffff:192.0.2.1": Reject, "192.0.3.1": 0, "2001:db8::1": 0} {
		got := Action(0)
		if p := b.current().network(netip.MustParseAddr(a), ""); p != nil {
			got = p.Action
		}
		if got != want {
			t.Errorf("%s: %s", a, got)
		}
	}
	if err := b.Connected(netip.MustParseAddr("192.0.2.1")); refusalOf(err) == nil {
		t.Error("a client of a denied network may come in")
	}
	if err := b.Received(netip.Addr{}, "x@fine.example", "ours.example"); refusalOf(err) == nil {
		t.Error("a domain's policy doesn't count")
	}
}

func TestBookOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t)
		b := openBook(t, db)
		first := add(t, b, Policy{Kind: Sender, Pattern: "a.example", Action: Reject, Text: "Go away", By: "root"})
		second := add(t, b, Policy{Kind: Journal, Account: 9, Direction: Out, Pattern: "keep@a.example", Strict: true})
		add(t, b, Policy{Kind: Disclaimer, Domain: "ours.example", Text: "a\r\nb", HTML: "<p>a"})
		if _, err := b.Add(t.Context(), Policy{Kind: Sender, Pattern: "A.example", Action: Allow}); !fault.Is(err, fault.Exists) {
			t.Errorf("the same again: %v", err)
		}
		if err := b.Remove(t.Context(), second.ID); err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(t.Context(), second.ID); !fault.Is(err, fault.NotFound) {
			t.Errorf("removed twice: %v", err)
		}
		third := add(t, b, Policy{Kind: Size, MaxBytes: 5, Domain: "ours.example"})
		if third.ID <= second.ID {
			t.Error("an ID was given twice")
		}
		again := openBook(t, db)
		if got, want := fmt.Sprint(again.All()), fmt.Sprint(b.All()); got != want {
			t.Errorf("%s\nnot %s", got, want)
		}
		if p, ok := again.Policy(first.ID); !ok || p.Text != "Go away" || p.By != "root" {
			t.Errorf("%+v", p)
		}
		if err := again.Forget(t.Context(), "ours.example", 0); err != nil || len(again.All()) != 1 {
			t.Errorf("%v %+v", err, again.All())
		}
	})
}

func TestDamagedPoliciesAreAnError(t *testing.T) {
	db := openDB(t)
	add(t, openBook(t, db), Policy{Kind: Sender, Pattern: "a.example", Action: Reject})
	if err := db.Update(t.Context(), Partition, func(tx kv.Tx) error { return tx.Set(policyKey(1), []byte{1, 2}) }); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), db, Options{}); !fault.Is(err, fault.Corrupt) {
		t.Errorf("%v", err)
	}
}

func TestLimits(t *testing.T) {
	b := openBook(t, openDB(t))
	if n, _ := b.Limit(In, "ours.example", 7); n != 0 {
		t.Errorf("%d without policies", n)
	}
	for _, p := range []Policy{
		{Kind: Size, MaxBytes: 100}, {Kind: Size, Domain: "ours.example", Direction: In, MaxBytes: 200}, {Kind: Size, Account: 7, Direction: Out, MaxBytes: 300},
	} {
		add(t, b, p)
	}
	for _, c := range []struct {
		d        Direction
		domain   string
		accounts []ident.AccountID
		want     int64
	}{
		{In, "", nil, 100}, {In, "ours.example", nil, 200}, {Out, "ours.example", nil, 100}, {Out, "ours.example", []ident.AccountID{6, 7}, 300}, {In, "", []ident.AccountID{7}, 100},
	} {
		if n, id := b.Limit(c.d, c.domain, c.accounts...); n != c.want || id == 0 {
			t.Errorf("%+v: %d", c, n)
		}
	}
}

// Each message is written once more for each journal, so there are few of them, also where whoever administers a domain adds them.
func TestJournalsAreFew(t *testing.T) {
	b := openBook(t, openDB(t))
	for _, scope := range []Policy{{Kind: Journal, Account: 7}, {Kind: Journal, Domain: "ours.example"}, {Kind: Journal}} {
		for n := range MostJournals {
			p := scope
			p.Pattern = fmt.Sprintf("keep%d@archive.example", n)
			add(t, b, p)
		}
		scope.Pattern = "more@archive.example"
		if _, err := b.Add(t.Context(), scope); !fault.Is(err, fault.TooLarge) {
			t.Errorf("%+v: %v", scope, err)
		}
	}
}

func refusalOf(err error) *Refusal { return RefusalOf(err) }

// fileMail is a message with an attached file.
func fileMail(from, name, typ string, content []byte) string {
	return "From: " + from + "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: " + typ + "; name=\"" + name +
		"\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(content) + "\r\n--b--\r\n"
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

func TestJudge(t *testing.T) {
	b := openBook(t, openDB(t))
	if b.Looks(In) || b.Looks(Out) {
		t.Error("nothing is to be looked at")
	}
	for _, p := range []Policy{
		{Kind: File, Pattern: "exe", Action: Reject, Direction: Both, Text: "No programs, please"},
		{Kind: File, Pattern: "js", Action: Quarantine, Direction: In},
		{Kind: File, Pattern: "iso", Action: Reject, Domain: "ours.example"},
		{Kind: Type, Pattern: "video/*", Action: Junk},
		{Kind: Sender, Pattern: "bad.example", Action: Reject},
		{Kind: Sender, Pattern: "odd.example", Action: Junk},
		{Kind: Sender, Pattern: "friend.example", Action: Allow},
		{Kind: Network, Pattern: "192.0.2.0/24", Action: Allow},
	} {
		add(t, b, p)
	}
	for name, c := range map[string]struct {
		m    Message
		mail string
		want string
	}{
		"plain":                    {Message{Direction: In}, "From: a@b.example\r\n\r\nhello", "none"},
		"program":                  {Message{Direction: In}, fileMail("a@b.example", "Setup.EXE", "application/octet-stream", nil), "550 No programs, please"},
		"program, dots":            {Message{Direction: In}, fileMail("a@b.example", "Setup.exe. .", "application/octet-stream", nil), "550 No programs, please"},
		"program out":              {Message{Direction: Out}, fileMail("a@b.example", "Setup.EXE", "application/octet-stream", nil), "550 No programs, please"},
		"script":                   {Message{Direction: In}, fileMail("a@b.example", "a.js", "text/plain", nil), "quarantine"},
		"script out":               {Message{Direction: Out}, fileMail("a@b.example", "a.js", "text/plain", nil), "none"},
		"archive":                  {Message{Direction: In}, fileMail("a@b.example", "a.zip", "application/zip", zipOf(t, "x.txt", "d/a.exe")), "550 No programs, please"},
		"archive of another name":  {Message{Direction: In}, fileMail("a@b.example", "a.pdf", "application/pdf", zipOf(t, "a.js")), "quarantine"},
		"image":                    {Message{Direction: In}, fileMail("a@b.example", "a.iso", "x/y", nil), "none"},
		"image, domain":            {Message{Direction: In, Domain: "ours.example"}, fileMail("a@b.example", "a.iso", "x/y", nil), "550 Messages with files such as a.iso are not taken here"},
		"video":                    {Message{Direction: In}, fileMail("a@b.example", "a", "Video/MP4", nil), "junk"},
		"video, said again":        {Message{Direction: In}, "From: a@b.example\r\nContent-Type: text/plain\r\nContent-Type: Video/MP4\r\n\r\nhello", "junk"},
		"video and script":         {Message{Direction: In}, fileMail("a@b.example", "a.js", "video/mp4", nil), "quarantine"},
		"reverse-path":             {Message{Direction: In, From: "x@bad.example"}, "From: a@b.example\r\n\r\nhello", "550 Mail of this sender is not wanted here"},
		"author":                   {Message{Direction: In}, "From: a@b.example, x@sub.bad.example\r\n\r\nhello", "550 Mail of this author is not wanted here"},
		"author out":               {Message{Direction: Out}, "From: x@bad.example\r\n\r\nhello", "none"},
		"junk author":              {Message{Direction: In}, "From: x@odd.example\r\n\r\nhello", "junk"},
		"friend, not proved":       {Message{Direction: In, From: "x@friend.example"}, "From: x@friend.example\r\n\r\nhello", "none"},
		"friend, another proved":   {Message{Direction: In, Proved: "evil.example"}, "From: x@friend.example\r\n\r\nhello", "none"},
		"friend, proved":           {Message{Direction: In, Proved: "friend.example"}, "From: x@friend.example\r\n\r\nhello", "allow"},
		"friend by path":           {Message{Direction: In, From: "x@friend.example", PathProved: true}, "From: a@b.example\r\n\r\nhello", "allow"},
		"friend sends a program":   {Message{Direction: In, Proved: "friend.example"}, fileMail("x@friend.example", "a.exe", "x/y", nil), "550 No programs, please"},
		"friendly network":         {Message{Direction: In, Client: netip.MustParseAddr("192.0.2.9")}, "From: a@b.example\r\n\r\nhello", "allow"},
		"friendly network, author": {Message{Direction: In, Client: netip.MustParseAddr("192.0.2.9")}, "From: x@odd.example\r\n\r\nhello", "junk"},
	} {
		c.m.Content, c.m.Size = strings.NewReader(c.mail), int64(len(c.mail))
		got := "none"
		ruling, err := b.Judge(&c.m)
		if r := refusalOf(err); r != nil {
			got = fmt.Sprint(r.Code, " ", r.Text)
		} else if ruling.Policy != 0 {
			got = ruling.Action.String()
		}
		if got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
}

// TestHiddenFiles: nothing that is said or put around a program keeps it from being seen.
func TestHiddenFiles(t *testing.T) {
	b := openBook(t, openDB(t))
	add(t, b, Policy{Kind: File, Pattern: "exe", Action: Reject, Text: "No programs, please"})
	part := func(header, body string) string {
		return "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + header + "\r\n" + body + "\r\n--b--\r\n"
	}
	z := zipOf(t, "a.exe")
	coded := base64.StdEncoding.EncodeToString
	var quoted bytes.Buffer
	w := quotedprintable.NewWriter(&quoted)
	w.Binary = true
	w.Write(z)
	w.Close()
	const b64, zipped = "Content-Transfer-Encoding: base64\r\n", "Content-Type: application/zip; name=a.zip\r\n"
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("a long name of a file that fills the directory %d.txt", i))
	}
	for name, mail := range map[string]string{
		"two names":         part("Content-Type: x/y; name=a.exe\r\nContent-Disposition: attachment; filename=a.txt\r\n", "MZ"),
		"two names, turned": part("Content-Type: x/y; name=a.txt\r\nContent-Disposition: attachment; filename=a.exe\r\n", "MZ"),
		"quoted-printable":  part(zipped+"Content-Transfer-Encoding: quoted-printable\r\n", quoted.String()),
		"text":              part("Content-Type: text/plain; name=a.zip\r\n"+b64, coded(z)),
		"something before":  part(zipped+b64, coded(append([]byte("hello!"), z...))),
		"something behind":  part(zipped+b64, coded(append(slices.Clone(z), make([]byte, 300<<10)...))),
		"many files":        part(zipped+b64, coded(zipOf(t, append(names, "a.exe")...))),
		"many archives":     part(zipped+b64, strings.Repeat(coded(zipOf(t, "a.txt"))+"\r\n--b\r\n"+zipped+b64+"\r\n", 100)+coded(z)),
		"many parts":        part("", strings.Repeat("x\r\n--b\r\n\r\n", 11_000)),
		"deep":              deep(200, "Content-Type: x/y; name=a.exe\r\n\r\nMZ"),

		"another type":     strings.Replace(part("Content-Type: x/y; name=a.exe\r\n", "MZ"), "Content-Type", "Content-Type: text/plain\r\nContent-Type", 1),
		"another boundary": strings.Replace(part("Content-Type: x/y; name=a.exe\r\n", "MZ"), "boundary=b", "boundary=a; boundary=b", 1),
		"another encoding": part(zipped+"Content-Transfer-Encoding: 7bit\r\n"+b64, coded(z)),

		"one name twice":      part("Content-Disposition: attachment; filename=a.txt; filename=a.exe\r\n", "MZ"),
		"two ways":            part("Content-Disposition: attachment; filename=a.exe; filename*=utf-8''a.txt\r\n", "MZ"),
		"two ways, turned":    part("Content-Disposition: attachment; filename=a.txt; filename*=utf-8''a.exe\r\n", "MZ"),
		"one way twice":       part("Content-Disposition: attachment; filename*=utf-8''a.txt; filename*=utf-8''a%2Eexe\r\n", "MZ"),
		"pieces":              part("Content-Disposition: attachment; filename=a.txt; filename*0=\"a.e\"; filename*1=xe\r\n", "MZ"),
		"pieces twice":        part("Content-Disposition: attachment; filename*0=a.t; filename*1=xt; filename*0=a.e; filename*1=xe\r\n", "MZ"),
		"a field twice":       part("Content-Disposition: attachment; filename=a.txt\r\nContent-Disposition: attachment; filename=a.exe\r\n", "MZ"),
		"a type twice":        part("Content-Type: x/y; name=a.txt\r\ncontent-type : x/y; name=a.exe\r\n", "MZ"),
		"the other parameter": part("Content-Disposition: attachment; name=a.exe\r\n", "MZ"),
		"many parameters":     part("Content-Disposition: attachment; "+strings.Repeat("x=y; ", 200)+"filename=a.exe\r\n", "MZ"),
		"far too many":        part("Content-Disposition: attachment; "+strings.Repeat("x=y; ", 2000)+"filename=a.exe\r\n", "MZ"),
		"tab":                 part("Content-Disposition: attachment; filename=\"a.exe.\t\"\r\n", "MZ"),
		"control":             part("Content-Disposition: attachment; filename=\"a.exe\x01.\"\r\n", "MZ"),
		"cut short":           part("Content-Disposition: attachment; filename*=utf-8''a.exe%00.txt\r\n", "MZ"),
		"not cut short":       part("Content-Disposition: attachment; filename*=utf-8''a.txt%00.exe\r\n", "MZ"),
		"turned around":       part("Content-Disposition: attachment; filename*=utf-8''a%E2%80%AEtxt.e%E2%80%ACxe\r\n", "MZ"),
		"wide space":          part("Content-Disposition: attachment; filename*=utf-8''a.exe%E3%80%80.\r\n", "MZ"),
	} {
		m := Message{Direction: In, Content: strings.NewReader(mail), Size: int64(len(mail))}
		if _, err := b.Judge(&m); refusalOf(err) == nil {
			t.Errorf("%s: not found", name)
		}
	}
	for name, mail := range map[string]string{
		"archive": part(zipped+b64, coded(zipOf(t, names...))), "letter": "From: a@b.example\r\n\r\nPK\x03\x04 a.exe\r\n", "fifty": part("", strings.Repeat("x\r\n--b\r\n\r\n", 50)), "nested": deep(20, "Content-Type: x/y; name=a.txt\r\n\r\nMZ"),
	} {
		m := Message{Direction: In, Content: strings.NewReader(mail), Size: int64(len(mail))}
		if r, err := b.Judge(&m); err != nil || r.Policy != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// deep puts a part into n messages, one inside of the other.
func deep(n int, part string) string {
	return strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n) + part
}

// TestNobodysPolicies: a nil Book and an empty one decide nothing, and cost no memory.
func TestNobodysPolicies(t *testing.T) {
	empty := openBook(t, openDB(t))
	client := netip.MustParseAddr("192.0.2.1")
	for _, b := range []*Book{nil, empty} {
		n := testing.AllocsPerRun(100, func() {
			if b.Connected(client) != nil || b.Sent("a@b.example") != nil || b.Received(client, "a@b.example", "ours.example") != nil ||
				b.Apart("ours.example") != "" || b.Looks(In) || b.Looks(Out) || b.Journaling() || b.AllowsSender("a@b.example", "x") || b.AllowsNetwork(client) {
				t.Error("something is decided")
			}
			if n, _ := b.Limit(In, "ours.example", 7); n != 0 {
				t.Error("there is a limit")
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// TestParsedOnce: a message that somebody has parsed isn't parsed again.
func TestParsedOnce(t *testing.T) {
	book := openBook(t, openDB(t))
	add(t, book, Policy{Kind: File, Pattern: "exe", Action: Reject})
	asked := 0
	m := &Message{Direction: In, Content: strings.NewReader(""), Parsed: func() *message.Structure {
		asked++
		return message.Parse([]byte("Content-Type: text/plain; name=x.exe\r\n\r\nx\r\n"))
	}}
	if _, err := book.Judge(m); RefusalOf(err) == nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

func BenchmarkSenderAmong10000(b *testing.B) {
	var all []Policy
	for i := range 10000 {
		all = append(all, Policy{ID: uint64(i + 1), Kind: Sender, Pattern: fmt.Sprintf("spam-%d.example", i), Action: Reject, Direction: In})
	}
	s := newSet(all)
	b.ReportAllocs()
	for b.Loop() {
		if s.sender("ann@mail.example.com", "ours.example") != nil {
			b.Fatal("decided")
		}
	}
}

// BenchmarkJudgeFile is a message with 8 MB attached.
func BenchmarkJudgeFile(b *testing.B) {
	book := openBook(b, openDB(b))
	add(b, book, Policy{Kind: File, Pattern: "exe", Action: Reject})
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	coded := base64.StdEncoding.EncodeToString(content)
	var lines strings.Builder
	for ; len(coded) > 76; coded = coded[76:] {
		lines.WriteString(coded[:76] + "\r\n")
	}
	mail := "From: a@b.example\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines.String() + coded + "\r\n"
	b.SetBytes(int64(len(mail)))
	for b.Loop() {
		if r, err := book.Judge(&Message{Direction: In, Content: strings.NewReader(mail), Size: int64(len(mail))}); err != nil || r.Policy != 0 {
			b.Fatal(r, err)
		}
	}
}

// BenchmarkJudgePlain is a message without files, and policies that have nothing to say of it.
func BenchmarkJudgePlain(b *testing.B) {
	book := openBook(b, openDB(b))
	add(b, book, Policy{Kind: File, Pattern: "exe", Action: Reject})
	for i := range 20 {
		add(b, book, Policy{Kind: Sender, Pattern: fmt.Sprintf("bad%d.example", i), Action: Reject})
		add(b, book, Policy{Kind: Network, Pattern: fmt.Sprintf("198.51.100.%d", i), Action: Reject})
	}
	mail := "Received: from a.example ([192.0.2.1])\r\n\tby b.example with ESMTP; Mon, 2 Mar 2026 10:00:00 +0100\r\nDKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=From:To;\r\n\tb=" +
		strings.Repeat("abcd", 90) + "\r\nFrom: Ann <ann@a.example>\r\nTo: bob@b.example\r\nSubject: hello\r\nMessage-ID: <1@a.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + strings.Repeat("some words in a line\r\n", 50)
	parsed := message.Parse([]byte(mail))
	m := &Message{Direction: In, Client: netip.MustParseAddr("192.0.2.1"), From: "ann@a.example", Content: strings.NewReader(mail), Size: int64(len(mail)), Parsed: func() *message.Structure { return parsed }}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := book.Judge(m); err != nil || r.Policy != 0 {
			b.Fatal(r, err)
		}
	}
}
