package oauth

import (
	"sync"
	"time"

	"postroad/internal/fault"
)

// maxRenewals is how often the tokens of one grant are renewed in an hour, where once would do: what was used is remembered for as long
// as the grant, so a program that does nothing else would fill the disk.
const maxRenewals = 60

// renewals counts them.
type renewals struct {
	mu    sync.Mutex
	since time.Time         // guarded by mu
	each  map[string]uint32 // guarded by mu; by the grant's ID
}

// count counts one; fault.RateLimited if it is too much.
func (r *renewals) count(grant string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.each == nil || now.Sub(r.since) >= time.Hour {
		r.since, r.each = now, map[string]uint32{}
	}
	if r.each[grant] >= maxRenewals {
		return fault.New(fault.RateLimited, "the tokens were renewed too often in this hour")
	}
	r.each[grant]++
	return nil
}
