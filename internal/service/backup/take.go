package backup

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// TakeOptions describe a run. The zero value works.
type TakeOptions struct {
	Started           time.Time // when the origin's moment was; zero: now
	Now               func() time.Time
	Hostname, Version string
	Progress          func(Progress) // told now and then; nil: nobody
}

// Progress tells how far a command is.
type Progress struct {
	Partitions, Of int
	Bytes          int64 // that it has dealt with
}

// taker makes a run.
type taker struct {
	*Repository
	from  Origin
	o     TakeOptions
	run   Run
	base  map[kv.Partition]Partial
	known map[digest]entry // blocks of messages that the partition had in the base
	pack  *packWriter
	done  int

	entries []entry // of the partition
	block   []byte  // being filled
	keys    int64
	bytes   int64
	zip     []byte // scratch
}

// Take makes a run of what the origin shows, and notes it there. What is in the repository already is
// not written again.
func (r *Repository) Take(ctx context.Context, from Origin, o TakeOptions) (Run, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Started.IsZero() {
		o.Started = o.Now()
	}
	t := &taker{Repository: r, from: from, o: o, base: map[kv.Partition]Partial{}}
	o.Started = o.Started.UTC().Truncate(time.Millisecond)
	t.run = Run{Format: formatVersion, ID: o.Started.Format(runTime) + "-" + strings.ToLower(rand.Text()[:6]), Repository: r.id,
		Hostname: o.Hostname, Version: o.Version, Started: o.Started}
	err := t.take(ctx)
	err = errors.Join(err, t.closePack()) // even if something failed: the next run need not do it again
	if err != nil {
		return Run{}, err
	}
	t.run.Ended = o.Now().UTC().Truncate(time.Millisecond)
	if err := r.writeRun(t.run); err != nil {
		return Run{}, err
	}
	return t.run, from.Mark(ctx, r.id, t.run.ID)
}

func (t *taker) take(ctx context.Context) error {
	if err := t.findBase(ctx); err != nil {
		return err
	}
	ps, err := t.from.Partitions(ctx)
	if err != nil {
		return err
	}
	for i, p := range ps {
		t.done = i
		if err := t.partition(ctx, p); err != nil {
			return err
		}
		t.tell(len(ps))
	}
	return nil
}

func (t *taker) tell(of int) {
	if t.o.Progress != nil {
		t.o.Progress(Progress{t.done, of, t.run.Bytes})
	}
}

// findBase finds the run that the store calls its last, if it is still there.
func (t *taker) findBase(ctx context.Context) error {
	key := append([]byte{keyLastRun}, t.id...)
	last := ""
	err := t.from.Read(ctx, Partition, key, append(key, 0), func(p kv.Pair) error {
		last = string(p.Value)
		return nil
	})
	if err != nil || last == "" {
		return err
	}
	run, err := readRun(t.runPath(last))
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Corrupt) {
		return nil // all is read again
	}
	if err != nil {
		return err
	}
	t.run.Base = run.ID
	for _, p := range run.Partitions {
		t.base[p.ID] = p
	}
	return nil
}

// stretches are what a partition is cut into first. Blocks end with them.
func stretches() []stretch {
	lo, hi := blob.Keys()
	end := make([]byte, kv.MaxKey+1)
	for i := range end {
		end[i] = 0xFF
	}
	return []stretch{
		{[]byte{0}, []byte{kv.BulkPrefix}, recordShape, false},
		{[]byte{kv.BulkPrefix}, lo, bulkShape, false},
		{lo, hi, bulkShape, true},
		{hi, end, bulkShape, false},
	}
}

type stretch struct {
	lo, hi    []byte
	shape     shape
	immutable bool // keys keep their values
}

func (t *taker) partition(ctx context.Context, p kv.Partition) error {
	t.entries, t.known = t.entries[:0], map[digest]entry{}
	if base, ok := t.base[p]; ok {
		entries, err := t.list(base)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		for _, e := range entries {
			if e.digest != (digest{}) {
				t.known[e.digest] = e
			}
		}
	}
	for _, s := range stretches() {
		cut := t.readStretch
		if s.immutable {
			cut = t.walkStretch
		}
		if err := cut(ctx, p, s); err != nil {
			return err
		}
	}
	out := Partial{ID: p}
	for _, e := range t.entries {
		out.Keys += e.keys
		out.Bytes += e.size
	}
	var err error
	if out.List, err = t.put(encodeList(t.entries)); err != nil {
		return err
	}
	t.run.Partitions = append(t.run.Partitions, out)
	return nil
}

