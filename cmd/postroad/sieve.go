package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
	"postroad/internal/server/admin"
	"postroad/internal/service/sieve"
)

// sieveCmd groups the commands on filters.
type sieveCmd struct {
	List     sieveList     `cmd:"" help:"List an account's filter scripts."`
	Get      sieveGet      `cmd:"" help:"Print a script."`
	Put      sievePut      `cmd:"" help:"Store a script, after checking it."`
	Activate sieveActivate `cmd:"" help:"Have mail run through a script."`
	Delete   sieveDelete   `cmd:"" help:"Remove a script that isn't active."`
	Test     sieveTest     `cmd:"" help:"Tell what a script would do with a message, and why. Nothing is done."`
}

type sieveList struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *sieveList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Scripts(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, s := range all {
				state := ""
				if s.Active {
					state = "active"
				}
				rows = append(rows, []string{printable(s.Name), fmt.Sprint(s.Bytes), state})
			}
			table(t, "NAME BYTES STATE", rows)
		})
	})
}

type sieveGet struct {
	Address string `arg:"" help:"The account's address."`
	Name    string `arg:"" optional:"" help:"The script; none: the active one."`
}

func (c *sieveGet) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.Script(ctx, admin.ScriptName{Address: c.Address, Name: c.Name})
		if err != nil {
			return err
		}
		return g.show(t, s, func() { io.WriteString(t.out, s.Text) })
	})
}

type sievePut struct {
	Address  string `arg:"" help:"The account's address."`
	Name     string `arg:"" help:"What to call the script."`
	File     string `arg:"" optional:"" help:"The file with the script; none, or -: standard input."`
	Activate bool   `help:"Have mail run through it from now on."`
}

// maxScriptFile is more than a script may have.
const maxScriptFile = 1 << 20

func (c *sievePut) Run(ctx context.Context, g *Globals, t terminal) error {
	text, err := readText(c.File, t)
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		done, err := a.PutScript(ctx, admin.NewScript{Address: c.Address, Name: c.Name, Text: text, Activate: c.Activate})
		if err != nil {
			return err
		}
		return g.show(t, done, func() {
			for _, w := range done.Warnings {
				fmt.Fprintln(t.err, "warning:", printable(w))
			}
			fmt.Fprintf(t.out, "stored %s\n", printable(c.Name))
		})
	})
}

// readText reads a file, or standard input.
func readText(file string, t terminal) (string, error) {
	in := t.in
	if file != "" && file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxScriptFile+1))
	if err == nil && len(text) > maxScriptFile {
		err = fault.New(fault.TooLarge, "this is too long for a script")
	}
	return string(text), err
}

type sieveActivate struct {
	Address string `arg:"" help:"The account's address."`
	Name    string `arg:"" optional:"" help:"The script."`
	None    bool   `help:"Have mail run through no script any more."`
}

func (c *sieveActivate) Run(ctx context.Context, g *Globals, t terminal) error {
	if (c.Name == "") != c.None {
		return fault.New(fault.Invalid, "give the name of a script, or --none")
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := a.ActivateScript(ctx, admin.ScriptName{Address: c.Address, Name: c.Name}); err != nil {
			return err
		}
		if c.None {
			g.say(t, "no script is active")
		} else {
			g.say(t, "activated "+printable(c.Name))
		}
		return nil
	})
}

type sieveDelete struct {
	Address string `arg:"" help:"The account's address."`
	Name    string `arg:"" help:"The script."`
}

func (c *sieveDelete) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := a.DeleteScript(ctx, admin.ScriptName{Address: c.Address, Name: c.Name}); err != nil {
			return err
		}
		g.say(t, "deleted "+printable(c.Name))
		return nil
	})
}

type sieveTest struct {
	Script  string   `arg:"" help:"The file with the script."`
	Message string   `arg:"" optional:"" help:"The file with a message; none: the script is only checked."`
	From    string   `help:"The reverse-path that the message comes with; default: its Return-Path, or author." placeholder:"ADDRESS"`
	To      string   `help:"Whose script it is, and who gets the message; default: its first recipient." placeholder:"ADDRESS"`
	Folder  []string `help:"A folder that is there, besides INBOX. May be given several times."`
	Scripts string   `help:"The folder with scripts (NAME.sieve) that may be included, personal and global; default: that of the script." placeholder:"DIR"`
	Spam    int      `help:"How likely the message is junk, in percent, 1 to 100; default: nobody has looked." placeholder:"PERCENT"`
	Virus   int      `help:"What scanners have found, as virustest tells: 1 (nothing) to 5 (a virus); default: nobody has looked." placeholder:"NUMBER"`
	List    []string `sep:"none" help:"What a list has in it: LIST=VALUE. May be given several times."`
}

// trial is what the command tells, step by step.
type trial struct {
	Steps   []trialStep `json:"steps"`
	Actions []string    `json:"actions"`
	Error   string      `json:"error,omitempty"`
}

type trialStep struct {
	Script string `json:"script,omitempty"` // that was included; "": the one that was given
	Line   int    `json:"line"`
	Column int    `json:"column"`
	What   string `json:"what"`
}

