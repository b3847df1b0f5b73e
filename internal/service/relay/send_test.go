package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/service/transfer"
)

// served says lines, each after as many lines from the client as stand before it, then waits to be hung up on.
func served(c net.Conn, in *bufio.Reader, steps ...string) {
	for _, s := range steps {
		if s == "<" {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			continue
		}
		if _, err := io.WriteString(c, s+"\r\n"); err != nil {
			return
		}
	}
}

// stall says what it is given and then nothing, until the client gives up.
func stall(steps ...string) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		served(c, in, steps...)
		io.Copy(io.Discard, in)
	}
}

// TestTimeouts: each phase has its time, and costs no more. RFC 5321 §4.5.3.2.
func TestTimeouts(t *testing.T) {
	hello := []string{"220 hi", "<", "250 hi"}
	with := func(more ...string) []string { return append(append([]string{}, hello...), more...) }
	for _, c := range []struct {
		name  string
		steps []string
		after time.Duration
		text  string
	}{
		{"greeting", nil, 5 * time.Minute, "timed out while waiting for the greeting"},
		{"ehlo", []string{"220 hi", "<"}, 2 * time.Minute, "timed out while waiting for the reply to EHLO"},
		{"mail", with("<"), 5 * time.Minute, "timed out while waiting for the reply to MAIL"},
		{"rcpt", with("<", "250 ok", "<"), 5 * time.Minute, "timed out while waiting for the reply to RCPT"},
		{"data", with("<", "250 ok", "<", "250 ok", "<"), 2 * time.Minute, "timed out while waiting for the reply to DATA"},
		{"end", with("<", "250 ok", "<", "250 ok", "<", "354 go on"), 10 * time.Minute, "timed out while waiting for the reply to the message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeers(t)
				p.at(1, stall(c.steps...))
				r := p.relay(Limits{})
				defer p.all.Wait()
				defer r.Close()
				began := time.Now()
				o := r.Send(context.Background(), []Hop{hop(1)}, letter("hello", "bob@there.example"))[0]
				if took := time.Since(began); took != c.after {
					t.Errorf("gave up after %v, want %v", took, c.after)
				}
				if o.Result != transfer.Deferred || o.Status != "4.4.2" || o.Text != c.text {
					t.Errorf("%+v", o)
				}
			})
		})
	}
}

// TestTrickle: a reply that comes byte by byte, or a line at a time without end, has the same time as one that doesn't come.
func TestTrickle(t *testing.T) {
	for _, piece := range []string{"2", "220-\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeers(t)
			p.at(1, func(c net.Conn) {
				for {
					time.Sleep(10 * time.Second)
					if _, err := io.WriteString(c, piece); err != nil {
						return
					}
				}
			})
			r := p.relay(Limits{})
			began := time.Now()
			o := r.Send(context.Background(), []Hop{hop(1)}, letter("hello", "bob@there.example"))[0]
			if took := time.Since(began); took > 5*time.Minute || o.Result != transfer.Deferred || !o.HostWide {
				t.Errorf("%v: %+v", took, o)
			}
			r.Close()
			p.all.Wait()
		})
	}
}

// TestSlowReader: who takes the message too slowly is given up: a block at a time, and on the whole.
func TestSlowReader(t *testing.T) {
	big := strings.Repeat("0123456789abcdef\r\n", 20_000) // 360 KB
	for _, c := range []struct {
		name   string
		every  time.Duration
		within time.Duration
	}{
		{"stops", time.Hour, 3*time.Minute + time.Second},
		{"trickles", 50 * time.Millisecond, 3*time.Minute + 20*time.Second + time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeers(t)
				p.at(1, func(c2 net.Conn) {
					in := bufio.NewReaderSize(c2, 16)
					served(c2, in, "220 hi", "<", "250 hi", "<", "250 ok", "<", "250 ok", "<", "354 go on")
					for {
						time.Sleep(c.every)
						if _, err := in.Discard(16); err != nil {
							return
						}
					}
				})
				r := p.relay(Limits{BytesPerSecond: 20_000})
				began := time.Now()
				o := r.Send(context.Background(), []Hop{hop(1)}, letter(big, "bob@there.example"))[0]
				if took := time.Since(began); took > c.within || o.Text != "timed out while sending the message" {
					t.Errorf("%v: %+v", took, o)
				}
				r.Close()
				p.all.Wait()
			})
		})
	}
}

