package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/service/move"
)

// junkCmd groups the commands on what is junk.
type junkCmd struct {
	Show   junkShow   `cmd:"" help:"Tell what an account has learned about junk, or all together."`
	Why    junkWhy    `cmd:"" help:"Tell why a message is in the junk, or isn't."`
	Test   junkTest   `cmd:"" help:"Tell what would be said of a message in a file."`
	Train  junkTrain  `cmd:"" help:"Have an account learn what is junk, or good, from files."`
	Forget junkForget `cmd:"" help:"Forget all that an account has learned, and whom it knows."`
	Off    junkOff    `cmd:"" help:"Judge an account's mail no more."`
	On     junkOn     `cmd:"" help:"Judge it again."`
}

type junkShow struct {
	Address string `arg:"" optional:"" help:"The account; none: what all share."`
}

func (c *junkShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.SharedJunk(ctx)
		if c.Address != "" {
			s, err = a.Junk(ctx, c.Address)
		}
		if err != nil {
			return err
		}
		return g.show(t, s, func() { printJunk(t, &s) })
	})
}

func printJunk(t terminal, s *admin.JunkState) {
	fmt.Fprintf(t.out, "learned  %d junk, %d good\n", s.Junk, s.Good)
	if s.Address == "" {
		fmt.Fprintf(t.out, "senders  %d that accounts agree on\n", s.Senders)
		return
	}
	state := "on"
	if s.Off {
		state = "off: its mail isn't judged"
	}
	fmt.Fprintf(t.out, "knows    %d addresses, whose mail is never junk unless forged\nfilter   %s\n", s.Known, state)
}

type junkOff struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *junkOff) Run(ctx context.Context, g *Globals, t terminal) error {
	return setJunk(ctx, g, t, c.Address, true)
}

type junkOn struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *junkOn) Run(ctx context.Context, g *Globals, t terminal) error {
	return setJunk(ctx, g, t, c.Address, false)
}

func setJunk(ctx context.Context, g *Globals, t terminal, address string, off bool) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.SetJunk(ctx, admin.JunkChange{Address: address, Off: off})
		if err != nil {
			return err
		}
		return g.show(t, s, func() { printJunk(t, &s) })
	})
}

type junkForget struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *junkForget) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := a.ForgetJunk(ctx, c.Address); err != nil {
			return err
		}
		g.say(t, "forgotten")
		return nil
	})
}

type junkWhy struct {
	Address string `arg:"" help:"The account's address."`
	Message string `arg:"" help:"Its Message-ID; or the folder and its UID there, like Junk/17."`
}

func (c *junkWhy) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		why, err := a.WhyJunk(ctx, admin.JunkQuery{Address: c.Address, Message: c.Message})
		if err != nil {
			return err
		}
		return g.show(t, why, func() { printReasons(t, &why) })
	})
}

type junkTest struct {
	File    string `arg:"" help:"The message; -: standard input."`
	Account string `help:"For whom; none: for an account that has learned nothing." placeholder:"ADDRESS"`
}

// mostJunkText is how much of a message is sent to be looked at, in bytes: more isn't read of it.
const mostJunkText = 512 << 10

func (c *junkTest) Run(ctx context.Context, g *Globals, t terminal) error {
	in := t.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, mostJunkText))
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		why, err := a.TestJunk(ctx, admin.JunkTest{Address: c.Account, Text: []byte(crlf(raw))})
		if err != nil {
			return err
		}
		return g.show(t, why, func() { printReasons(t, &why) })
	})
}

// printReasons tells why. What comes from the message is made printable.
func printReasons(t terminal, r *admin.JunkReasons) {
	if r.Folder != "" {
		fmt.Fprintf(t.out, "folder   %s\n", printable(r.Folder))
		printArrived(t, r.Arrived)
	}
	fmt.Fprintf(t.out, "now      %s: score %d of %d%s\n", junkWord(r.Junk), r.Score, r.Limit, because(r.Because))
	if r.Label != "" {
		fmt.Fprintf(t.out, "said     %s, since it was %s\n", r.Label, r.By)
	}
	proof := "nothing proves it"
	if r.Proven != "" {
		proof = printable(r.Proven) + " is proved"
	}
	fmt.Fprintf(t.out, "author   %s (%s)\n", printable(r.Author), proof)
	if r.Domain != 0 || r.Network != 0 {
		fmt.Fprintf(t.out, "votes    on the domain %+.1f, on the network %+.1f\n", r.Domain, r.Network)
	}
	for _, s := range r.Signs {
		fmt.Fprintf(t.out, "sign     %s\n", printable(s))
	}
	for _, x := range r.Reasons {
		fmt.Fprintf(t.out, "  %+6.2f  %s\n", x.Weight, printable(x.What))
	}
}

