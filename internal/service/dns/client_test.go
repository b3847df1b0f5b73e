package dns_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
)

const zone = `
	example.org.           MX 20 mx2.example.org.
	example.org.           MX 10 MX1.example.org.
	example.org.           TXT "v=spf1 " "-all"
	example.org.           TXT "quote \" back \\ byte \233"
	mx1.example.org.       A 192.0.2.1
	mx1.example.org.       AAAA 2001:db8::1
	mx2.example.org. 60    A 192.0.2.2
	_25._tcp.mx1.example.org. TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
	1.2.0.192.in-addr.arpa. PTR mx1.example.org.
	1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.example.org.
	alias.example.org.     CNAME far.example.net.
	far.example.net.       CNAME mx2.example.org.
	lost.example.org.      CNAME nowhere.example.net.
	xn--bcher-kva.example. MX 0 .
`

func TestLookups(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Secure("example.org")
	ctx := t.Context()
	mx, err := w.LookupMX(ctx, "EXAMPLE.org.")
	want := dns.Answer[dns.MX]{
		Records: []dns.MX{{10, "mx1.example.org"}, {20, "mx2.example.org"}}, Secure: true, Name: "example.org", TTL: 5 * time.Minute,
	}
	check(t, "MX", mx, want, err)
	txt, err := w.LookupTXT(ctx, "example.org")
	check(t, "TXT", txt.Records, []string{"v=spf1 -all", "quote \" back \\ byte \xe9"}, err)
	tlsa, err := w.LookupTLSA(ctx, "_25._tcp.mx1.example.org")
	data, _ := hex.DecodeString(strings.Repeat("0123456789abcdef", 4))
	check(t, "TLSA", tlsa.Records, []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: data}}, err)
	null, err := w.LookupMX(ctx, "bücher.example")
	check(t, "null MX", null.Records, []dns.MX{{0, "."}}, err)
	cname, err := w.LookupCNAME(ctx, "alias.example.org")
	check(t, "CNAME", cname.Records, []string{"far.example.net"}, err)
	if !cname.Secure {
		t.Error("the alias itself is secure")
	}
	for addr, name := range map[string]string{"192.0.2.1": "mx1.example.org", "::ffff:192.0.2.1": "mx1.example.org", "2001:db8::1": "six.example.org"} {
		ptr, err := w.LookupPTR(ctx, netip.MustParseAddr(addr))
		check(t, "PTR of "+addr, ptr.Records, []string{name}, err)
	}
}

