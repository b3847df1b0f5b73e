package smtp

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"postroad/internal/fault"
)

// safeBuffer may be written while it is read.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestLog: what wasn't delivered is told in one line; details go to the log and
// not to the client, secrets to neither.
func TestLog(t *testing.T) {
	w := &world{fail: map[string]error{"bob@example.org": fault.Wrap(fault.Unavailable, errSecret, "later")}}
	var log safeBuffer
	s := w.server(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Senders = nil
	})
	l := serve(t, s, ListenerOptions{Mode: Submission, PlainAllowed: true})
	said := talk(t, l, hello+"AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25n\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==\r\n"+
		"MAIL FROM:<carol@client.example>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<broken@example.org>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n")
	if !strings.Contains(said, "\r\n451 4.3.2 ") || strings.Contains(said, "secret") {
		t.Errorf("said %s", said)
	}
	for _, want := range []string{
		"msg=message", "protocol=submission", "client=192.0.2.7", "login=alice@example.org", "id=1kq8ai0000001", "helo=client.example",
		"from=carol@client.example", "to=bob@example.org", "recipients=1", "size=7", "reply=451", "status=4.3.2", "at /dev/secret",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log.String())
		}
	}
	for _, secret := range []string{"sesame", "AGFsaWNl", "wrong"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s in\n%s", secret, log.String())
		}
	}
	if n := strings.Count(log.String(), "msg=message"); n != 1 {
		t.Errorf("%d lines for a message", n)
	}
}

var errSecret = fault.New(fault.Internal, "disk on fire at /dev/secret")

// TestReplyTexts: whatever a fault's text is, the reply is one line of ASCII.
func TestReplyTexts(t *testing.T) {
	for text, want := range map[string]string{
		"over there":             "Over there",
		"":                       "Not supported",
		"two\r\nlines":           "Mail for this address is not handled here",
		"zoë":                    "Mail for this address is not handled here",
		strings.Repeat("x", 451): "Mail for this address is not handled here",
	} {
		if got := recipientReply(&fault.Error{Kind: fault.Unsupported, Text: text}); got.text != want {
			t.Errorf("%.20q: %q, want %q", text, got.text, want)
		}
	}
	if got := recipientReply(fault.New(fault.TooLarge, "many")); got.status != "5.2.4" {
		t.Errorf("%+v", got)
	}
}
