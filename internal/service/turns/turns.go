// Package turns has one at a time do something to one of many things, while others wait: imports into an account, questions to a server elsewhere.
package turns

import (
	"context"
	"sync"

	"postroad/internal/fault"
)

// Turns are the things to which something is being done. The zero value is ready, and safe for concurrent use.
type Turns[K comparable] struct {
	mu    sync.Mutex
	taken map[K]chan struct{} // guarded by mu; closed when the turn ends
}

// Wait waits until nobody else has its turn with a thing, and takes it. The caller calls end, once. Errors: fault.Canceled, ctx ended before.
func (t *Turns[K]) Wait(ctx context.Context, thing K) (end func(), err error) {
	for {
		other, end := t.Try(thing)
		if other == nil {
			return end, nil
		}
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
	}
}

// Try takes the turn with a thing, or, if somebody has it, gives what is closed when they end it.
func (t *Turns[K]) Try(thing K) (other <-chan struct{}, end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if running := t.taken[thing]; running != nil {
		return running, nil
	}
	if t.taken == nil {
		t.taken = map[K]chan struct{}{}
	}
	mine := make(chan struct{})
	t.taken[thing] = mine
	return nil, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.taken, thing)
		close(mine)
	}
}

// Taken reports whether somebody has the turn with a thing.
func (t *Turns[K]) Taken(thing K) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[thing] != nil
}
