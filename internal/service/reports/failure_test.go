package reports

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/format/arf"
	"postroad/internal/service/dns"
)

func failed(domain string, ruf ...string) *Failed {
	return &Failed{PolicyDomain: domain, RUF: ruf, Wanted: []string{arf.DMARC}, To: []string{"ann@a.example"},
		Header: "From: Bob <bob@" + domain + ">\r\nTo: ann@a.example\r\nSubject: hi\r\n",
		Feedback: arf.Feedback{Arrival: noon, Results: "a.example; spf=fail smtp.mailfrom=bob@" + domain, NotAligned: []string{"dkim", "spf"}, Delivery: arf.Rejected,
			MailFrom: "bob@" + domain, SPFDomain: domain, Source: netip.MustParseAddr("203.0.113.5"), Reporter: "mx.a.example", Domain: domain}}
}

// reports sends what waits, and returns what left.
func (w *world) reports() (all []*arf.Report) {
	w.t.Helper()
	for len(w.failures.waiting) > 0 {
		if err := w.tell(w.t.Context(), <-w.failures.waiting); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, m := range w.sent {
		r, err := arf.Find(bytes.NewReader(m.Text))
		if err != nil {
			w.t.Fatal(err)
		}
		r.To = m.To
		all = append(all, r)
	}
	w.sent = nil
	return all
}

func TestFailureReport(t *testing.T) {
	w := newWorld(t)
	w.dns.Add(t, "b.example. TXT \"unrelated\"\nb.example. TXT \"v=spf1 -all\"\n")
	f := failed("b.example", "mailto:ruf@b.example", "https://b.example/ruf", "mailto:also@b.example")
	f.Wanted = []string{arf.Signature, arf.SPF}
	w.Failed(f)
	got := w.reports()
	if len(got) != 2 || got[0].ID == got[1].ID || got[0].Failure != arf.Signature || got[1].Failure != arf.SPF {
		t.Fatalf("%+v", got)
	}
	r := got[0]
	if strings.Join(r.To, " ") != "ruf@b.example also@b.example" { // RFC 9991 "DMARC Failure Reports": to each of them
		t.Error(r.To)
	}
	want := f.Feedback
	want.Type, want.Failure, want.UserAgent, want.SPFRecord, want.Incidents = arf.AuthFailure, arf.Signature, "Postroad test", "v=spf1 -all", 1
	same := []cmp.Option{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(time.Time.Equal)}
	if d := cmp.Diff(want, r.Feedback, same...); d != "" || r.From != "postmaster@a.example" || r.Header != f.Header {
		t.Errorf("%s %+v", d, r)
	}
	if n := w.Stats().FailuresSent; n != 2 {
		t.Errorf("%d counted", n)
	}
}

// TestFailuresAreRedacted: who wrote to whom isn't told.
func TestFailuresAreRedacted(t *testing.T) {
	w := newWorld(t)
	w.redact = arf.NewRedactor([]byte("secret"))
	w.Service = w.service()
	f := failed("b.example", "mailto:ruf@b.example")
	f.Feedback.DKIMDomain, f.Feedback.DKIMIdentity, f.Feedback.DKIMSelector = "b.example", "bob@b.example", "s"
	w.Failed(f)
	if err := w.tell(t.Context(), <-w.failures.waiting); err != nil {
		t.Fatal(err)
	}
	text := string(w.sent[0].Text)
	for _, private := range []string{"bob", "ann@", "Bob"} {
		if strings.Contains(text, private) {
			t.Errorf("%s is in\n%s", private, text)
		}
	}
	if !strings.Contains(text, "Subject: hi") {
		t.Error(text)
	}
}

// TestFailureDestinations: others only if they agree, and at the address that they name (RFC 9991 "Verifying External Destinations").
func TestFailureDestinations(t *testing.T) {
	w := newWorld(t)
	w.dns.Add(t, `b.example._report._dmarc.agrees.example. TXT "v=DMARC1; rua=mailto:rua@agrees.example"`+"\n"+
		`b.example._report._dmarc.instead.example. TXT "v=DMARC1; ruf=mailto:other@instead.example"`+"\n"+
		`b.example._report._dmarc.away.example. TXT "v=DMARC1; ruf=mailto:victim@elsewhere.example"`+"\n")
	w.Failed(failed("b.example", "mailto:x@stranger.example", "mailto:x@agrees.example", "mailto:x@instead.example", "mailto:x@away.example"))
	got := w.reports()
	if len(got) != 1 || strings.Join(got[0].To, " ") != "x@agrees.example other@instead.example" {
		t.Errorf("%+v", got)
	}
	w.Failed(failed("c.example", "mailto:x@stranger.example"))
	if got := w.reports(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	w.dns.Fail("d.example._report._dmarc.slow.example", "TXT", dns.Temporary)
	w.Failed(failed("d.example", "mailto:x@slow.example"))
	if err := w.tell(t.Context(), <-w.failures.waiting); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// TestNoReportsOnReports: mail that may be somebody's answer to ours, or is for the addresses of reports, is no reason for another.
func TestNoReportsOnReports(t *testing.T) {
	w := newWorld(t)
	for what, change := range map[string]func(*Failed){
		"a bounce":          func(f *Failed) { f.Feedback.MailFrom = "" },
		"a report":          func(f *Failed) { f.Header = "Content-Type: Multipart/Report; report-type=x\r\n" },
		"for our addresses": func(f *Failed) { f.To = []string{"DMARC-reports@a.example", "tls-reports@a.example"} },
		"wanted by nobody":  func(f *Failed) { f.RUF = nil },
		"nothing is wanted": func(f *Failed) { f.Wanted = nil },
	} {
		f := failed("b.example", "mailto:ruf@b.example")
		change(f)
		w.Failed(f)
		if got := w.reports(); len(got) != 0 {
			t.Errorf("%s: %+v", what, got)
		}
	}
	f := failed("b.example", "mailto:ruf@b.example")
	f.To = []string{"dmarc-reports@a.example", "ann@a.example"}
	w.Failed(f)
	if got := w.reports(); len(got) != 1 {
		t.Error("a forged message to a person, too, is told")
	}
	w.who = fault.New(fault.NotFound, "no keys")
	w.Failed(failed("c.example", "mailto:ruf@c.example"))
	if got := w.reports(); len(got) != 0 {
		t.Error("sent though nothing signs it")
	}
}

// TestAlikeFailures: one an hour is told, with how many there were.
func TestAlikeFailures(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.Failed(failed("b.example", "mailto:ruf@b.example"))
	}
	other := failed("b.example", "mailto:ruf@b.example")
	other.Feedback.Source = netip.MustParseAddr("203.0.113.6")
	w.Failed(other)
	if got := w.reports(); len(got) != 2 || got[0].Incidents != 1 || got[1].Incidents != 1 {
		t.Errorf("%+v", got)
	}
	w.now = w.now.Add(alike)
	w.Failed(failed("b.example", "mailto:ruf@b.example"))
	if got := w.reports(); len(got) != 1 || got[0].Incidents != 5 {
		t.Errorf("%+v", got)
	}
}

// fails reports n messages, each from another address.
func (w *world) fails(n int, ruf string) {
	for i := range n {
		f := failed("b.example", ruf)
		f.Feedback.MailFrom = fmt.Sprintf("x@%d.%d.example", w.now.Unix(), i)
		w.Failed(f)
	}
}

// TestFailureLimits: an address gets so many in a day, whoever forges; also after a restart.
func TestFailureLimits(t *testing.T) {
	w := newWorld(t)
	w.perDay = 3
	w.Service = w.service()
	w.fails(5, "mailto:ruf@b.example")
	if got := w.reports(); len(got) != 3 {
		t.Errorf("%d left", len(got))
	}
	w.Service = w.service()
	w.fails(1, "mailto:RUF@b.example")
	w.fails(1, "mailto:other@b.example")
	if got := w.reports(); len(got) != 0 { // alike from this Service on
		t.Errorf("%d left", len(got))
	}
	w.now = w.now.Add(24 * time.Hour)
	w.fails(1, "mailto:ruf@b.example")
	if got := w.reports(); len(got) != 1 {
		t.Errorf("%d left on the next day", len(got))
	}
	for range maxWaiting * 2 {
		w.now = w.now.Add(time.Second)
		w.fails(1, "mailto:ruf@b.example")
	}
	if n := len(w.failures.waiting); n != maxWaiting || w.Stats().Dropped < maxWaiting {
		t.Errorf("%d wait", n)
	}
}

// TestTooManyKindsOfFailure: memory is bounded, and free again after an hour.
func TestTooManyKindsOfFailure(t *testing.T) {
	x := failures{known: map[string]*told{}}
	admitted := func(from, to int, now time.Time) (n int) {
		for i := from; i < to; i++ {
			f := failed("b.example")
			f.PolicyDomain = fmt.Sprint(i)
			if _, ok := x.admit(f, now); ok {
				n++
			}
		}
		return n
	}
	if n := admitted(0, maxAlike+10, noon); n != maxAlike || len(x.known) != maxAlike {
		t.Errorf("%d of them, %d known", n, len(x.known))
	}
	if n := admitted(maxAlike+10, maxAlike+20, noon.Add(alike)); n != 10 || len(x.known) != 10 {
		t.Errorf("%d of them, %d known", n, len(x.known))
	}
}

// TestRunSendsFailures: they leave while Run runs, and what can't be sent is dropped.
func TestRunSendsFailures(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	w.mailed, w.mailFails = make(chan struct{}, 2), fault.New(fault.Unavailable, "no")
	go func() { defer close(done); w.sendFailures(ctx) }()
	w.Failed(failed("b.example", "mailto:ruf@b.example"))
	<-w.mailed
	w.mu.Lock()
	w.mailFails = nil
	w.mu.Unlock()
	w.Failed(failed("c.example", "mailto:ruf@c.example"))
	<-w.mailed
	cancel()
	<-done
	if len(w.sent) != 1 || w.Stats().Failed != 1 || w.Stats().FailuresSent != 1 {
		t.Errorf("%d sent, %+v", len(w.sent), w.Stats())
	}
}

// TestReceivingFailures: which are kept, and what is told of them.
func TestReceivingFailures(t *testing.T) {
	text := func(domain string, change func(*arf.Report)) []byte {
		f := failed(domain).Feedback
		f.Type, f.Failure = arf.AuthFailure, arf.DMARC
		r := &arf.Report{Organization: "B", From: "reports@b.example", ID: "1@b.example", Date: noon, Feedback: f, Header: failed(domain).Header}
		if change != nil {
			change(r)
		}
		return arf.Compose(r)
	}
	for _, c := range []struct {
		name string
		a    Arrived
		text []byte
		kept int
	}{
		{"unchecked", Arrived{}, text("a.example", nil), 1},
		{"passing DMARC", Arrived{Checked: true, Author: "b.example"}, text("sub.a.example", nil), 1},
		{"signed", Arrived{Checked: true, Signers: []string{"b.example"}}, text("a.example", nil), 1},
		{"of nobody", Arrived{Checked: true, Signers: []string{"c.example"}}, text("a.example", nil), 0},
		{"about others", Arrived{}, text("b.example", nil), 0},
		{"abuse", Arrived{}, bytes.Replace(text("a.example", nil), []byte("auth-failure"), []byte("abuse"), 1), 0},
		{"large", Arrived{}, text("a.example", func(r *arf.Report) { r.Header = strings.Repeat("A: b\r\n", 20_000) }), 1},
	} {
		w := newWorld(t)
		c.a.Content = bytes.NewReader(c.text)
		if err := w.Take(t.Context(), &c.a); err != nil {
			t.Fatal(err)
		}
		sum, err := w.FailureReports(t.Context(), Filter{Domain: "a.example", Since: noon.Add(-time.Hour)})
		if err != nil || len(sum.Reports) != c.kept || len(sum.Sources) != c.kept || w.stored(keyReceived) != c.kept {
			t.Errorf("%s: %+v %v", c.name, sum, err)
			continue
		}
		if c.kept == 0 {
			continue
		}
		if r := sum.Reports[0]; len(r.Header) > maxKeptHeader || r.Organization != "B" || r.Source.String() != "203.0.113.5" || !r.Begin.Equal(noon) ||
			c.name == "unchecked" && (r.Subject != "hi" || r.From != "Bob <bob@a.example>") {
			t.Errorf("%s: %+v", c.name, r)
		}
		if n := w.Stats().FailuresReceived; n != 1 {
			t.Errorf("%d counted", n)
		}
	}
}

// TestFailuresReceivedAreSummedUp, limited, and forgotten.
func TestFailuresReceivedAreSummedUp(t *testing.T) {
	w := newWorld(t)
	take := func(i int, incidents uint64, ip string) {
		f := failed("a.example").Feedback
		f.Failure, f.Incidents, f.Source = arf.DMARC, incidents, netip.MustParseAddr(ip)
		r := &arf.Report{From: "r@b.example", ID: fmt.Sprintf("%d@b.example", i), Feedback: f}
		if err := w.Take(t.Context(), &Arrived{Content: bytes.NewReader(arf.Compose(r))}); err != nil {
			t.Fatal(err)
		}
	}
	take(1, 1, "192.0.2.1")
	take(2, 5, "192.0.2.2")
	take(3, 5, "192.0.2.1")
	take(3, 5, "192.0.2.1") // once more
	sum, err := w.FailureReports(t.Context(), Filter{Limit: 1})
	if err != nil || len(sum.Sources) != 1 || len(sum.Reports) != 1 || !sum.More {
		t.Fatalf("%+v %v", sum, err)
	}
	if s := sum.Sources[0]; s.Incidents != 6 || s.Reports != 2 || s.IP.String() != "192.0.2.1" || strings.Join(s.Reporters, "") != "b.example" {
		t.Errorf("%+v", s)
	}
	for i := range maxFailuresReceived + 5 {
		take(10+i, 1, "192.0.2.3")
	}
	if n := w.stored(keyReceived); n != maxFailuresReceived {
		t.Errorf("%d are kept", n)
	}
	if err := w.Take(t.Context(), arrived(dmarcFile("a.example"), "")); err != nil || w.stored(keyReceived) != maxFailuresReceived+1 {
		t.Error("a flood of failure reports keeps others out")
	}
	w.now = w.now.Add((keepReceived + 1) * 24 * time.Hour)
	if err := w.prune(t.Context()); err != nil || w.stored(keyReceived)+w.stored(keyFailures) != 0 {
		t.Error(err, w.stored(keyReceived), w.stored(keyFailures))
	}
}
