package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func junkMail(n int) string {
	return fmt.Sprintf("From: Garden News <offer@pills.example>\r\nTo: ann@example.test\r\nSubject: garden news %d\r\nMessage-ID: <%d@pills.example>\r\n\r\nThe roses are in bloom again, and our magazine tells how to cut them.\r\n", n, n)
}

func TestJunkCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir := t.TempDir()
	for n := range 40 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.eml", n)), []byte(junkMail(n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one := filepath.Join(dir, "0.eml")
	ask := func(args ...string) string { t.Helper(); return s.do("", append([]string{"junk"}, args...)...) }
	expect := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%q misses %q", got, w)
			}
		}
	}
	expect(ask("show", "ann@example.test"), "learned  0 junk, 0 good\n", "knows    0 addresses", "filter   on\n")
	expect(ask("test", one), "now      good: score ", "author   offer@pills.example (nothing proves it)\n")
	expect(ask("train", "--junk", dir, "--account", "ann@example.test"), "40 messages learned, 0 were known\n")
	expect(ask("train", "--junk", dir, "--account", "ann@example.test"), "0 messages learned, 40 were known\n")
	expect(ask("show", "ann@example.test"), "learned  40 junk, 0 good\n")
	expect(ask("test", one, "--account", "ann@example.test"), "now      junk: score ")
	expect(s.do(junkMail(9), "junk", "test", "-", "--account", "ann@example.test"), "now      junk: score ")
	expect(ask("test", one), "now      good: score ")
	s.do("", "import", "ann@example.test", one)
	for _, name := range []string{"0@pills.example", "<0@pills.example>", "INBOX/1", "inbox/1"} {
		expect(ask("why", "ann@example.test", name), "folder   INBOX\n", "arrived  not judged: ", "now      junk: score ", "  +")
	}
	expect(ask("off", "ann@example.test"), "filter   off")
	expect(ask("on", "ann@example.test"), "filter   on\n")
	expect(ask("forget", "ann@example.test"), "forgotten\n")
	expect(ask("show", "ann@example.test"), "learned  0 junk, 0 good\n")
	expect(ask("train", "--junk", dir), "40 messages learned, 0 were known\n")
	expect(ask("train", "--good", one, filepath.Join(dir, "1.eml"), "--account", "ann@example.test"), "2 messages learned, 0 were known\n")
	expect(ask("show"), "learned  40 junk, 0 good\n", "senders  0 ")
	expect(ask("test", one), "now      junk: score ")
	for _, x := range []struct {
		args []string
		said string
	}{
		{[]string{"why", "ann@example.test", "x@y"}, "no such message"},
		{[]string{"why", "ann@example.test", "INBOX/2"}, "no such message"},
		{[]string{"why", "ann@example.test", "None/1"}, "no such message"},
		{[]string{"show", "nobody@example.test"}, ""},
		{[]string{"train", dir}, "--junk"},
		{[]string{"train", "--junk", one, filepath.Join(dir, "none")}, "no such file"},
		{[]string{"train", "--good", "--junk", dir}, "--junk"},
		{[]string{"train", "--good", t.TempDir()}, "no messages"},
		{[]string{"test", filepath.Join(dir, "none")}, "no such file"},
	} {
		if status, _, said := s.try("", append([]string{"junk"}, x.args...)...); status == exitOK || !strings.Contains(said, x.said) {
			t.Errorf("%v: %d %q", x.args, status, said)
		}
	}
	s.do("", "check")
}
