// Package rules runs people's filter scripts on the mail that arrives for them: it finds the scripts of an account, with those of
// the administrator before and behind them, keeps them compiled, and answers what they ask.
//
// It decides; package delivery does what was decided.
package rules

import (
	"container/list"
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
)

// Options are what Rules need. Dir and Store must be set.
type Options struct {
	Dir   *directory.Directory
	Store *mailbox.Store
	// Before and After run before and behind everybody's own script, in their order, until Reload brings others.
	Before, After []*sieve.Script
	// Global finds the text of a script that all may include. Nil: there are none.
	Global func(name string) (text string, ok bool)
	// Host names this server.
	Host string
	// Location is the zone of dates. Nil: the machine's.
	Location *time.Location
	Now      func() time.Time // default: time.Now
	// Knows reports whether an account's owner knows an address: has written to it, or has it among the contacts. Nil: nobody is known.
	Knows func(ctx context.Context, s *mailbox.Session, address string) (bool, error)
	// Viruses: messages are looked at for viruses, so that scripts may ask for it (RFC 5235).
	Viruses bool
	// Limits bound scripts and runs.
	Limits sieve.Limits
}

// Rules are everybody's. They are safe for concurrent use.
type Rules struct {
	o      Options
	global atomic.Pointer[globals]
	mu     sync.Mutex
	// compiled are people's scripts, order has them by their last use. Both are guarded by mu.
	compiled map[scriptOf]*list.Element
	order    *list.List
}

// globals are scripts of the administrator.
type globals struct {
	before, after []*sieve.Script
	epoch         uint64 // counts the reloads
}

// Reload has other scripts run before and behind everybody's own from the next message on, and what people's scripts include of
// the administrator's looked for anew.
func (r *Rules) Reload(before, after []*sieve.Script) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.global.Store(&globals{before, after, r.global.Load().epoch + 1})
	clear(r.compiled)
	r.order.Init()
}

// maxCompiled is how many scripts are kept compiled.
const maxCompiled = 2000

// scriptOf names an account's script.
type scriptOf struct {
	account ident.AccountID
	name    string
}

// own is an account's script, compiled.
type own struct {
	scriptOf
	revision uint64
	epoch    uint64 // of the administrator's scripts
	script   *sieve.Script
	err      error
}

// New makes Rules.
func New(o Options) *Rules {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	r := &Rules{o: o, compiled: map[scriptOf]*list.Element{}, order: list.New()}
	r.global.Store(&globals{before: o.Before, after: o.After})
	return r
}

// MaxRedirects is how many redirections a script may ask for in one run, by default.
const MaxRedirects = 4

// without lists the extensions that people's scripts can't have.
func (r *Rules) without() []string {
	if r.o.Viruses {
		return nil
	}
	return []string{"virustest"}
}

// Extensions lists the capabilities that people's scripts may require.
func (r *Rules) Extensions() []string {
	not := r.without()
	return slices.DeleteFunc(sieve.Extensions(), func(s string) bool { return slices.Contains(not, s) })
}

// Apply reports whether anything is to be run for an account. It costs nothing.
func (r *Rules) Apply(s *mailbox.Session) bool {
	if g := r.global.Load(); s.Scripts().Active != "" || len(g.before)+len(g.after) > 0 {
		return true
	}
	away := s.Away()
	return away.State != mailbox.AwayOff && away.InForce(r.o.Now())
}

// Compile compiles a script as one of an account's, which may include the others. The error is sieve.Problems if the script is wrong.
func (r *Rules) Compile(ctx context.Context, s *mailbox.Session, name, text string) (*sieve.Script, error) {
	have := s.Scripts()
	return sieve.Compile(text, sieve.Options{Name: name, Without: r.without(), Limits: r.o.Limits, Include: func(l sieve.Location, name string) (string, bool, error) {
		if l == sieve.Global {
			if r.o.Global == nil {
				return "", false, nil
			}
			text, ok := r.o.Global(name)
			return text, ok, nil
		}
		if !have.Has(name) {
			return "", false, nil
		}
		text, err := s.Script(ctx, name)
		return text, err == nil, err
	}})
}

