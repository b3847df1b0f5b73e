package smtp

import (
	"net/netip"

	"postroad/internal/service/peer"
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

// neighbourhood is what counts as one client. Loopback isn't counted: it is our own programs.
func neighbourhood(a netip.Addr) (p netip.Prefix, counted bool) {
	return peer.Network(a), a.IsValid() && !a.IsLoopback()
}
