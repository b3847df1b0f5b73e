package mailbox

import (
	"context"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// indexing is which accounts have much that their text index doesn't know.
type indexing struct {
	mu   sync.Mutex
	want map[ident.AccountID]wish // guarded by mu
	wake chan struct{}            // has room for one
}

// wish is what is to be done for an account.
type wish struct {
	due   time.Time // not before that; zero: now
	texts bool      // a search has met contents whose texts aren't stored
}

const (
	// bareWeight is how many contents one counts for whose text has to be taken out for each search in it.
	bareWeight = 15
	// An account that much is coming to is left in peace, until nothing has come for calm, or tailMuch has: many contents at once are less
	// work, and who sends them waits for his own work.
	calm     = 500 * time.Millisecond
	tailMuch = 16 * tailMin
)

// grown counts what has come, and asks for an index of it when it is much.
func (a *account) grown(n int) {
	switch total := a.unindexed.Add(int64(n)); {
	case total >= tailMuch:
		a.store.indexing.ask(a.id, wish{})
	case total >= tailMin:
		a.store.indexing.ask(a.id, wish{due: time.Now().Add(calm)})
	}
}

// ask asks for an account to be looked at, later than it was asked for before if nothing else was: if a search had to take texts out
// itself, the next need not.
func (i *indexing) ask(id ident.AccountID, w wish) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.want == nil {
		i.want = map[ident.AccountID]wish{}
	}
	old, there := i.want[id]
	now := w.due.IsZero() || there && old.due.IsZero()
	if now {
		w.due = time.Time{}
	}
	w.texts = w.texts || old.texts
	i.want[id] = w
	if there && (!now || old.due.IsZero()) {
		return // the indexer will look again when it was to be looked at before
	}
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take returns one of the accounts whose time has come; id is 0 if there is none, and then next is when there will be one; zero: not
// known.
func (i *indexing) take() (id ident.AccountID, texts bool, next time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	for id, w := range i.want {
		if !w.due.After(now) {
			delete(i.want, id)
			return id, w.texts, time.Time{}
		}
		if next.IsZero() || w.due.Before(next) {
			next = w.due
		}
	}
	return 0, false, next
}

// RunIndexer keeps the text indexes up to date until ctx ends. What it hasn't got to is found all the same, by reading more.
func (s *Store) RunIndexer(ctx context.Context) {
	ids, err := s.Accounts(ctx)
	for _, id := range ids {
		s.indexing.ask(id, wish{}) // what a stop has left
	}
	for {
		if err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
			s.opts.Logger.ErrorContext(ctx, "cannot update the text index", "err", err)
		}
		id, texts, next := s.indexing.take()
		if id != 0 {
			if err = s.Index(ctx, id, false); err == nil && texts {
				err = s.storeTexts(ctx, id)
			}
			continue
		}
		if err = nil; !s.indexing.wait(ctx, next) {
			return
		}
	}
}

// wait returns when there may be something to do; false if ctx has ended.
func (i *indexing) wait(ctx context.Context, next time.Time) bool {
	var due <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-due:
	case <-i.wake:
	}
	return true
}
