package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"postroad/internal/server/admin"
)

func TestAppPasswordCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const ann = "ann@example.test"
	password := strings.TrimSpace(s.do("", "account", "app-password", "add", ann, "my phone", "--for", "imap,smtp", "--expires", "90d"))
	if len(password) != 29 || strings.Count(password, "-") != 4 {
		t.Errorf("%q", password)
	}
	var made admin.AppPassword
	if err := json.Unmarshal([]byte(s.do("", "--json", "account", "app-password", "add", ann, "backup")), &made); err != nil || made.Password == "" {
		t.Errorf("%+v %v", made, err)
	}
	out := s.do("", "account", "app-password", "list", ann)
	if lines := strings.Split(out, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[1], "my phone  imap,smtp  ") || !strings.Contains(lines[2], "  all  ") || !strings.Contains(lines[2], "never") {
		t.Errorf("%s", out)
	}
	if strings.Contains(out, password) {
		t.Error("the password is shown again")
	}
	s.do("", "account", "app-password", "remove", ann, "my phone")
	for _, args := range [][]string{{"remove", ann, "my phone"}, {"add", ann, "x", "--for", "ftp"}, {"add", "nobody@example.test", "x"}} {
		if status, _, said := s.try("", append([]string{"account", "app-password"}, args...)...); status != exitFailed || said == "" {
			t.Errorf("%v: %d %q", args, status, said)
		}
	}
}

func TestTwoStepCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const ann = "ann@example.test"
	run := func(args ...string) string { return s.do("", append([]string{"account", "two-step"}, args...)...) }
	if out := run("show", ann); out != "off\n" {
		t.Errorf("%q", out)
	}
	var e admin.Enrolment
	if err := json.Unmarshal([]byte(s.do("", "--json", "account", "two-step", "begin", ann)), &e); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(e.URL, "otpauth://totp/example.test:ann@example.test?secret="+e.Secret) {
		t.Errorf("%+v", e)
	}
	if out := run("show", ann); !strings.Contains(out, "not confirmed") {
		t.Errorf("%q", out)
	}
	if out := run("begin", ann, "--qr"); !strings.Contains(out, "▀▀▀") || !strings.Contains(out, "\nsecret  ") {
		t.Errorf("%s", out)
	}
	if err := json.Unmarshal([]byte(s.do("", "--json", "account", "two-step", "begin", ann)), &e); err != nil {
		t.Fatal(err)
	}
	code, err := totp.GenerateCode(e.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first := run("confirm", ann, code)
	if strings.Count(first, "\n") != 10 {
		t.Errorf("%q", first)
	}
	if out := run("show", ann); !strings.Contains(out, "on since") || !strings.Contains(out, "10 recovery codes") {
		t.Errorf("%q", out)
	}
	if second := run("recovery", ann); second == first || strings.Count(second, "\n") != 10 {
		t.Errorf("%q", second)
	}
	run("off", ann)
	if out := run("show", ann); out != "off\n" {
		t.Errorf("%q", out)
	}
}

func TestSessionCommandsOnAStoppedServer(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.do("", "session", "list"); !strings.HasPrefix(out, "ID  ACCOUNT") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
	if out := s.do("", "session", "end", "--account", "ann@example.test"); out != "sessions ended: 0\n" {
		t.Errorf("%q", out)
	}
	if status, _, _ := s.try("", "session", "end", "1"); status != exitFailed {
		t.Errorf("%d", status)
	}
}

// Commands on a stopped server are in the log too, but for those that only look.
func TestAuditCommand(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.do("", "audit"); out != "nothing is remembered\n" {
		t.Errorf("%q", out)
	}
	s.do("", "account", "list")
	s.do("other\n", "account", "password", "ann@example.test", "--password-stdin")
	s.try("", "account", "disable", "nobody@example.test")
	out := s.do("", "audit", "--kind", "act", "--since", "1h")
	lines := strings.Split(out, "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "account.password  command of ") || !strings.Contains(lines[0], "account password ann@example.test") ||
		!strings.Contains(lines[1], "account.disable") || !strings.Contains(lines[1], "failed: ") || strings.Contains(out, "other") {
		t.Errorf("%s", out)
	}
	if out := s.do("", "audit", "nobody@example.test"); strings.Count(out, "\n") != 1 {
		t.Errorf("%s", out)
	}
}

func TestAuditLine(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.Local)
	e := admin.AuditEntry{At: at, Last: at.Add(time.Minute), Count: 3, What: "failed", Who: "a\x1b[2Jb", Protocol: "imap", Mechanism: "PLAIN", TLS: true, Client: "::1"}
	if got := auditLine(&e); got != "2026-03-14 15:09:26  failed  a?[2Jb  imap PLAIN TLS from ::1 (3 times until 2026-03-14 15:10:26)" {
		t.Errorf("%q", got)
	}
}

func TestPasskeyCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const ann = "ann@example.test"
	if out := s.do("", "account", "passkey", "list", ann); !strings.HasPrefix(out, "NAME  CREATED") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
	if status, _, said := s.try("", "account", "passkey", "remove", ann, "phone"); status != exitFailed || !strings.Contains(said, "no passkey") {
		t.Errorf("%d %q", status, said)
	}
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.Local)
	row := passkeyRow(&admin.Passkey{Name: "a\x1b[2Jb", Created: at, Used: at.Add(time.Minute), BackedUp: true, Reached: []string{"usb", "nfc"}})
	if got := strings.Join(row, "|"); got != "a?[2Jb|2026-03-14 15:09|2026-03-14 15:10|yes|usb,nfc" {
		t.Errorf("%q", got)
	}
}
