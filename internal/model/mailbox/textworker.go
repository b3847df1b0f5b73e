package mailbox

import (
	"context"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// indexing is which accounts have much that their text index doesn't know.
type indexing struct {
	mu   sync.Mutex
	want map[ident.AccountID]bool // guarded by mu; true: a search has met contents whose texts aren't stored
	wake chan struct{}            // has room for one
}

// bareWeight is how many contents one counts for whose text has to be taken out for each search in it.
const bareWeight = 15

// grown counts what has come, and asks for an index of it when it is much.
func (a *account) grown(n int) {
	if a.unindexed.Add(int64(n)) < tailMin {
		return
	}
	a.unindexed.Store(0)
	a.store.indexing.ask(a.id, false)
}

// ask asks for an account to be looked at: for its texts, if a search had to take them out itself, so that the next need not.
func (i *indexing) ask(id ident.AccountID, texts bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.want == nil {
		i.want = map[ident.AccountID]bool{}
	}
	i.want[id] = i.want[id] || texts
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take returns one of the accounts.
func (i *indexing) take() (id ident.AccountID, texts, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, texts := range i.want {
		delete(i.want, id)
		return id, texts, true
	}
	return 0, false, false
}

// RunIndexer keeps the text indexes up to date until ctx ends. What it hasn't got to is found all the same, by reading more.
func (s *Store) RunIndexer(ctx context.Context) {
	ids, err := s.Accounts(ctx)
	for _, id := range ids {
		s.indexing.ask(id, false) // what a stop has left
	}
	for {
		if err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
			s.opts.Logger.ErrorContext(ctx, "cannot update the text index", "err", err)
		}
		id, texts, ok := s.indexing.take()
		if ok {
			if err = s.Index(ctx, id, false); err == nil && texts {
				err = s.storeTexts(ctx, id)
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.indexing.wake:
			err = nil
		}
	}
}
