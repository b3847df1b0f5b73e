package sieve

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

// machine is one run.
type machine struct {
	ctx       context.Context
	env       *Environment
	msg       Message // as the script has changed it
	orig      Message
	rev       *revision // how msg was made by small changes; see revise
	inner     Message   // the message as it was when it was first enclosed
	limits    Limits
	fuel      int64
	frame     *frame
	outermost frame // room for it
	globals   map[string]string
	once      map[*unit]bool // included already
	header    header
	body      bodies
	loops     []loop // the foreverypart loops we are in
	// enclosed is how often the message was enclosed.
	enclosed int
	written  int // octets, by replace
	results  results
	buf      []byte
	one      [1]string         // room for a list of one
	titles   map[string]string // see titled
	end      [3]byte           // room for the end of a header
	made     map[pattern]*expression
	dates    map[shownDate]string
}

// frame is one script that is running: the first one, or one that it includes.
type frame struct {
	unit    *unit
	vars    []string
	matches []string
	enabled extensionSet
	depth   int
	outer   *frame
	loops   int // how many loops there were when it began
}

// Run runs the script on a message. The outcome is never nil: if the script fails, it is to keep the message, and the error is a
// Problem, or what the World failed with.
func (s *Script) Run(ctx context.Context, env *Environment, msg Message) (*Outcome, error) {
	return RunAll(ctx, []*Script{s}, env, msg)
}

// RunAll runs scripts one after the other: the next one only if the one before keeps the message, by itself or by keep, and
// instead of that keep. They see the message as the one before has changed it. If one fails, it is the last, and it is as if it had
// said nothing: what those before it want stands, so that nobody gets around them by a broken script. Of no scripts the
// outcome is to keep the message.
func RunAll(ctx context.Context, scripts []*Script, env *Environment, msg Message) (*Outcome, error) {
	if len(scripts) == 0 {
		return &Outcome{Actions: []Action{{Op: Keep, Implicit: true}}, Kept: true}, nil
	}
	m := newMachine(ctx, scripts[0].unit.limits, env, msg)
	defer m.release()
	for i, s := range scripts {
		if i > 0 && !m.results.goOn() {
			break
		}
		before, msg, inner := m.results.clone(), m.msg, m.inner
		m.results.next(i > 0)
		if err := m.runScript(s.unit); err != nil {
			m.results, m.msg, m.inner = before, msg, inner
			return m.failed(err)
		}
	}
	return m.outcome(), nil
}

func newMachine(ctx context.Context, l Limits, env *Environment, msg Message) *machine {
	m := machines.Get().(*machine)
	m.ctx, m.env, m.msg, m.orig, m.limits, m.fuel = ctx, env, msg, msg, l, l.Fuel
	m.results.flags = env.Flags
	return m
}

// runScript runs a script that nobody includes.
func (m *machine) runScript(u *unit) error {
	m.frame = nil
	err := m.runUnit(u)
	if errors.Is(err, errStop) || errors.Is(err, errReturn) {
		err = nil
	}
	return err
}

// runUnit runs a script in a frame of its own.
func (m *machine) runUnit(u *unit) error {
	if m.env.Event != nil {
		if name := u.extended.deliveryOnly(); name != "" {
			return Problem{Script: u.name, Pos: u.start(), Text: "'" + name + "' is for mail that is delivered: it can't be in a script for IMAP events"}
		}
	}
	f := &m.outermost
	if m.frame != nil {
		f = new(frame)
	}
	*f = frame{unit: u, enabled: u.extended, outer: m.frame, loops: len(m.loops)}
	if u.slots > 0 {
		f.vars = make([]string, u.slots)
	}
	if m.frame != nil {
		f.depth = m.frame.depth + 1
	}
	m.frame = f
	err := m.execAll(u.body)
	if m.frame = f.outer; m.frame == nil {
		m.frame = f // for the outcome's sake
	}
	return err
}

// outOfFuel is what ends a run that does too much.
func (m *machine) outOfFuel(at syntax.Pos) error {
	return m.failure(at, "the script does too much")
}

// burn charges for octets that were looked at.
func (m *machine) burn(octets int) { m.fuel -= int64(octets)>>4 + 1 }

