package sender_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

// trap is a Resolver that panics when it is asked about a name.
type trap struct {
	sender.Resolver
	name string
}

func (r trap) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if name == r.name {
		panic("trapped")
	}
	return r.Resolver.LookupTXT(ctx, name)
}

func (r trap) LookupPTR(ctx context.Context, a netip.Addr) ([]string, error) {
	if a.String() == r.name {
		panic("trapped")
	}
	return r.Resolver.LookupPTR(ctx, a)
}

// A check that panics has no result, and that is all: neither the others' nor the program's end. A message whose signature or domain can't be
// checked because of that doesn't fail DMARC.
func TestOneCheckPanics(t *testing.T) {
	w := world(t)
	msg := signed(t, "example.com", plain)
	for _, c := range []struct{ name, broken, spf, helo, iprev, dkim, arc, dmarc string }{
		{"none", "", "pass", "pass", "pass", "pass", "none", "pass"},
		{"example.com", "spf", "temperror", "pass", "pass", "pass", "none", "pass"},
		{"mail.example.com", "spf", "pass", "temperror", "pass", "pass", "none", "pass"},
		{"192.0.2.1", "iprev", "pass", "pass", "temperror", "pass", "none", "pass"},
		{"s._domainkey.example.com", "dkim", "pass", "pass", "pass", "temperror", "none", "pass"},
		{"_dmarc.example.com", "dmarc", "pass", "pass", "pass", "pass", "none", "temperror"},
	} {
		var mu sync.Mutex
		var broken []string
		k := sender.New(sender.Options{Resolver: trap{sender.FromDNS(w), c.name}, ID: "mx.example.org", Now: now, Broken: func(check string, p *fault.Panic) {
			mu.Lock()
			defer mu.Unlock()
			if broken = append(broken, check); p.Value != "trapped" || !strings.Contains(string(p.Stack), "trap") {
				t.Errorf("%s: %v", check, p)
			}
		}}).Begin(ours)
		k.Write([]byte(msg))
		v := k.Verdict(t.Context())
		got := []string{strings.Join(broken, " "), string(v.SPF.Status), string(v.Helo.Status), string(v.IPRev.Status), string(v.DKIM[0].Status), string(v.ARC.Status), string(v.DMARC.Status)}
		if want := []string{c.broken, c.spf, c.helo, c.iprev, c.dkim, c.arc, c.dmarc}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
		if _, err := authres.Parse(v.Results().Value()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What can't be checked for a fault of ours is no reason to refuse a message.
func TestPanicsRefuseNobody(t *testing.T) {
	w := world(t)
	for name, msg := range map[string]string{"example.com": plain, "s._domainkey.example.com": signed(t, "example.com", plain)} {
		s := ours
		if name != "example.com" {
			s.IP = netip.MustParseAddr("203.0.113.1") // that SPF doesn't permit
		}
		k := sender.New(sender.Options{Resolver: trap{sender.FromDNS(w), name}, ID: "mx.example.org", Now: now}).Begin(s)
		k.Write([]byte(msg))
		if v := k.Verdict(t.Context()); v.DMARC.Status != authres.TempError || v.DMARC.Disposition != dmarc.None {
			t.Errorf("%s: %+v", name, v.DMARC)
		}
	}
}

// A chain with a seal whose key makes us panic fails, and nothing else does.
func TestChainPanics(t *testing.T) {
	w := dnstest.New(t, "")
	msg := "ARC-Seal: i=1; a=ed25519-sha256; cv=none; d=list.example; s=s; b=AAAA\r\n" +
		"ARC-Message-Signature: i=1; a=ed25519-sha256; d=list.example; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" +
		"ARC-Authentication-Results: i=1; x; none\r\n" + plain
	k := sender.New(sender.Options{Resolver: trap{sender.FromDNS(w), "s._domainkey.list.example"}, ID: "mx.example.org", Now: now}).Begin(ours)
	k.Write([]byte(msg))
	if v := k.Verdict(t.Context()); v.ARC.Status != authres.Fail || v.ARC.Reason != "internal error" || v.SPF.Status != authres.None {
		t.Errorf("%+v %+v", v.ARC, v.SPF)
	}
}