func check[T any](t *testing.T, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

func addrs(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func TestBothFamilies(t *testing.T) {
	w := dnstest.New(t, zone)
	ip, err := w.LookupIP(t.Context(), "mx1.example.org")
	check(t, "both", ip.Records, addrs("2001:db8::1", "192.0.2.1"), err)
	ip, err = w.LookupIP(t.Context(), "mx2.example.org")
	check(t, "IPv4 only", ip.Records, addrs("192.0.2.2"), err)
	w.Fail("mx1.example.org", "AAAA", dns.Temporary)
	ip, err = w.LookupIP(t.Context(), "mx1.example.org")
	check(t, "IPv6 unknown for now", ip.Records, addrs("192.0.2.1"), err)
	w.Fail("mx2.example.org", "AAAA", dns.Temporary)
	w.Fail("mx2.example.org", "A", dns.NoRecord)
	if _, err = w.LookupIP(t.Context(), "mx2.example.org"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("no IPv4 and IPv6 unknown for now: %v", err)
	}
}

func TestAliases(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Secure("example.org")
	ip, err := w.LookupIP(t.Context(), "alias.example.org")
	check(t, "alias", ip, dns.Answer[netip.Addr]{Records: addrs("192.0.2.2"), Name: "mx2.example.org", TTL: time.Minute}, err)
	w.Secure("example.net")
	if ip, _ = w.LookupIP(t.Context(), "alias.example.org"); !ip.Secure {
		t.Error("every alias on the way is secure")
	}
	if _, err := w.LookupIP(t.Context(), "lost.example.org"); dns.ReasonOf(err) != dns.NoName {
		t.Errorf("alias of nothing: %v", err)
	}
}

func TestAliasChainsAreBounded(t *testing.T) {
	w := dnstest.New(t, "end.test. A 192.0.2.1\nloop.test. CNAME loop.test.\na10.test. CNAME end.test.")
	for i := range 10 {
		w.Add(t, fmt.Sprintf("a%d.test. CNAME a%d.test.", 9-i, 10-i))
	}
	for name, works := range map[string]bool{"a1.test": true, "a0.test": false, "loop.test": false} {
		_, err := w.LookupIP(t.Context(), name)
		if works != (err == nil) || !works && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFailuresTellThemselvesApart(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Secure("example.org")
	w.Fail("broken.test", "MX", dns.Temporary)
	w.Fail("forged.test", "MX", dns.Bogus)
	for name, want := range map[string]struct {
		reason dns.Reason
		kind   fault.Kind
		secure bool
	}{
		"nothing.test":        {dns.NoName, fault.NotFound, false},
		"nothing.example.org": {dns.NoName, fault.NotFound, true},
		"mx1.example.org":     {dns.NoRecord, fault.NotFound, true},
		"test":                {dns.NoName, fault.NotFound, false},
		"in-addr.arpa":        {dns.NoRecord, fault.NotFound, false},
		"broken.test":         {dns.Temporary, fault.Unavailable, false},
		"forged.test":         {dns.Bogus, fault.Unavailable, false},
	} {
		a, err := w.LookupMX(t.Context(), name)
		if dns.ReasonOf(err) != want.reason || !fault.Is(err, want.kind) || dns.SecureOf(err) != want.secure || a.Records != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(fault.TextOf(err), name) {
			t.Errorf("%s: the text is %q", name, fault.TextOf(err))
		}
	}
}

// TestFailuresSayItOnce: the log doesn't repeat what clients may be told.
func TestFailuresSayItOnce(t *testing.T) {
	for want, f := range map[string]*dns.Failure{
		"DNS: a.test MX: no such name":                      {Name: "a.test", Type: "MX", Reason: dns.NoName},
		"DNS: a.test A: no answer for now: nobody is there": {Name: "a.test", Type: "A", Detail: errors.New("nobody is there")},
	} {
		if err := f.Fault(); err.Error() != want || !strings.HasPrefix(want, fault.TextOf(err)) {
			t.Errorf("%q, to clients %q, want %q", err, fault.TextOf(err), want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"Example.ORG.": "example.org", "_dmarc.example.org": "_dmarc.example.org", "bücher.example": "xn--bcher-kva.example",
		"BÜCHER。example": "xn--bcher-kva.example", "a": "a",
		strings.Repeat("a", 63) + ".b":                 strings.Repeat("a", 63) + ".b",
		strings.Repeat("a.", 126) + "a":                strings.Repeat("a.", 126) + "a",
		strings.Repeat("a", 64) + ".b":                 "",
		strings.Repeat("a.", 127) + "a":                "",
		strings.Repeat("ü", 100_000):                   "",
		strings.Repeat(strings.Repeat("ü", 60)+".", 5): "",
		"": "", ".": "", "a..b": "", ".a": "", "a b": "", "a\x00b": "", "a\\.b": "", "[192.0.2.1]": "", "a/b": "", "a.b..": "", "\xff.example": "",
	} {
		got, err := dns.ASCII(name)
		if got != want || (err == nil) != (want != "") || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%.40q: %q, %v", name, got, err)
		}
	}
	w := dnstest.New(t, zone)
	if _, err := w.LookupMX(t.Context(), "no name"); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	if _, err := w.LookupPTR(t.Context(), netip.Addr{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

func FuzzASCII(f *testing.F) {
	for _, s := range []string{"example.org", "bücher.example", "a..b", "。", "xn--", "\u200d.example", "_a._b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := dns.ASCII(s)
		if err != nil {
			return
		}
		again, err := dns.ASCII(name)
		if err != nil || again != name || len(name) > 253 || strings.ToLower(name) != name {
			t.Errorf("%q: %q, then %q, %v", s, name, again, err)
		}
	})
}

// newClient asks w over connections in memory.
func newClient(t *testing.T, w *dnstest.World, o dns.Options) *dns.Client {
	t.Helper()
	if o.Dial == nil {
		o.Dial = w.Dial
	}
	if o.Servers == nil {
		o.Servers = servers("127.0.0.1:53")
	}
	c, err := dns.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func servers(addrs ...string) (all []dns.Server) {
	for _, a := range addrs {
		all = append(all, dns.Server{Addr: netip.MustParseAddrPort(a)})
	}
	return all
}

func TestCacheHoldsAsLongAsTheRecords(t *testing.T) {
	w := dnstest.New(t, zone)
	now := time.Unix(1_700_000_000, 0)
	c := newClient(t, w, dns.Options{Now: func() time.Time { return now }})
	look := func(want int, ttl time.Duration) {
		t.Helper()
		a, err := c.LookupMX(t.Context(), "example.org")
		if err != nil || a.TTL != ttl || w.Asked("example.org", "MX") != want {
			t.Errorf("asked %d times, TTL %v, %v", w.Asked("example.org", "MX"), a.TTL, err)
		}
		clear(a.Records) // the caller's own: must not be seen by others
		if b, _ := c.LookupMX(t.Context(), "EXAMPLE.ORG."); b.Records[0].Host != "mx1.example.org" {
			t.Errorf("changed: %v", b)
		}
	}
	look(1, 5*time.Minute)
	now = now.Add(4 * time.Minute)
	look(1, time.Minute)
	now = now.Add(time.Minute)
	look(2, 5*time.Minute)
}

func TestCacheOfNothing(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Fail("broken.test", "", dns.Temporary)
	now := time.Unix(1_700_000_000, 0)
	c := newClient(t, w, dns.Options{Attempts: 1, Now: func() time.Time { return now }})
	for _, step := range []struct {
		after                    time.Duration
		gone, norecord, temporay int
	}{{0, 1, 1, 1}, {4 * time.Second, 1, 1, 1}, {time.Second, 1, 1, 2}, {54 * time.Second, 1, 1, 3}, {time.Second, 2, 2, 3}} {
		now = now.Add(step.after)
		for name, want := range map[string]int{"gone.test": step.gone, "mx1.example.org": step.norecord, "broken.test": step.temporay} {
			_, err := c.LookupTXT(t.Context(), name)
			if got := w.Asked(name, "TXT"); got != want || err == nil {
				t.Errorf("%v: %s was asked for %d times, want %d; %v", step.after, name, got, want, err)
			}
		}
	}
}

// TestCacheIsBounded: many names push one another out; what is used stays.
func TestCacheIsBounded(t *testing.T) {
	w := dnstest.New(t, zone)
	for i := range 200 {
		w.Add(t, fmt.Sprintf("n%d.test. A 192.0.2.7", i))
	}
	c := newClient(t, w, dns.Options{CacheBytes: 40_000})
	for i := range 200 {
		c.LookupIP(t.Context(), fmt.Sprintf("n%d.test", i))
		c.LookupIP(t.Context(), "mx1.example.org")
	}
	c.LookupIP(t.Context(), "n0.test")
	if w.Asked("n0.test", "A") != 2 || w.Asked("mx1.example.org", "A") != 1 {
		t.Errorf("asked %d and %d times", w.Asked("n0.test", "A"), w.Asked("mx1.example.org", "A"))
	}
}

func TestOneQuestionForAll(t *testing.T) {
	w := dnstest.New(t, zone)
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		c := newClient(t, w, dns.Options{CacheBytes: -1, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			select {
			case <-gate:
				return w.Dial(ctx, network, addr)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}})
		first, giveUp := context.WithCancel(t.Context())
		errs := make(chan error, 20)
		ask := func(ctx context.Context) {
			_, err := c.LookupMX(ctx, "example.org")
			errs <- err
		}
		go ask(first)
		synctest.Wait()
		for range 19 {
			go ask(t.Context())
		}
		synctest.Wait()
		giveUp() // somebody else has to ask now
		if err := <-errs; !fault.Is(err, fault.Canceled) {
			t.Errorf("the first: %v", err)
		}
		synctest.Wait()
		close(gate)
		for range 19 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := w.Asked("example.org", "MX"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

func TestSilentServersAreLeft(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Silence("void.test")
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		c := newClient(t, w, dns.Options{
			Servers: servers("192.0.2.53:53", "192.0.2.54:53"), Timeout: 3 * time.Second, Attempts: 2,
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				asked = append(asked, network+" "+addr)
				return w.Dial(ctx, network, addr)
			},
		})
		start := time.Now()
		_, err := c.LookupMX(t.Context(), "void.test")
		if !fault.Is(err, fault.Unavailable) || dns.ReasonOf(err) != dns.Temporary || time.Since(start) != 12*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		want := []string{"udp 192.0.2.53:53", "udp 192.0.2.54:53", "udp 192.0.2.53:53", "udp 192.0.2.54:53"}
		if d := cmp.Diff(want, asked); d != "" {
			t.Error(d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, err := c.LookupTXT(ctx, "void.test"); !fault.Is(err, fault.Canceled) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestTheNextServerIsAsked(t *testing.T) {
	w := dnstest.New(t, zone)
	broken := dnstest.New(t, "")
	broken.Fail("example.org", "", dns.Temporary)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch {
		case strings.HasPrefix(addr, "192.0.2.1:"):
			return nil, errors.New("no route")
		case strings.HasSuffix(addr, ".2:53"):
			return broken.Dial(ctx, network, addr)
		}
		return w.Dial(ctx, network, addr)
	}
	c := newClient(t, w, dns.Options{Servers: servers("192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"), Dial: dial})
	a, err := c.LookupMX(t.Context(), "example.org")
	if err != nil || len(a.Records) != 2 || a.Secure {
		t.Errorf("%v, %v", a, err)
	}
	// What a validating resolver refuses to tell isn't asked of one that doesn't validate.
	c = newClient(t, w, dns.Options{Servers: servers("127.0.0.2:53", "192.0.2.3:53"), Dial: dial})
	if _, err := c.LookupMX(t.Context(), "example.org"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	// Nor what it is kept from telling: whoever can slow it down would get rid of DNSSEC.
	dial2 := func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "127.0.0.1:") {
			return nil, errors.New("timed out")
		}
		return w.Dial(ctx, network, addr)
	}
	c = newClient(t, w, dns.Options{Servers: servers("127.0.0.1:53", "192.0.2.3:53"), Dial: dial2})
	if _, err := c.LookupMX(t.Context(), "example.org"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}

// TestOnlyTrustedServersVouch: the AD bit counts from loopback, and from elsewhere not at all.
func TestOnlyTrustedServersVouch(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Secure("org", "gone.test")
	for addr, want := range map[string]bool{"127.0.0.53:53": true, "[::1]:53": true, "192.0.2.1:53": false} {
		c := newClient(t, w, dns.Options{Servers: servers(addr)})
		a, err := c.LookupMX(t.Context(), "example.org")
		if err != nil || a.Secure != want {
			t.Errorf("%s: secure is %v; %v", addr, a.Secure, err)
		}
		if _, err := c.LookupMX(t.Context(), "gone.test"); dns.SecureOf(err) != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	bad := dns.Server{Addr: netip.MustParseAddrPort("192.0.2.1:53"), Validating: true}
	if _, err := dns.New(dns.Options{Servers: []dns.Server{bad}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("validating, over a way that anybody may change: %v", err)
	}
}

func TestLongAnswersComeByTCP(t *testing.T) {
	w := dnstest.New(t, zone)
	for i := range 100 {
		w.Add(t, fmt.Sprintf(`long.test. TXT "%d %s"`, i, strings.Repeat("x", 200)))
	}
	real := newClient(t, w, dns.Options{Servers: w.Serve(t), Dial: (&net.Dialer{}).DialContext})
	for name, c := range map[string]dns.Resolver{"memory": w, "loopback": real} {
		before := w.Asked("long.test", "TXT")
		a, err := c.LookupTXT(t.Context(), "long.test")
		if err != nil || len(a.Records) != 100 || w.Asked("long.test", "TXT") != before+2 {
			t.Errorf("%s: %d records, %v", name, len(a.Records), err)
		}
	}
}

func TestTooManyRecords(t *testing.T) {
	w := dnstest.New(t, "")
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "many.test. A 10.0.%d.%d\n", i/250, i%250)
	}
	w.Add(t, b.String())
	if a, err := w.LookupIP(t.Context(), "many.test"); err != nil || len(a.Records) != 1000 {
		t.Errorf("%d records, %v", len(a.Records), err)
	}
	w.Add(t, "many.test. A 10.9.9.9")
	if _, err := w.LookupIP(t.Context(), "many.test"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestRealServer(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Secure("example.org")
	c, err := dns.New(dns.Options{Servers: w.Serve(t)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.LookupMX(t.Context(), "example.org")
	if err != nil || len(a.Records) != 2 || !a.Secure {
		t.Errorf("%v, %v", a, err)
	}
	if _, err := c.LookupMX(t.Context(), "none.test"); dns.ReasonOf(err) != dns.NoName {
		t.Errorf("%v", err)
	}
}

func TestResolvConf(t *testing.T) {
	w := dnstest.New(t, zone)
	for content, want := range map[string]string{
		"nameserver 192.0.2.1\nnameserver 2001:db8::53\nsearch example.org\noptions timeout:1 attempts:3\n": "192.0.2.1:53",
		"nameserver ::1\n": "[::1]:53", "": "", "nameserver nonsense\n": "",
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var asked string
		c, err := dns.New(dns.Options{ResolvConf: path, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			asked = addr
			return w.Dial(ctx, network, addr)
		}})
		if (err == nil) != (want != "") || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", content, err)
		}
		if err == nil {
			if _, err := c.LookupMX(t.Context(), "example.org"); err != nil || asked != want {
				t.Errorf("%q: %s was asked; %v", content, asked, err)
			}
		}
	}
	if _, err := dns.New(dns.Options{ResolvConf: "/nonexistent"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}
