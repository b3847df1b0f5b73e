package managesieve

import (
	"errors"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
)

// when says in which state a command may be given.
type when uint8

const (
	always when = iota
	signedOut
	signedIn
)

// command is one that clients can give. parse reads its arguments, and returns what is to be done if the line is right.
type command struct {
	when  when
	parse func(d *decoder) func(*session)
}

func (c command) mayRun(s *session) bool {
	return c.when == always || (c.when == signedIn) == (s.scripts != nil)
}

func (c command) why(*session) string {
	if c.when == signedIn {
		return "sign in first"
	}
	return "you have signed in already"
}

// plain is a command without arguments.
func plain(do func(*session)) func(*decoder) func(*session) {
	return func(*decoder) func(*session) { return do }
}

// oneName is a command whose argument is the name of a script.
func oneName(do func(s *session, name string)) func(*decoder) func(*session) {
	return func(d *decoder) func(*session) {
		d.sp()
		name := d.str()
		return func(s *session) { do(s, name) }
	}
}

// commands lists them all: RFC 5804 §2.
var commands = map[string]command{
	"AUTHENTICATE":   {signedOut, parseAuthenticate},
	"STARTTLS":       {signedOut, plain((*session).starttls)},
	"LOGOUT":         {always, plain((*session).logout)},
	"CAPABILITY":     {always, plain((*session).capabilities)},
	"NOOP":           {always, parseNoop},
	"HAVESPACE":      {signedIn, parseHaveSpace},
	"PUTSCRIPT":      {signedIn, parsePutScript},
	"CHECKSCRIPT":    {signedIn, parseCheckScript},
	"LISTSCRIPTS":    {signedIn, plain((*session).listScripts)},
	"SETACTIVE":      {signedIn, oneName((*session).setActive)},
	"GETSCRIPT":      {signedIn, oneName((*session).getScript)},
	"DELETESCRIPT":   {signedIn, oneName((*session).deleteScript)},
	"RENAMESCRIPT":   {signedIn, parseRenameScript},
	"UNAUTHENTICATE": {signedIn, plain((*session).unauthenticate)},
}

// logout is LOGOUT: RFC 5804 §2.3.
func (s *session) logout() {
	s.ok("goodbye")
	s.ended = true
}

// parseNoop is NOOP: RFC 5804 §2.13. The string comes back as a tag.
func parseNoop(d *decoder) func(*session) {
	tag, given := "", false
	if d.more() {
		tag, given = d.str(), true
	}
	return func(s *session) {
		if !given {
			s.ok("done")
			return
		}
		s.reply("OK", "TAG "+string(appendString(nil, tag)), "done")
	}
}

// fail answers a command that didn't work.
func (s *session) fail(err error) {
	code := ""
	switch fault.KindOf(err) {
	case fault.NotFound:
		code = "NONEXISTENT"
	case fault.Exists:
		code = "ALREADYEXISTS"
	case fault.InUse:
		code = "ACTIVE"
	case fault.OverQuota:
		code = "QUOTA/MAXSCRIPTS"
	case fault.TooLarge:
		code = "QUOTA/MAXSIZE"
	case fault.Unavailable, fault.Canceled, fault.RateLimited, fault.Conflict:
		code = "TRYLATER"
	case fault.Internal, fault.Corrupt:
		s.Log.Error("ManageSieve command failed", "error", err)
	}
	s.reply("NO", code, fault.TextOf(err))
}

// done answers a command that may have failed.
func (s *session) done(err error, text string) {
	if err != nil {
		s.fail(err)
		return
	}
	s.ok(text)
}

// goodName refuses a name that no script can have: RFC 5804 §1.6.
func (s *session) goodName(name string) bool {
	if sieve.ValidName(name) {
		return true
	}
	s.clientError("a script can't have that name")
	return false
}

