package mailbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Cleanup(func())
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// world is a store in memory with one account, whose time stands still.
type world struct {
	tb
	ctx   context.Context
	db    kv.DB
	store *Store
	now   time.Time
	keep  time.Duration // Options.KeepErased
	me    *Session
}

const (
	ann  = ident.AccountID(1)
	bob  = ident.AccountID(2)
	team = ident.GroupID(3)
)

func openDB(t tb, fs vfs.FS) kv.DB {
	t.Helper()
	db, err := pebble.Open("db", pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func newWorld(t tb) *world {
	t.Helper()
	w := &world{tb: t, ctx: context.Background(), db: openDB(t, vfs.NewMem()), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.store = NewStore(w.db, w.options())
	w.must(w.store.Create(w.ctx, ann, Usage{}))
	w.me = w.open(w.store, ann, ident.Identity{Account: ann})
	t.Cleanup(func() {
		w.check()
		w.me.Close()
		w.must(w.db.Close())
	})
	return w
}

func (w *world) options() Options {
	return Options{Now: func() time.Time { return w.now }, KeepErased: w.keep}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// fails checks that err is of kind k.
func (w *world) fails(k fault.Kind, err error) {
	w.Helper()
	if !fault.Is(err, k) {
		w.Fatalf("got %v, want %v", err, k)
	}
}

func (w *world) open(s *Store, id ident.AccountID, who ident.Identity) *Session {
	w.Helper()
	ses, err := s.Open(w.ctx, id, who)
	w.must(err)
	return ses
}

// check runs the consistency checker on all accounts.
func (w *world) check() {
	w.Helper()
	ids, err := w.store.Accounts(w.ctx)
	w.must(err)
	for _, id := range ids {
		problems, err := w.store.Check(w.ctx, id)
		w.must(err)
		for _, p := range problems {
			w.Errorf("account %d: %s", id, p)
		}
	}
}

func (w *world) content(text string) *Content {
	w.Helper()
	c := w.store.NewContent()
	_, err := c.Write([]byte(text))
	w.must(err)
	done, err := c.Finish()
	w.must(err)
	w.Cleanup(func() { done.Close() })
	return done
}

func (w *world) role(r Role) Folder {
	w.Helper()
	f, ok := w.me.FolderByRole(r)
	if !ok {
		w.Fatalf("no folder with role %d", r)
	}
	return f
}

func (w *world) inbox() FolderID { return w.role(Inbox).ID }

// add appends n messages and returns their UIDs.
func (w *world) add(to FolderID, n int) []UID {
	w.Helper()
	items := make([]Append, n)
	for i := range items {
		items[i].Content = w.content(fmt.Sprintf("Subject: %d\r\n%s\r\ntext %d\r\n", i, trace(i), i))
	}
	done, err := w.me.Append(w.ctx, to, items...)
	w.must(err)
	uids := make([]UID, n)
	for i, d := range done {
		uids[i] = d.UID
	}
	return uids
}

// trace is header fields that make every third header one that is kept apart.
func trace(i int) string {
	if i%3 != 0 {
		return ""
	}
	return "Received: " + strings.Repeat("a ", 300) + "\r\n"
}

func (w *world) view(id FolderID) *View {
	w.Helper()
	v, err := w.me.View(w.ctx, id)
	w.must(err)
	return v
}

func (w *world) body(r *Row) string {
	w.Helper()
	var out []byte
	w.must(w.me.Read(w.ctx, func(b *Batch) (err error) {
		out, err = b.AppendContent(nil, r, 0, r.Size)
		return err
	}))
	return string(out)
}
