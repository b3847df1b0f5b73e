package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/service/maildrop"
	"postroad/internal/service/move"
)

// importCmd brings mail in from files, or from another server.
type importCmd struct {
	Address string `arg:"" help:"The account."`
	From    string `arg:"" help:"An mbox, a Maildir, an EML file, or a folder with any of them; or another server: imaps://USER@HOST."`
	Folder  string `help:"Put messages that have no folder by their place into this one, like Work/2024." placeholder:"FOLDER"`
	Under   string `help:"Make all folders below this one." placeholder:"FOLDER"`
	Mbox    string `help:"The dialect of mbox files: auto, mboxo, mboxrd, mboxcl or mboxcl2." default:"auto" placeholder:"DIALECT"`
	Seen    bool   `help:"Mark all messages as read."`
	POP3IDs string `name:"pop3-ids" help:"How the other server made POP3's unique IDs, so that programs don't collect all mail once more: dovecot, uw, cyrus, courier, or a format like %08Xu%08Xv." placeholder:"FORMAT"`
	imapFlags
}

func (c *importCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	warn := func(text string) { fmt.Fprintln(t.err, "postroad:", printable(text)) }
	var from move.Source
	var server *imapServer
	var err error
	var ids maildrop.IDFormat
	if c.POP3IDs != "" {
		if ids, err = maildrop.ParseIDFormat(c.POP3IDs); err != nil {
			return err
		}
	}
	if isURL(c.From) {
		server, err = c.server(c.From, t)
	} else if c.given() {
		err = fault.New(fault.Invalid, "--password-file and the like go with an address like imaps://ann@mail.example.org")
	} else {
		from, err = move.Open(c.From, move.Options{Folder: folderPath(c.Folder), Mbox: move.Dialect(c.Mbox), Seen: c.Seen, UniqueIDs: ids, Warn: warn})
	}
	if err != nil {
		return err
	}
	return g.withMover(ctx, func(m admin.Mover) error {
		shown := &progress{t: t, verb: "read"}
		defer shown.end()
		if server != nil {
			have, err := m.Brought(ctx, c.Address)
			if err != nil {
				return err
			}
			from = c.source(server, ids, have, shown, warn)
		}
		result, err := m.Import(ctx, admin.ImportQuery{Address: c.Address, Under: folderPath(c.Under)}, shown.watch(from))
		shown.end()
		if err != nil {
			begun := shown.messages > 0 && !fault.Is(err, fault.NotFound)
			if begun {
				fmt.Fprintln(t.err, "What was imported stays. Say the same again to go on.")
			}
			if c.Token && begun && fault.Is(err, fault.Unauthenticated) {
				fmt.Fprintln(t.err, "Tokens end after a while: get a new one before.")
			}
			return err
		}
		if shown.left > 0 {
			fmt.Fprintf(t.err, "%d messages were left out, as told above. Say the same again to have them tried again.\n", shown.left)
		}
		result.Present += shown.skipped
		return g.show(t, result, func() {
			fmt.Fprintf(t.out, "%d messages are new (%s), %d were there, in %d folders\n",
				result.Added, size(result.Bytes, "0"), result.Present, result.Folders)
			if result.Updated > 0 {
				fmt.Fprintf(t.out, "%d of them have other flags now\n", result.Updated)
			}
			tellKeywords(t, result)
		})
	})
}

func tellKeywords(t terminal, r move.Result) {
	if r.Keywords > 0 {
		fmt.Fprintf(t.out, "%d keywords of messages couldn't be kept\n", r.Keywords)
	}
}

// folderPath is a folder as people write it.
func folderPath(s string) (path []string) {
	for part := range strings.SplitSeq(s, "/") {
		if part != "" {
			path = append(path, part)
		}
	}
	return path
}

// withMover runs fn on the server to administer.
func (g *Globals) withMover(ctx context.Context, fn func(admin.Mover) error) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		m, ok := a.(admin.Mover)
		if !ok {
			return fault.New(fault.Unsupported, "this server can't move mailboxes")
		}
		return fn(m)
	})
}

// progress tells how far a move is: on a terminal in one line that changes, elsewhere in a line now and then.
type progress struct {
	t        terminal
	verb     string
	messages int
	left     int                // messages that are there, and didn't come
	skipped  int                // messages that had come before, of which nothing is asked
	of       func() (n, of int) // how far it is in the folder; nil: nobody knows
	shown    bool               // a line stands unfinished
}

// Messages between two tellings.
const (
	tellTerminal = 100
	tellLines    = 10_000
)

// watch counts what a source gives.
func (p *progress) watch(from move.Source) move.Source {
	return func(ctx context.Context, yield func(*move.Message) error) error {
		return from(ctx, func(m *move.Message) error {
			if m.Body != nil {
				p.count(m)
			}
			return yield(m)
		})
	}
}

func (p *progress) count(m *move.Message) {
	p.messages++
	f, ok := p.t.err.(*os.File)
	onTerminal := ok && isTerminal(f)
	folder := printable(strings.Join(m.Folder, "/"))
	n, of := 0, 0
	if p.of != nil {
		n, of = p.of()
	}
	switch {
	case onTerminal && p.messages%tellTerminal == 0:
		fmt.Fprintf(p.t.err, "\r\x1b[K%s%s %d messages, in %.40s", bar(n, of), p.verb, p.messages, folder)
		p.shown = true
	case !onTerminal && p.messages%tellLines == 0 && of > 0:
		fmt.Fprintf(p.t.err, "%s %d messages, in %s (%d of %d)\n", p.verb, p.messages, folder, n, of)
	case !onTerminal && p.messages%tellLines == 0:
		fmt.Fprintf(p.t.err, "%s %d messages, in %s\n", p.verb, p.messages, folder)
	}
}

// bar draws how much is done; nothing if nobody knows how much there is.
func bar(n, of int) string {
	const width = 20
	if of <= 0 {
		return ""
	}
	full := width * min(n, of) / of
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "] "
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.t.err, "\r\x1b[K")
		p.shown = false
	}
}
