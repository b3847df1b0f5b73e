// Package memory remembers what records of the DNS say, which are asked for with each of a domain's messages.
package memory

import "sync"

// Most is how many texts one Texts remembers.
const Most = 1000

// Texts remembers what texts mean: nobody is asked, and it knows nothing of whose they are. The zero value is ready; a nil one remembers nothing.
// It is safe for concurrent use.
type Texts[T any] struct {
	mu     sync.Mutex
	byText map[string]*T // guarded by mu
}

// Get is what a text means, which must not be changed; nil: it isn't known.
func (t *Texts[T]) Get(text string) *T {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byText[text]
}

// Put remembers what a text means. How long texts may be is up to the caller. Of more than Most all are forgotten: who is asked for all the
// time is soon back.
func (t *Texts[T]) Put(text string, means *T) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byText == nil || len(t.byText) >= Most {
		t.byText = make(map[string]*T)
	}
	t.byText[text] = means
}