// parseHaveSpace is HAVESPACE: RFC 5804 §2.5.
func parseHaveSpace(d *decoder) func(*session) {
	d.sp()
	name := d.str()
	d.sp()
	size := d.number()
	return func(s *session) {
		have := s.scripts.Scripts()
		switch {
		case !s.goodName(name):
		case size > mailbox.MaxScriptBytes:
			s.reply("NO", "QUOTA/MAXSIZE", "a script has at most "+strconv.Itoa(mailbox.MaxScriptBytes)+" octets")
		case !have.Has(name) && len(have.List) >= mailbox.MaxScripts:
			s.reply("NO", "QUOTA/MAXSCRIPTS", "there are too many scripts: "+strconv.Itoa(mailbox.MaxScripts)+" are allowed")
		default:
			s.ok("there is room")
		}
	}
}

// parsePutScript is PUTSCRIPT: RFC 5804 §2.6.
func parsePutScript(d *decoder) func(*session) {
	d.sp()
	name := d.str()
	d.sp()
	text := d.str()
	return func(s *session) {
		if !s.goodName(name) {
			return
		}
		warnings, ok := s.check(name, text)
		if !ok {
			return
		}
		if err := s.scripts.PutScript(s.Context(), name, text); err != nil {
			s.fail(err)
			return
		}
		s.warned(warnings, "the script is stored")
	}
}

// parseCheckScript is CHECKSCRIPT: RFC 5804 §2.12.
func parseCheckScript(d *decoder) func(*session) {
	d.sp()
	text := d.str()
	return func(s *session) {
		if warnings, ok := s.check("", text); ok {
			s.warned(warnings, "the script is right")
		}
	}
}

// check compiles a script. If it is wrong the client has been told.
func (s *session) check(name, text string) (warnings string, ok bool) {
	if text == "" { // RFC 5804 §2.6
		s.reply("NO", "", "the script is empty")
		return "", false
	}
	script, err := s.server.config.Compiler.Compile(s.Context(), s.scripts, name, text)
	if wrong, is := errors.AsType[sieve.Problems](err); is {
		s.reply("NO", "", told(wrong, name))
		return "", false
	}
	if err != nil {
		s.fail(err)
		return "", false
	}
	return told(script.Warnings, name), true
}

// told says what is wrong, a line for each.
func told(list []sieve.Problem, name string) string {
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = "line " + strconv.Itoa(p.Pos.Line) + ", column " + strconv.Itoa(p.Pos.Column) + ": " + p.Text
		if p.Script != name {
			lines[i] = "script " + p.Script + ", " + lines[i]
		}
	}
	return strings.Join(lines, "\r\n")
}

func (s *session) warned(warnings, text string) {
	if warnings != "" {
		s.reply("OK", "WARNINGS", warnings)
		return
	}
	s.ok(text)
}

// listScripts is LISTSCRIPTS: RFC 5804 §2.7.
func (s *session) listScripts() {
	have := s.scripts.Scripts()
	for _, i := range have.List {
		s.out = appendString(s.out, i.Name)
		if i.Name == have.Active {
			s.out = append(s.out, " ACTIVE"...)
		}
		s.out = append(s.out, "\r\n"...)
	}
	s.ok("")
}

// setActive is SETACTIVE: RFC 5804 §2.8.
func (s *session) setActive(name string) {
	if name == "" {
		s.done(s.scripts.ActivateScript(s.Context(), ""), "no script is active")
		return
	}
	s.done(s.scripts.ActivateScript(s.Context(), name), "the script is active")
}

// getScript is GETSCRIPT: RFC 5804 §2.9.
func (s *session) getScript(name string) {
	text, err := s.scripts.Script(s.Context(), name)
	if err != nil {
		s.fail(err)
		return
	}
	s.out = append(s.out, '{')
	s.out = strconv.AppendInt(s.out, int64(len(text)), 10)
	s.out = append(append(append(s.out, "}\r\n"...), text...), "\r\n"...)
	s.ok("")
}

// deleteScript is DELETESCRIPT: RFC 5804 §2.10.
func (s *session) deleteScript(name string) {
	s.done(s.scripts.DeleteScript(s.Context(), name), "the script is gone")
}

// parseRenameScript is RENAMESCRIPT: RFC 5804 §2.11.1.
func parseRenameScript(d *decoder) func(*session) {
	d.sp()
	from := d.str()
	d.sp()
	to := d.str()
	return func(s *session) {
		if s.goodName(to) {
			s.done(s.scripts.RenameScript(s.Context(), from, to), "renamed")
		}
	}
}
