package arf

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/format/message"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

const header = "Received: from evil.example (evil.example [203.0.113.5])\r\n\tby mx.here.example for <ann@here.example>; Fri, 13 Mar 2026 12:00:00 +0000\r\n" +
	"DKIM-Signature: v=1; a=rsa-sha256; d=there.example; s=k; i=ben@there.example;\r\n b=abc\r\n" +
	"From: Ben B <ben@there.example>\r\nTo: \"Ann A\" <ann@here.example>, carl@here.example\r\nSubject: pay ann@here.example now\r\n" +
	"Message-ID: <1@there.example>\r\nList-Unsubscribe: <https://x.example/?to=ann%40here.example>\r\n"

func report() *Report {
	return &Report{
		Organization: "Here, Inc.", From: "reports@here.example", To: []string{"dmarc@there.example"}, ID: "7.failure@here.example",
		Date: time.Date(2026, 3, 13, 12, 0, 1, 0, time.UTC), Subject: "A message in the name of there.example failed", Text: "Words for people.\n",
		Header: header,
		Feedback: Feedback{
			Type: AuthFailure, UserAgent: "Postroad/1", Failure: DMARC, Arrival: time.Date(2026, 3, 13, 12, 0, 0, 0, time.UTC),
			Results:    "mx.here.example; spf=fail smtp.mailfrom=ben@there.example; dkim=fail header.d=there.example; dmarc=fail header.from=there.example",
			NotAligned: []string{"dkim", "spf"}, Delivery: Rejected, DKIMDomain: "there.example", DKIMIdentity: "ben@there.example", DKIMSelector: "k",
			SPFDomain: "there.example", SPFRecord: `v=spf1 exp="a\b" -all`, MailFrom: "ben@there.example", Source: netip.MustParseAddr("203.0.113.5"),
			Reporter: "mx.here.example", Domain: "there.example", Incidents: 3,
		},
	}
}

