package quarantine

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// Defaults of Options.
const (
	DefaultKeep  = 30 * 24 * time.Hour
	DefaultBytes = 1 << 30
)

// Options say how much is kept.
type Options struct {
	// Keep is how long; 0: DefaultKeep. Bytes is how much, of all messages together; 0: DefaultBytes.
	Keep  time.Duration
	Bytes int64
	Now   func() time.Time // nil: time.Now
}

// Store is the quarantine. It is safe for concurrent use.
type Store struct {
	db  kv.DB
	o   Options
	now func() time.Time

	kept, released, deleted, expired, full atomic.Uint64
}

// New opens the quarantine in a database.
func New(db kv.DB, o Options) *Store {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{db: db, o: o, now: o.Now}
}

// perEntry is what an entry counts besides its bytes, so that many small ones have a bound too.
const perEntry = 1 << 10

// Add puts a message into the quarantine. e's number and times are set here. It is durable when Add returns nil.
// fault.OverQuota: there is no room.
func (s *Store) Add(ctx context.Context, e Entry, c transfer.Content) (uint64, error) {
	e.Received, e.Size, e.Whole = s.now(), c.Size(), true
	e.shorten()
	if e.Size > blob.MaxPut {
		return s.addLarge(ctx, e, c)
	}
	err := s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		h, err := s.admit(tx, e.Size)
		if err != nil {
			return err
		}
		h.given++
		e.Number = h.given
		if err := blob.Put(tx, blob.ID(e.Number), io.NewSectionReader(c, 0, e.Size), e.Size); err != nil {
			return err
		}
		return s.insert(tx, h, &e)
	})
	if err == nil {
		s.kept.Add(1)
	}
	return e.Number, err
}

// addLarge stores the bytes first.
func (s *Store) addLarge(ctx context.Context, e Entry, c transfer.Content) (uint64, error) {
	err := s.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		h, err := s.admit(tx, e.Size)
		if err != nil {
			return err
		}
		h.given++
		e.Number = h.given
		if err := tx.Set(numbered(keyStaged, e.Number), binary.AppendVarint(nil, s.now().UnixMicro())); err != nil {
			return err
		}
		return h.write(tx)
	})
	if err == nil {
		err = blob.Stage(ctx, s.db, Partition, blob.ID(e.Number), io.NewSectionReader(c, 0, e.Size), e.Size)
	}
	if err != nil {
		return 0, err
	}
	err = s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		h, err := s.admit(tx, e.Size)
		if err != nil {
			return err
		}
		staged := numbered(keyStaged, e.Number)
		if _, ok, err := tx.Get(staged); err != nil || !ok {
			return fault.Wrap(fault.Unavailable, err, "the message took too long to store")
		}
		if err := tx.Delete(staged); err != nil {
			return err
		}
		return s.insert(tx, h, &e)
	})
	if err == nil {
		s.kept.Add(1)
	}
	return e.Number, err // what was staged in vain is found by Tidy
}

// admit reads the head, and fails if there is no room.
func (s *Store) admit(tx kv.Tx, size int64) (head, error) {
	h, err := readHead(tx)
	if err == nil && h.bytes+uint64(size)+perEntry > uint64(s.o.Bytes) {
		s.full.Add(1)
		err = fault.New(fault.OverQuota, "the quarantine is full")
	}
	return h, err
}

func (s *Store) insert(tx kv.Tx, h head, e *Entry) error {
	h.bytes += uint64(e.Size) + perEntry
	h.entries++
	if err := tx.Set(numbered(keyEntry, e.Number), e.encode()); err != nil {
		return err
	}
	return h.write(tx)
}

// Get returns an entry. fault.NotFound.
func (s *Store) Get(ctx context.Context, number uint64) (e Entry, err error) {
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		e, err = get(r, number)
		return err
	})
	return e, err
}

func get(r kv.Reader, number uint64) (Entry, error) {
	v, ok, err := r.Get(numbered(keyEntry, number))
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, errNoEntry(number)
	}
	return decodeEntry(number, v)
}

func errNoEntry(number uint64) error {
	return fault.New(fault.NotFound, "there is no message %d in the quarantine", number)
}

// Open reads an entry's bytes. They may go at any time: reads fail with fault.NotFound then.
func (s *Store) Open(e *Entry) transfer.Content {
	return blob.Open(s.db, Partition, blob.ID(e.Number), e.Size)
}

// Query chooses entries. The zero value: all.
type Query struct {
	// Match says whether an entry is wanted; nil: each is.
	Match func(*Entry) bool
	// Before: only those with smaller numbers; 0: all. Limit is how many at most; 0: no limit.
	Before uint64
	Limit  int
}

