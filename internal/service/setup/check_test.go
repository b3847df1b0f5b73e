package setup_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/setup"
)

// TestCheckOfWhatWeSay: who publishes what Records says, and whose network is as it should be, has nothing to mend.
func TestCheckOfWhatWeSay(t *testing.T) {
	golden(t, "good.txt", text(newWorld(t).check()))
}

// TestCheckOfNothing: a domain of which nothing is in the DNS yet, and a server that nobody reaches.
func TestCheckOfNothing(t *testing.T) {
	w := newWorld(t)
	w.Fail("example.org", "", dns.NoName)
	for _, r := range setup.Records(w.facts) {
		w.Remove(r.Name)
	}
	clear(w.ports)
	w.facts.Chain = nil
	golden(t, "nothing.txt", text(w.check()))
}

// one is a change of the good world, and all findings that aren't ok then, each "level topic: a part of its text > a part of its fix".
type one struct {
	name   string
	change func(*world)
	want   []string
}

func runAll(t *testing.T, cases []one) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			var got []string
			for _, f := range w.check().Findings {
				if f.Level != setup.OK {
					got = append(got, fmt.Sprintf("%s %s: %s > %s", f.Level, f.Topic, f.Text, f.Fix))
				}
			}
			for i, want := range c.want {
				head, fix, _ := strings.Cut(want, " > ")
				level, part, _ := strings.Cut(head, ": ")
				if i >= len(got) || !strings.HasPrefix(got[i], level+": ") || !strings.Contains(got[i], part) || !strings.Contains(got[i][strings.Index(got[i], " > "):], fix) {
					t.Errorf("finding %d, want %q, of\n%s", i, want, strings.Join(got, "\n"))
					return
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("too many:\n%s", strings.Join(got[len(c.want):], "\n"))
			}
		})
	}
}

// dead is a resolver's answer where nobody answers.
const dead = dns.Temporary

