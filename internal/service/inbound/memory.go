package inbound

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	digest "hash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// How greylisting takes its time, within what RFC 6647 leaves to the site.
const (
	// greyDelay is how long a stranger has to stay away.
	greyDelay = 5 * time.Minute
	// greyWindow is until when they have to be back: senders that give up sooner aren't to be helped.
	greyWindow = 48 * time.Hour
	// greyLife is how long one who came back, and anybody who delivered, is remembered after the last visit.
	greyLife = 60 * 24 * time.Hour
)

// memory is what the Guard remembers of strangers. Its writes aren't synced: what a crash takes back is learned again.
// It is safe for concurrent use.
type memory struct {
	db     kv.DB
	most   int       // entries of a kind
	hashes sync.Pool // of *hasher

	// room is how many new entries of each kind may come before the next tidy.
	greyRoom, recordRoom atomic.Int64

	recent recent
}

func newMemory(db kv.DB, secret []byte, most int) *memory {
	m := &memory{db: db, most: most}
	m.hashes.New = func() any { return &hasher{Hash: hmac.New(sha256.New, secret)} }
	m.greyRoom.Store(int64(most))
	m.recordRoom.Store(int64(most))
	return m
}

// hash names some words together.
func (m *memory) hash(words ...string) (h hash) {
	x := m.hashes.Get().(*hasher)
	defer m.hashes.Put(x)
	b := x.buf[:0]
	for _, w := range words {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(w))), w...)
	}
	x.Reset()
	x.Write(b)
	x.buf = x.Sum(b[:0])
	copy(h[:], x.buf)
	return h
}

// hasher is used again: to begin with a key is dearer than to hash.
type hasher struct {
	digest.Hash
	buf []byte
}

// grey is a greylisting entry.
type grey struct {
	back        bool // came back in time
	first, last time.Time
}

func (g grey) encode() []byte {
	b := []byte{1, 0}
	if g.back {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, uint64(g.first.Unix()))
	return binary.AppendUvarint(b, uint64(g.last.Unix()))
}

func decodeGrey(b []byte) (g grey, ok bool) {
	d := record.Decode(b, 1)
	g.back = d.Byte()&1 != 0
	g.first, g.last = time.Unix(int64(d.Uint()), 0), time.Unix(int64(d.Uint()), 0)
	return g, !d.Bad()
}

// stale reports whether the entry says nothing any more.
func (g grey) stale(now time.Time) bool {
	if g.back {
		return now.Sub(g.last) > greyLife
	}
	return now.Sub(g.first) > greyWindow
}

// mayPass notes a visit, and reports whether it is a return in time. If there is no room to remember the visit, it may.
func (m *memory) mayPass(ctx context.Context, h hash, now time.Time) (pass bool, err error) {
	key := greyKey(h)
	err = m.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		v, found, err := tx.Get(key)
		if err != nil {
			return err
		}
		g, ok := decodeGrey(v)
		switch {
		case !found && m.greyRoom.Add(-1) < 0:
			pass = true
			return nil
		case !found, !ok, g.stale(now):
			g = grey{first: now}
		default:
			g.back = g.back || now.Sub(g.first) >= greyDelay
		}
		g.last, pass = now, g.back
		return tx.Set(key, g.encode())
	})
	return pass, err
}

// subject is somebody who may have a record.
type subject struct {
	kind subjectKind
	hash hash
}

type subjectKind byte

const (
	aNetwork subjectKind = 'n'
	aHost    subjectKind = 'h'
	bySPF    subjectKind = 's'
	byDKIM   subjectKind = 'd'
)

// past is a record of somebody who delivered here.
type past struct {
	first, last time.Time
	messages    uint64
}

func (p past) encode() []byte {
	b := binary.AppendUvarint([]byte{1}, uint64(p.first.Unix()))
	b = binary.AppendUvarint(b, uint64(p.last.Unix()))
	return binary.AppendUvarint(b, p.messages)
}

func decodePast(b []byte) (p past, ok bool) {
	d := record.Decode(b, 1)
	p.first, p.last, p.messages = time.Unix(int64(d.Uint()), 0), time.Unix(int64(d.Uint()), 0), d.Uint()
	return p, !d.Bad()
}

func (p past) stale(now time.Time) bool { return now.Sub(p.last) > greyLife }

// known reports whether somebody delivered before.
func (p past) known() bool { return p.messages > 0 }

