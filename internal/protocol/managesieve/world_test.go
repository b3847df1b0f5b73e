package managesieve

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/certtest"
	"postroad/internal/service/memnet"
	"postroad/internal/service/sieve/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Server with all that it stands on, in memory. ann@example.org has the password "secret".
type world struct {
	*Server
	store  *mailbox.Store
	ann    ident.AccountID
	net    memnet.Network
	served chan error
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// withTLS lets a Server offer it.
func withTLS(t testing.TB) func(*Config) {
	return func(c *Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{certtest.Server(t, "mail.example.org")}}
	}
}

// newWorld starts a Server. It ends with the test, which then must have left no session behind.
func newWorld(t testing.TB, o ListenerOptions, change func(*Config)) *world {
	t.Helper()
	dir, db := directorytest.Open(t, directory.Options{}, "example.org")
	w := &world{served: make(chan error, 1)}
	made, err := dir.AddAccounts(t.Context(), []directory.NewAccount{{Address: "ann@example.org"}}, "secret")
	check(t, err)
	w.ann = made[0].ID
	w.store = mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()})
	check(t, w.store.Create(t.Context(), w.ann, mailbox.Usage{}))
	c := Config{
		Auth: auth.New(dir, auth.Options{}), Mailboxes: w.store, Compiler: rules.New(rules.Options{Dir: dir, Store: w.store}),
		Extensions: []string{"fileinto", "vacation"}, MaxRedirects: 4, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	w.Server = New(c)
	l, err := w.net.Listen("sieve")
	check(t, err)
	go func() { w.served <- w.Serve(context.Background(), l, o) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		check(t, w.Shutdown(ctx))
		check(t, <-w.served)
		if st := w.Stats(); st.Panics > 0 || st.Open > 0 || st.Clients > 0 {
			t.Errorf("at the end: %+v", st)
		}
		if problems, err := w.store.Check(ctx, w.ann); err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
	})
	return w
}

// client is a connection to a Server.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (w *world) dial(t testing.TB, from string) *client {
	t.Helper()
	conn, err := w.net.DialFrom(t.Context(), from, "sieve")
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

// send writes while nobody waits for it: the server may answer before it has read all.
func (c *client) send(text string) {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(20 * time.Second)) // fails if the server has gone
	_, err := io.WriteString(c.conn, text)
	check(c.t, err)
}

// line reads one.
func (c *client) line() string {
	c.t.Helper()
	c.conn.SetDeadline(time.Now().Add(20 * time.Second)) // fails if the server has gone
	s, err := c.r.ReadString('\n')
	if err != nil {
		return "(hangs up)"
	}
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

// reply reads up to the end of a reply.
func (c *client) reply() string {
	c.t.Helper()
	var all []string
	for {
		l := c.line()
		all = append(all, l)
		for _, end := range []string{"OK", "NO", "BYE", "(hangs up)"} {
			if l == end || strings.HasPrefix(l, end+" ") {
				return strings.Join(all, "\n")
			}
		}
	}
}

// startTLS does the client's handshake.
func (c *client) startTLS() {
	c.t.Helper()
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	check(c.t, conn.HandshakeContext(c.t.Context()))
	c.conn, c.r = conn, bufio.NewReader(conn)
}
