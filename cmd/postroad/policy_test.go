package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPolicyCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("Keep this secret.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{
		{"policy", "add", "sender", "spam.example", "--text", "Go away"},
		{"policy", "add", "network", "192.0.2.7", "-a", "allow"},
		{"policy", "add", "file", ".EXE", "--for", "example.test", "--direction", "both", "-a", "quarantine"},
		{"policy", "size", "20M", "--for", "ann@example.test", "--direction", "out"},
		{"journal", "add", "ann@example.test", "--for", "example.test", "--strict"},
	} {
		if out := s.do("", c...); !strings.HasPrefix(out, "added policy ") && (c[0] != "journal" || out != "added journal 5\n") {
			t.Errorf("%v: %q", c, out)
		}
	}
	for range 2 { // the second one takes the place of the first
		s.do("", "disclaimer", "set", "example.test", "--text", text)
	}
	const want = `ID  KIND        FOR               MAIL  WHAT                     THEN
1   sender      (all)             in    spam.example             reject "Go away"
2   network     (all)             in    192.0.2.7/32             allow
3   file        example.test      both  exe                      quarantine
4   size        ann@example.test  out   over 20.0M               reject
5   journal     example.test      both  ann@example.test         strict
7   disclaimer  example.test      out   "Keep this secret."    append
`
	out := s.do("", "policy", "list")
	if squeeze(out) != squeeze(want) {
		t.Errorf("%s", out)
	}
	if out := s.do("", "disclaimer", "show", "example.test"); !strings.HasPrefix(out, "Keep this secret.\n") {
		t.Errorf("%q", out)
	}
	if err := os.WriteFile(text, []byte("\x1b]0;x\aKeep\tthis\u202e.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.do("", "disclaimer", "set", "example.test", "--text", text, "--html", text)
	if out := s.do("", "disclaimer", "show", "example.test"); strings.ContainsAny(out, "\x1b\a\u202e\t") || strings.Count(out, "Keep    this?.") != 2 {
		t.Errorf("the terminal is written to: %q", out)
	}
	if err := os.WriteFile(text, []byte("\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, said := s.try("", "disclaimer", "set", "example.test", "--text", text); status == exitOK || !strings.Contains(said, "UTF-8") {
		t.Errorf("%d %q", status, said)
	}
	s.do("", "disclaimer", "show", "example.test") // what was refused has left the one before alone
	if out := s.do("", "disclaimer", "remove", "example.test"); out != "removed the disclaimer of example.test\n" {
		t.Errorf("%q", out)
	}
	if out := s.do("", "policy", "remove", "1", "2", "3", "4"); out != "removed policy 1\nremoved policy 2\nremoved policy 3\nremoved policy 4\n" {
		t.Errorf("%q", out)
	}
	if out := s.do("", "policy", "list"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "journal") {
		t.Errorf("%s", out)
	}
	if out := s.do("", "journal", "list"); !strings.Contains(out, "strict") {
		t.Errorf("%s", out)
	}
	for _, c := range [][]string{
		{"policy", "remove", "99"}, {"policy", "add", "sender", "a b"}, {"policy", "add", "sender", "x.example", "--for", "nowhere.example"},
		{"policy", "add", "colour", "x"}, {"journal", "add", "nobody@example.test"}, {"disclaimer", "show", "example.test"}, {"policy", "size", "0"},
	} {
		if status, _, said := s.try("", c...); status == exitOK || said == "" {
			t.Errorf("%v: %d %q", c, status, said)
		}
	}
}

// squeeze leaves one blank of several.
func squeeze(s string) string {
	var lines []string
	for l := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(l), " "))
	}
	return strings.Join(lines, "\n")
}
