package signing

import (
	"sync"
	"time"
)

// daily says things once a day. Its names are our own domains: there are only so many.
type daily struct {
	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
}

// due reports whether a day has passed since it did so last for a name.
func (d *daily) due(name string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, said := d.last[name]; said && now.Sub(last) < 24*time.Hour {
		return false
	}
	if d.last == nil {
		d.last = map[string]time.Time{}
	}
	d.last[name] = now
	return true
}
