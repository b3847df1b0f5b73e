package kvtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/storage/kv"
)

// testModel does random things to a store and to plain maps, and compares.
func testModel(t *testing.T, open func(testing.TB) kv.DB) {
	db := open(t)
	base := kv.Partition(0) // each check has partitions of its own
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: rt, db: db, base: base, parts: make([]map[string]string, 3)}
		base += kv.Partition(len(m.parts))
		for i := range m.parts {
			m.parts[i] = map[string]string{}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"update": m.update,
			"view":   m.view,
			"reopen": m.reopen,
			"":       func(*rapid.T) {},
		})
		for p := range m.parts {
			m.compare(rt, p)
		}
	})
}

type model struct {
	t     *rapid.T
	db    kv.DB
	base  kv.Partition
	parts []map[string]string
}

func (m *model) part(t *rapid.T) int { return rapid.IntRange(0, len(m.parts)-1).Draw(t, "partition") }

// area draws a key prefix.
func area(t *rapid.T) string { return rapid.SampledFrom([]string{"", "\xF0"}).Draw(t, "area") }

var letters = []string{"\x00", "a", "b", "\xEF"}

// key draws a key of few, often shared, letters.
func key(t *rapid.T, area string) string {
	k := area + strings.Join(rapid.SliceOfN(rapid.SampledFrom(letters), 0, 3).Draw(t, "key"), "")
	if k == "" {
		return "a"
	}
	return k
}

func value(t *rapid.T) string {
	n := rapid.SampledFrom([]int{0, 1, 10, 600, 5000}).Draw(t, "size")
	return strings.Repeat(rapid.SampledFrom(letters).Draw(t, "value"), n)
}

// bounds draws a range of an area.
func bounds(t *rapid.T) (lo, hi string) {
	a := area(t)
	lo, hi = key(t, a), key(t, a)
	switch {
	case lo > hi:
		lo, hi = hi, lo
	case lo == hi:
		hi += "\x00"
	}
	return lo, hi
}

var errRollback = errors.New("rolled back")

func (m *model) update(t *rapid.T) {
	p := m.part(t)
	next := maps.Clone(m.parts[p])
	n := rapid.IntRange(0, 10).Draw(t, "operations")
	rollback := rapid.IntRange(0, 4).Draw(t, "rollback") == 0
	body := func(tx kv.Tx) error {
		for range n {
			step(t, tx, next)
		}
		if rollback {
			return errRollback
		}
		return nil
	}
	var err error
	if rapid.Bool().Draw(t, "lazy") {
		err = m.db.SubmitLazy(context.Background(), m.base+kv.Partition(p), body)
	} else {
		err = m.db.Update(context.Background(), m.base+kv.Partition(p), body)
	}
	switch {
	case rollback && err == errRollback:
	case !rollback && err == nil:
		m.parts[p] = next
	default:
		t.Fatalf("update: %v", err)
	}
}