func TestHostAndMX(t *testing.T) {
	const bare = "mail.example.org. TXT \"v=spf1 a -all\"\n"
	runAll(t, []one{
		{"alias", func(w *world) {
			w.replace("mail.example.org", "mail.example.org. CNAME box.example.org.\nbox.example.org. A 192.0.2.1\nbox.example.org. AAAA 2001:db8::1\nbox.example.org. TXT \"v=spf1 a -all\"")
		}, []string{"wrong host: is an alias of \"box.example.org\" > in place of the CNAME"}},
		{"another address", func(w *world) {
			w.replace("mail.example.org", bare+"mail.example.org. A 192.0.2.1\nmail.example.org. AAAA 2001:db8::1\nmail.example.org. A 192.0.2.77")
		}, []string{"wrong host: has 192.0.2.77, which is not this server's (192.0.2.1, 2001:db8::1) > correct the A record"}},
		{"private address", func(w *world) {
			w.replace("mail.example.org", bare+"mail.example.org. A 192.0.2.1\nmail.example.org. AAAA 2001:db8::1\nmail.example.org. A 10.0.0.1")
		}, []string{"wrong host: 10.0.0.1, which is no public address > correct the A record"}},
		{"a machine behind a router", func(w *world) {
			w.facts.Told, w.facts.Addrs, w.facts.Sources = false, []netip.Addr{addr6}, []netip.Addr{addr6}
		}, []string{"warn host: has 192.0.2.1, which can't be compared > --public-ip"}},
		{"a machine behind a router, whose address has no name", func(w *world) {
			w.facts.Told, w.facts.Addrs, w.facts.Sources = false, []netip.Addr{addr6}, []netip.Addr{addr6}
			w.Remove("1.2.0.192.in-addr.arpa")
		}, []string{"warn host: can't be compared", "wrong reverse: 192.0.2.1 has no name"}},
		{"no MX", func(w *world) {
			w.replace("example.org", "example.org. TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"")
		},
			[]string{"wrong mx: no MX record > publish: example.org. MX 10 mail.example.org."}},
		{"the host is the domain, without MX", func(w *world) {
			w.facts.Hostname = "example.org"
			w.facts.Chain = chain(w.t, "example.org", "mta-sts.example.org")
			w.facts.Policy = mtasts.Policy{}
			w.facts.Services = nil
			w.World = dnstest.New(w.t, outside)
			w.Secure("org")
			w.publish(setup.Records(w.facts))
			w.replace("example.org", "example.org. A 192.0.2.1\nexample.org. AAAA 2001:db8::1\nexample.org. TXT \"v=spf1 a ~all\"")
			for _, ptr := range []string{"1.2.0.192.in-addr.arpa", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"} {
				w.replace(ptr, ptr+". PTR example.org.")
			}
		}, []string{"warn mx: no MX record; its address counts in its place > publish: example.org. MX 10 example.org."}},
		{"null MX", func(w *world) {
			w.replace("example.org", "example.org. MX 0 .\nexample.org. TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"")
			w.facts.Policy = mtasts.Policy{}
			w.Remove("_mta-sts.example.org")
		}, []string{"wrong mx: takes no mail (null MX) > and remove the one"}},
		{"elsewhere", func(w *world) {
			w.replace("example.org", "example.org. MX 5 mx.other.example.\nexample.org. TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all\"")
			w.Add(w.t, "mx.other.example. A 198.51.100.7")
		}, []string{"wrong mx: doesn't come here, but goes to mx.other.example", "warn mta-sts: the policy leaves out mx.other.example > mta_sts.mx"}},
		{"also elsewhere", func(w *world) {
			w.Add(w.t, "example.org. MX 20 mx.other.example.\nmx.other.example. A 198.51.100.7")
			w.facts.Policy.MX = append(w.facts.Policy.MX, "*.other.example")
			w.policy = w.facts.Policy.Text()
			w.replace("_mta-sts.example.org", `_mta-sts.example.org. TXT "`+w.facts.Policy.Record()+`"`)
		}, []string{"warn mx: comes here, but mx.other.example may take it too > must know this domain's addresses"}},
		{"another name of ours", func(w *world) {
			w.replace("example.org", "example.org. MX 5 smtp.example.org.\nexample.org. TXT \"v=spf1 mx ~all\"")
			w.Add(w.t, "smtp.example.org. A 192.0.2.1\nsmtp.example.org. AAAA 2001:db8::1")
		}, []string{"warn mx: \"smtp.example.org\" leads here > name mail.example.org", "warn mta-sts: leaves out smtp.example.org"}},
		{"MX without address", func(w *world) { w.Add(w.t, "example.org. MX 20 gone.example.org.") },
			[]string{"wrong mx: \"gone.example.org\" has no address > remove it", "warn mta-sts: leaves out gone.example.org"}},
		{"MX without answer", func(w *world) {
			w.Add(w.t, "example.org. MX 20 mx.slow.example.")
			w.Fail("mx.slow.example", "", dead)
		}, []string{"warn mx: MX \"mx.slow.example\": no answer > try again", "warn mta-sts: leaves out mx.slow.example"}},
		{"domain without answer", func(w *world) { w.Fail("example.org", "MX", dead) }, []string{
			"warn mx: example.org: no answer > try again",
			"warn spf: 192.0.2.1 may send for example.org isn't known > name servers", "warn spf: 2001:db8::1 may send for example.org isn't known > name servers"}},
		{"not in the DNS", func(w *world) {
			w.Fail("example.org", "", dns.NoName)
		}, []string{"wrong mx: is not in the DNS at all > register the domain", "wrong spf: no SPF record > publish: example.org. TXT v=spf1 mx ~all"}},
	})
}

func TestCertificate(t *testing.T) {
	with := func(chain func(t testing.TB) []*x509.Certificate) func(*world) {
		return func(w *world) { w.tellNothing(); w.facts.Chain = chain(w.t) }
	}
	runAll(t, []one{
		{"expired", with(func(t testing.TB) []*x509.Certificate {
			return chainUntil(t, now.Add(-time.Hour), "mail.example.org", "mta-sts.example.org")
		}), []string{"wrong certificate: expired on 2026-11-22 > renew it", "wrong mta-sts: expired"}},
		{"expires soon", with(func(t testing.TB) []*x509.Certificate {
			return chainUntil(t, now.AddDate(0, 0, 13), "mail.example.org", "mta-sts.example.org")
		}), []string{"warn certificate: expires soon, on 2026-12-05 > renew it"}},
		{"another name", with(func(t testing.TB) []*x509.Certificate { return chain(t, "www.example.org", "mta-sts.example.org") }),
			[]string{"wrong certificate: isn't for mail.example.org, but for www.example.org > get a certificate for mail.example.org"}},
		{"not for the policy host", with(func(t testing.TB) []*x509.Certificate { return chain(t, "mail.example.org") }),
			[]string{"wrong mta-sts: nobody gets it from https://mta-sts.example.org > get a certificate for mta-sts.example.org too"}},
		{"self-signed", with(func(t testing.TB) []*x509.Certificate {
			return []*x509.Certificate{certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"mail.example.org"},
				NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(1, 0, 0)}, nil, leafKey)}
		}), []string{"warn certificate: is self-signed > public authority", "wrong mta-sts: nobody gets it"}},
		{"without its authority", func(w *world) {
			w.tellNothing()
			w.facts.Chain = w.facts.Chain[:1]
			w.options.Roots = x509.NewCertPool()
		}, []string{"warn certificate: may not know the certificate's authority > fullchain.pem", "wrong mta-sts: unknown authority > public authority"}},
		{"none", func(w *world) { w.facts.Chain = nil; w.options.Offline = true },
			[]string{"warn certificate: no certificate > [tls]", "warn dane: no certificate to compare"}},
	})
}

func TestReverseNames(t *testing.T) {
	const ptr = "1.2.0.192.in-addr.arpa"
	runAll(t, []one{
		{"none", func(w *world) { w.Remove(ptr) }, []string{"wrong reverse: 192.0.2.1 has no name > have mail.example.org set"}},
		{"no answer", func(w *world) { w.Fail(ptr, "", dead) }, []string{"warn reverse: the name of 192.0.2.1: no answer > try again"}},
		{"another, true", func(w *world) {
			w.replace(ptr, ptr+". PTR host1.provider.example.")
			w.Add(w.t, "host1.provider.example. A 192.0.2.1")
		}, []string{"warn reverse: is called \"host1.provider.example\", but this server calls itself mail.example.org > have mail.example.org set"}},
		{"another, false", func(w *world) { w.replace(ptr, ptr+". PTR host1.provider.example.") },
			[]string{"wrong reverse: is called \"host1.provider.example\", which doesn't have this address > have mail.example.org set"}},
		{"ours, without the address", func(w *world) {
			w.facts.Sources = append(w.facts.Sources, netip.MustParseAddr("192.0.2.9"))
			w.Add(w.t, "9.2.0.192.in-addr.arpa. PTR mail.example.org.")
		}, []string{"wrong reverse: 192.0.2.9 is called mail.example.org, but that name doesn't have the address > publish: mail.example.org. A 192.0.2.9",
			"wrong spf: doesn't let 192.0.2.9 send > add ip4:192.0.2.9", "wrong spf: doesn't let 192.0.2.9 send (fail)"}},
		{"a name of its own", func(w *world) {
			w.facts.Names = map[netip.Addr]string{addr4: "out.example.org"}
			w.replace(ptr, ptr+". PTR out.example.org.")
			w.Add(w.t, "out.example.org. A 192.0.2.1\nout.example.org. TXT \"v=spf1 a -all\"")
		}, nil},
		{"unknown addresses", func(w *world) {
			w.facts.Told, w.facts.Sources, w.facts.Addrs = true, nil, nil
			w.tellNothing()
			w.replace("mail.example.org", "")
		}, []string{
			"wrong host: has no address > publish an A record", "warn reverse: isn't known from which address > --public-ip",
			"warn spf: isn't known from which address > --public-ip", "wrong mta-sts: nobody gets it"}},
	})
}

