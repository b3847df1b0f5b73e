package mailbox

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// MemoryID names something that an account remembers for a while: a digest.
type MemoryID [16]byte

// Memory is something to be remembered.
type Memory struct {
	ID    MemoryID
	Until time.Time
	// Extend: also if it is remembered already; else that counts.
	Extend bool
}

// maxMemories is how much an account remembers; Tidy forgets what would end soonest. RFC 5230 §4.2 asks for 1,000.
const maxMemories = 20_000

// Remembers reports whether the account remembers something. Only for the owner.
func (s *Session) Remembers(ctx context.Context, id MemoryID) (bool, error) {
	var until time.Time
	if !s.who.Owns(s.a.id) {
		return false, fault.New(fault.Denied, "only the owner can do that")
	}
	err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) (err error) {
		until, err = readMemory(r, id)
		return err
	})
	return until.After(s.a.store.now()), err
}

// Remember adds to what the account remembers. known tells, for each, whether it was remembered already: of several who ask at once,
// one hears that it wasn't.
func (s *Session) Remember(ctx context.Context, all ...Memory) (known []bool, err error) {
	if !s.who.Owns(s.a.id) {
		return nil, fault.New(fault.Denied, "only the owner can do that")
	}
	known = make([]bool, len(all))
	err = s.a.update(ctx, func(t *txn) error {
		for i, m := range all {
			old, err := readMemory(t.tx, m.ID)
			if err != nil {
				return err
			}
			if known[i] = old.After(t.now); known[i] && !m.Extend {
				continue
			}
			t.dirty = true
			if err := t.tx.Set(memoryKey(m.ID), binary.AppendVarint([]byte{recordVersion}, m.Until.Unix())); err != nil {
				return err
			}
		}
		return nil
	})
	return known, err
}

// readMemory is until when something is remembered; zero: it isn't.
func readMemory(r kv.Reader, id MemoryID) (time.Time, error) {
	value, ok, err := r.Get(memoryKey(id))
	if err != nil || !ok {
		return time.Time{}, err
	}
	return decodeMemory(value)
}

func decodeMemory(value []byte) (time.Time, error) {
	d := decode(value)
	until := time.Unix(d.Int(), 0)
	return until, d.end("memory")
}

// sweepMemory forgets what has ended, and what is too much.
func sweepMemory(t *txn) error {
	type memory struct {
		key   []byte
		until time.Time
	}
	var kept []memory
	var gone [][]byte
	for p, err := range t.tx.Scan(all(keyMemory)) {
		if err != nil {
			return err
		}
		until, err := decodeMemory(p.Value)
		if err != nil || !until.After(t.now) {
			gone = append(gone, bytes.Clone(p.Key))
			continue
		}
		kept = append(kept, memory{bytes.Clone(p.Key), until})
	}
	if n := len(kept) - maxMemories; n > 0 {
		slices.SortFunc(kept, func(a, b memory) int { return a.until.Compare(b.until) })
		for _, m := range kept[:n] {
			gone = append(gone, m.key)
		}
	}
	for _, key := range gone {
		t.dirty = true
		if err := t.tx.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
