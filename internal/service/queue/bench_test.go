package queue_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/service/queue"
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
