package imap

import "sync"

// buffers lends large buffers to sessions while they have bytes to handle: a
// connection that waits for its client holds none.
type buffers struct {
	in  sync.Pool // *[]byte of inputSize
	out sync.Pool // *[]byte of any capacity up to outputKeep
}

const (
	inputSize  = 32 << 10  // what one read may bring
	flushAt    = 64 << 10  // output is sent when it is longer than that
	outputKeep = 512 << 10 // larger buffers are left to the garbage collector
)

func (b *buffers) getIn() *[]byte {
	if p, ok := b.in.Get().(*[]byte); ok {
		return p
	}
	buf := make([]byte, inputSize)
	return &buf
}

func (b *buffers) putIn(p *[]byte) { b.in.Put(p) }

func (b *buffers) getOut() *[]byte {
	if p, ok := b.out.Get().(*[]byte); ok {
		*p = (*p)[:0]
		return p
	}
	buf := make([]byte, 0, 4<<10)
	return &buf
}

func (b *buffers) putOut(p *[]byte) {
	if cap(*p) <= outputKeep {
		b.out.Put(p)
	}
}
