package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Mail is imported and exported on a stopped server and on a running one.
func TestImportAndExport(t *testing.T) {
	t.Parallel()
	p := install(t, "ann", "ben")
	mail := p.path("Work.mbox")
	text := "From x Sun Sep  9 01:46:40 2001\nStatus: RO\nSubject: 1\n\none\n\nFrom x Sun Sep  9 01:46:41 2001\nSubject: 2\n\ntwo\n"
	if err := os.WriteFile(mail, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const fresh = "2 messages are new"
	if out := p.must("", "import", "ann@example.test", mail); !strings.HasPrefix(out, fresh) {
		t.Error(out)
	}
	p.start()
	if out := p.must("", "import", "ann@example.test", mail); !strings.HasPrefix(out, "0 messages are new (0), 2 were there") {
		t.Error(out)
	}
	for _, format := range []string{"maildir", "mbox"} {
		if out := p.must("", "export", "ann@example.test", p.path(format), "--format", format); !strings.HasPrefix(out, fresh) {
			t.Error(out)
		}
	}
	if out := p.must("", "import", "ben@example.test", p.path("maildir")); !strings.HasPrefix(out, fresh) {
		t.Error(out)
	}
	if out := p.must("", "import", "ben@example.test", p.path("mbox"), "--under", "Old", "--json"); !strings.Contains(out, `"added": 2`) {
		t.Error(out)
	}
	if out, err := p.command("import", "nobody@example.test", mail).CombinedOutput(); err == nil || strings.Contains(string(out), "stays") {
		t.Errorf("%s %v", out, err)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if out := p.must("", "check"); out != "all is well\n" {
		t.Error(out)
	}
	if names, _ := filepath.Glob(p.path("maildir/.Work/cur/*:2,S")); len(names) != 1 {
		t.Error(names)
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		n, of int
		want  string
	}{{0, 0, ""}, {0, 10, "[....................] "}, {5, 10, "[##########..........] "}, {11, 10, "[####################] "}} {
		if got := bar(c.n, c.of); got != c.want {
			t.Errorf("%d of %d: %q", c.n, c.of, got)
		}
	}
}

// What can't be an address of a server, or would show a password to everybody, is refused before anything is asked.
func TestImportAddresses(t *testing.T) {
	p := install(t, "ann")
	password := p.path("password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"imaps://mail.example.org": "want imaps://USER@HOST", "imap://ann:secret@mail.example.org": "seen by everybody", "imaps://ann@h/INBOX": "want imaps://USER@HOST",
		p.path("nothing"): "no such file",
	} {
		args := []string{"import", "ann@example.test", from}
		if strings.HasPrefix(from, "imap") {
			args = append(args, "--password-file", password)
		}
		out, err := p.command(args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || strings.Contains(string(out), ":secret@") {
			t.Errorf("%s: %s", from, out)
		}
	}
	if out, err := p.command("import", "ann@example.test", "imap://ann@127.0.0.1:1", "--password-file", password, "--only", "a,b").CombinedOutput(); err == nil || strings.Contains(string(out), "secret") {
		t.Errorf("%s", out)
	}
}
