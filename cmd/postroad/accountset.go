package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// accountSet says what programs see of an account.
type accountSet struct {
	Address string `arg:"" help:"The account's address."`

	Language        *string `help:"The language of the person's own pages and of what the server writes to them: en, de, fr, or auto (as the browser asks; messages in English)." enum:"en,de,fr,auto" placeholder:"en|de|fr|auto"`
	POP3            *string `name:"pop3" help:"Whether POP3 may be used: on or off." enum:"on,off" placeholder:"on|off"`
	POP3Since       *string `name:"pop3-since" help:"What was received before this day isn't shown by POP3: 2026-11-22, now, or \"all\" to show all." placeholder:"DAY"`
	POP3Delete      *string `name:"pop3-delete" help:"What becomes of messages that a POP3 program deletes: delete (as it says), keep (they stay in the mailbox, but POP3 shows them no more), trash (they go to the folder for deleted messages)." enum:"delete,keep,trash" placeholder:"delete|keep|trash"`
	POP3RemoveAfter *string `name:"pop3-remove-after" help:"Days after which messages are removed that were retrieved by POP3, or \"never\"." placeholder:"DAYS"`
	POP3Seen        *bool   `name:"pop3-seen" negatable:"" help:"Mark as read what POP3 retrieves."`
}

// Run changes what was named.
func (c *accountSet) Run(ctx context.Context, g *Globals, t terminal) error {
	change, err := c.change(time.Now())
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := c.setLanguage(ctx, g, t, a); err != nil || change == (admin.POP3Change{Address: c.Address}) {
			return err
		}
		p, err := a.SetAccountPOP3(ctx, change)
		if err != nil {
			return err
		}
		return g.show(t, p, func() { g.say(t, "POP3 of %s: %s", c.Address, describePOP3(p)) })
	})
}

// setLanguage sets the language, if one was named.
func (c *accountSet) setLanguage(ctx context.Context, g *Globals, t terminal, a admin.Admin) error {
	if c.Language == nil {
		return nil
	}
	tag := *c.Language
	if tag == "auto" {
		tag = ""
	}
	if err := a.SetLanguage(ctx, admin.Language{Address: c.Address, Tag: tag}); err != nil {
		return err
	}
	g.say(t, "language of %s: %s", c.Address, *c.Language)
	return nil
}

func (c *accountSet) change(now time.Time) (admin.POP3Change, error) {
	change := admin.POP3Change{Address: c.Address, OnDelete: c.POP3Delete, MarkSeen: c.POP3Seen}
	if c.POP3 == nil && c.POP3Since == nil && c.POP3Delete == nil && c.POP3RemoveAfter == nil && c.POP3Seen == nil && c.Language == nil {
		return change, fault.New(fault.Invalid, "say what to set: see postroad account set --help")
	}
	if c.POP3 != nil {
		on := *c.POP3 == "on"
		change.Enabled = &on
	}
	if c.POP3Since != nil {
		at, err := sinceDay(*c.POP3Since, now)
		if err != nil {
			return change, err
		}
		change.Since = &at
	}
	if c.POP3RemoveAfter != nil {
		days, err := 0, error(nil)
		if *c.POP3RemoveAfter != "never" {
			days, err = strconv.Atoi(*c.POP3RemoveAfter)
		}
		if err != nil || days < 0 {
			return change, fault.New(fault.Invalid, "--pop3-remove-after: want a number of days, or never")
		}
		change.RemoveAfterDays = &days
	}
	return change, nil
}

// sinceDay is when a day begins here; the zero time for "all".
func sinceDay(s string, now time.Time) (time.Time, error) {
	switch s {
	case "all":
		return time.Time{}, nil
	case "now":
		return now.Truncate(time.Second), nil
	}
	at, err := time.ParseInLocation(time.DateOnly, s, time.Local)
	if err != nil {
		return at, fault.New(fault.Invalid, "--pop3-since: want a day like 2026-11-22, now or all")
	}
	return at, nil
}

// describePOP3 says a policy in a line.
func describePOP3(p admin.POP3) string {
	if !p.Enabled {
		return "off"
	}
	parts := []string{"the inbox"}
	if !p.Since.IsZero() {
		parts[0] = "the inbox since " + p.Since.Local().Format("2006-01-02 15:04")
	}
	switch p.OnDelete {
	case "keep":
		parts = append(parts, "what programs delete is kept")
	case "trash":
		parts = append(parts, "what programs delete goes to the trash")
	}
	if p.RemoveAfterDays > 0 {
		parts = append(parts, "what was retrieved is removed after "+strconv.Itoa(p.RemoveAfterDays)+" days")
	}
	if p.MarkSeen {
		parts = append(parts, "what was retrieved is marked as read")
	}
	return strings.Join(parts, "; ")
}
