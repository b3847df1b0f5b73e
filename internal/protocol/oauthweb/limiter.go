package oauthweb

import (
	"net/netip"
	"sync"
	"time"

	"postroad/internal/service/oauth"
	"postroad/internal/service/peer"
)

const (
	// How many device authorizations are begun in the time that one lasts: what strangers can make us store has a bound.
	startsOfOne = 20
	startsOfAll = 5000
	// How many wrong codes may be typed in that time (RFC 8628 §5.1). There are 2^34 codes: even with as many
	// authorizations open as there may be, all who guess together find one in fifty such times.
	missesOfOne = 20
	missesOfAll = 100_000
)

// limiter counts what clients do in the time that a device authorization lasts.
type limiter struct {
	now      func() time.Time
	one, all int // how often one network may, and all together

	mu    sync.Mutex
	since time.Time            // guarded by mu
	total int                  // guarded by mu
	each  map[netip.Prefix]int // guarded by mu
}

// admit counts, unless it is too much.
func (l *limiter) admit(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := peer.Network(a)
	if l.fullFor(who) {
		return false
	}
	l.total++
	l.each[who]++
	return true
}

// full reports whether a client has done too much already.
func (l *limiter) full(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fullFor(peer.Network(a))
}

// fullFor begins a new time if the last is over. The caller holds mu.
func (l *limiter) fullFor(who netip.Prefix) bool {
	if now := l.now(); now.Sub(l.since) >= oauth.DeviceLife {
		l.since, l.total, l.each = now, 0, map[netip.Prefix]int{}
	}
	return l.total >= l.all || l.each[who] >= l.one
}
