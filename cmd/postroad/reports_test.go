package main

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postroad/internal/format/arf"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/service/reports"
)

// receive puts reports into a stopped server's store.
func (s shell) receive(files ...[]byte) {
	var messages []string
	for _, file := range files {
		messages = append(messages, "Content-Type: application/octet-stream\r\n\r\n"+string(file))
	}
	s.receiveMail(messages...)
}

func (s shell) receiveMail(messages ...string) {
	s.t.Helper()
	c, err := config.Load(s.args[1])
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := server.OpenStore(s.t.Context(), c, server.World{}, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r := reports.New(reports.Options{DB: store.DB, Ours: func(context.Context, string) (bool, error) { return true, nil }})
	for _, message := range messages {
		err = errors.Join(err, r.Take(s.t.Context(), &reports.Arrived{Content: strings.NewReader(message)}))
	}
	if err := errors.Join(err, store.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// failure puts a failure report there.
func (s shell) failure(r *arf.Report) { s.receiveMail(string(arf.Compose(r))) }

func TestReportCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, kind := range []string{"tls", "dmarc", "failures"} {
		if out := s.do("", "reports", kind); !strings.HasPrefix(out, "no reports (") && !strings.HasPrefix(out, "no failure reports (") {
			t.Errorf("%s", out)
		}
	}
	end := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	begin := end.Add(-24 * time.Hour)
	tls := tlsrpt.Report{Organization: "B\x1b[2J", Contact: "x@b.example", ID: "1", Begin: begin, End: end, Policies: []tlsrpt.Policy{{
		Type: tlsrpt.STS, Domain: "a.example", Successes: 5, Failures: 7, Details: []tlsrpt.Failure{{Type: tlsrpt.Expired, Host: "mx.a.example", Count: 2, Reason: "old"},
			{Type: "a", Count: 1}, {Type: "b", Count: 1}, {Type: "c", Count: 1}}}}}
	row := dmarcxml.Record{IP: netip.MustParseAddr("192.0.2.7"), Count: 9, Disposition: "reject", DKIM: "fail", SPF: "fail", HeaderFrom: "a.example",
		Signatures: []dmarcxml.Signature{{Domain: "c.example", Result: "pass"}}}
	good := row
	good.DKIM, good.Disposition, good.Count, good.IP = "pass", "none", 4, netip.MustParseAddr("192.0.2.8")
	dmarc := dmarcxml.Report{Organization: "B", Email: "x@b.example", ID: "2", Begin: begin, End: end, Policy: dmarcxml.Policy{Domain: "a.example", P: "reject"},
		Records: []dmarcxml.Record{row, good}}
	s.receive(tls.JSON(), dmarc.XML())
	s.failure(&arf.Report{Organization: "B", From: "x@b.example", ID: "3", Header: "Subject: pay\x1b\r\nMessage-ID: <1@a.example>\r\n", Feedback: arf.Feedback{Failure: arf.DMARC,
		Domain: "a.example", Source: netip.MustParseAddr("192.0.2.7"), Arrival: begin, NotAligned: []string{"dkim", "spf"}, Delivery: arf.Rejected, Incidents: 3}})
	for args, want := range map[string]string{
		"reports tls":                         begin.Format(time.DateOnly) + "  a.example  B [2J     sts     5         7       2 certificate-expired at mx.a.example (old), 1 a, 1 b, ...\n",
		"reports tls --domain b.example":      "no reports (",
		"reports tls --since 1s":              "no reports (",
		"reports dmarc":                       "9         a.example  192.0.2.7  FAIL   fail  fail  reject  c.example (pass)  -       B\n",
		"reports dmarc --domain A.example":    "4         a.example  192.0.2.8  pass   pass  fail  none    c.example (pass)  -       B\n",
		"reports dmarc --limit 1":             "... and more",
		"reports dmarc --list":                begin.Format(time.DateOnly) + "  a.example  B         -           13        4       reject  2\n",
		"reports failures":                    "3         a.example  192.0.2.7  dmarc   reject  B\n",
		"reports failures --list":             "a.example  B         3         192.0.2.7  dmarc   dkim,spf     reject  <1@a.example>  pay?\n",
		"reports failures --domain b.example": "no failure reports (",
		"--json reports failures":             `"message_id": "<1@a.example>"`,
		"--json reports dmarc":                `"messages": 13`,
		"--json reports tls":                  `"type": "certificate-expired"`,
	} {
		if out := s.do("", strings.Fields(args)...); !strings.Contains(out, want) {
			t.Errorf("%s: no %q in\n%s", args, want, out)
		}
	}
	for args, want := range map[string]string{"reports send": "stopped", "reports tls --since 0s": "--since", "reports tls --limit 1000000": "limit"} {
		if status, _, err := s.try("", strings.Fields(args)...); status != exitFailed || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d: %s", args, status, err)
		}
	}
}
