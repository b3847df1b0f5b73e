package move

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv/pebble"
)

// world is a store in memory with two accounts.
type world struct {
	*testing.T
	store *mailbox.Store
	ctx   context.Context
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()}), context.Background()}
	for id := ident.AccountID(1); id <= 2; id++ {
		w.must(w.store.Create(w.ctx, id, mailbox.Usage{}))
	}
	t.Cleanup(func() {
		for id := ident.AccountID(1); id <= 2; id++ {
			problems, err := w.store.Check(w.ctx, id)
			w.must(err)
			for _, p := range problems {
				w.Error(p)
			}
		}
		w.must(db.Close())
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) session(id ident.AccountID) *mailbox.Session {
	w.Helper()
	s, err := w.store.Open(w.ctx, id, ident.System())
	w.must(err)
	w.Cleanup(s.Close)
	return s
}

func (w *world) bring(id ident.AccountID, from Source) Result {
	w.Helper()
	r, err := Import(w.ctx, w.store, w.session(id), nil, from)
	w.must(err)
	return r
}

func (w *world) open(name string, o Options) Source {
	w.Helper()
	from, err := Open(name, o)
	w.must(err)
	return from
}

// seen is a message as it was given, with all its bytes.
type seen struct {
	Folder   []string
	Flags    mailbox.Flags
	Keywords []string
	Received int64
	Body     string
	IsFolder bool
}

// all reads a source to its end.
func all(t *testing.T, from Source) (list []seen) {
	t.Helper()
	err := from(context.Background(), func(m *Message) error {
		x := seen{Folder: m.Folder, Flags: m.Flags, Keywords: m.Keywords, IsFolder: m.Body == nil}
		if !m.Received.IsZero() {
			x.Received = m.Received.Unix()
		}
		if m.Body != nil {
			b, err := io.ReadAll(m.Body)
			if err != nil {
				return err
			}
			x.Body = string(b)
		}
		list = append(list, x)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func messages(list []seen) (only []seen) {
	for _, x := range list {
		if !x.IsFolder {
			only = append(only, x)
		}
	}
	return only
}

// made gives n messages in several folders, some twice, some with lines that mbox must quote.
func made(n int) Source {
	return func(_ context.Context, yield func(*Message) error) error {
		folders := [][]string{{"INBOX"}, {"Sent"}, {"Work"}, {"Work", "a.b/%2e"}, {"Work", ".."}, {"Über & Co", "日本"}}
		for _, f := range folders {
			if err := yield(&Message{Folder: f[:1]}); err != nil {
				return err
			}
			for i := range n {
				m := &Message{Folder: f, Flags: mailbox.Flags(i % 32), Received: time.Unix(1e9+int64(i), 0).UTC(), Body: newCRLF(text(i / 2 * 2))}
				for k := range i % 3 {
					m.Keywords = append(m.Keywords, fmt.Sprintf("label%d", k))
				}
				if i%5 == 0 {
					m.Keywords = append(m.Keywords, "$Forwarded")
				}
				if err := yield(m); err != nil {
					return err
				}
			}
		}
		return yield(&Message{Folder: []string{"Empty"}})
	}
}

func text(i int) io.Reader {
	r, w := io.Pipe()
	go func() {
		fmt.Fprintf(w, "From: ann@example.org\r\nSubject: %d\r\nStatus: its own\r\n\r\nFrom here on\r\n\r\nFrom ann Mon Jan  2 15:04:05 2006\r\n>From\r\n>>From x\r\n>\r\nFro\r\n\r\n\r\n", i)
		if i%7 == 0 {
			for range 4000 {
				io.WriteString(w, "a line that makes it long, with caf\xe9 and more \x00 of it\r\n")
			}
		}
		w.Close()
	}()
	return r
}

var errCut = errors.New("cut")

// cut ends a source after n messages, as an interruption does.
func cut(from Source, n int) Source {
	return func(ctx context.Context, yield func(*Message) error) error {
		return from(ctx, func(m *Message) error {
			if n--; n < 0 {
				return errCut
			}
			return yield(m)
		})
	}
}

// files writes files below a new folder.
func files(t *testing.T, all map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range all {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if content == "/" {
			content = ""
			if err := os.MkdirAll(name, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
