package dns

import (
	"context"
	"sync"
)

// flights lets those who ask the same at the same time share one answer. The first asks, the others wait.
type flights struct {
	mu   sync.Mutex // guards open
	open map[question]*flight
}

type flight struct {
	landed chan struct{} // closed when res is set
	res    *result       // nil if the first gave up
}

// do returns what ask returns, or what somebody else's did that was under way. It returns nil
// if ctx has ended.
func (f *flights) do(ctx context.Context, q question, ask func() *result) *result {
	for ctx.Err() == nil {
		fl, first := f.board(q)
		if first {
			f.land(q, fl, ask)
			return fl.res
		}
		select {
		case <-fl.landed:
			if fl.res != nil {
				return fl.res
			}
		case <-ctx.Done():
		}
	}
	return nil
}

func (f *flights) board(q question) (fl *flight, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl = f.open[q]; fl != nil {
		return fl, false
	}
	if f.open == nil {
		f.open = map[question]*flight{}
	}
	fl = &flight{landed: make(chan struct{})}
	f.open[q] = fl
	return fl, true
}

func (f *flights) land(q question, fl *flight, ask func() *result) {
	defer func() {
		f.mu.Lock()
		delete(f.open, q)
		f.mu.Unlock()
		close(fl.landed)
	}()
	fl.res = ask()
}
