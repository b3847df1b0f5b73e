package sieve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	syntax "postroad/internal/format/sieve"
)

// Others have written scripts that test an interpreter from the inside, by a few commands of the extension
// "vnd.dovecot.testsuite". This file has these commands. The scripts are not part of this repository; scripts/sievetest.sh
// runs those of a folder.

// TestSuite runs the scripts below the folder in POSTROAD_SIEVE_SUITE.
func TestSuite(t *testing.T) {
	dir := os.Getenv("POSTROAD_SIEVE_SUITE")
	if dir == "" {
		t.Skip("POSTROAD_SIEVE_SUITE names no folder")
	}
	aside := setAside(t, os.Getenv("POSTROAD_SIEVE_ASIDE"))
	passed, failed, skipped := 0, 0, 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".svtest") {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		for _, r := range runSuiteFile(path) {
			name := strings.TrimSpace(rel + ": " + r.name)
			switch {
			case r.err == nil:
				passed++
				if aside[name] {
					t.Logf("PASSES, though set aside: %s", name)
				}
			case aside[name] || aside[rel]:
				skipped++
			default:
				failed++
				t.Errorf("%s: %v", name, r.err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("sieve suite: %d passed, %d set aside, %d failed\n", passed, skipped, failed)
}

// setAside reads the names of cases, one a line.
func setAside(t *testing.T, path string) map[string]bool {
	names := map[string]bool{}
	if path == "" {
		return names
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			names[line] = true
		}
	}
	return names
}

type suiteResult struct {
	name string
	err  error
}

// suite is the state of one file.
type suite struct {
	items    map[string]string
	dir      string
	limits   Limits
	config   map[string]string
	folders  map[string][]stored
	meta     map[string]string
	smtp     []sent
	seen     map[string]bool
	script   *Script
	saved    map[string]*Script
	errs     []string
	executed int
	results  []suiteResult
	env      *Environment
	n        int
}

type stored struct {
	text  string
	flags []string
}

type sent struct {
	text string
	from string
	to   string
}

// rawMessage is a message in memory.
type rawMessage string

func (r rawMessage) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(r)).ReadAt(p, off)
}
func (r rawMessage) Size() int64 { return int64(len(r)) }
func (r rawMessage) Header() []byte {
	if strings.HasPrefix(string(r), "\r\n") {
		return []byte(r[:2])
	}
	if i := strings.Index(string(r), "\r\n\r\n"); i >= 0 {
		return []byte(r[:i+4])
	}
	return []byte(r)
}

func textOf(m Message) string {
	b := make([]byte, m.Size())
	n, _ := m.ReadAt(b, 0)
	return string(b[:n])
}

type suiteFailure struct{ text string }

func (f suiteFailure) Error() string { return f.text }

// item is Environment.Item.
func (s *suite) item(name string) (string, bool) {
	v, ok := s.items[name]
	return v, ok
}

func runSuiteFile(path string) []suiteResult {
	text, err := os.ReadFile(path)
	if err != nil {
		return []suiteResult{{"read", err}}
	}
	s := &suite{
		dir: filepath.Dir(path), config: map[string]string{}, folders: map[string][]stored{"INBOX": {}}, meta: map[string]string{},
		seen: map[string]bool{}, saved: map[string]*Script{}, limits: Limits{Notifications: 10},
	}
	s.env = &Environment{
		Envelope: Envelope{From: "sender@example.com", To: "recipient@example.com", Original: "recipient@example.com"},
		Now:      time.Now(), World: s, Item: s.item,
	}
	s.items = map[string]string{"domain": "example.com", "host": "mail.example.com", "remote-host": "client.example.com", "remote-ip": "192.0.2.1", "vnd.dovecot.username": "tester", "vnd.dovecot.default_mailbox": "INBOX", "vnd.dovecot.default-mailbox": "INBOX", "vnd.dovecot.config.display_name": ""}
	script, err := Compile(string(text), Options{Limits: Limits{Actions: 1000, Bytes: 4 << 20, Fuel: 1 << 40, Errors: 3, Redirects: 1000}, Include: s.include, more: s.extras(), Name: filepath.Base(path)})
	if err != nil {
		return allFailed(string(text), err)
	}
	m := newMachine(context.Background(), script.unit.limits, s.env, rawMessage("From: sender@example.com\r\nTo: recipient@example.com\r\n\r\nbody\r\n"))
	if err := m.runScript(script.unit); err != nil {
		s.results = append(s.results, suiteResult{"(outside of tests)", err})
	}
	return s.results
}

