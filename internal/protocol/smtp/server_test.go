package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/fault"
)

const hello = "EHLO client.example\r\n"
const toAlice = "MAIL FROM:<carol@client.example>\r\nRCPT TO:<alice@example.org>\r\n"

// client is the other end of a session, for tests that need more than a transcript.
type client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func (d *door) client(t testing.TB, from string) *client { return newClient(t, d.dial(from)) }

func newClient(t testing.TB, conn net.Conn) *client {
	return &client{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

func (c *client) say(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("say %.40q: %v", s, err)
	}
}

// hear reads replies until one that has the prefix.
func (c *client) hear(prefix string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("want %q, got %q, %v", prefix, line, err)
		}
		if strings.HasPrefix(line, prefix) {
			return
		}
	}
}

func (c *client) closed() {
	c.t.Helper()
	if line, err := c.in.ReadString('\n'); err == nil {
		c.t.Fatalf("not closed, but %q", line)
	}
}

// counted counts what is written in one piece.
type counted struct {
	net.Conn
	writes *int
}

func (c counted) Write(p []byte) (int, error) {
	*c.writes++
	return c.Conn.Write(p)
}

// TestOneWritePerGroup: a delivery costs two writes (RFC 2920 §3.2).
func TestOneWritePerGroup(t *testing.T) {
	w := &world{}
	l := serve(t, w.server(t, nil), ListenerOptions{})
	writes := 0
	near, far := net.Pipe()
	l.hand(counted{Conn: far, writes: &writes})
	c := newClient(t, near)
	defer c.Close()
	c.hear("220 ")
	c.say(hello)
	c.hear("250 HELP")
	before := writes
	c.say(toAlice + "DATA\r\n")
	c.hear("354 ")
	c.say("hello\r\n.\r\n")
	c.hear("250 2.0.0 ")
	if got := writes - before; got != 2 {
		t.Errorf("%d writes for a delivery, want 2", got)
	}
}

func TestTimeouts(t *testing.T) {
	for name, tc := range map[string]struct {
		say  string
		drip string // then this, a byte a second
		want string
		in   time.Duration // within this
	}{
		"silence":                  {want: "421 4.4.2 ", in: 5 * time.Minute},
		"half a command":           {say: hello + "NOO", want: "421 4.4.2 ", in: 5 * time.Minute},
		"a command byte by byte":   {drip: "NOOP " + strings.Repeat("x", 1000), want: "421 4.4.2 ", in: 5*time.Minute + 2*time.Second},
		"silence in a transaction": {say: hello + toAlice, want: "421 4.4.2 ", in: 5 * time.Minute},
		"silence in DATA":          {say: hello + toAlice + "DATA\r\nhello", want: "421 4.4.2 ", in: 3 * time.Minute},
		"DATA byte by byte":        {say: hello + toAlice + "DATA\r\n", drip: strings.Repeat("x", 5000), want: "421 4.4.2 ", in: 3*time.Minute + 10*time.Second},
		"BDAT byte by byte":        {say: hello + toAlice + "BDAT 9999\r\n", drip: strings.Repeat("x", 5000), want: "421 4.4.2 ", in: 3*time.Minute + 10*time.Second},
		"silence in BDAT":          {say: hello + toAlice + "BDAT 9999 LAST\r\nhello", want: "421 4.4.2 ", in: 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				l := serve(t, w.server(t, nil), ListenerOptions{})
				c := l.client(t, "192.0.2.7")
				began, gone := time.Now(), make(chan struct{})
				defer func() {
					c.Close()
					<-gone
				}()
				go func() {
					defer close(gone)
					if tc.say != "" {
						io.WriteString(c, tc.say)
					}
					for i := range tc.drip {
						time.Sleep(time.Second)
						if _, err := c.Write([]byte{tc.drip[i]}); err != nil {
							return
						}
					}
				}()
				c.hear(tc.want)
				c.closed()
				if took := time.Since(began); took > tc.in {
					t.Errorf("ended after %v, want %v at most", took, tc.in)
				}
				if w.count() != 0 {
					t.Error("something was delivered")
				}
			})
		})
	}
}

