package imap

import (
	"net"
	"net/netip"

	"postroad/internal/model/ident"
)

// connCounts counts open connections by where they come from and whose they are.
type connCounts struct {
	all     int
	addr    map[netip.Prefix]int
	account map[ident.AccountID]int
}

func newConnCounts() connCounts {
	return connCounts{addr: map[netip.Prefix]int{}, account: map[ident.AccountID]int{}}
}

// addrOf is a connection's remote address; the zero Addr if it has none (a pipe).
func addrOf(c net.Conn) netip.Addr {
	if t, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// neighbourhood is what counts as one address: an IPv4 address, or an IPv6 /64.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for the zero Addr
	return p
}

// admit counts a new connection, unless there are too many.
func (s *Server) admit(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := neighbourhood(a)
	if s.counts.all >= s.lim.Conns || n.IsValid() && s.counts.addr[n] >= s.lim.ConnsPerAddr {
		return false
	}
	s.counts.all++
	s.counts.addr[n]++
	return true
}

// dismiss is the end of what admit let in.
func (s *Server) dismiss(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.all--
	decrement(s.counts.addr, neighbourhood(a))
}

// admitAccount counts a connection that has signed in, unless the account has too many.
func (s *Server) admitAccount(id ident.AccountID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts.account[id] >= s.lim.ConnsPerAccount {
		return false
	}
	s.counts.account[id]++
	return true
}

func (s *Server) dismissAccount(id ident.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	decrement(s.counts.account, id)
}

func decrement[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}
