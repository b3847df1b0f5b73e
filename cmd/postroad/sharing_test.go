package main

import (
	"strings"
	"testing"
)

func TestSharingCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.do("", "account", "add", "info@example.test", "--shared"); out != "added info@example.test\n" {
		t.Errorf("%q", out)
	}
	if out := s.do("", "account", "list"); !strings.Contains(out, "info@example.test  shared") {
		t.Errorf("%q", out)
	}
	s.do("", "group", "add", "team@example.test", "ann@example.test")
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"info@example.test", "INBOX", "team@example.test", "write"}, "folders changed: 1\n"},
		{[]string{"info@example.test", "INBOX", "team@example.test", "write"}, "folders changed: 0\n"},
		{[]string{"info@example.test", "Plans/2026", "ann@example.test", "lr", "--create"}, "folders changed: 1\n"},
		{[]string{"info@example.test", "Plans", "anyone", "look", "--below"}, "folders changed: 2\n"},
		{[]string{"info@example.test", "INBOX", "team@example.test", "+k"}, "folders changed: 1\n"},
		{[]string{"info@example.test", "Plans/2026", "anyone", "none"}, "folders changed: 1\n"},
		{[]string{"--", "info@example.test", "INBOX", "team@example.test", "-te"}, "folders changed: 1\n"},
	} {
		if out := s.do("", append([]string{"account", "share"}, x.args...)...); out != x.want {
			t.Errorf("%v: %q", x.args, out)
		}
	}
	want := `FOLDER      WHO                RIGHTS
INBOX       team@example.test  lrswik
Plans       anyone             lr
Plans/2026  ann@example.test   lr
`
	if out := s.do("", "account", "shares", "info@example.test"); out != want {
		t.Errorf("%s", out)
	}
	for _, args := range [][]string{
		{"info@example.test", "Nowhere", "anyone", "lr"},
		{"info@example.test", "INBOX", "nobody@example.test", "lr"},
		{"nobody@example.test", "INBOX", "anyone", "lr"},
		{"info@example.test", "INBOX", "anyone", "everything"},
		{"info@example.test", "INBOX", "anyone", "+none"},
		{"info@example.test", "INBOX", "info@example.test", "lr"},
	} {
		if status, _, said := s.try("", append([]string{"account", "share"}, args...)...); status == exitOK || said == "" {
			t.Errorf("%v: %d %q", args, status, said)
		}
	}
	if status, _, said := s.try("a good password\n", "account", "password", "info@example.test", "--password-stdin"); status == exitOK || !strings.Contains(said, "nobody's own") {
		t.Errorf("a password for nobody: %d %q", status, said)
	}
	s.do("", "check")
}