// TestTransactionTimeout: a client that keeps above the lowest speed still has to come to an end.
func TestTransactionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l := serve(t, w.server(t, nil), ListenerOptions{})
		c := l.client(t, "192.0.2.7")
		began, gone := time.Now(), make(chan struct{})
		defer func() {
			c.Close()
			<-gone
		}()
		go func() {
			defer close(gone)
			io.WriteString(c, hello+toAlice+"DATA\r\n")
			for line := strings.Repeat("x", 1022) + "\r\n"; ; time.Sleep(time.Second) {
				if _, err := io.WriteString(c, line); err != nil {
					return
				}
			}
		}()
		c.hear("421 4.4.2 ")
		if took := time.Since(began).Round(time.Second); took != time.Hour {
			t.Errorf("ended after %v, want an hour", took)
		}
	})
}

// TestSlowButSteady: speed is an average, and a pause within DataTimeout is no crime.
func TestSlowButSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l := serve(t, w.server(t, nil), ListenerOptions{})
		c := l.client(t, "192.0.2.7")
		defer c.Close()
		c.hear("220 ")
		c.say(hello + toAlice + "DATA\r\n")
		c.hear("354 ")
		for range 10 {
			time.Sleep(2 * time.Minute)
			c.say(strings.Repeat(strings.Repeat("x", 1000)+"\r\n", 70))
		}
		c.say(".\r\n")
		c.hear("250 2.0.0 ")
	})
}

// TestDeafClient: one that never reads its replies doesn't hold the session forever.
func TestDeafClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := (&world{}).server(t, nil)
		l := serve(t, s, ListenerOptions{})
		c := l.client(t, "192.0.2.7")
		defer c.Close()
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if got := s.Counts().Open; got != 0 {
			t.Errorf("%d sessions", got)
		}
	})
}

// TestGuessingIsSlow: from the eleventh unknown recipient on each takes a second.
func TestGuessingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l := serve(t, w.server(t, nil), ListenerOptions{})
		c := l.client(t, "192.0.2.7")
		defer c.Close()
		began := time.Now()
		go io.WriteString(c, hello+"MAIL FROM:<>\r\n"+strings.Repeat("RCPT TO:<x@example.org>\r\n", 100_000))
		c.hear("421 4.7.0 ")
		c.closed()
		if took := time.Since(began); took != 89*time.Second {
			t.Errorf("took %v, want 89s", took)
		}
		if w.asked != 100 {
			t.Errorf("asked for %d recipients, want 100", w.asked)
		}
	})
}

// TestManyRecipients: of 100,000 the first thousand are taken, and the message reaches them.
func TestManyRecipients(t *testing.T) {
	w := &world{}
	l := serve(t, w.server(t, nil), ListenerOptions{})
	said := talk(t, l, hello+"MAIL FROM:<>\r\n"+strings.Repeat("RCPT TO:<alice@example.org>\r\n", 100_000)+"DATA\r\n.\r\nQUIT\r\n")
	if n := strings.Count(said, "\r\n250 2.1.5 "); n != 1000 {
		t.Errorf("%d recipients accepted", n)
	}
	if n := strings.Count(said, "\r\n452 4.5.3 "); n != 99_000 {
		t.Errorf("%d recipients put off", n)
	}
	if n := len(w.last(t).Envelope.Recipients); n != 1000 {
		t.Errorf("delivered to %d", n)
	}
}