func TestSPF(t *testing.T) {
	spf := func(record string) func(*world) {
		return func(w *world) {
			w.replace("example.org", "example.org. MX 10 mail.example.org.\nexample.org. TXT \""+record+"\"")
		}
	}
	runAll(t, []one{
		{"none", func(w *world) {
			w.replace("example.org", "example.org. MX 10 mail.example.org.\nexample.org. TXT \"v=spf10\"")
		},
			[]string{"wrong spf: no SPF record > publish: example.org. TXT v=spf1 mx ~all"}},
		{"two", func(w *world) { w.Add(w.t, "example.org. TXT \"v=spf1 -all\"") }, []string{"wrong spf: has 2 SPF records > make one"}},
		{"not us", spf("v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/64 -all"), []string{"wrong spf: doesn't let 192.0.2.1 send for example.org (fail) > add ip4:192.0.2.1"}},
		{"softly not us", spf("v=spf1 ip4:192.0.2.0/24 ~all"), []string{"wrong spf: doesn't let 2001:db8::1 send for example.org (softfail) > add ip6:2001:db8::1"}},
		{"malformed", spf("v=spf1 ipv4:192.0.2.1 ~all"), []string{"wrong spf: is invalid > correct the record"}},
		{"everybody", spf("v=spf1 +all"), []string{"wrong spf: lets everybody send for example.org (by +all) > ~all"}},
		{"nobody knows", spf("v=spf1 mx ?all"), []string{"warn spf: says nothing of other servers > ~all"}},
		{"no end", spf("v=spf1 mx"), []string{"warn spf: says nothing of other servers > ~all"}},
		{"too much for others only", func(w *world) {
			spf("v=spf1 mx" + strings.Repeat(" include:i.example", 10) + " ~all")(w)
			w.Add(w.t, "i.example. TXT \"v=spf1 ip4:198.51.100.1 -all\"")
		}, []string{"wrong spf: for all but this server the SPF record of example.org is invalid > remove terms"}},
		{"no answer", func(w *world) { w.Fail("example.org", "TXT", dead) }, []string{"warn spf: example.org TXT: no answer"}},
		{"part without answer", func(w *world) {
			spf("v=spf1 include:i.example ~all")(w)
			w.Fail("i.example", "", dead)
		}, []string{"warn spf: whether 192.0.2.1 may send", "warn spf: whether 2001:db8::1 may send"}},
		{"no record of the host", func(w *world) {
			w.replace("mail.example.org", "mail.example.org. A 192.0.2.1\nmail.example.org. AAAA 2001:db8::1")
		},
			[]string{"warn spf: mail.example.org has no SPF record > publish: mail.example.org. TXT v=spf1 a -all"}},
		{"wrong record of the host", func(w *world) {
			w.replace("mail.example.org", "mail.example.org. A 192.0.2.1\nmail.example.org. AAAA 2001:db8::1\nmail.example.org. TXT \"v=spf1 -all\"")
		}, []string{"wrong spf: of mail.example.org doesn't let 192.0.2.1 send (fail) > v=spf1 a -all"}},
	})
}

