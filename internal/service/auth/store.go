package auth

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Partition is where limits and last uses lie.
const Partition kv.Partition = 9<<56 + 1

// Schema of the partition, version 1. Losing the last seconds of it in a crash is no harm, so it is written lazily; but that a session begins or
// ends is durable.
//
//	p <16 bytes>            failures of a client with a name, under a keyed hash of both
//	h <17 or 5 bytes>       failures of a client: address and length of the network (netip.Prefix, binary)
//	u <account> <number>    last use of an app password, 6 bytes each
//	s <account> <16 bytes>  session of a browser at our pages, under a part of its secret's SHA-256 (pages.go)
const (
	keyPair = 'p'
	keyHost = 'h'
	keyUse  = 'u'
)

const (
	storeEvery = 5 * time.Second
	tidyEvery  = 10 * time.Minute
	// expireEvery is how soon sessions end after what has opened them.
	expireEvery = time.Minute
	// useEvery is how exactly it is known when an app password was used.
	useEvery = time.Minute
)

// uses remembers when app passwords were used, until that is stored.
type uses struct {
	mu    sync.Mutex
	fresh map[useKey]LastUse   // guarded by mu; not stored yet
	told  map[useKey]time.Time // guarded by mu; when the last was noted
}

type useKey struct {
	account ident.AccountID
	app     uint64
}

func (u *uses) note(account ident.AccountID, app uint64, l LastUse) {
	k := useKey{account, app}
	u.mu.Lock()
	defer u.mu.Unlock()
	if l.At.Sub(u.told[k]) < useEvery {
		return
	}
	if u.told == nil || len(u.told) > maxCounters {
		u.told = map[useKey]time.Time{}
	}
	if u.fresh == nil {
		u.fresh = map[useKey]LastUse{}
	}
	u.fresh[k], u.told[k] = l, l.At
}

func (u *uses) take() map[useKey]LastUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	fresh := u.fresh
	u.fresh = nil
	return fresh
}

// Load reads the limits that an earlier process has stored. Call it before anybody signs in.
func (e *Engine) Load(ctx context.Context) error {
	if e.db == nil {
		return nil
	}
	t := e.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs.changed, t.hosts.changed = map[pair]bool{}, map[host]bool{}
	return e.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyHost}, Hi: []byte{keyPair + 1}}) {
			if err != nil {
				return err
			}
			c, err := decodeCounter(p.Value)
			if err != nil {
				continue // forgiven, then
			}
			t.restore(p.Key, c)
		}
		return nil
	})
}

// restore puts a stored counter into its table. The caller holds mu.
func (t *throttle) restore(k []byte, c counter) {
	switch {
	case k[0] == keyPair && len(k) == 1+len(pair{}):
		*t.pairs.get(pair(k[1:])) = c
	case k[0] == keyHost:
		var h host
		if h.UnmarshalBinary(k[1:]) == nil {
			*t.hosts.get(h) = c
		}
	}
	clear(t.pairs.changed)
	clear(t.hosts.changed)
}

// Run stores what changes, until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	if e.db == nil {
		return
	}
	store, tidy := time.NewTicker(storeEvery), time.NewTicker(tidyEvery)
	defer store.Stop()
	defer tidy.Stop()
	expire := time.NewTicker(expireEvery)
	defer expire.Stop()
	for {
		var err error
		select {
		case <-expire.C:
			e.EndExpired()
		case <-store.C:
			err = e.Store(ctx)
		case <-tidy.C:
			err = cmp.Or(e.tidy(ctx), e.tidyPages(ctx))
		case <-ctx.Done():
			err = e.Store(context.WithoutCancel(ctx))
			if err != nil {
				e.log.Error("cannot store the limits of sign-ins", "error", err)
			}
			return
		}
		if err != nil && ctx.Err() == nil {
			e.log.Error("cannot store the limits of sign-ins", "error", err)
		}
	}
}

// write is a key with its new value; nil: it goes.
type write struct{ key, value []byte }

// Store stores what has changed since the last time. Run does that by itself.
func (e *Engine) Store(ctx context.Context) error {
	if e.db == nil {
		return nil
	}
	writes := e.throttle.takeChanged(e.now())
	for k, l := range e.uses.take() {
		writes = append(writes, write{useKeyOf(k.account, k.app), l.encode()})
	}
	ctx = context.WithoutCancel(ctx) // what was taken out is in no other place
	for chunk := range slices.Chunk(writes, 1000) {
		err := e.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error { return apply(tx, chunk) })
		if err != nil {
			return err
		}
	}
	return nil
}