// TestHugeChunkTakesNoMemory: what is announced is not allocated, read or believed.
func TestHugeChunkTakesNoMemory(t *testing.T) {
	l := serve(t, (&world{}).server(t, nil), ListenerOptions{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, size := range []string{"150000000", "299999999", "1000000000", "1000000000000"} {
		c := l.client(t, "192.0.2.7")
		c.hear("220 ")
		c.say(hello + toAlice + "BDAT " + size + " LAST\r\nhello")
		c.Close()
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
}

// TestEndlessLine: a command without end is cut off after one buffer.
func TestEndlessLine(t *testing.T) {
	l := serve(t, (&world{}).server(t, nil), ListenerOptions{})
	for _, n := range []int{4094, 4095, 12286, 60_000, 1 << 20} {
		said := talk(t, l, strings.Repeat("x", n)+"\r\nQUIT\r\n")
		want := []string{"500 5.5.2 Line too long", "221 2.0.0 Good bye", ""}
		switch {
		case n == 4094: // 4096 with CRLF
			want[0] = "500 5.5.1 Unknown command"
		case n > largeBuffer:
			want = []string{"500 5.5.2 Line too long", ""}
		}
		if got := strings.Split(said, "\r\n")[1:]; strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestAuthLineLimit: authentication has lines of its own length (RFC 4954 §4).
func TestAuthLineLimit(t *testing.T) {
	l := serve(t, (&world{}).server(t, nil), ListenerOptions{Mode: Submission, PlainAllowed: true})
	for n, want := range map[int]string{12284: "501 5.5.2 ", 12288: "500 5.5.6 ", 60_000: "500 5.5.6 "} {
		c := l.client(t, "192.0.2.7")
		c.hear("220 ")
		c.say(hello + "AUTH PLAIN\r\n")
		c.hear("334 ")
		c.say(strings.Repeat("A", n) + "\r\n")
		c.hear(want)
		c.say("NOOP\r\n")
		c.hear("250 2.0.0 ")
		c.say("AUTH PLAIN " + strings.Repeat("A", 12272) + "\r\n")
		c.hear("501 5.5.2 ")
		c.Close()
	}
}

func TestConnectionLimits(t *testing.T) {
	s := (&world{}).server(t, func(c *Config) { c.Limits = Limits{Connections: 4, ConnectionsPerAddress: 2} })
	l := serve(t, s, ListenerOptions{})
	for _, tc := range []struct {
		from string
		want string
	}{
		{"2001:db8:0:1::1", "220 "},
		{"2001:db8:0:1:ffff::2", "220 "},
		{"2001:db8:0:1::3", "421 4.7.0 "}, // the same /64
		{"2001:db8:0:2::1", "220 "},
		{"192.0.2.1", "220 "},
		{"192.0.2.2", "421 4.7.0 "}, // the fifth
	} {
		c := l.client(t, tc.from)
		defer c.Close()
		c.hear(tc.want)
		if tc.want[0] == '4' {
			c.closed()
		}
	}
	if got := s.Counts(); got.Open != 4 || got.ConnectionsRefused != 2 {
		t.Errorf("%+v", got)
	}
}

// TestLeaving: whoever has gone isn't counted any more, and loopback never is.
func TestLeaving(t *testing.T) {
	s := (&world{}).server(t, func(c *Config) { c.Limits = Limits{ConnectionsPerAddress: 1} })
	l := serve(t, s, ListenerOptions{})
	for range 20 {
		if said := talk(t, l, "QUIT\r\n"); !strings.HasPrefix(said, "220 ") {
			t.Fatal(said)
		}
	}
	for range 3 {
		c := l.client(t, "127.0.0.1")
		defer c.Close()
		c.hear("220 ")
	}
}

// TestShutdown: the idle are told, a message under way comes to its end.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.server(t, nil)
		l := serve(t, s, ListenerOptions{})
		idle, busy := l.client(t, "192.0.2.7"), l.client(t, "192.0.2.8")
		defer idle.Close()
		defer busy.Close()
		idle.hear("220 ")
		busy.hear("220 ")
		busy.say(hello + toAlice + "DATA\r\n")
		busy.hear("354 ")
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.Background()) }()
		idle.hear("421 4.3.2 ")
		idle.closed()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("Shutdown didn't wait for the message under way")
		default:
		}
		busy.say("hello\r\n.\r\n")
		busy.hear("250 2.0.0 ")
		busy.hear("421 4.3.2 ")
		if err := <-done; err != nil {
			t.Error(err)
		}
		if w.count() != 1 {
			t.Error("the message is lost")
		}
	})
}

