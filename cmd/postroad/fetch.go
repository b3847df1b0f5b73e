package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// fetchCmd groups the commands on accounts elsewhere whose mail is fetched.
type fetchCmd struct {
	Add       fetchAdd       `cmd:"" help:"Fetch mail from an account on another server, from now on."`
	List      fetchList      `cmd:"" help:"List the external accounts, and how they are."`
	Run       fetchRun       `cmd:"" help:"Fetch now."`
	Set       fetchSet       `cmd:"" help:"Change the password of an external account."`
	Authorize fetchAuthorize `cmd:"" help:"Let somebody allow it in a browser, where the mail is somebody's by OAuth 2.0 (fetch add --oauth)."`
	Remove    fetchRemove    `cmd:"" help:"Don't fetch from an external account any more; mail that came stays."`
}

type fetchAdd struct {
	Address      string `arg:"" help:"The account here."`
	From         string `arg:"" help:"imaps://USER@HOST, pop3s://USER@HOST; imap:// and pop3:// for STARTTLS."`
	PasswordFile string `help:"The file with the password, one line; without, it is asked for." placeholder:"FILE" type:"existingfile"`
	Token        bool   `help:"What is given is no password, but an OAuth 2.0 access token."`
	fetchOAuth
	Policy       string        `help:"When messages are removed there: keep (never), delete (when they are here), days (--days later), mirror (when they are deleted here)." enum:"keep,delete,days,mirror" default:"keep"`
	Days         int           `help:"With --policy days." placeholder:"N"`
	Every        time.Duration `help:"How often to ask." default:"10m"`
	Mailbox      string        `help:"By IMAP: the mailbox there; INBOX if not given." placeholder:"NAME"`
	Folder       string        `help:"The folder here, like Old/Work; the inbox if not given." placeholder:"FOLDER"`
	Judge        string        `help:"Whether what comes is judged as other mail is (junk, the account's filter): inbox (what comes from the inbox there), yes (from other mailboxes too), no (nor is it shown to scanners and policies)." enum:"inbox,yes,no" default:"inbox"`
	TrustResults string        `help:"Believe what the server that calls itself so (authserv-id) wrote about senders into Authentication-Results." placeholder:"ID"`
	Cleartext    bool          `help:"With imap:// and pop3://: send the password without TLS. Everybody on the way can read it."`
	Unchecked    bool          `help:"Don't sign in there first."`
	ServerCA     string        `name:"server-ca" help:"The certificate to trust there, or its authority's, if the system doesn't." placeholder:"FILE" type:"existingfile"`
}

func (c *fetchAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	n, err := c.external()
	if err != nil {
		return err
	}
	if n.Trust, err = c.trust(); err != nil {
		return err
	}
	if n.OAuth, n.Secret, err = c.fetchOAuth.by(); err != nil {
		return err
	}
	if c.OAuth == "" {
		if n.Secret, err = (imapFlags{PasswordFile: c.PasswordFile}).secret(t, n.User, n.Address); err != nil {
			return err
		}
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		f, err := a.AddFetch(ctx, n)
		if err != nil {
			return err
		}
		return g.show(t, f, func() {
			fmt.Fprintf(t.out, "external account %d: mail of %s at %s comes to %s every %v\n", f.ID, printable(f.User), f.Address, f.Account, c.Every)
			if c.OAuth != "" && n.Secret == "" {
				fmt.Fprintf(t.out, "somebody has to allow it first: postroad fetch authorize %d\n", f.ID)
			}
		})
	})
}

// trust reads the certificates to trust.
func (c *fetchAdd) trust() (string, error) {
	if c.ServerCA == "" {
		return "", nil
	}
	if _, err := rootsIn(c.ServerCA); err != nil {
		return "", err
	}
	pem, err := os.ReadFile(c.ServerCA)
	return string(pem), err
}

// externalPorts are the schemes, with the ports if none is given.
var externalPorts = map[string]string{"imap": "143", "imaps": "993", "pop3": "110", "pop3s": "995"}

