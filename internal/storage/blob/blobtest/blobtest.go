// Package blobtest proves that blobs work on a kv engine.
package blobtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

const part kv.Partition = 3

// Run runs all tests on stores that open makes. A store is new and empty, and is closed
// by open's own cleanup.
func Run(t *testing.T, open func(testing.TB) kv.DB) {
	for _, c := range []struct {
		name string
		test func(*testing.T, kv.DB)
	}{
		{"Sizes", testSizes},
		{"Gather", testGather},
		{"ReadsAtBorders", testReadsAtBorders},
		{"WrongSizes", testWrongSizes},
		{"Limits", testLimits},
		{"MissingAndDamaged", testMissingAndDamaged},
		{"Delete", testDelete},
		{"PurgeDamaged", testPurgeDamaged},
		{"DeleteWhileReading", testDeleteWhileReading},
		{"IDs", testIDs},
		{"StageFailure", testStageFailure},
		{"LargeStream", testLargeStream},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// sizes lie around every border.
func sizes() []int64 {
	const c = blob.ChunkSize
	return []int64{0, 1, 100, c - 1, c, c + 1, 2*c - 1, 2 * c, 2*c + 1, blob.MaxPut - 1, blob.MaxPut}
}

func random(size int64) []byte {
	b := make([]byte, size)
	src := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	_, _ = src.Read(b)
	return b
}

func update(t testing.TB, db kv.DB, fn func(kv.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), part, fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, db kv.DB, fn func(kv.Reader) error) {
	t.Helper()
	if err := db.View(context.Background(), part, fn); err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, db kv.DB, id blob.ID, data []byte) {
	t.Helper()
	update(t, db, func(tx kv.Tx) error { return blob.PutBytes(tx, id, data) })
}

func testSizes(t *testing.T, db kv.DB) {
	ways := map[string]func(id blob.ID, data []byte) error{
		"Put": func(id blob.ID, data []byte) error {
			return db.Update(t.Context(), part, func(tx kv.Tx) error {
				return blob.Put(tx, id, iotest.HalfReader(bytes.NewReader(data)), int64(len(data)))
			})
		},
		"PutBytes": func(id blob.ID, data []byte) error {
			return db.Update(t.Context(), part, func(tx kv.Tx) error { return blob.PutBytes(tx, id, data) })
		},
		"Stage": func(id blob.ID, data []byte) error {
			return blob.Stage(t.Context(), db, part, id, iotest.HalfReader(bytes.NewReader(data)), int64(len(data)))
		},
	}
	id, want := blob.MaxID, map[blob.ID]int64{}
	for name, write := range ways {
		for _, size := range sizes() {
			data := random(size)
			if err := write(id, data); err != nil {
				t.Fatalf("%s of %d bytes: %v", name, size, err)
			}
			check(t, db, id, data)
			want[id] = int64(size)
			id--
		}
	}
	for id, s := range stored(t, db) {
		if s.Bytes != want[id] || s.Damage != nil {
			t.Errorf("All says %+v of blob %d, want %d bytes", s, id, want[id])
		}
		delete(want, id)
	}
	if len(want) > 0 {
		t.Errorf("All leaves out %v", want)
	}
}

// check reads a blob in every way.
func check(t *testing.T, db kv.DB, id blob.ID, want []byte) {
	t.Helper()
	size := int64(len(want))
	b := blob.Open(db, part, id, size)
	if b.Size() != size {
		t.Errorf("Size is %d, want %d", b.Size(), size)
	}
	var whole bytes.Buffer
	if n, err := b.WriteTo(&whole); n != size || err != nil || !bytes.Equal(whole.Bytes(), want) {
		t.Errorf("blob %d: WriteTo wrote %d bytes of %d, %v", id, n, size, err)
	}
	if got, err := io.ReadAll(b.Section(0, size)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("blob %d: Section gave %d bytes of %d, %v", id, len(got), size, err)
	}
	got := make([]byte, size+1)
	if n, err := b.ReadAt(got, 0); int64(n) != size || err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Errorf("blob %d: ReadAt gave %d bytes of %d, %v", id, n, size, err)
	}
	view(t, db, func(r kv.Reader) error {
		got, err := blob.AppendTo(r, []byte("x"), id, 0, size)
		if err != nil || !bytes.Equal(got[1:], want) || got[0] != 'x' {
			t.Errorf("blob %d: AppendTo gave %d bytes of %d, %v", id, len(got), size, err)
		}
		return nil
	})
}

func testGather(t *testing.T, db kv.DB) {
	data := random(3*blob.ChunkSize + 5)
	const c = blob.ChunkSize
	for i, cuts := range [][]int{{}, {0}, {1}, {0, 0, 7}, {c}, {c - 1, c}, {c + 1}, {c / 2, c/2 + 1, 2 * c}, {2*c + 1, 3 * c}, {len(data)}} {
		var parts [][]byte
		from := 0
		for _, cut := range append(slices.Clone(cuts), len(data)) {
			parts = append(parts, data[from:cut])
			from = cut
		}
		id := blob.ID(i)
		update(t, db, func(tx kv.Tx) error { return blob.PutBytes(tx, id, parts...) })
		check(t, db, id, data)
	}
	update(t, db, func(tx kv.Tx) error { return blob.PutBytes(tx, 100) })
	check(t, db, 100, nil)
	update(t, db, func(tx kv.Tx) error { return blob.PutBytes(tx, 101, nil, nil) })
	check(t, db, 101, nil)
}

func testReadsAtBorders(t *testing.T, db kv.DB) {
	const c = blob.ChunkSize
	data := random(2*c + 10)
	size := int64(len(data))
	put(t, db, 1, data)
	b := blob.Open(db, part, 1, size)
	points := []int64{0, 1, c - 1, c, c + 1, 2*c - 1, 2 * c, 2*c + 1, size - 1, size}
	for _, from := range points {
		for _, to := range points {
			if from > to {
				continue
			}
			checkPart(t, db, b, data, from, to)
		}
	}
	if _, err := b.ReadAt(make([]byte, 1), size); err != io.EOF {
		t.Errorf("ReadAt at the end: %v, want io.EOF", err)
	}
	if _, err := b.ReadAt(make([]byte, 1), -1); !fault.Is(err, fault.Invalid) {
		t.Errorf("ReadAt before the start: %v, want Invalid", err)
	}
	if n := b.Section(size-2, 100).Len(); n != 2 {
		t.Errorf("a section reaching behind the end has %d bytes, want 2", n)
	}
	if n := b.Section(size+5, 100).Len(); n != 0 {
		t.Errorf("a section behind the end has %d bytes, want 0", n)
	}
}

func checkPart(t *testing.T, db kv.DB, b *blob.Reader, data []byte, from, to int64) {
	t.Helper()
	want := data[from:to]
	p := make([]byte, to-from)
	if _, err := b.ReadAt(p, from); err != nil || !bytes.Equal(p, want) {
		t.Errorf("ReadAt %d to %d: wrong bytes or %v", from, to, err)
	}
	var w bytes.Buffer
	if n, err := b.Section(from, to-from).WriteTo(&w); n != to-from || err != nil || !bytes.Equal(w.Bytes(), want) {
		t.Errorf("Section %d to %d: wrong bytes or %v", from, to, err)
	}
	view(t, db, func(r kv.Reader) error {
		got, err := blob.AppendTo(r, nil, 1, from, to-from)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("AppendTo %d to %d: wrong bytes or %v", from, to, err)
		}
		return nil
	})
}

