package spf

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	oracle "blitiri.com.ar/go/spf"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
)

func txt(record string) []map[string]any { return []map[string]any{{"TXT": record}} }

func ask(z Resolver, ip, from string) Result {
	return Check(context.Background(), z, Request{IP: netip.MustParseAddr(ip), Helo: "mx.example.com", MailFrom: from})
}

func TestResultTellsWhatMatched(t *testing.T) {
	z := zone{"example.com": txt("v=spf1 ip4:192.0.2.0/24 include:other.example ~all"), "other.example": txt("v=spf1 ip4:198.51.100.1 -all")}
	for ip, want := range map[string]Result{
		"192.0.2.7":        {Status: authres.Pass, Domain: "example.com", Term: "ip4:192.0.2.0/24"},
		"::ffff:192.0.2.7": {Status: authres.Pass, Domain: "example.com", Term: "ip4:192.0.2.0/24"},
		"198.51.100.1":     {Status: authres.Pass, Domain: "example.com", Term: "include:other.example"},
		"198.51.100.2":     {Status: authres.SoftFail, Domain: "example.com", Term: "~all"},
	} {
		if r := ask(z, ip, "ann@Example.COM."); r != want {
			t.Errorf("%s: %+v", ip, r)
		}
	}
}

// TestIdentities: the null path is the HELO name's, and an at sign in a local part misleads nobody.
func TestIdentities(t *testing.T) {
	z := zone{"mx.example.com": txt("v=spf1 +all"), "example.com": txt("v=spf1 -all"), `evil"@example.com`: txt("v=spf1 +all")}
	for from, want := range map[string]authres.Result{"": authres.Pass, "ann@example.com": authres.Fail, `"a@mx.example.com"@example.com`: authres.Fail, "@example.com": authres.Fail, "ann@[192.0.2.1]": authres.None, "ann@localhost": authres.None} {
		if r := ask(z, "192.0.2.1", from); r.Status != want {
			t.Errorf("%q: %+v", from, r)
		}
	}
	q := Request{IP: netip.MustParseAddr("192.0.2.1"), Helo: "mx.example.com", MailFrom: "ann@example.com"}
	if r := CheckHelo(context.Background(), z, q); r.Status != authres.Pass || r.Domain != "mx.example.com" {
		t.Errorf("HELO: %+v", r)
	}
	q.Helo = "[192.0.2.1]"
	if r := CheckHelo(context.Background(), z, q); r.Status != authres.None {
		t.Errorf("HELO with an address: %+v", r)
	}
	if r := Check(context.Background(), z, Request{MailFrom: "a@b.example"}); r.Status != authres.None {
		t.Errorf("no address: %+v", r)
	}
}

// counter counts what it is asked.
type counter struct {
	zone
	asked int
}

func (c *counter) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.asked++
	return c.zone.LookupTXT(ctx, name)
}

// TestTermLimit: RFC 7208 §4.6.4. Nothing is asked for after the tenth.
func TestTermLimit(t *testing.T) {
	for n, want := range map[int]authres.Result{9: authres.Fail, 10: authres.Fail, 11: authres.PermError, 100: authres.PermError} {
		z := zone{}
		for i := range n {
			z[fmt.Sprintf("d%d.example", i)] = txt(fmt.Sprintf("v=spf1 include:d%d.example -all", i+1))
		}
		z[fmt.Sprintf("d%d.example", n)] = txt("v=spf1 -all")
		c := &counter{zone: z}
		if r := ask(c, "192.0.2.1", "a@d0.example"); r.Status != want || c.asked > MaxTerms+1 {
			t.Errorf("%d includes: %+v, asked %d times", n, r, c.asked)
		}
	}
	loop := zone{"l.example": txt("v=spf1 redirect=l.example")}
	if r := ask(loop, "192.0.2.1", "a@l.example"); r.Status != authres.PermError || r.Reason != "more than 10 terms ask the DNS" {
		t.Errorf("a loop: %+v", r)
	}
}

func TestVoidLimit(t *testing.T) {
	for n, want := range map[int]authres.Result{1: authres.Fail, 2: authres.Fail, 3: authres.PermError, 9: authres.PermError} {
		z := zone{"v.example": txt("v=spf1" + strings.Repeat(" a:none.example", n) + " -all")}
		if r := ask(z, "192.0.2.1", "a@v.example"); r.Status != want {
			t.Errorf("%d: %+v", n, r)
		}
	}
}

func TestHostLimits(t *testing.T) {
	for n, want := range map[int]authres.Result{10: authres.Pass, 11: authres.PermError, 1000: authres.PermError} {
		z := zone{"m.example": txt("v=spf1 mx -all")}
		for i := range n {
			z["m.example"] = append(z["m.example"], map[string]any{"MX": []any{0, fmt.Sprintf("h%d.example", i)}})
		}
		z["h9.example"] = []map[string]any{{"A": "192.0.2.1"}}
		if r := ask(z, "192.0.2.1", "a@m.example"); r.Status != want {
			t.Errorf("%d MX records: %+v", n, r)
		}
	}
	for n, want := range map[int]authres.Result{9: authres.Pass, 10: authres.Fail} { // the true name is the n-th
		z := zone{"p.example": txt("v=spf1 ptr -all"), "x.p.example": {{"A": "192.0.2.1"}}}
		for range n {
			z["1.2.0.192.in-addr.arpa"] = append(z["1.2.0.192.in-addr.arpa"], map[string]any{"PTR": "y.p.example"})
		}
		z["1.2.0.192.in-addr.arpa"] = append(z["1.2.0.192.in-addr.arpa"], map[string]any{"PTR": "x.p.example."})
		if r := ask(z, "192.0.2.1", "a@p.example"); r.Status != want {
			t.Errorf("after %d names: %+v", n, r)
		}
	}
}

