package imap

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv"
)

// watchedDB knows how many snapshots are held, and counts what is read.
type watchedDB struct {
	kv.DB
	held, bulk, bytes atomic.Int64
}

func (d *watchedDB) View(ctx context.Context, p kv.Partition, fn func(kv.Reader) error) error {
	d.held.Add(1)
	defer d.held.Add(-1)
	return d.DB.View(ctx, p, func(r kv.Reader) error { return fn(watchedReader{r, d}) })
}

func (d *watchedDB) Update(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	return d.DB.Update(ctx, p, func(tx kv.Tx) error { return fn(watchedTx{tx, watchedReader{tx, d}}) })
}

func (d *watchedDB) Submit(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	return d.DB.Submit(ctx, p, func(tx kv.Tx) error { return fn(watchedTx{tx, watchedReader{tx, d}}) })
}

func (d *watchedDB) SubmitLazy(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	return d.DB.SubmitLazy(ctx, p, func(tx kv.Tx) error { return fn(watchedTx{tx, watchedReader{tx, d}}) })
}

func (d *watchedDB) note(key, value []byte) {
	if key[0] >= kv.BulkPrefix {
		d.bulk.Add(1)
	}
	d.bytes.Add(int64(len(value)))
}

type watchedReader struct {
	kv.Reader
	db *watchedDB
}

func (r watchedReader) Get(key []byte) ([]byte, bool, error) {
	value, ok, err := r.Reader.Get(key)
	r.db.note(key, value)
	return value, ok, err
}

func (r watchedReader) Scan(x kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		for p, err := range r.Reader.Scan(x) {
			if err == nil {
				r.db.note(p.Key, p.Value)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

func (r watchedReader) Cursor(lo, hi []byte) (kv.Cursor, error) {
	c, err := r.Reader.Cursor(lo, hi)
	return watchedCursor{c, r.db}, err
}

type watchedCursor struct {
	kv.Cursor
	db *watchedDB
}

func (c watchedCursor) Seek(key []byte) (kv.Pair, bool, error) {
	p, ok, err := c.Cursor.Seek(key)
	if ok {
		c.db.note(p.Key, p.Value)
	}
	return p, ok, err
}

func (c watchedCursor) Next() (kv.Pair, bool, error) {
	p, ok, err := c.Cursor.Next()
	if ok {
		c.db.note(p.Key, p.Value)
	}
	return p, ok, err
}

type watchedTx struct {
	kv.Tx
	r watchedReader
}

func (t watchedTx) Get(key []byte) ([]byte, bool, error)      { return t.r.Get(key) }
func (t watchedTx) Scan(x kv.Range) iter.Seq2[kv.Pair, error] { return t.r.Scan(x) }
func (t watchedTx) Cursor(lo, hi []byte) (kv.Cursor, error)   { return t.r.Cursor(lo, hi) }

// TestSlowReadersHoldNoSnapshot: whoever doesn't take what they have asked for keeps the store from nothing. What is under way is never the
// reading of it, but the sending.
func TestSlowReadersHoldNoSnapshot(t *testing.T) {
	for _, items := range []string{"FETCH 1:* BODY.PEEK[]", "FETCH 1:40 (ENVELOPE BODYSTRUCTURE)", "FETCH 41 BODY.PEEK[]", "FETCH 41 BINARY.PEEK[1]"} {
		synctest.Test(t, func(t *testing.T) {
			var db *watchedDB
			w := newWorldOn(t, fixedClock, func(d kv.DB) kv.DB {
				db = &watchedDB{DB: d}
				return db
			})
			w.net.Window = 1
			s := w.open("ann")
			inbox := s.Folders()[0]
			for i := range 40 {
				w.deliver(s, inbox.ID, testMessage(i)+strings.Repeat("long line of text\r\n", 1000), 0)
			}
			w.deliver(s, inbox.ID, testMessage(41)+strings.Repeat("long line of text\r\n", 50_000), 0) // it streams
			conn := w.connect()
			defer conn.Close()
			go io.WriteString(conn, "a LOGIN ann@demo.test secret\r\nb SELECT INBOX\r\nc "+items+"\r\n")
			_, err := io.ReadFull(conn, make([]byte, 3000))
			must(t, err)
			synctest.Wait()
			if n := db.held.Load(); n != 0 {
				t.Errorf("%s: %d snapshots are held", items, n)
			}
		})
	}
}

// TestCopiesReadNoMessages: COPY and MOVE of thousands read no message, and of their records no more than little.
func TestCopiesReadNoMessages(t *testing.T) {
	var db *watchedDB
	w := newWorldOn(t, fixedClock, func(d kv.DB) kv.DB {
		db = &watchedDB{DB: d}
		return db
	})
	must(t, w.store.SetLimit(t.Context(), w.accounts["ann"], mailbox.Usage{}))
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	content := func() *mailbox.Content {
		c := w.store.NewContent()
		io.WriteString(c, testMessage(1)+strings.Repeat("text\r\n", 5000))
		done, err := c.Finish()
		must(t, err)
		return done
	}()
	defer content.Close()
	const n = 3000
	items := make([]mailbox.Append, n)
	for i := range items {
		items[i].Content = content
	}
	_, err := s.Append(t.Context(), inbox.ID, items...)
	must(t, err)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	for _, command := range []string{"UID COPY 1:* Archive", "UID MOVE 1:* Trash"} {
		db.bulk.Store(0)
		db.bytes.Store(0)
		c.ok(command)
		if bulk, bytes := db.bulk.Load(), db.bytes.Load(); bulk != 0 || bytes > 500*n {
			t.Errorf("%s: %d parts of messages were read, and %d bytes", command, bulk, bytes)
		}
	}
	if lines := c.ok("STATUS Archive (MESSAGES)"); !strings.Contains(lines[0], fmt.Sprintf("MESSAGES %d", n)) {
		t.Errorf("%q", lines)
	}
	if lines := c.ok("STATUS Trash (MESSAGES)"); !strings.Contains(lines[0], fmt.Sprintf("MESSAGES %d", n)) {
		t.Errorf("%q", lines)
	}
}