func testWrongSizes(t *testing.T, db kv.DB) {
	for _, short := range []int64{1, blob.ChunkSize, blob.ChunkSize + 1} {
		err := db.Update(t.Context(), part, func(tx kv.Tx) error {
			return blob.Put(tx, 1, bytes.NewReader(random(short-1)), short)
		})
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("Put with a short reader: %v, want Invalid", err)
		}
	}
	r := bytes.NewReader(random(100))
	update(t, db, func(tx kv.Tx) error { return blob.Put(tx, 1, r, 60) })
	if r.Len() != 40 {
		t.Errorf("Put of 60 bytes left %d of 100, want 40", r.Len())
	}
	put(t, db, 2, random(50))
	for _, size := range []int64{49, 51, blob.ChunkSize + 1} {
		_, err := blob.Open(db, part, 2, size).WriteTo(io.Discard)
		if !fault.Is(err, fault.Corrupt) {
			t.Errorf("reading 50 bytes as %d: %v, want Corrupt", size, err)
		}
	}
	view(t, db, func(r kv.Reader) error {
		if got, err := blob.AppendTo(r, []byte("dst"), 2, 40, 11); !fault.Is(err, fault.Corrupt) || string(got) != "dst" {
			t.Errorf("AppendTo behind the end: %q, %v, want Corrupt", got, err)
		}
		if _, err := blob.AppendTo(r, nil, 2, -1, 11); !fault.Is(err, fault.Invalid) {
			t.Errorf("AppendTo before the start: %v, want Invalid", err)
		}
		return nil
	})
}

