package transcript

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a client waits for anything. Only a server that has gone astray makes it wait.
const patience = 20 * time.Second

// Client is a program that talks to the server.
type Client struct {
	Name string // in the conversation: "2" of C2:

	t         testing.TB
	conn      net.Conn
	in        *bufio.Reader
	gathered  []byte
	more      bool     // "S: ..." came last
	forbidden []string // lines that must not come
}

func newClient(t testing.TB, name string, conn net.Conn) *Client {
	t.Cleanup(func() { conn.Close() })
	c := &Client{Name: name, t: t}
	c.use(conn)
	return c
}

func (c *Client) use(conn net.Conn) {
	c.conn, c.in = conn, bufio.NewReader(conn)
	conn.SetDeadline(time.Now().Add(patience))
}

// Ask says a line, unless it is empty, and gives the server's next one.
func (c *Client) Ask(line string) string {
	c.t.Helper()
	if line != "" {
		c.gathered = append(c.gathered, line+"\r\n"...)
		c.flush()
	}
	got, err := c.line()
	if err != nil {
		c.t.Fatalf("after %q: %q, %v", line, got, err)
	}
	return got
}

func (c *Client) say(l Line) {
	c.t.Helper()
	text, err := bytesOf(l)
	if err != nil {
		c.t.Fatalf("%s: %v", l.At, err)
	}
	c.gathered = append(c.gathered, text...)
}

// flush sends what has gathered. A server that has hung up meanwhile is for the next S: line to find.
func (c *Client) flush() {
	if len(c.gathered) > 0 {
		c.conn.Write(c.gathered)
		c.gathered = nil
	}
}

func (c *Client) startTLS(l Line) {
	c.t.Helper()
	c.flush()
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		c.t.Fatalf("%s: %v", l.At, err)
	}
	c.use(conn)
}

// line is the server's next, without its end. A line that doesn't end with CRLF is io.ErrUnexpectedEOF.
func (c *Client) line() (string, error) {
	got, err := c.in.ReadString('\n')
	line, whole := strings.CutSuffix(got, "\r\n")
	if err == nil && !whole {
		err = io.ErrUnexpectedEOF
	}
	return line, err
}

func (c *Client) expect(l Line, wild string) {
	c.t.Helper()
	if l.Rest == "..." {
		c.more = true
		return
	}
	for {
		got, err := c.line()
		switch {
		case err != nil && l.Rest == "(hangs up)" && got == "" && !errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil:
			c.t.Fatalf("%s:\nwant %s\ngot  %s (%v)", l.At, l.Rest, got, err)
		}
		c.forbid(l, got, wild)
		if Fits(got, l.Rest, wild) {
			c.more, c.forbidden = false, nil
			return
		}
		if !c.more {
			c.t.Fatalf("%s:\nwant %s\ngot  %s", l.At, l.Rest, got)
		}
	}
}

// forbid fails if a line may not come here.
func (c *Client) forbid(l Line, got, wild string) {
	c.t.Helper()
	for _, f := range c.forbidden {
		if Fits(got, f, wild) {
			c.t.Fatalf("%s: forbidden: %s", l.At, got)
		}
	}
}
