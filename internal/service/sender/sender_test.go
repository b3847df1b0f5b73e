package sender_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/sender/dmarc"
)

// keyOf makes a domain's key, the same at each call.
func keyOf(domain string) (dkim.SigningKey, string) {
	seed := sha256.Sum256([]byte(domain))
	k := ed25519.NewKeyFromSeed(seed[:])
	return dkim.SigningKey{Domain: domain, Selector: "s", Private: k},
		fmt.Sprintf("s._domainkey.%s. TXT \"v=DKIM1; k=ed25519; p=%s\"\n", domain, base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey)))
}

// world has example.com, which does all as it should, and list.example, which forwards.
func world(t testing.TB) *dnstest.World {
	_, one := keyOf("example.com")
	_, two := keyOf("list.example")
	return dnstest.New(t, one+two+`
		example.com.             TXT "v=spf1 mx -all"
		example.com.             MX 10 mail.example.com.
		mail.example.com.        A 192.0.2.1
		mail.example.com.        TXT "v=spf1 a -all"
		_dmarc.example.com.      TXT "v=DMARC1; p=reject; np=reject; sp=quarantine"
		1.2.0.192.in-addr.arpa.  PTR mail.example.com.
		2.2.0.192.in-addr.arpa.  PTR mail.example.com.
		list.example.            TXT "v=spf1 ip4:198.51.100.0/24 -all"
	`)
}

const plain = "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: hello\r\nMessage-ID: <1@example.com>\r\n\r\nHello, Bob.\r\n"

var ours = sender.Session{IP: netip.MustParseAddr("192.0.2.1"), Helo: "mail.example.com", MailFrom: "ann@example.com"}

func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func checker(w dns.Resolver) *sender.Checker {
	return sender.New(sender.Options{Resolver: sender.FromDNS(w), ID: "mx.example.org", Now: now})
}

func verdict(t testing.TB, w dns.Resolver, s sender.Session, msg string) sender.Verdict {
	k := checker(w).Begin(s)
	for rest := msg; rest != ""; rest = rest[min(100, len(rest)):] {
		if _, err := k.Write([]byte(rest[:min(100, len(rest))])); err != nil {
			t.Fatal(err)
		}
	}
	return k.Verdict(context.Background())
}

