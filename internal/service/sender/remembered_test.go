package sender_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/spf"
)

// Answers that are at hand count towards the limits of RFC 7208 §4.6.4 as those that are asked for: the second message of a sender is judged as the first
// was, and the DNS isn't asked for it.
func TestLimitsOfWhatIsRemembered(t *testing.T) {
	w := dnstest.New(t, `
		example.com.            SOA ns.example.com. root.example.com. 1 2 3 4 300
		_dmarc.example.com.     TXT "v=DMARC1; p=none"
		1.2.0.192.in-addr.arpa. PTR mail.example.com.
		mail.example.com.       A 192.0.2.1`)
	add := func(name, record string) { w.Add(t, fmt.Sprintf("%s. TXT %q\n", name, record)) }
	for _, n := range []int{spf.MaxTerms, spf.MaxTerms + 1} {
		add(fmt.Sprintf("terms%d.example.com", n), "v=spf1"+strings.Repeat(" a:mail.example.com", n)+" -all")
	}
	for _, n := range []int{spf.MaxVoid, spf.MaxVoid + 1} {
		add(fmt.Sprintf("void%d.example.com", n), "v=spf1"+strings.Repeat(" a:none.example.com", n)+" -all")
	}
	client, err := dns.New(dns.Options{Servers: []dns.Server{{Addr: netip.MustParseAddrPort("127.0.0.1:53")}}, Dial: w.Dial, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	c := checker(client)
	for domain, want := range map[string]authres.Result{"terms10": authres.Fail, "terms11": authres.PermError, "void2": authres.Fail, "void3": authres.PermError} {
		s := sender.Session{IP: netip.MustParseAddr("192.0.2.77"), Helo: "mail.example.com", MailFrom: "ann@" + domain + ".example.com"}
		var first string
		for i := range 3 {
			k := c.Begin(s)
			k.Known(sender.IPRev{Status: authres.PermError})
			k.Write([]byte(plain))
			asked := w.AskedAll()
			v := k.Verdict(context.Background())
			if v.SPF.Status != want {
				t.Errorf("%s: %+v", domain, v.SPF)
			}
			if i == 0 {
				first = v.Field()
				continue
			}
			if diff := cmp.Diff(first, v.Field()); diff != "" || w.AskedAll() != asked {
				t.Errorf("%s, again: %d questions, %s", domain, w.AskedAll()-asked, diff)
			}
		}
	}
}