// allFailed are the results of a file that can't be compiled.
func allFailed(text string, err error) []suiteResult {
	var out []suiteResult
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "test \""); ok {
			name, _, _ := strings.Cut(rest, "\"")
			out = append(out, suiteResult{name, err})
		}
	}
	return out
}

type (
	suiteCommand func(m *machine) error
	suiteCheck   func(m *machine) (bool, error)
)

func (f suiteCommand) exec(m *machine) error       { return f(m) }
func (f suiteCheck) eval(m *machine) (bool, error) { return f(m) }
func (f suiteCheck) exec(m *machine) error {
	ok, err := f(m)
	if err == nil && !ok {
		err = suiteFailure{"a test used as a command failed"}
	}
	return err
}

// extras are the commands.
func (s *suite) extras() *extras {
	str := func(what string) positional { return positional{what, aString} }
	x := &extras{extensions: []string{"vnd.dovecot.testsuite"}, commands: map[string]*spec{}, tests: map[string]*spec{}}
	x.namespace = func(space, rest string) (part, bool) {
		if space == "tst" && rest == "path" {
			return part{text: s.dir}, true
		}
		return part{}, false
	}
	x.commands["test"] = &spec{args: []positional{str("name")}, block: true, command: s.test}
	x.commands["test_fail"] = &spec{args: []positional{str("reason")}, command: func(c *compiler, a *args) command {
		v := c.argText(a, 0)
		return suiteCommand(func(m *machine) error { return suiteFailure{m.text(&v)} })
	}}
	x.commands["test_set"] = &spec{args: []positional{str("name"), str("value")}, command: s.set}
	config := &spec{args: []positional{str("name"), str("value")}, command: func(c *compiler, a *args) command {
		k, v := c.argText(a, 0), c.argText(a, 1)
		return suiteCommand(func(m *machine) error { s.config[m.text(&k)] = m.text(&v); return nil })
	}}
	x.commands["test_config_set"] = config
	x.commands["test_config_unset"] = &spec{args: []positional{str("name")}, command: func(c *compiler, a *args) command {
		k := c.argText(a, 0)
		return suiteCommand(func(m *machine) error { delete(s.config, m.text(&k)); return nil })
	}}
	x.commands["test_config_reload"] = &spec{tags: []tag{{name: "extension", value: aString}}, command: func(*compiler, *args) command { return suiteCommand(s.reload) }}
	both := func(name string, sp spec, f func(c *compiler, a *args) suiteCheck) {
		t, cmd := sp, sp
		t.test = func(c *compiler, a *args) test { return f(c, a) }
		cmd.command = func(c *compiler, a *args) command { return f(c, a) }
		x.tests[name], x.commands[name] = &t, &cmd
	}
	both("test_script_compile", spec{args: []positional{str("script")}}, s.compile)
	both("test_script_run", spec{tags: []tag{flag("append_result")}}, s.run)
	both("test_multiscript", spec{args: []positional{{"scripts", aList}}}, s.multiscript)
	both("test_result_execute", spec{}, func(*compiler, *args) suiteCheck { return s.execute })
	both("test_error", spec{tags: tagsOf(matchTags, []tag{{name: "index", value: aNumber}}), args: []positional{{"keys", aList}}}, s.errorTest)
	both("test_result_action", spec{tags: tagsOf(matchTags, []tag{{name: "index", value: aNumber}}), args: []positional{{"keys", aList}}}, s.actionTest)
	both("test_message", spec{tags: []tag{{name: "smtp"}, {name: "folder", value: aString}}, args: []positional{{"index", aNumber}}}, s.message)
	x.commands["test_result_reset"] = &spec{command: func(*compiler, *args) command {
		return suiteCommand(func(m *machine) error { s.reset(m); return nil })
	}}
	x.commands["test_result_print"] = &spec{command: func(*compiler, *args) command { return suiteCommand(func(*machine) error { return nil }) }}
	x.commands["test_mailbox_create"] = &spec{args: []positional{str("name")}, command: func(c *compiler, a *args) command {
		v := c.argText(a, 0)
		return suiteCommand(func(m *machine) error { s.create(m.text(&v)); return nil })
	}}
	x.commands["test_imap_metadata_set"] = &spec{tags: []tag{{name: "mailbox", value: aString}}, args: []positional{str("name"), str("value")}, command: s.setMeta}
	x.commands["test_binary_save"] = &spec{args: []positional{str("name")}, command: func(c *compiler, a *args) command {
		v := c.argText(a, 0)
		return suiteCommand(func(m *machine) error { s.saved[m.text(&v)] = s.script; return nil })
	}}
	both("test_binary_load", spec{args: []positional{str("name")}}, func(c *compiler, a *args) suiteCheck {
		v := c.argText(a, 0)
		return func(m *machine) (bool, error) { s.script = s.saved[m.text(&v)]; return s.script != nil, nil }
	})
	return x
}

