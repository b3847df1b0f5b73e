package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/message"
	"postroad/internal/format/reportmail"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/dns"
	"postroad/internal/storage/kv"
)

// golden compares with a file. UPDATE=1 writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/"+name, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}

// TestTLSReport: a day's sessions are one report, which is sent when the day is over, also by the next process.
func TestTLSReport(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.Observe(Session{"b.example", stsPolicy, tlsrpt.Failure{}})
	}
	bad := failure("b.example", tlsrpt.HostMismatch)
	bad.Policy = stsPolicy
	w.Observe(bad)
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Service = w.service()
	w.Observe(bad)
	w.Observe(failure("b.example", tlsrpt.NoSTARTTLS))
	w.Observe(success("nobody.example"))
	w.Observe(success("odd.example"))
	if n := w.send(true); n != 0 || len(w.sent) != 0 {
		t.Fatalf("sent %d before the day is over", n)
	}
	w.now = noon.Add(12 * time.Hour)
	w.Observe(success("b.example")) // the next day's
	if n := w.send(true); n != 1 || len(w.sent) != 1 {
		t.Fatalf("sent %d", n)
	}
	m := w.sent[0]
	if m.From != "postmaster@a.example" || fmt.Sprint(m.To) != "[tls@b.example]" {
		t.Errorf("%s > %s", m.From, m.To)
	}
	s := message.Parse(m.Text)
	for name, want := range map[string]string{
		"Subject":           "Report Domain: b.example Submitter: a.example Report-ID: <tls.2026-03-13.b.example@a.example>",
		"TLS-Report-Domain": "b.example", "TLS-Report-Submitter": "a.example", "TLS-Required": "No",
	} {
		if got := strings.TrimSpace(message.Unfold(s.Header.Get(name))); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if s.Root.Param("report-type") != "tlsrpt" || s.Root.Children[1].Filename() != "a.example!b.example!1773360000!1773446399.json.gz" {
		t.Errorf("%s", m.Text)
	}
	file, err := reportmail.Find(bytes.NewReader(m.Text))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tls.json", file)
	if n := w.stored(keyReport); n != 1 { // today's
		t.Errorf("%d reports are left", n)
	}
	if n := w.send(true); n != 0 {
		t.Errorf("sent again: %d", n)
	}
	if got := w.Stats(); got != (Stats{Sent: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestDMARCReport(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.Evaluated(evaluated("b.example", "mailto:dmarc@b.example"))
	}
	good := evaluated("b.example", "mailto:dmarc@b.example")
	good.Record = dmarcxml.Record{IP: netip.MustParseAddr("2001:db8::25"), Disposition: "pass", DKIM: "pass", SPF: "fail", HeaderFrom: "b.example",
		EnvelopeFrom: "list.example", Reasons: []dmarcxml.Reason{{Type: "mailing_list", Comment: "<sealed> & trusted"}},
		Signatures: []dmarcxml.Signature{{Domain: "b.example", Selector: "k1", Result: "pass"}, {Domain: "list.example", Selector: "l", Result: "fail", Human: "body has changed"}},
		Sender:     dmarcxml.Sender{Domain: "list.example", Scope: "mfrom", Result: "softfail"}}
	for range 5 {
		w.Evaluated(good)
	}
	w.Evaluated(evaluated("silent.example")) // nobody wants to hear
	w.now = noon.Add(24 * time.Hour)
	if n := w.send(true); n != 1 || len(w.sent) != 1 {
		t.Fatalf("sent %d", n)
	}
	s := message.Parse(w.sent[0].Text)
	if got := message.Unfold(s.Header.Get("Subject")); strings.TrimSpace(got) != "Report Domain: b.example Submitter: a.example Report-ID: <dmarc.2026-03-13.b.example@a.example>" {
		t.Errorf("%q", got)
	}
	part := s.Root.Children[1]
	if part.Filename() != "a.example!b.example!1773360000!1773446399.xml.gz" || part.Type+"/"+part.Subtype != "application/gzip" {
		t.Errorf("%s", w.sent[0].Text)
	}
	if s.Header.Has("TLS-Required") {
		t.Error("only reports on TLS go without it")
	}
	file, err := reportmail.Find(bytes.NewReader(w.sent[0].Text))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "dmarc.xml", file)
}

// TestExternalDestinations: RFC 9990 "Verifying External Destinations", RFC 7489 §7.1.
func TestExternalDestinations(t *testing.T) {
	const there = "b.example._report._dmarc.third.example."
	for _, c := range []struct {
		name, uri, zone string
		fail            string
		want            string
	}{
		{"the domain itself", "mailto:x@b.example", "", "", "[x@b.example]"},
		{"below it", "mailto:x@sub.b.example", "", "", "[x@sub.b.example]"},
		{"agreed", "mailto:x@third.example", there + ` TXT "v=DMARC1"`, "", "[x@third.example]"},
		{"agreed with more", "mailto:x@third.example", there + ` TXT "v=DMARC1;"` + "\n" + there + ` TXT "other"`, "", "[x@third.example]"},
		{"instead", "mailto:x@third.example", there + ` TXT "v=DMARC1; rua=mailto:y@third.example"`, "", "[y@third.example]"},
		{"instead elsewhere", "mailto:x@third.example", there + ` TXT "v=DMARC1; rua=mailto:y@fourth.example"`, "", ""},
		{"instead here and elsewhere", "mailto:x@third.example", there + ` TXT "v=DMARC1; rua=mailto:y@third.example,mailto:y@fourth.example"`, "", ""},
		{"no version", "mailto:x@third.example", there + ` TXT "rua=mailto:x@third.example"`, "", ""},
		{"nothing", "mailto:x@third.example", "", "", ""},
		{"another scheme", "https://b.example/", "", "", ""},
		{"malformed", "mailto:x", "", "", ""},
		{"no answer", "mailto:x@third.example", "", "b.example._report._dmarc.third.example", "later"},
	} {
		w := newWorld(t)
		w.dns.Add(t, `_dmarc.third.example. TXT "v=DMARC1; p=none"`)
		if c.zone != "" {
			w.dns.Add(t, c.zone)
		}
		if c.fail != "" {
			w.dns.Fail(c.fail, "", dns.Temporary)
		}
		w.Evaluated(evaluated("b.example", c.uri))
		w.now = noon.Add(24 * time.Hour)
		w.send(true)
		got := ""
		for _, m := range w.sent {
			got += fmt.Sprint(m.To)
		}
		if left := w.stored(keyReport); left > 0 {
			got += "later"
		}
		if got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// TestSizeLimits: an old record's limit is kept (RFC 7489 §6.2).
func TestSizeLimits(t *testing.T) {
	w := newWorld(t)
	e := evaluated("b.example", "mailto:small@b.example", "mailto:large@b.example", "mailto:any@b.example")
	e.Limits = []int64{100, 10 << 20, 0}
	w.Evaluated(e)
	w.now = noon.Add(24 * time.Hour)
	if w.send(true); len(w.sent) != 1 || fmt.Sprint(w.sent[0].To) != "[large@b.example any@b.example]" {
		t.Errorf("%+v", w.sent)
	}
}

// TestPosts: RFC 8460 §5.4, §5.5: tried for a day, with growing pauses; who has the report doesn't get it again.
func TestPosts(t *testing.T) {
	w := newWorld(t)
	w.Observe(success("web.example"))
	w.now = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	if n := w.send(false); n != 0 || len(w.sent) != 1 || len(w.posted) != 1 || w.posted[0] != "POST https://reports.web.example/tls application/tlsrpt+gzip" {
		t.Fatalf("%d %v %v", n, w.sent, w.posted)
	}
	w.now = w.now.Add(firstPause - time.Second)
	if w.send(false); len(w.posted) != 1 {
		t.Error("tried too early")
	}
	w.now = w.now.Add(time.Second)
	w.web = 500
	if w.send(false); len(w.posted) != 2 || len(w.sent) != 1 {
		t.Errorf("%v %v", w.sent, w.posted)
	}
	w.now = w.now.Add(2 * firstPause)
	w.web = 201
	if n := w.send(false); n != 1 || len(w.posted) != 3 || len(w.sent) != 1 || w.stored(keyReport) != 0 || w.stored(keyRow) != 0 {
		t.Errorf("%d %v %v", n, w.sent, w.posted)
	}
}

func TestGivingUp(t *testing.T) {
	w := newWorld(t)
	w.Observe(success("b.example"))
	w.mailFails = errors.New("no disk")
	w.now = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	end, tries := w.now.Add(patience), 0
	for ; w.stored(keyReport) > 0 || tries == 0; w.now = w.now.Add(10 * time.Minute) {
		w.send(false)
		tries++
		if w.now.After(end.Add(maxPause)) {
			t.Fatal("never given up")
		}
	}
	if w.now.Before(end) || w.Stats() != (Stats{Failed: 1}) {
		t.Errorf("%s, %+v", w.now, w.Stats())
	}
}

// TestJitter: reports are spread over the first hours of the next day (RFC 8460 §4.1).
func TestJitter(t *testing.T) {
	w := newWorld(t)
	w.seed = [8]byte{1}
	const domains = 200
	for i := range domains {
		name := fmt.Sprintf("d%d.example", i)
		w.dns.Add(t, `_smtp._tls.`+name+`. TXT "v=TLSRPTv1;rua=mailto:x@`+name+`"`)
		w.Observe(success(name))
	}
	w.now = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	for hour, most := range []int{0, domains / 2, domains * 3 / 4, domains - 1, domains} {
		w.send(false)
		if n := len(w.sent); n > most || hour > 0 && n < domains/8*hour {
			t.Errorf("after %d hours: %d", hour, n)
		}
		w.now = w.now.Add(time.Hour)
	}
	if len(w.sent) != domains {
		t.Errorf("%d sent", len(w.sent))
	}
}

// TestNobodyToSend: without a domain of ours nothing is sent, and nothing lost.
func TestNobodyToSend(t *testing.T) {
	w := newWorld(t)
	w.who = fault.New(fault.NotFound, "no domain")
	w.Observe(success("b.example"))
	w.now = noon.Add(24 * time.Hour)
	if n := w.send(true); n != 0 || w.stored(keyReport) != 1 {
		t.Errorf("sent %d", n)
	}
}

// TestTemporaryFailures: what the DNS can't answer for now is tried later.
func TestTemporaryFailures(t *testing.T) {
	w := newWorld(t)
	w.dns.Fail("_smtp._tls.b.example", "", dns.Temporary)
	w.Observe(success("b.example"))
	w.now = noon.Add(24 * time.Hour)
	w.send(true)
	w.dns.Heal("_smtp._tls.b.example", "")
	if n := w.send(true); n != 1 {
		t.Errorf("sent %d", n)
	}
}

// TestCountingIsBounded at each limit.
func TestCountingIsBounded(t *testing.T) {
	w := newWorld(t)
	for i := range maxRows + 100 {
		e := evaluated("b.example", "mailto:dmarc@b.example")
		e.Record.EnvelopeFrom = fmt.Sprintf("x%d.example", i)
		w.Evaluated(e)
		if i%1000 == 0 {
			w.Evaluated(e) // counted again
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.stored(keyRow); n != maxRows {
		t.Errorf("%d rows", n)
	}
	for i := range maxDayReports + 10 {
		w.Observe(success(fmt.Sprintf("d%d.example", i)))
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.stored(keyReport); n != maxDayReports {
		t.Errorf("%d reports", n)
	}
	before := w.Stats().Dropped
	if before < 111 || before > 125 {
		t.Errorf("%d dropped", before)
	}
	for i := range maxPending + 7 {
		w.Observe(failure("b.example", fmt.Sprint(i)))
	}
	if got := w.Stats().Dropped - before; got != 7 {
		t.Errorf("%d dropped for want of memory", got)
	}
	long := success("b.example")
	long.Policy.Strings = []string{strings.Repeat("x", maxRow)}
	w.Observe(long)
	if got := w.Stats().Dropped - before; got != 8 {
		t.Errorf("a long row: %d", got)
	}
}

func TestDaysTotalsAreBounded(t *testing.T) {
	w := newWorld(t)
	err := w.db.Update(t.Context(), Partition, func(tx kv.Tx) error {
		return tx.Set(dayKey(keyTotals, dayOf(noon)), encodeTotals(maxDayRows-1, 1))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		w.Observe(failure("b.example", fmt.Sprint(i)))
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.stored(keyRow); n != 1 || w.Stats().Dropped != 2 {
		t.Errorf("%d rows, %+v", n, w.Stats())
	}
}

// TestPrune forgets old counts and old reports, and nothing else.
func TestPrune(t *testing.T) {
	w := newWorld(t)
	w.Observe(success("b.example"))
	if err := w.Take(t.Context(), arrived(tlsFile("a.example"), "")); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ days, counts, received int }{{keepCounts, 1, 1}, {keepCounts + 1, 0, 1}, {keepReceived, 0, 1}, {keepReceived + 1, 0, 0}} {
		w.now = noon.Add(time.Duration(c.days) * 24 * time.Hour)
		if err := w.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, prefix := range []byte{keyRow, keyReport, keyTotals} {
			if n := w.stored(prefix); n != c.counts {
				t.Errorf("after %d days: %d of %c", c.days, n, prefix)
			}
		}
		for _, prefix := range []byte{keyReceived, keyArrivals} {
			if n := w.stored(prefix); n != c.received {
				t.Errorf("after %d days: %d of %c", c.days, n, prefix)
			}
		}
	}
}

// TestRunKeepsWhatWasCounted when it ends.
func TestRunKeepsWhatWasCounted(t *testing.T) {
	w := newWorld(t)
	done := make(chan struct{})
	ctx, stop := contextWithCancel(t)
	go func() { w.Run(ctx); close(done) }()
	w.Observe(success("b.example"))
	stop()
	<-done
	if n := w.stored(keyRow); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestCodecs: what is counted is what the report says.
func TestCodecs(t *testing.T) {
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	s := failure("b.example", tlsrpt.Expired)
	s.Policy, s.Failure.Reason, s.Domain = stsPolicy, "why", ""
	got, ok := decodeSession([]byte(encodeSession(&s)))
	if d := cmp.Diff(s, got, same); d != "" || !ok {
		t.Error(d)
	}
	e := evaluated("b.example", "mailto:a@b", "mailto:c@d")
	e.Limits = []int64{1, 0}
	e.Record.Reasons = []dmarcxml.Reason{{Type: "other", Comment: "x"}}
	row, ok := decodeEvaluated([]byte(encodeEvaluated(&e.Record)))
	if d := cmp.Diff(e.Record, row, same); d != "" || !ok {
		t.Error(d)
	}
	policy, ok := decodePublished("b.example", encodePublished(e))
	if d := cmp.Diff(&Evaluated{Policy: e.Policy, RUA: e.RUA, Limits: e.Limits}, &policy, same); d != "" || !ok {
		t.Error(d)
	}
	for i := range 40 { // damaged records end in nothing, not in a panic
		_, _ = decodeSession([]byte(encodeSession(&s))[:i])
		_, _ = decodeEvaluated([]byte(encodeEvaluated(&e.Record))[:i])
		_, _ = decodePublished("x", encodePublished(e)[:i])
	}
}

func TestJSONIsWhatTheSchemaSays(t *testing.T) {
	b, err := os.ReadFile("testdata/tls.json")
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil || len(v) != 5 {
		t.Errorf("%v %v", v, err)
	}
}

func BenchmarkObserve(b *testing.B) {
	w := newWorld(b)
	s := failure("b.example", tlsrpt.Expired)
	b.ReportAllocs()
	for b.Loop() {
		w.Observe(s)
	}
}

func BenchmarkEvaluated(b *testing.B) {
	w := newWorld(b)
	e := evaluated("b.example", "mailto:dmarc@b.example")
	b.ReportAllocs()
	for b.Loop() {
		w.Evaluated(e)
	}
}
