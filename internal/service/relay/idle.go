package relay

import (
	"net/netip"
	"sync"
	"time"
)

// key tells connections apart that must not stand in for one another.
type key struct {
	addr     netip.AddrPort
	socket   string
	source   netip.Addr
	host     string
	protocol Protocol
	mode     Mode
	label    string
	pins     string
	implicit bool
	auth     Credentials
}

func keyOf(hop *Hop) key {
	k := key{
		addr: hop.Addr, socket: hop.Socket, source: hop.Source, host: hop.Host, protocol: hop.Protocol,
		mode: hop.TLS.Mode, label: hop.TLS.label(), pins: hop.TLS.Pins, implicit: hop.TLS.Implicit,
	}
	if hop.Auth != nil {
		k.auth = *hop.Auth
	}
	return k
}

// idle keeps connections that have no work, for a short time. It is safe for concurrent use.
type idle struct {
	limits *Limits

	mu     sync.Mutex
	conns  map[key][]*waiting // the last one in is the first one out. Guarded by mu
	n      int                // in all. Guarded by mu
	closed bool               // Guarded by mu
	ending sync.WaitGroup     // timers that are closing connections
}

// waiting is a connection and the timer that ends its wait.
type waiting struct {
	c     *conn
	timer *time.Timer
}

// take returns a connection, or nil. The caller owns it then.
func (i *idle) take(k key) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	all := i.conns[k]
	if len(all) == 0 {
		return nil
	}
	w := all[len(all)-1]
	i.remove(k, w)
	if w.timer.Stop() {
		i.ending.Done()
	}
	w.c.reused = true
	return w.c
}

// give keeps a connection for others, if there is room; else it says QUIT.
func (i *idle) give(c *conn) {
	if !i.keep(c) {
		c.quit()
	}
}

func (i *idle) keep(c *conn) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || i.n >= i.limits.IdleConns || len(i.conns[c.key]) >= i.limits.IdlePerHop || c.messages >= i.limits.Messages || c.full() {
		return false
	}
	w := &waiting{c: c}
	i.ending.Add(1)
	w.timer = time.AfterFunc(i.limits.IdleTime, func() {
		defer i.ending.Done()
		i.expire(w)
	})
	i.conns[c.key] = append(i.conns[c.key], w)
	i.n++
	return true
}

// expire ends a wait, unless somebody has taken the connection at the last moment.
func (i *idle) expire(w *waiting) {
	i.mu.Lock()
	mine := i.remove(w.c.key, w)
	i.mu.Unlock()
	if mine {
		w.c.part()
	}
}

// remove forgets a connection. i.mu is held. It reports whether it was there.
func (i *idle) remove(k key, w *waiting) bool {
	all := i.conns[k]
	for at, other := range all {
		if other != w {
			continue
		}
		all[at] = all[len(all)-1]
		all[len(all)-1] = nil
		if i.conns[k] = all[:len(all)-1]; len(all) == 1 {
			delete(i.conns, k)
		}
		i.n--
		return true
	}
	return false
}

// close ends all waits, and keeps nothing any more.
func (i *idle) close() {
	i.mu.Lock()
	i.closed = true
	var mine []*conn
	for k, all := range i.conns {
		for _, w := range all {
			if w.timer.Stop() {
				i.ending.Done()
			}
			mine = append(mine, w.c)
		}
		delete(i.conns, k)
	}
	i.n = 0
	i.mu.Unlock()
	for _, c := range mine {
		c.quit()
	}
	i.ending.Wait()
}