func (s *suite) reset(m *machine) {
	m.results = results{flags: m.env.Flags}
	s.executed, s.smtp = 0, nil
}

func (s *suite) create(name string) {
	if _, ok := s.folders[name]; !ok {
		s.folders[name] = []stored{}
	}
}

// test runs a block, and remembers how it went.
func (s *suite) test(c *compiler, a *args) command {
	name := c.argText(a, 0)
	body := c.block(a.call.Block)
	return suiteCommand(func(m *machine) error {
		m.results = results{flags: m.env.Flags}
		s.executed = 0
		err := m.execAll(body)
		if errors.Is(err, errStop) {
			err = nil
		}
		s.results = append(s.results, suiteResult{m.text(&name), err})
		return nil
	})
}

func (s *suite) set(c *compiler, a *args) command {
	name, v := c.argText(a, 0), c.argText(a, 1)
	return suiteCommand(func(m *machine) error {
		text := m.text(&v)
		addr := strings.Trim(text, "<>")
		switch k := m.text(&name); k {
		case "message":
			s.show(m, text, nil)
			s.envelopeOf(m)
		case "envelope.from":
			s.env.Envelope.From = addr
		case "envelope.to":
			s.env.Envelope.To = addr
			s.env.Envelope.Original = addr
		case "envelope.orig_to":
			s.env.Envelope.Original = addr
		case "envelope.auth":
			s.env.Envelope.Auth = text
		default:
			return suiteFailure{"test_set " + k}
		}
		return nil
	})
}

// envelopeOf makes up an envelope for a message that has none.
func (s *suite) envelopeOf(m *machine) {
	from, to := "sender@example.com", "recipient@example.com"
	find := func(addr *string, names ...string) {
		for _, n := range names {
			if f := m.head().first(n); f != nil && len(f.addresses()) > 0 {
				*addr = f.addresses()[0].Addr()
				return
			}
		}
	}
	find(&from, "Return-Path", "Sender", "From")
	find(&to, "Envelope-To", "To")
	s.env.Envelope.From, s.env.Envelope.To, s.env.Envelope.Original = from, to, to
}

// show makes a message the one that tests look at.
func (s *suite) show(m *machine, text string, flags []string) {
	m.msg = rawMessage(text)
	m.orig, m.header, m.body = m.msg, header{}, bodies{}
	m.env.Flags = flags
	m.results.flags, m.results.setFlags = flags, false
}

// reload applies the settings that mean something here.
func (s *suite) reload(m *machine) error {
	if d := s.config["recipient_delimiter"]; d != "" {
		s.env.Owner = &owner{separators: d}
	}
	if v := s.config["sieve_user_email"]; v != "" {
		s.env.Addresses = []string{strings.Trim(v, "<>")}
	}
	number := func(name string, to *int) {
		if n, err := strconv.Atoi(s.config[name]); err == nil && n > 0 {
			*to = n
		}
	}
	number("sieve_variables_max_variable_size", &s.limits.VariableBytes)
	number("sieve_variables_max_value_size", &s.limits.VariableBytes)
	number("sieve_include_max_nesting_depth", &s.limits.IncludeDepth)
	number("sieve_include_max_includes", &s.limits.Includes)
	number("sieve_editheader_max_header_size", &s.limits.FieldBytes)
	number("sieve_notify_max_notifications", &s.limits.Notifications)
	if s.limits.VariableBytes > 0 {
		m.limits.VariableBytes = s.limits.VariableBytes
	}
	if v := s.config["sieve_environment/display_name"]; v != "" {
		s.items["vnd.dovecot.config.display_name"] = v
	}
	return nil
}

