package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// appPasswordCmd groups the commands on passwords for one program each.
type appPasswordCmd struct {
	Add    appPasswordAdd    `cmd:"" help:"Make an app password and print it, once."`
	List   appPasswordList   `cmd:"" help:"List an account's app passwords, and when each was used."`
	Remove appPasswordRemove `cmd:"" help:"Remove an app password. What is signed in with it is signed out."`
}

type appPasswordAdd struct {
	Address string          `arg:"" help:"The account's address."`
	Name    string          `arg:"" help:"What it is for: phone, Thunderbird, backup."`
	For     []string        `help:"Protocols that it opens: imap, pop3, smtp; default: all." placeholder:"PROTOCOL"`
	Expires config.Duration `help:"After how long it opens nothing any more, like 90d; default: never." default:"0s"`
}

func (c *appPasswordAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		n := admin.NewAppPassword{Address: c.Address, Name: c.Name, Protocols: c.For}
		if c.Expires != 0 {
			n.Expires = time.Now().Add(time.Duration(c.Expires))
		}
		made, err := a.AddAppPassword(ctx, n)
		if err != nil {
			return err
		}
		return g.show(t, made, func() { fmt.Fprintln(t.out, made.Password) })
	})
}

type appPasswordList struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *appPasswordList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.AppPasswords(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for i := range all {
				rows = append(rows, appPasswordRow(&all[i]))
			}
			table(t, "NAME FOR CREATED EXPIRES USED FROM", rows)
		})
	})
}

func appPasswordRow(x *admin.AppPassword) []string {
	protocols, expires, used := "all", "never", "never"
	if len(x.Protocols) > 0 {
		protocols = strings.Join(x.Protocols, ",")
	}
	if !x.Expires.IsZero() {
		expires = minute(x.Expires)
	}
	if x.Expired {
		expires += " (expired)"
	}
	if !x.Used.IsZero() {
		used = minute(x.Used)
	}
	return []string{printable(x.Name), protocols, minute(x.Created), expires, used, strings.TrimSpace(x.UsedOver + " " + x.UsedFrom)}
}

// minute is a time for people, to the minute.
func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

type appPasswordRemove struct {
	Address string `arg:"" help:"The account's address."`
	Name    string `arg:"" help:"The app password's name."`
}

func (c *appPasswordRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Name, func(a admin.Admin) error {
		return a.RemoveAppPassword(ctx, admin.AppPasswordName{Address: c.Address, Name: c.Name})
	})
}

// twoStepCmd groups the commands on two-step verification.
type twoStepCmd struct {
	Show     twoStepShow     `cmd:"" help:"Tell whether it is on."`
	Begin    twoStepBegin    `cmd:"" help:"Make the secret for an authenticator and print it, once."`
	Confirm  twoStepConfirm  `cmd:"" help:"Turn it on, with a code that the authenticator shows; prints recovery codes, once."`
	Recovery twoStepRecovery `cmd:"" help:"Make new recovery codes in place of the old ones, and print them, once."`
	Off      twoStepOff      `cmd:"" help:"Turn it off."`
}

type twoStepShow struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *twoStepShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.TwoStep(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, s, func() { fmt.Fprintln(t.out, twoStepState(&s)) })
	})
}

func twoStepState(s *admin.TwoStep) string {
	switch {
	case s.On:
		by := "codes"
		if !s.Codes {
			by = "passkeys"
		}
		return fmt.Sprintf("on since %s, by %s; %d recovery codes are left", minute(s.Since), by, s.Recovery)
	case s.Pending:
		return "off; begun, but not confirmed by a code yet"
	}
	return "off"
}

type twoStepBegin struct {
	Address string `arg:"" help:"The account's address."`
	QR      bool   `name:"qr" help:"Show a QR code, too, for the authenticator's camera."`
}

func (c *twoStepBegin) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		e, err := a.BeginTwoStep(ctx, c.Address)
		if err != nil {
			return err
		}
		var drawn error
		err = g.show(t, e, func() {
			if c.QR {
				drawn = printCode(t, e.URL)
			}
			fmt.Fprintf(t.out, "secret  %s\nurl     %s\n", e.Secret, e.URL)
			fmt.Fprintf(t.err, "Give it to an authenticator, then say: postroad account two-step confirm %s CODE\n", c.Address)
		})
		return cmp.Or(err, drawn)
	})
}

type twoStepConfirm struct {
	Address string `arg:"" help:"The account's address."`
	Code    string `arg:"" help:"The six digits that the authenticator shows now."`
}

func (c *twoStepConfirm) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		r, err := a.ConfirmTwoStep(ctx, admin.Code{Address: c.Address, Code: c.Code})
		if err != nil {
			return err
		}
		return showRecovery(g, t, r)
	})
}

// showRecovery prints recovery codes.
func showRecovery(g *Globals, t terminal, r admin.RecoveryCodes) error {
	return g.show(t, r, func() {
		fmt.Fprintln(t.err, "Recovery codes, each good once, in case the authenticator is lost:")
		fmt.Fprintln(t.out, strings.Join(r.Codes, "\n"))
	})
}

type twoStepRecovery struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *twoStepRecovery) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		r, err := a.RenewRecoveryCodes(ctx, c.Address)
		if err != nil {
			return err
		}
		return showRecovery(g, t, r)
	})
}

type twoStepOff struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *twoStepOff) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "two-step verification of "+c.Address+" is off", func(a admin.Admin) error { return a.EndTwoStep(ctx, c.Address) })
}

// sessionCmd groups the commands on who is signed in.
type sessionCmd struct {
	List sessionList `cmd:"" help:"List the connections on which somebody is signed in."`
	End  sessionEnd  `cmd:"" help:"End a session, or all of an account."`
}

type sessionList struct {
	Address string `arg:"" optional:"" help:"Whose; default: all."`
}

func (c *sessionList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Sessions(ctx, admin.SessionQuery{Address: c.Address})
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, s := range all {
				rows = append(rows, []string{s.ID, s.Address, s.Protocol, s.Client, minute(s.Since), printable(s.Key), printable(s.Program)})
			}
			table(t, "ID ACCOUNT PROTOCOL CLIENT SINCE WITH PROGRAM", rows)
		})
	})
}

type sessionEnd struct {
	ID      string `arg:"" optional:"" help:"The session's ID, as session list shows it."`
	Account string `help:"End all sessions of this account." placeholder:"ADDRESS"`
}

func (c *sessionEnd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		n, err := a.EndSessions(ctx, admin.SessionQuery{ID: c.ID, Address: c.Account})
		if err != nil {
			return err
		}
		return g.show(t, n, func() { fmt.Fprintf(t.out, "sessions ended: %d\n", n.Sessions) })
	})
}
