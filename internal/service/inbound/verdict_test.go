package inbound

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/service/dns"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

var noGrey = Options{Greylist: GreyOff}

func good(w *world) client {
	return client{IP: goodIP, Helo: "mail.good.example", From: "ann@good.example", Message: w.signed(letter("ann@good.example"), "good.example")}
}

func TestGoodMailPasses(t *testing.T) {
	w := newWorld(t, Options{})
	d, err := w.deliver(good(w))
	if err != nil {
		t.Fatal(err)
	}
	if d.Junk || !d.Sender || d.Chain != "none" || d.Summary != "spf=pass dkim=pass dmarc=pass" {
		t.Errorf("%+v", d)
	}
	if want := "Authentication-Results: " + d.Results + "\r\n"; d.Field != want || !strings.HasPrefix(d.Results, "mx.example.org;") {
		t.Errorf("%q", d.Field)
	}
	if !strings.Contains(d.Field, "dmarc=pass (p=reject dis=none) header.from=good.example") || !strings.Contains(d.Field, "iprev=pass (mail.good.example)") {
		t.Errorf("%s", d.Field)
	}
	if s := w.Stats(); s.Checked != 1 || s.Pass != 1 {
		t.Errorf("%+v", s)
	}
}

// TestPolicies: what becomes of messages that fail DMARC.
func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		o        Options
		author   string
		reason   Reason // "": taken
		junk     bool
		told     string // in the field
		override OverrideType
	}{
		"reject":              {Options{}, "ann@good.example", DMARC, false, "", ""},
		"quarantine":          {Options{}, "x@soft.example", "", true, "dmarc=fail (p=quarantine dis=quarantine)", ""},
		"none":                {Options{}, "x@open.example", "", false, "dmarc=fail (p=none dis=none)", ""},
		"no policy":           {Options{}, "x@nowhere.example", "", false, "dmarc=none", ""},
		"reject in testing":   {Options{}, "x@trying.example", "", true, "dmarc=fail (p=reject dis=quarantine: the policy is being tested)", PolicyTestMode},
		"reject, only marked": {Options{DMARC: MarkOnly}, "ann@good.example", "", false, "dmarc=fail (p=reject dis=none: policies are only noted here)", LocalPolicy},
		"reject, off":         {Options{DMARC: Off}, "ann@good.example", "", false, "dkim=none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Greylist = GreyOff
			w := newWorld(t, c.o)
			d, err := w.deliver(client{IP: badIP, From: "x@bad.example", Message: letter(c.author)})
			if c.reason != "" {
				refused(t, err, c.reason, 550)
				if !strings.Contains(RefusalOf(err).Text, "good.example (p=reject)") || RefusalOf(err).Status != "5.7.1" {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.Junk != c.junk || d.Sender || !strings.Contains(strings.ReplaceAll(d.Field, "\r\n\t", " "), c.told) {
				t.Errorf("%+v", d)
			}
			if c.o.DMARC == Off && strings.Contains(d.Field, "dmarc") {
				t.Error(d.Field)
			}
			var got OverrideType
			if len(w.told) == 1 && len(w.told[0].Overrides) == 1 {
				got = w.told[0].Overrides[0].Type
			}
			if got != c.override {
				t.Errorf("%+v", w.told)
			}
		})
	}
}

