package server

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"postroad/internal/server/config"
)

// ownAddresses knows the addresses at which other servers' mail comes to us: mail that the DNS sends there would come
// back (RFC 5321 §5.1). It is safe for concurrent use.
type ownAddresses struct {
	named map[netip.Addr]bool // that a listener names
	all   bool                // a listener listens at all of the machine's
	now   func() time.Time
	ask   func() ([]net.Addr, error) // which are the machine's

	mu      sync.Mutex
	machine map[netip.Addr]bool // guarded by mu
	asked   time.Time           // guarded by mu: when machine was looked up
}

// smtpPort is where the DNS sends mail to.
const smtpPort = "25"

// refreshOwn is how long the machine's addresses are remembered.
const refreshOwn = time.Minute

func newOwnAddresses(listeners []config.Listener, now func() time.Time, ask func() ([]net.Addr, error)) *ownAddresses {
	o := &ownAddresses{named: map[netip.Addr]bool{}, now: now, ask: ask}
	for _, l := range listeners {
		host, port, err := net.SplitHostPort(l.Address)
		systemd := strings.HasPrefix(l.Address, "fd:") // whose port we don't know
		if l.Protocol != config.SMTP || !systemd && (err != nil || port != smtpPort) {
			continue
		}
		a, err := netip.ParseAddr(host)
		if systemd || host == "" || err == nil && a.IsUnspecified() {
			o.all = true
		} else if err == nil {
			o.named[a.Unmap().WithZone("")] = true
		}
	}
	return o
}

// has reports whether mail for an address comes to us.
func (o *ownAddresses) has(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if o.named[a] || !o.all {
		return o.named[a]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); o.machine == nil || now.Sub(o.asked) >= refreshOwn {
		o.lookUp()
		o.asked = now
	}
	return o.machine[a]
}

// lookUp asks for the machine's addresses; if they can't be had the old ones stay. o.mu is held.
func (o *ownAddresses) lookUp() {
	all, err := o.ask()
	if err != nil {
		return
	}
	o.machine = map[netip.Addr]bool{}
	for _, n := range all {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			o.machine[p.Addr().Unmap()] = true
		}
	}
}
