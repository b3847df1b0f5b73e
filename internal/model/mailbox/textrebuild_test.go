package mailbox

import (
	"fmt"
	"testing"

	"postroad/internal/storage/kv"
)

// TestReindexOfMany: more messages than get their texts at once, of which some are gone and one has records of text that aren't its own.
func TestReindexOfMany(t *testing.T) {
	w := newWorld(t)
	for i := range 2*retextMost + 3 {
		w.deliver(fmt.Sprintf("Subject: s\r\nContent-Type: text/html\r\n\r\n<p>number%dx of them", i))
	}
	w.expunge(func(u UID) bool { return u%9 == 0 })
	row := w.view(w.inbox()).At(0)
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		for i := 3; i < 6; i++ {
			w.must(tx.Set(textKey(row.Content, i), []byte("stray")))
		}
		return nil
	}))
	w.must(w.store.Reindex(w.ctx, ann))
	w.check()
	w.finds(SearchBody("number0x"), 1)
	w.finds(SearchBody("number8x"))
	w.finds(SearchBody(fmt.Sprintf("number%dx of", 2*retextMost+2)), 2*retextMost+3)
	if n := w.tail(); n != 0 {
		t.Errorf("%d aren't in the index", n)
	}
}

// TestReindexAfterDamage: of an index whose list can't be read nothing stays, nor of one that an earlier version has left, which couldn't read the list.
func TestReindexAfterDamage(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.deliver(fmt.Sprintf("Subject: s\r\n\r\nnumber%dx of them", i))
	}
	w.must(w.store.Index(w.ctx, ann, true))
	if n := len(w.manifest().segments); n == 0 {
		t.Fatal("no segment is there to be left")
	}
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error { return tx.Set(indexKey(), []byte{manifestVersion + 1, 0}) }))
	w.must(w.store.Reindex(w.ctx, ann))
	w.check()
	w.finds(SearchBody("number3x"), 4)
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error { return tx.Set(segmentKey(1<<40, segmentTerms, 3), []byte("stray")) }))
	w.must(w.store.Reindex(w.ctx, ann))
	w.check()
	w.finds(SearchBody("number3x"), 4)
}

func BenchmarkReindex(b *testing.B) {
	w := newWorld(b)
	const n = 5000
	for i := 0; i < n; i += 100 {
		items := make([]Append, 100)
		for j := range items {
			items[j].Content = w.content(fmt.Sprintf("Subject: s\r\nContent-Type: text/html\r\n\r\n<p>number%dx of them", i+j))
		}
		_, err := w.me.Append(w.ctx, w.inbox(), items...)
		w.must(err)
		for j := range items {
			items[j].Content.Close()
		}
	}
	for b.Loop() {
		w.must(w.store.Reindex(w.ctx, ann))
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/message")
}