// TestJobTime: many slow replies, each in its time, are too slow together.
func TestJobTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(t)
		p.at(1, func(c net.Conn) {
			in := bufio.NewReader(c)
			served(c, in, "220 hi", "<", "250 hi")
			for {
				served(c, in, "<")
				time.Sleep(4 * time.Minute)
				if _, err := io.WriteString(c, "250 ok\r\n"); err != nil {
					return
				}
			}
		})
		r := p.relay(Limits{})
		job := letter("hello", "a@there.example", "b@there.example", "c@there.example", "d@there.example", "e@there.example",
			"f@there.example", "g@there.example", "h@there.example", "i@there.example")
		began := time.Now()
		for _, o := range r.Send(context.Background(), []Hop{hop(1), hop(2)}, job) {
			if o.Result != transfer.Deferred || !o.HostWide || o.Remote != "mx1.example" {
				t.Errorf("%+v", o)
			}
		}
		if took := time.Since(began); took != 30*time.Minute {
			t.Errorf("took %v", took)
		}
		r.Close()
		p.all.Wait()
	})
}

// TestInterrupted: the end of the context ends a Send at once, and isn't held against the host.
func TestInterrupted(t *testing.T) {
	for _, steps := range [][]string{nil, {"220 hi", "<"}, {"220 hi", "<", "250 hi", "<"}, {"220 hi", "<", "250 hi", "<", "250 ok", "<", "250 ok", "<"}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeers(t)
			p.at(1, stall(steps...))
			r := p.relay(Limits{})
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			began := time.Now()
			o := r.Send(ctx, []Hop{hop(1), hop(2)}, letter("hello", "bob@there.example"))[0]
			if time.Since(began) != time.Second || o.Result != transfer.Deferred || o.HostWide || !strings.HasPrefix(o.Text, "the attempt was interrupted") {
				t.Errorf("%v %+v", time.Since(began), o)
			}
			r.Close()
			p.all.Wait()
		})
	}
}

// TestIdleTime: a connection that nobody needs ends with QUIT when its time is over.
func TestIdleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(t)
		var last atomic.Value
		var when time.Time
		p.at(1, func(c net.Conn) {
			in := bufio.NewReader(c)
			served(c, in, "220 hi", "<", "250 hi", "<", "550 no")
			s, _ := in.ReadString('\n')
			last.Store(s)
			when = time.Now()
		})
		r := p.relay(Limits{IdleTime: 7 * time.Second})
		began := time.Now()
		r.Send(context.Background(), []Hop{hop(1)}, letter("hello", "bob@there.example"))
		p.all.Wait()
		if last.Load() != "QUIT\r\n" || when.Sub(began) != 7*time.Second {
			t.Errorf("%q after %v", last.Load(), when.Sub(began))
		}
		r.Close()
	})
}

// TestQuitIsAnswered: whose time is over says QUIT and hears the reply, but doesn't wait for ever (RFC 5321 §4.1.1.10).
func TestQuitIsAnswered(t *testing.T) {
	for _, late := range []time.Duration{time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeers(t)
			var failed error
			p.at(1, func(c net.Conn) {
				in := bufio.NewReader(c)
				served(c, in, "220 hi", "<", "250 hi", "<", "550 no", "<")
				time.Sleep(late)
				_, failed = io.WriteString(c, "221 bye\r\n")
			})
			r := p.relay(Limits{IdleTime: 7 * time.Second})
			r.Send(context.Background(), []Hop{hop(1)}, letter("hello", "bob@there.example"))
			p.all.Wait()
			if (failed == nil) != (late < quitTime) {
				t.Errorf("a reply after %v: %v", late, failed)
			}
			r.Close()
		})
	}
}