func TestDKIM(t *testing.T) {
	const name = "r1._domainkey.example.org"
	runAll(t, []one{
		{"active key missing", func(w *world) { w.Remove(name) }, []string{"wrong dkim: the key r1 isn't in the DNS > publish the TXT record of " + name}},
		{"pending key missing", func(w *world) { w.Remove("e1._domainkey.example.org") }, []string{"warn dkim: the next key e1 isn't in the DNS yet > publish: e1._domainkey.example.org. TXT v=DKIM1"}},
		{"retired key missing", func(w *world) { w.facts.Keys[0].State = setup.Retired; w.Remove(name) },
			[]string{"warn dkim: the old key r1 has left the DNS already", "warn dkim: no key is in use yet > domain keys activate example.org"}},
		{"another key", func(w *world) { w.replace(name, name+`. TXT "`+record(w.t, keyOf(9))+`"`) }, []string{"wrong dkim: the key r1 in the DNS is another than ours > publish"}},
		{"two records", func(w *world) { w.Add(w.t, name+`. TXT "v=DKIM1; p="`) }, []string{"wrong dkim: has 2 text records > leave only the right one"}},
		{"revoked", func(w *world) { w.replace(name, name+`. TXT "v=DKIM1; p="`) }, []string{"wrong dkim: key revoked > publish"}},
		{"cut short", func(w *world) { w.replace(name, name+`. TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAA"`) }, []string{"wrong dkim: can't be used > publish"}},
		{"only testing", func(w *world) {
			w.replace("e1._domainkey.example.org", `e1._domainkey.example.org. TXT "`+record(w.t, keyOf(3))+`; t=y"`)
		}, []string{"warn dkim: for testing only (t=y) > remove t=y"}},
		{"not for mail", func(w *world) {
			w.replace("e1._domainkey.example.org", `e1._domainkey.example.org. TXT "`+record(w.t, keyOf(3))+`; s=other"`)
		}, []string{"wrong dkim: key is not for mail > publish"}},
		{"no answer", func(w *world) { w.Fail(name, "", dead) }, []string{"warn dkim: " + name + ": no answer"}},
		{"none in use", func(w *world) { w.facts.Keys[0].State = setup.Pending }, []string{"warn dkim: no key is in use yet, so mail isn't signed > domain keys activate example.org"}},
		{"no keys", func(w *world) { w.facts.Keys = nil }, []string{"wrong dkim: has no key > domain keys rotate example.org"}},
		{"our own is none", func(w *world) { w.facts.Keys[1].Record = "nonsense" }, []string{"wrong dkim: our own key e1 can't be used > domain keys rotate"}},
	})
}

func TestDMARC(t *testing.T) {
	with := func(records ...string) func(*world) {
		return func(w *world) {
			w.Remove("_dmarc.example.org")
			for _, r := range records {
				w.Add(w.t, "_dmarc.example.org. TXT \""+r+"\"")
			}
		}
	}
	runAll(t, []one{
		{"none", with(), []string{"warn dmarc: no DMARC record > publish: _dmarc.example.org. TXT v=DMARC1; p=none"}},
		{"from above", func(w *world) { with()(w); w.Add(w.t, "_dmarc.org. TXT \"v=DMARC1; p=reject; psd=y\"") }, nil},
		{"two", with("v=DMARC1; p=none", "v=DMARC1; p=reject"), []string{"wrong dmarc: has 2 DMARC records > leave only one"}},
		{"reject", with("v=DMARC1; p=reject; rua=mailto:x@example.org"), nil},
		{"no reports", with("v=DMARC1; p=quarantine"), []string{"warn dmarc: but for no reports (rua) > add rua=mailto:dmarc-reports@example.org"}},
		{"no policy", with("v=DMARC1; p=maybe"), []string{"wrong dmarc: no valid policy > publish: _dmarc"}},
		{"wrong beginning", with("p=none; v=DMARC1"), []string{"wrong dmarc: doesn't begin with v=DMARC1 > publish: _dmarc"}},
		{"reports elsewhere", with("v=DMARC1; p=none; rua=mailto:x@reports.example"), []string{"warn dmarc: reports to \"x@reports.example\" aren't sent > publish: example.org._report._dmarc.reports.example. TXT v=DMARC1"}},
		{"reports elsewhere, not quite allowed", func(w *world) {
			with("v=DMARC1; p=none; rua=mailto:x@reports.example")(w)
			w.Add(w.t, "example.org._report._dmarc.reports.example. TXT v=DMARC2")
		}, []string{"warn dmarc: aren't sent"}},
		{"reports above", with("v=DMARC1; p=none; rua=mailto:x@org,mailto:y@sub.example.org"), nil},
		{"reports elsewhere, allowed", func(w *world) {
			with("v=DMARC1; p=none; rua=mailto:x@reports.example")(w)
			w.Add(w.t, "*._report._dmarc.reports.example. TXT nothing\nexample.org._report._dmarc.reports.example. TXT v=DMARC1")
		}, nil},
		{"no answer", func(w *world) { w.Fail("_dmarc.example.org", "", dead) }, []string{"warn dmarc: no answer"}},
		{"no answer from above", func(w *world) { with()(w); w.Fail("_dmarc.org", "", dead) }, []string{"warn dmarc: isn't known for now > try again"}},
	})
}

func TestMTASTS(t *testing.T) {
	const name = "_mta-sts.example.org"
	serve := func(p mtasts.Policy) func(*world) {
		return func(w *world) { w.policy = p.Text() }
	}
	ours := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mail.example.org"}, MaxAge: 14 * 24 * time.Hour}
	elsewhere := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx.other.example"}, MaxAge: time.Hour}
	runAll(t, []one{
		{"none", func(w *world) { w.Remove(name) }, []string{"warn mta-sts: no MTA-STS record > publish: " + name + ". TXT v=STSv1; id="}},
		{"none wanted", func(w *world) { w.Remove(name); w.facts.Policy = mtasts.Policy{} }, nil},
		{"taken back", func(w *world) {
			w.facts.Policy = mtasts.Policy{MaxAge: time.Hour}
			w.policy = w.facts.Policy.Text()
			w.replace(name, name+`. TXT "`+w.facts.Policy.Record()+`"`)
		}, nil},
		{"malformed", func(w *world) { w.replace(name, name+`. TXT "v=STSv1; id=2026-11-22"`) }, []string{"wrong mta-sts: malformed > publish"}},
		{"two", func(w *world) { w.Add(w.t, name+`. TXT "v=STSv1; id=2"`) }, []string{"wrong mta-sts: several records"}},
		{"enforced, well", func(w *world) {
			w.facts.Policy = ours
			w.policy = ours.Text()
			w.replace(name, name+`. TXT "`+ours.Record()+`"`)
		}, nil},
		{"old id", func(w *world) { w.replace(name, name+`. TXT "v=STSv1; id=1"`) }, []string{"warn mta-sts: the record's id \"1\" isn't that of the policy > id="}},
		{"another server's, without us", serve(elsewhere), []string{"wrong mta-sts: the policy leaves out mail.example.org > mta_sts.mx", "warn mta-sts: has another policy than this server (mode enforce)"}},
		{"nobody answers", func(w *world) {
			clear(w.ports)
			w.tellNothing()
			w.options.Blocklists = []string{}
			w.facts.Services = nil
			w.facts.SmartHost = "smtp.provider.example"
		},
			[]string{"wrong mta-sts: connection refused > let mta-sts.example.org lead to this server", "wrong srv: ", "wrong srv: ", "wrong srv: "}},
		{"nonsense", func(w *world) { w.policy = "<html>" }, []string{"wrong mta-sts: nobody gets it"}},
		{"no answer", func(w *world) { w.Fail(name, "", dead) }, []string{"warn mta-sts: no answer"}},
		{"no policy host", func(w *world) { w.Remove("mta-sts.example.org") }, []string{"wrong mta-sts: nobody gets it > CNAME mail.example.org."}},
	})
}