// TestEvaluated: what reports are made of.
func TestEvaluated(t *testing.T) {
	w := newWorld(t, noGrey)
	_, err := w.deliver(client{IP: listIP, From: "Bounces@List.example", Message: w.signed(letter("ann@good.example"), "list.example")})
	refused(t, err, DMARC, 550)
	record, _ := dmarc.ParseRecord("v=DMARC1; p=reject; rua=mailto:d@good.example")
	want := []Evaluated{{
		At: w.now(), SourceIP: netip.MustParseAddr(listIP), Author: "good.example", Sender: "list.example", Recipients: []string{"example.org"},
		PolicyDomain: "good.example", Record: record, Status: authres.Fail, Policy: dmarc.Reject, Disposition: dmarc.Reject,
		SPF: Identifier{Domain: "list.example", Result: authres.Pass}, DKIM: []Identifier{{Domain: "list.example", Selector: "s", Result: authres.Pass}},
	}}
	if diff := cmp.Diff(want, w.told, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestRecordSpeaks: a forwarder that has delivered here for long has its mail put to the junk, not refused; one visit is no record.
func TestRecordSpeaks(t *testing.T) {
	w := newWorld(t, noGrey)
	spoofed := client{IP: listIP, From: "b@list.example", Message: letter("ann@good.example")}
	for day := range 12 {
		if _, err := w.deliver(client{IP: listIP, From: "b@list.example", Message: letter("b@list.example")}); err != nil {
			t.Fatal(err)
		}
		if day == 8 {
			_, err := w.deliver(spoofed)
			refused(t, err, DMARC, 550)
		}
		w.advance(24 * time.Hour)
	}
	neighbour := spoofed
	neighbour.IP, neighbour.From = "198.51.100.6", "x@bad.example"
	_, err := w.deliver(neighbour)
	refused(t, err, DMARC, 550)
	d, err := w.deliver(spoofed)
	if err != nil || !d.Junk || !strings.Contains(strings.ReplaceAll(d.Field, "\r\n\t", " "), "p=reject dis=quarantine: its bearer is known here") {
		t.Errorf("%+v, %v", d, err)
	}
}

// forwarded is a message of good.example as list.example passes it on: changed, and sealed.
func forwarded(w *world) string {
	w.t.Helper()
	msg := w.signed(letter("ann@good.example"), "good.example")
	k := sender.New(sender.Options{Resolver: sender.FromDNS(w.dns), ID: "mx.list.example", Now: w.now}).
		Begin(sender.Session{IP: netip.MustParseAddr(goodIP), Helo: "mail.good.example", MailFrom: "ann@good.example"})
	k.Write([]byte(msg))
	v := k.Verdict(w.t.Context())
	changed := strings.Replace(msg, "Subject: ", "Subject: [list] ", 1)
	s, err := arc.NewSealer(arc.SealOptions{Key: keyOf("list.example"), Results: v.Results().Value(), Chain: v.ARC.Status, Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	s.Write([]byte(changed))
	fields, err := s.Fields()
	if err != nil {
		w.t.Fatal(err)
	}
	return fields + changed
}

func TestTrustedSeal(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		o := noGrey
		if trusted {
			o.Sealers = []string{"List.example."}
		}
		w := newWorld(t, o)
		d, err := w.deliver(client{IP: listIP, From: "b@list.example", Message: forwarded(w)})
		if !trusted {
			refused(t, err, DMARC, 550)
			continue
		}
		if err != nil || d.Junk || d.Chain != "pass" {
			t.Fatalf("%+v, %v", d, err)
		}
		if !strings.Contains(strings.ReplaceAll(d.Field, "\r\n\t", " "), "dmarc=fail (p=reject dis=none: ARC seal of list.example)") {
			t.Errorf("%s", d.Field)
		}
		if e := w.told[0]; e.Disposition != dmarc.None || len(e.Overrides) != 1 || e.Overrides[0].Type != TrustedForwarder {
			t.Errorf("%+v", e)
		}
		// Somebody else's words in such a message: the chain is broken.
		_, err = w.deliver(client{IP: listIP, From: "b@list.example", Message: strings.Replace(forwarded(w), "Hello.", "Buy!", 1)})
		refused(t, err, DMARC, 550)
	}
}

func TestTrustedSealOf(t *testing.T) {
	set := func(domain, dmarc string) arc.Set {
		return arc.Set{Domain: domain, Results: "mx." + domain + "; dmarc=" + dmarc + " header.from=a.example"}
	}
	for name, c := range map[string]struct {
		chain arc.Result
		want  string
	}{
		"no chain":                          {arc.Result{Status: authres.None}, ""},
		"a broken chain":                    {arc.Result{Status: authres.Fail, Sets: []arc.Set{set("t.example", "pass")}}, ""},
		"one":                               {arc.Result{Status: authres.Pass, Sets: []arc.Set{set("t.example", "pass")}}, "t.example"},
		"it had not passed there":           {arc.Result{Status: authres.Pass, Sets: []arc.Set{set("t.example", "fail")}}, ""},
		"somebody else's":                   {arc.Result{Status: authres.Pass, Sets: []arc.Set{set("u.example", "pass")}}, ""},
		"two trusted, seen by the first":    {arc.Result{Status: authres.Pass, OldestPass: 2, Sets: []arc.Set{set("t.example", "pass"), set("s.example", "fail")}}, "t.example"},
		"a stranger changed it afterwards":  {arc.Result{Status: authres.Pass, OldestPass: 2, Sets: []arc.Set{set("t.example", "pass"), set("u.example", "pass")}}, ""},
		"a stranger passed it on untouched": {arc.Result{Status: authres.Pass, OldestPass: 0, Sets: []arc.Set{set("t.example", "pass"), set("u.example", "fail")}}, "t.example"},
		"results that can't be read":        {arc.Result{Status: authres.Pass, Sets: []arc.Set{{Domain: "t.example", Results: ";;"}}}, ""},
		"another author":                    {arc.Result{Status: authres.Pass, Sets: []arc.Set{{Domain: "t.example", Results: "x; dmarc=pass header.from=b.example"}}}, ""},
	} {
		if got := trustedSeal(&c.chain, "a.example", []string{"s.example", "t.example"}); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSPFFail(t *testing.T) {
	forged := func(w *world) client {
		return client{IP: badIP, From: "b@list.example", Message: letter("b@list.example")}
	}
	w := newWorld(t, noGrey)
	if d, err := w.deliver(forged(w)); err != nil || d.Sender || !strings.Contains(d.Summary, "spf=fail") {
		t.Errorf("%+v, %v", d, err)
	}
	w = newWorld(t, Options{Greylist: GreyOff, SPFRefuse: true})
	_, err := w.deliver(forged(w))
	refused(t, err, SPF, 550)
	// Who is on a list of the good forwards.
	o := Options{Greylist: GreyOff, SPFRefuse: true, Allow: []List{{Zone: "wl.example"}}}
	w = newWorld(t, o)
	w.dns.Add(t, zones)
	if _, err := w.deliver(forged(w)); err != nil {
		t.Error(err)
	}
	w = newWorld(t, Options{Greylist: GreyOff, SPFRefuse: true})
	// Forwarded mail fails SPF, and DKIM speaks for it.
	if _, err := w.deliver(client{IP: badIP, From: "ann@good.example", Message: w.signed(letter("ann@good.example"), "good.example")}); err != nil {
		t.Error(err)
	}
}

// TestSender: who may be told of what became of a message.
func TestSender(t *testing.T) {
	w := newWorld(t, noGrey)
	for name, c := range map[string]struct {
		client
		want bool
	}{
		"SPF":                   {client{IP: goodIP, From: "ann@good.example", Message: letter("x@open.example")}, true},
		"DKIM":                  {client{IP: badIP, From: "ann@good.example", Message: w.signed(letter("ann@good.example"), "good.example")}, true},
		"DKIM above":            {client{IP: badIP, From: "ann@news.good.example", Message: w.signed(letter("ann@good.example"), "good.example")}, true},
		"another's DKIM":        {client{IP: badIP, From: "ann@other.example", Message: w.signed(letter("ann@good.example"), "good.example")}, false},
		"neither":               {client{IP: badIP, From: "ann@other.example", Message: letter("x@open.example")}, false},
		"null reverse-path":     {client{IP: goodIP, Helo: "mail.good.example", Message: letter("x@open.example")}, false},
		"similar but not below": {client{IP: badIP, From: "ann@evilgood.example", Message: w.signed(letter("ann@good.example"), "good.example")}, false},
	} {
		d, err := w.deliver(c.client)
		if err != nil || d.Sender != c.want {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// TestDNSIsDown: mail is taken, and marked.
func TestDNSIsDown(t *testing.T) {
	w := newWorld(t, Options{Greylist: GreyAuto, SPFRefuse: true, Block: []List{{Zone: "bl.example"}}, Allow: []List{{Zone: "wl.example"}}, Helo: HeloRules{Refuse: true, Resolve: true}})
	for _, name := range []string{"good.example", "_dmarc.good.example", "s._domainkey.good.example", "1.2.0.192.in-addr.arpa", "1.2.0.192.bl.example", "1.2.0.192.wl.example", "mail.good.example"} {
		w.dns.Fail(name, "", dns.Temporary)
	}
	d, err := w.deliver(good(w))
	if err != nil || d.Junk || d.Sender || d.Summary != "spf=temperror dkim=temperror dmarc=temperror" {
		t.Errorf("%+v, %v", d, err)
	}
	if s := w.Stats(); s.TempError != 1 || s.ListTrouble != 2 {
		t.Errorf("%+v", s)
	}
}

func TestDomainRate(t *testing.T) {
	w := newWorld(t, Options{Rates: Rates{Domain: 2}})
	for range 2 {
		if _, err := w.deliver(good(w)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.deliver(good(w))
	refused(t, err, DomainRate, 450)
	// Who only uses the name doesn't use the domain's share up.
	w.advance(time.Minute)
	for range 5 {
		_, err := w.deliver(client{IP: badIP, From: "ann@good.example", To: "postmaster", Message: letter("ann@good.example")})
		if RefusalOf(err) == nil {
			t.Fatal(err)
		}
	}
	if _, err := w.deliver(good(w)); err != nil {
		t.Error(err)
	}
}

// TestOddMessages: what has no author is marked, not refused for it.
func TestOddMessages(t *testing.T) {
	w := newWorld(t, noGrey)
	for _, msg := range []string{"", "\r\n", "no header", "From: a@b.example, c@d.example\r\n\r\n", strings.Repeat("From: a@b.example\r\n", 50) + "\r\n"} {
		if d, err := w.deliver(client{IP: goodIP, From: "ann@good.example", Message: msg}); err != nil || d.Junk {
			t.Errorf("%.20q: %+v, %v", msg, d, err)
		}
	}
}

// BenchmarkVisit is a whole visit with a signed message, once the resolver has the answers.
func BenchmarkVisit(b *testing.B) {
	w := newWorld(b, Options{})
	resolver, err := dns.New(dns.Options{Servers: []dns.Server{{Addr: netip.MustParseAddrPort("127.0.0.1:53")}}, Dial: w.dns.Dial, Now: w.now})
	if err != nil {
		b.Fatal(err)
	}
	w.Guard = New(Options{Resolver: resolver, DB: w.db, Hostname: "mx.example.org", Secret: []byte("secret"), Rates: Rates{-1, -1, -1}, Now: w.now})
	c := good(w)
	b.ReportAllocs()
	for b.Loop() {
		v, err := w.Connect(b.Context(), Client{Addr: netip.MustParseAddr(c.IP)})
		if err != nil {
			b.Fatal(err)
		}
		v.Hello(b.Context(), c.Helo)
		v.Mail(b.Context(), c.From)
		v.Recipient(b.Context(), "bob@example.org")
		check := v.Message([]string{"bob@example.org"})
		check.Write([]byte(c.Message))
		if d, err := check.Verdict(b.Context()); err != nil || !d.Sender {
			b.Fatal(d, err)
		}
		v.Close()
	}
}

// TestForgedMailIsNoRecord: what fails a policy makes nobody known, also where policies are only noted.
func TestForgedMailIsNoRecord(t *testing.T) {
	w := newWorld(t, Options{DMARC: MarkOnly})
	c := client{IP: goodIP, Helo: "mail.good.example", From: "x@good.example", Message: letter("y@soft.example")}
	if _, err := w.deliver(c); err != nil {
		t.Fatal(err)
	}
	if left := w.memory.recordRoom.Load(); left != int64(w.memory.most) {
		t.Errorf("%d are known", int64(w.memory.most)-left)
	}
}

// TestSilentDNS: a domain whose servers never answer costs the time of the checks, and no more; the record of who brings its mail
// is looked at all the same.
func TestSilentDNS(t *testing.T) {
	w := newWorld(t, noGrey)
	for range 12 {
		if _, err := w.deliver(client{IP: listIP, From: "b@list.example", Message: letter("b@list.example")}); err != nil {
			t.Fatal(err)
		}
		w.advance(24 * time.Hour)
	}
	for _, name := range []string{"slow.example", "s._domainkey.slow.example"} {
		w.dns.Silence(name)
	}
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		start := time.Now()
		d, err := w.deliver(client{IP: listIP, From: "b@slow.example", Message: w.signed(letter("ann@good.example"), "slow.example")})
		if err != nil || !d.Junk || !strings.Contains(d.Summary, "spf=temperror dkim=temperror dmarc=fail") {
			t.Errorf("%+v, %v", d, err)
		}
		if took := time.Since(start); took > sender.DefaultTimeout {
			t.Error(took)
		}
	})
}
