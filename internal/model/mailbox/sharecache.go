package mailbox

import (
	"context"
	"sync"
	"sync/atomic"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// maxSharesCached is how many principals' answers are remembered.
const maxSharesCached = 16384

// shareCache remembers what the index of shares says, until its bell rings.
type shareCache struct {
	bell <-chan struct{}

	mu    sync.RWMutex
	known map[principal][]ident.AccountID // guarded by mu
}

// sharing holds the cache in use.
type sharing struct{ cache atomic.Pointer[shareCache] }

// current returns a cache in which nothing is out of date.
func (s *sharing) current(db kv.DB) *shareCache {
	c := s.cache.Load()
	if c != nil {
		select {
		case <-c.bell:
		default:
			return c
		}
	}
	// The bell comes first: what is read afterwards is no older than that.
	s.cache.CompareAndSwap(c, &shareCache{bell: db.Bell(SharesPartition), known: map[principal][]ident.AccountID{}})
	return s.cache.Load()
}

// owners lists the accounts that may have given rights to a principal, ascending. The list is shared.
func (c *shareCache) owners(ctx context.Context, db kv.DB, p principal) ([]ident.AccountID, error) {
	c.mu.RLock()
	owners, ok := c.known[p]
	c.mu.RUnlock()
	if ok {
		return owners, nil
	}
	owners, err := readOwners(ctx, db, p)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxSharesCached {
		for other := range c.known {
			delete(c.known, other)
			break
		}
	}
	c.known[p] = owners
	return owners, nil
}
