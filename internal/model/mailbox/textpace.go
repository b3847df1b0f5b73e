package mailbox

import (
	"context"
	"time"
)

// The indexer has no hurry, but whoever sends or reads messages meanwhile has: a processor that works on something else is lost to him for
// up to ten milliseconds, since nobody looks at the network in between. So the indexer rests often as long as others
// work, unless searches would have very much to read themselves.
const (
	// stretch is how long the indexer works before it looks around. It rests for twice as long as it has worked then, or has waited for the disk:
	// between rest and longRest.
	stretch  = 500 * time.Microsecond
	rest     = time.Millisecond
	longRest = 20 * time.Millisecond
	// tailFar is how much waits for the index (see weight) when it doesn't rest any more.
	tailFar = 2 * tailMuch
)

// pace is the indexer's, for one segment.
type pace struct {
	ctx   context.Context
	store *Store
	hurry bool
	asked uint64    // what was asked of the store up to the last look
	since time.Time // then; zero: the work begins
}

func (a *account) pace(ctx context.Context) *pace {
	return &pace{ctx: ctx, store: a.store, asked: a.store.asked.Load()}
}

// step is called between pieces of work. It rests when it is time to.
func (p *pace) step() {
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	worked := now.Sub(p.since)
	if p.hurry || worked < stretch {
		return
	}
	if asked := p.store.asked.Load(); asked != p.asked {
		p.asked = asked
		t := time.NewTimer(min(max(rest, 2*worked), longRest))
		defer t.Stop()
		select {
		case <-t.C:
		case <-p.ctx.Done():
		}
		now = time.Now()
	}
	p.since = now
}
