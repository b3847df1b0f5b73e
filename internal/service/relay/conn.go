package relay

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// conn is a connection to a hop. One job uses it at a time.
type conn struct {
	limits *Limits
	key    key
	name   string // the host's
	addr   netip.AddrPort
	lmtp   bool
	helo   string // what it calls itself
	silent bool   // there was no greeting
	tls    string // how it is protected, as in an Outcome; "": not at all
	ext    extensions

	nc  net.Conn
	in  *bufio.Reader
	out []byte // commands not sent yet

	messages int  // transactions so far
	dirty    bool // a transaction was left unfinished: RSET comes first
	reused   bool // it has served another job before

	mu    sync.Mutex
	over  bool      // the job's time is up. Guarded by mu
	until time.Time // data must be through by then; zero: no limit
	stop  func() bool
}

// full reports whether it has served as many transactions as the hop wants (RFC 9422 §4.1).
func (c *conn) full() bool { return c.ext.maxMails > 0 && c.messages >= c.ext.maxMails }

// bind lets the end of ctx interrupt the connection, until release.
func (c *conn) bind(ctx context.Context) {
	c.stop = context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.over = true
		c.nc.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // what waits fails now, or has ended
	})
}

// release undoes bind. It reports false if the connection was interrupted.
func (c *conn) release() bool { return c.stop() }

// arm gives what comes next so much time.
func (c *conn) arm(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return context.DeadlineExceeded
	}
	t := time.Now().Add(d)
	if !c.until.IsZero() && c.until.Before(t) {
		t = c.until
	}
	return c.nc.SetDeadline(t)
}

// queue adds a command line to what is sent next.
func (c *conn) queue(line string) { c.out = append(append(c.out, line...), '\r', '\n') }

// flush sends what is queued.
func (c *conn) flush(d time.Duration) error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.arm(d); err != nil {
		return err
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

// read awaits a reply.
func (c *conn) read(d time.Duration) (reply, error) {
	if err := c.arm(d); err != nil {
		return reply{}, err
	}
	return readReply(c.in)
}

// ask sends a command and awaits its reply.
func (c *conn) ask(line, doing string, d time.Duration) (reply, *trouble) {
	c.queue(line)
	if err := c.flush(d); err != nil {
		return reply{}, lost(err, "sending "+doing)
	}
	r, err := c.read(d)
	if err != nil {
		return reply{}, lost(err, "waiting for the reply to "+doing)
	}
	return r, nil
}

// Write sends message data; it is for the writers in data.go.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.arm(c.limits.DataBlock); err != nil {
		return 0, err
	}
	return c.nc.Write(b)
}

// quitTime is how long the last word may take.
const quitTime = 2 * time.Second

// quit says QUIT and closes the connection, for those who can't wait for the reply: nobody would use it.
func (c *conn) quit() {
	if c.nc.SetDeadline(time.Now().Add(quitTime)) == nil {
		c.nc.Write([]byte("QUIT\r\n")) //nolint:errcheck // a courtesy
	}
	c.nc.Close() //nolint:errcheck // nothing is lost
}

// part is quit where nobody is kept waiting by the reply (RFC 5321 §4.1.1.10).
func (c *conn) part() {
	c.ask("QUIT", "QUIT", quitTime) //nolint:errcheck // whatever it is
	c.drop()
}

// drop closes a connection that is out of step or gone.
func (c *conn) drop() { c.nc.Close() } //nolint:errcheck // nothing is lost

// end is quit, or drop where nothing can be said any more.
func (c *conn) end(t *trouble) {
	if t.broken {
		c.drop()
		return
	}
	c.quit()
}

// limit bounds all that follows, until limit(0).
func (c *conn) limit(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
	if d > 0 {
		c.until = time.Now().Add(d)
	}
}
