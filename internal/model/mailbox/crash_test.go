package mailbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv/pebble"
)

// TestPowerCut cuts the power at many moments while several writers append, flag, move and
// expunge, keeps a random part of what was not synced, and looks: what
// was acknowledged is there once, with its bytes, and nothing contradicts itself.
func TestPowerCut(t *testing.T) {
	cuts := 40
	if testing.Short() {
		cuts = 8
	}
	for seed := range cuts {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { powerCut(t, uint64(seed)) })
	}
}

// acked is what the writers were told.
type acked struct {
	sync.Mutex
	there map[ItemID]string // text
	gone  map[ItemID]bool   // was acknowledged as expunged
	asked map[ItemID]bool   // may be gone
}

func powerCut(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewCrashableMem()
	store, db := openCrashable(t, fs)
	ctx := context.Background()
	if err := store.Create(ctx, ann, Usage{}); err != nil {
		t.Fatal(err)
	}
	ack := &acked{there: map[ItemID]string{}, gone: map[ItemID]bool{}, asked: map[ItemID]bool{}}
	told := ack.copy()
	var after *vfs.MemFS
	var wg sync.WaitGroup
	for wr := range 4 {
		wg.Go(func() {
			writer(t, store, ack, fmt.Sprintf("%d-%d", seed, wr), func(i int) {
				if wr == 0 && i == int(seed)%20+2 { // the moment of the cut
					told = ack.copy()
					after = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				}
			})
		})
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	store, db = openCrashable(t, after)
	defer db.Close()
	verify(t, store, told)
}

func openCrashable(t *testing.T, fs vfs.FS) (*Store, *pebble.DB) {
	t.Helper()
	db, err := pebble.Open("db", pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return NewStore(db, Options{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, KeepErased: time.Hour}), db
}

func (a *acked) copy() *acked {
	a.Lock()
	defer a.Unlock()
	c := &acked{there: map[ItemID]string{}, gone: map[ItemID]bool{}, asked: map[ItemID]bool{}}
	for k, v := range a.there {
		c.there[k] = v
	}
	for k := range a.gone {
		c.gone[k] = true
	}
	for k := range a.asked {
		c.asked[k] = true
	}
	return c
}

// writer appends, and flags, moves and expunges some of its own.
func writer(t *testing.T, store *Store, ack *acked, name string, step func(int)) {
	ctx := context.Background()
	s, err := store.Open(ctx, ann, ident.System())
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	in, _ := s.FolderByRole(Inbox)
	to, _ := s.FolderByRole(Archive)
	for i := range 25 {
		text := fmt.Sprintf("Subject: %s %d\r\n%s\r\n%0*d\r\n", name, i, trace(i), 1<<(i%16), i)
		done, err := appendText(ctx, store, s, in.ID, text, 1+i%3)
		if err != nil {
			t.Error(err)
			return
		}
		ack.Lock()
		for _, d := range done {
			ack.there[d.ID] = text
		}
		ack.Unlock()
		if err := rework(ctx, s, ack, i, in.ID, to.ID, done[0]); err != nil {
			t.Error(err)
		}
		if i%7 == 3 {
			if err := store.Index(ctx, ann, true); err != nil {
				t.Error(err)
			}
		}
		step(i)
	}
}

// appendText appends a message so many times at once.
func appendText(ctx context.Context, store *Store, s *Session, to FolderID, text string, times int) ([]Appended, error) {
	w := store.NewContent()
	w.Write([]byte(text))
	c, err := w.Finish()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return s.Append(ctx, to, slices.Repeat([]Append{{Content: c}}, times)...)
}

func rework(ctx context.Context, s *Session, ack *acked, i int, in, to FolderID, d Appended) error {
	switch i % 4 {
	case 1:
		_, err := s.SetFlags(ctx, in, FlagChange{UIDs: []UID{d.UID}, Flags: Seen})
		return err
	case 2:
		_, _, err := s.Move(ctx, in, []UID{d.UID}, to)
		return err
	case 3:
		ack.Lock()
		ack.asked[d.ID] = true
		ack.Unlock()
		if _, err := s.Expunge(ctx, in, []UID{d.UID}, false); err != nil {
			return err
		}
		ack.Lock()
		ack.gone[d.ID] = true
		ack.Unlock()
	}
	return nil
}

func verify(t *testing.T, store *Store, told *acked) {
	t.Helper()
	ctx := context.Background()
	problems, err := store.Check(ctx, ann)
	if err != nil || len(problems) > 0 {
		t.Errorf("after the crash: %v %v", problems, err)
	}
	s, err := store.Open(ctx, ann, ident.System())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for id, text := range told.there {
		folder, uid, err := s.Find(ctx, id)
		switch {
		case told.gone[id] && err == nil:
			t.Errorf("item %d came back", id)
		case told.asked[id]:
		case err != nil:
			t.Errorf("item %d was acknowledged: %v", id, err)
		default:
			sameText(t, s, folder, uid, text)
		}
	}
}

func sameText(t *testing.T, s *Session, folder FolderID, uid UID, text string) {
	t.Helper()
	v, err := s.View(context.Background(), folder)
	if err != nil {
		t.Fatal(err)
	}
	i, ok := v.Find(uid)
	if !ok {
		t.Errorf("UID %d is not in its folder", uid)
		return
	}
	err = s.Read(context.Background(), func(b *Batch) error {
		got, err := b.AppendContent(nil, v.At(i), 0, 1<<20)
		if string(got) != text {
			t.Errorf("UID %d has other bytes", uid)
		}
		if err != nil {
			return err
		}
		rec, err := b.Summary(v.At(i))
		if !strings.HasPrefix(text, string(rec.Header())) || len(rec.Header()) == 0 {
			t.Errorf("UID %d has another header", uid)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
