package main

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// queueCmd groups the commands on mail that is to leave.
type queueCmd struct {
	List    queueList    `cmd:"" help:"List the mail that is to leave: a line for each recipient."`
	Show    queueShow    `cmd:"" help:"Show one message with all attempts."`
	Retry   queueRetry   `cmd:"" help:"Try mail now that waits."`
	Hold    queueHold    `cmd:"" help:"Keep mail from being tried, and from expiring, until it is released."`
	Release queueRelease `cmd:"" help:"Try mail now that is held."`
	Drop    queueDrop    `cmd:"" help:"Remove mail for good."`
	Flush   queueFlush   `cmd:"" help:"Try all mail for a domain now, even if nothing answered there."`
}

// queueFilter is how commands say which mail they are about.
type queueFilter struct {
	Sender    string          `help:"Mail from ADDRESS; \"@example.org\" is everybody there, \"<>\" are notifications." placeholder:"ADDRESS"`
	Recipient string          `help:"Mail to ADDRESS, or to everybody at \"@example.org\"." placeholder:"ADDRESS"`
	Domain    string          `help:"Mail to DOMAIN." placeholder:"DOMAIN"`
	ID        string          `name:"id" help:"The message called ID." placeholder:"ID"`
	State     []string        `help:"Mail that is waiting, scheduled (for later, by its sender), held or notifying." placeholder:"STATE"`
	Older     config.Duration `help:"Mail that came in longer ago than this, like 90m, 24h or 3d." placeholder:"TIME"`
	Younger   config.Duration `help:"Mail that came in since." placeholder:"TIME"`
}

func (f *queueFilter) filter(now time.Time) (admin.QueueFilter, error) {
	out := admin.QueueFilter{Sender: f.Sender, Recipient: f.Recipient, Domain: f.Domain, ID: f.ID, States: f.State}
	if f.Older < 0 || f.Younger < 0 {
		return out, fault.New(fault.Invalid, "--older and --younger say how long ago, which is not below 0")
	}
	if f.Older > 0 {
		out.ReceivedBefore = now.Add(-time.Duration(f.Older)).UTC()
	}
	if f.Younger > 0 {
		out.ReceivedAfter = now.Add(-time.Duration(f.Younger)).UTC()
	}
	return out, nil
}

type queueList struct {
	queueFilter
	Limit int `help:"Most lines." default:"1000"`
}

func (c *queueList) Run(ctx context.Context, g *Globals, t terminal) error {
	now := time.Now()
	f, err := c.filter(now)
	if err != nil {
		return err
	}
	f.Limit = c.Limit
	return g.withAdmin(ctx, func(a admin.Admin) error {
		list, err := a.Queue(ctx, f)
		if err != nil {
			return err
		}
		return g.show(t, list, func() { printQueue(t, list, now) })
	})
}

func printQueue(t terminal, list admin.QueueList, now time.Time) {
	if len(list.Items) == 0 {
		fmt.Fprintln(t.out, "nothing")
		return
	}
	rows := [][]string{}
	for i := range list.Items {
		x := &list.Items[i]
		rows = append(rows, []string{x.ID, stateOf(x), age(now.Sub(x.Received)), nextOf(x, now), fmt.Sprint(x.Tried), size(x.SizeBytes, "0"),
			senderName(x.Sender), printable(x.Recipient), lastReply(x)})
	}
	table(t, "ID STATE AGE NEXT TRIED SIZE SENDER RECIPIENT LAST-REPLY", rows)
	if list.More {
		fmt.Fprintln(t.out, "... and more: say --limit, or filter")
	}
}

func stateOf(x *admin.QueueItem) string {
	if x.Active {
		return "active"
	}
	return x.State
}

func senderName(s string) string {
	if s == "" {
		return "<>"
	}
	return printable(s)
}

// nextOf says when an item is tried next.
func nextOf(x *admin.QueueItem, now time.Time) string {
	switch {
	case x.Due.IsZero():
		return "-"
	case !x.Due.After(now):
		return "now"
	}
	return "in " + age(x.Due.Sub(now))
}

// lastReply is the last attempt in a few words.
func lastReply(x *admin.QueueItem) string {
	if len(x.Attempts) == 0 {
		return "-"
	}
	const most = 60
	text := []rune(reply(&x.Attempts[len(x.Attempts)-1]))
	if len(text) > most {
		text = append(text[:most-1], '…')
	}
	return string(text)
}

// reply is what the remote said, with its codes.
func reply(a *admin.Attempt) string {
	var words []string
	if a.Code != 0 && !strings.HasPrefix(a.Text, fmt.Sprint(a.Code)) {
		words = append(words, fmt.Sprint(a.Code))
	}
	if !strings.Contains(a.Text, a.Status) {
		words = append(words, a.Status)
	}
	return printable(strings.Join(append(words, a.Text), " "))
}