// TestIdleRoom: no more connections wait than there is room for.
func TestIdleRoom(t *testing.T) {
	p := newPeers(t)
	r := p.relay(Limits{IdleConns: 3, IdlePerHop: 2, IdleTime: time.Hour})
	var ends []*ended
	for i := range 8 {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		e := &ended{Conn: ours}
		ends = append(ends, e)
		h := hop(1 + i/4)
		r.idle.give(&conn{limits: &r.limits, key: keyOf(&h), nc: e})
	}
	var got string
	for _, e := range ends {
		got += fmt.Sprint(e.closed.Load(), " ")
	}
	if want := "false false true true false true true true "; got != want {
		t.Errorf("closed: %s, want %s", got, want)
	}
	h := hop(2)
	if r.idle.take(keyOf(&h)) == nil || r.idle.take(keyOf(&h)) != nil {
		t.Error("one was to be had")
	}
	r.Close()
	if !ends[0].closed.Load() || !ends[1].closed.Load() {
		t.Error("some are left")
	}
	r.idle.give(&conn{limits: &r.limits, key: keyOf(&h), nc: ends[4]})
	if !ends[4].closed.Load() {
		t.Error("kept after the end")
	}
}

type ended struct {
	net.Conn
	closed atomic.Bool
}

func (e *ended) Close() error {
	e.closed.Store(true)
	return e.Conn.Close()
}

// TestKeys: no connection stands in for one on other terms.
func TestKeys(t *testing.T) {
	base := hop(1)
	for name, change := range map[string]func(*Hop){
		"address":  func(h *Hop) { h.Addr = hop(2).Addr },
		"host":     func(h *Hop) { h.Host = "other.example" },
		"protocol": func(h *Hop) { h.Protocol = LMTP },
		"mode":     func(h *Hop) { h.TLS.Mode = Required },
		"label":    func(h *Hop) { h.TLS.Label = "DANE" },
		"pins":     func(h *Hop) { h.TLS.Pins = "x" },
		"socket":   func(h *Hop) { h.Socket = "/x" },
		"source":   func(h *Hop) { h.Source = netip.MustParseAddr("192.0.2.9") },
		"implicit": func(h *Hop) { h.TLS.Implicit = true },
		"user":     func(h *Hop) { h.Auth = &Credentials{User: "ann"} },
		"password": func(h *Hop) { h.Auth = &Credentials{Password: "x"} },
	} {
		h := base
		change(&h)
		if keyOf(&h) == keyOf(&base) {
			t.Errorf("the %s doesn't count", name)
		}
	}
}

// replies is all that a hop says in a conversation with two recipients, by command.
const replies = "220 hi|250-hi\r\n250 8BITMIME|250 ok|250 ok|550 no|354 go on|250 taken|221 bye"

// TestCutAnywhere: a hop that goes away after any byte never makes a recipient lost or wrongly delivered.
func TestCutAnywhere(t *testing.T) {
	all := strings.Split(replies, "|")
	total := len(strings.Join(all, "\r\n")) + 2
	for cut := range total + 1 {
		p := newPeers(t)
		told := 0 // bytes up to the end of the reply to the message
		for _, s := range all[:7] {
			told += len(s) + 2
		}
		p.at(1, func(c net.Conn) {
			in, left := bufio.NewReader(c), cut
			for i, s := range all {
				s += "\r\n"
				n := min(left, len(s))
				if _, err := io.WriteString(c, s[:n]); err != nil || n < len(s) {
					return
				}
				left -= n
				for { // a command, or the message
					l, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if i != 5 || l == ".\r\n" {
						break
					}
				}
			}
		})
		r := p.relay(Limits{})
		got := r.Send(context.Background(), []Hop{hop(1)}, letter("hello", "bob@there.example", "carl@there.example"))
		r.Close()
		p.all.Wait()
		if (got[0].Result == transfer.Relayed) != (cut >= told) {
			t.Errorf("after %d of %d bytes: %+v", cut, told, got[0])
		}
		for _, o := range got {
			if o.Status == "" || o.Text == "" || o.At != epoch || o.Result == transfer.Failed && o.Code != 550 {
				t.Errorf("after %d bytes: %+v", cut, o)
			}
		}
	}
}