// include finds included scripts where they lie.
func (s *suite) include(l Location, name string) (string, bool, error) {
	dir := "included"
	if l == Global {
		dir = "included-global"
	}
	text, err := os.ReadFile(filepath.Join(s.dir, dir, name+".sieve"))
	return string(text), err == nil, nil
}

// compileFile compiles a script that lies beside the suite's file.
func (s *suite) compileFile(name string) (*Script, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	script, err := Compile(string(text), Options{Include: s.include, Limits: s.limits})
	if err == nil && len(script.Warnings) > 0 && strings.Contains(name, "errors/") {
		return nil, Problems(script.Warnings)
	}
	return script, err
}

func (s *suite) compile(c *compiler, a *args) suiteCheck {
	v := c.argText(a, 0)
	return func(m *machine) (bool, error) {
		var err error
		s.errs = nil
		s.script, err = s.compileFile(m.text(&v))
		var ps Problems
		if errors.As(err, &ps) {
			for _, p := range ps {
				s.errs = append(s.errs, p.Text)
			}
			s.errs = append(s.errs, "the script is not valid") // they count a last line as well
		} else if err != nil {
			return false, err
		}
		return err == nil, nil
	}
}

// run runs the compiled script on the message; its results become those of the suite.
func (s *suite) run(c *compiler, a *args) suiteCheck {
	add := a.has("append_result")
	return func(m *machine) (bool, error) {
		if s.script == nil {
			return false, suiteFailure{"there is no script"}
		}
		s.errs = nil
		return s.runOn(m, s.script, add), nil
	}
}

func (s *suite) runOn(m *machine, script *Script, add bool) bool {
	inner := newMachine(context.Background(), script.unit.limits, s.env, m.msg)
	if add {
		inner.results = m.results
		inner.results.next(false)
	} else {
		s.executed = 0
	}
	if err := inner.runScript(script.unit); err != nil {
		s.errs = append(s.errs, err.Error())
		return false
	}
	m.results = inner.results
	if inner.msg != m.msg {
		m.msg, m.header, m.body = inner.msg, header{}, bodies{}
	}
	return true
}

func (s *suite) multiscript(c *compiler, a *args) suiteCheck {
	names := c.argList(a, 0)
	return func(m *machine) (bool, error) {
		var scripts []*Script
		for _, n := range m.texts(names) {
			script, err := s.compileFile(n)
			if err != nil {
				return false, err
			}
			scripts = append(scripts, script)
		}
		out, err := RunAll(context.Background(), scripts, s.env, m.msg)
		if err != nil {
			return false, err
		}
		return s.perform(m, out.Actions), nil
	}
}

func (s *suite) errorTest(c *compiler, a *args) suiteCheck {
	keys := c.matcher(a, c.argList(a, 0))
	n, indexed := a.tagNumber("index")
	return func(m *machine) (bool, error) {
		return m.matchSome(keys, s.errs, int(n), indexed)
	}
}