// List returns entries, the newest first, and whether there are more than the limit.
func (s *Store) List(ctx context.Context, q Query) (all []Entry, more bool, err error) {
	before := q.Before
	if before == 0 {
		before = 1<<63 - 1
	}
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: numbered(keyEntry, 0), Hi: numbered(keyEntry, before), Reverse: true}) {
			if err != nil {
				return err
			}
			e, err := decodeEntry(numberOf(p.Key), p.Value)
			if err != nil {
				return err
			}
			if q.Match != nil && !q.Match(&e) {
				continue
			}
			if more = q.Limit > 0 && len(all) == q.Limit; more {
				return nil
			}
			all = append(all, e)
		}
		return nil
	})
	return all, more, err
}

// Settle takes recipients off an entry, because they have it now (delivered) or never will; the last takes the message away. Addresses
// that aren't on it any more are no error.
func (s *Store) Settle(ctx context.Context, number uint64, addresses []string, delivered bool) error {
	gone := false
	err := s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		e, err := get(tx, number)
		if err != nil {
			return err
		}
		e.To = slices.DeleteFunc(e.To, func(r transfer.Recipient) bool {
			return slices.ContainsFunc(addresses, func(a string) bool { return strings.EqualFold(a, r.Address) })
		})
		if gone = len(e.To) == 0; gone {
			return s.remove(tx, &e)
		}
		e.Whole = false
		return tx.Set(numbered(keyEntry, number), e.encode())
	})
	switch {
	case err != nil:
	case delivered:
		s.released.Add(1)
	case gone:
		s.deleted.Add(1)
	}
	return err
}

// remove takes an entry and its bytes away.
func (s *Store) remove(tx kv.Tx, e *Entry) error {
	h, err := readHead(tx)
	if err != nil {
		return err
	}
	h.bytes -= min(h.bytes, uint64(e.Size)+perEntry)
	h.entries -= min(h.entries, 1)
	if err := blob.DeleteSized(tx, blob.ID(e.Number), e.Size); err != nil {
		return err
	}
	if err := tx.Delete(numbered(keyEntry, e.Number)); err != nil {
		return err
	}
	return h.write(tx)
}

// together is how many entries a step of Tidy removes.
const together = 100

// Tidy removes what is too old, and what a crash has left of messages that were being taken. It should be called about every hour.
func (s *Store) Tidy(ctx context.Context) error {
	if err := s.sweep(ctx); err != nil {
		return err
	}
	for {
		n := 0
		err := s.db.Update(ctx, Partition, func(tx kv.Tx) error {
			old, err := s.tooOld(tx)
			for i := range old {
				if err == nil {
					err = s.remove(tx, &old[i])
				}
			}
			n = len(old)
			return err
		})
		if err != nil {
			return err
		}
		s.expired.Add(uint64(n))
		if n < together {
			return nil
		}
	}
}

// tooOld are the oldest entries, as far as they are to go.
func (s *Store) tooOld(r kv.Reader) (old []Entry, err error) {
	limit := s.now().Add(-s.o.Keep)
	for p, err := range r.Scan(kv.Range{Lo: numbered(keyEntry, 0), Hi: []byte{keyEntry + 1}}) {
		if err != nil {
			return nil, err
		}
		e, err := decodeEntry(numberOf(p.Key), p.Value)
		if err != nil {
			return nil, err
		}
		if !e.Received.Before(limit) || len(old) == together {
			break
		}
		old = append(old, e)
	}
	return old, nil
}

// stagingTime is how long a message may take from its first stored byte to its last.
const stagingTime = 24 * time.Hour

// sweep removes bytes that no entry came to.
func (s *Store) sweep(ctx context.Context) error {
	return s.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		var old []uint64
		for p, err := range tx.Scan(kv.Range{Lo: numbered(keyStaged, 0), Hi: []byte{keyStaged + 1}}) {
			if err != nil {
				return err
			}
			at, _ := binary.Varint(p.Value)
			if len(old) < together && time.UnixMicro(at).Before(s.now().Add(-stagingTime)) {
				old = append(old, numberOf(p.Key))
			}
		}
		for _, n := range old {
			if err := blob.Purge(tx, blob.ID(n)); err != nil {
				return err
			}
			if err := tx.Delete(numbered(keyStaged, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Stats sum the quarantine up.
type Stats struct {
	// Entries and Bytes are there now, Most bytes have room.
	Entries, Bytes, Most uint64
	// Since the Store was opened: messages taken, let go on, deleted by administrators and because of their age, and those that had no room.
	Kept, Released, Deleted, Expired, Full uint64
}

// Stats returns them.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Most: uint64(s.o.Bytes), Kept: s.kept.Load(), Released: s.released.Load(), Deleted: s.deleted.Load(), Expired: s.expired.Load(), Full: s.full.Load()}
	err := s.db.View(ctx, Partition, func(r kv.Reader) error {
		h, err := readHead(r)
		st.Entries, st.Bytes = h.entries, h.bytes
		return err
	})
	return st, err
}
