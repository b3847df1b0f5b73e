package queue_test

import (
	"bytes"
	"context"
	"iter"
	"math/rand/v2"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// memory is a store without a disk and without clocks of its own, so that days in a bubble of fake time cost nothing: the real engine looks
// around ten times a second. It does what the queue needs of a store. What the queue means to a disk is tested with the real one (TestPowerCut, TestFailingDisk, TestModel).
type memory struct {
	mu     sync.Mutex
	parts  map[kv.Partition]*memoryPart // guarded by mu
	closed bool                         // guarded by mu
	using  sync.WaitGroup
}

type memoryPart struct {
	writing sync.Mutex
	mu      sync.Mutex
	root    *node  // guarded by mu: nodes never change
	gen     uint64 // guarded by mu
	bell    chan struct{}
}

func newMemory() *memory { return &memory{parts: map[kv.Partition]*memoryPart{}} }

func (m *memory) part(p kv.Partition) (*memoryPart, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fault.New(fault.Unavailable, "the store is closed")
	}
	m.using.Add(1)
	x := m.parts[p]
	if x == nil {
		x = &memoryPart{bell: make(chan struct{})}
		m.parts[p] = x
	}
	return x, nil
}

func (m *memory) View(ctx context.Context, p kv.Partition, fn func(kv.Reader) error) error {
	x, err := m.part(p)
	if err != nil {
		return err
	}
	defer m.using.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	x.mu.Lock()
	root := x.root
	x.mu.Unlock()
	return fn(&memoryTx{root: root})
}

func (m *memory) Update(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	return m.SubmitLazy(ctx, p, fn)
}

type done struct{}

func (done) Wait() error { return nil }

func (m *memory) Submit(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	return done{}, m.SubmitLazy(ctx, p, fn)
}

func (m *memory) SubmitLazy(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	x, err := m.part(p)
	if err != nil {
		return err
	}
	defer m.using.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	tx := &memoryTx{root: x.root, gen: x.gen}
	x.mu.Unlock()
	err = fn(tx)
	if err == nil {
		err = tx.err
	}
	if err != nil || !tx.wrote {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.root, x.gen = tx.root, x.gen+1
	close(x.bell)
	x.bell = make(chan struct{})
	return nil
}

func (m *memory) Bell(p kv.Partition) <-chan struct{} {
	x, err := m.part(p)
	if err != nil {
		c := make(chan struct{})
		close(c)
		return c
	}
	defer m.using.Done()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.bell
}

func (m *memory) Partitions(context.Context, kv.Partition, kv.Partition) ([]kv.Partition, error) {
	return nil, fault.New(fault.Unsupported, "not needed here")
}

func (m *memory) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.using.Wait()
	return nil
}

// memoryTx is a transaction, or a snapshot.
type memoryTx struct {
	root  *node
	gen   uint64
	wrote bool
	err   error
}

func (t *memoryTx) Generation() uint64 { return t.gen }

func (t *memoryTx) Get(key []byte) ([]byte, bool, error) {
	for n := t.root; n != nil; {
		switch c := bytes.Compare(key, n.key); {
		case c == 0:
			return n.value, true, nil
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil, false, nil
}

func (t *memoryTx) Scan(r kv.Range) iter.Seq2[kv.Pair, error] {
	root := t.root
	return func(yield func(kv.Pair, error) bool) { root.scan(&r, yield) }
}

func (t *memoryTx) Cursor(lo, hi []byte) (kv.Cursor, error) {
	return &memoryCursor{root: t.root, lo: bytes.Clone(lo), hi: bytes.Clone(hi)}, nil
}

func (t *memoryTx) Put(key, value []byte) error { return t.Set(key, value) }

func (t *memoryTx) Set(key, value []byte) error {
	if len(key) == 0 || len(key) > kv.MaxKey || len(value) > kv.MaxValue {
		t.err = fault.New(fault.TooLarge, "key of %d bytes, value of %d", len(key), len(value))
		return t.err
	}
	t.wrote = true
	less, rest := split(t.root, key)
	_, more := split(rest, append(bytes.Clone(key), 0))
	t.root = merge(merge(less, &node{key: bytes.Clone(key), value: bytes.Clone(value), weight: rand.Uint32()}), more)
	return nil
}

func (t *memoryTx) Delete(key []byte) error {
	return t.DeleteRange(key, append(bytes.Clone(key), 0))
}

func (t *memoryTx) DeleteRange(lo, hi []byte) error {
	t.wrote = true
	less, rest := split(t.root, lo)
	_, more := split(rest, hi)
	t.root = merge(less, more)
	return nil
}

type memoryCursor struct {
	root         *node
	lo, hi, last []byte
}

func (c *memoryCursor) Seek(key []byte) (p kv.Pair, ok bool, err error) {
	if bytes.Compare(key, c.lo) < 0 {
		key = c.lo
	}
	c.root.scan(&kv.Range{Lo: key, Hi: c.hi}, func(q kv.Pair, _ error) bool {
		p, ok, c.last = q, true, q.Key
		return false
	})
	return p, ok, nil
}

func (c *memoryCursor) Next() (kv.Pair, bool, error) { return c.Seek(append(bytes.Clone(c.last), 0)) }
func (c *memoryCursor) Close() error                 { return nil }

// node is of a treap: ordered by key, and a heap by weight.
type node struct {
	key, value  []byte
	weight      uint32
	left, right *node
}

// split parts a tree into what is below key and the rest.
func split(n *node, key []byte) (less, rest *node) {
	if n == nil {
		return nil, nil
	}
	c := *n
	if bytes.Compare(n.key, key) < 0 {
		c.right, rest = split(n.right, key)
		return &c, rest
	}
	less, c.left = split(n.left, key)
	return less, &c
}

// merge joins trees of which the first has the smaller keys.
func merge(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.weight > b.weight:
		c := *a
		c.right = merge(a.right, b)
		return &c
	}
	c := *b
	c.left = merge(a, b.left)
	return &c
}

func (n *node) scan(r *kv.Range, yield func(kv.Pair, error) bool) bool {
	if n == nil {
		return true
	}
	above, below := bytes.Compare(n.key, r.Lo) >= 0, bytes.Compare(n.key, r.Hi) < 0
	first, second, goFirst, goSecond := n.left, n.right, above, below
	if r.Reverse {
		first, second, goFirst, goSecond = n.right, n.left, below, above
	}
	return (!goFirst || first.scan(r, yield)) && (!above || !below || yield(kv.Pair{Key: n.key, Value: n.value}, nil)) &&
		(!goSecond || second.scan(r, yield))
}
