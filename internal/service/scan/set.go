package scan

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"postroad/internal/fault"
)

// Defaults of a Program.
const (
	DefaultTimeout = 20 * time.Second
	DefaultAtOnce  = 32
)

// Program is a program that is asked, and how.
type Program struct {
	// Name is what the administrator calls it.
	Name    string
	Scanner Scanner
	// Timeout bounds a question, with all that it waits for; 0: DefaultTimeout.
	Timeout time.Duration
	// OnFailure is what becomes of mail while it gives no answer: Accept or TempFail.
	OnFailure Action
	// Which mail it sees besides that of strangers.
	Outgoing, Relayed bool
	// MaxSize is the largest message that it is shown, in bytes; 0: any. Larger ones are accepted without it.
	MaxSize int64
	// AtOnce is how many questions may be open at once; 0: DefaultAtOnce.
	AtOnce int
	// Virus is what becomes of messages with viruses in them: Reject, Quarantine or Accept, which only tells.
	Virus Action
	// Most is the most severe thing that else is done because it says so. Junk: what it wants to be refused goes to the junk.
	// Accept: what it says is only noted.
	Most Action
	// Changes are those that are done because it wants them.
	Changes Extent
}

// Options are what a Set needs of the world.
type Options struct {
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: nothing is logged
}

// Set asks all programs that are switched on. It is safe for concurrent use. A nil Set asks nobody.
type Set struct {
	programs []*program
	now      func() time.Time
	log      *slog.Logger
}

// program is a Program at work.
type program struct {
	Program
	open    chan struct{} // has an element for each question under way
	breaker breaker
	counts  counts
}

// New makes a Set. Without programs it is nil.
func New(programs []Program, o Options) *Set {
	if len(programs) == 0 {
		return nil
	}
	s := &Set{now: o.Now, log: o.Logger}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, p := range programs {
		if p.Timeout <= 0 {
			p.Timeout = DefaultTimeout
		}
		if p.AtOnce <= 0 {
			p.AtOnce = DefaultAtOnce
		}
		s.programs = append(s.programs, &program{Program: p, open: make(chan struct{}, p.AtOnce)})
	}
	return s
}

// Wants reports whether anybody is to be shown mail of a direction.
func (s *Set) Wants(d Direction) bool {
	if s == nil {
		return false
	}
	for _, p := range s.programs {
		if p.wants(d) {
			return true
		}
	}
	return false
}

func (p *program) wants(d Direction) bool {
	return d == Incoming || d == Relayed && p.Relayed || d == Outgoing && p.Outgoing
}

// Scan shows a message to all who are to see it, and returns when each has answered or failed: those that go along with the client one
// after the other, each with what those before it have changed; then all others at the same time, with what is to be delivered. It ends
// as soon as one of the former refuses the message. If ctx ends they are broken off, and what they would have said counts as a failure; nobody uses the
// message after Scan has returned. v is the client's visit; nil: those who would go along with it hear of all at once.
func (s *Set) Scan(ctx context.Context, m *Message, v *Visit) *Report {
	r := &Report{}
	if v == nil {
		v = s.Visit()
		defer v.Close()
	}
	e := edition{m: *m}
	var others []asked
	for _, p := range s.programs {
		if !p.wants(m.Direction) {
			continue
		}
		r.Findings = append(r.Findings, Finding{Scanner: p.Name})
		last := len(r.Findings) - 1
		if _, ok := p.Scanner.(Companion); !ok {
			others = append(others, asked{p, last})
			continue
		}
		f := v.content(ctx, v.of(p), &e.m)
		f = e.apply(p, f)
		p.counts.outcome(&f)
		if r.Findings[last] = f; f.Action == Reject || f.Action == TempFail {
			return r.only(others)
		}
	}
	s.askAll(ctx, others, &e.m, r)
	for _, o := range others {
		r.Findings[o.at] = e.apply(o.program, r.Findings[o.at])
		o.counts.add(&r.Findings[o.at])
	}
	r.Front, r.Edited, r.Changes = e.m.Front, e.draft, e.envelope
	return r
}

// asked is a program and the place of its finding.
type asked struct {
	*program
	at int
}

