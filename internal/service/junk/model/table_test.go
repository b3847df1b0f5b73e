package model

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/service/junk/features"
)

// TestFind: a mark is found where it stands first, and nowhere if it isn't there.
func TestFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bucket, mark := rapid.Uint64().Draw(t, "bucket"), rapid.Uint32Range(0, 255).Draw(t, "mark")
		want := 0
		for want < ways && uint32(bucket>>(want*cellBits)&cellMask) != mark {
			want++
		}
		if got := find(bucket, mark); got != want {
			t.Fatalf("%d, not %d", got, want)
		}
		weight := 0
		if want < ways {
			weight = weightOf(bucket, want)
		}
		if got := said(bucket, mark); got != weight {
			t.Fatalf("it says %d, not %d", got, weight)
		}
	})
}

// TestSteps: what always comes with junk has a weight that grows more and more slowly, also where single steps are less than a unit, and one that was
// learned for long moves less than a new one.
func TestSteps(t *testing.T) {
	var y table
	y.ready()
	var s features.Set
	for n := range 300 {
		s = append(s, word(features.Word, n))
	}
	mean := func() (sum float64) {
		for _, f := range s {
			sum += float64(y.weight(f)) / unit / float64(len(s))
		}
		return sum
	}
	want, squares := 0.0, 0.0
	for n := range 200 {
		gradient := -0.1
		squares += gradient * gradient
		want += rate * -gradient / math.Sqrt(squares)
		for _, f := range s {
			y.learn(f, gradient, chances(n))
		}
		if got := mean(); math.Abs(got-min(want, maxWeight/unit)) > 0.15*want+0.1 {
			t.Fatalf("after %d steps %.3f, not %.3f", n+1, got, want)
		}
		if want > maxWeight/unit*0.8 {
			break
		}
	}
	before := mean()
	for _, f := range s {
		y.learn(f, 0.1, 1000)
	}
	if step := before - mean(); step > 0.4 || step <= 0 {
		t.Errorf("a step of %.2f after many", step)
	}
}

// TestFull: what comes often keeps its place, however much comes once; but not for ever. All of it is in a fortieth of the table.
func TestFull(t *testing.T) {
	var y table
	y.ready()
	next := uint32(0)
	another := func() uint32 {
		for next++; ; next++ {
			if at, _ := place(next); at < buckets/40 {
				return next
			}
		}
	}
	features := func(n int) (s features.Set) {
		for range n {
			s = append(s, another())
		}
		return s
	}
	often := features(30)
	for n := range 5 {
		for _, f := range often {
			y.learn(f, -0.1, chances(n))
		}
	}
	there := func() (n int) {
		for _, f := range often {
			if y.weight(f) > unit {
				n++
			}
		}
		return n
	}
	for n, f := range features(5000) {
		y.learn(f, 0.1, chances(n))
	}
	if n := there(); n < 27 {
		t.Errorf("of 30 features that were seen five times %d are there", n)
	}
	others := features(4000)
	for n := range 15 {
		for _, f := range others {
			y.learn(f, 0.1, chances(n))
		}
	}
	if n := there(); n > 27 {
		t.Errorf("%d of 30 are there for ever", n)
	}
	if y.used() > ways*buckets/40 {
		t.Error("more cells than there are")
	}
}

// TestFade: weights fade, on average by what they should, small ones too.
func TestFade(t *testing.T) {
	var y table
	y.ready()
	sum := func() (sum int) {
		for _, bucket := range y.cells {
			for cell := range ways {
				sum += weightOf(bucket, cell)
			}
		}
		return sum
	}
	for n := range 20_000 {
		y.learn(word(features.Word, n), -0.1, 1)
	}
	before := float64(sum())
	for n := range 10 {
		y.fade(0.96, chances(n))
	}
	if share := float64(sum()) / before; math.Abs(share-math.Pow(0.96, 10)) > 0.03 {
		t.Errorf("%.3f is left, not %.3f", share, math.Pow(0.96, 10))
	}
}

