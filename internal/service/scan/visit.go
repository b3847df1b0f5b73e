package scan

import (
	"context"
	"time"
)

// Visit is one client's connection, for the programs that go along with it. It isn't safe for concurrent use. A nil Visit has none.
type Visit struct {
	set *Set
	all []*attendant // in the order of the settings
}

// attendant is a program that goes along.
type attendant struct {
	p    *program
	talk Conversation
	// always is what it has decided of all that the client brings, now of the message; nil: nothing yet.
	always, now *Finding
	down        bool          // it gave no answer before the message, and isn't waited for again
	spent       time.Duration // on this message
}

// patience bounds how often over its Timeout a program is waited for with one message, all steps together.
const patience = 4

// Visit begins a client's connection. Nil: no program goes along with any.
func (s *Set) Visit() *Visit {
	if s == nil {
		return nil
	}
	var v *Visit
	for _, p := range s.programs {
		if c, ok := p.Scanner.(Companion); ok {
			if v == nil {
				v = &Visit{set: s}
			}
			v.all = append(v.all, &attendant{p: p, talk: c.Begin()})
		}
	}
	return v
}

// Heeds reports whether any program has something to say at a stage of mail of a direction.
func (v *Visit) Heeds(at Stage, d Direction) bool {
	if v == nil {
		return false
	}
	for _, a := range v.all {
		if a.heeds(at, d) {
			return true
		}
	}
	return false
}

func (a *attendant) heeds(at Stage, d Direction) bool {
	if a.always != nil || !a.p.wants(d) {
		return false
	}
	switch at {
	case AtConnect, AtHello:
		return !a.down && a.p.Scanner.(Companion).Heeds(at)
	case AtMail:
	default:
		if a.now != nil {
			return false
		}
	}
	return a.p.Scanner.(Companion).Heeds(at)
}

// Mail begins a message. It must be called before the first Step of each.
func (v *Visit) Mail() {
	if v == nil {
		return
	}
	v.Abort()
	for _, a := range v.all {
		a.now, a.spent, a.down = nil, 0, false
	}
}

// Step tells the programs, one after the other, of a step before the content. The finding refuses it or puts it off (Reject, TempFail), or is
// zero: what else they want is done when the message is there.
func (v *Visit) Step(ctx context.Context, at Stage, m *Message) Finding {
	for _, a := range v.all {
		if !a.heeds(at, m.Direction) {
			continue
		}
		if f := v.step(ctx, a, at, m); f.Action == Reject || f.Action == TempFail {
			return f
		}
	}
	return Finding{}
}

// step tells one program.
func (v *Visit) step(ctx context.Context, a *attendant, at Stage, m *Message) Finding {
	f := v.put(ctx, a, at, m)
	if f.Failed && at < AtMail {
		a.p.counts.failed.Add(1)
		a.down = true
		return Finding{} // it is asked about each message
	}
	switch {
	case f.Action == Reject || f.Action == TempFail:
		if f.Failed || at == AtMail || at == AtData {
			a.p.counts.outcome(&f)
		}
		return f
	case f.Action == Accept && !f.Final && !f.Failed:
	case at < AtMail:
		a.always = &f
	default:
		a.now = &f
	}
	return Finding{}
}

// put puts a question to one program, with what is left of its time.
func (v *Visit) put(ctx context.Context, a *attendant, at Stage, m *Message) Finding {
	began, f := time.Now(), a.p.failed(late)
	if limit := min(a.p.Timeout, patience*a.p.Timeout-a.spent); limit > 0 {
		f = v.set.question(ctx, a.p, m, limit, func(ctx context.Context, m *Message) (Finding, error) { return a.talk.Step(ctx, at, m) })
	}
	f.Scanner, f.Took = a.p.Name, time.Since(began)
	a.spent += f.Took
	a.p.counts.took.Add(int64(f.Took))
	return f // with what it took for the history; the counts have it
}

// content shows the program a message, unless it has decided already.
func (v *Visit) content(ctx context.Context, a *attendant, m *Message) Finding {
	switch {
	case a.always != nil:
		return *a.always
	case a.now != nil:
		return *a.now
	case a.p.tooLarge(m):
		a.talk.Abort()
		return Finding{Scanner: a.p.Name, Skipped: true, Reason: tooLarge}
	}
	return v.put(ctx, a, AtContent, m)
}

// Abort says that nothing comes of the message.
func (v *Visit) Abort() {
	if v == nil {
		return
	}
	for _, a := range v.all {
		a.talk.Abort()
	}
}

// Close ends the visit.
func (v *Visit) Close() {
	if v == nil {
		return
	}
	for _, a := range v.all {
		a.talk.Close()
	}
}

// of is the attendant that is a program.
func (v *Visit) of(p *program) *attendant {
	for _, a := range v.all {
		if a.p == p {
			return a
		}
	}
	return nil
}