// TestImpatientShutdown: when time is up, connections are cut, and nothing is delivered half.
func TestImpatientShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		s := w.server(t, nil)
		l := serve(t, s, ListenerOptions{})
		c := l.client(t, "192.0.2.7")
		defer c.Close()
		c.hear("220 ")
		c.say(hello + toAlice + "DATA\r\nhello\r\n")
		c.hear("354 ")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		c.closed()
		if w.count() != 0 || w.discarded != 1 {
			t.Errorf("%d delivered, %d discarded", w.count(), w.discarded)
		}
		if s.Counts().Open != 0 {
			t.Error("sessions go on")
		}
	})
}

// TestServeEndsWithItsContext, and Serve after Shutdown does nothing.
func TestServeEndsWithItsContext(t *testing.T) {
	s := (&world{}).server(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, (&door{t: t}).listen(), ListenerOptions{}) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Serve(t.Context(), (&door{t: t}).listen(), ListenerOptions{}); err != nil {
		t.Error(err)
	}
}

// failingListener fails some times in ways that pass, then for good.
type failingListener struct {
	net.Listener
	passing int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.passing--; l.passing >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return nil, errors.New("broken for good")
}

func TestAcceptFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := (&world{}).server(t, nil).Serve(t.Context(), &failingListener{(&door{t: t}).listen(), 10}, ListenerOptions{})
		if err == nil || !strings.Contains(err.Error(), "broken for good") {
			t.Errorf("Serve: %v", err)
		}
		if took := time.Since(began); took < time.Second || took > time.Minute {
			t.Errorf("waited %v for descriptors", took)
		}
	})
}

// TestLastWordIsHeard: over real TCP, the reply isn't lost to a reset though much was still to come.
func TestLastWordIsHeard(t *testing.T) {
	s := (&world{}).server(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background(), l, ListenerOptions{}) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, hello+toAlice+"BDAT 1000000000\r\n"+strings.Repeat("x", 200_000)); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(said), "552 5.3.4 Message too large, closing the connection\r\n") {
		t.Errorf("heard %q, %v", said, err)
	}
	conn.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestHalfOpen: a client that goes away in the middle leaves nothing behind.
func TestHalfOpen(t *testing.T) {
	w := &world{}
	s := w.server(t, nil)
	l := serve(t, s, ListenerOptions{})
	all := hello + toAlice + "DATA\r\nhello\r\n.\r\n" + toAlice + "BDAT 9 LAST\r\nhello\r\n\r\nAUTH PLAIN\r\nSTARTTLS\r\n"
	for cut := range len(all) {
		conn := l.dial("192.0.2.7")
		go io.Copy(io.Discard, conn)
		io.WriteString(conn, all[:cut])
		conn.Close()
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := s.Counts(); got.Open != 0 || got.Panics != 0 {
		t.Errorf("%+v", got)
	}
}

// TestOthersAreUndisturbed: clients that got stuck anywhere don't hinder one that works,
// and hold little memory.
func TestOthersAreUndisturbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		l := serve(t, w.server(t, nil), ListenerOptions{})
		for i, stuck := range []string{"EH", hello, hello + toAlice + "DATA\r\n", hello + toAlice + "DATA\r\nhel", hello + toAlice + "BDAT 9999999\r\nx", "STARTTLS\r\n"} {
			for j := range 20 {
				c := l.client(t, fmt.Sprintf("192.0.%d.%d", i, j))
				defer c.Close()
				go io.Copy(io.Discard, c)
				c.say(stuck)
			}
		}
		c := l.client(t, "192.0.2.7")
		defer c.Close()
		began := time.Now()
		c.hear("220 ")
		c.say(hello + toAlice + "DATA\r\n")
		c.hear("354 ")
		c.say("hello\r\n.\r\n")
		c.hear("250 2.0.0 ")
		if time.Since(began) != 0 || w.count() != 1 {
			t.Errorf("%d delivered after %v", w.count(), time.Since(began))
		}
	})
}