// step does one thing to both.
func step(t *rapid.T, tx kv.Tx, want map[string]string) {
	var err error
	switch rapid.SampledFrom([]string{"set", "set", "delete", "deleteRange", "read"}).Draw(t, "step") {
	case "set":
		k, v := key(t, area(t)), value(t)
		err = tx.Set([]byte(k), []byte(v))
		want[k] = v
	case "delete":
		k := key(t, area(t))
		err = tx.Delete([]byte(k))
		delete(want, k)
	case "deleteRange":
		lo, hi := bounds(t)
		err = tx.DeleteRange([]byte(lo), []byte(hi))
		maps.DeleteFunc(want, func(k, _ string) bool { return lo <= k && k < hi })
	case "read":
		read(t, tx, want)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) view(t *rapid.T) {
	p := m.part(t)
	err := m.db.View(context.Background(), m.base+kv.Partition(p), func(r kv.Reader) error {
		for range rapid.IntRange(1, 4).Draw(t, "reads") {
			read(t, r, m.parts[p])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read looks at both in one way, and compares.
func read(t *rapid.T, r kv.Reader, want map[string]string) {
	switch rapid.SampledFrom([]string{"get", "scan", "cursor"}).Draw(t, "read") {
	case "get":
		k := key(t, area(t))
		v, ok, err := r.Get([]byte(k))
		if w, wantOK := want[k]; err != nil || ok != wantOK || string(v) != w {
			t.Fatalf("Get %q: %.20q, %v, %v, want %.20q, %v", k, v, ok, err, w, wantOK)
		}
	case "scan":
		lo, hi := bounds(t)
		reverse := rapid.Bool().Draw(t, "reverse")
		compareScan(t, r, want, lo, hi, reverse)
	case "cursor":
		readCursor(t, r, want)
	}
}

// between lists the keys of a range in order.
func between(want map[string]string, lo, hi string) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if lo <= k && k < hi {
			keys = append(keys, k)
		}
	}
	return keys
}

func compareScan(t *rapid.T, r kv.Reader, want map[string]string, lo, hi string, reverse bool) {
	keys := between(want, lo, hi)
	if reverse {
		slices.Reverse(keys)
	}
	i := 0
	for p, err := range r.Scan(kv.Range{Lo: []byte(lo), Hi: []byte(hi), Reverse: reverse}) {
		if err != nil || i == len(keys) || string(p.Key) != keys[i] || string(p.Value) != want[keys[i]] {
			t.Fatalf("Scan %q to %q (reverse %v): step %d is %q=%.20q, %v, want keys %q", lo, hi, reverse, i, p.Key, p.Value, err, keys)
		}
		i++
	}
	if i != len(keys) {
		t.Fatalf("Scan %q to %q (reverse %v): %d keys, want %q", lo, hi, reverse, i, keys)
	}
}

func readCursor(t *rapid.T, r kv.Reader, want map[string]string) {
	lo, hi := bounds(t)
	c, err := r.Cursor([]byte(lo), []byte(hi))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	keys := between(want, lo, hi)
	seek, at := lo, -1
	for range rapid.IntRange(1, 5).Draw(t, "seeks") {
		var p kv.Pair
		var ok bool
		if at >= 0 && at < len(keys) && rapid.Bool().Draw(t, "next") {
			at++
			p, ok, err = c.Next()
		} else {
			seek = max(seek, key(t, lo[:min(1, len(lo))][:bulkLen(lo)]))
			at, _ = slices.BinarySearch(keys, seek)
			p, ok, err = c.Seek([]byte(seek))
		}
		if err != nil || ok != (at < len(keys)) || ok && (string(p.Key) != keys[at] || string(p.Value) != want[keys[at]]) {
			t.Fatalf("cursor %q to %q at %d: %q, %v, %v, want keys %q", lo, hi, at, p.Key, ok, err, keys)
		}
	}
}

// bulkLen is the length of k's area prefix.
func bulkLen(k string) int {
	if k[0] >= kv.BulkPrefix {
		return 1
	}
	return 0
}

func (m *model) reopen(t *rapid.T) {
	if r, ok := m.db.(Reopener); ok && rapid.IntRange(0, 9).Draw(t, "really") == 0 {
		if err := r.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
}

// compare reads a whole partition.
func (m *model) compare(t *rapid.T, p int) {
	err := m.db.View(context.Background(), m.base+kv.Partition(p), func(r kv.Reader) error {
		got, err := All(r)
		if err != nil {
			return err
		}
		if !maps.Equal(got, m.parts[p]) {
			return fmt.Errorf("partition %d holds %d keys, want %d, or other ones", p, len(got), len(m.parts[p]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// All reads a whole partition, both areas.
func All(r kv.Reader) (map[string]string, error) {
	all := map[string]string{}
	for _, area := range [][2][]byte{{nil, recordsEnd}, {recordsEnd, bytes.Clone(bulkEnd)}} {
		for p, err := range r.Scan(kv.Range{Lo: area[0], Hi: area[1]}) {
			if err != nil {
				return nil, err
			}
			all[string(p.Key)] = string(p.Value)
		}
	}
	return all, nil
}
