package relay

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
)

// Handshake tells what came of protecting a new connection to a hop: what reports on TLS count (RFC 8460 §4.2).
// Connections that never got that far, and those that are used again, aren't told of.
type Handshake struct {
	// Local is our address, Helo what the hop called itself ("" before EHLO, with implicit TLS).
	Local netip.Addr
	Helo  string
	// State is that of the channel; nil if TLS didn't come about.
	State *tls.ConnectionState
	// Err is why it didn't: ErrNoTLS, or how the handshake failed.
	Err error
}

// ErrNoTLS says that a hop doesn't offer STARTTLS, or refuses it.
var ErrNoTLS = errors.New("the host does not offer TLS")

// observe tells who asked for it how TLS came about, or that it didn't.
func (c *conn) observe(hop *Hop, err error) {
	if hop.Observe == nil || c.interrupted() {
		return // what we broke off ourselves says nothing about the hop
	}
	h := Handshake{Local: localAddr(c.nc), Helo: c.helo, Err: err}
	if tc, ok := c.nc.(*tls.Conn); ok && err == nil {
		h.Local = localAddr(tc.NetConn())
		state := tc.ConnectionState()
		h.State = &state
	}
	hop.Observe(h)
}

// interrupted reports whether the job's time was up.
func (c *conn) interrupted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// firstWord is the name in a reply to EHLO (RFC 5321 §4.1.1.1).
func firstWord(line string) string {
	name, _, _ := strings.Cut(line, " ")
	return name
}
