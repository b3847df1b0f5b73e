package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// awayCmd groups the commands on people who are out of office.
type awayCmd struct {
	Show awayShow `cmd:"" help:"Tell what senders hear, and when."`
	On   awayOn   `cmd:"" help:"Have senders answered: from now on, or from one time to another."`
	Off  awayOff  `cmd:"" help:"Have nobody answered any more. The texts are kept."`
}

type awayShow struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *awayShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		away, err := a.Away(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, away, func() { printAway(t, &away) })
	})
}

type awayOff struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *awayOff) Run(ctx context.Context, g *Globals, t terminal) error {
	off := "off"
	return g.withAdmin(ctx, func(a admin.Admin) error {
		return setAway(ctx, a, g, t, admin.AwayChange{Address: c.Address, State: &off})
	})
}

type awayOn struct {
	Address     string  `arg:"" help:"The account's address."`
	From        string  `help:"When the absence begins: 2026-12-24, or \"2026-12-24 12:00\". Default: now." placeholder:"TIME"`
	Until       string  `help:"When it ends: a day counts to its end. Default: when it is turned off." placeholder:"TIME"`
	Zone        string  `help:"The time zone of these times, such as Europe/Berlin. Default: this machine's." placeholder:"ZONE"`
	Text        *string `help:"What people of the own domain hear, and others too unless --outside-text says otherwise. Default: as it was."`
	HTML        *string `help:"The same as HTML." placeholder:"HTML"`
	OutsideText *string `help:"What others hear." placeholder:"TEXT"`
	OutsideHTML *string `help:"The same as HTML." placeholder:"HTML"`
	Audience    *string `help:"Which others are answered: none, those the person knows (has written to), or all." enum:"none,known,all" placeholder:"none|known|all"`
	Subject     *string `help:"Subject of the answers. Default: made of the message's."`
	Days        *int    `help:"Days after which a sender is answered again; 0: once in an absence." placeholder:"N"`
}

// Run turns it on. Whoever is not told apart hears the same.
func (c *awayOn) Run(ctx context.Context, g *Globals, t terminal) error {
	change := admin.AwayChange{
		Address: c.Address, Text: c.Text, HTML: c.HTML, OutsideText: c.OutsideText, OutsideHTML: c.OutsideHTML,
		Audience: c.Audience, Subject: c.Subject, Days: c.Days,
	}
	if c.Text != nil || c.HTML != nil {
		if c.OutsideText == nil && c.OutsideHTML == nil {
			change.OutsideText, change.OutsideHTML = c.Text, c.HTML
		}
		if all := "all"; c.Audience == nil {
			change.Audience = &all
		}
	}
	state := "on"
	zone, err := c.zone()
	if err != nil {
		return err
	}
	if c.Zone != "" {
		change.TimeZone = &c.Zone
	}
	if c.From != "" || c.Until != "" {
		state = "scheduled"
		if err := c.times(&change, zone, time.Now()); err != nil {
			return err
		}
	}
	change.State = &state
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := c.heard(ctx, a); err != nil {
			return err
		}
		return setAway(ctx, a, g, t, change)
	})
}

// heard makes sure that senders will hear something: the server's refusal can't name this command's flags.
func (c *awayOn) heard(ctx context.Context, a admin.Admin) error {
	old, err := a.Away(ctx, c.Address)
	if err != nil {
		return err
	}
	for _, text := range []struct {
		given *string
		was   string
	}{{c.Text, old.Text}, {c.HTML, old.HTML}, {c.OutsideText, old.OutsideText}, {c.OutsideHTML, old.OutsideHTML}} {
		if text.given != nil && *text.given != "" || text.given == nil && text.was != "" {
			return nil
		}
	}
	return fault.New(fault.Invalid, "there is no text yet: say with --text what senders are to hear")
}

// zone is the time zone that was said, or the machine's.
func (c *awayOn) zone() (*time.Location, error) {
	if c.Zone == "" {
		return time.Local, nil
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fault.New(fault.Invalid, "there is no time zone %q", c.Zone)
	}
	return zone, nil
}

func (c *awayOn) times(change *admin.AwayChange, zone *time.Location, now time.Time) error {
	start, end := now.Truncate(time.Second), time.Time{}
	var err error
	if c.From != "" {
		if start, _, err = moment(c.From, zone); err != nil {
			return err
		}
	}
	if c.Until != "" {
		day := false
		if end, day, err = moment(c.Until, zone); err != nil {
			return err
		}
		if day {
			end = end.AddDate(0, 0, 1)
		}
	}
	change.Start, change.End = &start, &end
	return nil
}

// moment reads a time of day, or a day, which is its beginning.
func moment(s string, zone *time.Location) (at time.Time, day bool, err error) {
	if at, err = time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return at, true, nil
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04", time.RFC3339} {
		if at, err = time.ParseInLocation(form, s, zone); err == nil {
			return at, false, nil
		}
	}
	return at, false, fault.New(fault.Invalid, "%q is no time: want 2026-12-24, or 2026-12-24 12:00", s)
}

func setAway(ctx context.Context, a admin.Admin, g *Globals, t terminal, c admin.AwayChange) error {
	away, err := a.SetAway(ctx, c)
	if err != nil {
		return err
	}
	return g.show(t, away, func() { printAway(t, &away) })
}

// printAway tells a setting to people.
func printAway(t terminal, a *admin.Away) {
	zone := time.Local
	if loc, err := time.LoadLocation(a.TimeZone); err == nil && a.TimeZone != "" {
		zone = loc
	}
	line := a.State
	if a.State == "scheduled" {
		for _, at := range []struct {
			word string
			time time.Time
		}{{" from ", a.Start}, {" until ", a.End}} {
			if !at.time.IsZero() {
				line += at.word + at.time.In(zone).Format("2006-01-02 15:04 MST")
			}
		}
		if line += ", not in force now"; a.Active {
			line = strings.Replace(line, ", not in force", ", in force", 1)
		}
	}
	fmt.Fprintln(t.out, "out of office:", line)
	often := "once in an absence"
	if a.Days > 0 {
		often = fmt.Sprintf("again after %d days", a.Days)
	}
	fmt.Fprintf(t.out, "others who are answered: %s; a sender is answered %s\n", a.Audience, often)
	for _, part := range [][2]string{{"subject", a.Subject}, {"text", a.Text}, {"text, HTML", a.HTML}, {"for others", a.OutsideText}, {"for others, HTML", a.OutsideHTML}} {
		if part[1] != "" {
			fmt.Fprintf(t.out, "%s:\n    %s\n", part[0], strings.ReplaceAll(printableLines(strings.TrimSpace(part[1])), "\n", "\n    "))
		}
	}
}
