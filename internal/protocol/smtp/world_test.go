package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/certtest"
	"postroad/internal/service/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Post, an Auth and Senders in memory. example.org is at home here,
// with alice, bob, full (over quota), busy and broken.
type world struct {
	mu        sync.Mutex
	delivered []letter
	discarded int
	asked     int              // recipients
	fail      map[string]error // of Deliver, by address
	writeErr  error
	onDeliver func()
}

type letter struct {
	Envelope Envelope
	Text     string
}

type content struct {
	bytes.Buffer
	w *world
}

func (c *content) Write(p []byte) (int, error) {
	if c.w.writeErr != nil {
		return 0, c.w.writeErr
	}
	return c.Buffer.Write(p)
}

func (c *content) Discard() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.discarded++
}

func (w *world) NewContent() Content { return &content{w: w} }

func (w *world) Recipient(_ context.Context, e *Envelope, address string) (Mailbox, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	local, domain := strings.ToLower(address), "example.org"
	if i := strings.LastIndexByte(local, '@'); i >= 0 {
		local, domain = local[:i], local[i+1:]
	}
	if domain != "example.org" && domain != "bücher.example" {
		if e.Who != nil {
			return nil, fault.New(fault.Unsupported, "sending to other domains isn't available yet")
		}
		return nil, fault.New(fault.Unsupported, "mail for this domain is not handled here")
	}
	switch local {
	case "alice", "bob", "postmaster", "zoë", `"a b"`:
		return local, nil
	case "full":
		return nil, fault.New(fault.OverQuota, "full")
	case "busy":
		return nil, fault.New(fault.RateLimited, "busy")
	case "broken":
		return nil, errors.New("disk on fire at /dev/secret")
	case "panic":
		panic("a broken invariant")
	}
	return nil, fault.New(fault.NotFound, "no %s", address)
}

func (w *world) Deliver(_ context.Context, e *Envelope, c Content) []error {
	if w.onDeliver != nil {
		w.onDeliver()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(e.Recipients))
	failed := 0
	for i, r := range e.Recipients {
		if errs[i] = w.fail[r.Address]; errs[i] != nil {
			failed++
		}
	}
	if failed < len(errs) {
		kept := *e
		kept.Recipients = slices.Clone(e.Recipients)
		w.delivered = append(w.delivered, letter{Envelope: kept, Text: "Return-Path: <" + e.From + ">\r\n" + c.(*content).String()}) // as delivery does
	}
	return errs
}

func (w *world) last(t testing.TB) letter {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.delivered) == 0 {
		t.Fatal("nothing was delivered")
	}
	return w.delivered[len(w.delivered)-1]
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.delivered)
}

func (w *world) MaySend(_ context.Context, who ident.Identity, from string) error {
	if from != who.Login {
		return fault.New(fault.Denied, "not yours")
	}
	return nil
}

// Mechanisms offers passwords only where they may pass.
func (w *world) Mechanisms(p Peer) []string {
	if p.TLS == nil && !p.PlainAllowed {
		return nil
	}
	return []string{"STEPS", "PLAIN", "LOGIN"}
}

func (w *world) Start(p Peer, mechanism string) (Exchange, error) {
	for _, m := range w.Mechanisms(p) {
		if m == mechanism {
			return &exchange{mechanism: m}, nil
		}
	}
	return nil, fault.New(fault.Unsupported, "no such mechanism")
}

// exchange knows alice@example.org with the password "sesame". STEPS asks for a
// one-time word and closes with a last challenge, as SCRAM does.
type exchange struct {
	mechanism string
	user      string
	step      int
}

func (x *exchange) Identity() ident.Identity {
	return ident.Identity{Account: 7, Login: x.user, ReadsMail: x.mechanism == "PLAIN"}
}

func (x *exchange) Next(_ context.Context, response []byte) ([]byte, bool, error) {
	if response == nil && x.step == 0 && x.mechanism != "LOGIN" {
		return []byte{}, false, nil
	}
	x.step++
	switch x.mechanism {
	case "PLAIN":
		parts := strings.Split(string(response), "\x00")
		if len(parts) != 3 {
			return nil, false, fault.New(fault.Invalid, "PLAIN")
		}
		x.user = parts[1]
		return x.check(parts[2], nil)
	case "STEPS":
		if x.step == 1 {
			x.user = string(response)
			return []byte("word?"), false, nil
		}
		return x.check(string(response), []byte("v=proof"))
	}
	return x.login(response)
}

func (x *exchange) login(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		x.step = 0
		return []byte("Username:"), false, nil
	case x.user == "":
		x.user = string(response)
		return []byte("Password:"), false, nil
	}
	return x.check(string(response), nil)
}

func (x *exchange) check(password string, last []byte) ([]byte, bool, error) {
	switch {
	case x.user == "slow@example.org":
		return nil, false, fault.New(fault.RateLimited, "later")
	case x.user != "alice@example.org" || password != "sesame":
		return nil, false, fault.New(fault.Unauthenticated, "wrong")
	}
	return last, true, nil
}

// start is a server with the world behind it, on a clock that stands still.
func (w *world) server(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	c := Config{
		Hostname: "mx.example.org", Post: w, Auth: w, Senders: w, TLS: serverTLS(t),
		Now:  func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Rand: bytes.NewReader(make([]byte, 8)), Hold: 30 * 24 * time.Hour,
	}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// door is where clients come in.
type door struct {
	net memnet.Network
	t   testing.TB
}

func (d *door) listen() net.Listener {
	d.t.Helper()
	l, err := d.net.Listen("smtp")
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// dial gives the client's end of a new connection.
func (d *door) dial(from string) net.Conn {
	d.t.Helper()
	conn, err := d.net.DialFrom(context.Background(), from, "smtp")
	if err != nil {
		d.t.Fatal(err)
	}
	return conn
}

// hand lets the server accept a connection of the test's own make.
func (d *door) hand(conn net.Conn) {
	d.t.Helper()
	if err := d.net.Hand(context.Background(), "smtp", conn); err != nil {
		d.t.Fatal(err)
	}
}

// pipe is a connection that costs a benchmark nothing.
func (d *door) pipe() net.Conn {
	d.t.Helper()
	near, far := net.Pipe()
	d.hand(far)
	return near
}

// serve runs the server on a new listener until the test ends.
func serve(t testing.TB, s *Server, o ListenerOptions) *door {
	t.Helper()
	d := &door{t: t}
	l := d.listen()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background(), l, o) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return d
}

func serverTLS(t testing.TB) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certtest.Server(t, "mx.example.org")}}
}

// talk sends all of input on a new connection, and returns all that the server said.
func talk(t testing.TB, l *door, input string) string {
	t.Helper()
	conn := l.dial("192.0.2.7")
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(conn, input)
	}()
	var said bytes.Buffer
	io.Copy(&said, conn)
	<-sent
	return said.String()
}