func apply(tx kv.Tx, writes []write) error {
	for _, w := range writes {
		var err error
		if w.value == nil {
			err = tx.Delete(w.key)
		} else {
			err = tx.Set(w.key, w.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeChanged gives what is to be stored of the counters.
func (t *throttle) takeChanged(now time.Time) []write {
	t.mu.Lock()
	defer t.mu.Unlock()
	var writes []write
	for k := range t.pairs.changed {
		writes = append(writes, write{append([]byte{keyPair}, k[:]...), t.pairs.find(k).encode(now, pairForgive)})
	}
	for k := range t.hosts.changed {
		b, _ := k.MarshalBinary()
		writes = append(writes, write{append([]byte{keyHost}, b...), t.hosts.find(k).encode(now, hostForgive)})
	}
	clear(t.pairs.changed)
	clear(t.hosts.changed)
	return writes
}

// tidy removes what is forgiven by now.
func (e *Engine) tidy(ctx context.Context) error {
	var gone []write
	now := e.now()
	err := e.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyHost}, Hi: []byte{keyPair + 1}}) {
			if err != nil {
				return err
			}
			each := pairForgive
			if p.Key[0] == keyHost {
				each = hostForgive
			}
			if c, err := decodeCounter(p.Value); err != nil || c.forgiven(now, each) {
				gone = append(gone, write{key: slices.Clone(p.Key)})
			}
		}
		return nil
	})
	for chunk := range slices.Chunk(gone, 1000) {
		if err == nil {
			err = e.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error { return apply(tx, chunk) })
		}
	}
	return err
}

// forgiven reports whether nothing is left of the failures.
func (c *counter) forgiven(now time.Time, each time.Duration) bool {
	return c == nil || !c.blocked(now) && int64(now.Sub(c.since)/each) >= int64(c.failures)
}

// encode writes a counter: version, failures, the times in microseconds; nil if nothing is left of it.
func (c *counter) encode(now time.Time, each time.Duration) []byte {
	if c.forgiven(now, each) {
		return nil
	}
	b := binary.AppendUvarint([]byte{1}, uint64(c.failures))
	b = binary.AppendVarint(b, c.since.UnixMicro())
	return binary.AppendVarint(b, c.until.UnixMicro())
}

func decodeCounter(b []byte) (counter, error) {
	d := record.Decode(b, 1)
	c := counter{failures: int(min(d.Uint(), 1<<30)), since: time.UnixMicro(d.Int()), until: time.UnixMicro(d.Int())}
	if d.Bad() || d.Rest() > 0 {
		return counter{}, fault.New(fault.Corrupt, "a limit of sign-ins can't be read")
	}
	return c, nil
}

func useKeyOf(account ident.AccountID, app uint64) []byte {
	k := []byte{keyUse}
	for _, n := range []uint64{uint64(account), app} {
		k = append(k, binary.BigEndian.AppendUint64(nil, n)[2:]...)
	}
	return k
}

// encode writes a last use: version, time in microseconds, protocol, client.
func (l LastUse) encode() []byte {
	b := binary.AppendVarint([]byte{1}, l.At.UnixMicro())
	b = record.AppendString(b, l.Protocol)
	addr, _ := l.Client.MarshalBinary()
	return record.AppendString(b, addr)
}

func decodeLastUse(b []byte) (l LastUse, err error) {
	d := record.Decode(b, 1)
	l.At, l.Protocol = time.UnixMicro(d.Int()).UTC(), d.String()
	addr := d.Bytes()
	if d.Bad() || d.Rest() > 0 || l.Client.UnmarshalBinary(addr) != nil {
		return LastUse{}, fault.New(fault.Corrupt, "when an app password was used can't be read")
	}
	return l, nil
}

// LastUses tells when an account's app passwords were used last, by their numbers, as far as db knows: what was in the last seconds
// may be missing. Those that are gone may still be in it.
func LastUses(ctx context.Context, db kv.DB, account ident.AccountID) (map[uint64]LastUse, error) {
	all := map[uint64]LastUse{}
	lo := useKeyOf(account, 0)
	err := db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: lo, Hi: append(lo[:7:7], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)}) {
			if err != nil {
				return err
			}
			l, err := decodeLastUse(p.Value)
			if err != nil || len(p.Key) != len(lo) {
				continue
			}
			all[binary.BigEndian.Uint64(append([]byte{0, 0}, p.Key[7:]...))] = l
		}
		return nil
	})
	return all, err
}

// LastUses is the function of that name, with what isn't stored yet.
func (e *Engine) LastUses(ctx context.Context, account ident.AccountID) (map[uint64]LastUse, error) {
	all := map[uint64]LastUse{}
	if e.db != nil {
		var err error
		if all, err = LastUses(ctx, e.db, account); err != nil {
			return nil, err
		}
	}
	e.uses.mu.Lock()
	defer e.uses.mu.Unlock()
	for k, l := range e.uses.fresh {
		if k.account == account {
			all[k.app] = l
		}
	}
	return all, nil
}

// ForgetUses removes what is known of an app password's use, or with number 0 of all those of the account.
func ForgetUses(ctx context.Context, db kv.DB, account ident.AccountID, app uint64) error {
	lo, hi := useKeyOf(account, app), useKeyOf(account, app+1)
	if app == 0 {
		hi = append(lo[:7:7], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	}
	return db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.DeleteRange(lo, hi) })
}

// ForgetUse removes what is known of an app password's use.
func (e *Engine) ForgetUse(ctx context.Context, account ident.AccountID, app uint64) error {
	if e.db == nil {
		return nil
	}
	return ForgetUses(ctx, e.db, account, app)
}
