package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"postroad/internal/server/admin"
)

// asProgram, in the environment, makes the test binary be postroad itself.
const asProgram = "POSTROAD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(context.Background(), os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr}))
	}
	os.Exit(m.Run())
}

// shell runs commands against one data folder.
type shell struct {
	t    *testing.T
	args []string // in front of each command's own
}

// try runs a command with a standard input.
func (s shell) try(input string, args ...string) (status int, out, err string) {
	var o, e bytes.Buffer
	status = run(s.t.Context(), append(append([]string{}, s.args...), args...), terminal{strings.NewReader(input), &o, &e})
	return status, o.String(), e.String()
}

// do runs a command that must succeed.
func (s shell) do(input string, args ...string) string {
	s.t.Helper()
	status, out, err := s.try(input, args...)
	if status != exitOK {
		s.t.Fatalf("%v: exit %d: %s%s", args, status, out, err)
	}
	return out
}

func newShell(t *testing.T) shell {
	dir := t.TempDir()
	s := shell{t, []string{"--config", filepath.Join(dir, "postroad.toml")}}
	s.do("secret\n", "--data", filepath.Join(dir, "data"), "init", "--hostname", "mail.example.test",
		"--domain", "example.test", "--account", "ann@example.test", "--name", "Ann", "--password-stdin")
	return s
}

func TestCommandsOnAStoppedServer(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.do("", "domain", "add", "example.org", "--offline")
	if out := s.do("", "domain", "list"); !strings.Contains(out, "\nexample.org   none       +           none\nexample.test  none       +           none\n") {
		t.Errorf("domains: %q", out)
	}
	s.do("secret\n", "account", "add", "ben@example.org", "--quota", "10M", "--password-stdin")
	if _, _, err := s.try("", "account", "password", "ben@example.org", "--generate"); !strings.HasPrefix(err, "Password of ben@example.org: ") {
		t.Errorf("generated: %q", err)
	}
	s.do("", "account", "quota", "ben@example.org", "1G")
	s.do("", "account", "disable", "ben@example.org")
	var all []admin.Account
	if err := json.Unmarshal([]byte(s.do("", "--json", "account", "list")), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Name != "Ann" || !all[0].Enabled || all[1].QuotaBytes != 1<<30 || all[1].Enabled {
		t.Errorf("accounts: %+v", all)
	}
	s.do("", "account", "enable", "ben@example.org")
	if out := s.do("", "account", "reindex"); strings.Count(out, "anew") != 2 {
		t.Errorf("reindex: %s", out)
	}
	if out := s.do("", "account", "show", "ben@example.org"); !strings.Contains(out, "enabled") || !strings.Contains(out, "1.0G") {
		t.Errorf("ben: %s", out)
	}
	s.do("", "alias", "add", "info@example.test", "ann@example.test", "ben@example.org")
	if out := s.do("", "alias", "list"); !strings.Contains(out, "info@example.test  ann@example.test ben@example.org") {
		t.Errorf("aliases: %s", out)
	}
	s.do("", "group", "add", "team@example.test", "ann@example.test", "--name", "The team")
	s.do("", "group", "members", "team@example.test", "ann@example.test", "ben@example.org")
	if out := s.do("", "group", "list"); !strings.Contains(out, "ben@example.org") {
		t.Errorf("groups: %s", out)
	}
	s.do("", "group", "remove", "team@example.test")
	s.do("", "alias", "remove", "info@example.test")
	s.do("", "account", "remove", "--yes", "ben@example.org")
	s.do("", "domain", "remove", "example.org")
	if out := s.do("", "check"); out != "all is well\n" {
		t.Errorf("check: %s", out)
	}
	if out := s.do("", "status"); !strings.Contains(out, "mail.example.test: stopped") {
		t.Errorf("status: %s", out)
	}
	if out := s.do("", "debug", "account", "ann@example.test"); !strings.Contains(out, "INBOX") {
		t.Errorf("debug: %s", out)
	}
	if out := s.do("", "debug", "keys", "directory", "--values"); !strings.Contains(out, "'a' 000000000001") {
		t.Errorf("keys: %s", out)
	}
}

func TestAccountsChangeAndGo(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.do("", "account", "rename", "ann@example.test", "smith@example.test"); out != "ann@example.test is now smith@example.test\n" {
		t.Errorf("rename: %s", out)
	}
	if out := s.do("", "alias", "list"); !strings.Contains(out, "ann@example.test  smith@example.test") {
		t.Errorf("aliases: %s", out)
	}
	s.do("", "account", "remove", "-y", "smith@example.test")
	if out := s.do("", "account", "removed"); !strings.Contains(out, "smith@example.test  1 ") {
		t.Errorf("removed: %s", out)
	}
	s.do("", "account", "restore", "smith@example.test", "--to", "ann@example.test")
	if out := s.do("", "account", "list"); !strings.Contains(out, "\nann@example.test  enabled") {
		t.Errorf("accounts: %s", out)
	}
	s.do("", "account", "remove", "-y", "--now", "ann@example.test")
	if status, _, err := s.try("", "account", "restore", "ann@example.test"); status != exitFailed || !strings.Contains(err, "no removed account") {
		t.Errorf("restore: %s", err)
	}
}

func TestAdministratorsAndTokens(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.do("", "admin", "add", "ann@example.test", "example.test")
	s.do("", "admin", "add", "ann@example.test")
	if out := s.do("", "admin", "list"); !strings.Contains(out, "ann@example.test  the whole server\nann@example.test  example.test\n") {
		t.Errorf("administrators: %s", out)
	}
	s.do("", "admin", "remove", "ann@example.test")
	secret := strings.TrimSpace(s.do("", "token", "add", "robot", "--domain", "example.test", "--expires", "90d"))
	if out := s.do("", "token", "list"); !strings.Contains(out, "\nrobot  example.test") || strings.Contains(out, secret) {
		t.Errorf("tokens: %s", out)
	}
	s.do("", "token", "remove", "robot")
	if status, _, _ := s.try("", "token", "add", "x", "--whole-server", "--domain", "example.test"); status != exitUsage {
		t.Error("a token for both")
	}
	s.do("", "domain", "limits", "example.test", "--accounts", "1", "--quota", "10G", "--default-quota", "1G")
	if out := s.do("", "domain", "limits", "example.test"); out != "accounts       1 of 1\nquotas         0 of 10.0G\ndefault quota  1.0G\n" {
		t.Errorf("limits: %q", out)
	}
	if status, _, err := s.try("secret\n", "account", "add", "ben@example.test", "--password-stdin"); status != exitFailed || !strings.Contains(err, "may have 1 accounts") {
		t.Errorf("one too many: %s", err)
	}
}

// TestPasswordOfNobody: a password is shown only once it is somebody's.
func TestPasswordOfNobody(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, args := range [][]string{{"add", "ann@example.test"}, {"password", "nobody@example.test"}} {
		if _, _, out := s.try("", "account", args[0], args[1], "--generate"); strings.Contains(out, "Password of") {
			t.Errorf("%v: %s", args, out)
		}
	}
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"account add ann@example.test --generate", exitFailed, "ann@example.test"},
		{"doctor", exitFailed, "the server is stopped"},
		{"account add x@elsewhere.test --generate", exitFailed, "not served here"},
		{"alias add sales@example.test sales@example.test", exitFailed, "can't lead to itself"},
		{"queue list --older 3x", exitUsage, "write it like"},
		{"account add x@example.test", exitFailed, "--password-stdin or --generate"},
		{"account add x@example.test --password-stdin", exitFailed, "no password was given"},
		{"account add x@example.test --password secret", exitUsage, "unknown flag --password"},
		{"account show nobody@example.test", exitFailed, "not an account here"},
		{"account remove ann@example.test", exitFailed, "--yes"},
		{"account quota ann@example.test lots", exitUsage, "not a size"},
		{"account nonsense", exitUsage, "nonsense"},
		{"domain remove example.test", exitFailed, "still has addresses"},
		{"init --hostname x", exitFailed, "exists already"},
		{"debug keys everything", exitFailed, "a partition is a number"},
		{"--server https://localhost:1 account list", exitFailed, "--token-file"},
	} {
		status, out, err := s.try("", strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(err, c.want) {
			t.Errorf("%s: exit %d, want %d ...%s: %s%s", c.args, status, c.status, c.want, out, err)
		}
	}
	nowhere := shell{t, []string{"--config", filepath.Join(t.TempDir(), "none.toml")}}
	for args, want := range map[string]string{
		"serve":                    "postroad init",
		"account list":             "there is no setting file",
		"--data /nowhere/x check":  "there is no data folder",
		"init":                     "--hostname",
		"demo --port-offset 99999": "--port-offset",
		"demo --port-offset -1":    "--port-offset",
		"--data /dev/null/x demo":  "data folder",
		"init --hostname bad_/name --data /tmp/x": "hostname",
	} {
		if status, out, err := nowhere.try("", strings.Fields(args)...); status == exitOK || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, want ...%s: %s%s", args, status, want, out, err)
		}
	}
}

