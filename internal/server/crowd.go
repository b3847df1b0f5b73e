package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"postroad/internal/service/peer"
)

// What crowd allows unless the settings say otherwise.
const (
	httpConnections           = 10_000
	httpConnectionsPerAddress = 1000
)

// crowd bounds the open HTTP connections, all and each client's, as the other protocols
// do theirs: else whoever opens enough of them leaves no descriptors for the mail.
type crowd struct {
	all, each int

	mu   sync.Mutex
	open map[net.Conn]netip.Prefix // guarded by mu; whose each is: nobody's if unknown or not counted
	from map[netip.Prefix]int      // guarded by mu
}

// newCrowd makes a crowd with limits, of which 0 means the default.
func newCrowd(all, each int) *crowd {
	if all == 0 {
		all = httpConnections
	}
	if each == 0 {
		each = httpConnectionsPerAddress
	}
	return &crowd{all: all, each: each, open: map[net.Conn]netip.Prefix{}, from: map[netip.Prefix]int{}}
}

// state is an http.Server's ConnState. It closes connections that are too many.
func (c *crowd) state(conn net.Conn, s http.ConnState) {
	admitted := true
	switch s {
	case http.StateNew: // in the loop that accepts, which must not wait for the word of a proxy
		admitted = c.enter(conn) && (!knowsItsAddress(conn) || c.identify(conn))
	case http.StateActive:
		admitted = c.identify(conn)
	case http.StateClosed, http.StateHijacked:
		c.leave(conn)
	}
	if !admitted {
		conn.Close()
	}
}

// knowsItsAddress reports whether a connection tells its address at once.
func knowsItsAddress(conn net.Conn) bool {
	if private, ok := conn.(*tls.Conn); ok {
		conn = private.NetConn()
	}
	_, ok := conn.(*net.TCPConn)
	return ok
}

func (c *crowd) enter(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= c.all {
		return false
	}
	c.open[conn] = netip.Prefix{}
	return true
}

// identify counts a connection for its client, once. Loopback isn't counted: it is our own programs.
func (c *crowd) identify(conn net.Conn) bool {
	a := peer.Addr(conn.RemoteAddr())
	if !a.IsValid() || a.IsLoopback() {
		return true
	}
	who := peer.Network(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if was, ok := c.open[conn]; !ok || was.IsValid() {
		return ok
	}
	if c.from[who] >= c.each {
		return false
	}
	c.open[conn] = who
	c.from[who]++
	return true
}

func (c *crowd) leave(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.open[conn]
	delete(c.open, conn)
	if c.from[who]--; c.from[who] <= 0 {
		delete(c.from, who)
	}
}
