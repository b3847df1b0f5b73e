package scan

import (
	"sync"
	"time"
)

// A program that fails this often in a row is left alone for a while; then one message tries it again.
const (
	failuresInRow = 5
	rest          = 15 * time.Second
)

// breaker keeps mail from waiting for a program that is out of order. It is safe for concurrent use.
type breaker struct {
	mu     sync.Mutex
	failed int       // in a row; guarded by mu
	until  time.Time // nobody asks before; guarded by mu
}

// allows reports whether the program may be asked.
func (b *breaker) allows(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < failuresInRow {
		return true
	}
	if now.Before(b.until) {
		return false
	}
	b.until = now.Add(rest) // whoever comes now tries it; the others wait for what comes of that
	return true
}

// answered notes that it did.
func (b *breaker) answered() {
	b.mu.Lock()
	b.failed = 0
	b.mu.Unlock()
}

// failure notes that it didn't.
func (b *breaker) failure(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed++; b.failed >= failuresInRow {
		b.until = now.Add(rest)
	}
}
