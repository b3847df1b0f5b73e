package inbound

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// zones has block lists and a list of the good, with the test entries of RFC 5782 §5.
const zones = `
	2.0.0.127.bl.example.     A 127.0.0.2
	9.113.0.203.bl.example.   A 127.0.0.4
	9.113.0.203.bl.example.   TXT "See https://bl.example/203.0.113.9"
	9.113.0.203.bm.example.   A 127.0.0.10
	9.113.0.203.bm.example.   A 127.0.0.3
	9.113.0.203.wl.example.   A 127.0.9.3
	9.113.0.203.busy.example. A 127.255.255.254
	9.113.0.203.wbusy.example. A 127.0.0.255
	*.parked.example.         A 192.0.2.80
	9.113.0.203.parked.example. A 192.0.2.80
	9.113.0.203.dead.example. A 127.0.0.2
	1.0.0.127.dead.example.   A 127.0.0.2
	1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example. A 127.0.0.2
`

func code(t testing.TB, s string) Codes {
	t.Helper()
	c, err := ParseCodes(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBlockLists(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want string // the zone that is named; "": taken
		note string // in the field of a message that is taken
	}{
		"listed":                {Options{Block: []List{{Zone: "bl.example"}}}, "bl.example", ""},
		"listed, only marked":   {Options{Block: []List{{Zone: "bl.example", Mark: true}}}, "", "x-dnsbl=fail dns.zone=bl.example policy.ip=127.0.0.4"},
		"good enough elsewhere": {Options{Block: []List{{Zone: "bl.example"}}, Allow: []List{{Zone: "wl.example"}}}, "", "dnswl=pass dns.zone=wl.example policy.ip=127.0.9.3 dns.sec=na"},
		"not good enough":       {Options{Block: []List{{Zone: "bl.example"}}, Allow: []List{{Zone: "wl.example", Codes: []Codes{code(t, "127.0.10.0/24")}}}}, "bl.example", ""},
		"a code":                {Options{Block: []List{{Zone: "bl.example", Codes: []Codes{code(t, "127.0.0.4")}}}}, "bl.example", ""},
		"other codes":           {Options{Block: []List{{Zone: "bl.example", Codes: []Codes{code(t, "127.0.0.2-127.0.0.3"), code(t, "127.0.0.5")}}}}, "", ""},
		"one of several":        {Options{Block: []List{{Zone: "bm.example", Codes: []Codes{code(t, "127.0.0.2-127.0.0.9")}}}}, "bm.example", ""},
		"too low a score":       {Options{Block: []List{{Zone: "bl.example", Score: 5}}}, "", "x-dnsbl=fail"},
		"scores add up":         {Options{Block: []List{{Zone: "bl.example", Score: 5}, {Zone: "bm.example", Score: 5}}}, "bm.example", ""},
		"not listed":            {Options{Block: []List{{Zone: "other.example"}}}, "", ""},
		"we may not ask":        {Options{Block: []List{{Zone: "busy.example"}}}, "", ""},
		"a parked domain":       {Options{Block: []List{{Zone: "parked.example"}}}, "", ""},
		"everybody is listed":   {Options{Block: []List{{Zone: "dead.example"}}}, "", ""},
		"not really good":       {Options{Block: []List{{Zone: "bl.example"}}, Allow: []List{{Zone: "wbusy.example"}}}, "bl.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Greylist = GreyOff
			w := newWorld(t, c.o)
			w.dns.Add(t, zones)
			d, err := w.deliver(client{IP: badIP, From: "x@bad.example", Message: letter("x@bad.example")})
			if c.want == "" {
				if err != nil || !strings.Contains(strings.ReplaceAll(d.Field, "\r\n\t", " "), c.note) || c.note == "" && strings.Contains(d.Field, "x-dnsbl") {
					t.Errorf("%+v, %v", d, err)
				}
				return
			}
			refused(t, err, BlockList, 554)
			if r := RefusalOf(err); !strings.Contains(r.Text, "listed by "+c.want) || !strings.Contains(r.Text, badIP) {
				t.Error(r.Text)
			}
			if c.want == "bl.example" && !strings.HasSuffix(RefusalOf(err).Text, ": See https://bl.example/203.0.113.9") {
				t.Error(RefusalOf(err).Text)
			}
		})
	}
}

