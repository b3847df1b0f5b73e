package inbound

import (
	"sync"
	"time"
)

// maxRecent is how many records are kept at hand, of about 100 bytes each.
const maxRecent = 8192

// recent are records of those who bring mail at the moment, so that they needn't be read with each message. One that was read while another was being
// written may be the older one: then what it says is some messages short, until the next is written, which is at once. It is safe for concurrent use; the zero value is ready.
type recent struct {
	mu    sync.Mutex
	known map[subject]past // guarded by mu
}

// all finds the records of all subjects; false: it doesn't know each.
func (r *recent) all(now time.Time, who []subject, found []past) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range who {
		p, ok := r.known[s]
		if !ok || p.stale(now) {
			return false
		}
		found[i] = p
	}
	return true
}

func (r *recent) put(s subject, p past) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxRecent {
		r.known = make(map[subject]past)
	}
	r.known[s] = p
}

// forget forgets those whose records have changed.
func (r *recent) forget(who []subject) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range who {
		delete(r.known, s)
	}
}
