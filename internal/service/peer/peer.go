// Package peer says where a connection comes from, and what counts as one client.
package peer

import (
	"net"
	"net/netip"
)

// Addr is the IP address of a connection's far end: IPv4 also where it came
// mapped into IPv6, and without a zone. It is the zero Addr if there is none, as for a pipe.
func Addr(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// Network is what one client can be expected to have, and so what limits count: an
// IPv4 address, or an IPv6 /64. The zero Addr gives the zero Prefix.
func Network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for the zero Addr only
	return p
}