// askAll asks all at the same time.
func (s *Set) askAll(ctx context.Context, others []asked, m *Message, r *Report) {
	if len(others) == 0 {
		return
	}
	var all sync.WaitGroup
	for _, o := range others[1:] {
		all.Go(func() { r.Findings[o.at] = s.ask(ctx, o.program, m) })
	}
	r.Findings[others[0].at] = s.ask(ctx, others[0].program, m) // which needs no goroutine of its own
	all.Wait()
}

// Why a program isn't asked, or gives no answer.
const (
	tooLarge = "too large"
	resting  = "out of order"
	busy     = "busy"
	late     = "no answer in time"
	brokeOff = "broken off"
)

// ask asks one program.
func (s *Set) ask(ctx context.Context, p *program, m *Message) (f Finding) {
	began := time.Now()
	defer func() { f.Scanner, f.Took = p.Name, time.Since(began) }()
	if p.tooLarge(m) {
		return Finding{Skipped: true, Reason: tooLarge}
	}
	return s.question(ctx, p, m, p.Timeout, p.Scanner.Scan)
}

func (p *program) tooLarge(m *Message) bool { return p.MaxSize > 0 && m.Size > p.MaxSize }

// question puts a question that may take so long, unless the program is out of order or busy.
func (s *Set) question(ctx context.Context, p *program, m *Message, limit time.Duration, put func(context.Context, *Message) (Finding, error)) Finding {
	began := time.Now()
	if !p.breaker.allows(s.now()) {
		return p.failed(resting)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case p.open <- struct{}{}:
	case <-limited.Done():
		return p.failed(busy)
	}
	defer func() { <-p.open }()
	f, err := guarded(limited, m, put)
	switch {
	case err == nil:
		p.breaker.answered()
		return p.obey(f)
	case ctx.Err() != nil: // nobody wants to know any more
		return p.failed(brokeOff)
	}
	if !fault.Is(err, fault.Unsupported) && limit == p.Timeout { // who had less time than it needs isn't out of order
		p.breaker.failure(s.now())
	}
	s.log.WarnContext(ctx, "a scanner gave no answer", "scanner", p.Name, "id", m.ID, "then", p.OnFailure.String(), "took", time.Since(began), "err", err)
	return p.failed(reasonOf(err))
}

// guarded makes an error of what breaks at a program's answer: here nobody else would notice but the whole server.
func guarded(ctx context.Context, m *Message, put func(context.Context, *Message) (Finding, error)) (f Finding, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = Finding{}, fault.New(fault.Internal, "panic: %v\n%s", p, debug.Stack())
		}
	}()
	return put(ctx, m)
}

// reasonOf says in a few words why a program gave no answer.
func reasonOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return late
	}
	if t := (interface{ Timeout() bool })(nil); errors.As(err, &t) && t.Timeout() {
		return late
	}
	return Printable(fault.TextOf(err), maxText)
}

// failed is the finding of a program that gave no answer.
func (p *program) failed(why string) Finding {
	return Finding{Failed: true, Action: p.OnFailure, Reason: why}
}

// obey does with what a program has said as the settings want.
func (p *program) obey(f Finding) Finding {
	f.clean()
	f.Failed = false
	switch {
	case f.Virus != "":
		f.Certainty = max(f.Certainty, Suspected)
		f.Action = p.Virus
	case f.Action > p.Most:
		f.Action = p.Most
	}
	return f
}

// Ping asks each program whether it is there. The result is in the order of the settings.
func (s *Set) Ping(ctx context.Context) []Pong {
	if s == nil {
		return nil
	}
	all := make([]Pong, len(s.programs))
	var wg sync.WaitGroup
	for i, p := range s.programs {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, min(p.Timeout, pingTime))
			defer cancel()
			all[i].Name = p.Name
			all[i].Version, all[i].Err = p.Scanner.Ping(ctx)
			all[i].Version = Printable(all[i].Version, maxName)
		})
	}
	wg.Wait()
	return all
}

// Close closes connections that are kept open. Nobody may be scanning.
func (s *Set) Close() error {
	if s == nil {
		return nil
	}
	var all []error
	for _, p := range s.programs {
		if c, ok := p.Scanner.(io.Closer); ok {
			all = append(all, c.Close())
		}
	}
	return errors.Join(all...)
}

// pingTime bounds how long somebody who looks after the server waits.
const pingTime = 10 * time.Second

// Pong is what came of asking whether a program is there.
type Pong struct {
	Name    string
	Version string // what it calls itself
	Err     error
}
