package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"postroad/internal/server/admin"
)

// line is a connection to one of the server's sockets.
func (p *program) line(protocol, greeting string) *sender {
	p.t.Helper()
	raw, err := net.Dial("unix", p.socket(protocol))
	if err != nil {
		p.t.Fatal(err)
	}
	c := &sender{Conn: textproto.NewConn(raw)}
	p.t.Cleanup(func() { c.Close() })
	c.expect(greeting)
	return c
}

// items is how many messages an account has.
func (p *program) items(local string) int64 {
	p.t.Helper()
	var a admin.Account
	if err := json.Unmarshal([]byte(p.must("", "--json", "account", "show", local+"@example.test")), &a); err != nil {
		p.t.Fatal(err)
	}
	return a.UsedItems
}

// What a policy has put aside is listed, shown, delivered and thrown away.
func TestQuarantineCommands(t *testing.T) {
	t.Parallel()
	p := install(t, "ann", "ben")
	p.must("", "policy", "add", "file", "exe", "-a", "quarantine")
	p.start()
	c := p.line("lmtp", "220")
	c.ask("250", "LHLO relay.example")
	const mail = "From: eve@there.example\r\nSubject: a \x1b[2J program\r\nContent-Type: application/octet-stream; name=a.exe\r\n\r\nMZ\r\n"
	for range 2 {
		c.ask("250", "MAIL FROM:<eve@there.example>")
		c.ask("250", "RCPT TO:<ann@example.test>")
		c.ask("250", "RCPT TO:<ben@example.test>")
		c.ask("354", "DATA")
		c.ask("250", mail+".")
		c.expect("250")
	}
	if c.err != nil {
		t.Fatal(c.err)
	}
	list := p.must("", "quarantine", "list", "--recipient", "ann@example.test")
	numbers := regexp.MustCompile(`(?m)^(\d+) .*<eve@there.example> .*ann@example.test.* policy \d+ \(file exe\)`).FindAllStringSubmatch(list, -1)
	if len(numbers) != 2 {
		t.Fatal(list)
	}
	newest, oldest := numbers[0][1], numbers[1][1]
	if out := p.must("", "quarantine", "list", "--limit", "1"); !strings.Contains(out, "there are more: --before "+newest+"\n") {
		t.Error(out)
	}
	if out := p.must("", "quarantine", "show", oldest); !strings.Contains(out, "to:        ann@example.test, ben@example.test\n") || strings.Contains(out, "\x1b") {
		t.Error(out)
	}
	if out := p.must("", "quarantine", "show", oldest, "--raw"); !strings.HasSuffix(out, mail) {
		t.Errorf("%q", out)
	}
	if out := p.must("", "quarantine", "release", oldest, "ben@example.test"); out != "released for ben@example.test\n" {
		t.Error(out)
	}
	if out := p.must("", "quarantine", "delete", oldest); out != "deleted for ann@example.test\n" {
		t.Error(out)
	}
	if out := p.must("", "quarantine", "delete", newest); !strings.HasPrefix(out, "deleted for ann@example.test, ben@") {
		t.Error(out)
	}
	if ann, ben := p.items("ann"), p.items("ben"); ann != 0 || ben != 1 {
		t.Errorf("ann has %d, ben %d", ann, ben)
	}
	if out, err := p.command("quarantine", "show", newest).CombinedOutput(); err == nil {
		t.Errorf("%s", out)
	}
	if err := p.stop(); err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
}

// What somebody has expunged comes back, one message or all.
func TestUndeleteCommands(t *testing.T) {
	t.Parallel()
	p := install(t, "ann")
	folder := p.path("mail")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i, ".eml")), fmt.Appendf(nil, "From: eve@there.example\r\nSubject: number %d\r\n\r\nx\r\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.must("", "import", "ann@example.test", folder, "--folder", "Work/New")
	p.start()
	c := p.line("imap", "* OK")
	c.ask("a", "a LOGIN ann@example.test secret")
	for _, say := range []string{"SELECT Work/New", "STORE 1:* +FLAGS.SILENT (\\Deleted)", "EXPUNGE"} {
		if err := c.PrintfLine("a %s", say); err != nil {
			t.Fatal(err)
		}
		for l := ""; !strings.HasPrefix(l, "a "); {
			var err error
			if l, err = c.ReadLine(); err != nil || strings.HasPrefix(l, "a ") && !strings.HasPrefix(l, "a OK") {
				t.Fatal(say, l, err)
			}
		}
	}
	if out, err := p.command("account", "undelete", "ann@example.test").CombinedOutput(); err == nil || !strings.Contains(string(out), "--list") {
		t.Errorf("%s", out)
	}
	list := p.must("", "account", "undelete", "ann@example.test", "--list")
	found := regexp.MustCompile(`(?m)^(\d+) .* Work/New .* number 1$`).FindStringSubmatch(list)
	if found == nil || strings.Count(list, "eve@there.example") != 3 {
		t.Fatal(list)
	}
	for _, x := range []struct{ args, want string }{
		{"--folder Elsewhere", "0 messages came back\n"}, {found[1], "1 messages came back\n"}, {"--since 1h", "2 messages came back\n"}, {"--all", "0 messages came back\n"},
	} {
		if out := p.must("", append([]string{"account", "undelete", "ann@example.test"}, strings.Fields(x.args)...)...); out != x.want {
			t.Errorf("%s: %s", x.args, out)
		}
	}
	if n := p.items("ann"); n != 3 {
		t.Errorf("%d messages", n)
	}
	if err := p.stop(); err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
}