// external reads the address.
func (c *fetchAdd) external() (n admin.NewFetch, err error) {
	u, err := url.Parse(c.From)
	if err != nil || externalPorts[u.Scheme] == "" || u.Hostname() == "" || u.User.Username() == "" || strings.Trim(u.Path, "/") != "" {
		return n, fault.New(fault.Invalid, "%s: want imaps://USER@HOST or pop3s://USER@HOST; imap:// and pop3:// for STARTTLS", printable(c.From))
	}
	if _, has := u.User.Password(); has {
		return n, fault.New(fault.Invalid, "a password in the command line is seen by everybody here: say --password-file, or wait to be asked")
	}
	port := externalPorts[u.Scheme]
	if u.Port() != "" {
		port = u.Port()
	}
	protocol, implicit := strings.CutSuffix(u.Scheme, "s")
	security := "starttls"
	if implicit {
		security = "tls"
	} else if c.Cleartext {
		security = "none"
	}
	return admin.NewFetch{Account: c.Address, Protocol: protocol, Address: net.JoinHostPort(u.Hostname(), port), Security: security, User: u.User.Username(),
		Token: c.Token, Mailbox: c.Mailbox, Folder: folderPath(c.Folder), Policy: c.Policy, Days: c.Days, EverySeconds: int(c.Every / time.Second), Unchecked: c.Unchecked,
		Judge: strings.TrimPrefix(c.Judge, "inbox"), Results: c.TrustResults}, nil
}

type fetchList struct {
	Address string `arg:"" optional:"" help:"Those of one account here."`
}

func (c *fetchList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Fetches(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, f := range all {
				rows = append(rows, []string{fmt.Sprint(f.ID), f.Account, f.Protocol, printable(f.User) + "@" + f.Address, policyOf(f), fmt.Sprint(f.Count), when(f.LastOK), when(f.Next), fetchState(f)})
			}
			table(t, "ID ACCOUNT PROTOCOL FROM POLICY CAME LAST NEXT STATE", rows)
		})
	})
}

func policyOf(f admin.Fetch) string {
	if f.Days > 0 {
		return fmt.Sprintf("%d days", f.Days)
	}
	return f.Policy
}

func fetchState(f admin.Fetch) string {
	switch {
	case f.Failures == 0:
		return "ok"
	case f.Last.IsZero():
		return "waits: " + printable(f.Problem)
	}
	return fmt.Sprintf("failed %d times: %s", f.Failures, printable(f.Problem))
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

type fetchRun struct {
	ID []uint32 `arg:"" optional:"" help:"As \"fetch list\" shows it; all if none is given."`
}

func (c *fetchRun) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		ids := c.ID
		if len(ids) == 0 {
			all, err := a.Fetches(ctx, "")
			if err != nil {
				return err
			}
			for _, f := range all {
				ids = append(ids, f.ID)
			}
		}
		var failed error
		results := map[uint32]admin.Fetched{}
		for _, id := range ids {
			r, err := a.RunFetch(ctx, id)
			if err != nil {
				fmt.Fprintf(t.err, "postroad: %d: %s\n", id, printable(explain(err)))
				failed = fault.New(fault.Unavailable, "not all could be fetched")
				continue
			}
			results[id] = r
			g.say(t, "%d: %d messages came (%s), %d were removed there", id, r.Fetched, size(r.Bytes, "0"), r.Removed)
		}
		if g.JSON {
			if err := g.show(t, results, nil); err != nil {
				return err
			}
		}
		return failed
	})
}

type fetchSet struct {
	ID           uint32 `arg:"" help:"As \"fetch list\" shows it."`
	PasswordFile string `help:"The file with the password or token, one line; without, it is asked for." placeholder:"FILE" type:"existingfile"`
}

func (c *fetchSet) Run(ctx context.Context, g *Globals, t terminal) error {
	secret, err := (imapFlags{PasswordFile: c.PasswordFile}).secret(t, "the external account", fmt.Sprint(c.ID))
	if err != nil {
		return err
	}
	return g.change(ctx, t, fmt.Sprintf("the password of external account %d is set", c.ID), func(a admin.Admin) error {
		return a.SetFetchSecret(ctx, admin.FetchSecret{ID: c.ID, Secret: secret})
	})
}

type fetchRemove struct {
	ID uint32 `arg:"" help:"As \"fetch list\" shows it."`
}

func (c *fetchRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, fmt.Sprintf("removed external account %d", c.ID), func(a admin.Admin) error { return a.RemoveFetch(ctx, c.ID) })
}
