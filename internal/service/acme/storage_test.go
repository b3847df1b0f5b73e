package acme

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
)

func TestStorageIsAFileSystem(t *testing.T) {
	var c clock
	s, ctx := NewStorage(openDB(t), c.now), t.Context()
	for _, path := range []string{"a/b/c.crt", "a/b/c.key", "a/bb", "a.x", "z"} {
		if err := s.Store(ctx, path, []byte("is "+path)); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := s.Load(ctx, "a/b/c.crt"); err != nil || string(b) != "is a/b/c.crt" {
		t.Error(string(b), err)
	}
	for _, path := range []string{"a", "a/b", "a/b/", "none", "", strings.Repeat("x", 5000)} {
		if _, err := s.Load(ctx, path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.10q: %v", path, err)
		}
	}
	for path, want := range map[string]bool{"a": true, "a/b": true, "a/b/c.crt": true, "a/bb": true, "b": false, "a/b/c": false} {
		if s.Exists(ctx, path) != want {
			t.Errorf("%s exists: %v", path, !want)
		}
	}
	if i, err := s.Stat(ctx, "a/bb"); err != nil || !i.IsTerminal || i.Size != 7 || time.Since(i.Modified).Abs() > time.Hour {
		t.Error(i, err)
	}
	if i, err := s.Stat(ctx, "a"); err != nil || i.IsTerminal {
		t.Error(i, err)
	}
	for _, l := range []struct {
		path      string
		recursive bool
		want      []string
	}{
		{"", false, []string{"a", "a.x", "z"}}, {"a", false, []string{"a/b", "a/bb"}}, {"a/", false, []string{"a/b", "a/bb"}},
		{"a", true, []string{"a/b", "a/b/c.crt", "a/b/c.key", "a/bb"}}, {"a/b", true, []string{"a/b/c.crt", "a/b/c.key"}},
	} {
		got, err := s.List(ctx, l.path, l.recursive)
		if d := cmp.Diff(l.want, sorted(got)); d != "" || err != nil {
			t.Errorf("%q recursive %v: %v %s", l.path, l.recursive, err, d)
		}
	}
	if _, err := s.List(ctx, "none", true); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, path := range []string{"a/b", "none", "z"} {
		if err := s.Delete(ctx, path); err != nil {
			t.Error(err)
		}
	}
	if got, err := s.List(ctx, "", true); err != nil || !cmp.Equal(sorted(got), []string{"a", "a.x", "a/bb"}) {
		t.Error(got, err)
	}
	for _, path := range []string{"", strings.Repeat("x", maxPath+1)} {
		if err := s.Store(ctx, path, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.10q: %v", path, err)
		}
	}
	if err := s.Store(ctx, strings.Repeat("x", maxPath), nil); err != nil {
		t.Error(err)
	}
}

func sorted(s []string) []string {
	out := append([]string(nil), s...)
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

// A lock is held by one at a time; it can be let go of by its holder alone, and is free when its lease has run out.
func TestLocks(t *testing.T) {
	var c clock
	db, ctx := openDB(t), t.Context()
	a, b := NewStorage(db, c.now), NewStorage(db, c.now)
	if err := a.Lock(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if err := b.Lock(ctx, "y"); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Lock(ended, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := b.Unlock(ctx, "x"); !fault.Is(err, fault.Conflict) {
		t.Errorf("somebody else let go of it: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- b.Lock(ctx, "x") }()
	if err := a.Unlock(ended, "x"); err != nil { // also when all is about to end
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if err := b.RenewLockLease(ctx, "x", 2*lease); err != nil {
		t.Error(err)
	}
	c.advance(lease + time.Second)
	if err := a.Lock(ended, "x"); err == nil {
		t.Error("taken before the lease has run out")
	}
	c.advance(lease)
	if err := a.Lock(ctx, "x"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"let go": b.Unlock(ctx, "x"), "renewed": b.RenewLockLease(ctx, "x", lease)} {
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("%s what it had lost: %v", name, err)
		}
	}
	if err := a.Unlock(ctx, "x"); err != nil {
		t.Error(err)
	}
}