// External accounts are kept, listed and changed on a stopped server too; their passwords are nowhere to be seen.
func TestFetchCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("their s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(from string, flags ...string) (int, string, string) {
		return s.try("", append([]string{"fetch", "add", "ann@example.test", from, "--password-file", file, "--unchecked"}, flags...)...)
	}
	if status, out, said := add("pop3s://ann@pop.old.example", "--policy", "days", "--days", "14"); status != exitOK || out != "external account 1: mail of ann at pop.old.example:995 comes to ann@example.test every 10m0s\n" {
		t.Errorf("%d %s%s", status, out, said)
	}
	if status, out, said := add("imap://ann%40old.example@imap.old.example:1143", "--folder", "Old", "--every", "1h"); status != exitOK || !strings.Contains(out, "ann@old.example at imap.old.example:1143") {
		t.Errorf("%d %s%s", status, out, said)
	}
	for from, want := range map[string]string{"imaps://ann:secret@h": "seen by everybody", "http://ann@h": "want imaps://", "imaps://h": "want imaps://", "imaps://ann@h/INBOX": "want imaps://"} {
		if status, _, said := add(from); status != exitFailed || !strings.Contains(said, want) {
			t.Errorf("%s: %d %s", from, status, said)
		}
	}
	if status, _, said := add("imaps://ann@h", "--days", "3"); status != exitFailed {
		t.Errorf("days without their policy: %d %s", status, said)
	}
	s.do("", "fetch", "set", "1", "--password-file", file)
	list := s.do("", "fetch", "list", "ann@example.test")
	if !regexp.MustCompile(`(?m)^1 +ann@example.test +pop3 +ann@pop.old.example:995 +14 days +0 +- `).MatchString(list) ||
		!regexp.MustCompile(`(?m)^2 +ann@example.test +imap +ann@old.example@imap.old.example:1143 +keep `).MatchString(list) {
		t.Error(list)
	}
	if out := list + s.do("", "--json", "fetch", "list"); strings.Contains(out, "s3cret") {
		t.Error(out)
	}
	if status, _, said := s.try("", "fetch", "run", "1"); status != exitFailed || !strings.Contains(said, "1: ") {
		t.Errorf("%d %s", status, said)
	}
	s.do("", "fetch", "remove", "1")
	if status, _, said := s.try("", "fetch", "remove", "1"); status != exitFailed {
		t.Errorf("%d %s", status, said)
	}
	if out := s.do("", "fetch", "list"); strings.Contains(out, "pop.old.example") || !strings.Contains(out, "imap.old.example") {
		t.Error(out)
	}
}

// Commands that are seldom needed, on a stopped server.
func TestRareCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	backup := filepath.Join(t.TempDir(), "backup")
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"postmaster", exitOK, "mail for postmaster and abuse goes to the oldest account\n"},
		{"postmaster ann@example.test", exitOK, "goes to ann@example.test\n"},
		{"postmaster nobody@example.test", exitFailed, ""},
		{"postmaster ann@example.test --oldest", exitFailed, "either an address or --oldest"},
		{"postmaster --oldest", exitOK, "the oldest account\n"},
		{"account grant list ann@example.test", exitFailed, "the server is stopped"},
		{"account grant end ann@example.test", exitFailed, "--all"},
		{"source list", exitOK, ""},
		{"source sync corp", exitFailed, "corp"},
		{"account unlink nobody@example.test", exitFailed, "not an account here"},
		{"disclaimer list", exitOK, ""},
		{"journal list", exitOK, ""},
		{"backup " + backup, exitOK, " written\n"},
		{"backup " + backup + " --keep-runs 1", exitOK, "removed 1 runs, freed "},
		{"backup prune " + backup, exitFailed, "--keep-runs"},
		{"backup prune " + backup + " --keep-runs 5", exitOK, "removed 0 runs"},
		{"backup verify " + backup, exitOK, "all is well\n"},
		{"backup list " + backup, exitOK, ""},
	} {
		status, out, said := s.try("", strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(out+said, c.want) {
			t.Errorf("%s: exit %d, want %d ...%s: %s%s", c.args, status, c.status, c.want, out, said)
		}
	}
}
