package imap

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A gigabyte announced: refused before it is sent, or cut off.
func TestGigabyteAnnounced(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	if _, done := c.do("APPEND INBOX {1000000000}"); !strings.HasPrefix(done, "NO [TOOBIG]") {
		t.Error(done)
	}
	if _, done := c.do("SELECT {1000000000}"); !strings.HasPrefix(done, "NO [LIMIT]") {
		t.Error(done)
	}
	lines, done := c.do("APPEND INBOX {1000000000+}")
	if !strings.HasPrefix(done, "NO [TOOBIG]") {
		t.Error(lines, done)
	}
	if l := c.line(); !strings.HasPrefix(l, "* BYE") {
		t.Error(l)
	}
	w.user("ann").ok("NOOP") // others don't notice
}

// A command that isn't finished does no harm when its client goes away.
func TestTruncatedCommands(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{
		"a", "a LOGIN x", "a LOGIN {5}\r\nab", "a1 LOGIN ann@demo.test secret\r\na2 APPEND INBOX {100+}\r\nabc",
		"a1 LOGIN ann@demo.test secret\r\na2 IDLE\r\n", "a1 LOGIN ann@demo.test secret\r\na2 IDLE\r\nDON", "a1 AUTHENTICATE PLAIN\r\nAG",
	} {
		conn := w.connect()
		go io.Copy(io.Discard, conn)
		_, err := io.WriteString(conn, text)
		must(t, err)
		conn.Close()
	}
	c := w.user("ann")
	if got := c.ok("STATUS INBOX (MESSAGES)"); got[0] != `* STATUS "INBOX" (MESSAGES 0)` {
		t.Error(got)
	}
}

// Deep nesting is refused, at no great cost.
func TestDeepNesting(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Limits.BadCommands = 100 })
	c := w.user("ann")
	c.ok("SELECT INBOX")
	deep := 10_000
	for _, cmd := range []string{
		"SEARCH " + strings.Repeat("(", deep) + "ALL" + strings.Repeat(")", deep),
		"SEARCH " + strings.Repeat("NOT ", deep) + "ALL",
		"SEARCH " + strings.Repeat("OR ALL ", deep) + "ALL",
		"LIST " + strings.Repeat("(", deep), "ID " + strings.Repeat("(", deep), "FETCH 1 " + strings.Repeat("(", deep),
		"STATUS INBOX " + strings.Repeat("(", deep), "FETCH 1 BODY[" + strings.Repeat("1.", deep) + "1]",
	} {
		if _, done := c.do(cmd); !strings.HasPrefix(done, "BAD") {
			t.Errorf("%.20s: %s", cmd, done)
		}
	}
	c.ok("SEARCH " + strings.Repeat("(", 400) + "ALL" + strings.Repeat(")", 400))
}

// Lines are taken up to the limit and no further.
func TestLongLines(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	set := strings.Repeat("1234567,", 8000) + "1"
	if _, done := c.do("UID FETCH " + set + " FLAGS"); !strings.HasPrefix(done, "OK") {
		t.Error(done)
	}
	if _, done := c.do("UID FETCH " + set + set + " FLAGS"); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
	if _, done := c.do("NOOP " + strings.Repeat("x", 1<<20)); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
	c.ok("NOOP")
}

// TestLongestID: 30 fields of 1,024 octets (RFC 2971 §3.3), also from those who haven't signed in.
func TestLongestID(t *testing.T) {
	w := newWorld(t)
	c := w.dial()
	c.line()
	fields := strings.Repeat(` "a23456789012345678901234567890" "`+strings.Repeat("v", 1024)+`"`, 30)
	c.ok("ID (" + fields[1:] + ")")
	if _, done := c.do("ID (" + fields[1:] + fields + ")"); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
}

// A client that sends nothing sensible is shown the door.
func TestTooManyBadCommands(t *testing.T) {
	w := newWorld(t)
	c := w.dial()
	c.line()
	var last string
	for i := 0; i < 100 && last != "closed"; i++ {
		_, last = c.do("NONSENSE")
	}
	if last != "closed" {
		t.Error(last)
	}
}

// Whoever knows IMAP may try what else is understood, as often as it likes.
func TestBadCommandsAmongGoodOnes(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Limits.BadCommands = 4 })
	c := w.user("ann")
	for range 20 {
		if _, done := c.do("XNONSENSE"); !strings.HasPrefix(done, "BAD") {
			t.Fatal(done)
		}
		c.ok("NOOP")
	}
}

