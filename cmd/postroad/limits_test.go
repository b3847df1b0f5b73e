package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"postroad/internal/server/admin"
)

func TestLimitsCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	want := `address  ann@example.test
state    may send
authors  local

WHAT                            COUNT  LIMIT
messages this hour              0      500
messages in 24 hours            0      2000
recipients this hour            0      2000
recipients in 24 hours          0      5000
new recipients in 24 hours      0      1000
refused recipients in 24 hours  0      100
`
	if out := s.do("", "account", "limits", "show", "ann@example.test"); out != want {
		t.Errorf("%s", out)
	}
	if out := s.do("", "account", "limits", "held"); out != "nobody\n" {
		t.Errorf("%q", out)
	}
	if out := s.do("", "--json", "account", "limits", "held"); strings.TrimSpace(out) != "[]" {
		t.Errorf("%q", out)
	}
	if out := s.do("", "account", "limits", "reset", "ann@example.test"); out != "reset\n" {
		t.Errorf("%q", out)
	}
	s.do("", "account", "limits", "from", "ann@example.test", "any")
	if out := s.do("", "account", "limits", "show", "ann@example.test"); !strings.Contains(out, "\nauthors  any (a rule of its own)\n") {
		t.Errorf("%s", out)
	}
	s.do("", "account", "limits", "from", "ann@example.test", "default")
	if out := s.do("", "account", "limits", "show", "ann@example.test"); out != want {
		t.Errorf("%s", out)
	}
	if status, _, said := s.try("", "account", "limits", "from", "nobody@example.test", "own"); status == exitOK || said == "" {
		t.Errorf("%d %q", status, said)
	}
	for _, what := range []string{"show", "reset"} {
		if status, _, said := s.try("", "account", "limits", what, "nobody@example.test"); status == exitOK || said == "" {
			t.Errorf("%s: %d %q", what, status, said)
		}
	}
}

// TestHeldAccountIsShown: why, and since when; what strangers had a part in can't move the terminal's cursor.
func TestHeldAccountIsShown(t *testing.T) {
	var out bytes.Buffer
	u := admin.AccountUsage{Address: "ann@example.test", Held: time.Date(2026, 3, 14, 15, 9, 26, 0, time.Local), Reason: "12 of\x1b[2J 24", MessagesDay: admin.Count{Count: 3, Limit: -1}}
	printUsage(terminal{out: &out}, &u)
	for _, want := range []string{"state    held since 2026-03-14 15:09:26: 12 of?[2J 24\n", "messages in 24 hours            3      none\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