func testLimits(t *testing.T, db kv.DB) {
	_ = db.Update(t.Context(), part, func(tx kv.Tx) error {
		var none *bytes.Reader // must not be read
		for _, size := range []int64{blob.MaxPut + 1, 1 << 62} {
			if err := blob.Put(tx, 1, none, size); !fault.Is(err, fault.TooLarge) {
				t.Errorf("Put of %d bytes: %v, want TooLarge", size, err)
			}
		}
		if err := blob.PutBytes(tx, 1, random(blob.MaxPut), []byte{1}); !fault.Is(err, fault.TooLarge) {
			t.Errorf("PutBytes of MaxPut+1 bytes: %v, want TooLarge", err)
		}
		if err := blob.Put(tx, 1, none, -1); !fault.Is(err, fault.Invalid) {
			t.Errorf("Put of -1 bytes: %v, want Invalid", err)
		}
		if err := blob.PutBytes(tx, blob.MaxID+1, nil); !fault.Is(err, fault.Internal) {
			t.Errorf("PutBytes with 49 bits: %v, want Internal", err)
		}
		return errors.New("nothing of this is to stay")
	})
	if err := blob.Stage(t.Context(), db, part, 1, nil, blob.MaxSize+1); !fault.Is(err, fault.TooLarge) {
		t.Errorf("Stage of MaxSize+1 bytes: %v, want TooLarge", err)
	}
}

func testMissingAndDamaged(t *testing.T, db kv.DB) {
	_, err := blob.Open(db, part, 1, 10).WriteTo(io.Discard)
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("reading a missing blob: %v, want NotFound", err)
	}
	if all := stored(t, db); len(all) > 0 {
		t.Errorf("All gives %v of nothing", all)
	}
	view(t, db, func(r kv.Reader) error {
		if _, err := blob.Stat(r, 1); !fault.Is(err, fault.NotFound) {
			t.Errorf("Stat of a missing blob: %v, want NotFound", err)
		}
		return nil
	})
	data := random(3 * blob.ChunkSize)
	for chunk := range byte(3) {
		id := blob.ID(chunk) + 1
		put(t, db, id, data)
		removeChunk(t, db, id, chunk)
		_, err := blob.Open(db, part, id, int64(len(data))).WriteTo(io.Discard)
		if want := []fault.Kind{fault.NotFound, fault.Corrupt, fault.Corrupt}[chunk]; !fault.Is(err, want) {
			t.Errorf("reading without chunk %d: %v, want %v", chunk, err, want)
		}
	}
	have := stored(t, db)
	for id, chunks := range map[blob.ID]int{1: 0, 2: 1, 3: 2} { // without its last chunk it is a shorter one
		got := have[id]
		if got.Chunks != chunks || got.Bytes != int64(chunks)*blob.ChunkSize || (got.Damage != nil) != (id < 3) || got.Damage != nil && !fault.Is(got.Damage, fault.Corrupt) {
			t.Errorf("All says of damaged blob %d: %+v", id, got)
		}
	}
}

