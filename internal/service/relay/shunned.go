package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxShunned bounds how many hosts are remembered.
const maxShunned = 4096

// shunned remembers where nobody answered, so that others are tried first for a while: a primary host that is gone
// would else cost each message the time for a connection, though a backup works (RFC 5321 §4.5.4.1: "keep a list of
// hosts it cannot reach"). It is safe for concurrent use.
type shunned struct {
	n     atomic.Int32 // of until
	mu    sync.Mutex
	until map[string]time.Time // by address or socket. Guarded by mu
}

// add shuns a hop until then.
func (s *shunned) add(hop *Hop, now, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	if len(s.until) >= maxShunned {
		s.sweep(now)
	}
	if len(s.until) < maxShunned {
		s.until[hop.where()] = until
	}
	s.n.Store(int32(len(s.until)))
}

// sweep forgets what is over. s.mu is held.
func (s *shunned) sweep(now time.Time) {
	for where, until := range s.until {
		if !now.Before(until) {
			delete(s.until, where)
		}
	}
}

// remove is for a hop that has answered.
func (s *shunned) remove(hop *Hop) {
	if s.n.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, hop.where())
	s.n.Store(int32(len(s.until)))
}

// order puts those that are shunned behind the others. hops is not changed.
func (s *shunned) order(hops []Hop, now time.Time) []Hop {
	if len(hops) < 2 || s.n.Load() == 0 {
		return hops
	}
	var good, bad []Hop
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range hops {
		if now.Before(s.until[hops[i].where()]) {
			bad = append(bad, hops[i])
		} else {
			good = append(good, hops[i])
		}
	}
	if len(bad) == 0 {
		return hops
	}
	return append(good, bad...)
}
