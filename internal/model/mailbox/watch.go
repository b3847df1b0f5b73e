package mailbox

import "slices"

// A Watcher hears of changes of accounts. Unlike who waits for a Bell it needs no goroutine.
type Watcher interface {
	// Ring is called after each change. It must not wait for anything, nor call the store.
	Ring()
}

// A Watch lasts until it is ended. The zero value is one that has ended.
type Watch struct {
	a *account
	w Watcher
}

// Watch has w hear of changes of the account. Like a Bell it says "look again", no more: begin it first, then look at the state. The
// caller must End it; it may outlast the session.
func (s *Session) Watch(w Watcher) Watch {
	a := s.a.store.acquire(s.a.id)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watchers = append(a.watchers, w)
	return Watch{a, w}
}

// End ends the watch. When it returns, Ring isn't running, nor will it be called again. Ending twice does nothing.
func (w *Watch) End() {
	a := w.a
	if a == nil {
		return
	}
	a.unwatch(w.w)
	a.store.release(a)
	*w = Watch{}
}

func (a *account) unwatch(w Watcher) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, last := slices.Index(a.watchers, w), len(a.watchers)-1
	a.watchers[i], a.watchers[last] = a.watchers[last], nil
	if a.watchers = a.watchers[:last]; last == 0 {
		a.watchers = nil
	}
}
