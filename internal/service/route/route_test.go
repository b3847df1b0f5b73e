package route_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/route"
	"postroad/internal/service/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// inOrder leaves hosts as they are.
func inOrder(int, func(i, j int)) {}

func router(t testing.TB, o route.Options) *route.Router {
	t.Helper()
	if o.Shuffle == nil {
		o.Shuffle = inOrder
	}
	o.Now = func() time.Time { return now }
	r, err := route.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// show writes a plan, or why there is none, in one line per hop.
func show(p route.Plan, err error) string {
	var no *route.NoRoute
	if errors.As(err, &no) {
		return strings.TrimSpace(fmt.Sprintf("%s %s", [...]string{"deferred", "", "", "failed"}[no.Outcome.Result], no.Outcome.Status))
	}
	if err != nil {
		return "error: " + fault.KindOf(err).String()
	}
	var lines []string
	for _, h := range p.Hops {
		line := fmt.Sprintf("%s %s", h.Host, h.Addr)
		if h.Socket != "" {
			line = h.Host + " unix:" + h.Socket
		}
		if h.Source.IsValid() {
			line += " from " + h.Source.String()
		}
		if h.Protocol == route.LMTP {
			line += " lmtp"
		}
		switch h.TLS.Mode {
		case route.None:
			line += " clear"
		case route.Required:
			line += " encrypted"
		case route.Verified:
			line += " verified " + strings.Join(h.TLS.Names, ",")
		case route.DANE:
			line += fmt.Sprintf(" dane(%d) %s", len(h.TLS.TLSA), strings.Join(h.TLS.Names, ","))
		}
		if h.TLS.Implicit {
			line += " implicit"
		}
		if h.Credentials != "" {
			line += " as " + h.Credentials
		}
		lines = append(lines, line)
	}
	for _, s := range p.Skipped {
		lines = append(lines, "not "+s.Host+": "+s.Why)
	}
	return strings.Join(lines, "\n")
}

func wants(t *testing.T, what string, r *route.Router, domain, sender, want string) {
	t.Helper()
	got := show(r.Route(t.Context(), domain, sender))
	if d := cmp.Diff(strings.TrimSpace(strings.ReplaceAll(want, "\n\t\t", "\n")), got); d != "" {
		t.Errorf("%s: %s", what, d)
	}
}

const zone = `
	two.test.          MX 20 b.two.test.
	two.test.          MX 10 a.two.test.
	a.two.test.        A 192.0.2.1
	b.two.test.        A 192.0.2.2
	implicit.test.     A 192.0.2.3
	implicit.test.     AAAA 2001:db8::3
	null.test.         MX 0 .
	nullplus.test.     MX 0 .
	nullplus.test.     MX 10 a.two.test.
	bare.test.         TXT "no mail here"
	mixed.test.        MX 10 mixed.test.
	mixed.test.        A 192.0.2.4
	mixed.test.        A 192.0.2.5
	mixed.test.        AAAA 2001:db8::4
	mixed.test.        AAAA 2001:db8::5
	mixed.test.        AAAA 2001:db8::6
	halfgone.test.     MX 10 gone.two.test.
	halfgone.test.     MX 20 a.two.test.
	allgone.test.      MX 10 gone.two.test.
	address.test.      MX 10 192.0.2.1.
	alias.test.        CNAME two.test.
	xn--bcher-kva.test. MX 10 a.two.test.
	hostalias.test.    MX 10 www.two.test.
	www.two.test.      CNAME a.two.test.
	local.test.        MX 10 local.test.
	local.test.        A 127.0.0.1
	zero.test.         MX 10 zero.test.
	zero.test.         A 0.0.0.0
	mapped.test.       MX 10 mapped.test.
	mapped.test.       AAAA ::ffff:127.0.0.1
	odd.test.          MX 10 a\000b.two.test.
`

func TestRoute(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Fail("broken.test", "MX", dns.Temporary)
	w.Fail("forged.test", "MX", dns.Bogus)
	w.Fail("gone.broken.test", "", dns.Temporary)
	w.Add(t, "halfbroken.test. MX 10 gone.broken.test.\nhalfbroken.test. MX 20 a.two.test.\nallbroken.test. MX 10 gone.broken.test.\nallbroken.test. MX 20 gone.two.test.")
	r := router(t, route.Options{DNS: w})
	const a = "a.two.test 192.0.2.1:25"
	for domain, want := range map[string]string{
		"two.test":             a + "\nb.two.test 192.0.2.2:25",
		"TWO.test.":            a + "\nb.two.test 192.0.2.2:25",
		"alias.test":           a + "\nb.two.test 192.0.2.2:25",
		"bücher.test":          a,
		"implicit.test":        "implicit.test [2001:db8::3]:25\nimplicit.test 192.0.2.3:25",
		"null.test":            "failed 5.1.10",
		"nullplus.test":        a + "\nnot .: not a host name",
		"nothing.test":         "failed 5.1.2",
		"bare.test":            "failed 5.4.4",
		"no domain":            "failed 5.1.2",
		"":                     "failed 5.1.2",
		"mixed.test":           "mixed.test [2001:db8::4]:25\nmixed.test 192.0.2.4:25\nmixed.test [2001:db8::5]:25\nmixed.test 192.0.2.5:25",
		"halfgone.test":        a + "\nnot gone.two.test: DNS: no such name",
		"allgone.test":         "failed 5.4.4",
		"address.test":         "failed 5.4.4",
		"hostalias.test":       "www.two.test 192.0.2.1:25",
		"broken.test":          "deferred 4.4.3",
		"forged.test":          "deferred 4.4.3",
		"halfbroken.test":      a + "\nnot gone.broken.test: DNS: no answer for now",
		"allbroken.test":       "deferred 4.4.3",
		"local.test":           "failed 5.4.6",
		"mapped.test":          "failed 5.4.6",
		"zero.test":            "failed 5.4.4",
		"odd.test":             "failed 5.4.4",
		"[192.0.2.9]":          "[192.0.2.9] 192.0.2.9:25",
		"[IPv6:2001:db8::9]":   "[IPv6:2001:db8::9] [2001:db8::9]:25",
		"[127.0.0.1]":          "failed 5.4.6",
		"[0.0.0.0]":            "failed 5.4.4",
		"[2001:db8::9]":        "failed 5.1.2",
		"[IPv6:192.0.2.9]":     "failed 5.1.2",
		"[x400:c=de]":          "failed 5.1.2",
		"[192.0.2.9":           "failed 5.1.2",
		"[IPv6:fe80::1%eth0]":  "failed 5.1.2",
		"[IPv6:::ffff:7f00:1]": "failed 5.4.6",
	} {
		wants(t, domain, r, domain, "ann@here.test", want)
	}
}

// TestOutcomes: what is wrong is told in full, and fit for logs and notifications.
func TestOutcomes(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Fail("broken.test", "MX", dns.Temporary)
	r := router(t, route.Options{DNS: w})
	want := map[string]transfer.Outcome{
		"null.test":    {Result: transfer.Failed, Code: 556, Status: "5.1.10", Text: "null.test accepts no mail"},
		"nothing.test": {Result: transfer.Failed, Status: "5.1.2", Text: "the domain nothing.test doesn't exist"},
		"broken.test":  {Result: transfer.Deferred, Status: "4.4.3", Text: "the MX records of broken.test can't be had: DNS: no answer for now"},
		"allgone.test": {Result: transfer.Failed, Status: "5.4.4", Text: "no host for allgone.test: gone.two.test: DNS: no such name"},
		"a\r\nb\x7f":   {Result: transfer.Failed, Status: "5.1.2", Text: "a??b? can't be a domain"},
		"odd.test":     {Result: transfer.Failed, Status: "5.4.4", Text: `no host for odd.test: a\000b.two.test: not a host name`},
	}
	for domain, want := range want {
		want.HostWide, want.At = true, now
		_, err := r.Route(t.Context(), domain, "")
		if d := cmp.Diff(want, route.OutcomeOf(err), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
			t.Errorf("%q: %s", domain, d)
		}
		if fault.KindOf(err).Retry() != (want.Result == transfer.Deferred) {
			t.Errorf("%q: %v", domain, fault.KindOf(err))
		}
	}
	_, err := r.Route(t.Context(), strings.Repeat("ü\n", 100_000), "")
	if o := route.OutcomeOf(err); len(o.Text) > 400 {
		t.Errorf("%d bytes of text", len(o.Text))
	}
	if o := route.OutcomeOf(errors.New("secret")); o.Result != transfer.Deferred || o.Status != "4.3.0" || strings.Contains(o.Text, "secret") {
		t.Errorf("%+v", o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Route(ctx, "two.test", ""); !fault.Is(err, fault.Canceled) || route.OutcomeOf(err).Result != transfer.Deferred {
		t.Errorf("%v", err)
	}
}

// TestEqualPreferences: RFC 5321 §5.1: hosts of equal preference in random order, the others by preference.
func TestEqualPreferences(t *testing.T) {
	w := dnstest.New(t, "a.test. A 192.0.2.1\nb.test. A 192.0.2.2\nc.test. A 192.0.2.3\nd.test. A 192.0.2.4")
	w.Add(t, "equal.test. MX 10 a.test.\nequal.test. MX 20 b.test.\nequal.test. MX 20 c.test.\nequal.test. MX 30 d.test.")
	reverse := func(n int, swap func(i, j int)) {
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	r := router(t, route.Options{DNS: w, Shuffle: reverse})
	wants(t, "reversed", r, "equal.test", "", "a.test 192.0.2.1:25\nc.test 192.0.2.3:25\nb.test 192.0.2.2:25\nd.test 192.0.2.4:25")
	chance, err := route.New(route.Options{DNS: w})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 200 { // either order stays away with a chance of 2 to the -200th
		p, err := chance.Route(t.Context(), "equal.test", "")
		if err != nil || p.Hops[0].Host != "a.test" || p.Hops[3].Host != "d.test" {
			t.Fatal(show(p, err))
		}
		seen[p.Hops[1].Host] = true
	}
	if len(seen) != 2 {
		t.Errorf("%v", seen)
	}
}

// TestLoops: who is as good as we are, or worse, would give it back (RFC 5321 §5.1).
func TestLoops(t *testing.T) {
	w := dnstest.New(t, `
		best.test.   A 192.0.2.1
		peer.test.   A 192.0.2.2
		us.test.     A 192.0.2.99
		other.test.  A 192.0.2.98
		worst.test.  A 192.0.2.3
	`)
	for domain, hosts := range map[string]string{
		"backup.test": "10 best 20 peer 20 us 30 worst", "first.test": "10 us 20 best", "equal.test": "10 best 10 us",
		"address.test": "10 best 20 peer 20 other 30 worst", "only.test": "10 other",
	} {
		f := strings.Fields(hosts)
		for i := 0; i < len(f); i += 2 {
			w.Add(t, fmt.Sprintf("%s. MX %s %s.test.", domain, f[i], f[i+1]))
		}
	}
	own := func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.98") }
	r := router(t, route.Options{DNS: w, Hostnames: []string{"US.test."}, Own: own})
	for domain, want := range map[string]string{
		"backup.test":  "best.test 192.0.2.1:25",
		"first.test":   "failed 5.4.6",
		"equal.test":   "failed 5.4.6",
		"address.test": "best.test 192.0.2.1:25",
		"only.test":    "failed 5.4.6",
		"us.test":      "failed 5.4.6",
		"other.test":   "failed 5.4.6",
		"[192.0.2.98]": "failed 5.4.6",
	} {
		wants(t, domain, r, domain, "", want)
	}
}

func TestFamilies(t *testing.T) {
	w := dnstest.New(t, zone)
	wants(t, "IPv4", router(t, route.Options{DNS: w, Families: route.IPv4Only}), "implicit.test", "", "implicit.test 192.0.2.3:25")
	wants(t, "IPv6", router(t, route.Options{DNS: w, Families: route.IPv6Only}), "implicit.test", "", "implicit.test [2001:db8::3]:25")
	wants(t, "IPv6 of none", router(t, route.Options{DNS: w, Families: route.IPv6Only}), "two.test", "", "failed 5.4.4")
	wants(t, "loopback", router(t, route.Options{DNS: w, Loopback: true, Port: 2525}), "local.test", "", "local.test 127.0.0.1:2525")
}

// TestLimits: a domain with very many hosts and addresses costs as much as one with many.
func TestLimits(t *testing.T) {
	w := dnstest.New(t, "")
	var zone strings.Builder
	for i := range 300 {
		fmt.Fprintf(&zone, "many.test. MX %d h%d.test.\n", i, i)
		for j := range 40 {
			fmt.Fprintf(&zone, "h%d.test. A 10.%d.%d.%d\nh%d.test. AAAA 2001:db8::%d:%d\n", i, i/200, i%200, j, i, i, j)
		}
	}
	w.Add(t, zone.String())
	before := w.AskedAll()
	p, err := router(t, route.Options{DNS: w}).Route(t.Context(), "many.test", "")
	if err != nil || len(p.Hops) != route.MaxHops {
		t.Errorf("%d hops, %v", len(p.Hops), err)
	}
	if n := w.AskedAll() - before; n > 40 {
		t.Errorf("%d questions", n)
	}
	if p.Hops[3].Host != "h0.test" || p.Hops[4].Host != "h1.test" {
		t.Errorf("%s", show(p, err))
	}
}

func TestRules(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Add(t, "smart.test. A 192.0.2.50\nsmart.test. AAAA 2001:db8::50\nbare.example. A 192.0.2.51")
	r := router(t, route.Options{DNS: w, Rules: []route.Rule{
		{Recipient: "Exact.test.", Host: "10.0.0.1"},
		{Recipient: ".below.test", Host: "[IPv6:fd00::1]", Protocol: route.LMTP, TLS: route.None},
		{Recipient: "open.test", Sender: "<>"},
		{Sender: "<>", Host: "10.0.0.9"},
		{Sender: "shop.test", Host: "smart.test", Port: 587, TLS: route.Verified, Credentials: "shop"},
		{Sender: "secure.test", Host: "smart.test", TLS: route.Verified, ImplicitTLS: true},
		{Sender: "mx.test", Host: "two.test", MX: true, Port: 26, Credentials: "mx"},
		{Sender: "lost.test", Host: "gone.test"},
		{Sender: "dane.test", Host: "smart.test", TLS: route.DANE},
		{Recipient: "two.test"},
		{Recipient: "test", Host: "10.0.0.2"},
		{Host: "bare.example", TLS: route.Required},
	}})
	for _, c := range []struct{ domain, sender, want string }{
		{"exact.test", "a@any.test", "[10.0.0.1] 10.0.0.1:25"},
		{"a.below.test", "a@any.test", "[IPv6:fd00::1] [fd00::1]:24 lmtp clear"},
		{"below.test", "a@any.test", "bare.example 192.0.2.51:25 encrypted"},
		{"two.test", "", "[10.0.0.9] 10.0.0.9:25"},
		{"two.test", "a@shop.test", "smart.test [2001:db8::50]:587 verified smart.test as shop\nsmart.test 192.0.2.50:587 verified smart.test as shop"},
		{"two.test", "Shop.TEST", "smart.test [2001:db8::50]:587 verified smart.test as shop\nsmart.test 192.0.2.50:587 verified smart.test as shop"},
		{"two.test", "a@sub.shop.test", "a.two.test 192.0.2.1:25\nb.two.test 192.0.2.2:25"},
		{"x.test", "a@secure.test", "smart.test [2001:db8::50]:465 verified smart.test implicit\nsmart.test 192.0.2.50:465 verified smart.test implicit"},
		{"nothing.test", "a@mx.test", "a.two.test 192.0.2.1:26 as mx\nb.two.test 192.0.2.2:26 as mx"},
		{"x.test", "a@lost.test", "failed 5.4.4"},
		{"x.test", "a@dane.test", "deferred 4.7.5"},
		{"two.test", "a@any.test", "a.two.test 192.0.2.1:25\nb.two.test 192.0.2.2:25"},
		{"[192.0.2.9]", "a@any.test", "bare.example 192.0.2.51:25 encrypted"},
		{"not.anywhere.test", "a@any.test", "bare.example 192.0.2.51:25 encrypted"},
	} {
		wants(t, c.sender+" to "+c.domain, r, c.domain, c.sender, c.want)
	}
	w.Fail("smart.test", "", dns.Temporary)
	wants(t, "the smart host isn't found for now", r, "x.test", "a@shop.test", "deferred 4.4.3")
}

func TestRulesThatCannotBe(t *testing.T) {
	for what, rule := range map[string]route.Rule{
		"recipient":               {Recipient: "no domain", Host: "a.test"},
		"sender":                  {Sender: "a@b", Host: "a.test"},
		"host":                    {Host: "a b"},
		"MX of an address":        {Host: "192.0.2.1", MX: true},
		"optional TLS from start": {Host: "a.test", ImplicitTLS: true},
		"port without host":       {Recipient: "a.test", Port: 26},
		"TLS without host":        {Recipient: "a.test", TLS: route.Verified},
		"LMTP on port 25":         {Host: "a.test", Port: 25, Protocol: route.LMTP},
	} {
		if _, err := route.New(route.Options{Rules: []route.Rule{rule}}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := route.New(route.Options{Hostnames: []string{"-.-/"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("hostname: %v", err)
	}
}

const (
	digest   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	daneZone = `
	safe.test.              MX 10 mx.safe.test.
	safe.test.              MX 20 plain.safe.test.
	mx.safe.test.           A 192.0.2.1
	plain.safe.test.        A 192.0.2.2
	_25._tcp.mx.safe.test.  TLSA 3 1 1 ` + digest + `
	_25._tcp.mx.safe.test.  TLSA 2 0 1 ` + digest + `
	loose.test.             MX 10 mx.safe.test.
	away.test.              MX 10 mx.loose.test.
	mx.loose.test.          A 192.0.2.3
	_25._tcp.mx.loose.test. TLSA 3 1 1 ` + digest + `
	direct.test.            A 192.0.2.4
	_25._tcp.direct.test.   TLSA 3 1 1 ` + digest + `
	pkix.test.              MX 10 mx.pkix.test.
	mx.pkix.test.           A 192.0.2.5
	_25._tcp.mx.pkix.test.  TLSA 1 1 1 ` + digest + `
	alias1.test.            MX 10 alias.alias1.test.
	alias.alias1.test.      CNAME mx.safe.test.
	_25._tcp.alias.alias1.test. TLSA 3 1 1 ` + digest + `
	alias2.test.            MX 10 alias.alias2.test.
	alias.alias2.test.      CNAME plain.safe.test.
	_25._tcp.alias.alias2.test. TLSA 3 1 1 ` + digest + `
	alias3.test.            MX 10 alias.alias3.test.
	alias.alias3.test.      CNAME mx.loose.test.
	_25._tcp.alias.alias3.test. TLSA 3 1 1 ` + digest + `
	other.test.             CNAME safe.test.
`
)

// TestDANE: RFC 7672 §2.2.
func TestDANE(t *testing.T) {
	w := dnstest.New(t, daneZone)
	w.Secure("safe.test", "away.test", "direct.test", "pkix.test", "alias1.test", "alias2.test", "alias3.test", "other.test")
	r := router(t, route.Options{DNS: w, Rules: []route.Rule{
		{Sender: "smart.test", Host: "mx.safe.test"},
		{Sender: "must.test", Host: "mx.safe.test", TLS: route.DANE},
		{Sender: "loose.test", Host: "mx.safe.test", TLS: route.Required},
	}})
	for _, c := range []struct{ what, domain, sender, want string }{
		{"records and none", "safe.test", "", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test,safe.test\nplain.safe.test 192.0.2.2:25"},
		{"the domain is an alias", "other.test", "", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test,other.test,safe.test\nplain.safe.test 192.0.2.2:25"},
		{"the MX records aren't signed", "loose.test", "", "mx.safe.test 192.0.2.1:25"},
		{"the host isn't signed", "away.test", "", "mx.loose.test 192.0.2.3:25"},
		{"no MX", "direct.test", "", "direct.test 192.0.2.4:25 dane(1) direct.test"},
		{"none is usable", "pkix.test", "", "mx.pkix.test 192.0.2.5:25 encrypted"},
		{"an alias: what it leads to has records", "alias1.test", "", "alias.alias1.test 192.0.2.1:25 dane(2) mx.safe.test,alias.alias1.test,alias1.test"},
		{"an alias: itself has records", "alias2.test", "", "alias.alias2.test 192.0.2.2:25 dane(1) alias.alias2.test,alias2.test"},
		{"an alias leads out of what is signed", "alias3.test", "", "alias.alias3.test 192.0.2.3:25 dane(1) alias.alias3.test,alias3.test"},
		{"a smart host", "any.test", "smart.test", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test"},
		{"a smart host that must", "any.test", "must.test", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test"},
		{"a smart host with other wishes", "any.test", "loose.test", "mx.safe.test 192.0.2.1:25 encrypted"},
	} {
		wants(t, c.what, r, c.domain, c.sender, c.want)
	}
	if w.Asked("_25._tcp.mx.loose.test", "TLSA") != 0 {
		t.Error("TLSA records were asked for where nothing is signed (RFC 7672 §2.2.2)")
	}
	p, err := r.Route(t.Context(), "safe.test", "")
	if err != nil || !p.MXSecure || !p.Hops[0].Secure || p.Hops[0].TLS.Label != "DANE" {
		t.Errorf("%+v, %v", p, err)
	}
	// Without its records a host that may have some isn't tried (RFC 7672 §2.1).
	w.Fail("_25._tcp.mx.safe.test", "TLSA", dns.Temporary)
	wants(t, "TLSA unknown for now", r, "safe.test", "", "plain.safe.test 192.0.2.2:25\nnot mx.safe.test: its TLSA records can't be had: DNS: no answer for now")
	w.Fail("_25._tcp.direct.test", "TLSA", dns.Bogus)
	wants(t, "TLSA forged", r, "direct.test", "", "deferred 4.4.3")
	w.Fail("alias.alias3.test", "CNAME", dns.Temporary)
	wants(t, "alias unknown for now", r, "alias3.test", "", "deferred 4.4.3")
}

// policies are MTA-STS policies by domain.
type policies struct {
	found map[string]mtasts.Found
	err   error
	asked []string
}

func (p *policies) Find(_ context.Context, domain string) (mtasts.Found, error) {
	p.asked = append(p.asked, domain)
	return p.found[domain], p.err
}

// TestSTS: RFC 8461 §5.
func TestSTS(t *testing.T) {
	w := dnstest.New(t, zone+daneZone)
	policy := func(m mtasts.Mode, hosts ...string) mtasts.Found {
		return mtasts.Found{ID: "1", Policy: mtasts.Policy{Mode: m, MX: hosts, MaxAge: time.Hour}}
	}
	sts := &policies{found: map[string]mtasts.Found{
		"two.test": policy(mtasts.Enforce, "a.two.test"), "halfgone.test": policy(mtasts.Testing, "elsewhere.test"),
		"implicit.test": policy(mtasts.Enforce, "implicit.test"), "hostalias.test": policy(mtasts.Enforce, "*.elsewhere.test"),
		"safe.test": policy(mtasts.Enforce, "elsewhere.test"), "loose.test": policy(mtasts.Enforce, "*.safe.test"),
		"pkix.test": policy(mtasts.Enforce, "mx.pkix.test"),
	}}
	w.Secure("safe.test", "pkix.test")
	r := router(t, route.Options{DNS: w, STS: sts, Rules: []route.Rule{
		{Sender: "smart.test", Host: "b.two.test"}, {Sender: "next.test", Host: "two.test", MX: true, Port: 25}, {Sender: "named.test", Host: "implicit.test", Port: 587},
		{Sender: "clear.test", Host: "implicit.test", TLS: route.None},
	}})
	for _, c := range []struct{ what, domain, sender, want string }{
		{"one host is named", "two.test", "", "a.two.test 192.0.2.1:25 verified a.two.test\nnot b.two.test: not a host that the MTA-STS policy names"},
		{"testing", "halfgone.test", "", "a.two.test 192.0.2.1:25\nnot gone.two.test: DNS: no such name"},
		{"no MX", "implicit.test", "", "implicit.test [2001:db8::3]:25 verified implicit.test\nimplicit.test 192.0.2.3:25 verified implicit.test"},
		{"no host is named", "hostalias.test", "", "deferred 4.7.5"},
		{"DANE goes first", "safe.test", "", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test,safe.test\nnot plain.safe.test: not a host that the MTA-STS policy names"},
		{"DANE without signed MX records doesn't", "loose.test", "", "mx.safe.test 192.0.2.1:25 verified mx.safe.test"},
		{"DANE with no usable records leaves it to the policy", "pkix.test", "", "mx.pkix.test 192.0.2.5:25 verified mx.pkix.test"},
		{"a rule", "two.test", "a@smart.test", "b.two.test 192.0.2.2:25"},
		{"the policy of the domain that a rule names", "mixed.test", "a@next.test", "a.two.test 192.0.2.1:25 verified a.two.test\nnot b.two.test: not a host that the MTA-STS policy names"},
		{"the smart host's own", "two.test", "a@named.test", "implicit.test [2001:db8::3]:587 verified implicit.test\nimplicit.test 192.0.2.3:587 verified implicit.test"},
		{"a rule without TLS", "two.test", "a@clear.test", "implicit.test [2001:db8::3]:25 clear\nimplicit.test 192.0.2.3:25 clear"},
		{"none", "mixed.test", "", "mixed.test [2001:db8::4]:25\nmixed.test 192.0.2.4:25\nmixed.test [2001:db8::5]:25\nmixed.test 192.0.2.5:25"},
	} {
		wants(t, c.what, r, c.domain, c.sender, c.want)
	}
	if p, _ := r.Route(t.Context(), "two.test", ""); p.Hops[0].TLS.Label != "MTA-STS" || p.STS.ID != "1" {
		t.Errorf("%+v", p)
	}
	sts.asked = nil
	wants(t, "the domain as it is written", r, "TWO.test.", "", "a.two.test 192.0.2.1:25 verified a.two.test\nnot b.two.test: not a host that the MTA-STS policy names")
	if !slices.Equal(sts.asked, []string{"two.test"}) {
		t.Errorf("asked for %v", sts.asked)
	}
	sts.err = fault.New(fault.Unavailable, "disk")
	wants(t, "unknown whether there is a policy", r, "two.test", "", "deferred 4.3.0")
}

// TestRequireTLS: RFC 8689 §4.2.1.
func TestRequireTLS(t *testing.T) {
	w := dnstest.New(t, zone+daneZone)
	w.Secure("safe.test")
	sts := &policies{found: map[string]mtasts.Found{
		"two.test":       {Policy: mtasts.Policy{Mode: mtasts.Testing, MX: []string{"b.two.test"}}},
		"hostalias.test": {Policy: mtasts.Policy{Mode: mtasts.None, MX: []string{"www.two.test"}}},
	}}
	r := router(t, route.Options{DNS: w, STS: sts, Rules: []route.Rule{
		{Sender: "smart.test", Host: "b.two.test", TLS: route.Required}, {Sender: "clear.test", Host: "10.0.0.1", TLS: route.None},
	}})
	for _, c := range []struct{ what, domain, sender, want string }{
		{"signed", "safe.test", "", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test,safe.test\nplain.safe.test 192.0.2.2:25 verified plain.safe.test"},
		{"named by a policy", "two.test", "", "b.two.test 192.0.2.2:25 verified b.two.test"},
		{"a policy that says nothing", "hostalias.test", "", "failed 5.7.10"},
		{"nobody vouches", "mixed.test", "", "failed 5.7.10"},
		{"an address", "[192.0.2.9]", "", "failed 5.7.10"},
		{"a rule", "mixed.test", "smart.test", "b.two.test 192.0.2.2:25 verified b.two.test"},
		{"a rule without TLS", "mixed.test", "clear.test", "failed 5.7.10"},
	} {
		p, err := r.Route(t.Context(), c.domain, c.sender)
		if err != nil {
			t.Fatal(err)
		}
		before := show(p, nil)
		if d := cmp.Diff(c.want, show(p.RequireTLS())); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
		if show(p, nil) != before {
			t.Errorf("%s: the plan itself was changed", c.what)
		}
	}
}

func FuzzRoute(f *testing.F) {
	for _, s := range []string{"two.test", "[192.0.2.1]", "[IPv6:::1]", "null.test", "ü.test", "[IPv6:]", "["} {
		f.Add(s, "a@b.test")
	}
	w := dnstest.New(f, zone)
	r := router(f, route.Options{DNS: w, Rules: []route.Rule{{Sender: ".test", Recipient: ".below.test", Host: "10.0.0.1"}}})
	f.Fuzz(func(t *testing.T, domain, sender string) {
		p, err := r.Route(t.Context(), domain, sender)
		if (err == nil) != (len(p.Hops) > 0) {
			t.Errorf("%d hops, %v", len(p.Hops), err)
		}
		if err == nil {
			return
		}
		o := route.OutcomeOf(err)
		if o.Status == "" || len(o.Text) > transfer.MaxText || strings.ContainsFunc(o.Text, func(r rune) bool { return r < ' ' || r == 0x7F }) {
			t.Errorf("%+v", o)
		}
	})
}
