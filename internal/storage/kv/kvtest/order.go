package kvtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

var orderTests = map[string]func(*testing.T, kv.DB){
	"OrderIsBytewise":       testOrder,
	"Bounds":                testBounds,
	"EarlyEndOfScan":        testScanBreak,
	"RangesStayInOneArea":   testAreas,
	"EmptyRangesAreInvalid": testEmptyRanges,
	"BigScan":               testBigScan,
	"Cursor":                testCursor,
	"CursorRandom":          testCursorRandom,
	"Partitions":            testPartitions,
}

// strangeKeys holds keys of all byte values, of many lengths, and of shared prefixes, in
// order.
func strangeKeys() (keys [][]byte) {
	for c := range 256 {
		x := byte(c)
		keys = append(keys, []byte{x}, []byte{x, 0}, []byte{x, 0, 0}, []byte{x, 0xFF}, []byte{x, 0xFF, 0xFF, 0}, bytes.Repeat([]byte{x}, kv.MaxKey))
	}
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal)
}

func testOrder(t *testing.T, db kv.DB) {
	keys := strangeKeys()
	shuffled := slices.Clone(keys)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(keys), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	update(t, db, part, func(tx kv.Tx) error {
		for _, k := range shuffled {
			if err := tx.Set(k, k[:1]); err != nil {
				return err
			}
		}
		wantKeys(t, tx, keys)
		return nil
	})
	view(t, db, part, func(r kv.Reader) error {
		wantKeys(t, r, keys)
		return nil
	})
}

func wantKeys(t *testing.T, r kv.Reader, keys [][]byte) {
	t.Helper()
	for _, reverse := range []bool{false, true} {
		var got [][]byte
		for _, area := range [][2][]byte{{nil, recordsEnd}, {recordsEnd, bulkEnd}} {
			var part [][]byte
			for p, err := range r.Scan(kv.Range{Lo: area[0], Hi: area[1], Reverse: reverse}) {
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(p.Value, p.Key[:1]) {
					t.Errorf("key %x has value %x", p.Key, p.Value)
				}
				part = append(part, bytes.Clone(p.Key))
			}
			if reverse {
				slices.Reverse(part)
			}
			got = append(got, part...)
		}
		if !slices.EqualFunc(got, keys, bytes.Equal) {
			t.Errorf("scanning (reverse %v) gave %d keys, want these %d in order", reverse, len(got), len(keys))
		}
	}
	for _, k := range keys {
		if v, ok, err := r.Get(k); !ok || err != nil || !bytes.Equal(v, k[:1]) {
			t.Errorf("Get %x: %x, %v, %v", k, v, ok, err)
		}
	}
}

func testBounds(t *testing.T, db kv.DB) {
	for _, k := range []string{"a", "b", "b\x00", "ba", "c"} {
		set(t, db, part, k, "1")
	}
	set(t, db, part-1, "b", "other")
	set(t, db, part+1, "b", "other")
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("c"), "a=1", "b=1", "b\x00=1", "ba=1")
		wantList(t, r, b("b"), b("b\x00"), "b=1")
		wantList(t, r, b("b\x00"), b("bb"), "b\x00=1", "ba=1")
		wantList(t, r, b("bb"), b("c\x00"), "c=1")
		wantList(t, r, nil, recordsEnd, "a=1", "b=1", "b\x00=1", "ba=1", "c=1")
		wantList(t, r, b("d"), b("e"))
		wantList(t, r, recordsEnd, bulkEnd)
		if got := fmt.Sprint(list(t, r, b("b"), b("c"), true)); got != fmt.Sprint([]string{"ba=1", "b\x00=1", "b=1"}) {
			t.Errorf("in reverse came %q", got)
		}
		return nil
	})
}

