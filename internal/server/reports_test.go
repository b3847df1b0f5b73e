package server_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/reports"
	checks "postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/transfer"
)

// pair are two whole servers that reach one another: A serves here.example and reports in its name, B serves there.example.
type pair struct {
	a, b *servertest.Server
	zone *dnstest.World
	sent chan string // what became of A's attempts
}

const pairZone = `
	here.example.              MX 10 mx.here.example.
	mx.here.example.           A 192.0.2.10
	here.example.              TXT "v=spf1 ip4:192.0.2.10 -all"
	_dmarc.here.example.       TXT "v=DMARC1; p=reject"
	there.example.             MX 10 mx.there.example.
	mx.there.example.          A 192.0.2.25
	_smtp._tls.there.example.  TXT "v=TLSRPTv1; rua=mailto:tls-reports@there.example"
	_dmarc.there.example.      TXT "v=DMARC1; p=none"
	example.test.              TXT "v=spf1 -all"
	_dmarc.example.test.       TXT "v=DMARC1; p=none; rua=mailto:dmarc-reports@there.example"
	example.test._report._dmarc.there.example. TXT "v=DMARC1"
`

func newPair(t *testing.T, changes ...func(*config.Config)) *pair {
	t.Helper()
	p := &pair{zone: dnstest.New(t, pairZone), sent: make(chan string, 100)}
	dial := func(from string, to **servertest.Server, at string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, address string) (net.Conn, error) {
			if address != at {
				return nil, fault.New(fault.Unavailable, "nobody at %s", address)
			}
			return (*to).Network.DialFrom(ctx, from, "mem:25")
		}
	}
	patient := func(name string) func(*config.Config) {
		return func(c *config.Config) {
			c.Hostname, c.Checks.Greylist, c.Reports.Contact = name, config.SwitchOff, "reports@"+name[len("mx."):]
			for _, change := range changes {
				change(c)
			}
		}
	}
	p.b = servertest.Start(t, servertest.Options{DNS: p.zone, Dial: dial("192.0.2.25", &p.a, "192.0.2.10:25"), Change: patient("mx.there.example")})
	p.a = servertest.Start(t, servertest.Options{DNS: p.zone, Dial: dial("192.0.2.10", &p.b, "192.0.2.25:25"), Change: patient("mx.here.example"),
		Logger: slog.New(&outcomes{p.sent})})
	for s, who := range map[*servertest.Server]string{p.a: "ann@here.example", p.b: "ben@there.example"} {
		local, domain, _ := strings.Cut(who, "@")
		s.AddAccount(local)
		if err := s.Store().Admin.AddDomain(t.Context(), domain); err != nil {
			t.Fatal(err)
		}
		if err := s.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: who, Targets: []string{local + "@" + servertest.Domain}}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// sends puts a letter into a server's queue.
func sends(t *testing.T, s *servertest.Server, from, to string) {
	t.Helper()
	err := s.Submit(t.Context(), transfer.Job{Envelope: transfer.Envelope{ID: "letter", From: from, Received: s.Clock.Now()},
		Recipients: []transfer.Recipient{{Address: to}}, Content: strings.NewReader(letter(from))})
	if err != nil {
		t.Fatal(err)
	}
}

// sign has A's keys of here.example sign, and returns what the DNS should have.
func (p *pair) sign(t *testing.T) keyRecords {
	t.Helper()
	keys, err := p.a.Store().Admin.Keys(t.Context(), "here.example")
	if err != nil {
		t.Fatal(err)
	}
	records := keyRecords{}
	for _, k := range keys {
		records[k.Name] = k.Record
		if err := p.a.Store().Admin.ActivateKey(t.Context(), admin.KeyChange{Domain: "here.example", Selector: k.Selector, Unchecked: true}); err != nil {
			t.Fatal(err)
		}
	}
	return records
}

