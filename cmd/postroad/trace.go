package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// traceCmd tells where a message is.
type traceCmd struct {
	Sender    string          `help:"Mail from ADDRESS; \"@example.org\" is everybody there, \"<>\" are notifications." placeholder:"ADDRESS"`
	Recipient string          `help:"Mail to ADDRESS, or to everybody at \"@example.org\"." placeholder:"ADDRESS"`
	MessageID string          `name:"message-id" help:"Mail with this Message-ID." placeholder:"ID"`
	ID        string          `name:"id" help:"The message that the log, the SMTP reply and the queue call ID." placeholder:"ID"`
	Client    string          `help:"What the host at IP brought, or tried to." placeholder:"IP"`
	Since     config.Duration `help:"What happened in the last TIME, like 90m, 24h or 3d." placeholder:"TIME"`
	Limit     int             `help:"Most messages; the newest are shown." default:"20"`
}

func (c *traceCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	now := time.Now()
	q := admin.TraceQuery{Sender: c.Sender, Recipient: c.Recipient, MessageID: c.MessageID, ID: c.ID, Client: c.Client, Limit: c.Limit}
	if c.Since < 0 {
		return fault.New(fault.Invalid, "--since says how long ago, which is not below 0")
	}
	if c.Since > 0 {
		q.Since = now.Add(-time.Duration(c.Since)).UTC()
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
		fmt.Fprintln(t.out, "no such mail is remembered")
	}
	for i := range traces {
		if i > 0 {
			fmt.Fprintln(t.out)
		}
		printTrace(t, &traces[i], now)
	}
}

func printTrace(t terminal, x *admin.Trace, now time.Time) {
	if x.ID != "" {
		fmt.Fprintf(t.out, "%s  from %s  message-id %s  size %s\n",
			printable(x.ID), senderName(x.Sender), orDash(printable(x.MessageID)), size(x.SizeBytes, "-"))
	} else {
		fmt.Fprintln(t.out, "refused before it had an ID")
	}
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
	words := []string{fmt.Sprintf("%s  %-9s", clock(e.At), e.Event)}
	if e.ID != "" {
		words = append(words, "["+printable(e.ID)+"]")
	}
	words = append(words, people(e.Recipients), client(e.Client), place(e), e.Stage, printable(e.Text))
	if e.Attempt != nil {
		words = append(words, attempt(e.Attempt))
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "  ")
}

// people names recipients.
func people(to []string) string {
	const most = 10
	others := ""
	if len(to) > most {
		to, others = to[:most], fmt.Sprintf(" and %d others", len(to)-most)
	}
	return printable(strings.Join(to, " ")) + others
}

// client says who brought a message.
func client(c *admin.TraceClient) string {
	if c == nil {
		return ""
	}
	words := []string{"by"}
	for _, w := range []string{c.Account, c.Name, bracketed(c.Address), prefixed("as ", c.Helo), c.Protocol, c.TLS} {
		if w != "" {
			words = append(words, printable(w))
		}
	}
	return strings.Join(words, " ")
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// place is where a message was put, or through whom it goes on.
func place(e *admin.TraceEvent) string {
	switch {
	case e.Account == "":
		return ""
	case e.Folder != "":
		return "in " + printable(e.Account) + ", folder " + printable(e.Folder)
	}
	return "through " + printable(e.Account)
}