// removeChunk knows the layout, as the documentation has it.
func removeChunk(t *testing.T, db kv.DB, id blob.ID, chunk byte) {
	key := []byte{0xF0, 'b', 0, 0, 0, 0, 0, byte(id), 0, 0, 0, chunk}
	update(t, db, func(tx kv.Tx) error {
		if _, ok, err := tx.Get(key); !ok || err != nil {
			t.Fatalf("no chunk at %x, %v", key, err)
		}
		return tx.Delete(key)
	})
}

func testDelete(t *testing.T, db kv.DB) {
	for _, size := range append(sizes(), blob.MaxPut+1, 3*blob.MaxPut) {
		ways := map[blob.ID]func(kv.Tx) error{
			1:          func(tx kv.Tx) error { return blob.Delete(tx, 1) },
			3:          func(tx kv.Tx) error { return blob.DeleteSized(tx, 3, size) },
			5:          func(tx kv.Tx) error { return blob.Purge(tx, 5) },
			blob.MaxID: func(tx kv.Tx) error { return blob.Delete(tx, blob.MaxID) },
		}
		neighbours := []blob.ID{0, 2, 4, 6, blob.MaxID - 1}
		data := random(size)
		all := slices.Concat(neighbours, slices.Collect(maps.Keys(ways)))
		for _, id := range all {
			if err := blob.Stage(t.Context(), db, part, id, bytes.NewReader(data), size); err != nil {
				t.Fatal(err)
			}
		}
		for _, remove := range ways {
			update(t, db, remove)
			update(t, db, remove) // a missing blob is no error
		}
		if got := ids(t, db); !slices.Equal(got, neighbours) {
			t.Errorf("of blobs with %d bytes are left %v, want %v", size, got, neighbours)
		}
		for _, id := range neighbours {
			check(t, db, id, data)
			update(t, db, func(tx kv.Tx) error { return blob.Purge(tx, id) })
		}
	}
}

func testPurgeDamaged(t *testing.T, db kv.DB) {
	put(t, db, 1, random(blob.MaxPut))
	removeChunk(t, db, 1, 0)
	removeChunk(t, db, 1, 1)
	update(t, db, func(tx kv.Tx) error { return blob.Delete(tx, 1) })
	if got := ids(t, db); !slices.Equal(got, []blob.ID{1}) {
		t.Errorf("IDs gave %v, want the damaged blob", got)
	}
	update(t, db, func(tx kv.Tx) error { return blob.Purge(tx, 1) })
	if got := ids(t, db); len(got) > 0 {
		t.Errorf("Purge left %v", got)
	}
}

// stored is what All tells, by ID.
func stored(t *testing.T, db kv.DB) map[blob.ID]blob.Stored {
	t.Helper()
	all := map[blob.ID]blob.Stored{}
	last := int64(-1)
	view(t, db, func(r kv.Reader) error {
		for s, err := range blob.All(r) {
			if err != nil {
				t.Fatal(err)
			}
			if int64(s.ID) <= last {
				t.Errorf("All gives blob %d after %d", s.ID, last)
			}
			last = int64(s.ID)
			all[s.ID] = s
			if one, err := blob.Stat(r, s.ID); err != nil || fmt.Sprint(one) != fmt.Sprint(s) {
				t.Errorf("Stat says %+v, %v, All %+v", one, err, s)
			}
		}
		return nil
	})
	return all
}

func ids(t *testing.T, db kv.DB) []blob.ID {
	t.Helper()
	return slices.Sorted(maps.Keys(stored(t, db)))
}

// writerFunc is an io.Writer.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func testDeleteWhileReading(t *testing.T, db kv.DB) {
	data := random(3 * blob.ChunkSize)
	put(t, db, 1, data)
	n := 0
	slow := writerFunc(func(p []byte) (int, error) {
		if n++; n == 2 { // no snapshot is held here: a write goes through, and shows
			update(t, db, func(tx kv.Tx) error { return blob.Delete(tx, 1) })
		}
		return len(p), nil
	})
	if _, err := blob.Open(db, part, 1, int64(len(data))).WriteTo(slow); !fault.Is(err, fault.NotFound) {
		t.Errorf("reading a blob that goes away: %v, want NotFound", err)
	}
}