// day has a day go by, and A's reports leave.
func (p *pair) day(t *testing.T) int {
	t.Helper()
	p.a.Clock.Advance(24 * time.Hour)
	p.b.Clock.Advance(24 * time.Hour)
	sent, err := p.a.Store().Admin.SendReports(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sent.Sent
}

// await waits until A's attempts have come to all that is wanted.
func (p *pair) await(wanted ...string) {
	for len(wanted) > 0 {
		got := <-p.sent
		wanted = slices.DeleteFunc(wanted, func(w string) bool { return strings.HasPrefix(got, w) })
	}
}

// tlsa gives B's host a TLSA record that its certificate doesn't fit: with usage 3 mail waits, with usage 0 the record counts for nothing.
func (p *pair) tlsa(t *testing.T, usage int) {
	p.zone.Secure("there.example")
	p.zone.Add(t, fmt.Sprintf("_25._tcp.mx.there.example. 60 IN TLSA %d 1 1 %x\n", usage, sha256.Sum256(nil)))
}

// TestReportsReachTheOtherSite: the TLSA records of B's host are of no use, and mail in B's name that B doesn't vouch for comes to A. The
// next day B knows both from A.
func TestReportsReachTheOtherSite(t *testing.T) {
	p := newPair(t)
	p.zone.Add(t, p.sign(t).zone())
	p.tlsa(t, 0)
	sends(t, p.a, "ann@example.test", "ben@there.example")
	p.await("delivered 2.0.0 ben@there.example TLS1.3 unverified")
	ann := watch(t, p.a, "ann")
	sends(t, p.b, "ben@example.test", "ann@here.example")
	if got := <-ann.told; got != "exists 1" {
		t.Fatalf("told %q", got)
	}
	if n := p.day(t); n != 2 {
		t.Fatalf("%d reports sent", n)
	}
	p.await("delivered 2.0.0 tls-reports@there.example", "delivered 2.0.0 dmarc-reports@there.example")
	tls, err := p.b.Store().Admin.TLSReports(t.Context(), admin.ReportQuery{Domain: "there.example"})
	if err != nil || len(tls) != 1 || len(tls[0].Policies) != 1 {
		t.Fatalf("%+v %v", tls, err)
	}
	if r := tls[0]; r.Organization != "here.example" || r.Contact != "reports@here.example" || r.VouchedBy != "here.example" ||
		!r.Begin.Equal(time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", r)
	}
	policy := tls[0].Policies[0]
	policy.Policy = nil
	want := admin.TLSPolicy{Domain: "mx.there.example", Type: "tlsa", Failures: 1, Details: []admin.TLSFailure{{Type: "tlsa-invalid", Sessions: 1,
		Host: "mx.there.example", HostIP: "192.0.2.25"}}}
	policy.Details[0].SendingIP = ""
	if d := cmp.Diff(want, policy); d != "" {
		t.Error(d)
	}
	dmarc, err := p.b.Store().Admin.DMARCReports(t.Context(), admin.ReportQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]admin.DMARCSource{{Domain: "example.test", IP: "192.0.2.25", Messages: 1, DKIM: "fail", SPF: "fail", Disposition: "none",
		Sender: "example.test", Reporters: []string{"here.example"}, Reports: 1}}, dmarc.Sources); d != "" {
		t.Error(d)
	}
	if len(dmarc.Reports) != 1 || dmarc.Reports[0].VouchedBy != "here.example" || dmarc.Reports[0].Policy != "none" {
		t.Errorf("%+v", dmarc.Reports)
	}
	if n := arrivedFor(t, p.b, "ben"); n != 1 {
		t.Errorf("%d messages in the mailbox: reports don't go there", n)
	}
	if text := metricsOf(t, p.b); !strings.Contains(text, "postroad_reports_received_total 2\n") || !strings.Contains(text, "postroad_reports_tls_failures_total 1\n") {
		t.Errorf("metrics:\n%s", text)
	}
	p.a.Check()
	p.b.Check()
}