func TestRecordLimit(t *testing.T) {
	for n, want := range map[int]authres.Result{MaxRecord: authres.Pass, MaxRecord + 1: authres.PermError, 60000: authres.PermError} {
		z := zone{"r.example": txt("v=spf1" + strings.Repeat(" ", n-10) + "+all")}
		if r := ask(z, "192.0.2.1", "a@r.example"); r.Status != want {
			t.Errorf("%d bytes: %+v", n, r)
		}
	}
}

// late has no answer before its context ends.
type late struct{ zone }

func (late) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	<-ctx.Done()
	return nil, fault.Wrap(fault.Canceled, ctx.Err(), "")
}

func TestTimeRunsOut(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	r := Check(ctx, late{}, Request{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: "a@b.example"})
	if r.Status != authres.TempError || r.Reason != "time ran out" {
		t.Errorf("%+v", r)
	}
}

func TestExplanationIsHarmless(t *testing.T) {
	z := zone{"e.example": txt("v=spf1 exp=x.e.example -all"), "x.e.example": txt("%{l} may not %{c} %{r} %{t}%%%_%-")}
	q := Request{IP: netip.MustParseAddr("2001:db8::1"), MailFrom: "ann@e.example", Receiver: "mx", Now: func() time.Time { return time.Unix(5, 0) }}
	if r := Check(context.Background(), z, q); r.Explanation != "ann may not 2001:db8::1 mx 5% %20" {
		t.Errorf("%+v", r)
	}
	q.MailFrom = "ann\r\n250 ok@e.example"
	if r := Check(context.Background(), z, q); r.Status != authres.Fail || r.Explanation != "" {
		t.Errorf("%+v", r)
	}
}

// forOracle shows a Resolver to the other implementation.
type forOracle struct{ Resolver }

func known(err error) error {
	if err == nil {
		return nil
	}
	return &net.DNSError{Err: err.Error(), IsNotFound: fault.Is(err, fault.NotFound), IsTemporary: !fault.Is(err, fault.NotFound)}
}

func (o forOracle) LookupTXT(ctx context.Context, name string) ([]string, error) {
	all, err := o.Resolver.LookupTXT(ctx, name)
	return all, known(err)
}

func (o forOracle) LookupMX(ctx context.Context, name string) (mxs []*net.MX, err error) {
	all, err := o.Resolver.LookupMX(ctx, name)
	for _, h := range all {
		mxs = append(mxs, &net.MX{Host: h})
	}
	return mxs, known(err)
}

func (o forOracle) LookupIPAddr(ctx context.Context, name string) (ips []net.IPAddr, err error) {
	all, err := o.Resolver.LookupIP(ctx, name)
	for _, a := range all {
		ips = append(ips, net.IPAddr{IP: a.AsSlice()})
	}
	return ips, known(err)
}

func (o forOracle) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	all, err := o.Resolver.LookupPTR(ctx, netip.MustParseAddr(addr))
	return all, known(err)
}

// FuzzCheck: no record does harm, and where blitiri's checker finds no mistake either, both say the same. It
// takes mistakes that we don't, knows no explanations and no p macro, and counts void lookups otherwise.
func FuzzCheck(f *testing.F) {
	for _, r := range []string{"a mx -all", "ip4:192.0.2.0/24 ip6:2001:db8::/32 ?all", "a:a.example/24//64 mx:%{d} ~all", "exists:%{ir}.%{v}.%{l1r-}.a.example", "include:b.example redirect=c.example",
		"ptr:example", "exp=%{o}.x", "x=%{d} +all", "a:%{s} a:%{h2}.example -all"} {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, record string) {
		z := zone{"t.example": append(txt("v=spf1 "+record), map[string]any{"A": "192.0.2.9"}), "a.example": {{"A": "192.0.2.77"}, {"AAAA": "2001:db8::1"}}, "b.example": txt("v=spf1 ip4:192.0.2.1 -all"),
			"c.example": txt("v=spf1 ?all"), "1.2.0.192.in-addr.arpa": {{"PTR": "t.example"}}}
		for _, ip := range []string{"192.0.2.1", "2001:db8::1"} {
			q := Request{IP: netip.MustParseAddr(ip), Helo: "mx.example", MailFrom: "a-b@t.example"}
			r := Check(context.Background(), z, q)
			if r.Status == authres.PermError || strings.ContainsAny(record, "%\x00") {
				continue
			}
			theirs, err := oracle.CheckHostWithSender(net.ParseIP(ip), q.Helo, q.MailFrom, oracle.WithResolver(forOracle{z}), oracle.OverrideVoidLookupLimit(100))
			if string(theirs) != string(r.Status) && theirs != oracle.PermError {
				t.Errorf("%q for %s: %+v, they say %s (%v)", record, ip, r, theirs, err)
			}
		}
	})
}
