package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"net/netip"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/peer"
)

// Failures are counted for each client and name, and for each client. After
// the free ones, each failure closes the door for twice as long as the one
// before, and one is forgiven from time to time: that is the pace to which guessing
// slows down. A stranger elsewhere locks nobody out: other addresses count apart.
const (
	pairFree    = 5
	pairMax     = 5 * time.Minute
	pairForgive = 3 * time.Minute
	// A whole office, or a webmail's users, may share an address: more is allowed, and forgiven sooner.
	hostFree    = 50
	hostMax     = time.Minute
	hostForgive = 6 * time.Second
	// Guesses at one name from very many addresses close no door, since that would lock its owner out; but from namePace failures an hour on,
	// a client has pairFewer free ones, so a new address is worth one guess.
	namePace    = 100
	nameForgive = time.Hour / namePace
	pairFewer   = 1
	// maxCounters bounds the memory: twice as many counters at most.
	maxCounters = 50_000
)

// rule says how failures are counted.
type rule struct {
	free    int           // that cost nothing
	longest time.Duration // that the door is closed
	forgive time.Duration // one failure
}

// host is a client: one IPv4 address, or an IPv6 /64, which one customer has at least.
type host = netip.Prefix

// key is a client and a name.
type key struct {
	host  host
	login string // folded; what is no address counts as one name
	pair  pair
}

// pair stands for a client and a name where failures are counted: names that don't exist may be passwords
// in the wrong field, which nobody is to find in the store.
type pair [16]byte

// keyOf says what an attempt is counted under. All spellings of a name are one, also those with a detail ("ann+1@..."), which the
// directory takes for the same account.
func (e *Engine) keyOf(ctx context.Context, a *attempt) (key, error) {
	login, err := e.dir.LoginName(ctx, a.login)
	return e.pairOf(peer.Network(a.peer.Addr), login), err
}

// pairOf is the key of a client and a folded name.
func (e *Engine) pairOf(client host, login string) key {
	k := key{host: client, login: login}
	h := hmac.New(sha256.New, e.pairKey)
	host, _ := k.host.MarshalBinary()
	h.Write(append(host, 0))
	io.WriteString(h, login)
	copy(k.pair[:], h.Sum(nil))
	return k
}

// counter counts failures.
type counter struct {
	failures int
	since    time.Time // when a failure was forgiven last
	until    time.Time // the door is closed up to then
}

func (c *counter) blocked(now time.Time) bool { return c != nil && now.Before(c.until) }

// count adds a failure.
func (c *counter) count(now time.Time, r rule) {
	c.forgive(now, r.forgive)
	c.failures++
	if over := c.failures - r.free; over >= 0 {
		c.until = now.Add(min(r.longest, time.Second<<min(over, 20)))
	}
}

// forgive takes off the failures for which enough time has passed.
func (c *counter) forgive(now time.Time, each time.Duration) {
	n := now.Sub(c.since) / each
	if int64(n) >= int64(c.failures) {
		c.failures, c.since = 0, now
		return
	}
	c.failures -= int(n)
	c.since = c.since.Add(n * each)
}

// throttle counts failures, in two tables of bounded size.
type throttle struct {
	mu    sync.Mutex // guards all below
	pairs table[pair]
	hosts table[host]
	names table[pair]   // of guesses at a name from anywhere; the key is that without a client
	busy  map[key]*turn // attempts that are under way
}

// turn lets the attempts on a pair pass one at a time.
type turn struct {
	free    chan struct{} // holds a token while nobody is inside
	holders int           // inside or waiting
}

func newThrottle() *throttle { return &throttle{busy: map[key]*turn{}} }

// enter waits for the caller's turn. leave must be called afterwards.
func (t *throttle) enter(ctx context.Context, k key) (leave func(), err error) {
	t.mu.Lock()
	u := t.busy[k]
	if u == nil {
		u = &turn{free: make(chan struct{}, 1)}
		u.free <- struct{}{}
		t.busy[k] = u
	}
	u.holders++
	t.mu.Unlock()
	select {
	case <-u.free:
		return func() { u.free <- struct{}{}; t.drop(k, u) }, nil
	case <-ctx.Done():
		t.drop(k, u)
		return nil, fault.Wrap(fault.Canceled, ctx.Err(), "")
	}
}

func (t *throttle) drop(k key, u *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u.holders--; u.holders == 0 {
		delete(t.busy, k)
	}
}

func (t *throttle) pairBlocked(k key, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pairs.find(k.pair).blocked(now)
}

func (t *throttle) hostBlocked(k key, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hosts.find(k.host).blocked(now)
}

// failed counts a failure. attacked: with it, there are so many for the name that somebody is guessing from all over.
func (t *throttle) failed(k key, name pair, now time.Time) (attacked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.names.get(name)
	n.forgive(now, nameForgive)
	n.failures = min(n.failures+1, 2*namePace) // so that it is over two hours after the last
	free := pairFree
	if n.failures >= namePace {
		free = pairFewer
	}
	t.pairs.get(k.pair).count(now, rule{free, pairMax, pairForgive})
	t.hosts.get(k.host).count(now, rule{hostFree, hostMax, hostForgive})
	return n.failures == namePace
}

// failedPair counts a failure of the second step, which is no matter of the client.
func (t *throttle) failedPair(k key, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs.get(k.pair).count(now, rule{pairFree, pairMax, pairForgive})
}

// succeeded forgets the failures on the name. Those of the client stay:
// else a guesser's own account would wash them away.
func (t *throttle) succeeded(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs.remove(k.pair)
}

// table holds counters in two generations: when the young one is full, the old one is forgotten.
type table[K comparable] struct {
	young, old map[K]*counter
	changed    map[K]bool // since they were stored last; nil: nothing is stored
}

func (t *table[K]) find(k K) *counter {
	if c := t.young[k]; c != nil {
		return c
	}
	return t.old[k]
}

// get returns the counter of k, to be changed.
func (t *table[K]) get(k K) *counter {
	t.touch(k)
	if c := t.young[k]; c != nil {
		return c
	}
	c := t.old[k]
	if c == nil {
		c = &counter{}
	}
	delete(t.old, k)
	if t.young == nil || len(t.young) >= maxCounters {
		t.young, t.old = map[K]*counter{}, t.young
	}
	t.young[k] = c
	return c
}

// touch notes that k is to be stored anew.
func (t *table[K]) touch(k K) {
	if t.changed != nil && len(t.changed) < maxCounters {
		t.changed[k] = true
	}
}

func (t *table[K]) remove(k K) {
	if t.find(k) == nil {
		return
	}
	t.touch(k)
	delete(t.young, k)
	delete(t.old, k)
}