// CompileGlobal compiles a script of the administrator.
func CompileGlobal(name, text string, global func(name string) (string, bool), l sieve.Limits) (*sieve.Script, error) {
	return sieve.Compile(text, sieve.Options{Name: name, Limits: l, Include: func(l sieve.Location, name string) (string, bool, error) {
		if l != sieve.Global || global == nil {
			return "", false, nil
		}
		text, ok := global(name)
		return text, ok, nil
	}})
}

// script is a script of the account; nil of no name.
func (r *Rules) script(ctx context.Context, s *mailbox.Session, name string) (*sieve.Script, error) {
	if name == "" {
		return nil, nil
	}
	id, revision, epoch := scriptOf{s.Account(), name}, s.Scripts().Revision, r.global.Load().epoch
	if o := r.cached(id, revision); o != nil {
		return o.script, o.err
	}
	text, err := s.Script(ctx, name)
	if err != nil {
		return nil, err // it is the store's trouble: not to be kept
	}
	o := &own{scriptOf: id, revision: revision, epoch: epoch}
	o.script, o.err = r.Compile(ctx, s, name, text)
	r.keep(o)
	return o.script, o.err
}

// cached finds what was compiled of a revision.
func (r *Rules) cached(id scriptOf, revision uint64) *own {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.compiled[id]
	if e == nil || e.Value.(*own).revision != revision {
		return nil
	}
	r.order.MoveToBack(e)
	return e.Value.(*own)
}

func (r *Rules) keep(o *own) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.epoch != r.global.Load().epoch {
		return // it may have been made of what was there before
	}
	if e := r.compiled[o.scriptOf]; e != nil {
		r.order.Remove(e)
	}
	r.compiled[o.scriptOf] = r.order.PushBack(o)
	for r.order.Len() > maxCompiled {
		delete(r.compiled, r.order.Remove(r.order.Front()).(*own).scriptOf)
	}
}

// Decide runs what is to be run for an account on a message. The outcome is never nil: if the rules fail it is to keep the message, and
// the error says why. env needs only what is known of the message: the rest is filled in.
func (r *Rules) Decide(ctx context.Context, s *mailbox.Session, env *sieve.Environment, c *mailbox.Content) (*sieve.Outcome, error) {
	w, err := r.complete(ctx, s, env)
	if err != nil {
		out, _ := sieve.RunAll(ctx, nil, env, mail{c})
		return out, err
	}
	defer w.close()
	g := r.global.Load()
	scripts := make([]*sieve.Script, 0, len(g.before)+1+len(g.after))
	scripts = append(scripts, g.before...)
	script, wrong := r.script(ctx, s, s.Scripts().Active)
	switch {
	case wrong != nil: // the administrator's word counts all the same
	case script != nil:
		scripts = append(append(scripts, script), g.after...)
	default:
		scripts = append(scripts, g.after...)
	}
	out, err := sieve.RunAll(ctx, scripts, env, mail{c})
	if wrong != nil {
		err = wrong
	}
	if failed := r.answer(ctx, s, env, mail{c}, out); err == nil {
		err = failed
	}
	return out, err
}

// mail is a message as scripts see it.
type mail struct{ *mailbox.Content }

// maxHeader bounds how much of a header is looked at.
const maxHeader = 256 << 10

// Header is what was stored beside the message, or with a long header is read.
func (m mail) Header() []byte {
	if h := m.Summary().Header(); h != nil {
		return h
	}
	size := m.Size()
	if root, ok := m.Summary().Root(); ok {
		size = root.Header.Size
	}
	b := make([]byte, min(size, maxHeader))
	n, err := m.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	return b[:n]
}

// ParsedHeader implements sieve.HeaderParser for a header that is short enough to be stored beside the message, until the message is in a mailbox.
func (m mail) ParsedHeader() (front []byte, rest *message.Header, ok bool) {
	front, content := m.Split()
	parsed, _ := content.Parsed()
	if parsed == nil {
		return nil, nil, false
	}
	h := &parsed.Header
	switch n := len(h.Raw); {
	case n == 0, int64(n) != parsed.Root.HeaderSize, len(front)+n > summary.MaxHeader:
		return nil, nil, false // it may be cut
	case len(front) > 0 && (h.Raw[0] == ' ' || h.Raw[0] == '\t'): // that belongs to the last field in front
		return nil, nil, false
	}
	return front, h, h.Whole()
}
