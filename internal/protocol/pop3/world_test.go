package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Server with all that it stands on, in memory. ann@example.org and
// bob@example.org have the password "secret".
type world struct {
	*Server
	dir    *directory.Directory
	store  *mailbox.Store
	ann    ident.AccountID
	bob    ident.AccountID
	mu     sync.Mutex
	now    time.Time // guarded by mu
	log    safeBuffer
	net    memnet.Network
	served chan error
	panics uint64 // how many there should have been at the end
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
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
	return newWorldWith(t, o, auth.Options{}, change)
}

// newWorldWith is newWorld with other ways to sign in.
func newWorldWith(t testing.TB, o ListenerOptions, signIn auth.Options, change func(*Config)) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), served: make(chan error, 1)}
	dir, db := directorytest.Open(t, directory.Options{Now: w.clock, Hash: directory.HashParams{Recoverable: signIn.APOP}}, "example.org")
	w.dir = dir
	made, err := w.dir.AddAccounts(t.Context(), []directory.NewAccount{{Address: "ann@example.org"}, {Address: "bob@example.org"}}, "secret")
	check(t, err)
	w.ann, w.bob = made[0].ID, made[1].ID
	w.store = mailbox.NewStore(db, mailbox.Options{Now: w.clock, SpoolDir: t.TempDir()})
	check(t, w.store.Create(t.Context(), w.ann, mailbox.Usage{}))
	check(t, w.store.Create(t.Context(), w.bob, mailbox.Usage{}))
	signIn.Now = w.clock
	c := Config{
		Auth: auth.New(w.dir, signIn), Mailboxes: w.store, Hostname: "mail.example.org",
		Now: w.clock, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	if change != nil {
		change(&c)
	}
	w.Server = New(c)
	l := w.listen(t)
	go func() { w.served <- w.Serve(context.Background(), l, o) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		check(t, w.Shutdown(ctx))
		check(t, <-w.served)
		if st := w.Stats(); st.Panics != w.panics || st.Open > 0 || st.Clients > 0 {
			t.Errorf("at the end: %+v; the log:\n%s", st, w.log.String())
		}
		for _, id := range []ident.AccountID{w.ann, w.bob} {
			if problems, err := w.store.Check(ctx, id); err != nil || len(problems) > 0 {
				t.Errorf("account %d: %v, %v", id, problems, err)
			}
		}
	})
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put delivers messages to an account's INBOX.
func (w *world) put(t testing.TB, id ident.AccountID, texts ...string) {
	t.Helper()
	w.inbox(t, id, func(s *mailbox.Session, f mailbox.Folder) {
		for _, text := range texts {
			cw := w.store.NewContent()
			_, err := io.WriteString(cw, text)
			check(t, err)
			c, err := cw.Finish()
			check(t, err)
			_, err = s.Append(t.Context(), f.ID, mailbox.Append{Content: c})
			check(t, err)
			check(t, c.Close())
		}
	})
}

func (w *world) inbox(t testing.TB, id ident.AccountID, fn func(*mailbox.Session, mailbox.Folder)) {
	t.Helper()
	s, err := w.store.Open(t.Context(), id, ident.System())
	check(t, err)
	defer s.Close()
	f, _ := s.FolderByRole(mailbox.Inbox)
	fn(s, f)
}

// expunge removes messages as another program would.
func (w *world) expunge(t testing.TB, id ident.AccountID, uids ...mailbox.UID) {
	t.Helper()
	w.inbox(t, id, func(s *mailbox.Session, f mailbox.Folder) {
		_, err := s.Expunge(t.Context(), f.ID, uids, false)
		check(t, err)
	})
}

func (w *world) count(t testing.TB, id ident.AccountID) (n int) {
	t.Helper()
	w.inbox(t, id, func(_ *mailbox.Session, f mailbox.Folder) { n = f.Items })
	return n
}

func (w *world) listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := w.net.Listen("pop3")
	check(t, err)
	return l
}

// client is a program that speaks to the Server.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// dial connects from an address.
func (w *world) dial(t testing.TB, from string) *client {
	t.Helper()
	conn, err := w.net.DialFrom(t.Context(), from, "pop3")
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// enter connects as a program at home and signs in as ann.
func (w *world) enter(t testing.TB) *client {
	t.Helper()
	c := w.dial(t, "192.0.2.1")
	c.expect("+OK mail.example.org Postroad POP3 ready")
	c.say("USER ann@example.org")
	c.expect("+OK now the password")
	c.say("PASS secret")
	if got := c.line(); !strings.HasPrefix(got, "+OK ") {
		t.Fatalf("not signed in: %s", got)
	}
	return c
}

func (c *client) say(line string) { c.raw(line + "\r\n") }

func (c *client) raw(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("can't say %.60q: %v", text, err)
	}
}

// line reads a line, which must end with CRLF.
func (c *client) line() string {
	c.t.Helper()
	s, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", s, err)
	}
	if !strings.HasSuffix(s, "\r\n") {
		c.t.Fatalf("%q doesn't end with CRLF", s)
	}
	return s[:len(s)-2]
}

func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.line(); got != want {
		c.t.Fatalf("got  %q\nwant %q", got, want)
	}
}

// closed checks that the server has hung up.
func (c *client) closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if len(rest) > 0 || err != nil && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
		c.t.Fatalf("not closed: %q, %v", rest, err)
	}
}

// multi reads a multi-line response's lines, unstuffed, after the status line.
func (c *client) multi() (lines []string) {
	c.t.Helper()
	if got := c.line(); !strings.HasPrefix(got, "+OK") {
		c.t.Fatalf("got %q", got)
	}
	for {
		l := c.line()
		if l == "." {
			return lines
		}
		lines = append(lines, strings.TrimPrefix(l, "."))
	}
}

// ask says a line and gives the answer.
func (c *client) ask(line string) string {
	c.t.Helper()
	c.say(line)
	return c.line()
}

// startTLS does the client's side of a handshake.
func (c *client) startTLS() {
	c.t.Helper()
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
}

var plain = ListenerOptions{PlainAllowed: true}
