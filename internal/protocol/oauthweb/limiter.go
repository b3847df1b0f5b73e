package oauthweb

import (
	"net/netip"
	"sync"
	"time"

	"postroad/internal/service/oauth"
	"postroad/internal/service/peer"
)

// How many device authorizations are begun in the time that one lasts: what strangers can make us store has a bound.
const (
	startsOfOne = 20
	startsOfAll = 5000
)

// limiter counts what clients begin.
type limiter struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time            // guarded by mu
	all   int                  // guarded by mu
	each  map[netip.Prefix]int // guarded by mu
}

func (l *limiter) admit(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) >= oauth.DeviceLife {
		l.since, l.all, l.each = now, 0, map[netip.Prefix]int{}
	}
	who := peer.Network(a)
	if l.all >= startsOfAll || l.each[who] >= startsOfOne {
		return false
	}
	l.all++
	l.each[who]++
	return true
}
