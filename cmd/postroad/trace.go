package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// traceCmd tells where a message is.
type traceCmd struct {
	Sender    string        `help:"Mail from ADDRESS; \"@example.org\" is everybody there, \"<>\" are notifications." placeholder:"ADDRESS"`
	Recipient string        `help:"Mail to ADDRESS, or to everybody at \"@example.org\"." placeholder:"ADDRESS"`
	MessageID string        `name:"message-id" help:"Mail with this Message-ID." placeholder:"ID"`
	ID        string        `name:"id" help:"The message that the log and the SMTP reply call ID." placeholder:"ID"`
	Since     time.Duration `help:"What happened in the last TIME, like 90m or 24h." placeholder:"TIME"`
	Limit     int           `help:"Most messages; the newest are shown." default:"20"`
}

func (c *traceCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	now := time.Now()
	q := admin.TraceQuery{Sender: c.Sender, Recipient: c.Recipient, MessageID: c.MessageID, ID: c.ID, Limit: c.Limit}
	if c.Since < 0 {
		return fault.New(fault.Invalid, "--since says how long ago, which is not below 0")
	}
	if c.Since > 0 {
		q.Since = now.Add(-c.Since).UTC()
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		traces, err := a.Trace(ctx, q)
		if err != nil {
			return err
		}
		return g.show(t, traces, func() { printTraces(t, traces, now) })
	})
}

func printTraces(t terminal, traces []admin.Trace, now time.Time) {
	if len(traces) == 0 {
		fmt.Fprintln(t.out, "no such mail came through the queue (the log knows what was delivered here)")
	}
	for i := range traces {
		if i > 0 {
			fmt.Fprintln(t.out)
		}
		printTrace(t, &traces[i], now)
	}
}

func printTrace(t terminal, x *admin.Trace, now time.Time) {
	fmt.Fprintf(t.out, "%s  from %s  message-id %s  size %s\n", x.ID, senderName(x.Sender), orDash(printable(x.MessageID)), size(x.SizeBytes, "0"))
	for i := range x.Events {
		fmt.Fprintln(t.out, "  "+eventLine(&x.Events[i]))
	}
	for i := range x.Recipients {
		r := &x.Recipients[i]
		outcome := r.Outcome
		if r.Queued != nil {
			outcome = situation(r.Queued, now)
		}
		fmt.Fprintf(t.out, "  => %s: %s\n", printable(r.Recipient), outcome)
	}
}

// eventLine tells what happened when, to whom and how.
func eventLine(e *admin.TraceEvent) string {
	const most = 10
	to, others := e.Recipients, ""
	if len(to) > most {
		to, others = to[:most], fmt.Sprintf(" and %d others", len(to)-most)
	}
	line := fmt.Sprintf("%s  %-7s  %s", clock(e.At), e.Event, printable(strings.Join(to, " "))+others)
	if e.Attempt != nil {
		line += "  " + attempt(e.Attempt)
	}
	return line
}
