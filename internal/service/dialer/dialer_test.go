package dialer

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipe dials to the other end of a pipe.
func pipe(t *testing.T) (Options, net.Conn) {
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close(); there.Close() })
	return Options{Address: "mail.example.org:143", Security: Plain, Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}, there
}

func TestDial(t *testing.T) {
	ctx := t.Context()
	nobody := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody is there") }
	if _, err := Dial(ctx, Options{Address: "mail.example.org:143", Dial: nobody}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if _, err := Dial(ctx, Options{Address: "mail.example.org", Dial: nobody}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	for said, want := range map[string]struct {
		kind fault.Kind
		text string
	}{
		"":                             {fault.Unavailable, "the connection broke"},
		"* OK no TLS here\r\n":         {fault.Denied, "it begins without"},
		"\x15\x03\x03\x00\x02\x02\x28": {fault.Denied, "handshake failure"}, // an alert, RFC 8446 §6
	} {
		o, there := pipe(t)
		o.Security = Implicit
		go func() {
			there.Read(make([]byte, 4096))
			io.WriteString(there, said)
			there.Close()
		}()
		if _, err := Dial(ctx, o); !fault.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%q: %v", said, err)
		}
	}
}

// A silent server doesn't hold us, nor one that takes nothing.
func TestSilence(t *testing.T) {
	o, _ := pipe(t)
	o.Idle = time.Millisecond
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if _, err := io.WriteString(c, "x"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// Who wants no answer any more waits for none.
func TestContext(t *testing.T) {
	o, _ := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("something was read")
	}
}