func TestTLSReports(t *testing.T) {
	const name = "_smtp._tls.example.org"
	runAll(t, []one{
		{"none", func(w *world) { w.Remove(name) }, []string{"warn tls-rpt: no TLS-RPT record > publish: " + name}},
		{"two", func(w *world) { w.Add(w.t, name+`. TXT "v=TLSRPTv1; rua=mailto:b@example.org"`) }, []string{"wrong tls-rpt: has 2 TLS-RPT records"}},
		{"nowhere", func(w *world) { w.replace(name, name+`. TXT "v=TLSRPTv1; rua=ftp://x"`) }, []string{"wrong tls-rpt: no address to report to > publish"}},
		{"by web", func(w *world) { w.replace(name, name+`. TXT "v=TLSRPTv1;rua=https://reports.example/tls"`) }, nil},
		{"no answer", func(w *world) { w.Fail(name, "", dead) }, []string{"warn tls-rpt: no answer"}},
	})
}

func TestDNSSECAndDANE(t *testing.T) {
	const name = "_25._tcp.mail.example.org"
	insecure := func(w *world) {
		w.World = dnstest.New(w.t, outside)
		w.publish(setup.Records(w.facts))
	}
	runAll(t, []one{
		{"bogus", func(w *world) { w.Fail("mail.example.org", "", dns.Bogus) }, []string{
			"wrong host: signed wrongly > signatures", "wrong reverse: signed wrongly", "wrong reverse: signed wrongly",
			"warn spf: ", "warn spf: ", "wrong dnssec: mail.example.org: the answer is signed wrongly > DS record"}},
		{"no TLSA", func(w *world) { w.Remove(name) }, []string{"warn dane: has no TLSA record > publish: " + name + ". TLSA 3 1 1 "}},
		{"another key", func(w *world) { w.replace(name, name+". TLSA 3 1 1 "+strings.Repeat("ab", 32)) }, []string{"wrong dane: no TLSA record is that of the certificate in use > publish"}},
		{"another key beside ours", func(w *world) { w.Add(w.t, name+". TLSA 3 1 1 "+strings.Repeat("ab", 32)) }, nil},
		{"of no use", func(w *world) { w.replace(name, name+". TLSA 1 1 1 "+strings.Repeat("ab", 32)) }, []string{"wrong dane: none of the TLSA records can be used"}},
		{"no answer for TLSA", func(w *world) { w.Fail(name, "", dead) }, []string{"wrong dane: senders with DANE keep their mail > answer questions for TLSA"}},
		{"TLSA without DNSSEC", insecure, []string{"warn dnssec: isn't known whether the zones are signed > unbound", "warn dane: DNSSEC doesn't vouch for it > sign the zone"}},
		{"wrong TLSA without DNSSEC", func(w *world) { insecure(w); w.replace(name, name+". TLSA 3 1 1 "+strings.Repeat("ab", 32)) },
			[]string{"warn dnssec: isn't known", "warn dane: no TLSA record is that of the certificate in use"}},
		{"no TLSA without DNSSEC", func(w *world) { insecure(w); w.Remove(name) }, []string{"warn dnssec: isn't known"}},
		{"only the top is signed", func(w *world) {
			w.options.DNS = half{w, nil}
			w.Remove(name)
		}, nil},
	})
}

// TestWhichZoneIsNotSigned: the domain's zone and the host's can be two.
func TestWhichZoneIsNotSigned(t *testing.T) {
	for want, signed := range map[string][]string{
		"DNSSEC vouches for example.org and mail.example.org":        {"org"},
		"DNSSEC doesn't vouch for mail.example.org.":                 {"example.org"},
		"DNSSEC doesn't vouch for example.org.":                      {"mail.example.org"},
		"DNSSEC doesn't vouch for example.org and mail.example.org.": {},
	} {
		w := newWorld(t)
		w.options.DNS = half{w, signed}
		i := slices.IndexFunc(w.check().Findings, func(f setup.Finding) bool { return f.Topic == "dnssec" && strings.HasPrefix(f.Text, want) })
		if i < 0 {
			t.Errorf("%v: %s", signed, text(w.check()))
		}
	}
}

