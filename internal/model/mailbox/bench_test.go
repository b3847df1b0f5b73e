package mailbox

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv/pebble"
)

// benchStore is a store on the disk: benchmarks of durability need one.
func benchStore(b *testing.B, accounts int) *Store {
	b.Helper()
	db, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	s := NewStore(db, Options{})
	for i := range accounts {
		if err := s.Create(b.Context(), ident.AccountID(i+1), Usage{}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func benchText(size int) string {
	head := "From: a@example.org\r\nTo: b@example.org\r\nSubject: a subject of some length\r\nMessage-ID: <1@example.org>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n\r\n"
	return head + strings.Repeat("All work and no play makes mail a dull thing to read.\r\n", size/55)
}

// BenchmarkDeliver: durable appends of new messages, parsed, to 40 accounts.
func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{2 << 10, 50 << 10} {
		for _, conns := range []int{1, 10, 50} {
			b.Run(fmt.Sprintf("%dK/%d", size>>10, conns), func(b *testing.B) { benchDeliver(b, size, conns) })
		}
	}
}

func benchDeliver(b *testing.B, size, conns int) {
	const accounts = 40
	s := benchStore(b, accounts)
	text := []byte(benchText(size))
	jobs := make(chan int)
	done := make(chan error, conns)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	b.ResetTimer()
	for range conns {
		go func() {
			var err error
			for i := range jobs {
				if err == nil {
					err = deliverOne(b.Context(), s, ident.AccountID(i%accounts+1), text)
				}
			}
			done <- err
		}()
	}
	for i := range b.N {
		jobs <- i
	}
	close(jobs)
	for range conns {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func deliverOne(ctx context.Context, s *Store, id ident.AccountID, text []byte) error {
	w := s.NewContent()
	w.Write(text)
	c, err := w.Finish()
	if err != nil {
		return err
	}
	defer c.Close()
	ses, err := s.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer ses.Close()
	in, _ := ses.FolderByRole(Inbox)
	_, err = ses.Append(ctx, in.ID, Append{Content: c})
	return err
}

// benchFolder is an account with n messages in its inbox.
func benchFolder(b *testing.B, n int) (*Session, FolderID) {
	b.Helper()
	s := benchStore(b, 1)
	w := s.NewContent()
	w.Write([]byte(benchText(2 << 10)))
	c, err := w.Finish()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	ses, err := s.Open(b.Context(), 1, ident.System())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(ses.Close)
	in, _ := ses.FolderByRole(Inbox)
	for done := 0; done < n; done += 1000 {
		items := make([]Append, min(1000, n-done))
		for i := range items {
			items[i].Content = c
		}
		if _, err := ses.Append(b.Context(), in.ID, items...); err != nil {
			b.Fatal(err)
		}
	}
	return ses, in.ID
}

// BenchmarkFlagOne: durable flag changes, one by one, in a folder of 20,000.
func BenchmarkFlagOne(b *testing.B) {
	s, id := benchFolder(b, 20_000)
	if _, err := s.View(b.Context(), id); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := FlagChange{UIDs: []UID{UID(i*7919%20_000 + 1)}, Flags: Flagged, Op: FlagOp(i / 20_000 % 2)}
		if _, err := s.SetFlags(b.Context(), id, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlagRange: one change of all 20,000.
func BenchmarkFlagRange(b *testing.B) {
	s, id := benchFolder(b, 20_000)
	v, err := s.View(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	uids := v.uids(false)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.SetFlags(b.Context(), id, FlagChange{UIDs: uids, Flags: Flagged, Op: FlagOp(i % 2)}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSummaries: reading the summaries of 20,000 messages, what a first sync does.
func BenchmarkSummaries(b *testing.B) {
	s, id := benchFolder(b, 20_000)
	v, err := s.View(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := s.Read(b.Context(), func(t *Batch) error {
			for _, r := range v.All(0, v.Len()) {
				rec, err := t.Summary(r)
				if err != nil {
					return err
				}
				n += len(rec.Envelope()) + len(rec.BodyStructure())
			}
			return nil
		})
		if err != nil || n == 0 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkLoadView: the first look at a folder of 100,000 messages.
func BenchmarkLoadView(b *testing.B) {
	s, id := benchFolder(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		fresh := NewStore(s.a.store.db, Options{})
		ses, err := fresh.Open(b.Context(), 1, ident.System())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ses.View(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		ses.Close()
	}
}

// BenchmarkBodies: reading 8,000 messages of 26 KB, 200 MB, in portions as FETCH does.
func BenchmarkBodies(b *testing.B) {
	s := benchStore(b, 1)
	const n = 8000
	for i := range n {
		if err := deliverOne(b.Context(), s, 1, []byte(fmt.Sprintf("X-Number: %d\r\n%s", i, benchText(26<<10)))); err != nil {
			b.Fatal(err)
		}
	}
	ses, err := s.Open(b.Context(), 1, ident.System())
	if err != nil {
		b.Fatal(err)
	}
	defer ses.Close()
	in, _ := ses.FolderByRole(Inbox)
	v, err := ses.View(b.Context(), in.ID)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(in.Bytes)
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		for next := 0; next < v.Len(); {
			if next, buf, err = readSome(b.Context(), ses, v, next, buf[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// readSome reads messages from index i on, until 256 KB are full.
func readSome(ctx context.Context, s *Session, v *View, i int, buf []byte) (int, []byte, error) {
	err := s.Read(ctx, func(t *Batch) (err error) {
		for ; i < v.Len() && len(buf) < 256<<10 && err == nil; i++ {
			buf, err = t.AppendContent(buf, v.At(i), 0, 1<<30)
		}
		return err
	})
	return i, buf, err
}

// BenchmarkCopyTo copies 1,000 messages of 2 KB into another account.
func BenchmarkCopyTo(b *testing.B) {
	w := newWorld(b)
	w.must(w.store.Create(w.ctx, bob, Usage{}))
	his := w.open(w.store, bob, asBob)
	defer his.Close()
	in, _ := his.FolderByRole(Inbox)
	w.must(his.SetGrants(w.ctx, in.ID, []Grant{{ToAccount, uint64(ann), AllRights}}))
	mine := w.open(w.store, bob, w.me.Identity())
	defer mine.Close()
	text := "Subject: x\r\n\r\n" + strings.Repeat("some text of the usual kind\r\n", 70)
	c := w.content(text)
	items := make([]Append, 1000)
	for i := range items {
		items[i].Content = c
	}
	put, err := w.me.Append(w.ctx, w.inbox(), items...)
	w.must(err)
	uids := make([]UID, len(put))
	for i := range put {
		uids[i] = put[i].UID
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := w.me.CopyTo(w.ctx, w.inbox(), uids, Target{Session: mine, Folder: in.ID})
		w.must(err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/msg")
}

// BenchmarkContent: a message taken in and prepared, without being put anywhere.
func BenchmarkContent(b *testing.B) {
	s := benchStore(b, 1)
	msg := []byte(benchText(2 << 10))
	b.ReportAllocs()
	for b.Loop() {
		w := s.NewContent()
		w.Write(msg)
		c, err := w.Finish()
		if err != nil {
			b.Fatal(err)
		}
		c.Prepare()
		c.Close()
	}
}

// BenchmarkAppendMany: 50 prepared messages of 2 KB by one transaction.
func BenchmarkAppendMany(b *testing.B) {
	s := benchStore(b, 1)
	w := s.NewContent()
	w.Write([]byte(benchText(2 << 10)))
	c, err := w.Finish()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	ses, err := s.Open(b.Context(), 1, ident.System())
	if err != nil {
		b.Fatal(err)
	}
	defer ses.Close()
	in, _ := ses.FolderByRole(Inbox)
	items := make([]Append, 50)
	for i := range items {
		items[i].Content = c
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ses.Append(b.Context(), in.ID, items...); err != nil {
			b.Fatal(err)
		}
	}
}