func (c *sieveTest) Run(ctx context.Context, g *Globals, t terminal) error {
	text, err := os.ReadFile(c.Script)
	if err != nil {
		return err
	}
	lists, err := c.check()
	if err != nil {
		return err
	}
	script, err := sieve.Compile(string(text), sieve.Options{Explain: true, Include: c.included})
	if err != nil {
		return fault.New(fault.Invalid, "the script is wrong:\n%s", printableLines(err.Error()))
	}
	if c.Message == "" {
		g.say(t, "the script is right")
		return nil
	}
	raw, err := os.ReadFile(c.Message)
	if err != nil {
		return err
	}
	told := c.try(ctx, script, raw, lists)
	return g.show(t, told, func() {
		for _, s := range told.Steps {
			if s.Script != "" {
				fmt.Fprintf(t.out, "%s, ", printable(s.Script))
			}
			fmt.Fprintf(t.out, "line %d, column %d: %s\n", s.Line, s.Column, s.What)
		}
		if told.Error != "" {
			fmt.Fprintln(t.out, "failed:", printable(told.Error))
			fmt.Fprintln(t.out, "(lists and included scripts are looked for in --list and --scripts only, not on the server)")
		}
		for _, a := range told.Actions {
			fmt.Fprintln(t.out, "->", printable(a))
		}
	})
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// check reads the flags that can be wrong.
func (c *sieveTest) check() (lists map[string][]string, err error) {
	if c.Spam < 0 || c.Spam > 100 || c.Virus < 0 || c.Virus > 5 {
		return nil, fault.New(fault.Invalid, "--spam is 1 to 100, --virus 1 to 5")
	}
	lists = map[string][]string{}
	for _, text := range c.List {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Invalid, "--list wants LIST=VALUE, not %q", text)
		}
		lists[name] = append(lists[name], value)
	}
	return lists, nil
}

// included finds a script that another includes.
func (c *sieveTest) included(_ sieve.Location, name string) (text string, ok bool, err error) {
	dir := c.Scripts
	if dir == "" {
		dir = filepath.Dir(c.Script)
	}
	b, err := os.ReadFile(filepath.Join(dir, name+".sieve")) // a name has no slash (RFC 5804 §1.6)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return string(b), err == nil, err
}

// try runs a script on a message.
func (c *sieveTest) try(ctx context.Context, script *sieve.Script, raw []byte, lists map[string][]string) trial {
	m := testMessage(crlf(raw))
	h := message.ParseHeader(string(m.Header()))
	told := trial{Steps: []trialStep{}, Actions: []string{}}
	env := &sieve.Environment{
		Envelope: sieve.Envelope{From: c.From, To: c.To}, Now: time.Now(), World: testWorld{c.Folder, lists},
		Spam: c.Spam, Virus: c.Virus,
		Trace: func(script string, at syntax.Pos, what string) {
			told.Steps = append(told.Steps, trialStep{script, at.Line, at.Column, what})
		},
	}
	if c.From == "" {
		env.Envelope.From = firstAddress(&h, "Return-Path", "From")
	}
	if c.To == "" {
		env.Envelope.To = firstAddress(&h, "Delivered-To", "To")
	}
	env.Addresses = []string{env.Envelope.To}
	out, err := script.Run(ctx, env, m)
	if err != nil {
		told.Error = err.Error()
	}
	for i := range out.Actions {
		does := out.Actions[i].Describe()
		if err != nil && out.Actions[i].Implicit {
			does = "keep the message in the INBOX, since the script failed, and tell its owner"
		}
		told.Actions = append(told.Actions, does)
	}
	if len(out.Actions) == 0 {
		told.Actions = append(told.Actions, "the message is discarded")
	}
	return told
}

// crlf ends lines as mail does, if a file of this machine's doesn't.
func crlf(b []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n", "\r\n")
}

func firstAddress(h *message.Header, names ...string) string {
	for _, n := range names {
		for _, a := range message.ParseAddresses(h.Get(n)) {
			if a.Group == message.NoGroup {
				return a.Addr()
			}
		}
	}
	return ""
}

// testMessage is a message from a file.
type testMessage string

func (m testMessage) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(m)).ReadAt(p, off)
}
func (m testMessage) Size() int64 { return int64(len(m)) }
func (m testMessage) Header() []byte {
	if i := strings.Index(string(m), "\r\n\r\n"); i >= 0 {
		return []byte(m[:i+4])
	}
	return []byte(m)
}

// testWorld are the folders and lists that there are; nothing else is.
type testWorld struct {
	folders []string
	lists   map[string][]string
}

func (w testWorld) Mailbox(_ context.Context, name string) (bool, error) {
	return strings.EqualFold(name, "INBOX") || slices.Contains(w.folders, name), nil
}
func (testWorld) MailboxID(context.Context, string) (bool, error)          { return false, nil }
func (testWorld) SpecialUse(context.Context, string, string) (bool, error) { return false, nil }
func (testWorld) Metadata(context.Context, string, string) (string, bool, error) {
	return "", false, nil
}
func (testWorld) Seen(context.Context, string) (bool, error) { return false, nil }
func (w testWorld) ListAddress(_ context.Context, list string) (string, error) {
	if _, ok := w.lists[list]; ok {
		return list, nil // it stands for its members
	}
	return "", nil
}
func (w testWorld) List(_ context.Context, list, value string) (in, known bool, err error) {
	all, known := w.lists[list]
	return slices.ContainsFunc(all, func(s string) bool { return strings.EqualFold(s, value) }), known, nil
}
