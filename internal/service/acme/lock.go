package acme

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// lease is how long a lock is held at most: longer than anything takes that is done under it (see issueLimit). A
// process that dies leaves its locks behind for so long.
const lease = issueLimit + time.Minute

// pollLock is how often a lock that somebody else holds is looked at, should the bell not ring.
const pollLock = 5 * time.Second

type holder [16]byte

// holds are locks, by name, with the token that they were taken with.
type holds struct {
	mu    sync.Mutex
	names map[string]holder // guarded by mu
}

func (h *holds) put(name string, token holder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names == nil {
		h.names = map[string]holder{}
	}
	h.names[name] = token
}

func (h *holds) get(name string) (holder, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.names[name]
	return t, ok
}

func (h *holds) drop(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.names, name)
}

// Lock implements certmagic.Locker. A lock whose lease has run out counts as free.
func (s *Storage) Lock(ctx context.Context, name string) error {
	var token holder
	rand.Read(token[:])
	for {
		bell := s.db.Bell(Partition)
		got, err := s.take(ctx, name, token)
		if err != nil {
			return err
		}
		if got {
			s.holds.put(name, token)
			return nil
		}
		again := time.NewTimer(pollLock)
		select {
		case <-ctx.Done():
			again.Stop()
			return fault.Wrap(fault.Canceled, ctx.Err(), "acme: waiting for lock "+name)
		case <-bell:
		case <-again.C:
		}
		again.Stop()
	}
}

func (s *Storage) take(ctx context.Context, name string, token holder) (got bool, err error) {
	err = s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		l, ok, err := tx.Get(lockKey(name))
		if err != nil {
			return err
		}
		if got = !ok || !s.held(l); !got {
			return nil
		}
		return s.setLock(tx, name, token, lease)
	})
	return got && err == nil, err
}

// held reports whether a lock's lease runs still.
func (s *Storage) held(l []byte) bool {
	return len(l) == 1+8+16 && l[0] == 1 && s.now().UnixNano() < int64(binary.BigEndian.Uint64(l[1:]))
}

func (s *Storage) setLock(tx kv.Tx, name string, token holder, d time.Duration) error {
	b := binary.BigEndian.AppendUint64([]byte{1}, uint64(s.now().Add(d).UnixNano()))
	return tx.Set(lockKey(name), append(b, token[:]...))
}

// Unlock implements certmagic.Locker. It works also when ctx has ended: others wait.
func (s *Storage) Unlock(ctx context.Context, name string) error {
	return s.withLock(context.WithoutCancel(ctx), name, func(tx kv.Tx, _ holder) error {
		s.holds.drop(name)
		return tx.Delete(lockKey(name))
	})
}

// RenewLockLease implements certmagic.LockLeaseRenewer.
func (s *Storage) RenewLockLease(ctx context.Context, name string, d time.Duration) error {
	return s.withLock(ctx, name, func(tx kv.Tx, token holder) error { return s.setLock(tx, name, token, d) })
}

// withLock runs fn if we hold the lock still.
func (s *Storage) withLock(ctx context.Context, name string, fn func(kv.Tx, holder) error) error {
	token, ok := s.holds.get(name)
	if !ok {
		return fault.New(fault.Conflict, "acme: lock %s is not ours", name)
	}
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		l, ok, err := tx.Get(lockKey(name))
		if err != nil {
			return err
		}
		if !ok || len(l) != 1+8+16 || holder(l[9:]) != token {
			s.holds.drop(name)
			return fault.New(fault.Conflict, "acme: lock %s was lost", name)
		}
		return fn(tx, token)
	})
}
