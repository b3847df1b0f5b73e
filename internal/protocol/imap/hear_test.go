package imap

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"postroad/internal/model/mailbox"
)

// socket is a connection on a real socket, with TLS or without, below which the server waits.
func (w *world) socket(t *testing.T, secure bool) (net.Conn, *gathering) {
	g := &gathering{Conn: w.dialSocket(t, ListenerOptions{ImplicitTLS: secure, PlainAllowed: true})}
	if secure {
		return tls.Client(g, &tls.Config{InsecureSkipVerify: true}), g
	}
	return g, g
}

// dialSocket connects by way of the system.
func (w *world) dialSocket(t *testing.T, o ListenerOptions) net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan error, 1)
	once := &onceListener{Listener: l}
	go func() { done <- w.server.Serve(context.Background(), once, o) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	must(t, <-done)
	return conn
}

// onceListener accepts one connection.
type onceListener struct {
	net.Listener
	accepted bool
}

func (l *onceListener) Accept() (net.Conn, error) {
	if l.accepted {
		return nil, net.ErrClosed
	}
	l.accepted = true
	return l.Listener.Accept()
}

// gathering sends what is written to it together, when it is told to.
type gathering struct {
	net.Conn
	hold bool
	held bytes.Buffer
}

func (g *gathering) Write(p []byte) (int, error) {
	if g.hold {
		return g.held.Write(p)
	}
	return g.Conn.Write(p)
}

// together has what fn sends arrive at once.
func (g *gathering) together(fn func()) {
	g.hold = true
	fn()
	g.hold = false
	g.Conn.Write(g.held.Bytes())
	g.held.Reset()
}

func newClientOn(t *testing.T, conn net.Conn, compressed bool) *client {
	if !compressed {
		return newClient(t, conn)
	}
	io.WriteString(conn, "z COMPRESS DEFLATE\r\n")
	readTo(t, conn, "z OK")
	readTo(t, conn, "\r\n")
	return newClient(t, squeezeConn(t, conn))
}

func hearWorld(t *testing.T) *world {
	return newWorld(t, func(c *Config, _ *ListenerOptions) { c.TLS = selfSigned(t) })
}

// What has arrived with what came before it isn't waited for, though it lies in TLS, or in the compression.
func TestWaitingBelowTLS(t *testing.T) {
	for _, how := range []struct{ secure, compressed bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		w, compressed := hearWorld(t), how.compressed
		conn, g := w.socket(t, how.secure)
		readTo(t, conn, "ready\r\n")
		io.WriteString(conn, "x LOGIN ann@demo.test secret\r\ny SELECT INBOX\r\n")
		readTo(t, conn, "\r\ny OK")
		readTo(t, conn, "\r\n")
		c := newClientOn(t, conn, compressed)
		g.together(func() {
			c.send("a NOOP\r\n")
			c.send("b IDLE\r\n")
			c.send("DONE\r\n")
			c.send("c NO")
		})
		for _, want := range []string{"a OK", "+ ", "b OK"} {
			if l := c.line(); !strings.HasPrefix(l, want) {
				t.Errorf("%q, want %q", l, want)
			}
		}
		c.send("OP\r\n")
		if l := c.line(); !strings.HasPrefix(l, "c OK") {
			t.Errorf("%q, want c OK", l)
		}
		c.send("d IDLE\r\n")
		c.line()
		ann := w.open("ann")
		inbox, _ := ann.FolderByRole(mailbox.Inbox)
		for n := range 3 {
			w.deliver(ann, inbox.ID, testMessage(n), 0)
			for l := ""; !strings.HasSuffix(l, "EXISTS"); {
				if l = c.line(); l == "" {
					t.Fatal("the connection has ended")
				}
			}
		}
		c.send("DO")
		w.deliver(ann, inbox.ID, testMessage(4), 0) // between the parts of a line
		c.send("NE\r\n")
		for l := ""; !strings.HasPrefix(l, "d OK"); {
			if l = c.line(); l == "" {
				t.Fatal("the connection has ended")
			}
		}
		c.conn.Close()
	}
}

// Who goes without a word, in the middle of a line or by force, leaves nothing behind.
func TestGoingFromSocket(t *testing.T) {
	for _, line := range []string{"", "a NOO", "a NOOP\r\nb IDLE\r\n"} {
		for _, force := range []bool{false, true} {
			w := hearWorld(t)
			conn := w.dialSocket(t, ListenerOptions{PlainAllowed: true}).(*net.TCPConn)
			io.WriteString(conn, line)
			readTo(t, conn, "ready\r\n")
			if force {
				conn.SetLinger(0)
				conn.Close()
			} else {
				conn.CloseWrite()
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
				conn.Close()
			}
			for w.server.crowd.Len() > 0 {
				runtime.Gosched()
			}
		}
	}
}

// What comes is all there, however much it is.
func TestMuchFromSocket(t *testing.T) {
	w := hearWorld(t)
	conn, g := w.socket(t, false)
	readTo(t, conn, "ready\r\n")
	c := newClientOn(t, conn, false)
	c.ok("LOGIN ann@demo.test secret")
	text := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 10_000)
	c.send(fmt.Sprintf("a APPEND INBOX {%d+}\r\n%s\r\n", len(text), text))
	g.together(func() {
		for range 5000 {
			c.send("b NOOP\r\n")
		}
	})
	for range 5001 {
		if l := c.line(); !strings.Contains(l, " OK ") {
			t.Fatal(l)
		}
	}
}

// TestIdleMemory: what waits costs a few kilobytes, on this side and the client's together.
func TestIdleMemory(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 896 {
		t.Errorf("a session has %d bytes: the next larger piece of memory has 1024", n)
	}
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	w := hearWorld(t)
	const n = 200
	wait := func() {
		conn := w.dialSocket(t, ListenerOptions{PlainAllowed: true})
		t.Cleanup(func() { conn.Close() })
		readTo(t, conn, "ready\r\n")
		io.WriteString(conn, "x LOGIN ann@demo.test secret\r\ny SELECT INBOX\r\nz IDLE\r\n")
		readTo(t, conn, "+ idling\r\n")
	}
	for range 20 { // what is needed in any case
		wait()
	}
	before := inUse()
	for range n {
		wait()
	}
	if each := (inUse() - before) / n; each > 9<<10 {
		t.Errorf("each takes %d bytes", each)
	} else {
		t.Logf("each takes %d bytes", each)
	}
}

// raceEnabled: the race detector is on.
var raceEnabled bool

// inUse is what heap and stacks hold, when stacks have become as small as they can.
func inUse() int {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// A connection that waits has one goroutine.
func TestOneGoroutine(t *testing.T) {
	w := newWorld(t)
	const n = 10
	for range n {
		c := w.user("ann")
		c.ok("SELECT INBOX")
		c.send("i IDLE\r\n")
		c.line()
	}
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	if got := strings.Count(stacks, "(*session)."); got == 0 || strings.Count(stacks, "imap.(*session).serve(") != n {
		t.Errorf("%s", stacks)
	}
	for s := range strings.SplitSeq(stacks, "\n\n") {
		if strings.Contains(s, "imap.(*session)") && !strings.Contains(s, "imap.(*session).serve(") {
			t.Errorf("another goroutine:\n%s", s)
		}
	}
}