// TestCompose shows the whole form, and that it is read as it was written.
func TestCompose(t *testing.T) {
	got := Compose(report())
	if *update {
		if err := os.WriteFile("testdata/report.eml", got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/report.eml")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
	back, err := Find(bytes.NewReader(got))
	like := report()
	like.To, like.Text, like.Date = nil, "", time.Time{}
	if d := cmp.Diff(like, back, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(time.Time.Equal)); d != "" || err != nil {
		t.Error(d, err)
	}
}

// TestNothingButTheHeader: what is behind the empty line, or beyond the limit, doesn't leave.
func TestNothingButTheHeader(t *testing.T) {
	for _, n := range []int{10, MaxHeader - 40, MaxHeader - 20, MaxHeader, MaxHeader + 1, 10 * MaxHeader} {
		r := report()
		r.Header = "A: 1\r\nB: " + strings.Repeat("x\r\n ", n/4) + "\r\nC: 2\r\n"
		back, err := Find(bytes.NewReader(Compose(r)))
		if err != nil || len(back.Header) > MaxHeader || !strings.HasPrefix(back.Header, "A: 1\r\n") {
			t.Fatal(n, err, len(back.Header))
		}
		if whole := strings.Contains(back.Header, "C: 2"); whole != (len(r.Header) <= MaxHeader) || !whole && back.Header != "A: 1\r\n" {
			t.Errorf("%d: %v, %d bytes: cut within a field", n, whole, len(back.Header))
		}
	}
}

// TestTextsOfStrangers: line ends and fields wherever a value can stand.
func TestTextsOfStrangers(t *testing.T) {
	evil := "x\r\nBcc: v@example.org\r\n\r\n--=_report-0001--\r\n\x00\x1b\x7f\u0085\u2028ü"
	ours := evil
	evil += strings.Repeat("y", 2000)
	f := Feedback{UserAgent: evil, Failure: evil, Results: evil, NotAligned: []string{evil}, Delivery: evil, DKIMDomain: evil, DKIMIdentity: evil, DKIMSelector: evil,
		SPFDomain: evil, SPFRecord: evil, MailFrom: evil, Reporter: evil, Domain: evil}
	got := Compose(&Report{From: ours, Organization: ours, To: []string{ours}, ID: ours, Subject: evil, Feedback: f})
	for l := range strings.Lines(string(got)) {
		if strings.HasPrefix(l, "Bcc:") || len(l) > 1000 {
			t.Errorf("%.80q", l)
		}
	}
	s := message.Parse(got)
	if n := len(s.Root.Children); n != 3 {
		t.Errorf("%d parts", n)
	}
}

// TestReportsOfOthers: the example of RFC 9991, as its draft has it, and odd ones.
func TestReportsOfOthers(t *testing.T) {
	frame := func(machine, about string) string {
		return "From: DMARC Filter <DMARC@gen.example>\r\nMessage-Id: <1@gen.example>\r\nSubject: =?utf-8?q?FW=3A_x?=\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n" +
			"--b\r\nContent-Type: text/plain\r\n\r\nwords\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" + machine + "\r\n--b\r\n" + about + "\r\n--b--\r\n"
	}
	example := "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: DMARC-Filter/1.2.3\r\nAuth-Failure: dmarc\r\n" +
		"Authentication-Results: gen.example;\r\n  dmarc=fail header.from=consumer.example\r\nIdentity-Alignment: dkim\r\nDKIM-Domain: consumer.example\r\n" +
		"DKIM-Identity: @consumer.example\r\nDKIM-Selector: epsilon\r\nOriginal-Envelope-Id: 65E1A3F0A0\r\nOriginal-Mail-From: author=gen.example@forwarder.example\r\n" +
		"Source-IP: ::ffff:192.0.2.2\r\nSource-Port: 12345\r\nReported-Domain: Consumer.example.\r\n"
	got, err := Find(strings.NewReader(frame(example, "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nsecret")))
	want := &Report{Organization: "DMARC Filter", From: "DMARC@gen.example", ID: "1@gen.example", Subject: "FW: x", Header: "Subject: s\r\n", Feedback: Feedback{
		Type: AuthFailure, UserAgent: "DMARC-Filter/1.2.3", Failure: DMARC, Results: "gen.example; dmarc=fail header.from=consumer.example", NotAligned: []string{"dkim"},
		DKIMDomain: "consumer.example", DKIMIdentity: "@consumer.example", DKIMSelector: "epsilon", MailFrom: "author=gen.example@forwarder.example",
		Source: netip.MustParseAddr("192.0.2.2"), Domain: "consumer.example", Incidents: 1}}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || err != nil {
		t.Error(d, err)
	}
	for name, c := range map[string]struct {
		text string
		kind fault.Kind
	}{
		"no report":              {"Subject: x\r\n\r\nhello\r\n", fault.NotFound},
		"about nobody":           {frame("Feedback-Type: abuse\r\n", ""), fault.Invalid},
		"of no type":             {frame("Reported-Domain: a.example\r\n", ""), fault.Invalid},
		"in an attached message": {"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: message/rfc822\r\n\r\n" + frame(example, "") + "\r\n--c--\r\n", fault.NotFound},
	} {
		if _, err := Find(strings.NewReader(c.text)); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRedaction: nobody's local part or name is left, and who is the same remains the same.
func TestRedaction(t *testing.T) {
	r := NewRedactor([]byte("key"))
	got := r.Header(header)
	for _, private := range []string{"ann@", "Ann", "carl", "ben@", "Ben", "Unsubscribe", "%40"} {
		if strings.Contains(got, private) {
			t.Errorf("%s is left in\n%s", private, got)
		}
	}
	ann, ben := r.name("ann"), r.name("Ben")
	want := "Received: from evil.example (evil.example [203.0.113.5])\r\n\tby mx.here.example for <" + ann + "@here.example>; Fri, 13 Mar 2026 12:00:00 +0000\r\n" +
		"DKIM-Signature: v=1; a=rsa-sha256; d=there.example; s=k; i=" + ben + "@there.example;\r\n b=abc\r\n" +
		"From: <" + ben + "@there.example>\r\nTo: <" + ann + "@here.example>,\r\n <" + r.name("carl") + "@here.example>\r\nSubject: pay " + ann + "@here.example now\r\n" +
		"Message-ID: <1@there.example>\r\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if NewRedactor([]byte("other")).name("ann") == ann {
		t.Error("the key doesn't matter")
	}
	for in, want := range map[string]string{
		"spf=fail smtp.mailfrom=ann@x; y": "spf=fail smtp.mailfrom=" + ann + "@x; y", "i=@x": "i=@x",
		"smtp.mailfrom=b=ann@x": "smtp.mailfrom=" + r.name("b=ann") + "@x", `to "a b"@x`: "to " + r.name(`"a b"`) + "@x",
	} {
		if got := r.Text(in, true); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if got := r.Address("ann@x"); got != ann+"@x" || strings.Contains(r.Address("ann"), "ann") {
		t.Error(got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add(Compose(report()))
	f.Add([]byte("Content-Type: message/feedback-report\r\n\r\nFeedback-Type: x\r\nReported-Domain: y\r\nSPF-DNS: txt:a:\"\\\"\r\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if r, err := Find(bytes.NewReader(msg)); err == nil && (len(r.Header) > MaxHeader || r.Domain == "") {
			t.Errorf("%+v", r)
		}
	})
}

// FuzzRedact: no local part of the header is left over.
func FuzzRedact(f *testing.F) {
	f.Add(header)
	f.Add("Subject: secretname@x \"secretname\"@y =secretname@z\r\nTo: secretname <secretname@q>\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		if got := NewRedactor([]byte("key")).Header(raw); strings.Contains(got, "secretname@") {
			t.Errorf("%q", got)
		}
	})
}