func testIDs(t *testing.T, db kv.DB) {
	if got := ids(t, db); len(got) != 0 {
		t.Errorf("an empty partition has blobs %v", got)
	}
	want := []blob.ID{0, 1, 2, 255, 256, 1 << 32, blob.MaxID - 1, blob.MaxID}
	for i, id := range want {
		put(t, db, id, random(int64(i)*50_000))
	}
	update(t, db, func(tx kv.Tx) error { // neighbours
		return errors.Join(tx.Set([]byte{0xEF, 'b'}, nil), tx.Set([]byte{0xF0, 'a'}, nil), tx.Set([]byte{0xF0, 'c'}, nil))
	})
	if got := ids(t, db); !slices.Equal(got, want) {
		t.Errorf("IDs gave %v, want %v", got, want)
	}
}

func testStageFailure(t *testing.T, db kv.DB) {
	boom := errors.New("boom")
	r := io.MultiReader(bytes.NewReader(random(3<<20)), iotest.ErrReader(boom))
	if err := blob.Stage(t.Context(), db, part, 1, r, 4<<20); !errors.Is(err, boom) {
		t.Errorf("Stage with a failing reader: %v, want its error", err)
	}
	if got := ids(t, db); len(got) != 0 {
		t.Errorf("a failed Stage leaves %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := blob.Stage(ctx, db, part, 1, bytes.NewReader(random(10)), 10); !fault.Is(err, fault.Canceled) {
		t.Errorf("Stage with a dead context: %v, want Canceled", err)
	}
}

// pattern makes the bytes of a large stream, and checks them: pages that hold their own
// number.
type pattern struct {
	off  int64
	page [4096]byte
}

// next returns up to n bytes from where the stream is, and goes on.
func (p *pattern) next(n int) []byte {
	in := int(p.off % int64(len(p.page)))
	binary.BigEndian.PutUint64(p.page[:], uint64(p.off)/uint64(len(p.page)))
	part := p.page[in:min(len(p.page), in+n)]
	p.off += int64(len(part))
	return part
}

func (p *pattern) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		n += copy(b[n:], p.next(len(b)-n))
	}
	return n, nil
}

func (p *pattern) Write(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		part := p.next(len(b) - n)
		if !bytes.Equal(part, b[n:n+len(part)]) {
			return n, fmt.Errorf("wrong bytes before %d", p.off)
		}
		n += len(part)
	}
	return n, nil
}

// bounded fails when more bytes have been read from it than are allowed to be in flight.
type bounded struct {
	r       io.Reader
	read    int64
	written func() int64
	most    int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.read += int64(n)
	b.most = max(b.most, b.read-b.written())
	return n, err
}

func testLargeStream(t *testing.T, db kv.DB) {
	size := int64(150<<20 + 1)
	if testing.Short() {
		size = 5<<20 + 1
	}
	counted := &countingDB{DB: db}
	src := &bounded{r: &pattern{}, written: func() int64 { return counted.bytes }}
	if err := blob.Stage(t.Context(), counted, part, 9, src, size); err != nil {
		t.Fatal(err)
	}
	if src.most > 2<<20 {
		t.Errorf("Stage held %d bytes at once, more than 2 MiB", src.most)
	}
	largest := 0
	out := &pattern{}
	n, err := blob.Open(db, part, 9, size).WriteTo(writerFunc(func(p []byte) (int, error) {
		largest = max(largest, len(p))
		return out.Write(p)
	}))
	if n != size || err != nil {
		t.Errorf("WriteTo: %d bytes of %d, %v", n, size, err)
	}
	if largest > blob.ChunkSize {
		t.Errorf("WriteTo wrote %d bytes at once", largest)
	}
}

// countingDB counts the bytes that lazy transactions write.
type countingDB struct {
	kv.DB
	bytes int64
}

func (db *countingDB) SubmitLazy(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	return db.DB.SubmitLazy(ctx, p, func(tx kv.Tx) error { return fn(countingTx{tx, db}) })
}

type countingTx struct {
	kv.Tx
	db *countingDB
}

func (tx countingTx) Set(key, value []byte) error {
	tx.db.bytes += int64(len(value))
	return tx.Tx.Set(key, value)
}
