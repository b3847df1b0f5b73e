package server

import (
	"net"
	"net/http"
	"net/netip"
	"testing"
)

// somebody is a connection from an address.
type somebody struct {
	net.Conn
	addr   string
	closed bool
}

func (s *somebody) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s.addr))
}
func (s *somebody) Close() error { s.closed = true; return nil }

// Too many connections are closed: at once if there are too many in all, and those of one client
// when it is known whose they are.
func TestCrowd(t *testing.T) {
	c := newCrowd(5, 2)
	arrive := func(addr string) *somebody {
		s := &somebody{addr: addr}
		c.state(s, http.StateNew)
		if !s.closed {
			c.state(s, http.StateActive)
			c.state(s, http.StateIdle)
			c.state(s, http.StateActive) // a second request doesn't count again
		}
		if s.closed {
			c.state(s, http.StateClosed)
		}
		return s
	}
	var all []*somebody
	for _, step := range []struct {
		addr   string
		closed bool
	}{
		{"[2001:db8::1]:1", false}, {"[2001:db8::2]:1", false}, {"[2001:db8::3]:1", true},
		{"192.0.2.1:1", false}, {"127.0.0.1:1", false}, {"127.0.0.1:2", false}, {"127.0.0.1:3", true},
	} {
		s := arrive(step.addr)
		if s.closed != step.closed {
			t.Errorf("%s: closed %v", step.addr, s.closed)
		}
		if !s.closed {
			all = append(all, s)
		}
	}
	for _, s := range all {
		c.state(s, http.StateClosed)
	}
	if len(c.open)+len(c.from) > 0 {
		t.Error("not forgotten:", c.open, c.from)
	}
}
