package inbound

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/dns"
)

// shady is a stranger who looks bad: the address has no name.
func shady() client {
	return client{IP: badIP, From: "x@bad.example", Message: letter("x@bad.example")}
}

func TestGreylisting(t *testing.T) {
	w := newWorld(t, Options{})
	c := shady()
	_, err := w.deliver(c)
	refused(t, err, Greylisted, 451)
	w.advance(greyDelay - time.Second)
	_, err = w.deliver(c)
	refused(t, err, Greylisted, 451)
	w.advance(time.Second)
	c.IP = "203.0.113.200" // from the next machine of the farm
	if _, err := w.deliver(c); err != nil {
		t.Fatal("come back in time:", err)
	}
	c.From, c.To = "y@other.example", "carol@example.org"
	if _, err := w.deliver(c); err != nil {
		t.Error("the network has delivered:", err)
	}
	w.advance(greyLife + time.Hour)
	_, err = w.deliver(c)
	refused(t, err, Greylisted, 451)
}

// TestGreylistedTriples: each of network, sender and recipient counts.
func TestGreylistedTriples(t *testing.T) {
	w := newWorld(t, Options{})
	w.visit(shady())
	w.advance(greyDelay)
	for name, change := range map[string]func(*client){
		"network":   func(c *client) { c.IP = "203.0.112.9" },
		"sender":    func(c *client) { c.From = "z@bad.example" },
		"recipient": func(c *client) { c.To = "nobody-of-that-name@example.org" },
	} {
		c := shady()
		change(&c)
		if _, err := w.visit(c); RefusalOf(err) == nil {
			t.Errorf("another %s: %v", name, err)
		}
	}
	c := shady()
	c.From, c.To = "X@Bad.Example", "BOB@example.org"
	if _, err := w.visit(c); err != nil {
		t.Error("the same in capitals:", err)
	}
}

func TestGreylistedTooLate(t *testing.T) {
	w := newWorld(t, Options{})
	w.visit(shady())
	w.advance(greyWindow + time.Second)
	_, err := w.visit(shady())
	refused(t, err, Greylisted, 451)
	w.advance(greyDelay)
	if _, err := w.visit(shady()); err != nil {
		t.Error(err)
	}
}

// TestWhoLooksBad: only those are asked to come back, unless all who are new are.
func TestWhoLooksBad(t *testing.T) {
	records := zones + `
		7.100.51.198.in-addr.arpa.  PTR pool-7.example.net.
		pool-7.example.net.         A 198.51.100.7
		8.100.51.198.in-addr.arpa.  PTR mail.good.example.
	`
	for name, c := range map[string]struct {
		client
		o   Options
		bad bool
	}{
		"a host with a name":    {client{IP: goodIP}, Options{}, false},
		"no name":               {client{IP: badIP}, Options{}, true},
		"another's name":        {client{IP: "198.51.100.8"}, Options{}, true},
		"a home's name":         {client{IP: "198.51.100.7"}, Options{}, true},
		"our own name in HELO":  {client{IP: goodIP, Helo: "mx.example.org"}, Options{}, true},
		"on a list that marks":  {client{IP: goodIP}, Options{Block: []List{{Zone: "mark.example", Mark: true}}}, true},
		"on a list of the good": {client{IP: badIP}, Options{Allow: []List{{Zone: "wl.example"}}}, false},
		"always":                {client{IP: goodIP}, Options{Greylist: GreyAlways}, true},
		"off":                   {client{IP: badIP}, Options{Greylist: GreyOff}, false},
	} {
		w := newWorld(t, c.o)
		w.dns.Add(t, records+"1.2.0.192.mark.example. A 127.0.0.2")
		if _, err := w.visit(c.client); (RefusalOf(err) != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t, Options{})
	w.dns.Fail("9.113.0.203.in-addr.arpa", "PTR", dns.Temporary)
	if _, err := w.visit(shady()); err != nil {
		t.Error("a name that isn't known for now:", err)
	}
}

// TestSenderWithRecord: who has delivered before, and can show that it is the same, needn't come back.
func TestSenderWithRecord(t *testing.T) {
	w := newWorld(t, Options{Greylist: GreyAlways})
	w.dns.Add(t, `moving.example. TXT "v=spf1 ip4:192.0.2.0/24 ip4:203.0.113.0/24 -all"`)
	c := client{IP: goodIP, From: "ann@moving.example", Message: letter("ann@moving.example")}
	w.visit(c)
	w.advance(greyDelay)
	if _, err := w.deliver(c); err != nil {
		t.Fatal(err)
	}
	c.IP, c.To = badIP, "carol@example.org"
	if _, err := w.visit(c); err != nil {
		t.Error("SPF knows the new address:", err)
	}
	c.IP = listIP
	_, err := w.visit(c)
	refused(t, err, Greylisted, 451)
}

// TestSignerWithRecord: a domain that has signed before may show its signature; without, it is asked to come back after all.
func TestSignerWithRecord(t *testing.T) {
	w := newWorld(t, Options{Greylist: GreyAlways})
	c := client{IP: listIP, From: "ann@good.example", Message: w.signed(letter("ann@good.example"), "good.example")}
	w.visit(c)
	w.advance(greyDelay)
	if _, err := w.deliver(c); err != nil {
		t.Fatal(err)
	}
	c.IP = badIP
	if _, err := w.deliver(c); err != nil {
		t.Error("signed:", err)
	}
	c.IP, c.Message = "203.0.112.1", strings.Replace(c.Message, "Hello.", "Buy!", 1)
	_, err := w.deliver(c)
	refused(t, err, Greylisted, 451)
	w.advance(greyDelay)
	_, err = w.deliver(c)
	refused(t, err, DMARC, 550) // it came back; it is forged all the same
}

// TestMemoryIsBounded: a flood of strangers costs bounded room, and mail isn't held up for want of it.
func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t, Options{Entries: 40, Rates: Rates{-1, -1, -1}})
	try := func(n int) error {
		c := shady()
		c.From = fmt.Sprintf("x%d@bad.example", n)
		_, err := w.visit(c)
		w.advance(time.Second)
		return err
	}
	for n := range 40 {
		refused(t, try(n), Greylisted, 451)
	}
	if err := try(41); err != nil {
		t.Error("no room to remember:", err)
	}
	if err := w.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(t, try(42), Greylisted, 451) // the oldest have made room
	w.advance(greyDelay)
	if err := try(39); err != nil {
		t.Error("the newest were forgotten:", err)
	}
	refused(t, try(0), Greylisted, 451)
	w.advance(greyLife * 2)
	if err := w.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.memory.greyRoom.Load(); left != 40 {
		t.Errorf("room for %d", left)
	}
}

