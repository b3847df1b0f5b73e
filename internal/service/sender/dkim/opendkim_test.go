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

// TestOpenDKIM compares with OpenDKIM (Debian's package opendkim) where it is installed: what we sign passes there, and what
// has been changed passes neither there nor here.
func TestOpenDKIM(t *testing.T) {
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
	header := "From: a@example.org\r\nSubject:  x \t y\r\n  z\r\nTo: b@c.example\r\nTo: d@e.example\r\n\r\n"
	for i, body := range []string{"", "\r\n", "Hello\r\n", " a \t b  \r\n\r\n \r\n", "x\r\n\r\n\r\n", strings.Repeat("long ", 180) + "\r\n"} {
		good := sign(t, SignOptions{Identity: "@sub.example.org"}, header+body)
		for change, msg := range map[string]string{
			"nothing": good, "subject": strings.Replace(good, "x \t y", "x y z", 1), "white space": strings.Replace(good, "x \t y", "x  y", 1),
			"body": good + "more\r\n", "another To": "To: x@y.example\r\n" + good, "another From": "From: x@y.example\r\n" + good,
		} {
			out, err := exec.Command(program, "-x", conf, "-t", write("message", msg), "-vv").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for j, r := range verify(testZone(), msg) {
				passes := strings.Count(string(out), "dkim=pass")
				if (r.Status == authres.Pass) != (passes == 2) || passes == 1 {
					t.Errorf("body %d, changed %s, signature %d: we say %s, they say %s", i, change, j, r.Status, out)
				}
			}
		}
	}
}
