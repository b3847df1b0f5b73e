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
	want map[ident.AccountID]bool // guarded by mu
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
	a.store.indexing.ask(a.id)
}

func (i *indexing) ask(id ident.AccountID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.want == nil {
		i.want = map[ident.AccountID]bool{}
	}
	i.want[id] = true
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take returns one of the accounts.
func (i *indexing) take() (ident.AccountID, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id := range i.want {
		delete(i.want, id)
		return id, true
	}
	return 0, false
}

// RunIndexer keeps the text indexes up to date until ctx ends. What it hasn't got to is found all the same, by reading more.
func (s *Store) RunIndexer(ctx context.Context) {
	ids, err := s.Accounts(ctx)
	for _, id := range ids {
		s.indexing.ask(id) // what a stop has left
	}
	for {
		if err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
			s.opts.Logger.ErrorContext(ctx, "cannot update the text index", "err", err)
		}
		id, ok := s.indexing.take()
		if ok {
			err = s.Index(ctx, id, false)
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
