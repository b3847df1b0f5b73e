package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sendAll hands in all messages, and returns how long each took from MAIL to its acknowledgement.
func sendAll(ctx context.Context, o *options) ([]time.Duration, error) {
	var next atomic.Int64
	var all sync.WaitGroup
	times := make([]time.Duration, o.messages)
	errs := make(chan error, o.conns)
	text := message(o)
	for range o.conns {
		all.Go(func() {
			for int(next.Load()) < o.messages {
				if err := converse(ctx, o, text, &next, times); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return nil, err
	default:
		return times, nil
	}
}

func message(o *options) string {
	head := "From: <" + o.from + ">\r\nTo: <someone@bench.test>\r\nSubject: the minutes of Monday\r\n" +
		"Message-ID: <minutes@bench.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n\r\n"
	const line = "All work and no play makes mail a dull thing to read.\r\n"
	return head + strings.Repeat(line, max(1, (o.size-len(head))/len(line))) + ".\r\n"
}

// conn is a connection to the server. Its first error sticks.
type conn struct {
	net.Conn
	in  *bufio.Reader
	err error
}

// converse sends messages over one connection, until there are no more or it has served its share.
func converse(ctx context.Context, o *options, text string, next *atomic.Int64, times []time.Duration) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", o.server)
	if err != nil {
		return err
	}
	defer nc.Close()
	deadline, _ := ctx.Deadline()
	if err := nc.SetDeadline(deadline); err != nil {
		return err
	}
	c := &conn{Conn: nc, in: bufio.NewReader(nc)}
	c.expect("220")
	c.ask("250", "EHLO client.bench.test")
	if o.user != "" {
		c.ask("235", "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+o.user+"\x00"+o.password)))
	}
	for n := 0; c.err == nil && (o.perConn == 0 || n < o.perConn); n++ {
		i := int(next.Add(1)) - 1
		if i >= o.messages {
			break
		}
		began := time.Now()
		c.ask("250", "MAIL FROM:<"+o.from+">")
		c.ask("250", "RCPT TO:<"+recipient(o, i)+">")
		c.ask("354", "DATA")
		c.write(text)
		c.expect("250")
		times[i] = time.Since(began)
	}
	c.ask("221", "QUIT")
	return c.err
}

func recipient(o *options, i int) string {
	if strings.Contains(o.to, "%d") {
		return fmt.Sprintf(o.to, i%o.users)
	}
	return o.to
}

func (c *conn) write(s string) {
	if c.err == nil {
		_, c.err = c.Write([]byte(s))
	}
}

func (c *conn) ask(code, line string) {
	c.write(line + "\r\n")
	c.expect(code)
}

func (c *conn) expect(code string) {
	for c.err == nil {
		line, err := c.in.ReadString('\n')
		switch {
		case err != nil:
			c.err = err
		case !strings.HasPrefix(line, code):
			c.err = fmt.Errorf("want %s, got %q", code, line)
		case len(line) > 3 && line[3] != '-':
			return
		}
	}
}