func signed(t testing.TB, domain, msg string) string {
	t.Helper()
	k, _ := keyOf(domain)
	s, err := dkim.NewSigner(dkim.SignOptions{Keys: []dkim.SigningKey{k}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte(msg))
	fields, err := s.Fields()
	if err != nil {
		t.Fatal(err)
	}
	return fields + msg
}

func TestAllIsWell(t *testing.T) {
	v := verdict(t, world(t), ours, signed(t, "example.com", plain))
	b := v.DKIM[0].Signature
	want := "Authentication-Results: mx.example.org;\r\n" +
		"\tiprev=pass (mail.example.com) policy.iprev=192.0.2.1;\r\n" +
		"\tspf=pass (mx) smtp.mailfrom=ann@example.com;\r\n" +
		"\tspf=pass (a) smtp.helo=mail.example.com;\r\n" +
		"\tdkim=pass (256-bit key) header.d=example.com header.s=s\r\n" +
		"\theader.a=ed25519-sha256 header.b=" + b + ";\r\n" +
		"\tdmarc=pass (p=reject dis=none) header.from=example.com;\r\n" +
		"\tarc=none\r\n"
	if strings.ContainsAny(b, "/=") {
		want = strings.Replace(want, b, `"`+b+`"`, 1)
	}
	if diff := cmp.Diff(want, v.Field()); diff != "" {
		t.Error(diff)
	}
	if _, err := authres.Parse(v.Results().Value()); err != nil {
		t.Error(err)
	}
}

// TestForged: somebody who is all right himself writes in Ann's name.
func TestForged(t *testing.T) {
	s := sender.Session{IP: netip.MustParseAddr("198.51.100.9"), Helo: "list.example", MailFrom: "x@list.example"}
	v := verdict(t, world(t), s, signed(t, "list.example", plain))
	if v.SPF.Status != authres.Pass || v.DKIM[0].Status != authres.Pass || v.DMARC.Status != authres.Fail || v.DMARC.Disposition != dmarc.Reject {
		t.Errorf("%+v", v)
	}
	if !strings.Contains(v.Field(), "dmarc=fail (p=reject dis=reject) header.from=example.com;") || !strings.Contains(v.Field(), "iprev=permerror policy.iprev=198.51.100.9;") {
		t.Errorf("%s", v.Field())
	}
}

// TestForwarded: a list changes the subject; DMARC fails, and the sealed chain tells what the list had seen.
func TestForwarded(t *testing.T) {
	w := world(t)
	first := verdict(t, w, ours, signed(t, "example.com", plain))
	changed := strings.Replace(signed(t, "example.com", plain), "Subject: ", "Subject: [list] ", 1)
	k, _ := keyOf("list.example")
	s, err := arc.NewSealer(arc.SealOptions{Key: k, Results: first.Results().Value(), Chain: first.ARC.Status, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte(changed))
	fields, err := s.Fields()
	if err != nil {
		t.Fatal(err)
	}
	v := verdict(t, w, sender.Session{IP: netip.MustParseAddr("198.51.100.9"), Helo: "list.example", MailFrom: "list@list.example"}, fields+changed)
	if v.DMARC.Status != authres.Fail || v.ARC.Status != authres.Pass || !strings.Contains(v.ARC.Sets[0].Results, "dmarc=pass") {
		t.Errorf("%+v", v)
	}
	if !strings.Contains(v.Field(), "arc=pass (i=1) header.oldest-pass=0 smtp.remote-ip=198.51.100.9\r\n") {
		t.Errorf("%s", v.Field())
	}
}

func TestNullReversePath(t *testing.T) {
	s := ours
	s.MailFrom = ""
	v := verdict(t, world(t), s, strings.Replace(plain, "@example.com>\r\nTo", "@mail.example.com>\r\nTo", 1))
	if v.SPF.Domain != "mail.example.com" || v.DMARC.Status != authres.Pass || !v.DMARC.SPFAligned || strings.Contains(v.Field(), "smtp.mailfrom") || strings.Count(v.Field(), "spf=") != 1 {
		t.Errorf("%+v", v)
	}
}

// TestNonExistentDomain: NXDOMAIN and a name without records aren't the same (np).
func TestNonExistentDomain(t *testing.T) {
	for domain, want := range map[string]dmarc.Policy{"nope.example.com": dmarc.Reject, "mail.example.com": dmarc.Quarantine, "_domainkey.example.com": dmarc.Quarantine} {
		s := sender.Session{IP: netip.MustParseAddr("203.0.113.1"), Helo: "x", MailFrom: "x@" + domain}
		if v := verdict(t, world(t), s, strings.Replace(plain, "ann@example.com", "ann@"+domain, 1)); v.DMARC.Disposition != want {
			t.Errorf("%s: %+v", domain, v.DMARC)
		}
	}
}

func TestIPRev(t *testing.T) {
	w := world(t)
	w.Add(t, "4.2.0.192.in-addr.arpa. PTR lost.example.\n1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.example.\nsix.example. AAAA 2001:db8::1")
	w.Fail("3.2.0.192.in-addr.arpa", "PTR", dns.Temporary)
	w.Fail("lost.example", "A", dns.Temporary)
	w.Fail("lost.example", "AAAA", dns.Temporary)
	for ip, want := range map[string]sender.IPRev{
		"192.0.2.1":        {Status: authres.Pass, Name: "mail.example.com"},
		"::ffff:192.0.2.1": {Status: authres.Pass, Name: "mail.example.com"},
		"192.0.2.2":        {Status: authres.Fail, Name: "mail.example.com"},
		"192.0.2.3":        {Status: authres.TempError},
		"192.0.2.4":        {Status: authres.TempError, Name: "lost.example"},
		"192.0.2.5":        {Status: authres.PermError},
		"2001:db8::1":      {Status: authres.Pass, Name: "six.example"},
	} {
		if v := verdict(t, w, sender.Session{IP: netip.MustParseAddr(ip)}, plain); v.IPRev != want {
			t.Errorf("%s: %+v", ip, v.IPRev)
		}
	}
	if v := verdict(t, w, sender.Session{}, plain); v.IPRev.Status != authres.PermError || v.SPF.Status != authres.None {
		t.Errorf("no address: %+v", v)
	}
}

// TestTimeRunsOut: a domain whose servers don't answer costs the timeout once, and its own results only: the policy
// for the name that it forged holds.
func TestTimeRunsOut(t *testing.T) {
	w := world(t)
	msg := signed(t, "list.example", plain)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		k := sender.New(sender.Options{Resolver: stuck{sender.FromDNS(w)}, ID: "mx.example.org", Now: now}).Begin(sender.Session{IP: netip.MustParseAddr("198.51.100.9"), Helo: "list.example", MailFrom: "x@list.example"})
		k.Write([]byte(msg))
		v := k.Verdict(t.Context())
		if v.SPF.Status != authres.TempError || v.DKIM[0].Status != authres.TempError || v.DMARC.Disposition != dmarc.Reject {
			t.Errorf("%+v", v)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// stuck never answers questions about list.example.
type stuck struct{ sender.Resolver }

func (s stuck) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if strings.HasSuffix(name, "list.example") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Resolver.LookupTXT(ctx, name)
}

func TestDNSIsDown(t *testing.T) {
	w := world(t)
	w.Fail("_dmarc.example.com", "TXT", dns.Temporary)
	w.Fail("example.com", "TXT", dns.Temporary)
	v := verdict(t, w, ours, signed(t, "example.com", plain))
	if v.SPF.Status != authres.TempError || v.DMARC.Status != authres.TempError || v.DMARC.Disposition != dmarc.None {
		t.Errorf("%+v", v)
	}
}

func TestMessagesWithoutMuch(t *testing.T) {
	w := world(t)
	for _, msg := range []string{"", "\r\n", "To: x@y\r\n\r\n", "From:\r\n\r\n", "X: " + strings.Repeat("x", dkim.MaxHeader) + "\r\nFrom: ann@example.com\r\n\r\n"} {
		v := verdict(t, w, ours, msg)
		if v.DMARC.Status != authres.PermError || len(v.DKIM) != 0 || v.ARC.Status != authres.None || v.SPF.Status != authres.Pass {
			t.Errorf("%.30q: %+v", msg, v)
		}
		if _, err := authres.Parse(v.Results().Value()); err != nil {
			t.Errorf("%.30q: %v in %s", msg, err, v.Field())
		}
	}
}

// TestStrangersWordsStayInTheField: HELO, reverse-path and signatures are a stranger's.
func TestStrangersWordsStayInTheField(t *testing.T) {
	s := sender.Session{IP: ours.IP, Helo: "x\r\nX-Evil: 1;", MailFrom: "a\r\n; dkim=pass (\"\\"}
	v := verdict(t, world(t), s, "DKIM-Signature: v=1; d=a\tb\"; s=;=) dkim=pass\r\nFrom: a@b\r\n\r\n")
	got, err := authres.Parse(v.Results().Value())
	if err != nil || strings.Contains(v.Field(), "\r\nX-Evil") {
		t.Errorf("%v: %s", err, v.Field())
	}
	for _, m := range got.Methods {
		if m.Name == "dkim" && m.Result != authres.PermError {
			t.Errorf("%+v", m)
		}
	}
}

// TestManyAtOnce: one Checker, many messages.
func TestManyAtOnce(t *testing.T) {
	c, msg := checker(world(t)), []byte(signed(t, "example.com", plain))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			k := c.Begin(ours)
			k.Write(msg)
			if v := k.Verdict(context.Background()); v.DMARC.Status != authres.Pass {
				t.Errorf("%+v", v)
			}
		})
	}
	wg.Wait()
}