// established reports whether somebody delivered so often and long that the record speaks for them.
func (p past) established() bool {
	return p.messages >= 10 && p.last.Sub(p.first) >= 7*24*time.Hour
}

// subjects and pasts have room for those of a message.
type (
	subjects [3 + maxIdentities]subject
	pasts    [3 + maxIdentities]past
)

// recall reads what is known of subjects, in their order.
func (m *memory) recall(ctx context.Context, now time.Time, who ...subject) ([]past, error) {
	return m.recallIn(ctx, now, new(pasts), who)
}

// recallIn is recall, but that what is found may lie in room.
func (m *memory) recallIn(ctx context.Context, now time.Time, room *pasts, who []subject) ([]past, error) {
	if found := room[:len(who)]; m.recent.all(now, who, found) {
		return found, nil
	}
	return m.read(ctx, now, slices.Clone(who))
}

// read reads what is known of subjects.
func (m *memory) read(ctx context.Context, now time.Time, who []subject) ([]past, error) {
	found := make([]past, len(who))
	err := m.db.View(ctx, Partition, func(r kv.Reader) error {
		for i, s := range who {
			v, ok, err := r.Get(recordKey(s))
			if err != nil {
				return err
			}
			if p, fine := decodePast(v); ok && fine && !p.stale(now) {
				found[i] = p
				m.recent.put(s, p)
			}
		}
		return nil
	})
	return found, err
}

// learnEvery keeps those who write all day from being written down all day.
const learnEvery = 10 * time.Minute

// learn notes that subjects have delivered. had is what recall said of them.
func (m *memory) learn(ctx context.Context, now time.Time, who []subject, had []past) error {
	var due []subject
	for i := range who {
		if now.Sub(had[i].last) >= learnEvery {
			due = append(due, who[i])
		}
	}
	if len(due) == 0 {
		return nil
	}
	defer m.recent.forget(due)
	return m.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		for _, s := range due {
			if err := m.note(tx, s, now); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *memory) note(tx kv.Tx, s subject, now time.Time) error {
	v, found, err := tx.Get(recordKey(s))
	if err != nil {
		return err
	}
	p, ok := decodePast(v)
	if !found && m.recordRoom.Add(-1) < 0 {
		return nil
	}
	if !ok || p.stale(now) {
		p = past{first: now}
	}
	p.last = now
	p.messages++
	return tx.Set(recordKey(s), p.encode())
}

// tidy removes what is stale and, of more than there is room for, the oldest.
func (m *memory) tidy(ctx context.Context, now time.Time) error {
	n, err := m.sweep(ctx, keyGrey, func(b []byte) (time.Time, bool) {
		g, ok := decodeGrey(b)
		return g.last, ok && !g.stale(now)
	})
	if err != nil {
		return err
	}
	m.greyRoom.Store(int64(m.most - n))
	n, err = m.sweep(ctx, keyRecord, func(b []byte) (time.Time, bool) {
		p, ok := decodePast(b)
		return p.last, ok && !p.stale(now)
	})
	if err != nil {
		return err
	}
	m.recordRoom.Store(int64(m.most - n))
	return nil
}

// aged is a key and when it was last of use.
type aged struct {
	key  string
	last time.Time
}

// sweep leaves at most three quarters of m.most entries, all of them wanted, and returns how many.
func (m *memory) sweep(ctx context.Context, first byte, wanted func([]byte) (time.Time, bool)) (left int, err error) {
	var stale []string
	var keep []aged
	err = m.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(all(first)) {
			if err != nil {
				return err
			}
			if last, ok := wanted(p.Value); ok {
				keep = append(keep, aged{string(p.Key), last})
			} else {
				stale = append(stale, string(p.Key))
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	if over := len(keep) - m.most/4*3; over > 0 && len(keep) > m.most/8*7 {
		slices.SortFunc(keep, func(a, b aged) int { return cmp.Compare(a.last.Unix(), b.last.Unix()) })
		for _, k := range keep[:over] {
			stale = append(stale, k.key)
		}
		keep = keep[over:]
	}
	return len(keep), remove(ctx, m.db, Partition, stale)
}

// remove removes keys, so many at a time that nobody has to wait for long.
func remove(ctx context.Context, db kv.DB, p kv.Partition, keys []string) error {
	for part := range slices.Chunk(keys, 1000) {
		err := db.SubmitLazy(ctx, p, func(tx kv.Tx) error {
			for _, k := range part {
				if err := tx.Delete([]byte(k)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
