package move

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv/pebble"
)

// Of a message that was imported some hundred bytes stay in memory, while the import goes on: what tells it from others, and a row of
// its folder. It is counted by what the collector leaves, with a store on the disk that keeps little itself.
func TestMemoryOfAnImport(t *testing.T) {
	const (
		warm, more = 800, 2000
		size       = 3000
		perMessage = 1000
	)
	db, err := pebble.Open(t.TempDir(), pebble.Options{CacheBytes: 1 << 20, MemtableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()}), context.Background()}
	t.Cleanup(func() { w.must(db.Close()) })
	w.must(w.store.Create(w.ctx, 1, mailbox.Usage{}))
	used := map[int]uint64{}
	r := w.bring(ident.AccountID(1), func(_ context.Context, yield func(*Message) error) error {
		rng := rand.New(rand.NewPCG(1, 1))
		for n := range warm + more + 1 {
			if n == warm || n == warm+more {
				used[n] = inUse()
			}
			m := &Message{Folder: []string{fmt.Sprint("folder", n%3)}, Flags: mailbox.Seen, Keywords: []string{"$Forwarded"}, Received: time.Unix(1e9+int64(n), 0),
				Source: MailboxID{1}.message(uint32(n + 1)), Body: io.LimitReader(noise{rng}, size)}
			if n%1000 == 799 {
				m.Body = io.LimitReader(noise{rng}, 2<<20)
			}
			if err := yield(m); err != nil {
				return err
			}
		}
		return nil
	})
	if grown := int64(used[warm+more]) - int64(used[warm]); r.Added != warm+more+1 || grown > more*perMessage {
		t.Errorf("%d messages were brought; %d of them take %d bytes each", r.Added, more, grown/more)
	}
	t.Logf("%d bytes in use for each message", (int64(used[warm+more])-int64(used[warm]))/more)
	if used[warm] > 40<<20 {
		t.Errorf("%d MB are in use", used[warm]>>20)
	}
}

// inUse is how much memory is: twice collected, since pools keep things for a while.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// noise are letters, without an end.
type noise struct{ rng *rand.Rand }

func (n noise) Read(p []byte) (int, error) {
	var b [8]byte
	for i := range p {
		if i%8 == 0 {
			binary.LittleEndian.PutUint64(b[:], n.rng.Uint64())
		}
		p[i] = "abcdefghijklmnopqrstuvwxyz \r\nABC"[b[i%8]&31]
	}
	return len(p), nil
}