// TestFromDNS: what the DNS service says differently.
func TestFromDNS(t *testing.T) {
	w := world(t)
	w.Add(t, "null.example. MX 0 .")
	w.Fail("down.example", "TXT", dns.Temporary)
	r := sender.FromDNS(w)
	if hosts, err := r.LookupMX(t.Context(), "null.example"); len(hosts) != 0 || err != nil {
		t.Errorf("null MX: %v, %v", hosts, err)
	}
	for name, want := range map[string]bool{"example.com": true, "_domainkey.example.com": true, "nope.example.com": false} {
		if got, err := r.Exists(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := r.Exists(t.Context(), "down.example"); err == nil {
		t.Error("no answer is no error")
	}
}

func BenchmarkVerdict(b *testing.B) {
	c := checker(world(b))
	msg := []byte(signed(b, "example.com", plain+strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 200)))
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		k := c.Begin(ours)
		k.Write(msg)
		if v := k.Verdict(b.Context()); v.DMARC.Status != authres.Pass {
			b.Fatal(v)
		}
	}
}

// TestAtHand: what is found out of the memory for the DNS is what asking says, and nothing that has to be asked for gets lost.
func TestAtHand(t *testing.T) {
	w := world(t)
	client, err := dns.New(dns.Options{Servers: w.Serve(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, s := range []sender.Session{ours, {IP: ours.IP, Helo: ours.Helo}, {IP: netip.MustParseAddr("198.51.100.9"), Helo: "list.example", MailFrom: "x@example.com"}} {
		msg := signed(t, "example.com", plain)
		want := verdict(t, w, s, msg)
		for range 2 { // the second time all is at hand
			k := checker(client).Begin(s)
			k.Write([]byte(msg))
			k.Known(sender.CheckIPRev(t.Context(), sender.FromDNS(w), s.IP))
			got := k.Verdict(t.Context())
			if diff := cmp.Diff(want.Field(), got.Field()); diff != "" {
				t.Error(diff)
			}
		}
	}
}
