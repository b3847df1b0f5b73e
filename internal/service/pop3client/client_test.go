package pop3client

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/dialer"
	"postroad/internal/service/dialer/dialertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial connects to a server that plays a script.
func dial(t *testing.T, security dialer.Security, lines ...string) (*Client, error) {
	t.Helper()
	c, err := Dial(t.Context(), Options{Address: "pop.example.org:110", Security: security, Dial: dialertest.Script(t, lines...)})
	t.Cleanup(func() {
		if c != nil {
			c.Close()
		}
	})
	return c, err
}

func session(t *testing.T, caps string, lines ...string) *Client {
	t.Helper()
	begin := []string{"+OK hello\r\n", "C: CAPA", "+OK\r\n" + caps + ".\r\n"}
	if caps == "" {
		begin[2] = "-ERR what?\r\n"
	}
	c, err := dial(t, dialer.Plain, append(begin, lines...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLogin(t *testing.T) {
	for _, x := range []struct {
		name, caps string
		token      bool
		lines      []string
		kind       fault.Kind
		ok         bool
	}{
		{"user and pass", "", false, []string{"C: USER ann", "+OK\r\n", "C: PASS px", "+OK\r\n"}, 0, true},
		{"plain", "SASL LOGIN PLAIN\r\n", false, []string{"C: AUTH PLAIN", "+ \r\n", "C: AGFubgBweA==", "+OK\r\n"}, 0, true},
		{"xoauth2", "SASL XOAUTH2\r\n", true, []string{"C: AUTH XOAUTH2", "+ \r\n", "C: dXNlcj1hbm4BYXV0aD1CZWFyZXIgcHgBAQ==", "+OK\r\n"}, 0, true},
		{"oauthbearer", "SASL XOAUTH2 OAUTHBEARER\r\n", true, []string{"C: AUTH OAUTHBEARER", "+ \r\n", "C: bixhPWFubiwBYXV0aD1CZWFyZXIgcHgBAQ==", "+OK\r\n"}, 0, true},
		{"a token that has expired", "SASL XOAUTH2\r\n", true, []string{"C: AUTH XOAUTH2", "+ \r\n", "C: dXNlcj1hbm4BYXV0aD1CZWFyZXIgcHgBAQ==", "+ eyJ9\r\n", "C: *", "-ERR no\r\n"}, fault.Unauthenticated, false},
		{"wrong", "", false, []string{"C: USER ann", "+OK\r\n", "C: PASS px", "-ERR [AUTH] no\r\n"}, fault.Unauthenticated, false},
		{"in use", "", false, []string{"C: USER ann", "+OK\r\n", "C: PASS px", "-ERR [IN-USE] later\r\n"}, fault.Unavailable, false},
		{"no tokens", "", true, nil, fault.Unsupported, false},
		{"confused", "SASL PLAIN\r\n", false, []string{"C: AUTH PLAIN", "+OK already\r\n"}, fault.Unavailable, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := session(t, x.caps, x.lines...)
			login := c.Login
			if x.token {
				login = c.LoginToken
			}
			if err := login("ann", "px"); x.ok != (err == nil) || err != nil && !fault.Is(err, x.kind) {
				t.Error(err)
			}
		})
	}
}

func TestMaildrop(t *testing.T) {
	c := session(t, "",
		"C: LIST", "+OK\r\n1 10\r\n3 20 extra\r\n9 5\r\n.\r\n", "C: UIDL", "+OK\r\n1 a\r\n2 gone\r\n9 ..b\r\n.\r\n",
		"C: RETR 1", "+OK 10 octets\r\nSubject: x\r\n\r\n..dot\r\n.x\r\n\r\n.\r\n",
		"C: RETR 3", "-ERR no such message\r\n",
		"C: RETR 9", "+OK\r\n"+strings.Repeat("long", 10_000)+"\r\n.\r\n",
		"C: DELE 1", "+OK\r\n", "C: QUIT", "+OK bye\r\n")
	all, err := c.List()
	if d := cmp.Diff([]Message{{1, "a", 10}, {3, "", 20}, {9, "..b", 5}}, all); d != "" || err != nil {
		t.Error(d, err)
	}
	err = c.Retrieve(1, func(r io.Reader) error {
		b, err := io.ReadAll(r)
		if string(b) != "Subject: x\r\n\r\n.dot\r\nx\r\n\r\n" {
			t.Errorf("%q", b)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := c.Retrieve(3, nil); !IsRefusal(err) {
		t.Error(err)
	}
	n := 0
	err = c.Retrieve(9, func(r io.Reader) error {
		b := make([]byte, 100)
		n, err = io.ReadFull(r, b)
		return err // and leaves the rest
	})
	if n != 100 || err != nil {
		t.Error(n, err)
	}
	if err := c.Delete(1); err != nil {
		t.Error(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
}

// No TLS is no session, where TLS is wanted; and what was put in front of it isn't believed.
func TestStartTLSIsDemanded(t *testing.T) {
	for name, lines := range map[string][]string{
		"refused":     {"+OK\r\n", "C: STLS", "-ERR no\r\n"},
		"injected":    {"+OK\r\n", "C: STLS", "+OK\r\n+OK I am the server\r\n"},
		"turned away": {"-ERR go away\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := dial(t, dialer.StartTLS, lines...); err == nil {
				c.Close()
				t.Error("it connected")
			}
		})
	}
}

func TestHostileServers(t *testing.T) {
	for name, said := range map[string]string{
		"endless line":   "+OK\r\n" + strings.Repeat("1 ", 9000),
		"endless reply":  "+OK " + strings.Repeat("x", 100_000),
		"not a number":   "+OK\r\nx 1\r\n.\r\n",
		"negative":       "+OK\r\n1 -5\r\n.\r\n",
		"not ascending":  "+OK\r\n2 1\r\n1 1\r\n.\r\n",
		"other protocol": "* OK IMAP4rev1\r\n",
		"cut":            "+OK\r\n1 1\r\n",
		"long UID":       "+OK\r\n1 1\r\n.\r\n+OK\r\n1 " + strings.Repeat("x", 257) + "\r\n.\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := session(t, "", "C: LIST", said, "C: UIDL")
			c.conn.Idle = 50 * time.Millisecond
			if all, err := c.List(); err == nil {
				t.Error(all)
			}
		})
	}
}

// endless is a server that says the same for ever, as far as anybody reads it.
type endless struct {
	net.Conn
	text, left string
	closed     bool
}

func (e *endless) Read(p []byte) (int, error) {
	if e.closed {
		return 0, net.ErrClosed
	}
	if e.left == "" {
		e.left = e.text
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}
func (e *endless) Write(p []byte) (int, error)      { return len(p), nil }
func (e *endless) SetWriteDeadline(time.Time) error { return nil }
func (e *endless) SetReadDeadline(time.Time) error  { return nil }
func (e *endless) Close() error                     { e.closed = true; return nil }

// What has no end is not read to its end.
func TestEndlessServers(t *testing.T) {
	server := func(text string) (*Client, *endless) {
		e := &endless{text: text, left: "+OK\r\n"}
		c := &Client{o: Options{Address: "pop.example.org:110"}, conn: &dialer.Conn{Conn: e, Idle: time.Minute}, caps: map[string]string{}}
		c.in = bufio.NewReaderSize(e, 1<<20)
		return c, e
	}
	c, e := server(strings.Repeat("x", 1<<20))
	if err := c.Retrieve(1, func(io.Reader) error { return nil }); !fault.Is(err, fault.Unavailable) || !e.closed {
		t.Error(err)
	}
	c, _ = server(strings.Repeat("1 a\r\n", 10_000))
	if err := c.addUIDs([]Message{{Number: 1}}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func FuzzServer(f *testing.F) {
	f.Add("+OK\r\n1 5\r\n.\r\n+OK\r\n1 a\r\n.\r\n")
	f.Add("+OK\r\n..a\r\n.\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		fresh := func() *Client {
			return &Client{conn: &dialer.Conn{Conn: deaf{}, Idle: time.Minute}, in: bufio.NewReader(strings.NewReader(said)), caps: map[string]string{}}
		}
		_, _ = fresh().List()
		_ = fresh().askCapabilities()
		_ = fresh().Login("a", "b")
		_ = fresh().Retrieve(1, func(r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			if n > int64(len(said)) {
				t.Error("more bytes than were sent")
			}
			return err
		})
	})
}

// deaf is a connection to which can be written.
type deaf struct{ net.Conn }

func (deaf) SetWriteDeadline(time.Time) error { return nil }
func (deaf) Write(p []byte) (int, error)      { return len(p), nil }