// readStretch cuts what it reads.
func (t *taker) readStretch(ctx context.Context, p kv.Partition, s stretch) error {
	err := t.from.Read(ctx, p, s.lo, s.hi, func(pair kv.Pair) error {
		t.takePair(pair)
		if s.shape.ends(int(t.bytes), pair.Key, len(pair.Value)) {
			return t.endBlock(digest{})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.endBlock(digest{})
}

func (t *taker) takePair(pair kv.Pair) {
	t.block = appendPair(t.block, pair)
	t.keys++
	t.bytes += int64(len(pair.Key) + len(pair.Value))
	t.run.Read += int64(len(pair.Key) + len(pair.Value))
}

// walkStretch looks at keys, and reads the blocks that the base didn't have.
func (t *taker) walkStretch(ctx context.Context, p kv.Partition, s stretch) error {
	var d keysDigest
	for sized, err := range t.from.Sizes(ctx, p, s.lo, s.hi) {
		if err != nil {
			return err
		}
		d.add(sized)
		if !s.shape.ends(d.size, sized.Key, sized.Size) {
			continue
		}
		if err := t.walked(ctx, p, &d); err != nil {
			return err
		}
	}
	return t.walked(ctx, p, &d)
}

func (t *taker) walked(ctx context.Context, p kv.Partition, d *keysDigest) error {
	if d.keys == 0 {
		return nil
	}
	defer d.reset()
	sum := d.sum()
	if e, ok := t.known[sum]; ok {
		if _, there := t.index[e.hash]; there {
			t.note(e)
			return nil
		}
	}
	err := t.from.Read(ctx, p, d.first, append(d.last, 0), func(pair kv.Pair) error {
		t.takePair(pair)
		return nil
	})
	if err == nil && (t.keys != d.keys || t.bytes != int64(d.size)) {
		err = fault.New(fault.Corrupt, "the store shows %d messages' parts where it showed %d", t.keys, d.keys)
	}
	if err != nil {
		return err
	}
	return t.endBlock(sum)
}

func (t *taker) endBlock(d digest) error {
	if t.keys == 0 {
		return nil
	}
	h, err := t.put(t.block)
	t.note(entry{h, t.keys, t.bytes, d})
	t.block, t.keys, t.bytes = t.block[:0], 0, 0
	return err
}

func (t *taker) note(e entry) {
	t.entries = append(t.entries, e)
	t.run.Keys += e.keys
	t.run.Bytes += e.size
}

// put stores a piece, if it isn't there.
func (t *taker) put(b []byte) (hash, error) {
	h := hash(sha256.Sum256(b))
	if _, there := t.index[h]; there {
		return h, nil
	}
	t.zip = t.codec.enc.EncodeAll(b, t.zip[:0])
	return h, t.write(h, t.zip, len(b))
}

func (t *taker) write(h hash, stored []byte, size int) (err error) {
	if t.pack == nil {
		if t.pack, err = newPack(t.packs()); err != nil {
			return err
		}
	}
	if err := t.pack.add(h, stored, size); err != nil {
		return err
	}
	t.index[h] = t.pack.places[len(t.pack.places)-1] // so that it isn't put twice; it can be read when the pack is whole
	if t.pack.at >= packBytes || len(t.pack.hashes) == packPieces {
		return t.closePack()
	}
	return nil
}

// closePack makes the pack, if one is begun, last, and reads it back from the disk.
func (t *taker) closePack() error {
	w := t.pack
	if w == nil {
		return nil
	}
	done, err := w.finish()
	if err != nil {
		t.dropPack()
		return err
	}
	t.pack = nil
	t.run.Added += done.bytes
	forget(done.path)
	for i, h := range w.hashes {
		t.index[h] = w.places[i]
		if _, err := t.reader.read(h, w.places[i]); err != nil {
			return err
		}
	}
	return nil
}

// dropPack gives the pack up, with what is in it.
func (t *taker) dropPack() {
	if t.pack == nil {
		return
	}
	for _, h := range t.pack.hashes {
		delete(t.index, h)
	}
	t.pack.discard()
	t.pack = nil
}

// forget has the system forget what it knows of a file, so that reading it shows what is on the disk.
func forget(path string) {
	f, err := os.Open(path)
	if err != nil {
		return // whoever reads it will tell
	}
	defer f.Close()
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // no harm if it can't
}
