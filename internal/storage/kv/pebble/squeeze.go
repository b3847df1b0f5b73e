package pebble

import (
	"sync"
	"time"
)

// A squeeze makes the block cache smaller while much is written: memtables are full then, one is being flushed, and merges need
// memory, too, whereas what is read is mostly what has just come.
type squeeze struct {
	cache interface {
		Reserve(bytes int) (release func())
	}
	bytes int

	mu      sync.Mutex
	last    time.Time   // the end of the last flush
	release func()      // nil: the cache is as large as ever
	quiet   *time.Timer // nil: not needed yet
	ended   bool
}

// Flushes follow on another within busyWithin while much is written; without one for calmAfter the cache may grow again.
const (
	busyWithin = 20 * time.Second
	calmAfter  = 20 * time.Second
)

// flushed notes the end of a flush.
func (s *squeeze) flushed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	busy := !s.last.IsZero() && now.Sub(s.last) < busyWithin
	if s.last = now; !busy || s.ended {
		return
	}
	if s.release == nil {
		s.release = s.cache.Reserve(s.bytes)
	}
	if s.quiet == nil {
		s.quiet = time.AfterFunc(calmAfter, s.calm)
	} else {
		s.quiet.Reset(calmAfter)
	}
}

// calm gives the cache its size back, if it is still quiet.
func (s *squeeze) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release != nil && time.Since(s.last) >= calmAfter {
		s.release()
		s.release = nil
	}
}

// end comes before the cache's.
func (s *squeeze) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended = true; s.quiet != nil {
		s.quiet.Stop()
	}
	if s.release != nil {
		s.release()
		s.release = nil
	}
}
