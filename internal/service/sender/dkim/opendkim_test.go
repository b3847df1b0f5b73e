package dkim

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postroad/internal/service/sender/authres"
)

// openDKIM returns a verifier: how many signatures of a message pass with OpenDKIM. Without the program the test is skipped.
func openDKIM(t *testing.T) func(msg string) (passes int, said string) {
	t.Helper()
	program, err := exec.LookPath("opendkim")
	if err != nil {
		t.Skip("opendkim is not installed")
	}
	dir := t.TempDir()
	var keys strings.Builder
	for name, record := range testZone() {
		fmt.Fprintf(&keys, "%s %s\n", name, record)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := write("conf", "Mode v\nTestDNSData file:"+write("keys", keys.String())+"\n")
	return func(msg string) (int, string) {
		out, err := exec.Command(program, "-x", conf, "-t", write("message", msg), "-vv").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.Count(string(out), "dkim=pass"), string(out)
	}
}

// TestOpenDKIM compares with OpenDKIM (Debian's package opendkim) where it is installed: what we sign passes there, and what
// has been changed passes neither there nor here.
func TestOpenDKIM(t *testing.T) {
	theirs := openDKIM(t)
	header := "From: a@example.org\r\nSubject:  x \t y\r\n  z\r\nTo: b@c.example\r\nTo: d@e.example\r\n\r\n"
	for i, body := range []string{"", "\r\n", "Hello\r\n", " a \t b  \r\n\r\n \r\n", "x\r\n\r\n\r\n", strings.Repeat("long ", 180) + "\r\n"} {
		good := sign(t, SignOptions{Identity: "@sub.example.org"}, header+body)
		for change, msg := range map[string]string{
			"nothing": good, "subject": strings.Replace(good, "x \t y", "x y z", 1), "white space": strings.Replace(good, "x \t y", "x  y", 1),
			"body": good + "more\r\n", "another To": "To: x@y.example\r\n" + good, "another From": "From: x@y.example\r\n" + good,
		} {
			passes, out := theirs(msg)
			for j, r := range verify(testZone(), msg) {
				if (r.Status == authres.Pass) != (passes == 2) || passes == 1 {
					t.Errorf("body %d, changed %s, signature %d: we say %s, they say %s", i, change, j, r.Status, out)
				}
			}
		}
	}
}

// TestOpenDKIMOnMadeUpMessages is the same with messages that nobody thought of, as they are and with something put into the body.
func TestOpenDKIMOnMadeUpMessages(t *testing.T) {
	theirs := openDKIM(t)
	for i, msg := range someMessages(20) {
		msg = sign(t, SignOptions{}, msg)
		for _, m := range []string{msg, strings.Replace(msg, "\r\n\r\n", "\r\n\r\nx", 1)} {
			passes, out := theirs(m)
			if got := ours(testZone(), m); (got == "pass,pass") != (passes == 2) || passes == 1 {
				t.Errorf("message %d: we say %s, they say %s: %q", i, got, out, m)
			}
		}
	}
}
