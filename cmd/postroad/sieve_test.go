package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSieveCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "a.sieve")
	if err := os.WriteFile(file, []byte("require \"fileinto\";\nfileinto \"Archive\";\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		in   string
		args []string
		want string
	}{
		{"", []string{"list", "ann@example.test"}, "NAME  BYTES  STATE\n"},
		{"keep;\n", []string{"put", "ann@example.test", "a b"}, "stored a b\n"},
		{"", []string{"put", "ann@example.test", "main", file, "--activate"}, "stored main\n"},
		{"", []string{"list", "ann@example.test"}, "NAME  BYTES  STATE\na b   6\nmain  40     active\n"},
		{"", []string{"get", "ann@example.test"}, "require \"fileinto\";\nfileinto \"Archive\";\n"},
		{"", []string{"get", "ann@example.test", "a b"}, "keep;\n"},
		{"", []string{"activate", "ann@example.test", "a b"}, "activated a b\n"},
		{"", []string{"delete", "ann@example.test", "main"}, "deleted main\n"},
		{"", []string{"activate", "ann@example.test", "--none"}, "no script is active\n"},
		{"", []string{"delete", "ann@example.test", "a b"}, "deleted a b\n"},
	} {
		if out := s.do(x.in, append([]string{"sieve"}, x.args...)...); trimLines(out) != x.want {
			t.Errorf("%v: %q", x.args, out)
		}
	}
	for _, x := range []struct {
		in, said string
		args     []string
	}{
		{"keep;\nnonsense;\n", "x:2:1: unknown command 'nonsense'", []string{"put", "ann@example.test", "x"}},
		{"keep;", "can't have that name", []string{"put", "ann@example.test", "a/b"}},
		{"", "no such script", []string{"activate", "ann@example.test", "none"}},
		{"", "--none", []string{"activate", "ann@example.test"}},
		{"", "", []string{"list", "nobody@example.test"}},
		{"", "no such script", []string{"get", "ann@example.test"}},
	} {
		if status, _, said := s.try(x.in, append([]string{"sieve"}, x.args...)...); status == exitOK || said == "" || !strings.Contains(said, x.said) {
			t.Errorf("%v: %d %q", x.args, status, said)
		}
	}
	s.do("", "check")
}

// trimLines takes blanks off the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// What a script does with a message is told step by step.
func TestSieveTest(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	script := write("a.sieve", "require [\"fileinto\", \"envelope\", \"mailbox\"];\nif allof(header :contains \"subject\" \"news\", envelope \"to\" \"bob@x.example\", mailboxexists \"News\") {\n  fileinto \"News\";\n}\n")
	mail := write("a.eml", "From: a@x.example\nTo: bob@x.example\nSubject: the news\n\nhello\n")
	want := `line 2, column 10: header: true
line 2, column 45: envelope: true
line 2, column 76: mailboxexists: true
line 2, column 4: allof: true
line 3, column 3: fileinto
-> file it into "News"
`
	if out := s.do("", "sieve", "test", script, mail, "--folder", "News"); out != want {
		t.Errorf("%s", out)
	}
	if out := s.do("", "sieve", "test", script, mail, "--to", "carl@x.example"); !strings.HasSuffix(out, "allof: false\n-> keep the message (no rule says otherwise)\n") {
		t.Errorf("%s", out)
	}
	if out := s.do("", "sieve", "test", script); out != "the script is right\n" {
		t.Errorf("%s", out)
	}
	if status, _, said := s.try("", "sieve", "test", write("b.sieve", "keep")); status == exitOK || strings.Count(said, "1:5: a semicolon") != 1 {
		t.Errorf("%d %q", status, said)
	}
}

// What a dry run can't know is told by flags, and what is included lies beside the script.
func TestSieveTestKnowsMore(t *testing.T) {
	s := newShell(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	script := write("a.sieve", `require ["include", "spamtestplus", "virustest", "relational", "comparator-i;ascii-numeric", "extlists", "fileinto"];
include :personal "more";
if spamtest :percent :value "ge" :comparator "i;ascii-numeric" "90" { fileinto "Bad"; stop; }
if virustest :value "ge" :comparator "i;ascii-numeric" "4" { discard; stop; }
if header :list "from" "tag:x.example,2026:team" { fileinto "Team"; }
`)
	write("more.sieve", "if true { keep; }\n")
	mail := write("a.eml", "From: a@x.example\nTo: bob@x.example\n\nhello\n")
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--spam", "95"}, "more, line 1, column 11: keep\n"},
		{[]string{"--spam", "95"}, "-> file it into \"Bad\"\n"},
		{[]string{"--spam", "80", "--virus", "5", "--scripts", t.TempDir()}, "failed: 2:1: there is no script 'more'\n(lists"},
		{[]string{"--spam", "80", "--virus", "1"}, "-> keep the message in the INBOX, since the script failed, and tell its owner\n"},
		{[]string{"--virus", "5", "--list", "tag:x.example,2026:team=c@x.example"}, "virustest: true\n"},
		{[]string{"--list", "tag:x.example,2026:team=A@x.example", "--list", "tag:x.example,2026:team=b@x.example"}, "-> file it into \"Team\"\n"},
	} {
		if out := s.do("", append([]string{"sieve", "test", script, mail}, c.flags...)...); !strings.Contains(out, c.want) {
			t.Errorf("%q: want %q in\n%s", c.flags, c.want, out)
		}
	}
	for _, wrong := range [][]string{{"--spam", "101"}, {"--virus", "6"}, {"--list", "x"}} {
		if status, _, said := s.try("", append([]string{"sieve", "test", script, mail}, wrong...)...); status == exitOK || said == "" {
			t.Errorf("%q: %d %q", wrong, status, said)
		}
	}
}