func TestBlockListOfIPv6(t *testing.T) {
	w := newWorld(t, Options{Block: []List{{Zone: "bl.example"}}, Greylist: GreyOff})
	w.dns.Add(t, zones)
	_, err := w.visit(client{IP: "2001:db8::1", From: "x@bad.example"})
	refused(t, err, BlockList, 554)
	if _, err := w.visit(client{IP: "2001:db8::2", From: "x@bad.example"}); err != nil {
		t.Error(err)
	}
	if w.dns.Asked("1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.example", "A") == 0 {
		t.Error("nobody looked whether the list is in order") // RFC 5782 §5
	}
}

// TestListsAreAskedOnce: lists have IPv4 addresses only, and are asked for no others, by resolvers that can.
func TestListsAreAskedOnce(t *testing.T) {
	w := newWorld(t, Options{})
	w.dns.Add(t, zones)
	resolver, err := dns.New(dns.Options{Servers: []dns.Server{{Addr: netip.MustParseAddrPort("127.0.0.1:53")}}, Dial: w.dns.Dial})
	if err != nil {
		t.Fatal(err)
	}
	o := w.Guard.o
	o.Resolver, o.Block = resolver, []List{{Zone: "bl.example"}}
	w.Guard = New(o)
	for range 3 {
		_, err = w.visit(client{IP: badIP, From: "x@bad.example"})
		refused(t, err, BlockList, 554)
	}
	name := "9.113.0.203.bl.example"
	if a, aaaa := w.dns.Asked(name, "A"), w.dns.Asked(name, "AAAA"); a != 1 || aaaa != 0 {
		t.Errorf("asked for A %d times, for AAAA %d", a, aaaa)
	}
}

// TestBlockedMayComplain: postmaster and abuse hear those who are on a list by mistake.
func TestBlockedMayComplain(t *testing.T) {
	w := newWorld(t, Options{Block: []List{{Zone: "bl.example"}}, Greylist: GreyOff})
	w.dns.Add(t, zones)
	for _, to := range []string{"postmaster", "Postmaster@example.org", "ABUSE@example.org"} {
		if _, err := w.visit(client{IP: badIP, From: "x@bad.example", To: to}); err != nil {
			t.Error(to, err)
		}
	}
}

// TestListIsSilent: a list that doesn't answer holds up nobody for longer than lookTime, and bars nobody.
func TestListIsSilent(t *testing.T) {
	w := newWorld(t, Options{Block: []List{{Zone: "bl.example"}, {Zone: "slow.example"}}, Greylist: GreyOff})
	w.dns.Add(t, zones)
	w.dns.Silence("9.113.0.203.slow.example")
	w.dns.Silence("1.2.0.192.slow.example")
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		start := time.Now()
		if _, err := w.deliver(good(w)); err != nil {
			t.Error(err)
		}
		_, err := w.visit(client{IP: badIP, From: "x@bad.example"})
		refused(t, err, BlockList, 554)
		if took := time.Since(start); took > 2*lookTime {
			t.Error(took)
		}
	})
}

