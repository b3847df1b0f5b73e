package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"postroad/internal/storage/kv"
)

// countSyncs counts the syncs of log files.
func countSyncs(fs vfs.FS, n *atomic.Int64) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			n.Add(1)
		}
		return nil
	}))
}

func openBench(b *testing.B, fs vfs.FS) *DB {
	db, err := Open(b.TempDir(), Options{FS: fs})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// randomBytes don't compress.
func randomBytes(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

// BenchmarkUpdate does what a delivery does: 8 small records and one bulk value of 2 KB,
// durable.
func BenchmarkUpdate(b *testing.B) {
	for _, same := range []bool{false, true} {
		for _, workers := range []int{1, 10, 50} {
			name := fmt.Sprintf("workers=%d/partitions=%d", workers, workers)
			if same {
				name = fmt.Sprintf("workers=%d/partitions=1", workers)
			}
			b.Run(name, func(b *testing.B) { benchUpdate(b, workers, same) })
		}
	}
}

func benchUpdate(b *testing.B, workers int, same bool) {
	var syncs atomic.Int64
	db := openBench(b, countSyncs(vfs.Default, &syncs))
	body := randomBytes(2 << 10)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	syncs.Store(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			p := kv.Partition(w + 1)
			if same {
				p = 1
			}
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := db.Update(context.Background(), p, func(tx kv.Tx) error { return deliver(tx, n, body) }); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(syncs.Load())/float64(b.N), "syncs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

func deliver(tx kv.Tx, n int64, body []byte) error {
	var key [12]byte
	binary.BigEndian.PutUint64(key[4:], uint64(n))
	for i := range byte(8) {
		key[0] = i + 1
		if err := tx.Set(key[:], body[:100]); err != nil {
			return err
		}
	}
	key[0] = kv.BulkPrefix
	return tx.Set(key[:], body)
}

// fill writes n values of size bytes, under keys that begin with first, and compacts
// them.
func fill(b *testing.B, db *DB, first byte, n, size int) {
	value := randomBytes(size)
	const step = 500
	for i := 0; i < n; i += step {
		err := db.Update(context.Background(), 1, func(tx kv.Tx) error {
			for j := i; j < min(n, i+step); j++ {
				if err := tx.Set(numberKey(first, j), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := db.lsm.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := db.lsm.Compact(context.Background(), []byte{0}, []byte{9}, false); err != nil {
		b.Fatal(err)
	}
}

func numberKey(first byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{first}, uint32(n))
}

func BenchmarkScan20000Records1200B(b *testing.B) {
	db := openBench(b, nil)
	fill(b, db, 'r', 20_000, 1200)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		err := db.View(context.Background(), 1, func(r kv.Reader) error {
			for p, err := range r.Scan(kv.Range{Lo: []byte("r"), Hi: []byte("s")}) {
				if err != nil || len(p.Value) != 1200 {
					b.Fatal(err)
				}
				n++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{100, 2 << 10, 26 << 10, 128 << 10} {
		first := byte('r')
		if size > 1000 {
			first = kv.BulkPrefix
		}
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := openBench(b, nil)
			const n = 400
			fill(b, db, first, n, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			i := 0
			for b.Loop() {
				i++
				err := db.View(context.Background(), 1, func(r kv.Reader) error {
					v, ok, err := r.Get(numberKey(first, i*7%n))
					if !ok || len(v) != size {
						b.Fatal("not there")
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGetMissing is what the filters are for.
func BenchmarkGetMissing(b *testing.B) {
	db := openBench(b, nil)
	fill(b, db, 'r', 20_000, 100)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		err := db.View(context.Background(), 1, func(r kv.Reader) error {
			_, _, err := r.Get(append(numberKey('r', i%20_000), 'x'))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkViewOnly(b *testing.B) {
	db := openBench(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := db.View(context.Background(), 1, func(kv.Reader) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCursor(b *testing.B) {
	db := openBench(b, nil)
	fill(b, db, 'r', 20_000, 300)
	b.ReportAllocs()
	err := db.View(context.Background(), 1, func(r kv.Reader) error {
		c, err := r.Cursor([]byte("r"), []byte("s"))
		if err != nil {
			return err
		}
		i := 0
		for b.Loop() {
			i = (i + 3) % 20_000
			key := numberKey('r', i)
			if p, ok, err := c.Seek(key); !ok || err != nil || !bytes.Equal(p.Key, key) {
				b.Fatal("not there")
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
