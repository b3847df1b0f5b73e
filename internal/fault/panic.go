package fault

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Panic is a broken invariant of ours that somebody caught: what was said, and where.
type Panic struct {
	Value any
	Stack []byte
}

// Error tells it without the stack.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Caught runs f, and returns the panic that it ended in; nil as a rule. It is for those who can do without f.
func Caught(f func()) (p *Panic) {
	defer func() {
		if v := recover(); v != nil {
			p = panicOf(v)
		}
	}()
	f()
	return nil
}

// panicOf keeps the stack of one that comes from another goroutine.
func panicOf(v any) *Panic {
	if p, ok := v.(*Panic); ok {
		return p
	}
	return &Panic{v, debug.Stack()}
}

// Group runs functions at the same time, like a sync.WaitGroup. What panics in one of them does so in Wait, with a *Panic: in the hands of who waits for
// it, who may be able to do without, where in a goroutine of its own it would be the end of the whole program. The zero value is ready.
type Group struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	first *Panic // guarded by mu
}

// Go runs f in a goroutine.
func (g *Group) Go(f func()) {
	g.wg.Go(func() {
		if p := Caught(f); p != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.first == nil {
				g.first = p
			}
		}
	})
}

// Wait returns when all functions have, or panics if one of them did.
func (g *Group) Wait() {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first != nil {
		panic(g.first)
	}
}