// TestMemoryOutlastsARestart: a new Guard on the same store knows who was asked to come back.
func TestMemoryOutlastsARestart(t *testing.T) {
	w := newWorld(t, Options{})
	w.visit(shady())
	w.advance(greyDelay)
	o := w.Guard.o
	w.Guard = New(o)
	if _, err := w.visit(shady()); err != nil {
		t.Error(err)
	}
}

// TestRecordsAreReadBack: what can't be read is as if it weren't there.
func TestRecordsAreReadBack(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	if g, ok := decodeGrey(grey{true, at, at.Add(time.Hour)}.encode()); !ok || !g.back || !g.first.Equal(at) || !g.last.Equal(at.Add(time.Hour)) {
		t.Errorf("%+v %v", g, ok)
	}
	if p, ok := decodePast(past{at, at.Add(time.Hour), 7}.encode()); !ok || p.messages != 7 || !p.last.Equal(at.Add(time.Hour)) {
		t.Errorf("%+v %v", p, ok)
	}
	for _, b := range [][]byte{nil, {0}, {1}, {2, 1, 1}, {1, 0xff}} {
		if _, ok := decodeGrey(b); ok {
			t.Errorf("grey %x", b)
		}
		if _, ok := decodePast(b); ok {
			t.Errorf("past %x", b)
		}
	}
}

// TestForeignDomains: whoever tries to relay learns that at once, and isn't remembered.
func TestForeignDomains(t *testing.T) {
	w := newWorld(t, Options{Block: []List{{Zone: "bl.example"}}, Local: func(_ context.Context, a string) (bool, error) {
		return strings.HasSuffix(a, "@example.org"), nil
	}})
	w.dns.Add(t, zones)
	c := shady()
	c.To = "x@elsewhere.example"
	if _, err := w.visit(c); err != nil {
		t.Error(err)
	}
	if left := w.memory.greyRoom.Load(); left != int64(w.memory.most) {
		t.Error(left)
	}
	_, err := w.visit(shady())
	refused(t, err, BlockList, 554)
}

// TestComesBackFromElsewhere: who has many networks may come back from another one that SPF permits.
func TestComesBackFromElsewhere(t *testing.T) {
	w := newWorld(t, Options{Greylist: GreyAlways})
	w.dns.Add(t, `large.example. TXT "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all"`)
	c := client{IP: goodIP, From: "ann@large.example"}
	_, err := w.visit(c)
	refused(t, err, Greylisted, 451)
	w.advance(greyDelay)
	c.IP = badIP
	_, err = w.visit(c)
	refused(t, err, Greylisted, 451)
	c.IP = listIP
	if _, err := w.visit(c); err != nil {
		t.Error(err)
	}
}