// half is a resolver that validates, where some names are signed: "org" for all below it.
type half struct {
	setup.Resolver
	signed []string
}

func (h half) vouches(name string) bool {
	return slices.Contains(h.signed, name) || slices.Contains(h.signed, "org")
}

func (h half) LookupMX(ctx context.Context, name string) (dns.Answer[dns.MX], error) {
	a, err := h.Resolver.LookupMX(ctx, name)
	a.Secure = h.vouches(name)
	return a, err
}

func (h half) LookupIP(ctx context.Context, name string) (dns.Answer[netip.Addr], error) {
	a, err := h.Resolver.LookupIP(ctx, name)
	a.Secure = h.vouches(name)
	return a, err
}

func TestServices(t *testing.T) {
	runAll(t, []one{
		{"missing", func(w *world) { w.Remove("_imaps._tcp.example.org"); w.Remove("_imap._tcp.example.org") }, []string{"warn srv: don't find _imaps, _imap by themselves > domain records example.org"}},
		{"said to be absent", func(w *world) { w.replace("_imaps._tcp.example.org", "_imaps._tcp.example.org. SRV 0 0 0 .") }, []string{"wrong srv: says that the service isn't there, but it is > SRV 0 1 993"}},
		{"elsewhere", func(w *world) {
			w.replace("_imaps._tcp.example.org", "_imaps._tcp.example.org. SRV 0 1 993 imap.other.example.")
		}, []string{"wrong srv: leads to \"imap.other.example\" port 993, not to this server"}},
		{"another port", func(w *world) {
			w.replace("_imaps._tcp.example.org", "_imaps._tcp.example.org. SRV 0 1 143 mail.example.org.")
		}, []string{"wrong srv: port 143, not to this server"}},
		{"not offered", func(w *world) { w.Add(w.t, "_pop3._tcp.example.org. SRV 0 1 110 mail.example.org.") }, []string{"wrong srv: this server doesn't offer that > remove the record"}},
		{"not offered, and said so", func(w *world) { w.Add(w.t, "_pop3._tcp.example.org. SRV 0 0 0 .") }, nil},
		{"no answer", func(w *world) { w.Fail("_pop3s._tcp.example.org", "", dead) }, []string{"warn srv: _pop3s._tcp.example.org: no answer"}},
		{"told elsewhere", func(w *world) {
			w.facts.Public = []setup.Service{{Protocol: setup.IMAP, Port: 10993, Implicit: true, Host: "imap.example.net"}, {Protocol: setup.IMAP, Port: 143}, {Protocol: setup.Submission, Port: 465, Implicit: true}}
		}, []string{"wrong srv: _imaps._tcp.example.org leads to \"mail.example.org\" port 993, not to imap.example.net > SRV 0 1 10993 imap.example.net."}},
		{"settings, no name", func(w *world) { w.Remove("autodiscover.example.org") }, []string{"warn autoconfig: autodiscover.example.org isn't there > CNAME mail.example.org."}},
		{"settings elsewhere", func(w *world) { w.replace("autoconfig.example.org", "autoconfig.example.org. A 198.51.100.9") }, nil},
		{"settings, not told", func(w *world) { w.facts.Autoconfig = false; w.Remove("autoconfig.example.org") }, []string{"warn autoconfig: autodiscover.example.org leads to this server, which doesn't tell > remove it"}},
		{"settings, not asked", func(w *world) { w.options.Offline = true }, nil},
		{"settings, nobody there", func(w *world) {
			delete(w.ports, "192.0.2.1:443")
			delete(w.ports, "[2001:db8::1]:443")
			w.facts.Policy.Mode = mtasts.None
			w.Remove("_mta-sts.example.org")
		}, []string{"wrong autoconfig: no settings from https://autoconfig.example.org: dial tcp: connection refused > port 443", "wrong autoconfig: autodiscover", "warn ports", "warn ports"}},
		{"settings, a certificate for others", func(w *world) {
			w.facts.Chain = chain(w.t, "mail.example.org", "mta-sts.example.org", "autoconfig.example.org")
		}, []string{"wrong autoconfig: https://autodiscover.example.org: the certificate isn't for this name > get a certificate for autodiscover.example.org"}},
		{"settings, an unknown authority", func(w *world) {
			w.facts.Policy.Mode = mtasts.None
			w.Remove("_mta-sts.example.org")
			w.options.Roots = x509.NewCertPool()
			w.facts.Chain = w.facts.Chain[:1]
		}, []string{"warn certificate", "wrong autoconfig: nobody knows who has signed > public authority", "wrong autoconfig: autodiscover"}},
		{"settings, no answer", func(w *world) { w.Fail("autoconfig.example.org", "", dead) }, []string{"warn autoconfig: no answer"}},
	})
}