func testScanBreak(t *testing.T, db kv.DB) {
	for _, k := range []string{"a", "b", "c"} {
		set(t, db, part, k, "1")
	}
	update(t, db, part, func(tx kv.Tx) error {
		for range 3 { // an abandoned scan harms no other
			for p, err := range tx.Scan(kv.Range{Lo: b("a"), Hi: b("z")}) {
				if err != nil || string(p.Key) != "a" {
					t.Errorf("first is %q, %v", p.Key, err)
				}
				break
			}
		}
		return tx.Delete(b("a"))
	})
	view(t, db, part, func(r kv.Reader) error {
		for outer, err := range r.Scan(kv.Range{Lo: b("a"), Hi: b("z")}) { // scans can be nested
			if err != nil {
				return err
			}
			if n := len(list(t, r, outer.Key, b("z"), false)); n != int('d'-outer.Key[0]) {
				t.Errorf("from %q on are %d", outer.Key, n)
			}
		}
		return nil
	})
}

func testAreas(t *testing.T, db kv.DB) {
	below, first, last := b("\xEF\xFF"), bulk(""), b("\xFF\xFF")
	update(t, db, part, func(tx kv.Tx) error {
		for _, k := range [][]byte{b("a"), below, first, last} {
			if err := tx.Set(k, b("1")); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), recordsEnd, "a=1", string(below)+"=1")
		wantList(t, r, first, bulkEnd, string(first)+"=1", string(last)+"=1")
		wantKind(t, "Scan across areas", scanError(r, b("a"), bulk("\x00")), fault.Invalid)
		wantKind(t, "Scan across areas", scanError(r, nil, bulkEnd), fault.Invalid)
		_, err := r.Cursor(b("a"), bulk("b"))
		wantKind(t, "Cursor across areas", err, fault.Invalid)
		return nil
	})
	err := db.Update(t.Context(), part, func(tx kv.Tx) error {
		wantKind(t, "DeleteRange across areas", tx.DeleteRange(b("a"), bulkEnd), fault.Invalid)
		return nil
	})
	wantKind(t, "the transaction of a refused DeleteRange", err, fault.Invalid)
	update(t, db, part, func(tx kv.Tx) error { return tx.DeleteRange(b("a"), recordsEnd) })
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, nil, recordsEnd)
		wantList(t, r, recordsEnd, bulkEnd, string(first)+"=1", string(last)+"=1")
		return nil
	})
	update(t, db, part, func(tx kv.Tx) error { return tx.DeleteRange(recordsEnd, last) })
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, recordsEnd, bulkEnd, string(last)+"=1")
		return nil
	})
}

func testEmptyRanges(t *testing.T, db kv.DB) {
	view(t, db, part, func(r kv.Reader) error {
		wantKind(t, "Scan of nothing", scanError(r, b("b"), b("b")), fault.Invalid)
		wantKind(t, "Scan backwards", scanError(r, b("c"), b("b")), fault.Invalid)
		wantKind(t, "Scan without an end", scanError(r, b("c"), nil), fault.Invalid)
		_, err := r.Cursor(b("c"), b("b"))
		wantKind(t, "Cursor on nothing", err, fault.Invalid)
		return nil
	})
	_ = db.Update(t.Context(), part, func(tx kv.Tx) error {
		wantKind(t, "DeleteRange of nothing", tx.DeleteRange(b("b"), b("b")), fault.Invalid)
		return nil
	})
}

func testBigScan(t *testing.T, db kv.DB) {
	const n = 20_000
	value := bytes.Repeat([]byte("v"), 300)
	for i := 0; i < n; i += 2000 {
		update(t, db, part, func(tx kv.Tx) error {
			for j := i; j < i+2000; j++ {
				if err := tx.Set(fmt.Appendf(nil, "r%08d", j), value); err != nil {
					return err
				}
			}
			return nil
		})
	}
	view(t, db, part, func(r kv.Reader) error {
		i := 0
		for p, err := range r.Scan(kv.Range{Lo: b("r"), Hi: b("s")}) {
			if want := fmt.Sprintf("r%08d", i); err != nil || string(p.Key) != want || !bytes.Equal(p.Value, value) {
				t.Fatalf("got %q, %v, want %q", p.Key, err, want)
			}
			i++
		}
		if i != n {
			t.Errorf("%d records, want %d", i, n)
		}
		return nil
	})
}

