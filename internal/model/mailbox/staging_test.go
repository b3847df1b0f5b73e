package mailbox

import (
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
)

// large is the text of a message that is staged.
func large() string { return strings.Repeat("0123456789abcdef\r\n", blob.MaxPut/18+1) }

// TestFailedAppendsLeaveNothing: else whoever may append could fill the disk without a limit.
func TestFailedAppendsLeaveNothing(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	u := w.add(in, 1)
	bad := Append{Content: w.content(large()), Keywords: []string{"no good"}}
	_, err := w.me.Append(w.ctx, in, bad)
	w.fails(fault.Invalid, err)
	_, err = w.me.Replace(w.ctx, in, u[0], bad)
	w.fails(fault.Invalid, err)
	_, err = w.me.Replace(w.ctx, in, 99, Append{Content: w.content(large())})
	w.fails(fault.NotFound, err)
	if n := w.staged(); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// TestUnstagingSparesWhatIsReferredTo: a failure may be one of hearing of the outcome.
func TestUnstagingSparesWhatIsReferredTo(t *testing.T) {
	w := newWorld(t)
	w.must(w.append1(w.inbox(), large()))
	r := w.view(w.inbox()).At(0)
	w.me.a.unstage(w.ctx, []ContentID{0, r.Content})
	if w.body(r) != large() {
		t.Error("the bytes are gone")
	}
}

func TestStagingTooSlow(t *testing.T) {
	w := newWorld(t)
	c := w.content(large())
	id, err := w.me.a.stage(w.ctx, c)
	w.must(err)
	w.now = w.now.Add(stagingTime + time.Second)
	w.must(w.store.Tidy(w.ctx, ann))
	err = w.me.a.update(w.ctx, func(t *txn) error {
		f, err := t.folder(w.inbox())
		if err != nil {
			return err
		}
		_, err = t.append(f, &Append{Content: c}, id, AllRights)
		return err
	})
	w.fails(fault.Unavailable, err)
}

// TestManyMessagesAtOnce are more than a transaction of the kv takes.
func TestManyMessagesAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.content(strings.Repeat("x", blob.MaxPut))
	items := make([]Append, 70)
	for i := range items {
		items[i].Content = c
	}
	_, err := w.me.Append(w.ctx, w.inbox(), items...)
	w.must(err)
	if f := w.role(Inbox); f.Items != 70 || f.Bytes != 70*blob.MaxPut {
		t.Errorf("%+v", f)
	}
}

// TestReplaceNeedsRoomForTheDifference: a draft is saved again although there is no room for it twice.
func TestReplaceNeedsRoomForTheDifference(t *testing.T) {
	w := newWorld(t)
	id := w.role(Drafts).ID
	w.must(w.append1(id, large()))
	size := int64(len(large()))
	w.must(w.store.SetLimit(w.ctx, ann, Usage{Bytes: size + 1, Items: 1}))
	done, err := w.me.Replace(w.ctx, id, 1, Append{Content: w.content(large() + "1")})
	w.must(err)
	_, err = w.me.Replace(w.ctx, id, done.UID, Append{Content: w.content(large() + "12")})
	w.fails(fault.OverQuota, err)
	w.fails(fault.Invalid, w.store.SetLimit(w.ctx, ann, Usage{Items: -1}))
	w.fails(fault.Invalid, w.store.Create(w.ctx, bob, Usage{Bytes: -1}))
}

func TestBagsOfNewItems(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	put := func(bag map[string][]byte) *Row {
		t.Helper()
		done, err := w.me.Append(w.ctx, in, Append{Content: w.content("x"), Bag: bag})
		w.must(err)
		v := w.view(in)
		i, _ := v.Find(done[0].UID)
		return v.At(i)
	}
	if put(map[string][]byte{"a": nil}).hasBag {
		t.Error("an empty bag is kept")
	}
	r := put(map[string][]byte{"a": []byte("1"), "b": []byte("2")})
	_, err := w.me.Append(w.ctx, in, Append{Content: w.content("x"), Bag: map[string][]byte{"a": make([]byte, MaxBag)}})
	w.fails(fault.TooLarge, err)

	done, err := w.me.Replace(w.ctx, in, r.UID, Append{Content: w.content("y")})
	w.must(err)
	if b, err := w.me.Bag(w.ctx, r.ID); err != nil || b.Content != r.Content || len(b.Props) != 2 {
		t.Errorf("new content alone leaves the bag as it is, of the old content: %+v %v", b, err)
	}
	_, err = w.me.Replace(w.ctx, in, done.UID, Append{Content: w.content("z"), Bag: map[string][]byte{"a": nil, "c": {3}}})
	w.must(err)
	v := w.view(in)
	now := v.At(v.Len() - 1)
	b, err := w.me.Bag(w.ctx, r.ID)
	w.must(err)
	if b.Content != now.Content || len(b.Props) != 2 || b.Props["a"] != nil || b.Props["c"] == nil {
		t.Errorf("%+v for content %d", b, now.Content)
	}
}

func TestWaitingTwice(t *testing.T) {
	w := newWorld(t)
	p, err := w.me.SubmitAppend(w.ctx, w.inbox(), Append{Content: w.content("x")})
	w.must(err)
	before := w.me.a.refs
	for range 2 {
		if done, err := p.Wait(); err != nil || len(done) != 1 {
			t.Errorf("%v %v", done, err)
		}
	}
	if w.me.a.refs != before-1 {
		t.Errorf("%d uses of the account, then %d", before, w.me.a.refs)
	}
}
