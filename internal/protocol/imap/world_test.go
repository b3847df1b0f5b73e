package imap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/certtest"
	"postroad/internal/service/memnet"
	"postroad/internal/storage/kv"
)

// world is a server with two accounts, ann@demo.test and bob@demo.test, in memory. Their password is "secret".
type world struct {
	t        testing.TB
	store    *mailbox.Store
	dir      *directory.Directory
	accounts map[string]ident.AccountID
	server   *Server
	config   Config
	net      memnet.Network
}

// testTime is what the fixed clock shows.
var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixedClock() time.Time { return testTime }

func newWorld(t testing.TB, change ...func(*Config, *ListenerOptions)) *world {
	t.Helper()
	return newWorldAt(t, fixedClock, change...)
}

// newWorldAt is newWorld with another clock.
func newWorldAt(t testing.TB, now func() time.Time, change ...func(*Config, *ListenerOptions)) *world {
	t.Helper()
	return newWorldOn(t, now, func(db kv.DB) kv.DB { return db }, change...)
}

// newWorldOn is newWorldAt whose mail is read and written by what on makes of the store.
func newWorldOn(t testing.TB, now func() time.Time, on func(kv.DB) kv.DB, change ...func(*Config, *ListenerOptions)) *world {
	t.Helper()
	dir, db := directorytest.Open(t, directory.Options{Now: fixedClock}, "demo.test")
	ctx := context.Background()
	w := &world{t: t, dir: dir, accounts: map[string]ident.AccountID{}}
	w.store = mailbox.NewStore(on(db), mailbox.Options{Now: now, SpoolDir: t.TempDir()})
	w.add("ann")
	w.add("bob")
	o := ListenerOptions{PlainAllowed: true}
	w.config = Config{Auth: auth.New(dir, auth.Options{Now: fixedClock}), Store: w.store, Hostname: "mail.demo.test", Now: fixedClock}
	for _, c := range change {
		c(&w.config, &o)
	}
	w.server = New(w.config)
	served := make(chan error, 1)
	l := w.listen()
	go func() { served <- w.server.Serve(ctx, l, o) }()
	t.Cleanup(func() {
		soon, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := w.server.Shutdown(soon); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		for name, id := range w.accounts {
			problems, err := w.store.Check(ctx, id)
			if err != nil || len(problems) > 0 {
				t.Errorf("check %s: %v %v", name, problems, err)
			}
		}
	})
	return w
}