func (m *machine) execAll(cs []command) error {
	for _, c := range cs {
		if m.fuel -= 2; m.fuel < 0 {
			return m.outOfFuel(syntax.Pos{Line: 1, Column: 1})
		}
		if err := c.exec(m); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) eval(t test) (bool, error) {
	if m.fuel -= 2; m.fuel < 0 {
		return false, m.outOfFuel(syntax.Pos{Line: 1, Column: 1})
	}
	if m.fuel&0xFFF == 0 && m.ctx.Err() != nil {
		return false, m.ctx.Err()
	}
	yes, err := t.eval(m)
	if err == nil && m.fuel < 0 {
		err = m.outOfFuel(syntax.Pos{Line: 1, Column: 1})
	}
	return yes, err
}

// failed is the outcome of a script that failed: the message is kept, besides what scripts before it want.
func (m *machine) failed(err error) (*Outcome, error) {
	m.results.next(m.results.actions != nil)
	m.results.canceled = false
	out := m.outcome()
	out.Steps = m.limits.Fuel - max(m.fuel, 0)
	return out, err
}

// field is a header field as tests see it.
type field struct {
	name  string
	raw   string // behind the colon
	text  string // decoded
	plain string // unfolded
	addrs []message.Address
	whole []string // them, each in one piece
	value string   // without parameters
	param []message.Param
	date  time.Time // zero: it is none
	seen  uint8     // which of them are there
}

const (
	sawText = 1 << iota
	sawPlain
	sawAddrs
	sawWhole
	sawParams
	sawDate
)

// machines are those that don't run, with the room of their fields. What an Outcome has of a machine are strings, and what it has made for it.
var machines = sync.Pool{New: func() any { return new(machine) }}

// release gives the machine back when its run has ended.
func (m *machine) release() {
	h := m.header.emptied()
	*m = machine{}
	m.header = h
	machines.Put(m)
}

// unfolded is the field's value on one line.
func (f *field) unfolded() string {
	if f.seen&sawPlain == 0 {
		f.plain, f.seen = message.Unfold(f.raw), f.seen|sawPlain
	}
	return f.plain
}

// decoded is the field's value for people. RFC 5228 §2.7.2.
func (f *field) decoded() string {
	if f.seen&sawText == 0 {
		f.text, f.seen = message.DecodeWords(f.unfolded()), f.seen|sawText
	}
	return f.text
}

// addresses are those of an address field.
func (f *field) addresses() []message.Address {
	if f.seen&sawAddrs == 0 {
		f.addrs, f.seen = message.ParseAddresses(f.unfolded()), f.seen|sawAddrs
	}
	return f.addrs
}

// inOnePiece are the addresses of an address field as strings.
func (f *field) inOnePiece() []string {
	if f.seen&sawWhole == 0 {
		f.seen |= sawWhole
		for _, a := range f.addresses() {
			f.whole = append(f.whole, joined(a.Mailbox, a.Host))
		}
	}
	return f.whole
}

// parameters are the field's value and its parameters.
func (f *field) parameters() (string, []message.Param) {
	if f.seen&sawParams == 0 {
		f.seen |= sawParams
		f.value, f.param = parseParameters(f.unfolded())
	}
	return f.value, f.param
}

// when is the date in the field; ok is false if there is none.
func (f *field) when() (when time.Time, ok bool) {
	if f.seen&sawDate == 0 {
		f.seen |= sawDate
		if when, ok := lastDate(f.unfolded()); ok {
			f.date = when
		}
	}
	return f.date, !f.date.IsZero()
}

// head is the message's header.
func (m *machine) head() *header {
	if m.header.read {
		return &m.header
	}
	if p, ok := m.msg.(HeaderParser); ok {
		if front, rest, ok := p.ParsedHeader(); ok {
			m.burn(len(front) + len(rest.Raw))
			m.header.take(front, rest)
			return &m.header
		}
	}
	raw := m.msg.Header()
	m.burn(len(raw))
	m.header.parse(string(raw))
	return &m.header
}

// item is an item of the environment. RFC 5183 §4.
func (m *machine) item(name string) (string, bool) {
	name = strings.ToLower(name)
	if m.env.Item != nil {
		if v, ok := m.env.Item(name); ok {
			return v, true
		}
	}
	if m.env.Owner != nil {
		if v, ok := m.env.Owner.Item(name); ok {
			return v, true
		}
	}
	switch name {
	case "name":
		return "Postroad", true
	case "version":
		return Version, true
	case "location":
		return "MS", true
	case "phase":
		if m.env.Event != nil { // RFC 6785 §4.1
			return "post", true
		}
		return "during", true
	case "vnd.dovecot.default-mailbox":
		return "INBOX", true
	}
	return m.eventItem(name)
}

// eventItem are the items of RFC 6785 §4. Those about the user are empty when mail is delivered.
func (m *machine) eventItem(name string) (string, bool) {
	e := m.env.Event
	if e == nil {
		return "", name == "imap.user" || name == "imap.email"
	}
	switch name {
	case "imap.user":
		return e.User, true
	case "imap.email":
		return e.Email, true
	case "imap.cause":
		return e.Cause, true
	case "imap.mailbox":
		return e.Mailbox, true
	case "imap.changedflags":
		return strings.Join(e.ChangedFlags, " "), true
	}
	return "", false
}

// now is the time of the run.
func (m *machine) now() time.Time { return m.env.Now }

// small makes an int of a number, as large as may be.
func small(n uint64) int { return int(min(n, math.MaxInt32)) }