// Wrong passwords in a loop: limited by the connection, and by package auth over all connections.
func TestWrongPasswords(t *testing.T) {
	w := newWorld(t)
	var answers []string
	for range 10 {
		c := w.dial()
		c.line()
		for range 10 {
			_, done := c.do("LOGIN ann@demo.test wrong")
			if done == "closed" {
				break
			}
			answers = append(answers, done)
		}
		if l := c.line(); l != "" {
			t.Error("still open:", l)
		}
	}
	if len(answers) != 50 || !strings.HasPrefix(answers[0], "NO [AUTHENTICATIONFAILED]") || !strings.HasPrefix(answers[49], "NO [LIMIT]") {
		t.Error(len(answers), answers[0], answers[len(answers)-1])
	}
	for _, a := range answers {
		if strings.Contains(a, "wrong ") && strings.Contains(a, "ann") {
			t.Error(a)
		}
	}
}

// Connections over the limits are turned away with a word.
func TestTooManyConnections(t *testing.T) {
	left := leaving{gone: make(chan struct{}, 10)}
	w := newWorld(t, func(c *Config, _ *ListenerOptions) {
		c.Limits.Conns, c.Limits.ConnsPerAccount, c.Metrics = 3, 2, left
	})
	w.user("ann")
	b := w.user("ann")
	c := w.dial()
	c.line()
	if _, done := c.do("LOGIN ann@demo.test secret"); !strings.HasPrefix(done, "NO [LIMIT]") {
		t.Error(done)
	}
	if l := w.dial().line(); !strings.HasPrefix(l, "* BYE") {
		t.Error(l)
	}
	b.ok("LOGOUT")
	b.line()
	<-left.gone
	c.ok("LOGIN ann@demo.test secret")
}

// leaving hears of connections that are no longer counted.
type leaving struct {
	noMetrics
	gone chan struct{}
}

func (l leaving) Connection(delta int) {
	if delta < 0 {
		l.gone <- struct{}{}
	}
}

// timeWorld runs fn on a fake clock with a server that has no accounts to speak of.
func timeWorld(t *testing.T, fn func(s *Server, dial func() *client)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		fn(w.server, w.dial)
		synctest.Wait()
	})
}

// A client that says nothing, or one byte a second, is cut off when its time to log in is over.
func TestSlowClientsBeforeLogin(t *testing.T) {
	timeWorld(t, func(_ *Server, dial func() *client) {
		silent := dial()
		silent.line()
		slow := dial()
		slow.line()
		go func() {
			for {
				if _, err := io.WriteString(slow.conn, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		time.Sleep(2*time.Minute + 59*time.Second)
		synctest.Wait()
		if len(silent.lines)+len(slow.lines) > 0 {
			t.Error("cut off too early")
		}
		time.Sleep(2 * time.Second)
		for _, c := range []*client{silent, slow} {
			if l := c.line(); !strings.HasPrefix(l, "* BYE") {
				t.Error(l)
			}
			if l := c.line(); l != "" {
				t.Error(l)
			}
		}
	})
}

// After login a client may be silent for half an hour (RFC 9051 §5.4), in IDLE too.
func TestSilenceAfterLogin(t *testing.T) {
	timeWorld(t, func(_ *Server, dial func() *client) {
		var cs []*client
		for i := range 2 {
			c := dial()
			c.line()
			c.ok("LOGIN ann@demo.test secret")
			if i == 1 {
				c.ok("SELECT INBOX")
				c.send("i IDLE\r\n")
				c.line()
			}
			cs = append(cs, c)
		}
		time.Sleep(29*time.Minute + 59*time.Second)
		synctest.Wait()
		for _, c := range cs {
			if len(c.lines) > 0 {
				t.Error(<-c.lines)
			}
		}
		time.Sleep(2 * time.Second)
		for _, c := range cs {
			if l := c.line(); !strings.HasPrefix(l, "* BYE") {
				t.Error(l)
			}
		}
	})
}

// A message that trickles in is cut off; nothing of it stays.
func TestTricklingAppend(t *testing.T) {
	timeWorld(t, func(_ *Server, dial func() *client) {
		c := dial()
		c.line()
		c.ok("LOGIN ann@demo.test secret")
		c.send("a APPEND INBOX {100000}\r\n")
		c.line()
		begin := time.Now()
		for {
			if _, err := io.WriteString(c.conn, "x"); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(begin); took > 10*time.Minute {
			t.Error("it took", took)
		}
		d := dial()
		d.line()
		d.ok("LOGIN ann@demo.test secret")
		if got := d.ok("STATUS INBOX (MESSAGES)"); got[0] != `* STATUS "INBOX" (MESSAGES 0)` {
			t.Error(got)
		}
	})
}

// A client that stops reading is cut off, and holds up nobody.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.open("ann")
		inbox := s.Folders()[0]
		for i := range 50 {
			w.deliver(s, inbox.ID, testMessage(i)+strings.Repeat("long line of text\r\n", 1000), 0)
		}
		conn := w.connect()
		defer conn.Close()
		go io.WriteString(conn, "a LOGIN ann@demo.test secret\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n")
		buf := make([]byte, 1000)
		_, err := io.ReadFull(conn, buf)
		must(t, err)
		other := w.user("ann")
		other.ok("SELECT INBOX")
		other.ok("STORE 1:* +FLAGS.SILENT (\\Seen)")
		time.Sleep(3 * time.Minute)
		rest, _ := io.ReadAll(conn)
		if bytes.Contains(rest, []byte("c OK")) {
			t.Error("all was sent")
		}
	})
}

// Strangers may not make us hold much: their literals are short.
func TestLiteralsBeforeLogin(t *testing.T) {
	w := newWorld(t)
	c := w.dial()
	c.line()
	for _, cmd := range []string{"LOGIN {4097}", "LOGIN {4096+}\r\n" + strings.Repeat("a", 4096) + " {4096+}\r\n" + strings.Repeat("b", 4096) + " {1}"} {
		if _, done := c.do(cmd); !strings.HasPrefix(done, "NO [LIMIT]") && !strings.HasPrefix(done, "BAD") {
			t.Errorf("%.20s: %s", cmd, done)
		}
	}
	if _, done := c.do("LOGIN {4096+}\r\n" + strings.Repeat("a", 4096) + " x"); !strings.HasPrefix(done, "NO [AUTH") {
		t.Error(done)
	}
	c = w.user("ann")
	if _, done := c.do("STATUS {60000+}\r\n" + strings.Repeat("a", 60000) + " (MESSAGES)"); strings.HasPrefix(done, "NO [LIMIT] literal") {
		t.Error(done)
	}
}

// commandCount counts commands.
type commandCount struct {
	noMetrics
	n atomic.Int64
}

func (c *commandCount) Command(string, string, time.Duration) { c.n.Add(1) }

// Answers that nobody reads don't pile up: further commands wait.
func TestFloodWithoutReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var count commandCount
		w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Metrics = &count })
		w.net.Window = 1
		conn := w.connect()
		defer conn.Close()
		go io.WriteString(conn, "a LOGIN ann@demo.test secret\r\n"+strings.Repeat("b SELECT INBOX\r\n", 3000))
		_, err := io.ReadFull(conn, make([]byte, 10_000)) // what the first read has brought, and more
		must(t, err)
		synctest.Wait()
		if n := count.n.Load(); n == 0 || n > 500 {
			t.Error("commands carried out:", n)
		}
	})
}

