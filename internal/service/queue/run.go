package queue

import (
	"context"
	"sync"
	"time"
)

// Run tries what is due, until ctx ends; then it waits for the attempts under way and returns ctx's cause. It
// owns all the queue's goroutines. It must run once at a time.
func (q *Queue) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for shard := range uint8(Shards) {
		wg.Go(func() { q.tend(ctx, shard) })
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(q.begin(ctx, &wg))
		select {
		case <-ctx.Done():
		case <-q.kick:
		case <-timer.C:
		}
	}
	return context.Cause(ctx)
}

// longestSleep bounds how wrong a clock that was set can make us.
const longestSleep = 10 * time.Minute

// begin starts all that can start now, and says when to look again.
func (q *Queue) begin(ctx context.Context, wg *sync.WaitGroup) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	q.s.tick(now)
	for ctx.Err() == nil {
		a, ok := q.s.next(now)
		if !ok {
			break
		}
		if a.try != nil {
			wg.Go(func() { q.attempt(ctx, a.try) })
		} else {
			wg.Go(func() { q.load(ctx, a.load) })
		}
	}
	return sleepUntil(q.s.tick(now), now)
}

func sleepUntil(next, now int64) time.Duration {
	if next >= now+longestSleep.Milliseconds() {
		return longestSleep
	}
	return max(time.Duration(next-now)*time.Millisecond, 0)
}
