package smtp

import (
	"net"
	"net/netip"
)

// admit counts a connection from an address, unless there are too many.
func (s *Server) admit(a netip.Addr) bool {
	p, counted := neighbourhood(a)
	if !counted {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byAddress[p] >= s.config.Limits.ConnectionsPerAddress {
		return false
	}
	s.byAddress[p]++
	return true
}

// leave undoes admit.
func (s *Server) leave(a netip.Addr) {
	p, counted := neighbourhood(a)
	if !counted {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byAddress[p]--; s.byAddress[p] == 0 {
		delete(s.byAddress, p)
	}
}

// neighbourhood is what one client can be expected to have: an IPv4 address or an
// IPv6 /64. Loopback isn't counted: it is our own programs.
func neighbourhood(a netip.Addr) (p netip.Prefix, counted bool) {
	if !a.IsValid() || a.IsLoopback() {
		return netip.Prefix{}, false
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}

// addrOf is the IP address of a network address; invalid if it has none.
func addrOf(a net.Addr) netip.Addr {
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