// matchSome compares some texts, or one of them, or their number.
func (m *machine) matchSome(keys *matcher, list []string, n int, indexed bool) (bool, error) {
	if keys.kind == matchCount {
		return m.count(keys, len(list))
	}
	for i, s := range list {
		if indexed && i != n-1 {
			continue
		}
		if yes, err := m.matches(keys, s); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

func (s *suite) actionTest(c *compiler, a *args) suiteCheck {
	keys := c.matcher(a, c.argList(a, 0))
	n, indexed := a.tagNumber("index")
	return func(m *machine) (bool, error) {
		var names []string
		for i := range m.results.actions {
			name := m.results.actions[i].Op.String()
			if name == "fileinto" {
				name = "store"
			}
			names = append(names, name)
		}
		return m.matchSome(keys, names, int(n), indexed)
	}
}

func (s *suite) message(c *compiler, a *args) suiteCheck {
	index := int(a.pos[0].Number)
	folder := c.tagText(a, "folder")
	return func(m *machine) (bool, error) {
		if folder == nil {
			if index >= len(s.smtp) {
				return false, nil
			}
			got := s.smtp[index]
			s.show(m, got.text, nil)
			s.env.Envelope.From, s.env.Envelope.To = got.from, got.to
			return true, nil
		}
		list := s.folders[m.text(folder)]
		if index >= len(list) {
			return false, nil
		}
		s.show(m, list[index].text, list[index].flags)
		return true, nil
	}
}

func (s *suite) setMeta(c *compiler, a *args) command {
	box, k, v := c.tagText(a, "mailbox"), c.argText(a, 0), c.argText(a, 1)
	return suiteCommand(func(m *machine) error {
		name := ""
		if box != nil {
			name = m.text(box)
		}
		s.meta[name+"\x00"+m.text(&k)] = m.text(&v)
		return nil
	})
}

// execute carries out what was asked for and not carried out yet.
func (s *suite) execute(m *machine) (bool, error) {
	out := m.outcome()
	done := min(s.executed, len(out.Actions))
	s.executed = len(m.results.actions)
	s.errs = nil
	ok := s.perform(m, out.Actions[done:])
	for _, r := range out.Remember {
		s.seen[r.ID] = true
	}
	return ok, nil
}

func (s *suite) perform(m *machine, actions []Action) bool {
	ok := true
	for i := range actions {
		if err := s.act(m, &actions[i]); err != nil {
			s.errs = append(s.errs, err.Error())
			ok = false
		}
	}
	if !ok { // as delivery does
		s.folders["INBOX"] = append(s.folders["INBOX"], stored{text: textOf(m.orig)})
	}
	return ok
}

func (s *suite) act(m *machine, a *Action) error {
	msg := m.orig
	if a.Message != nil {
		msg = a.Message
	}
	post := &Composer{Host: "mail.example.com", ID: func() string { s.n++; return strconv.Itoa(s.n) }}
	env := *s.env
	send := func(l Letter) {
		for _, to := range l.To {
			s.smtp = append(s.smtp, sent{string(l.Text), l.From, to})
		}
	}
	switch a.Op {
	case Keep, FileInto:
		return s.store(a, textOf(msg))
	case Redirect:
		send(Letter{From: env.Envelope.From, To: []string{a.Address}, Text: []byte(textOf(msg))})
	case Reject, Ereject:
		if env.Envelope.From != "" {
			l, _ := post.Rejection(&env, m.orig, a.Text)
			send(l)
		}
	case Vacation:
		if a.Reply.To != "" {
			send(post.Reply(&env, a.Reply))
		}
	case Notify:
		l, _ := post.Notification(&env, m.orig, a.Notice)
		send(l)
	}
	return nil
}

func (s *suite) store(a *Action, text string) error {
	name := a.Mailbox
	if len(name) > 5 && strings.EqualFold(name[:5], "INBOX") {
		name = "INBOX" + name[5:]
	}
	if a.Op == Keep {
		name = "INBOX"
	}
	if _, ok := s.folders[name]; !ok && !a.Create && !strings.EqualFold(name, "INBOX") {
		return fmt.Errorf("failed to store into mailbox '%s': it doesn't exist", name)
	}
	s.folders[name] = append(s.folders[name], stored{text, append(slices.Clone(a.Flags), "$HasNoAttachment")}) // as their store does
	return nil
}

// What scripts ask.

func (s *suite) Mailbox(_ context.Context, name string) (bool, error) {
	_, ok := s.folders[name]
	return ok, nil
}
func (s *suite) MailboxID(context.Context, string) (bool, error)          { return false, nil }
func (s *suite) SpecialUse(context.Context, string, string) (bool, error) { return false, nil }
func (s *suite) Metadata(_ context.Context, box, name string) (string, bool, error) {
	v, ok := s.meta[box+"\x00"+name]
	return v, ok, nil
}
func (s *suite) Seen(_ context.Context, id string) (bool, error) { return s.seen[id], nil }

func (s *suite) ListAddress(context.Context, string) (string, error) { return "", nil }
func (s *suite) List(_ context.Context, list, v string) (in, known bool, err error) {
	names := strings.Fields(s.config["sieve_extlists_list"])
	list = strings.Replace(list, "urn:ietf:params:sieve:addrbook:", ":addrbook:", 1)
	if !slices.Contains(names, list) {
		return false, false, nil
	}
	path := s.config["sieve_extlists_list/"+list+"/dict/file/path"]
	text, err := os.ReadFile(path)
	if err != nil {
		return false, true, nil
	}
	return strings.Contains(string(text), "/"+v+"\n"), true, nil
}

var _ = syntax.Pos{}
