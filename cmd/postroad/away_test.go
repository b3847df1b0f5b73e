package main

import (
	"strings"
	"testing"
)

func TestAwayCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	away := func(args ...string) string {
		t.Helper()
		return s.do("", append([]string{"account", "away"}, args...)...)
	}
	if out := away("show", "ann@example.test"); !strings.HasPrefix(out, "out of office: off\n") {
		t.Errorf("%q", out)
	}
	for _, args := range [][]string{{"on", "ann@example.test"}, {"on", "ann@example.test", "--until", "2027-01-02"}, {"on", "ann@example.test", "--text", ""}} {
		if status, _, got := s.try("", append([]string{"account", "away"}, args...)...); status == exitOK || !strings.Contains(got, "no text yet: say with --text") {
			t.Errorf("%v: %d %q", args, status, got)
		}
	}
	out := away("on", "ann@example.test", "--text", "Away.", "--from", "2026-12-24", "--until", "2027-01-02", "--zone", "Europe/Berlin", "--days", "7")
	if want := "out of office: scheduled from 2026-12-24 00:00 CET until 2027-01-03 00:00 CET, not in force now\nothers who are answered: all; a sender is answered again after 7 days\ntext:\n    Away.\nfor others:\n    Away.\n"; out != want {
		t.Errorf("%q", out)
	}
	out = away("on", "ann@example.test", "--audience", "known", "--outside-text", "Write to Bob.", "--days", "0")
	if want := "out of office: on\nothers who are answered: known; a sender is answered once in an absence\ntext:\n    Away.\nfor others:\n    Write to Bob.\n"; out != want {
		t.Errorf("%q", out)
	}
	if out := away("off", "ann@example.test"); !strings.HasPrefix(out, "out of office: off\n") || !strings.Contains(out, "Write to Bob.") {
		t.Errorf("%q", out)
	}
	for said, args := range map[string][]string{
		"no time zone": {"on", "ann@example.test", "--from", "2026-12-24", "--zone", "Mars/North", "--text", "x"}, "is no time": {"on", "ann@example.test", "--until", "Christmas", "--text", "x"},
		"end after": {"on", "ann@example.test", "--from", "2026-12-24", "--until", "2026-12-20", "--text", "x"}, "what senders are to hear": {"on", "ann@example.test", "--text", "", "--outside-text", ""},
		"no time zone \"Mars/X\"": {"on", "ann@example.test", "--zone", "Mars/X", "--text", "x"}, "no time zone \"Local\"": {"on", "ann@example.test", "--zone", "Local", "--text", "x"},
		"0 to 365": {"on", "ann@example.test", "--days", "9999"},
	} {
		if status, _, got := s.try("", append([]string{"account", "away"}, args...)...); status == exitOK || !strings.Contains(got, said) {
			t.Errorf("%v: %d %q", args, status, got)
		}
	}
	s.do("", "check")
}