// printable replaces what would move a terminal's cursor or turn its text around: much of what is shown comes from strangers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// age is a time span for people: rounded, in the largest unit of which there are a few.
func age(d time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case d >= 48*time.Hour:
		unit, name = 24*time.Hour, "day"
	case d >= 100*time.Minute:
		unit, name = time.Hour, "hour"
	case d >= 100*time.Second:
		unit, name = time.Minute, "minute"
	}
	return count(max(int64(d.Round(unit)/unit), 0), name)
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type queueShow struct {
	ID string `arg:"" help:"The message's ID, as in the list and the log."`
}

func (c *queueShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		items, err := a.QueueMessage(ctx, c.ID)
		if err != nil {
			return err
		}
		return g.show(t, items, func() { printMessage(t, items, time.Now()) })
	})
}

func printMessage(t terminal, items []admin.QueueItem, now time.Time) {
	for i := range items {
		x := &items[i]
		if i == 0 {
			fmt.Fprintf(t.out, "id          %s\nmessage-id  %s\nsender      %s\nsize        %s\nreceived    %s, %s ago\npriority    %d\n",
				x.ID, orDash(printable(x.MessageID)), senderName(x.Sender), size(x.SizeBytes, "0"), clock(x.Received), age(now.Sub(x.Received)), x.Priority)
		}
		fmt.Fprintf(t.out, "\n%s\n  %s\n", printable(x.Recipient), situation(x, now))
		for k := range x.Attempts {
			fmt.Fprintln(t.out, "  "+clock(x.Attempts[k].At)+"  "+attempt(&x.Attempts[k]))
		}
	}
}

// situation says what an item waits for.
func situation(x *admin.QueueItem, now time.Time) string {
	words := []string{stateOf(x)}
	if x.State == "held" && x.Reason != "" {
		words[0] += " (" + printable(x.Reason) + ")"
	}
	if x.State == "waiting" || x.State == "scheduled" {
		words = append(words, "next attempt "+nextOf(x, now), "given up in "+age(x.Expires.Sub(now)))
	}
	return strings.Join(append(words, "tried "+count(int64(x.Tried), "time")), ", ")
}

// attempt is an attempt in a line.
func attempt(a *admin.Attempt) string {
	where := []string{}
	for _, w := range []string{a.Remote, a.Addr, a.TLS} {
		if w != "" {
			where = append(where, printable(w))
		}
	}
	line := a.Result + ": " + reply(a)
	if len(where) > 0 || a.TookMS > 0 {
		line += " (" + strings.Join(append(where, fmt.Sprintf("%d ms", a.TookMS)), ", ") + ")"
	}
	return line
}

func clock(t time.Time) string { return t.Local().Format(time.DateTime) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// queueChange is a command that changes what matches.
type queueChange struct {
	queueFilter
	All bool `help:"All mail: needed where no filter is given."`
}

func (c *queueChange) change(ctx context.Context, g *Globals, t terminal, done string, bounce bool,
	fn func(admin.Admin, context.Context, admin.QueueChange) (admin.Changed, error)) error {
	f, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		n, err := fn(a, ctx, admin.QueueChange{Filter: f, All: c.All, Bounce: bounce})
		if err != nil {
			return err
		}
		return g.show(t, n, func() { fmt.Fprintf(t.out, "%s: %s\n", done, count(int64(n.Recipients), "recipient")) })
	})
}

type queueRetry struct{ queueChange }

func (c *queueRetry) Run(ctx context.Context, g *Globals, t terminal) error {
	return c.change(ctx, g, t, "to be tried now", false, admin.Admin.RetryQueue)
}

type queueHold struct{ queueChange }

func (c *queueHold) Run(ctx context.Context, g *Globals, t terminal) error {
	return c.change(ctx, g, t, "held", false, admin.Admin.HoldQueue)
}

type queueRelease struct{ queueChange }

func (c *queueRelease) Run(ctx context.Context, g *Globals, t terminal) error {
	return c.change(ctx, g, t, "released", false, admin.Admin.ReleaseQueue)
}

type queueDrop struct {
	queueChange
	Bounce bool `help:"Tell the senders that it failed."`
	Yes    bool `short:"y" help:"Don't ask, with --all."`
}

func (c *queueDrop) Run(ctx context.Context, g *Globals, t terminal) error {
	if c.All && !c.Yes {
		if err := confirm(t, "Drop all mail that is to leave?"); err != nil {
			return err
		}
	}
	return c.change(ctx, g, t, "dropped", c.Bounce, admin.Admin.DropQueue)
}

type queueFlush struct {
	Domain string `arg:"" optional:"" help:"The recipients' domain."`
	All    bool   `help:"All domains."`
}

func (c *queueFlush) Run(ctx context.Context, g *Globals, t terminal) error {
	if (c.Domain == "") != c.All {
		return fault.New(fault.Invalid, "say a domain, or --all")
	}
	return g.withAdmin(ctx, func(a admin.Admin) (err error) {
		var n admin.Changed
		if c.All {
			n, err = a.RetryQueue(ctx, admin.QueueChange{All: true})
		} else {
			n, err = a.FlushQueue(ctx, c.Domain)
		}
		if err != nil {
			return err
		}
		return g.show(t, n, func() { fmt.Fprintf(t.out, "to be tried now: %s\n", count(int64(n.Recipients), "recipient")) })
	})
}
