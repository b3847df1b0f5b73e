package imap

import (
	"net/netip"

	"postroad/internal/model/ident"
	"postroad/internal/service/peer"
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

// admit counts a new connection, unless there are too many.
func (s *Server) admit(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := peer.Network(a)
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
	decrement(s.counts.addr, peer.Network(a))
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