// TestReplyLimits: at the limit, above and far beyond.
func TestReplyLimits(t *testing.T) {
	line := func(n int) string { return "250 " + strings.Repeat("x", n-6) + "\r\n" }
	lines := func(n int) string { return strings.Repeat("250-x\r\n", n-1) + "250 x\r\n" }
	for name, c := range map[string]struct {
		text string
		err  error
	}{
		"line at":      {line(maxReplyLine), nil},
		"line above":   {line(maxReplyLine + 1), errReplyLine},
		"line beyond":  {line(1 << 20), errReplyLine},
		"lines at":     {lines(maxReplyLines), nil},
		"lines above":  {lines(maxReplyLines + 1), errReplyLines},
		"lines beyond": {lines(100_000), errReplyLines},
		"codes differ": {"250-x\r\n550 x\r\n", errReplyForm},
		"low code":     {"199 x\r\n", errReplyForm},
		"high code":    {"600 x\r\n", errReplyForm},
	} {
		_, err := readReply(bufio.NewReaderSize(strings.NewReader(c.text), 2*maxReplyLine))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}

func TestTextIsBounded(t *testing.T) {
	for _, n := range []int{transfer.MaxText - 1, transfer.MaxText, transfer.MaxText + 1, 100_000} {
		for _, s := range []string{"x", "é", "\x01", "\xff", "€", "😀"} {
			if got := clean(strings.Repeat(s, n)); len(got) > transfer.MaxText || len(got) < transfer.MaxText-4 && s != "\xff" { // a run of which becomes one sign
				t.Errorf("%d times %q: %d bytes", n, s, len(got))
			}
		}
	}
}

// TestStatus: the hop's own status counts if it is of the reply's class (RFC 2034 §4).
func TestStatus(t *testing.T) {
	for in, want := range map[string]string{
		"550 5.1.1 x": "5.1.1", "550 5.1.1": "5.1.1", "550 4.1.1 x": "5.0.0", "450 4.7.1 x": "4.7.1", "250 ok": "2.0.0",
		"550 5.1.1234 x": "5.0.0", "550 5.1 x": "5.0.0", "552 x": "5.3.4", "421 x": "4.3.2", "550 5.1.1x": "5.0.0", "250": "2.0.0",
	} {
		r, err := readReply(bufio.NewReaderSize(strings.NewReader(in+"\r\n"), 2*maxReplyLine))
		if err != nil || r.status() != want {
			t.Errorf("%q: %q (%v), want %q", in, r.status(), err, want)
		}
	}
}

// broken can be read up to a point.
type broken struct {
	*strings.Reader
	at int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.at {
		return 0, errors.New("bad sector")
	}
	return b.Reader.ReadAt(p, off)
}

// TestUnreadable: a message that can't be read is deferred, and no host is bothered.
func TestUnreadable(t *testing.T) {
	p := newPeers(t)
	r := p.relay(Limits{})
	defer r.Close()
	job := letter("", "bob@there.example")
	job.Content = broken{strings.NewReader(strings.Repeat("x", 100_000)), 70_000}
	o := r.Send(context.Background(), []Hop{hop(1)}, job)[0]
	if o.Result != transfer.Deferred || o.Status != "4.3.0" || o.HostWide || strings.Contains(o.Text, "sector") || p.dials > 0 {
		t.Errorf("%+v, %d dials", o, p.dials)
	}
}

// TestNoHops: that isn't the recipient's fault.
func TestNoHops(t *testing.T) {
	r := newPeers(t).relay(Limits{})
	defer r.Close()
	if o := r.Send(context.Background(), nil, letter("", "bob@there.example"))[0]; o.Result != transfer.Deferred || o.Status != "4.4.4" {
		t.Errorf("%+v", o)
	}
	if all := r.Send(context.Background(), []Hop{hop(1)}, letter("")); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

// TestHopLimit: at most so many addresses are tried.
func TestHopLimit(t *testing.T) {
	p := newPeers(t)
	r := p.relay(Limits{})
	defer r.Close()
	var hops []Hop
	for i := range 9 {
		hops = append(hops, hop(i+1))
	}
	if o := r.Send(context.Background(), hops, letter("x", "bob@there.example"))[0]; p.dials != 5 || o.Remote != "mx5.example" {
		t.Errorf("%d dials, %+v", p.dials, o)
	}
}

// chunked is a hop that takes messages by BDAT into got, and refuses the n-th chunk (counted from 1).
func chunked(keywords string, refuse int, got *bytes.Buffer) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		served(c, in, "220 hi", "<", "250-hi\r\n"+keywords+"250 CHUNKING")
		for n := 1; ; {
			l, err := in.ReadString('\n')
			if err != nil {
				return
			}
			answer := "250 ok"
			if size := 0; strings.HasPrefix(l, "BDAT ") {
				fmt.Sscanf(l, "BDAT %d", &size)
				io.CopyN(got, in, int64(size))
				if n == refuse || refuse > 0 && n > refuse {
					answer = "552 5.3.4 enough"
				}
				n++
			}
			if l == "RSET\r\n" {
				n, refuse = 1, 0
				got.Reset()
			}
			if l == "QUIT\r\n" {
				return
			}
			if _, err := io.WriteString(c, answer+"\r\n"); err != nil {
				return
			}
		}
	}
}

