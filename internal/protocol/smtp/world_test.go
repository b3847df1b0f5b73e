package smtp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
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
		w.delivered = append(w.delivered, letter{Envelope: *e, Text: "Return-Path: <" + e.From + ">\r\n" + c.(*content).String()}) // as delivery does
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
		Hostname: "mx.example.org", Post: w, Auth: w, Senders: w, TLS: serverTLS(),
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

// memListener hands out the server's ends of connections in memory.
type memListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newListener() *memListener {
	return &memListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *memListener) Addr() net.Addr { return memAddr("192.0.2.25:25") }

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

// memConn is a pipe's end that says where the other is, and counts writes.
type memConn struct {
	net.Conn
	remote memAddr
	writes *int
}

func (c memConn) RemoteAddr() net.Addr { return c.remote }

func (c memConn) Write(p []byte) (int, error) {
	if c.writes != nil {
		*c.writes++
	}
	return c.Conn.Write(p)
}

// dial gives the client's end of a new connection.
func (l *memListener) dial(remote memAddr) net.Conn {
	client, server := net.Pipe()
	l.conns <- memConn{Conn: server, remote: remote}
	return client
}

// serve runs the server on a new listener until the test ends.
func serve(t testing.TB, s *Server, o ListenerOptions) *memListener {
	t.Helper()
	l := newListener()
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
	return l
}

var serverTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.org"},
		DNSNames: []string{"mx.example.org"}, NotAfter: time.Now().Add(24 * 365 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// talk sends all of input on a new connection, and returns all that the server said.
func talk(t testing.TB, l *memListener, input string) string {
	t.Helper()
	conn := l.dial("192.0.2.7:40000")
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