func TestBlocklists(t *testing.T) {
	const entry4, entry6 = "1.2.0.192.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."
	const test6 = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	runAll(t, []one{
		{"listed", func(w *world) {
			w.Add(w.t, entry4+"list.example. A 127.0.0.4\n"+entry4+"list.example. TXT \"see https://list.example/?192.0.2.1\"")
		}, []string{"wrong blocklists: 192.0.2.1 is on the list list.example (127.0.0.4): \"see https://list.example/?192.0.2.1\" > taken off at the list's web page"}},
		{"listed by IPv6", func(w *world) { w.Add(w.t, test6+"list.example. A 127.0.0.2\n"+entry6+"list.example. A 127.0.0.2") },
			[]string{"wrong blocklists: 2001:db8::1 is on the list list.example (127.0.0.2)"}},
		{"policy list", func(w *world) {
			w.options.Blocklists = []string{"zen.spamhaus.org"}
			w.Add(w.t, "2.0.0.127.zen.spamhaus.org. A 127.0.0.2\n"+entry4+"zen.spamhaus.org. A 127.0.0.10")
		}, []string{"wrong blocklists: zen.spamhaus.org (127.0.0.10) > shouldn't send mail by themselves"}},
		{"such a code of another list", func(w *world) { w.Add(w.t, entry4+"list.example. A 127.0.0.10") }, []string{"wrong blocklists: list.example (127.0.0.10) > find out what was sent"}},
		{"policy list, and more", func(w *world) {
			w.options.Blocklists = []string{"zen.spamhaus.org"}
			w.Add(w.t, "2.0.0.127.zen.spamhaus.org. A 127.0.0.2\n"+entry4+"zen.spamhaus.org. A 127.0.0.11\n"+entry4+"zen.spamhaus.org. A 127.0.0.4")
		}, []string{"wrong blocklists: zen.spamhaus.org (127.0.0.11, 127.0.0.4) > find out what was sent"}},
		{"lists everybody", func(w *world) { w.Add(w.t, "1.0.0.127.list.example. A 127.0.0.2\n"+entry4+"list.example. A 127.0.0.2") }, []string{"warn blocklists: list.example gave no answer that makes sense"}},
		{"dead", func(w *world) { w.Remove("2.0.0.127.list.example") }, []string{"warn blocklists: list.example gave no answer that makes sense > --blocklist"}},
		{"taken over", func(w *world) { w.Add(w.t, entry4+"list.example. A 198.51.100.1") }, []string{"warn blocklists: list.example gave no answer that makes sense"}},
		{"refuses us", func(w *world) { w.replace("2.0.0.127.list.example", "2.0.0.127.list.example. A 127.255.255.254") }, []string{"warn blocklists: is on list.example can't be found out through this resolver > resolver of your own"}},
		{"refuses us, as if listed", func(w *world) { w.Add(w.t, entry4+"list.example. A 127.255.255.254") }, []string{"warn blocklists: can't be found out through this resolver"}},
		{"no answer", func(w *world) { w.Fail(entry4+"list.example", "", dead) }, []string{"warn blocklists: no answer that makes sense"}},
		{"none wanted", func(w *world) { w.options.Blocklists = []string{} }, nil},
	})
}

func TestPorts(t *testing.T) {
	runAll(t, []one{
		{"not ours", func(w *world) { // strangers aren't knocked at
			w.facts.Addrs = []netip.Addr{addr6}
			for p := range w.ports {
				if strings.HasPrefix(p, "192.0.2.1:") {
					delete(w.ports, p)
				}
			}
		}, []string{"wrong host: has 192.0.2.1, which is not this server's"}},
		{"closed", func(w *world) { delete(w.ports, "192.0.2.1:993") }, []string{"warn ports: 192.0.2.1 port 993 (imap) can't be reached from here: > let the port in"}},
		{"another server", func(w *world) { w.ports["192.0.2.1:25"] = say("220 router.provider.example ESMTP\r\n") }, []string{"wrong ports: 192.0.2.1 port 25 (smtp) is not this server: it greets with \"220 router.provider.example ESMTP\""}},
		{"no TLS", func(w *world) { w.ports["192.0.2.1:993"] = say("* OK ready\r\n") }, []string{"warn ports: port 993"}},
		{"ends in the middle of its line", func(w *world) {
			w.ports["192.0.2.1:25"] = func(c net.Conn) { io.WriteString(c, "220 mail.example.org") }
		}, nil},
		{"says nothing", func(w *world) { w.ports["[2001:db8::1]:143"] = func(net.Conn) {} }, []string{"warn ports: 2001:db8::1 port 143"}},
	})
}

func TestOutbound(t *testing.T) {
	const v4, v6 = "198.51.100.25:25", "[2001:db8:100::25]:25"
	runAll(t, []one{
		{"closed", func(w *world) { delete(w.ports, v4); delete(w.ports, v6) }, []string{"wrong port 25 out: over IPv4: mx.gmail.com [198.51.100.25]:25 didn't answer > ask your provider", "wrong port 25 out: over IPv6"}},
		{"closed, and no IPv6 here", func(w *world) {
			delete(w.ports, v4)
			delete(w.ports, v6)
			w.facts.Addrs, w.facts.Sources = []netip.Addr{addr4}, []netip.Addr{addr4}
			w.replace("mail.example.org", "mail.example.org. A 192.0.2.1\nmail.example.org. TXT \"v=spf1 a -all\"")
		}, []string{"wrong port 25 out: over IPv4"}},
		{"not welcome", func(w *world) { w.ports[v4] = say("554 you are on a list\r\n") }, []string{"warn port 25 out: doesn't welcome us: \"554 you are on a list\" > listed"}},
		{"a domain without mail", func(w *world) { w.options.Probe = "nowhere.example" }, []string{"warn port 25 out: no mail host of \"nowhere.example\" > --probe"}},
		{"a host without address", func(w *world) { w.options.Probe = "odd.example"; w.Add(w.t, "odd.example. MX 1 gone.example.") }, []string{"warn port 25 out: \"gone.example\" has no address > --probe"}},
		{"smart host", func(w *world) {
			delete(w.ports, v4)
			w.facts.SmartHost = "smtp.provider.example"
			w.Remove("1.2.0.192.in-addr.arpa")
			w.Add(w.t, "1.2.0.192.list.example. A 127.0.0.2")
			w.replace("example.org", "example.org. MX 10 mail.example.org.\nexample.org. TXT \"v=spf1 include:provider.example ~all\"")
			w.Add(w.t, "provider.example. TXT \"v=spf1 ip4:198.51.100.0/24 -all\"")
		}, nil},
	})
}