func testCursor(t *testing.T, db kv.DB) {
	for _, k := range []string{"a", "c", "e", "g"} {
		set(t, db, part, k, k+k)
	}
	set(t, db, part+1, "d", "other")
	use := func(r kv.Reader) error {
		c, err := r.Cursor(b("b"), b("g"))
		if err != nil {
			return err
		}
		at := func(p kv.Pair, ok bool, err error) string {
			if err != nil {
				t.Error(err)
			}
			if !ok {
				return "end"
			}
			return string(p.Key) + "=" + string(p.Value)
		}
		steps := []string{at(c.Seek(b("b"))), at(c.Seek(b("c"))), at(c.Next()), at(c.Next()), at(c.Seek(b("d"))), at(c.Seek(b("f")))}
		if want := []string{"c=cc", "c=cc", "e=ee", "end", "e=ee", "end"}; !slices.Equal(steps, want) {
			t.Errorf("the cursor went over %q, want %q", steps, want)
		}
		if got := at(c.Seek(b("a"))); got != "c=cc" {
			t.Errorf("seeking below the cursor's bound gave %s, want its first key", got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		return nil
	}
	view(t, db, part, use)
	update(t, db, part, func(tx kv.Tx) error { return use(tx) })
}

func testCursorRandom(t *testing.T, db kv.DB) {
	rng := rand.New(rand.NewPCG(3, 4))
	var keys []string
	update(t, db, part, func(tx kv.Tx) error {
		for i := 0; i < 5000; i += 1 + rng.IntN(20) {
			keys = append(keys, fmt.Sprintf("\xF1%05d", i))
			if err := tx.Set(b(keys[len(keys)-1]), nil); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, part, func(r kv.Reader) error {
		c, err := r.Cursor(b("\xF1"), b("\xF2"))
		if err != nil {
			return err
		}
		for i := 0; i < 5000; i += rng.IntN(100) {
			want := fmt.Sprintf("\xF1%05d", i)
			at, _ := slices.BinarySearch(keys, want)
			p, ok, err := c.Seek(b(want))
			if err != nil || ok != (at < len(keys)) || ok && string(p.Key) != keys[at] {
				t.Fatalf("Seek %q: %q, %v, %v", want, p.Key, ok, err)
			}
		}
		return nil // the cursor is left open: the view's end closes it
	})
}

func testPartitions(t *testing.T, db kv.DB) {
	list := func(from, to kv.Partition) []kv.Partition {
		t.Helper()
		ps, err := db.Partitions(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		return ps
	}
	const last = ^kv.Partition(0)
	if got := list(0, last); len(got) != 0 {
		t.Errorf("an empty store has partitions %v", got)
	}
	all := []kv.Partition{0, 1, 2, 255, 256, 1 << 40, last - 1, last}
	for i, p := range all {
		key := "a"
		if i%2 == 1 {
			key = "\xF0a" // a partition may have bulk keys only
		}
		set(t, db, p, key, "1")
		set(t, db, p, key+"b", "1")
	}
	for i := range all {
		for j := i; j < len(all); j++ {
			if got := list(all[i], all[j]); !slices.Equal(got, all[i:j+1]) {
				t.Errorf("between %d and %d are %v", all[i], all[j], got)
			}
		}
	}
	if got := list(3, 254); len(got) != 0 {
		t.Errorf("between 3 and 254 are %v", got)
	}
	if got := list(5, 2); len(got) != 0 {
		t.Errorf("from 5 to 2 are %v", got)
	}
	update(t, db, 255, func(tx kv.Tx) error { return tx.DeleteRange(bulk(""), bulkEnd) })
	if got := list(2, 256); !slices.Equal(got, []kv.Partition{2, 256}) {
		t.Errorf("after 255 was emptied there are %v", got)
	}
}
