package imap

import (
	"sync"

	"postroad/internal/model/mailbox"
)

// preparer prepares the messages of one APPEND on another processor, if there are several, while the next ones come in: that is half
// of the work that they are.
type preparer struct {
	mu       sync.Mutex
	queue    []*mailbox.Content
	at       int // those before have been taken
	running  bool
	panicked any

	work sync.WaitGroup
}

// prepareFrom is how many messages must wait before it is worth while to ask for another processor.
const prepareFrom = 4

// add takes a message, which must not be closed before finish.
func (p *preparer) add(c *mailbox.Content) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, c)
	if !p.running && len(p.queue)-p.at >= prepareFrom {
		p.running = true
		p.work.Go(p.run)
	}
}

// run prepares what waits until nothing does.
func (p *preparer) run() {
	defer func() {
		if r := recover(); r != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.panicked = r // running stays set: there is no use in going on
		}
	}()
	for {
		c := p.take()
		if c == nil {
			return
		}
		c.Prepare()
	}
}

// take returns the next message; nil if there is none, and then nobody runs.
func (p *preparer) take() *mailbox.Content {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == len(p.queue) {
		p.running = false
		return nil
	}
	p.at++
	return p.queue[p.at-1]
}

// finish helps to prepare what waits, and returns when all is done, or broken off by a panic, which goes on here.
func (p *preparer) finish() {
	for c := p.last(); c != nil; c = p.last() {
		c.Prepare()
	}
	p.work.Wait()
	if p.panicked != nil {
		panic(p.panicked)
	}
}

// last takes a message from the queue's end.
func (p *preparer) last() *mailbox.Content {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.queue)
	if p.at == n {
		return nil
	}
	c := p.queue[n-1]
	p.queue = p.queue[:n-1]
	return c
}

// drop returns when nothing is prepared any more; what waits is not.
func (p *preparer) drop() {
	p.mu.Lock()
	p.queue = p.queue[:p.at]
	p.mu.Unlock()
	p.work.Wait()
}