// printArrived tells what was said of a stored message when it came: nothing, of mail that isn't judged.
func printArrived(t terminal, a *admin.JunkRemark) {
	if a == nil {
		fmt.Fprintln(t.out, "arrived  not judged: only what strangers bring is, and only where the filter is on")
		return
	}
	fmt.Fprintf(t.out, "arrived  %s: score %d of %d%s\n", junkWord(a.Junk), a.Score, a.Limit, because(a.Because))
}

func junkWord(junk bool) string {
	if junk {
		return "junk"
	}
	return "good"
}

func because(why string) string {
	texts := map[string]string{
		"known": "the author is known", "report": "it is about mail of the account", "policy": "the author's domain asks for it",
		"scanner": "a scanner holds it for junk",
	}
	if why == "" {
		return ""
	}
	if text := texts[why]; text != "" {
		why = text
	}
	return ", but " + printable(why)
}

type junkTrain struct {
	Paths   []string `arg:"" name:"path" help:"Each an mbox, a Maildir, an EML file, or a folder with any of them."`
	Junk    bool     `help:"They are junk." xor:"what" required:""`
	Good    bool     `help:"They are good." xor:"what" required:""`
	Account string   `help:"Who learns; none: all accounts." placeholder:"ADDRESS"`
	Mbox    string   `help:"The dialect of mbox files: auto, mboxo, mboxrd, mboxcl or mboxcl2." default:"auto" placeholder:"DIALECT"`
}

// mostLessons is how many messages are sent together.
const mostLessons = 50

func (c *junkTrain) Run(ctx context.Context, g *Globals, t terminal) error {
	warn := func(text string) { fmt.Fprintln(t.err, "postroad:", printable(text)) }
	var sources []move.Source
	for _, path := range c.Paths {
		from, err := move.Open(path, move.Options{Mbox: move.Dialect(c.Mbox), Warn: warn})
		if err != nil {
			return err
		}
		sources = append(sources, from)
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		lessons := lessons{admin: a, next: admin.JunkLessons{Address: c.Account, Junk: c.Junk}}
		for _, from := range sources {
			if err := from(ctx, func(m *move.Message) error { return lessons.add(ctx, m) }); err != nil {
				return err
			}
		}
		if err := lessons.send(ctx); err != nil {
			return err
		}
		total := lessons.total
		if total.Learned+total.Present == 0 {
			return fault.New(fault.NotFound, "there are no messages in %s", strings.Join(c.Paths, ", "))
		}
		return g.show(t, total, func() { fmt.Fprintf(t.out, "%d messages learned, %d were known\n", total.Learned, total.Present) })
	})
}

// lessons are messages on their way to be learned, some dozens at a time.
type lessons struct {
	admin admin.Admin
	next  admin.JunkLessons
	size  int // bytes in next
	total admin.JunkTrained
}

func (l *lessons) add(ctx context.Context, m *move.Message) error {
	if m.Body == nil {
		return nil // a folder
	}
	raw, err := io.ReadAll(io.LimitReader(m.Body, mostJunkText))
	if err != nil {
		return err
	}
	if l.size+len(raw) > mostJunkText || len(l.next.Texts) == mostLessons {
		if err := l.send(ctx); err != nil {
			return err
		}
	}
	l.next.Texts = append(l.next.Texts, raw)
	l.size += len(raw)
	return nil
}

func (l *lessons) send(ctx context.Context) error {
	if len(l.next.Texts) == 0 {
		return nil
	}
	done, err := l.admin.TrainJunk(ctx, l.next)
	l.total.Learned += done.Learned
	l.total.Present += done.Present
	l.next.Texts, l.size = nil, 0
	return err
}
