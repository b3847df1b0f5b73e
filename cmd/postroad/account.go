package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// accountCmd groups the commands on accounts.
type accountCmd struct {
	Add         accountAdd      `cmd:"" help:"Add an account."`
	List        accountList     `cmd:"" help:"List the accounts."`
	Show        accountShow     `cmd:"" help:"Show one account."`
	Password    accountPassword `cmd:"" help:"Set an account's password."`
	Quota       accountQuota    `cmd:"" help:"Limit an account's mail."`
	Enable      accountEnable   `cmd:"" help:"Let an account sign in."`
	Disable     accountDisable  `cmd:"" help:"Keep an account from signing in; its mail still arrives."`
	AppPassword appPasswordCmd  `cmd:"" help:"Passwords for one program each."`
	Passkey     passkeyCmd      `cmd:"" help:"Passkeys: keys in phones and computers that open people's own pages."`
	TwoStep     twoStepCmd      `cmd:"" help:"Two-step verification: codes of an authenticator beside the password."`
	Set         accountSet      `cmd:"" help:"Set an account's language, and what POP3 shows of it and does with messages."`
	Away        awayCmd         `cmd:"" help:"Out of office: what senders hear while somebody is away."`
	Grant       grantCmd        `cmd:"" help:"Programs that were allowed in by OAuth."`
	Limits      accountLimits   `cmd:"" help:"What accounts may send."`
	Share       accountShare    `cmd:"" help:"Let somebody into a folder of an account."`
	Shares      accountShares   `cmd:"" help:"Tell who may do what in the folders of an account."`
	Programs    accountPrograms `cmd:"" help:"Tell what a person enters in a mail program, if it doesn't find that by itself."`
	Reindex     accountReindex  `cmd:"" help:"Make the index for searches in text anew."`
	Rename      accountRename   `cmd:"" help:"Give an account another address. Its old one stays as an alias."`
	Unlink      accountUnlink   `cmd:"" help:"Make an account that is kept in LDAP or a database one of our own."`
	Remove      accountRemove   `cmd:"" help:"Remove an account. It can be brought back for a while."`
	Removed     accountRemoved  `cmd:"" help:"List the removed accounts that can be brought back."`
	Undelete    accountUndelete `cmd:"" help:"Bring back messages that were expunged."`
	Restore     accountRestore  `cmd:"" help:"Bring a removed account back, with its password and mail."`
}

type accountAdd struct {
	Address string      `arg:"" help:"The account's address, which is its login too."`
	Name    string      `help:"The person's name."`
	Quota   config.Size `help:"Most bytes of mail, like 10G; 0 means no limit." default:"0"`
	Shared  bool        `help:"Make it nobody's own: nobody signs in to it, and people see its folders, as far as they have rights, below Shared."`
	passwordFlags
}

func (c *accountAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	password := ""
	if !c.Shared {
		var err error
		if password, err = c.password(g, t, c.Address); err != nil {
			return err
		}
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		acc, err := a.AddAccount(ctx, admin.NewAccount{Address: c.Address, Name: c.Name,
			Password: password, QuotaBytes: int64(c.Quota), Shared: c.Shared})
		if err != nil {
			return err
		}
		if !c.Shared {
			c.tell(t, c.Address, password)
		}
		return g.show(t, acc, func() { fmt.Fprintf(t.out, "added %s\n", acc.Address) })
	})
}

type accountList struct{}

func (*accountList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Accounts(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.Address, enabled(x), fmt.Sprint(x.UsedItems), size(x.UsedBytes, "0"), size(x.QuotaBytes, "none"), x.Name})
			}
			table(t, "ADDRESS STATE MESSAGES BYTES QUOTA NAME", rows)
		})
	})
}

func enabled(a admin.Account) string {
	switch {
	case a.Shared:
		return "shared"
	case a.Enabled:
		return "enabled"
	}
	return "disabled"
}

type accountShow struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		x, err := a.Account(ctx, c.Address)
		if err != nil {
			return err
		}
		pop, err := a.AccountPOP3(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, x, func() {
			fmt.Fprintf(t.out, "address   %s\nname      %s\nnumber    %d\nstate     %s\ncreated   %s\nmessages  %d\nbytes     %s\nquota     %s\nPOP3      %s\n",
				x.Address, x.Name, x.ID, enabled(x), x.Created.Local().Format("2006-01-02 15:04"), x.UsedItems, size(x.UsedBytes, "0"), size(x.QuotaBytes, "none"), describePOP3(pop))
		})
	})
}

type accountPassword struct {
	Address string `arg:"" help:"The account's address."`
	passwordFlags
}

func (c *accountPassword) Run(ctx context.Context, g *Globals, t terminal) error {
	password, err := c.password(g, t, c.Address)
	if err != nil {
		return err
	}
	return g.change(ctx, t, "the password of "+c.Address+" is set", func(a admin.Admin) error {
		err := a.SetPassword(ctx, c.Address, password)
		if err == nil {
			c.tell(t, c.Address, password)
		}
		return err
	})
}

type accountQuota struct {
	Address string      `arg:"" help:"The account's address."`
	Bytes   config.Size `arg:"" help:"Like 500M or 10G; 0 means no limit."`
}

func (c *accountQuota) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "the quota of "+c.Address+" is "+size(int64(c.Bytes), "none"), func(a admin.Admin) error {
		return a.SetQuota(ctx, c.Address, int64(c.Bytes))
	})
}

type accountEnable struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountEnable) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Address+" can sign in", func(a admin.Admin) error { return a.SetEnabled(ctx, c.Address, true) })
}

type accountDisable struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountDisable) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Address+" can't sign in any more", func(a admin.Admin) error { return a.SetEnabled(ctx, c.Address, false) })
}

// change runs a command that has no result but that it is done.
func (g *Globals) change(ctx context.Context, t terminal, done string, fn func(admin.Admin) error) error {
	err := g.withAdmin(ctx, fn)
	if err == nil {
		g.say(t, "%s", done)
	}
	return err
}

// confirm asks a person.
func confirm(t terminal, question string) error {
	if f, ok := t.in.(*os.File); !ok || !isTerminal(f) {
		return fault.New(fault.Invalid, "say --yes: there is no terminal to ask on")
	}
	fmt.Fprint(t.err, question+" [y/N] ")
	line, _ := bufio.NewReader(t.in).ReadString('\n')
	if !strings.HasPrefix(strings.ToLower(line), "y") {
		return fault.New(fault.Canceled, "nothing was done")
	}
	return nil
}
