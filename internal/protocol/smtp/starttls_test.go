package smtp

import (
	"crypto/tls"
	"net/textproto"
	"testing"
)

// TestStrangerAfterStartTLS: STARTTLS takes back a sign-in, and with it that nobody checks the mail.
func TestStrangerAfterStartTLS(t *testing.T) {
	g := &guard{}
	_, l := guardedWorld(t, g, ListenerOptions{OfferAuth: true, PlainAllowed: true}, nil)
	raw := l.dial("192.0.2.7")
	defer raw.Close()
	c := textproto.NewConn(raw)
	ask := func(code int, line string) {
		t.Helper()
		if line != "" {
			c.PrintfLine("%s", line)
		}
		if _, text, err := c.ReadResponse(code); err != nil {
			t.Fatalf("%s: %v %s", line, err, text)
		}
	}
	ask(220, "")
	ask(250, "EHLO c.example")
	ask(235, "AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==")
	ask(220, "STARTTLS")
	c = textproto.NewConn(tls.Client(raw, &tls.Config{InsecureSkipVerify: true}))
	for _, line := range []string{"EHLO c.example", "MAIL FROM:<x@y.example>", "RCPT TO:<alice@example.org>"} {
		ask(250, line)
	}
	ask(354, "DATA")
	ask(250, "Subject: a\r\n\r\nA\r\n.")
	if len(g.in) != 1 {
		t.Errorf("nobody looked at the message: %q", g.steps)
	}
}