// Shutdown says goodbye to who is waiting, and lets a running command end.
func TestShutdown(t *testing.T) {
	w := newWorld(t)
	waiting, idle := w.user("ann"), w.user("ann")
	idle.ok("SELECT INBOX")
	idle.send("i IDLE\r\n")
	idle.line()
	must(t, w.server.Shutdown(t.Context()))
	for _, c := range []*client{waiting, idle} {
		if l := c.line(); l != "* BYE server is shutting down" {
			t.Error(l)
		}
		if l := c.line(); l != "" {
			t.Error(l)
		}
	}
	if _, err := w.net.Dial(t.Context(), "imap"); err == nil {
		t.Error("still listening")
	}
}

// A panic ends one session, not the server.
func TestPanicEndsOneSession(t *testing.T) {
	counted := &countingMetrics{}
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Metrics = counted })
	c := w.user("ann")
	w.server.commands["CHECK"].run = nil
	c.ok("SELECT INBOX")
	if _, done := c.do("CHECK"); done != "closed" {
		t.Error(done)
	}
	w.user("ann").ok("NOOP")
	if counted.panics.Load() != 1 {
		t.Error("not counted")
	}
}

// Whatever one session sends, the answer to its last command is right.
func TestStaysInStep(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Limits.BadCommands = 1000 })
	c := w.user("ann")
	for i, s := range []string{
		"x NONSENSE {3+}\r\nabc\r\n", "x SELECT {3+}\r\nabc {3+}\r\nabc\r\n", "x APPEND {3+}\r\nabc (\\Seen {3+}\r\nabc\r\n",
		"x APPEND INBOX {3+}\r\nabc {3+}\r\nabc\r\n", "x SEARCH CHARSET {3+}\r\nabc TEXT {3+}\r\nabc\r\n", "x LOGIN {3+}\r\nabc {70000+}\r\n" + strings.Repeat("y", 70000) + "\r\n",
		"x SELECT a{4+}\r\nabcd\r\n", "x {3+}\r\nabc\r\n", "{3+}\r\nabc\r\n", "x " + strings.Repeat("z", 100_000) + " {3+}\r\nabc\r\n", "x NOOP {00003+}\r\nabc\r\n",
		"x SELECT {99999999999999999999999}\r\n", "x SELECT {2}x\r\n",
	} {
		c.send(s)
		c.send(fmt.Sprintf("y%d NOOP\r\n", i))
		for {
			l := c.line()
			if strings.HasPrefix(l, fmt.Sprintf("y%d ", i)) {
				break
			}
			if l == "" {
				t.Fatalf("%.40q: %q", s, l)
			}
		}
	}
}