// TestBuffers: waiting for a command takes the small buffer, for data the medium
// one, and only who fills it gets a large one.
func TestBuffers(t *testing.T) {
	var in input
	from := strings.NewReader(strings.Repeat("x", 200_000))
	for _, tc := range []struct {
		expect func()
		want   int
	}{
		{in.expectCommand, smallBuffer}, {in.expectData, largeBuffer}, {in.expectData, largeBuffer},
		{in.expectCommand, smallBuffer}, {in.expectData, largeBuffer}, {in.expectData, largeBuffer}, {in.expectData, mediumBuffer},
	} {
		tc.expect()
		if got := len(in.buf()); got != tc.want {
			t.Errorf("a buffer of %d, want %d", got, tc.want)
		}
		in.fill(from)
		in.use(len(in.buffered()))
	}
	in.release()
	if in.pooled != nil {
		t.Error("a buffer is kept")
	}
}

// TestFailedWrite: when the message can't be kept, the conversation stays in step and tells little.
func TestFailedWrite(t *testing.T) {
	for want, err := range map[string]error{
		"451 4.3.0 ": syscall.EIO,
		"452 4.3.1 ": fault.Wrap(fault.Unavailable, syscall.ENOSPC, "no room in /var/spool"),
	} {
		w := &world{writeErr: err}
		l := serve(t, w.server(t, nil), ListenerOptions{})
		said := talk(t, l, hello+toAlice+"DATA\r\nhello\r\n.\r\nQUIT\r\n")
		if !strings.Contains(said, "\r\n"+want) || !strings.Contains(said, "\r\n221 ") || strings.Contains(said, "space") || strings.Contains(said, "spool") {
			t.Error(said)
		}
		if w.count() != 0 || w.discarded != 1 {
			t.Errorf("%d delivered, %d discarded", w.count(), w.discarded)
		}
	}
}

// TestTLSOnly: a handshake that fails is no session.
func TestTLSOnly(t *testing.T) {
	s := (&world{}).server(t, nil)
	l := serve(t, s, ListenerOptions{ImplicitTLS: true})
	if said := talk(t, l, hello); strings.Contains(said, "220") {
		t.Errorf("%q", said)
	}
	c := tls.Client(l.dial("192.0.2.7"), &tls.Config{InsecureSkipVerify: true})
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "220 mx.example.org ESMTP Postroad\r\n" {
		t.Errorf("%q, %v", line, err)
	}
	if got := s.Counts().HandshakesFailed; got != 1 {
		t.Errorf("%d handshakes failed", got)
	}
}

func TestIDsDiffer(t *testing.T) {
	s := (&world{}).server(t, nil)
	seen := map[string]bool{}
	for range 10_000 {
		id := s.newID()
		if seen[id] || len(id) != 13 {
			t.Fatal(id)
		}
		seen[id] = true
	}
}

// tape is a connection whose client says what is on it, in pieces, and then no more.
type tape struct {
	net.Conn // none: only what is below may be called
	rest     []byte
	piece    int
	said     bytes.Buffer
	done     chan struct{}
	once     sync.Once
}

func (c *tape) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(c.piece, len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}

