package main

import (
	"strings"
	"testing"
)

func TestAccountSet(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	show := func(want string) {
		t.Helper()
		if out := s.do("", "account", "show", "ann@example.test"); !strings.Contains(out, "\nPOP3      "+want+"\n") {
			t.Errorf("want %q in %s", want, out)
		}
	}
	show("the inbox")
	s.do("", "account", "set", "ann@example.test", "--pop3-since", "2026-11-22", "--pop3-delete", "trash", "--pop3-remove-after", "14", "--pop3-seen")
	show("the inbox since 2026-11-22 00:00; what programs delete goes to the trash; what was retrieved is removed after 14 days; what was retrieved is marked as read")
	s.do("", "account", "set", "ann@example.test", "--pop3-since", "all", "--pop3-delete", "keep", "--pop3-remove-after", "never", "--no-pop3-seen")
	show("the inbox; what programs delete is kept")
	s.do("", "account", "set", "ann@example.test", "--pop3", "off")
	show("off")
	if out := s.do("", "--json", "account", "set", "ann@example.test", "--pop3", "on", "--pop3-delete", "delete"); !strings.Contains(out, `"on_delete": "delete"`) {
		t.Error(out)
	}
	show("the inbox")
	for _, wrong := range [][]string{{}, {"--pop3-since", "yesterday"}, {"--pop3-remove-after", "-1"}, {"--pop3-remove-after", "x"}, {"--pop3-delete", "burn"},
		{"--pop3-delete", "keep", "--pop3-remove-after", "3"}, {"--pop3-remove-after", "99999"}} {
		if status, _, err := s.try("", append([]string{"account", "set", "ann@example.test"}, wrong...)...); status == exitOK || err == "" {
			t.Errorf("%v: exit %d", wrong, status)
		}
	}
	if status, _, _ := s.try("", "account", "set", "nobody@example.test", "--pop3", "off"); status != exitFailed {
		t.Error("set something of nobody's account")
	}
}