// TestWithoutNotes: where notes are lost, or are another delta's, it still judges the same, and learns on in small steps.
func TestWithoutNotes(t *testing.T) {
	b, d := small(t), &Delta{}
	rnd := rand.New(rand.NewPCG(12, 12))
	for range 50 {
		d.Learn(b, junkAnd(rnd), true)
		d.Learn(b, goodAnd(rnd), false)
	}
	for _, notes := range [][]byte{nil, {notesVersion}, {99, 1, 2}, make([]byte, 5000)} {
		e, err := Decode(d.Encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		e.DecodeNotes(notes)
		s := junkAnd(rnd)
		before := b.Judge(s, e).Logit
		if e.Learn(b, s, true); math.Abs(b.Judge(s, e).Logit-before) > 0.5 || before != b.Judge(s, d).Logit {
			t.Errorf("%.2f became %.2f", before, b.Judge(s, e).Logit)
		}
	}
}

// TestBaseCountsLess: the more an account has learned of both, the less of what the base says is left.
func TestBaseCountsLess(t *testing.T) {
	var d Delta
	if d.leaves() != 1 {
		t.Error("it counts less though nothing was learned")
	}
	d.table.ready()
	for _, x := range []struct {
		junk, good uint32
		most       float64
	}{{0, 1000, 1}, {50, 1000, 0.86}, {1000, 1000, 0.73}} {
		d.junk, d.good = x.junk, x.good
		if got := d.leaves(); got > x.most || got < baseLeft {
			t.Errorf("%d and %d messages leave %.2f", x.junk, x.good, got)
		}
	}
}

// tallied is a record as the version before wrote it, with two cells in its first bucket.
func tallied(junk, good uint64, cells ...uint16) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint([]byte{talliedVersion, 0}, junk), good)
	b = binary.AppendUvarint(append(b, 0), 5) // five weights are 0
	b = append(binary.AppendVarint(b, 700), 99)
	b = binary.AppendUvarint(append(b, 0), talliedSlots-6)
	b = append(b, 0, 2) // a tail
	b = append(binary.AppendUvarint(b, 100), 3)
	b = binary.AppendUvarint(binary.AppendUvarint(b, junk), good)
	for at := 0; at < talliedBuckets; at += 2 {
		if at > 0 {
			b = append(b, 0)
			continue
		}
		b = append(b, 1<<len(cells)-1)
		for _, c := range cells {
			b = binary.BigEndian.AppendUint16(b, c)
		}
	}
	return b
}

// TestEarlierVersion: what features counted as in the version before they weigh now, until the delta is renewed; of those before, how many messages
// were learned is known.
func TestEarlierVersion(t *testing.T) {
	var junky, goodish uint32 // two features of the first bucket
	for n := uint32(1); junky == 0 || goodish == 0; n++ {
		h := uint64(n) * 0xd6e8feb86659fd93
		switch mark := h >> 8 & 1023; {
		case h>>32*talliedBuckets>>32 != 0 || mark == 0:
		case junky == 0:
			junky = n
		case mark&cellMask != uint64(junky)*0xd6e8feb86659fd93>>8&cellMask:
			goodish = n
		}
	}
	cell := func(f uint32, junk, good uint16) uint16 {
		return uint16(uint64(f)*0xd6e8feb86659fd93>>8&1023)<<6 | good<<3 | junk
	}
	raw := tallied(60, 70, cell(junky, 5, 0), cell(goodish, 0, 4))
	d, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	if j, g := d.Learned(); !d.Old() || j != 60 || g != 70 || d.table.weight(junky) < unit || d.table.weight(goodish) > -unit || d.tail != (tail{}) {
		t.Errorf("old: %v; %d junk, %d good; weights %d and %d", d.Old(), j, g, d.table.weight(junky), d.table.weight(goodish))
	}
	if d, err = Decode(d.Encode(nil)); err != nil || !d.Old() {
		t.Fatalf("stored, it is old: %v, %v", d.Old(), err)
	}
	d.Recount(&Base{}, features.Set{junky}, true)
	d.Renew()
	if j, g := d.Learned(); d.Old() || j != 60 || g != 70 {
		t.Errorf("renewed: old: %v; %d junk, %d good", d.Old(), j, g)
	}
	for _, old := range [][]byte{{1, 3, 4, 0, 1}, {2, 0, 3, 4, 0, 1, 2, 3}} {
		if d, err := Decode(old); err != nil || !d.Old() || d.junk != 3 || d.good != 4 || d.learned() {
			t.Errorf("version %d: %v, %+v", old[0], err, d)
		}
	}
	for n := range len(raw) - 1 {
		if d, err := Decode(raw[:n]); err == nil && n > 18 {
			t.Fatalf("the first %d octets can be read: %+v", n, d)
		}
	}
}
