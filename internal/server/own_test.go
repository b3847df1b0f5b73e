package server

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"postroad/internal/server/config"
)

func TestOwnAddresses(t *testing.T) {
	asked := 0
	machine := func() ([]net.Addr, error) {
		asked++
		if asked == 2 {
			return nil, errors.New("not now")
		}
		_, four, _ := net.ParseCIDR("192.0.2.7/32")
		return []net.Addr{four, &net.IPNet{IP: net.ParseIP("2001:db8::7"), Mask: net.CIDRMask(64, 128)}}, nil
	}
	now := time.Unix(0, 0)
	listen := func(protocol, address string) *ownAddresses {
		return newOwnAddresses([]config.Listener{{Protocol: config.IMAP, Address: ":25"}, {Protocol: protocol, Address: address}},
			func() time.Time { return now }, machine)
	}
	for _, c := range []struct {
		protocol, address, at string
		own                   bool
	}{
		{config.SMTP, "192.0.2.1:25", "192.0.2.1", true}, {config.SMTP, "192.0.2.1:25", "::ffff:192.0.2.1", true},
		{config.SMTP, "192.0.2.1:25", "192.0.2.7", false}, {config.SMTP, "[2001:db8::1]:25", "2001:db8::1", true},
		{config.SMTP, "192.0.2.1:2525", "192.0.2.1", false}, {config.Submission, ":25", "192.0.2.7", false},
		{config.SMTP, "unix:/run/smtp", "192.0.2.7", false}, {config.SMTP, "mem:25", "192.0.2.7", false},
	} {
		if got := listen(c.protocol, c.address).has(netip.MustParseAddr(c.at)); got != c.own {
			t.Errorf("listening for %s at %s: is %s ours? %v", c.protocol, c.address, c.at, got)
		}
	}
	if asked != 0 {
		t.Errorf("asked for the machine's addresses %d times, where listeners name theirs", asked)
	}
	for _, address := range []string{":25", "0.0.0.0:25", "[::]:25", "fd:smtp"} {
		o, before := listen(config.SMTP, address), asked
		asked = 0
		for range 3 {
			if !o.has(netip.MustParseAddr("192.0.2.7")) || !o.has(netip.MustParseAddr("2001:db8::7")) || o.has(netip.MustParseAddr("192.0.2.8")) {
				t.Errorf("at %s: not what the machine has", address)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times, before %d", asked, before)
		}
		now = now.Add(refreshOwn)
		if !o.has(netip.MustParseAddr("192.0.2.7")) || asked != 2 {
			t.Errorf("forgotten when it could not be asked for (%d times)", asked)
		}
	}
}
