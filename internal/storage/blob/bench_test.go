package blob_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

func openBench(b *testing.B) kv.DB {
	db, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

var sizes = []int{2 << 10, 26 << 10, 1 << 20}

func update(b *testing.B, db kv.DB, fn func(kv.Tx) error) {
	if err := db.Update(context.Background(), 1, fn); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPutBytes writes trace headers and a message, durable.
func BenchmarkPutBytes(b *testing.B) {
	head := bytes.Repeat([]byte("h"), 300)
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := openBench(b)
			body := bytes.Repeat([]byte("b"), size-len(head))
			b.ReportAllocs()
			b.SetBytes(int64(size))
			id := blob.ID(0)
			for b.Loop() {
				id++
				update(b, db, func(tx kv.Tx) error { return blob.PutBytes(tx, id, head, body) })
			}
		})
	}
}

func BenchmarkWriteTo(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := openBench(b)
			update(b, db, func(tx kv.Tx) error { return blob.PutBytes(tx, 1, make([]byte, size)) })
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := blob.Open(db, 1, 1, int64(size)).WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppendTo reads 100 messages in one view.
func BenchmarkAppendTo(b *testing.B) {
	const n, size = 100, 2 << 10
	db := openBench(b)
	for id := range blob.ID(n) {
		update(b, db, func(tx kv.Tx) error { return blob.PutBytes(tx, id, make([]byte, size)) })
	}
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(n * size)
	for b.Loop() {
		err := db.View(context.Background(), 1, func(r kv.Reader) error {
			buf = buf[:0]
			for id := range blob.ID(n) {
				var err error
				if buf, err = blob.AppendTo(r, buf, id, 0, size); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStage20M(b *testing.B) {
	const size = 20 << 20
	db := openBench(b)
	data := make([]byte, size)
	b.ReportAllocs()
	b.SetBytes(size)
	id := blob.ID(0)
	for b.Loop() {
		id++
		if err := blob.Stage(context.Background(), db, 1, id, bytes.NewReader(data), size); err != nil {
			b.Fatal(err)
		}
		update(b, db, func(tx kv.Tx) error { return blob.DeleteSized(tx, id, size) })
	}
}

// BenchmarkDelete removes messages one by one in one transaction, looking at each first,
// as an expunge does.
func BenchmarkDelete(b *testing.B) {
	const n, size = 2000, 2 << 10
	for name, remove := range map[string]func(tx kv.Tx, id blob.ID) error{
		"unsized": blob.Delete,
		"sized":   func(tx kv.Tx, id blob.ID) error { return blob.DeleteSized(tx, id, size) },
	} {
		b.Run(name, func(b *testing.B) {
			db := openBench(b)
			for b.Loop() {
				b.StopTimer()
				update(b, db, func(tx kv.Tx) error {
					for id := range blob.ID(n) {
						if err := blob.PutBytes(tx, id, make([]byte, size)); err != nil {
							return err
						}
					}
					return nil
				})
				b.StartTimer()
				update(b, db, func(tx kv.Tx) error {
					for id := range blob.ID(n) {
						if _, err := blob.AppendTo(tx, nil, id, 0, 1); err != nil {
							return err
						}
						if err := remove(tx, id); err != nil {
							return err
						}
					}
					return nil
				})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*b.N), "ns/blob")
		})
	}
}
