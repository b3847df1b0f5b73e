package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestAccountPrograms: people are told what to enter, whether or not they are there.
func TestAccountPrograms(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.do("", "domain", "add", "example.org", "--offline")
	out := s.do("", "account", "programs", "ann@example.org")
	for _, want := range []string{"read mail (IMAP)", "993", "STARTTLS", "User name: ann@example.org\n", "/mail/setup?email=ann%40example.org\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := s.do("", "--json", "account", "programs", "ann@example.org", "--qr"); !strings.Contains(out, `/mail/apple.mobileconfig?email=ann%40example.org"`) {
		t.Error(out)
	}
	_, code, _ := strings.Cut(s.do("", "account", "programs", "ann@example.org", "--qr"), "email=ann%40example.org\n")
	lines := strings.Split(strings.TrimSuffix(code, "\n"), "\n")
	for _, l := range lines {
		if n := utf8.RuneCountInString(l); n != utf8.RuneCountInString(lines[0]) || n < 21+2*quiet || strings.Trim(l, "█▄▀ ") != "" {
			t.Fatalf("%q", code)
		}
	}
	if n := len(lines); n != (utf8.RuneCountInString(lines[0])+1)/2 {
		t.Errorf("%d lines of %d", n, utf8.RuneCountInString(lines[0]))
	}
	for _, address := range []string{"ann", "ann@elsewhere.example"} {
		if status, _, _ := s.try("", "account", "programs", address); status != exitFailed {
			t.Errorf("%s: exit %d", address, status)
		}
	}
}
