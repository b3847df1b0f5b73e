package pop3

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	"postroad/internal/service/auth"
)

// TestAPOPCommand: where passwords are kept for it the greeting has a challenge, another one each time, whose digest signs in.
func TestAPOPCommand(t *testing.T) {
	w := newWorldWith(t, plain, auth.Options{APOP: true}, nil)
	w.put(t, w.ann, mails("1")...)
	challenge := func(c *client) string {
		t.Helper()
		greeting := c.line()
		at := strings.IndexByte(greeting, '<')
		if at < 0 || !strings.HasSuffix(greeting, ">") {
			t.Fatal(greeting)
		}
		return greeting[at:]
	}
	digest := func(of string) string {
		sum := md5.Sum([]byte(of))
		return hex.EncodeToString(sum[:])
	}
	c := w.dial(t, "192.0.2.1")
	first := challenge(c)
	for _, wrong := range []string{"APOP", "APOP ann@example.org", "APOP ann@example.org " + digest(first+"wrong"), "APOP nobody@example.org " + digest(first+"secret")} {
		if got := c.ask(wrong); !strings.HasPrefix(got, "-ERR") {
			t.Errorf("%s: %s", wrong, got)
		}
	}
	if got := c.ask("APOP ann@example.org " + digest(first+"secret")); !strings.HasPrefix(got, "+OK 1 ") {
		t.Error(got)
	}
	c.quit()
	again := w.dial(t, "192.0.2.1")
	if second := challenge(again); second == first {
		t.Error("the same challenge twice")
	}
	if got := again.ask("APOP ann@example.org " + digest(first+"secret")); !strings.HasPrefix(got, "-ERR") {
		t.Errorf("an old answer is taken: %s", got)
	}
}