// TestChunks: a large message comes through whole, and a refusal in the middle leaves a usable connection.
func TestChunks(t *testing.T) {
	text := strings.Repeat(strings.Repeat("y", 70)+"\r\n.\r\n", 10_000)
	for _, refuse := range []int{0, 1, 5} {
		p := newPeers(t)
		var got bytes.Buffer
		p.at(1, chunked("", refuse, &got))
		r := p.relay(Limits{})
		o := r.Send(context.Background(), []Hop{hop(1)}, letter(text, "bob@there.example"))[0]
		if want := transfer.Relayed; refuse == 0 && (o.Result != want || got.String() != text) {
			t.Errorf("%d of %d bytes: %+v", got.Len(), len(text), o)
		}
		if refuse > 0 {
			if o.Result != transfer.Failed || o.Status != "5.3.4" {
				t.Errorf("refused: %+v", o)
			}
			o = r.Send(context.Background(), []Hop{hop(1)}, letter(text, "bob@there.example"))[0]
			if o.Result != transfer.Relayed || got.String() != text || p.dials != 1 {
				t.Errorf("afterwards, with %d dials: %+v", p.dials, o)
			}
		}
		r.Close()
		p.all.Wait()
	}
}

// fails can be read a number of times.
type fails struct {
	*strings.Reader
	left int
}

func (f *fails) ReadAt(p []byte, off int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errors.New("bad sector")
	}
	return f.Reader.ReadAt(p, off)
}

// TestUnreadableInTheMiddle: a message that can't be read to its end is never ended on the wire.
func TestUnreadableInTheMiddle(t *testing.T) {
	for _, keywords := range []string{"250 8BITMIME", "250 CHUNKING"} {
		p := newPeers(t)
		var got strings.Builder
		p.at(1, func(c net.Conn) {
			in := bufio.NewReader(c)
			served(c, in, "220 hi", "<", "250-hi\r\n"+keywords, "<", "250 ok", "<", "250 ok")
			if !strings.Contains(keywords, "CHUNKING") {
				served(c, in, "<", "354 go on")
			}
			for {
				l, err := in.ReadString('\n')
				got.WriteString(l)
				if err != nil {
					return
				}
				if size := 0; strings.HasPrefix(l, "BDAT") {
					fmt.Sscanf(l, "BDAT %d", &size)
					io.CopyN(&got, in, int64(size))
					io.WriteString(c, "250 ok\r\n")
				}
			}
		})
		job := letter("", "bob@there.example")
		job.Content = &fails{strings.NewReader(strings.Repeat("x\r\n", 100_000)), 5 + 3}
		r := p.relay(Limits{})
		o := r.Send(context.Background(), []Hop{hop(1), hop(2)}, job)[0]
		r.Close()
		p.all.Wait()
		if o.Result != transfer.Deferred || o.Status != "4.3.0" || o.HostWide || o.Remote != "mx1.example" {
			t.Errorf("%+v", o)
		}
		if s := got.String(); strings.Contains(s, "LAST") || strings.Contains(s, "\r\n.\r\n") || !strings.Contains(s, "x\r\n") {
			t.Errorf("%d bytes were sent, ending %q", len(s), s[max(0, len(s)-20):])
		}
	}
}

