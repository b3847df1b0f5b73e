package admin

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/reports"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

// TestReportsOfAStoppedServer: what was received is shown, and nothing is sent.
func TestReportsOfAStoppedServer(t *testing.T) {
	db := pebbletest.Open(t)
	now := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	s := reports.New(reports.Options{DB: db, Now: func() time.Time { return now }, Ours: func(context.Context, string) (bool, error) { return true, nil }})
	tls := tlsrpt.Report{Organization: "B", Contact: "x@b.example", ID: "1", Begin: now.Add(-48 * time.Hour), End: now.Add(-24 * time.Hour), Policies: []tlsrpt.Policy{{
		Type: tlsrpt.STS, Strings: []string{"mode: enforce"}, Domain: "a.example", Successes: 5, Failures: 2,
		Details: []tlsrpt.Failure{{Type: tlsrpt.Expired, Sending: netip.MustParseAddr("192.0.2.1"), Host: "mx", Count: 2, Reason: "old"}}}}}
	dmarc := dmarcxml.Report{Organization: "B", Email: "x@b.example", ID: "2", Begin: tls.Begin, End: tls.End, Policy: dmarcxml.Policy{Domain: "a.example", P: "reject"},
		Records: []dmarcxml.Record{{IP: netip.MustParseAddr("2001:db8::1"), Count: 9, Disposition: "none", DKIM: "pass", SPF: "fail", HeaderFrom: "a.example",
			Signatures: []dmarcxml.Signature{{Domain: "a.example", Result: "pass"}}, Sender: dmarcxml.Sender{Domain: "c.example", Result: "none"}}}}
	for _, file := range [][]byte{tls.JSON(), dmarc.XML()} {
		message := "Content-Type: application/octet-stream\r\n\r\n" + string(file)
		if err := s.Take(t.Context(), &reports.Arrived{Content: strings.NewReader(message)}); err != nil {
			t.Fatal(err)
		}
	}
	d := NewDirect(db, nil, nil, nil)
	gotTLS, err := d.TLSReports(t.Context(), ReportQuery{Domain: "a.example", Since: now.Add(-30 * time.Hour)})
	head := ReportHead{Received: now, Organization: "B", Contact: "x@b.example", ID: "1", Begin: tls.Begin, End: tls.End}
	if diff := cmp.Diff([]TLSReport{{head, []TLSPolicy{{Domain: "a.example", Type: "sts", Policy: []string{"mode: enforce"}, Successes: 5, Failures: 2,
		Details: []TLSFailure{{Type: "certificate-expired", Sessions: 2, SendingIP: "192.0.2.1", Host: "mx", Reason: "old"}}}}}}, gotTLS); diff != "" || err != nil {
		t.Error(diff, err)
	}
	gotDMARC, err := d.DMARCReports(t.Context(), ReportQuery{})
	head.ID = "2"
	if diff := cmp.Diff(DMARCReports{
		Sources: []DMARCSource{{Domain: "a.example", IP: "2001:db8::1", Messages: 9, DKIM: "pass", SPF: "fail", Disposition: "none",
			Signers: []string{"a.example (pass)"}, Sender: "c.example", Reporters: []string{"B"}, Reports: 1}},
		Reports: []DMARCReport{{head, "a.example", "reject", 9, 9}}}, gotDMARC); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, q := range []ReportQuery{{Domain: "b.example"}, {Since: now.Add(-23 * time.Hour)}} {
		none, err := d.TLSReports(t.Context(), q)
		noneToo, err2 := d.DMARCReports(t.Context(), q)
		if len(none) != 0 || err != nil || len(noneToo.Reports) != 0 || err2 != nil {
			t.Errorf("%+v: %v %v %v %v", q, none, err, noneToo, err2)
		}
	}
	if _, err := d.TLSReports(t.Context(), ReportQuery{Limit: -1}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if _, err := d.SendReports(t.Context()); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
}