// add adds an account.
func (w *world) add(name string) {
	w.t.Helper()
	ctx := context.Background()
	a, err := w.dir.AddAccount(ctx, directory.NewAccount{Address: name + "@demo.test", Password: "secret"})
	must(w.t, err)
	must(w.t, w.store.Create(ctx, a.ID, mailbox.Usage{Bytes: 10 << 20}))
	w.accounts[name] = a.ID
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open acts on an account directly.
func (w *world) open(name string) *mailbox.Session {
	w.t.Helper()
	s, err := w.store.Open(context.Background(), w.accounts[name], ident.Identity{Account: w.accounts[name], Login: name + "@demo.test"})
	must(w.t, err)
	w.t.Cleanup(s.Close)
	return s
}

// guest acts on an account of somebody else, who has given rights on a folder.
func (w *world) guest(name, owner string, f mailbox.FolderID, rights mailbox.Rights) *mailbox.Session {
	w.t.Helper()
	must(w.t, w.open(owner).SetGrants(context.Background(), f, []mailbox.Grant{{Kind: mailbox.ToAccount, ID: uint64(w.accounts[name]), Rights: rights}}))
	s, err := w.store.Open(context.Background(), w.accounts[owner], ident.Identity{Account: w.accounts[name], Login: name + "@demo.test"})
	must(w.t, err)
	w.t.Cleanup(s.Close)
	return s
}

// deliver puts a message into a folder behind IMAP's back.
func (w *world) deliver(s *mailbox.Session, f mailbox.FolderID, text string, flags mailbox.Flags, keywords ...string) mailbox.Appended {
	w.t.Helper()
	c := w.store.NewContent()
	_, err := io.WriteString(c, text)
	must(w.t, err)
	content, err := c.Finish()
	must(w.t, err)
	defer content.Close()
	done, err := s.Append(context.Background(), f, mailbox.Append{Content: content, Flags: flags, Keywords: keywords, Received: testTime})
	must(w.t, err)
	return done[0]
}

// client is a raw client: it sends lines and gets lines.
type client struct {
	t     testing.TB
	conn  net.Conn
	lines chan string
	tag   int
}

func (w *world) dial() *client {
	w.t.Helper()
	return newClient(w.t, w.connect())
}

// connect comes from an address that the limits for each client don't count.
func (w *world) connect() net.Conn {
	w.t.Helper()
	conn, err := w.net.DialFrom(context.Background(), "127.0.0.1", "imap")
	must(w.t, err)
	return conn
}

// pipe is a connection in which each write arrives by itself, and which holds nothing that a benchmark would count.
func (w *world) pipe() net.Conn {
	w.t.Helper()
	near, far := net.Pipe()
	must(w.t, w.net.Hand(context.Background(), "imap", far))
	return near
}

func (w *world) listen() net.Listener {
	w.t.Helper()
	l, err := w.net.Listen("imap")
	must(w.t, err)
	return l
}

func newClient(t testing.TB, conn net.Conn) *client { return newClientOf(t, conn, 100_000) }

// newClientOf is a client for whom so many lines may lie unread.
func newClientOf(t testing.TB, conn net.Conn, lines int) *client {
	c := &client{t: t, conn: conn, lines: make(chan string, lines)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(c.lines)
		r := bufio.NewReader(conn)
		for {
			l, err := r.ReadString('\n')
			if l != "" {
				c.lines <- strings.TrimSuffix(l, "\r\n")
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	return c
}

// user is a client that has logged in.
func (w *world) user(name string) *client {
	c := w.dial()
	c.line()
	c.ok("LOGIN " + name + "@demo.test secret")
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatalf("sending %.80q: %v", s, err)
	}
}

// line waits for the next line; "" at the end.
func (c *client) line() string {
	c.t.Helper()
	select {
	case l := <-c.lines:
		return l
	case <-time.After(20 * time.Second):
		c.t.Fatal("no answer")
		return ""
	}
}

// do sends a command and returns the untagged lines and the completion without its tag.
func (c *client) do(command string) (untagged []string, completion string) {
	c.t.Helper()
	c.tag++
	tag := fmt.Sprintf("t%d", c.tag)
	if _, err := io.WriteString(c.conn, tag+" "+command+"\r\n"); err != nil {
		return nil, "closed"
	}
	for {
		l, open := "", true
		select {
		case l, open = <-c.lines:
		case <-time.After(20 * time.Second):
			c.t.Fatalf("%.80q: no answer", command)
		}
		if !open {
			return untagged, "closed"
		}
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			return untagged, rest
		}
		untagged = append(untagged, l)
	}
}

// ok is do for commands that must succeed.
func (c *client) ok(command string) []string {
	c.t.Helper()
	lines, completion := c.do(command)
	if !strings.HasPrefix(completion, "OK") {
		c.t.Fatalf("%.200s: %s (%q)", command, completion, lines)
	}
	return lines
}

// selfSigned is a configuration with a certificate for mail.demo.test.
func selfSigned(t testing.TB) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certtest.Server(t, "mail.demo.test")}}
}

// testMessage makes a small message.
func testMessage(n int) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Sender %d <s%d@example.org>\r\nTo: ann@demo.test\r\nSubject: Message %d\r\n", n, n, n)
	fmt.Fprintf(&b, "Date: Sun, 1 Mar 2026 10:00:%02d +0000\r\nMessage-ID: <%d@example.org>\r\n\r\nThis is text %d.\r\n", n%60, n, n)
	return b.String()
}
