package model

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/format/record"
	"postroad/internal/service/junk/features"
)

// of is how often a feature was counted, in junk and in good mail.
func (t *tally) of(f uint32) (junk, good float64) {
	at, mark := place(f)
	shift := find(t.cells[at], mark)
	if shift < 0 {
		return 0, 0
	}
	c := t.cells[at] >> shift
	return countOf[c&countMask], countOf[c>>countBits&countMask]
}

// TestTallyCounts: it counts up to two as a map does, as long as there is room, and taking back is the opposite of counting.
func TestTallyCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var y tally
		type both struct{ junk, good int }
		want, most := map[uint32]both{}, map[uint32]int{}
		var told []func()
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(1, 12).Draw(t, "messages") {
			s, junk := message(rnd, 1000, 5000), rnd.IntN(2) == 0
			count := func(by int) {
				for _, f := range s {
					b := want[f]
					if junk {
						b.junk += by
					} else {
						b.good += by
					}
					want[f] = b
					most[f] = max(most[f], b.junk, b.good)
				}
				y.count(s, junk, by)
			}
			if count(1); rnd.IntN(4) == 0 {
				told = append(told, func() { count(-1) })
			}
		}
		for _, takeBack := range told {
			takeBack()
		}
		for f, b := range want {
			if junk, good := y.of(f); most[f] <= 2 && (int(junk) != b.junk || int(good) != b.good) {
				t.Fatalf("feature %x was in %v, counted are %v and %v", f, b, junk, good)
			}
		}
	})
}

// TestTallyManyCounts: large counts are right on average (one alone by half or so), and stay within their bits.
func TestTallyManyCounts(t *testing.T) {
	var y tally
	var s features.Set
	for n := range 200 {
		s = append(s, word(features.Word, n))
	}
	mean := func() (sum float64) {
		for _, f := range s {
			junk, _ := y.of(f)
			sum += junk / 200
		}
		return sum
	}
	for n := 1; n <= mostCounted; n++ {
		y.count(s, true, 1)
		if got := mean(); n < 40 && math.Abs(got-float64(n)) > 0.35*float64(n) {
			t.Fatalf("%v counted of %d", got, n)
		}
	}
	before := mean()
	y.count(s, true, 1) // one more than mostCounted
	if after := mean(); y.junk != mostCounted/2 || after > before*0.6 || after < before*0.4 {
		t.Errorf("halving leads from %v to %v, of %d messages", before, after, y.junk)
	}
}

// TestTallyFull: what comes often keeps its place, however much comes once.
func TestTallyFull(t *testing.T) {
	var y tally
	rnd := rand.New(rand.NewPCG(1, 2))
	var often features.Set
	for n := range 1000 {
		often = append(often, word(features.Word, n))
	}
	for range 5 {
		y.count(often, true, 1)
	}
	for range 200 {
		var s features.Set
		for range 300 {
			s = append(s, word(features.Pair, rnd.IntN(1<<27)))
		}
		y.count(append(s, often[rnd.IntN(1000)]), false, 1)
	}
	there := 0
	for _, f := range often {
		if junk, _ := y.of(f); junk >= 2 {
			there++
		}
	}
	if there < 900 {
		t.Errorf("of 1000 features that were seen five times %d are there", there)
	}
	if n := len(y.encode(nil)); n > buckets/2+2*ways*buckets+10 {
		t.Errorf("%d octets", n)
	}
}

// TestTallySays: nothing before both classes were seen; then what is in one alone speaks, what is in both doesn't, and all of it is bounded.
func TestTallySays(t *testing.T) {
	var y tally
	junk, good, both := word(features.Word, 1), word(features.Word, 2), word(features.Word, 3)
	if y.sum(features.Set{junk, good, both}) != 0 {
		t.Error("an empty tally speaks")
	}
	for range 10 {
		y.count(features.Set{junk, both}, true, 1)
	}
	if y.sum(features.Set{junk}) != 0 {
		t.Error("it speaks of junk alone")
	}
	for range 10 {
		y.count(features.Set{good, both}, false, 1)
	}
	if j, g, b := y.sum(features.Set{junk}), y.sum(features.Set{good}), y.sum(features.Set{both}); j <= 0 || g >= 0 || b != 0 {
		t.Errorf("%.2f, %.2f and %.2f", j, g, b)
	}
	var much features.Set
	for n := range 3000 {
		much = append(much, word(features.Pair, n))
	}
	for range 200 {
		y.count(much, true, 1)
		y.count(features.Set{good}, false, 1)
	}
	if got := y.sum(much); got != mostTally {
		t.Errorf("3000 features that are in junk alone make %.2f", got)
	}
	share, sum := y.sharer(much), 0.0
	for _, f := range much {
		sum += share(f)
	}
	if math.Abs(sum-mostTally) > 0.01 {
		t.Errorf("their shares make %.2f", sum)
	}
}