func (c *tape) Write(p []byte) (int, error)      { return c.said.Write(p) }
func (c *tape) Close() error                     { c.once.Do(func() { close(c.done) }); return nil }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// play gives a server what is on the tape, and returns what it said.
func play(t *testing.T, w *world, input []byte, piece int, mode Mode) string {
	s := w.server(t, func(c *Config) {
		c.Limits = Limits{MessageBytes: 1000, CommandLine: 200, Errors: 5, RefusedRecipients: 5}
	})
	d := &door{t: t}
	l := d.listen()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(t.Context(), l, ListenerOptions{Mode: mode, PlainAllowed: true}) }()
	c := &tape{rest: input, piece: piece, done: make(chan struct{})}
	d.hand(c)
	<-c.done
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
	if s.Counts().Panics != 0 && !strings.Contains(strings.ToLower(string(input)), "panic") {
		t.Fatal("panic")
	}
	return c.said.String()
}

// FuzzSession: whatever a client says, the session neither panics nor hangs, each
// reply is a reply, stored lines end well, and how the bytes were cut into packets doesn't matter.
func FuzzSession(f *testing.F) {
	f.Add([]byte(hello+toAlice+"DATA\r\nhello\r\n.\r\nQUIT\r\n"), uint8(0))
	f.Add([]byte(hello+toAlice+"BDAT 5\r\nhelloBDAT 0 LAST\r\nRSET\r\nAUTH PLAIN =\r\n"), uint8(1))
	f.Add([]byte("LHLO x\r\n"+toAlice+"DATA\r\n.\r\n"), uint8(2))
	f.Add([]byte(hello+"AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlc2FtZQ==\r\nMAIL FROM:<alice@example.org> RET=FULL\r\n"), uint8(1))
	f.Add([]byte("NOOP a\rb\r\n"+hello+toAlice+"DATA\r\n\n.\r\n.\r\n"+toAlice+"BDAT 2000\r\n"), uint8(0))
	f.Fuzz(func(t *testing.T, input []byte, mode uint8) {
		if len(input) > 10_000 {
			return
		}
		w := &world{}
		said := play(t, w, input, 1<<20, Mode(mode%3))
		lines := strings.Split(said, "\r\n")
		for _, line := range lines[:len(lines)-1] {
			if len(line) < 4 || line[0] < '2' || line[0] > '5' || line[3] != ' ' && line[3] != '-' {
				t.Fatalf("reply %q", line)
			}
		}
		for _, l := range w.delivered {
			if l.Envelope.Body != BodyBinaryMIME && strings.ContainsAny(strings.ReplaceAll(l.Text, "\r\n", ""), "\r\n") {
				t.Fatalf("stored %q", l.Text)
			}
		}
		if bytes.Contains(bytes.ToUpper(input), []byte("STARTTLS")) {
			return // what came along with it does matter
		}
		pieces := &world{}
		if again := play(t, pieces, input, 1, Mode(mode%3)); again != said || len(pieces.delivered) != len(w.delivered) {
			t.Fatalf("in one piece:\n%s\nbyte by byte:\n%s", said, again)
		}
	})
}

// BenchmarkDelivery is a 2 KB message over an in-memory connection to a Post that drops it.
func BenchmarkDelivery(b *testing.B) {
	for _, kb := range []int{2, 50} {
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			s := (&world{}).server(b, func(c *Config) { c.Post, c.Limits.Messages = nullPost{&world{}}, 1<<40 })
			l := serve(b, s, ListenerOptions{})
			c := newClient(b, l.pipe())
			defer c.Close()
			c.hear("220 ")
			c.say(hello)
			c.hear("250 HELP")
			body := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", kb*1024/78) + ".\r\n"
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				c.say(toAlice + "DATA\r\n")
				c.hear("354 ")
				c.say(body)
				c.hear("250 ")
			}
		})
	}
}

type nullPost struct{ *world }

func (nullPost) NewContent() Content { return discard{} }

func (nullPost) Deliver(_ context.Context, e *Envelope, _ Content) []error {
	return make([]error, len(e.Recipients))
}
