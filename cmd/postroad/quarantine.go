package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/server/admin"
)

// quarantineCmd groups the commands on messages that were put aside.
type quarantineCmd struct {
	List    quarantineList    `cmd:"" help:"List messages that a scanner or policy has put aside, the newest first."`
	Show    quarantineShow    `cmd:"" help:"Show one, with its header; with --raw the message itself, as it came."`
	Release quarantineRelease `cmd:"" help:"Deliver one as it was meant."`
	Delete  quarantineDelete  `cmd:"" help:"Throw one away."`
}

type quarantineList struct {
	Sender    string `help:"Only from this address, @domain, or <> for notifications." placeholder:"ADDRESS"`
	Recipient string `help:"Only for this address, or @domain." placeholder:"ADDRESS"`
	Reason    string `help:"Only with this in the reason: a scanner's or virus's name." placeholder:"TEXT"`
	Before    uint64 `help:"Only with smaller numbers: the next page." placeholder:"NUMBER"`
	Limit     int    `help:"How many at most." default:"100"`
}

func (c *quarantineList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		list, err := a.Quarantined(ctx, admin.QuarantineQuery(*c))
		if err != nil {
			return err
		}
		return g.show(t, list, func() {
			rows := [][]string{}
			for i := range list.Messages {
				m := &list.Messages[i]
				rows = append(rows, []string{fmt.Sprint(m.Number), m.Received.Local().Format(time.DateTime), fmt.Sprint(m.SizeBytes), fromOf(m.Sender),
					printable(strings.Join(m.Recipients, ",")), printable(m.Reason)})
			}
			table(t, "NUMBER RECEIVED BYTES FROM TO REASON", rows)
			if list.More {
				fmt.Fprintf(t.err, "there are more: --before %d\n", list.Messages[len(list.Messages)-1].Number)
			}
		})
	})
}

// headerLine shows a line of a header: a tab that folds it is room.
func headerLine(line string) string {
	return printable(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
}

func fromOf(from string) string { return "<" + printable(from) + ">" }

type quarantineShow struct {
	Number uint64 `arg:"" help:"The message's number in the list."`
	Raw    bool   `help:"Print the message as it came. It may be dangerous to open."`
}

func (c *quarantineShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if c.Raw {
			return c.raw(ctx, a, t)
		}
		m, err := a.ShowQuarantined(ctx, c.Number)
		if err != nil {
			return err
		}
		return g.show(t, m, func() {
			for _, line := range [][2]string{
				{"number", fmt.Sprint(m.Number)}, {"id", m.ID}, {"received", m.Received.Local().Format(time.DateTime)}, {"reason", m.Reason}, {"from", "<" + m.Sender + ">"},
				{"to", strings.Join(m.Recipients, ", ")}, {"author", m.Author}, {"subject", m.Subject}, {"bytes", fmt.Sprint(m.SizeBytes)}, {"client", m.Client}, {"signed in", m.Login},
			} {
				if line[1] != "" {
					fmt.Fprintf(t.out, "%-10s %s\n", line[0]+":", printable(line[1]))
				}
			}
			fmt.Fprintln(t.out)
			for line := range strings.SplitSeq(m.Header, "\n") {
				fmt.Fprintln(t.out, headerLine(line))
			}
		})
	})
}

// raw prints the message.
func (c *quarantineShow) raw(ctx context.Context, a admin.Admin, t terminal) error {
	r := admin.QuarantineRead{Number: c.Number}
	for {
		p, err := a.ReadQuarantined(ctx, r)
		if err != nil {
			return err
		}
		if _, err := t.out.Write(p.Bytes); err != nil {
			return err
		}
		if r.Offset += int64(len(p.Bytes)); !p.More {
			return nil
		}
	}
}

type quarantineRelease struct {
	Number     uint64   `arg:"" help:"The message's number in the list."`
	Recipients []string `arg:"" optional:"" help:"Only for these recipients. None: all."`
}

func (c *quarantineRelease) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		done, err := a.ReleaseQuarantined(ctx, admin.QuarantineChange(*c))
		if err != nil {
			return err
		}
		return g.show(t, done, func() { fmt.Fprintf(t.out, "released for %s\n", printable(strings.Join(done.Recipients, ", "))) })
	})
}

type quarantineDelete struct {
	Number     uint64   `arg:"" help:"The message's number in the list."`
	Recipients []string `arg:"" optional:"" help:"Only for these recipients. None: all."`
}

func (c *quarantineDelete) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		done, err := a.DeleteQuarantined(ctx, admin.QuarantineChange(*c))
		if err != nil {
			return err
		}
		return g.show(t, done, func() { fmt.Fprintf(t.out, "deleted for %s\n", printable(strings.Join(done.Recipients, ", "))) })
	})
}
