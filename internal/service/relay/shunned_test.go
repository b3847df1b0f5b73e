package relay

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/transfer"
)

// TestUnreachableHostsComeLast: a host that doesn't answer costs the first message its time, and not each: RFC 5321 §4.5.4.1.
func TestUnreachableHostsComeLast(t *testing.T) {
	for what, first := range map[string]func(net.Conn){"nobody": nil, "hangs up": func(c net.Conn) {}} {
		p := newPeers(t)
		now := epoch
		var dialed []string
		r := New(Options{Now: func() time.Time { return now }, Dial: func(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error) {
			dialed = append(dialed, addr)
			return p.dial(ctx, from, network, addr)
		}})
		send := func(want ...string) {
			t.Helper()
			dialed = nil
			out := r.Send(t.Context(), []Hop{hop(1), hop(2)}, letter("hello", "bob@there.example"))[0]
			if out.Code != 250 || fmt.Sprint(dialed) != fmt.Sprint(want) {
				t.Errorf("%s: connected to %v, want %v: %+v", what, dialed, want, out)
			}
		}
		serves := func(n int) { p.at(n, func(c net.Conn) { sink(c, "") }) }
		if first != nil {
			p.at(1, first)
		}
		serves(2)
		send("192.0.2.1:25", "192.0.2.2:25")
		send() // over the connection to the second
		now = now.Add(5 * time.Minute)
		serves(1)
		send("192.0.2.1:25") // it has another chance, and is back
		send()
		r.Close()
		p.all.Wait()
	}
}

// TestShunnedHostsAreTried: where there is nobody else they are.
func TestShunnedHostsAreTried(t *testing.T) {
	p := newPeers(t)
	r := p.relay(Limits{})
	defer r.Close()
	for range 2 {
		if out := r.Send(t.Context(), []Hop{hop(1), hop(2)}, letter("hello", "bob@there.example"))[0]; out.Result != transfer.Deferred || out.Remote != "mx2.example" && !strings.HasPrefix(out.Text, "connect to mx") {
			t.Errorf("%+v", out)
		}
	}
	if p.dials != 4 {
		t.Errorf("%d connections were tried", p.dials)
	}
}

// TestShunnedAreBounded: memory is, and what is over makes room.
func TestShunnedAreBounded(t *testing.T) {
	var s shunned
	at := func(i int) *Hop {
		return &Hop{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 25)}
	}
	for i := range maxShunned + 10 {
		s.add(at(i), epoch, epoch.Add(time.Minute))
	}
	if len(s.until) != maxShunned {
		t.Errorf("%d are remembered", len(s.until))
	}
	s.add(at(maxShunned), epoch.Add(time.Minute), epoch.Add(2*time.Minute))
	if len(s.until) != 1 || s.n.Load() != 1 {
		t.Errorf("%d are remembered, %d counted", len(s.until), s.n.Load())
	}
	s.remove(at(maxShunned))
	if s.n.Load() != 0 {
		t.Error("one that answered is remembered")
	}
}