func TestListNames(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.99":       "99.2.0.192.bl.example",
		"2001:db8:1:2::42": "2.4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example",
	} {
		if got := listName(netip.MustParseAddr(in), "bl.example"); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestParseCodes(t *testing.T) {
	for s, want := range map[string]string{"127.0.0.2": "127.0.0.2-127.0.0.2", "127.0.0.2 - 127.0.0.11": "127.0.0.2-127.0.0.11", "127.0.1.0/24": "127.0.1.0-127.0.1.255", "127.0.0.0/8": "127.0.0.0-127.255.255.255"} {
		if c, err := ParseCodes(s); err != nil || c.From.String()+"-"+c.To.String() != want {
			t.Errorf("%s: %v, %v", s, c, err)
		}
	}
	for _, s := range []string{"", "x", "127.0.0", "127.0.0.9-127.0.0.2", "::1", "127.0.0.1-", "::/0", "127.0.0.1-127.0.0.2-127.0.0.3"} {
		if _, err := ParseCodes(s); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// FuzzListAnswer: whatever a list says, only what counts refuses, and the reply is one line.
func FuzzListAnswer(f *testing.F) {
	f.Add(byte(127), byte(0), byte(0), byte(2), "listed", "127.0.0.0/24")
	f.Add(byte(127), byte(255), byte(255), byte(254), "\r\n250 ok", "")
	f.Add(byte(1), byte(2), byte(3), byte(4), strings.Repeat("\xff", 600), "127.0.0.2-127.0.0.3")
	f.Fuzz(func(t *testing.T, a, b, c, d byte, text, codes string) {
		l := List{Zone: "bl.example"}
		if r, err := ParseCodes(codes); err == nil {
			l.Codes = []Codes{r}
			if r.To.Less(r.From) || !r.holds(r.From) || !r.holds(r.To) {
				t.Errorf("%q: %v", codes, r)
			}
		}
		addr := netip.AddrFrom4([4]byte{a, b, c, d})
		found := l.find(dns.Answer[netip.Addr]{Records: []netip.Addr{netip.MustParseAddr("::1"), addr}})
		if found.IsValid() && (found != addr || a != 127 || addr == neverListed4) {
			t.Errorf("%v counts", addr)
		}
		if len(l.Codes) == 0 && a == 127 && b == 0 && c == 0 && d > 1 && d < 255 && !found.IsValid() {
			t.Errorf("%v doesn't count", addr)
		}
		p := printable(text)
		for i := range len(p) {
			if p[i] < ' ' || p[i] > '~' {
				t.Fatalf("%q", p)
			}
		}
		if len(p) > maxReply {
			t.Error(len(p))
		}
	})
}

func TestHeloProblem(t *testing.T) {
	peer, local := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.25")
	for name, want := range map[string]string{
		"mail.example.org": "", "a-b.example": "", "bücher.example": "", "MAIL.EXAMPLE.ORG.": "", "[192.0.2.1]": "",
		"mx.example.net": "it is our own name", "MX.Example.Net.": "it is our own name", "localhost": "it is our own name",
		"[198.51.100.25]": "it is our own address", "198.51.100.25": "it is our own address", "[127.0.0.1]": "it is our own address",
		"192.0.2.1": "an address without brackets", "[192.0.2.2]": "not the client's address", "[::1]": "not an address literal",
		"[IPv6:2001:db8::1]": "not the client's address", "[IPv6:192.0.2.1]": "not an address literal", "[x]": "not an address literal", "[192.0.2.1": "not an address literal",
		"pc": "not a fully qualified name", "my_pc.example": "not a host's name", "-": "not a fully qualified name", "a..b": "not a host's name", "<x>": "not a host's name",
	} {
		if got := heloProblem(name, peer, "mx.example.net", local); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := heloProblem("[IPv6:2001:DB8::1]", netip.MustParseAddr("2001:db8::1"), "mx", netip.Addr{}); got != "" {
		t.Error(got)
	}
}

func TestHelo(t *testing.T) {
	for name, c := range map[string]struct {
		rules HeloRules
		helo  string
		bad   bool
	}{
		"fine":                  {HeloRules{Refuse: true, Resolve: true}, "mail.good.example", false},
		"a domain with MX":      {HeloRules{Refuse: true, Resolve: true}, "good.example", false},
		"our name":              {HeloRules{Refuse: true}, "MX.example.org", true},
		"not in the DNS":        {HeloRules{Refuse: true, Resolve: true}, "nope.example", true},
		"nobody looks":          {HeloRules{Refuse: true}, "nope.example", false},
		"a literal":             {HeloRules{Refuse: true, Resolve: true}, "[192.0.2.1]", false},
		"the DNS has no answer": {HeloRules{Refuse: true, Resolve: true}, "down.example", false},
	} {
		for _, refuse := range []bool{true, false} {
			c.rules.Refuse = refuse
			w := newWorld(t, Options{Helo: c.rules, Greylist: GreyOff})
			w.dns.Fail("down.example", "", dns.Temporary)
			m := good(w)
			m.Helo = c.helo
			d, err := w.deliver(m)
			switch {
			case c.bad && refuse:
				refused(t, err, BadHelo, 550)
			case err != nil || strings.Contains(d.Field, "x-helo=fail reason=") != c.bad:
				t.Errorf("%s: %+v, %v", name, d, err)
			}
		}
	}
}

// TestHeloTwice: the last name counts.
func TestHeloTwice(t *testing.T) {
	w := newWorld(t, Options{Helo: HeloRules{Resolve: true}, Greylist: GreyOff})
	v, err := w.visit(client{IP: goodIP, Helo: "nope.example", From: "ann@good.example"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		v.Hello(t.Context(), fmt.Sprintf("nope%d.example", i))
	}
	if p := v.heloProblem(t.Context()); p == "" {
		t.Error("nope49.example is there")
	}
	v.Hello(t.Context(), "good.example")
	if p := v.heloProblem(t.Context()); p != "" {
		t.Error(p)
	}
}

func TestLooksDynamic(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.9")
	for name, want := range map[string]bool{
		"mail.example.org": false, "mx1.example.org": false, "example.org": false, "dynamic.example": false, "mail-203-0-113-9.example.net": false, "static-203-0-113-9.example.net": false,
		"203-0-113-9.example.net": true, "9.113.0.203.example.net": true, "host203x0x113x9.city.example.net": true, "p00cb007109.example.net": true, "cb007109.example.net": true,
		"dsl-1-2-3-4.example.net": true, "pool-7.example.net": true, "user42.cable.example.net": true, "adslayer.example.net": false, "203-0-113-10.example.net": false, "1203-0-113-9.example.net": false, "": false,
	} {
		if looksDynamic(name, ip) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

func TestMeter(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m := newMeter[int](3, time.Minute)
	for i, want := range []bool{true, true, true, false, false} {
		if m.take(1, now) != want {
			t.Errorf("%d: want %v", i, want)
		}
	}
	if !m.take(2, now) {
		t.Error("another key")
	}
	if m.take(1, now.Add(19*time.Second)) || !m.take(1, now.Add(20*time.Second)) || m.take(1, now.Add(20*time.Second)) {
		t.Error("a third of the time gives one back")
	}
	for i, later := 0, now.Add(time.Hour); i < 4; i++ {
		if m.take(1, later) != (i < 3) {
			t.Error("after long, no more than the whole number", i)
		}
	}
	free := newMeter[int](-1, time.Minute)
	for range 1000 {
		if !free.take(1, now) {
			t.Fatal("no limit")
		}
	}
}

// TestMeterIsBounded: a flood of keys costs bounded memory, and doesn't give the last ones their allowance back.
func TestMeterIsBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m := newMeter[int](1, time.Minute)
	for k := range 5 * maxMetered {
		if !m.take(k, now) {
			t.Fatal(k)
		}
		if k > 0 && m.take(k-1, now) {
			t.Fatal(k, "twice")
		}
	}
	if n := len(m.young) + len(m.old); n > 2*maxMetered {
		t.Error(n)
	}
}

func TestRates(t *testing.T) {
	w := newWorld(t, Options{Rates: Rates{Connections: 2, Messages: 3}, Greylist: GreyOff})
	v, err := w.visit(client{IP: goodIP, From: "x@bad.example"})
	for range 2 {
		if err != nil {
			t.Fatal(err)
		}
		err = v.Mail(t.Context(), "x@bad.example")
	}
	refused(t, v.Mail(t.Context(), "x@bad.example"), MessageRate, 450)
	_, err = w.visit(client{IP: goodIP})
	refused(t, err, MessageRate, 450)
	_, err = w.visit(client{IP: goodIP})
	refused(t, err, ConnectionRate, 421)
	if !RefusalOf(err).Close {
		t.Error("the connection stays open")
	}
	if !RefusalOf(err).Quiet {
		t.Error("a flood is written down again and again")
	}
	if _, err := w.visit(client{IP: "192.0.2.2"}); err != nil {
		t.Error("another address:", err)
	}
	for _, ip := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} { // one /64
		_, err = w.visit(client{IP: ip})
	}
	refused(t, err, ConnectionRate, 421)
	w.advance(time.Minute)
	if _, err := w.visit(client{IP: goodIP}); err != nil {
		t.Error("a minute later:", err)
	}
}

// TestVisitEndsEarly: a server that stops, or a client that leaves, doesn't wait for lookups.
func TestVisitEndsEarly(t *testing.T) {
	w := newWorld(t, Options{Block: []List{{Zone: "bl.example"}}, Helo: HeloRules{Resolve: true}})
	for _, name := range []string{"9.113.0.203.bl.example", "9.113.0.203.in-addr.arpa", "slow.example"} {
		w.dns.Silence(name)
	}
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		v, err := w.Connect(ctx, Client{Addr: netip.MustParseAddr(badIP)})
		if err != nil {
			t.Fatal(err)
		}
		v.Hello(ctx, "slow.example")
		v.Mail(ctx, "x@bad.example")
		cancel()
		if err := v.Recipient(ctx, "bob@example.org"); err != nil { // nothing is known, which is no reason
			t.Error(err)
		}
		v.Close()
		v, err = w.Connect(t.Context(), Client{Addr: netip.MustParseAddr(badIP)})
		if err != nil {
			t.Fatal(err)
		}
		v.Hello(t.Context(), "slow.example")
		v.Close()
		if took := time.Since(start); took != 0 {
			t.Error(took)
		}
	})
}
