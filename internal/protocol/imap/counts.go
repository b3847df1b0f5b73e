package imap

import (
	"sync"

	"postroad/internal/model/ident"
)

// accountCounts counts connections that have signed in, by whose they are.
type accountCounts struct {
	mu   sync.Mutex
	open map[ident.AccountID]int // guarded by mu
}

// admitAccount counts a connection that has signed in, unless the account has too many.
func (s *Server) admitAccount(id ident.AccountID) bool {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	if s.accounts.open[id] >= s.lim.ConnsPerAccount {
		return false
	}
	s.accounts.open[id]++
	return true
}

func (s *Server) dismissAccount(id ident.AccountID) {
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	if s.accounts.open[id]--; s.accounts.open[id] <= 0 {
		delete(s.accounts.open, id)
	}
}
