package inbound

import (
	"sync"
	"time"
)

// meter lets each key do something so often in a period, evenly refilled: the whole number at once, if nothing was done before.
// Keys are kept in two generations: when the young one is full, the old one is forgotten, so memory is bounded
// whatever comes. It is safe for concurrent use.
type meter[K comparable] struct {
	most   int // in a period; below 1: no limit
	period time.Duration

	mu         sync.Mutex
	young, old map[K]time.Time // until when a key's allowance is spent; guarded by mu
}

// maxMetered is how many keys one generation has.
const maxMetered = 50_000

func newMeter[K comparable](most int, period time.Duration) *meter[K] {
	return &meter[K]{most: most, period: period}
}

// take counts one more for k, unless that is too much.
func (m *meter[K]) take(k K, now time.Time) bool {
	if m.most < 1 {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	spent, ok := m.young[k]
	if !ok {
		spent = m.old[k]
	}
	if spent.Before(now) {
		spent = now
	}
	spent = spent.Add(m.period / time.Duration(m.most))
	if spent.Sub(now) > m.period {
		return false
	}
	if !ok && len(m.young) >= maxMetered || m.young == nil {
		m.young, m.old = map[K]time.Time{}, m.young
	}
	m.young[k] = spent
	return true
}
