package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"postroad/internal/service/queue"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv/pebble"
)

// BenchmarkSubmitAndDeliver passes messages of 4 KiB through the queue, from many submitters to 50 destinations that take them at once.
func BenchmarkSubmitAndDeliver(b *testing.B) {
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{}, 1000)
	q, err := queue.Open(context.Background(), db, queue.Options{Send: func(_ context.Context, job transfer.Job) []transfer.Outcome {
		done <- struct{}{}
		return []transfer.Outcome{delivered}
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = q.Run(ctx)
	}()
	body := string(make([]byte, 4<<10))
	next := make(chan int)
	b.ReportAllocs()
	b.ResetTimer()
	for range 16 {
		go func() {
			for i := range next {
				if err := q.Submit(ctx, env(fmt.Sprint(i)), to(fmt.Sprintf("b@d%d.example", i%50)), text(body)); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	go func() {
		for i := range b.N {
			next <- i
		}
		close(next)
	}()
	for range b.N {
		<-done
	}
	b.StopTimer()
	cancel()
	<-stopped
	if err := db.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkDurable is the same on a disk, with what it costs: syncs of the log, and bytes written there.
func BenchmarkDurable(b *testing.B) {
	for _, submitters := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("submitters=%d", submitters), func(b *testing.B) { benchDurable(b, submitters) })
	}
}

func benchDurable(b *testing.B, submitters int) {
	var syncs atomic.Int64
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			syncs.Add(1)
		}
		return nil
	}))
	db, err := pebble.Open(b.TempDir(), pebble.Options{FS: fs})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{}, 1000)
	q, err := queue.Open(ctx, db, queue.Options{
		Send: func(_ context.Context, job transfer.Job) []transfer.Outcome { return []transfer.Outcome{delivered} },
		Note: func(e trace.Event) {
			if e.Kind == trace.Attempt {
				gone <- struct{}{} // it is written down
			}
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = q.Run(ctx)
	}()
	body := string(make([]byte, 2<<10))
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	syncs.Store(0)
	for range submitters {
		go func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := q.Submit(ctx, env(fmt.Sprint(i)), to(fmt.Sprintf("b@d%d.example", i%50)), text(body)); err != nil {
					b.Error(err)
				}
			}
		}()
	}
	for range b.N {
		<-gone
	}
	b.StopTimer()
	b.ReportMetric(float64(syncs.Load())/float64(b.N), "syncs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	cancel()
	<-stopped
	if err := db.Close(); err != nil {
		b.Error(err)
	}
}
