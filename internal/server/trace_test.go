package server_test

import (
	"context"
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	"postroad/internal/service/transfer"
)

// steps are what a trace tells, without times and IDs.
func steps(x admin.Trace) string {
	var all []string
	for _, e := range x.Events {
		step := e.Event + " " + strings.Join(e.Recipients, ",")
		if e.Attempt != nil {
			step += fmt.Sprintf(" %s %d", e.Attempt.Result, e.Attempt.Code)
		}
		all = append(all, strings.TrimSpace(step))
	}
	return strings.Join(all, "; ")
}

// TestWhereIsMyMail: one question tells a message's whole way, from who handed it in to the mailbox in which the bounce lies.
func TestWhereIsMyMail(t *testing.T) {
	o := &outside{make(chan string, 10)}
	told := make(chan struct{}, 100)
	s := servertest.Start(t, servertest.Options{Send: func(ctx context.Context, j transfer.Job) []transfer.Outcome {
		defer func() { told <- struct{}{} }()
		return o.send(ctx, j)
	}})
	s.AddAccount("ann")
	if err := submit(t, s, "ann@example.test", "nobody@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	<-told
	const want = "received nobody@elsewhere.example; queued nobody@elsewhere.example; tried nobody@elsewhere.example failed 550; " +
		"received ann@example.test; delivered ann@example.test; notified ann@example.test; ended nobody@elsewhere.example failed 550"
	var x admin.Trace
	for !strings.Contains(steps(x), "; ended ") { // which is noted when the queue has forgotten it
		got, err := s.Store().Admin.Trace(t.Context(), admin.TraceQuery{MessageID: "<1@x>", Sender: "ann@example.test"})
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v %v", got, err)
		}
		x = got[0]
	}
	if steps(x) != want {
		t.Errorf("got  %s\nwant %s", steps(x), want)
	}
	if c := x.Events[0].Client; c == nil || c.Account != "ann@example.test" || !strings.HasSuffix(c.Protocol, "SMTPSA") || c.TLS == "" {
		t.Errorf("the client: %+v", c)
	}
	if len(x.Recipients) != 1 || x.Recipients[0].Outcome != "failed" {
		t.Errorf("%+v", x.Recipients)
	}
}

// TestTraceOfRefusals: who was turned away is found, too.
func TestTraceOfRefusals(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	c, err := smtp.NewClient(s.Dial(servertest.SMTP), servertest.Hostname)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("eve@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("nobody@example.test"); err == nil {
		t.Fatal("accepted")
	}
	got, err := s.Store().Admin.Trace(t.Context(), admin.TraceQuery{Recipient: "nobody@example.test", Sender: "@elsewhere.example"})
	if err != nil || len(got) != 1 || steps(got[0]) != "refused nobody@example.test refused 550" || got[0].Events[0].Stage != "rcpt" {
		t.Errorf("%+v %v", got, err)
	}
}
