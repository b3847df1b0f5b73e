package server_test

import (
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

const failingRecord = `_dmarc.example.test. 60 IN TXT "v=DMARC1; p=reject; ruf=mailto:dmarc-reports@there.example"` + "\n"

func sendFailures(c *config.Config) { c.Reports.SendFailure = true }

// forge has B bring A a message in the name of example.test, which A refuses.
func (p *pair) forge(t *testing.T) {
	t.Helper()
	p.zone.Remove("_dmarc.example.test")
	p.zone.Add(t, failingRecord)
	sends(t, p.b, "ben@example.test", "ann@here.example")
}

// TestFailureReportReachesTheOtherSite: a message in the name of example.test comes to A, which can't be authenticated. Whom example.test's record names
// hears of it at once, with the header, but neither of its text nor of who it was for.
func TestFailureReportReachesTheOtherSite(t *testing.T) {
	p := newPair(t, sendFailures)
	p.zone.Add(t, p.sign(t).zone())
	p.forge(t)
	p.await("delivered 2.0.0 dmarc-reports@there.example")
	got, err := p.b.Store().Admin.FailureReports(t.Context(), admin.ReportQuery{Domain: "example.test"})
	if err != nil || len(got.Reports) != 1 || len(got.Sources) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	r := got.Reports[0]
	if r.Organization != "here.example" || r.Contact != "reports@here.example" || r.VouchedBy != "here.example" || r.IP != "192.0.2.25" || r.Failure != "dmarc" ||
		r.Delivery != "reject" || strings.Join(r.NotAligned, " ") != "dkim spf" || r.Domain != "example.test" || !strings.Contains(r.SPFRecord, "v=spf1 -all") {
		t.Errorf("%+v", r)
	}
	if r.Subject != "hello" || r.MessageID == "" || !strings.HasSuffix(r.MailFrom, "@example.test") || !strings.Contains(r.Results, "dmarc=fail") {
		t.Errorf("%+v", r)
	}
	for _, private := range []string{"ann@", "ben@", "Hello."} {
		if strings.Contains(r.Header+r.Results+r.MailFrom+r.From, private) {
			t.Errorf("it tells of %s: %+v", private, r)
		}
	}
	if s := got.Sources[0]; s.Incidents != 1 || s.Domain != "example.test" || s.Reporters[0] != "here.example" {
		t.Errorf("%+v", s)
	}
	if text := metricsOf(t, p.b); !strings.Contains(text, "postroad_reports_failures_told_total 1\n") {
		t.Errorf("metrics:\n%s", text)
	}
	p.a.Check()
	p.b.Check()
}

// TestFailureReportsAreOff unless the settings say otherwise: the next day's aggregate report is all that leaves.
func TestFailureReportsAreOff(t *testing.T) {
	p := newPair(t)
	p.zone.Add(t, p.sign(t).zone())
	p.zone.Remove("_dmarc.example.test")
	p.zone.Add(t, strings.Replace(failingRecord, "ruf=", "rua=mailto:dmarc-reports@there.example; ruf=", 1))
	if got := from(t, p.a, "203.0.113.5", "x@example.test", "ann", letter("x@example.test")); !strings.HasPrefix(got, "550 5.7.1") {
		t.Fatal(got)
	}
	if n := p.day(t); n != 1 {
		t.Fatalf("%d reports sent", n)
	}
	p.await("delivered 2.0.0 dmarc-reports@there.example")
	if got, err := p.b.Store().Admin.FailureReports(t.Context(), admin.ReportQuery{}); err != nil || len(got.Reports) != 0 {
		t.Errorf("%+v %v", got, err)
	}
}
