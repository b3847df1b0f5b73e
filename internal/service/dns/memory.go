package dns

import (
	"context"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
)

// memoryKey is the context key of what Remembered returns.
type memoryKey struct{}

// Remembered returns a context for questions that aren't to be waited for: a Client answers them out of its memory alone, or else
// with a fault of kind Canceled, and complete is false from then on. Whoever has many questions whose answers are at hand needs no goroutines for
// them. Both are safe for concurrent use.
func (c *Client) Remembered(ctx context.Context) (_ context.Context, complete func() bool) {
	m := &memory{Context: ctx, now: c.now()}
	return m, m.complete
}

// memory is such a context.
type memory struct {
	context.Context
	now    time.Time   // nothing is waited for, so that it stays the same
	missed atomic.Bool // something that wasn't at hand
}

func (m *memory) complete() bool { return !m.missed.Load() }

// Value implements context.Context.
func (m *memory) Value(key any) any {
	if key == (memoryKey{}) {
		return m
	}
	return m.Context.Value(key)
}

// remembering is ctx if that is of Remembered, or was made of such a one; nil otherwise.
func remembering(ctx context.Context) *memory {
	m, _ := ctx.Value(memoryKey{}).(*memory)
	return m
}

// unanswered is the fault of a question that wasn't waited for.
func unanswered(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return fault.Wrap(fault.Canceled, err, "")
	}
	return fault.New(fault.Canceled, "not at hand")
}