// TestOffline: nobody is connected to.
func TestOffline(t *testing.T) {
	w := newWorld(t)
	w.options.Offline = true
	r := w.check()
	if w.dials > 0 || r.Count(setup.OK) != len(r.Findings) {
		t.Errorf("%d connections\n%s", w.dials, text(r))
	}
}

// TestDeadDNS: where no DNS answers, one line says so.
func TestDeadDNS(t *testing.T) {
	w := newWorld(t)
	w.Fail("example.org", "", dead)
	w.Fail("mail.example.org", "", dead)
	r := w.check()
	if len(r.Findings) != 1 || r.Findings[0].Level != setup.Wrong || !strings.Contains(r.Findings[0].Text, "no DNS server answers") {
		t.Error(text(r))
	}
}

// TestNobodyAnswers: silence takes no longer than it may, and each topic says that it isn't known.
func TestNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		begin := time.Now()
		w.options.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		w.options.Timeout = 30 * time.Second
		w.options.Now = nil
		r := w.check()
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		if slices.ContainsFunc(r.Findings, func(f setup.Finding) bool { return f.Topic == "ports" && f.Level == setup.OK }) {
			t.Errorf("some port answers in\n%s", text(r))
		}
		for _, topic := range []string{"mta-sts", "ports", "port 25 out"} {
			if !slices.ContainsFunc(r.Findings, func(f setup.Finding) bool { return f.Topic == topic && f.Level != setup.OK }) {
				t.Errorf("nothing of %s in\n%s", topic, text(r))
			}
		}
	})
}

// slow answers nothing until the asker gives up.
type slow struct{ setup.Resolver }

func (slow) LookupMX(ctx context.Context, _ string) (dns.Answer[dns.MX], error) {
	<-ctx.Done()
	return dns.Answer[dns.MX]{}, context.Cause(ctx)
}

func TestSilentDNSEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.options.DNS = slow{w}
		w.options.Timeout = 10 * time.Second
		begin := time.Now()
		if r := w.check(); len(r.Findings) != 1 || time.Since(begin) != 10*time.Second {
			t.Errorf("took %v\n%s", time.Since(begin), text(r))
		}
	})
}

// TestCanceled: whoever asked has gone.
func TestCanceled(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone"))
	if r := setup.Check(ctx, w.facts, w.options); len(r.Findings) != 1 {
		t.Error(text(r))
	}
}

// TestStrangersCannotWriteOnTheTerminal: whatever the DNS, servers and lists say stays within its line, and short.
func TestStrangersCannotWriteOnTheTerminal(t *testing.T) {
	const evil = `\027[2J\027]0;owned\007\013\010ok    all is well\226\128\174`
	long := strings.Repeat(`"`+strings.Repeat("x", 255)+`" `, 200)
	w := newWorld(t)
	for name, records := range map[string]string{
		"example.org":               `example.org. MX 5 e\027vil.example.` + "\n" + `example.org. MX 6 mx.gmail.com.` + "\n" + `example.org. TXT "v=spf1 exists:` + evil + ` -all"`,
		"r1._domainkey.example.org": `r1._domainkey.example.org. TXT "v=DKIM1; k=` + evil + `; p=x"`,
		"e1._domainkey.example.org": `e1._domainkey.example.org. TXT ` + long,
		"_dmarc.example.org":        `_dmarc.example.org. TXT "v=DMARC1; p=none; rua=mailto:` + evil + `@other.example"`,
		"_mta-sts.example.org":      `_mta-sts.example.org. TXT "v=STSv1; id=` + evil + `"`,
		"_smtp._tls.example.org":    `_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:` + evil + `@x.example"`,
		"_imaps._tcp.example.org":   `_imaps._tcp.example.org. SRV 0 1 993 \027[2J.example.`,
		"1.2.0.192.in-addr.arpa":    `1.2.0.192.in-addr.arpa. PTR a\010b.example.`,
		"1.2.0.192.list.example":    `1.2.0.192.list.example. A 127.0.0.2` + "\n" + `1.2.0.192.list.example. TXT "` + evil + `" ` + long,
		"autoconfig.example.org":    `autoconfig.example.org. CNAME \027[2J.example.`,
	} {
		w.replace(name, records)
	}
	w.ports["192.0.2.1:25"] = say("220 \x1b[2J\x1b]0;owned\a " + strings.Repeat("y", 4000) + "\r\n")
	w.ports["198.51.100.25:25"] = say("554 \x1b[2J\xe2\x80\xae\xff\r\n")
	w.policy = "version: STSv1\nmode: \x1b[2J\n"
	r := w.check()
	for _, f := range r.Findings {
		for _, s := range []string{f.Text, f.Fix, f.Topic} {
			if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) || len(s) > 750 {
				t.Errorf("%q", s)
			}
		}
	}
	if r.Count(setup.Wrong) < 5 || len(r.Findings) > 60 {
		t.Error(text(r))
	}
}
