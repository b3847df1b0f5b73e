package relay

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/service/transfer"
)

// offersTLS goes as far as the handshake, which then hands over to.
func offersTLS(then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		served(c, in, "220 hi", "<", "250-hi", "250 STARTTLS", "<", "220 go on")
		go io.Copy(io.Discard, in) //nolint:errcheck // it ends with the connection
		then(c)
	}
}

// TestStalledHandshake: a handshake that doesn't come, or comes byte by byte, has its time as a whole, and where TLS isn't
// demanded the host gets one more chance, not more.
func TestStalledHandshake(t *testing.T) {
	trickle := func(c net.Conn) {
		for b := []byte{0x16, 3, 3, 0x3F, 0xFF, 2, 0, 0x3F, 0xFB}; ; b = append(b[1:], 0) { // a long ServerHello
			time.Sleep(time.Second)
			if _, err := c.Write(b[:1]); err != nil {
				return
			}
		}
	}
	silent := func(c net.Conn) { time.Sleep(time.Hour) }
	for what, then := range map[string]func(net.Conn){"silent": silent, "trickle": trickle} {
		for mode, want := range map[Mode]time.Duration{Required: 2 * time.Minute, Opportunistic: 7 * time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				p := newPeers(t)
				p.at(1, offersTLS(then))
				p.at(1, stall())
				r := p.relay(Limits{})
				h := hop(1)
				h.TLS.Mode = mode
				began := time.Now()
				o := r.Send(context.Background(), []Hop{h}, letter("hello", "bob@there.example"))[0]
				if took := time.Since(began); took != want || o.Result != transfer.Deferred || !o.HostWide {
					t.Errorf("%s, mode %d: %v: %+v", what, mode, took, o)
				}
				r.Close()
				p.all.Wait()
			})
		}
	}
}

// TestSlowLMTP: replies for each recipient, each just in time, end with the time for the whole attempt. Who was
// answered for is settled, the others have to wait.
func TestSlowLMTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(t)
		p.at(1, func(c net.Conn) {
			in := bufio.NewReader(c)
			served(c, in, "220 hi", "<", "250 hi", "<", "250 ok")
			for range 10 {
				served(c, in, "<", "250 ok")
			}
			served(c, in, "<", "354 go on", "<", "<")
			for {
				time.Sleep(9 * time.Minute)
				if _, err := io.WriteString(c, "250 ok\r\n"); err != nil {
					return
				}
			}
		})
		r := p.relay(Limits{})
		h := hop(1)
		h.Protocol = LMTP
		began := time.Now()
		out := r.Send(context.Background(), []Hop{h}, letter("hello", strings.Fields(strings.Repeat("bob@there.example ", 10))...))
		if took := time.Since(began); took != 30*time.Minute {
			t.Errorf("took %v", took)
		}
		for i, o := range out {
			if want := i < 3; want != (o.Result == transfer.Relayed) || !want && o.Result != transfer.Deferred {
				t.Errorf("recipient %d: %+v", i, o)
			}
		}
		r.Close()
		p.all.Wait()
	})
}

// TestEndlessReplies: what is said without being asked for ends the session at the next step, however much of it there is.
func TestEndlessReplies(t *testing.T) {
	for _, c := range []struct{ text, before, flood string }{
		{"", "220 hi\r\n", "250 yes\r\n"},
		{"", "220 hi\r\n250-hi\r\n250 PIPELINING\r\n", "250 yes\r\n"},
		{"the reply has too many lines", "", "220-hello\r\n"},
		{"a line of the reply is too long", "", "220 hello hello"},
		{"that is no SMTP reply", "", "HTTP/1.1 200 OK\r\n"},
	} {
		p := newPeers(t)
		p.at(1, func(conn net.Conn) {
			go io.Copy(io.Discard, conn) //nolint:errcheck // it ends with the connection
			for s := c.before + c.flood; ; s = c.flood {
				if _, err := io.WriteString(conn, s); err != nil {
					return
				}
			}
		})
		r := p.relay(Limits{})
		o := r.Send(t.Context(), []Hop{hop(1)}, letter("hello", "bob@there.example"))[0]
		if o.Result != transfer.Deferred || o.Status != "4.5.0" || !o.HostWide || !strings.Contains(o.Text, c.text) || len(o.Text) > transfer.MaxText {
			t.Errorf("%q: %+v", c.flood, o)
		}
		r.Close()
		p.all.Wait()
	}
}
