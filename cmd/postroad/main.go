// Command postroad is the e-mail server: it serves, it shows itself
// (postroad demo), and it administers a server that runs or is stopped.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/server/garbage"
)

// commandLine is all that can be said on the command line: one field for each group of commands.
type commandLine struct {
	Globals

	Demo    demoCmd    `cmd:"" group:"start" help:"Show Postroad on this machine: two people with mail, every protocol, loopback only."`
	Serve   serveCmd   `cmd:"" group:"start" help:"Run the server, until it gets SIGTERM or Ctrl-C."`
	Init    initCmd    `cmd:"" group:"start" help:"Set up a new installation: setting file, first domain, first account."`
	Version versionCmd `cmd:"" group:"start" help:"Print the version."`

	Account    accountCmd    `cmd:"" group:"people" help:"People's accounts."`
	Domain     domainCmd     `cmd:"" group:"people" help:"Domains that are served."`
	Alias      aliasCmd      `cmd:"" group:"people" help:"Addresses whose mail goes to others."`
	Group      groupCmd      `cmd:"" group:"people" help:"Lists of people with an address."`
	Postmaster postmasterCmd `cmd:"" group:"people" help:"Tell or say who reads mail for postmaster and abuse, where nobody has these addresses."`
	Source     sourceCmd     `cmd:"" group:"people" help:"Directories outside that accounts are kept in: LDAP, or a table of a database."`
	Admin      adminCmd      `cmd:"" group:"people" help:"Who administers domains, or the whole server, by the admin API."`
	Token      tokenCmd      `cmd:"" group:"people" help:"Tokens that admit programs to the admin API."`
	Session    sessionCmd    `cmd:"" group:"people" help:"Who is signed in."`

	Queue      queueCmd      `cmd:"" group:"mail" help:"Mail that is to leave."`
	Trace      traceCmd      `cmd:"" group:"mail" help:"Tell where a message is: how it came in, what the checks found, in which mailbox it lies, what other servers said; or why it was refused."`
	Quarantine quarantineCmd `cmd:"" group:"mail" help:"Messages that a scanner or policy has put aside: list, show, release, delete."`
	Policy     policyCmd     `cmd:"" group:"mail" help:"What administrators have decided about mail: whom to refuse or let in, which files, how large."`
	Journal    journalCmd    `cmd:"" group:"mail" help:"Copies of all mail of a domain or an account, for an archive."`
	Disclaimer disclaimerCmd `cmd:"" group:"mail" help:"Texts below mail that leaves."`
	Junk       junkCmd       `cmd:"" group:"mail" help:"What is junk, why, and what accounts have learned about it."`
	Sieve      sieveCmd      `cmd:"" group:"mail" help:"People's mail filters: Sieve scripts."`
	Reports    reportsCmd    `cmd:"" group:"mail" help:"What other sites report about our mail, and what we report to them."`

	Import  importCmd  `cmd:"" group:"moving" help:"Bring mail in: from mbox, Maildir or EML files, or from another server by IMAP."`
	Export  exportCmd  `cmd:"" group:"moving" help:"Take mail out: as Maildir or mbox."`
	Fetch   fetchCmd   `cmd:"" group:"moving" help:"Mail that people have on other servers."`
	Backup  backupCmd  `cmd:"" group:"moving" help:"Back up the store."`
	Restore restoreCmd `cmd:"" group:"moving" help:"Bring back what was backed up: the whole store, or one account."`

	Status statusCmd `cmd:"" group:"care" help:"Tell how the server is."`
	Doctor doctorCmd `cmd:"" group:"care" help:"Look a running server over: disk, listeners, certificate, DNS, queue, backups, domains. Exit status 3 if something is wrong."`
	Check  checkCmd  `cmd:"" group:"care" help:"Look for contradictions in all that is stored. Exit status 3 if there are any."`
	Cert   certCmd   `cmd:"" group:"care" help:"TLS certificates."`
	Audit  auditCmd  `cmd:"" group:"care" help:"Tell who signed in, who failed to, and what administrators did."`
	Debug  debugCmd  `cmd:"" group:"care" help:"Print what is stored, as text."`
}

// terminal is what a command talks to.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// Exit statuses.
const (
	exitOK       = 0
	exitFailed   = 1 // it didn't work
	exitUsage    = 2 // the command line is wrong
	exitProblems = 3 // check found problems
)

// errProblems ends a check that found some; they have been printed.
var errProblems = errors.New("there are problems")

func main() {
	garbage.Tend()
	os.Exit(run(context.Background(), os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr}))
}

// run runs one command and returns its exit status.
func run(ctx context.Context, args []string, t terminal) int {
	var line commandLine
	helped := false
	parser, err := newParser(&line, t, func(int) { helped = true })
	if err != nil {
		fmt.Fprintln(t.err, "postroad:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(t.err, "postroad: %v\nSay \"%s --help\".\n", err, understood(err))
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	line.act = act{name: commandName(parsed.Command()), line: strings.Join(args, " ")}
	return exitStatus(parsed.Run(&line.Globals, t), t)
}

// understood is the command as far as the parser got before it failed.
func understood(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context.Command() != "" {
		return "postroad " + commandName(p.Context.Command())
	}
	return "postroad"
}

// newParser gives what reads a command line; it calls exit when it has shown help.
func newParser(line *commandLine, t terminal, exit func(int)) (*kong.Kong, error) {
	return kong.New(line, kong.Name("postroad"),
		kong.Description("Postroad, an e-mail server: SMTP, LMTP, IMAP, POP3 and ManageSieve in one program."),
		kong.Vars{"configFile": config.DefaultFile}, kong.Writers(t.out, t.err), kong.Exit(exit),
		kong.ExplicitGroups([]kong.Group{
			{Key: "start", Title: "To begin:"},
			{Key: "people", Title: "People and addresses:"},
			{Key: "mail", Title: "Mail:"},
			{Key: "moving", Title: "In and out, and backup:"},
			{Key: "care", Title: "Looking after the server:"},
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
}

// exitStatus tells a failure to the user.
func exitStatus(err error, t terminal) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errProblems):
		return exitProblems
	}
	fmt.Fprintln(t.err, "postroad:", explain(err))
	return exitFailed
}

// explain shows the whole of an error: whoever runs commands may see causes.
func explain(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Text == "" && f.Err == nil {
		return f.Kind.String()
	}
	return err.Error()
}
