package smtp

import (
	"context"
	"io"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/service/policy"
	"postroad/internal/storage/kv/pebble"
)

// ReadAt and Size let policies look at a message.
func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(c.Len()) {
		return 0, io.EOF
	}
	n := copy(p, c.Bytes()[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *content) Size() int64 { return int64(c.Len()) }

// noPolicies is an empty book.
func noPolicies(t testing.TB) *policy.Book {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := policy.Open(context.Background(), db, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// addPolicy reads the words of a transcript.
func addPolicy(t testing.TB, b *policy.Book, words []string) {
	t.Helper()
	kind, _ := policy.KindOf(words[0])
	p, ok := policy.Policy{Kind: kind, Pattern: words[1]}, false
	if kind == policy.Size {
		p.Pattern = ""
		p.MaxBytes, _ = strconv.ParseInt(words[1], 10, 64)
		p.Direction, ok = policy.DirectionOf(words[2])
	} else {
		p.Action, ok = policy.ActionOf(words[2])
	}
	if len(words) > 3 {
		p.Domain = words[3]
	}
	if _, err := b.Add(context.Background(), p); err != nil || !ok {
		t.Fatalf("%v: %v", words, err)
	}
}
