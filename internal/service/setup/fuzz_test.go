package setup_test

import (
	"context"
	"net/netip"
	"testing"
	"time"
	"unicode"

	"postroad/internal/service/dns"
	"postroad/internal/service/setup"
)

// liar answers every question with what a stranger wants us to see.
type liar struct {
	text, name string
	addr       netip.Addr
	data       []byte
}

func told[T any](records ...T) (dns.Answer[T], error) {
	return dns.Answer[T]{Records: records, Secure: true}, nil
}

func (l liar) LookupMX(context.Context, string) (dns.Answer[dns.MX], error) {
	return told(dns.MX{Preference: 1, Host: l.name})
}
func (l liar) LookupIP(context.Context, string) (dns.Answer[netip.Addr], error) { return told(l.addr) }
func (l liar) LookupTXT(context.Context, string) (dns.Answer[string], error)    { return told(l.text) }
func (l liar) LookupTLSA(context.Context, string) (dns.Answer[dns.TLSA], error) {
	return told(dns.TLSA{Usage: 3, Selector: 1, Matching: uint8(len(l.data)), Data: l.data})
}
func (l liar) LookupPTR(context.Context, netip.Addr) (dns.Answer[string], error) { return told(l.name) }
func (l liar) LookupCNAME(_ context.Context, name string) (dns.Answer[string], error) {
	if len(name)%2 == len(l.text)%2 {
		return told(l.name)
	}
	return dns.Answer[string]{}, (&dns.Failure{Name: name, Type: "CNAME", Reason: dns.NoRecord}).Fault()
}
func (l liar) LookupSRV(context.Context, string) (dns.Answer[dns.SRV], error) {
	return told(dns.SRV{Host: l.name, Port: 25})
}

// FuzzStrangers: whatever the DNS says, a check ends, and its findings are fit for a terminal.
func FuzzStrangers(f *testing.F) {
	for _, text := range []string{"v=spf1 include:example.org ~all", "v=DMARC1; p=none; rua=mailto:a@b", "v=STSv1; id=1;", "v=TLSRPTv1; rua=mailto:a@b", "v=DKIM1; k=ed25519; p=AA==", "\x1b[2J\u202e\xff"} {
		f.Add(text, "mail.example.org", []byte{192, 0, 2, 1}, []byte{1})
	}
	f.Add("v=spf1 exists:%{i}.x -all", "\x1b]0;x\a", []byte{127, 255, 255, 254}, []byte{})
	facts := facts(f)
	f.Fuzz(func(t *testing.T, text, name string, ip, data []byte) {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok {
			return
		}
		r := setup.Check(t.Context(), facts, setup.Options{DNS: liar{text, name, addr, data}, Offline: true, Now: func() time.Time { return now }})
		for _, found := range r.Findings {
			for _, s := range []string{found.Topic, found.Text, found.Fix} {
				for _, c := range s {
					if !unicode.IsPrint(c) {
						t.Fatalf("%q", s)
					}
				}
				if len(s) > 750 {
					t.Fatalf("%d bytes", len(s))
				}
			}
			if found.Level != setup.OK && found.Fix == "" {
				t.Errorf("nothing to do about %q", found.Text)
			}
		}
	})
}
