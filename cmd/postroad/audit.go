package main

import (
	"context"
	"fmt"
	"os/user"
	"strings"
	"time"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// auditCmd shows the log of sign-ins and administrators' acts.
type auditCmd struct {
	Who    string          `arg:"" optional:"" help:"An account's address, or a name that was tried; default: all."`
	Kind   []string        `help:"Only sign-in, failure or act." placeholder:"KIND"`
	Client string          `help:"Only what came from IP." placeholder:"IP"`
	Since  config.Duration `help:"What happened in the last TIME, like 90m, 24h or 3d." placeholder:"TIME"`
	Limit  int             `help:"Most entries; the newest are shown." default:"100"`
}

func (c *auditCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	q := admin.AuditQuery{Kinds: c.Kind, Who: c.Who, Client: c.Client, Limit: c.Limit}
	if c.Since > 0 {
		q.Since = time.Now().Add(-time.Duration(c.Since)).UTC()
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Audit(ctx, q)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			for i := range all {
				fmt.Fprintln(t.out, auditLine(&all[i]))
			}
			if len(all) == 0 {
				fmt.Fprintln(t.out, "nothing is remembered")
			}
		})
	})
}

// auditLine tells one entry: "2026-11-22 10:02:11  signed in  ann@example.org  imap PLAIN TLS from 192.0.2.1 with password".
func auditLine(e *admin.AuditEntry) string {
	words := []string{clock(e.At) + "  " + printable(e.What) + "  " + orDash(printable(e.Who)) + " "}
	add := func(s string, ok bool) {
		if ok {
			words = append(words, printable(s))
		}
	}
	add(e.Protocol, e.Protocol != "")
	add(e.Mechanism, e.Mechanism != "")
	add("TLS", e.TLS)
	add("from "+e.Client, e.Client != "")
	add("with "+e.Key, e.Key != "")
	add(e.Detail, e.Detail != "")
	add("failed: "+e.Error, e.Error != "")
	add(fmt.Sprintf("(%d times until %s)", e.Count, clock(e.Last)), e.Count > 1)
	return strings.TrimRight(strings.Join(words, " "), " ")
}

// act is what a command does, for the audit log.
type act struct {
	name   string // "account disable"
	line   string // as it was given; secrets are never arguments
	failed error
}

// commandName is a command without its arguments: kong has it as "account disable <address>".
func commandName(s string) string {
	var words []string
	for _, w := range strings.Fields(s) {
		if !strings.HasPrefix(w, "<") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// record remembers a command on a stopped server; a running one does that itself.
func (a *act) record(ctx context.Context, d *admin.Direct) error {
	if a.onlyReads() {
		return nil
	}
	who := "command"
	if u, err := user.Current(); err == nil {
		who += " of " + u.Username
	}
	return d.Act(ctx, who, strings.ReplaceAll(a.name, " ", "."), a.line, a.failed)
}

// onlyReads reports whether the command changes nothing. What isn't known here is taken for one that does.
func (a *act) onlyReads() bool {
	switch a.name[strings.LastIndexByte(a.name, ' ')+1:] {
	case "", "list", "show", "held", "shares", "status", "check", "audit", "trace", "records", "tls", "dmarc", "export", "backup", "account", "keys", "message", "demo", "serve", "verify":
		return true
	}
	return false
}