func TestDebugMessage(t *testing.T) {
	const mail = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\n"
	out := shell{t: t}.do(mail, "debug", "message", "-")
	for _, want := range []string{"1  multipart/mixed", "  1.1  text/plain", "  1.2  message/rfc822", "    1.2.1  text/plain", "ENVELOPE (NIL \"x\"", "BODYSTRUCTURE ((", "preview  hello"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// What is wrong is told with the command whose help says how it is right.
func TestUsageLeadsToHelp(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", `"postroad --help"`}, {"account", `"postroad account --help"`}, {"domain keys retire x", `"postroad domain keys retire --help"`}, {"nothing", `"postroad --help"`},
	} {
		status, _, err := shell{t: t}.try("", strings.Fields(c.line)...)
		if status != exitUsage || !strings.Contains(err, c.want) {
			t.Errorf("%q: exit %d, %s", c.line, status, err)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	s := shell{t: t}
	if out := s.do("", "--help"); !strings.Contains(out, "\n  account ") {
		t.Error(out)
	}
	if out := s.do("", "account", "add", "--help"); !strings.Contains(out, "--password-stdin") {
		t.Error(out)
	}
	if out := s.do("", "version"); !strings.HasPrefix(out, "postroad ") {
		t.Error(out)
	}
	if out := s.do("", "--json", "version"); !json.Valid([]byte(out)) {
		t.Error(out)
	}
}

// Whoever asks for help hears of each command, argument and flag what it is.
func TestEverythingHasHelp(t *testing.T) {
	parser, err := newParser(&commandLine{}, terminal{nil, io.Discard, io.Discard}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = kong.Visit(parser.Model, func(v kong.Visitable, next kong.Next) error {
		switch n := v.(type) {
		case *kong.Command:
			if n.Help == "" {
				t.Errorf("%s: no help", n.FullPath())
			}
			for _, arg := range n.Positional {
				if arg.Help == "" {
					t.Errorf("%s: no help for %s", n.FullPath(), arg.Summary())
				}
			}
		case *kong.Flag:
			if n.Help == "" {
				t.Errorf("no help for --%s", n.Name)
			}
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}
