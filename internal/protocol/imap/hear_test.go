package imap

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// socket is a connection over TLS on a real socket, below which the server waits.
func (w *world) socket(t *testing.T) (*tls.Conn, *gathering) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(context.Background(), l, ListenerOptions{ImplicitTLS: true}) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	must(t, l.Close())
	must(t, <-done)
	g := &gathering{Conn: conn}
	return tls.Client(g, &tls.Config{InsecureSkipVerify: true}), g
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
	for _, compressed := range []bool{false, true} {
		w := hearWorld(t)
		conn, g := w.socket(t)
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