// earlier is a record as the version before wrote it.
func earlier(junk, good uint64, weights []int16) []byte {
	b := binary.AppendUvarint(binary.AppendUvarint([]byte{oldVersion}, junk), good)
	for i := 0; i < len(weights); {
		if w := weights[i]; w != 0 {
			b = append(binary.AppendVarint(b, int64(w)), 100)
			i++
			continue
		}
		n := slices.IndexFunc(weights[i:], func(w int16) bool { return w != 0 })
		if n < 0 {
			n = len(weights) - i
		}
		b = binary.AppendUvarint(append(b, 0), uint64(n))
		i += n
	}
	return b
}

// TestEarlierVersion: what the version before has learned says the same as far as its weights don't meet, and is known to be old until it is
// renewed, stored or not.
func TestEarlierVersion(t *testing.T) {
	base, weights := &Base{}, make([]int16, 1<<oldBits)
	var s features.Set
	want := 0.0
	for n := range 60 {
		f := word(features.Word, 5000+n*977)
		h := uint64(f) * 0x9e3779b97f4a7c15
		i, w := h>>(64-oldBits), int16(500+n)
		if h>>(63-oldBits)&1 == 1 {
			w = -w
		}
		if slices.ContainsFunc(s, func(g uint32) bool { return uint64(g)*0x9e3779b97f4a7c15>>(64-deltaBits) == i>>(oldBits-deltaBits) }) {
			continue
		}
		weights[i] = w
		s = append(s, f)
		want += float64(500+n) / unit / math.Sqrt(minText)
	}
	d, err := Decode(earlier(3, 4, weights))
	if err != nil {
		t.Fatal(err)
	}
	if got := base.Judge(s, d).Logit; math.Abs(got-want) > 0.001 {
		t.Errorf("%.4f, was %.4f", got, want)
	}
	if j, g := d.Learned(); !d.Old() || j != 3 || g != 4 {
		t.Errorf("old: %v; %d junk, %d good", d.Old(), j, g)
	}
	if d, err = Decode(d.Encode(nil)); err != nil || !d.Old() {
		t.Fatalf("stored, it is old: %v, %v", d.Old(), err)
	}
	d.Recount(base, s, true)
	d.Renew()
	if j, g := d.Learned(); d.Old() || j != 3 || g != 4 {
		t.Errorf("renewed: old: %v; %d junk, %d good", d.Old(), j, g)
	}
	// version 2: a tail and counts behind fewer weights
	second := append([]byte{2, 0, 3, 4, 0}, 5) // the first five are 0
	second = append(binary.AppendVarint(second, 700), 99)
	second = binary.AppendUvarint(append(second, 0), slots-6)
	second = append(second, 0, 0) // no tail
	if d, err = Decode(append(second, 7, 9, 1, 2, 3)); err != nil || !d.Old() || d.weights[5] != 700 || d.sure[5] != perOctave || d.tally.cells != nil {
		t.Errorf("version 2: %v", err)
	}
	whole := earlier(1, 1, weights)
	if _, err := Decode(whole[:len(whole)/2]); err == nil {
		t.Error("half a record can be read")
	}
}

// TestTallyRecord: a bucket's marks and counts come back from their record; one that says too much is refused.
func TestTallyRecord(t *testing.T) {
	var y tally
	rnd := rand.New(rand.NewPCG(3, 4))
	for n := range 400 {
		y.count(message(rnd, 1, 1<<26), n%2 == 0, 1)
	}
	raw := y.encode(nil)
	r := record.Decode(append([]byte{1}, raw...), 1)
	back := decodeTally(&r)
	if r.Bad() || !slices.Equal(back.cells, y.cells) || back.junk != y.junk || back.good != y.good {
		t.Error("another tally after storing")
	}
	r = record.Decode(append([]byte{1}, raw[:len(raw)-1]...), 1)
	if decodeTally(&r); !r.Bad() {
		t.Error("a tally without its end can be read")
	}
}