// TestGroupsFit: a pipelined group never is larger than the smallest window, and a server
// that replies to each command before it reads the next never meets a client that doesn't listen. RFC 2920 §3.1.
func TestGroupsFit(t *testing.T) {
	var to []string
	for i := range 350 {
		to = append(to, fmt.Sprintf("somebody-with-a-long-name-%d@there.example", i))
	}
	p := newPeers(t)
	largest, transactions, rcpts := 0, 0, 0
	p.at(1, func(c net.Conn) {
		in := bufio.NewReaderSize(c, maxGroup)
		served(c, in, "220 hi", "<", "250-hi\r\n250 PIPELINING")
		for {
			l, err := in.ReadString('\n')
			if err != nil {
				return
			}
			largest = max(largest, in.Buffered()+len(l))
			switch {
			case strings.HasPrefix(l, "RCPT"):
				rcpts++
			case strings.HasPrefix(l, "DATA"):
				transactions++
				served(c, in, "354 go on", "<", "<")
			}
			if _, err := io.WriteString(c, "250 ok\r\n"); err != nil {
				return
			}
		}
	})
	r := p.relay(Limits{})
	for i, o := range r.Send(context.Background(), []Hop{hop(1)}, letter("x", to...)) {
		if o.Result != transfer.Relayed {
			t.Fatalf("%d: %+v", i, o)
		}
	}
	r.Close()
	p.all.Wait()
	if largest > maxGroup || largest < maxGroup/2 || transactions != 4 || rcpts != 350 {
		t.Errorf("%d bytes at a time, %d transactions, %d recipients", largest, transactions, rcpts)
	}
}

// TestPolicyConfig: TLS is never older than 1.2, whatever the configuration says, which itself stays as it is.
func TestPolicyConfig(t *testing.T) {
	old := &tls.Config{MinVersion: tls.VersionTLS10}
	for name, c := range map[string]struct {
		policy   Policy
		insecure bool
		name     string
	}{
		"opportunistic": {Policy{Mode: Opportunistic}, true, "mx1.example"},
		"required":      {Policy{Mode: Required}, true, "mx1.example"},
		"verified":      {Policy{Mode: Verified}, false, "mx1.example"},
		"old":           {Policy{Mode: Verified, Config: old}, false, "mx1.example"},
		"named":         {Policy{Mode: Verified, Config: &tls.Config{ServerName: "other.example"}}, false, "other.example"},
	} {
		got := c.policy.config("mx1.example")
		if got.MinVersion != tls.VersionTLS12 || got.InsecureSkipVerify != c.insecure || got.ServerName != c.name {
			t.Errorf("%s: %x %v %s", name, got.MinVersion, got.InsecureSkipVerify, got.ServerName)
		}
	}
	if old.MinVersion != tls.VersionTLS10 || old.ServerName != "" {
		t.Error("the caller's configuration was changed")
	}
}

// counted counts how often it is read.
type counted struct {
	transfer.Content
	reads int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	return c.Content.ReadAt(b, off)
}

// TestReadOnce: a small message is read once, though it is looked through before it is sent; of a large one no more than a
// block is held.
func TestReadOnce(t *testing.T) {
	for size, want := range map[int]int{100: 1, blockSize: 1, blockSize + 1: 4} {
		p := newPeers(t)
		r := p.relay(Limits{})
		p.at(1, func(c net.Conn) { sink(c, "") })
		job := letter(strings.Repeat("a line of text\r\n", size/16+1)[:size], "bob@there.example")
		c := &counted{Content: job.Content}
		job.Content = c
		if out := r.Send(t.Context(), []Hop{hop(1)}, job); out[0].Code != 250 || c.reads != want {
			t.Errorf("%d bytes: read %d times: %+v", size, c.reads, out[0])
		}
		r.Close()
		p.all.Wait()
	}
}

// TestNoWay: addresses of a kind that the machine has no way to don't count among those that are tried.
func TestNoWay(t *testing.T) {
	for why, want := range map[error]int{syscall.ENETUNREACH: 9, syscall.EADDRNOTAVAIL: 9, syscall.ECONNREFUSED: 5} {
		p := newPeers(t)
		p.at(9, func(c net.Conn) { sink(c, "") })
		dials := 0
		r := New(Options{Dial: func(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
			if dials++; addr != hop(9).Addr.String() {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", why)}
			}
			return p.dial(ctx, from, network, addr)
		}})
		var hops []Hop
		for i := range 9 {
			hops = append(hops, hop(i+1))
		}
		out := r.Send(t.Context(), hops, letter("hello", "bob@there.example"))[0]
		if dials != want || (out.Code == 250) != (want == 9) {
			t.Errorf("%v: %d addresses tried: %+v", why, dials, out)
		}
		r.Close()
		p.all.Wait()
	}
}