// TestForgedReports: a report arrives in spite of the trouble with TLS that it is about (RFC 8460 §3), but what nobody vouches for isn't
// kept.
func TestForgedReports(t *testing.T) {
	p := newPair(t)
	p.zone.Remove("_dmarc.here.example") // else they would be refused
	p.tlsa(t, 3)
	sends(t, p.a, "ann@example.test", "ben@there.example")
	p.await("deferred 4.7.5 ben@there.example")
	if _, err := p.a.Store().Admin.DropQueue(t.Context(), admin.QueueChange{All: true}); err != nil {
		t.Fatal(err)
	}
	if n := p.day(t); n != 0 {
		t.Fatalf("%d reports sent, though nothing would sign them", n)
	}
	p.sign(t) // by keys that the DNS doesn't have
	if n := p.day(t); n != 1 {
		t.Fatalf("%d reports sent", n)
	}
	p.await("delivered 2.0.0 tls-reports@there.example")
	tls, err := p.b.Store().Admin.TLSReports(t.Context(), admin.ReportQuery{})
	if err != nil || len(tls) != 0 {
		t.Errorf("%+v %v", tls, err)
	}
	if text := metricsOf(t, p.b); !strings.Contains(text, "postroad_reports_ignored_total 1\n") {
		t.Errorf("metrics:\n%s", text)
	}
}

// TestReportsCanBeSwitchedOff.
func TestReportsCanBeSwitchedOff(t *testing.T) {
	no := false
	s := newSites(t, thereZone+"_smtp._tls.there.example. 60 IN TXT \"v=TLSRPTv1; rua=mailto:ben@there.example\"\n", func(c *config.Config, _ *sites) {
		c.Reports.SendTLS, c.Reports.SendDMARC = &no, &no
	})
	s.submits("ben@there.example")
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 unverified")
	s.here.Clock.Advance(24 * time.Hour)
	if n, err := s.here.Store().Admin.SendReports(t.Context()); err != nil || n.Sent != 0 {
		t.Errorf("%+v %v", n, err)
	}
}

// TestReportAddresses are there without an account, and leave the name to one.
func TestReportAddresses(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	for _, rcpt := range []string{"tls-reports", "DMARC-Reports"} {
		if got := from(t, s, "192.0.2.1", "x@good.example", rcpt, "Subject: no report\r\n\r\nHello.\r\n"); !strings.HasPrefix(got, "250 ") {
			t.Errorf("%s: %s", rcpt, got)
		}
	}
	if got := from(t, s, "192.0.2.1", "x@good.example", "reports", "\r\n"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Error(got)
	}
	s.AddAccount("tls-reports")
	if got := from(t, s, "192.0.2.1", "x@good.example", "tls-reports", "Subject: x\r\n\r\nHello.\r\n"); !strings.HasPrefix(got, "250 ") || arrivedFor(t, s, "tls-reports") != 1 {
		t.Error(got, "an account of that name goes first")
	}
}

// arrivedFor counts what is in an INBOX.
func arrivedFor(t *testing.T, s *servertest.Server, who string) int {
	t.Helper()
	c := s.IMAP(who, nil)
	d, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return int(d.NumMessages)
}

func metricsOf(t *testing.T, s *servertest.Server) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	c := httpOver(t, s, servertest.HTTPS)
	c.Transport.(*http.Transport).TLSClientConfig.ServerName = "localhost" // whatever the host is called
	_, page := get(t, c, "https://localhost/metrics", "Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return page
}

// TestPartialSignaturesVouchForNothing: whoever puts something behind what they cover leaves no trace (RFC 8460 §3).
func TestPartialSignaturesVouchForNothing(t *testing.T) {
	v := checks.Verdict{ID: "mail.example.test", DKIM: []dkim.Result{{Status: authres.Pass, Domain: "whole.example", KeyBits: 2048}, {Status: authres.Pass, Domain: "part.example", KeyBits: 2048, Unsigned: 7},
		{Status: authres.Fail, Domain: "wrong.example"}}}
	found, err := authres.Parse(v.Results().Value())
	if err != nil {
		t.Fatal(err)
	}
	var a reports.Arrived
	server.Vouching(&a, found.Methods)
	if !slices.Equal(a.Signers, []string{"whole.example"}) {
		t.Errorf("%q vouch", a.Signers)
	}
}
