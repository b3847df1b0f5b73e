package model

import (
	"math"
	"math/rand/v2"
	"testing"

	"postroad/internal/service/junk/features"
)

// taught is a delta that has learned so many messages of either class.
func taught(b *Base, rnd *rand.Rand, n int) *Delta {
	d := &Delta{}
	for range n {
		d.Learn(b, junkAnd(rnd), true)
		d.Learn(b, goodAnd(rnd), false)
	}
	return d
}

// TestFadesOnce: who takes back labels and gives others lets nothing fade, though the number of messages is again and again one at which what was
// learned fades.
func TestFadesOnce(t *testing.T) {
	b := &Base{}
	left := func(n int) float64 {
		rnd := rand.New(rand.NewPCG(21, 21))
		d := taught(b, rnd, n)
		for range 40 {
			s := junkAnd(rnd)
			d.Forget(b, s, true)
			d.Learn(b, s, true)
			e, err := Decode(d.Encode(nil))
			if err != nil || e.faded != d.faded {
				t.Fatal("it isn't stored whether it has faded:", err)
			}
			e.DecodeNotes(d.EncodeNotes(nil))
			d = e
		}
		sum := 0
		for _, bucket := range d.table.cells {
			for cell := range ways {
				sum += max(weightOf(bucket, cell), -weightOf(bucket, cell))
			}
		}
		return float64(sum)
	}
	if at, beside := left(fadeEvery/2), left(fadeEvery/2-5); at < 0.8*beside {
		t.Errorf("all weights together are %.0f, and %.0f where nothing fades", at, beside)
	}
}

// TestRecountsAsItLearns: to learn all again teaches the same as to learn it, whatever the number of messages was.
func TestRecountsAsItLearns(t *testing.T) {
	b := &Base{}
	for _, had := range []uint32{fadeEvery*5 - 1, fadeEvery*5 + 3} {
		rnd := rand.New(rand.NewPCG(22, 22))
		fresh, again := &Delta{}, &Delta{old: true, junk: had / 2, good: had - had/2}
		for range had / 2 {
			for _, junk := range []bool{true, false} {
				s := goodAnd(rnd)
				if junk {
					s = junkAnd(rnd)
				}
				fresh.Learn(b, s, junk)
				again.Recount(b, s, junk)
			}
		}
		again.Renew()
		for range 20 {
			j, g := junkAnd(rnd), goodAnd(rnd)
			if b.Judge(j, again).Logit < b.Judge(j, fresh).Logit*0.8 || b.Judge(g, again).Logit > b.Judge(g, fresh).Logit*0.8 {
				t.Errorf("of %d: junk had %.2f, has %.2f; good mail had %.2f, has %.2f", had, b.Judge(j, fresh).Logit, b.Judge(j, again).Logit,
					b.Judge(g, fresh).Logit, b.Judge(g, again).Logit)
			}
		}
		drift := func(d *Delta) (sum float64) {
			for n := range 500 {
				sum += math.Abs(float64(d.table.weight(word(features.Word, 1+n)))) / 500
			}
			return sum
		}
		if a, f := drift(again), drift(fresh); a > 2*f+1 {
			t.Errorf("what all mail has weighs %.1f on average, %.1f learned for the first time", a, f)
		}
	}
}

// TestMindsChangedMoveNoThreshold: who says now this, now that of one message doesn't have all others judged by another threshold.
func TestMindsChangedMoveNoThreshold(t *testing.T) {
	b := &Base{}
	rnd := rand.New(rand.NewPCG(23, 23))
	d := taught(b, rnd, 200)
	s, before := junkAnd(rnd), d.tail.shift()
	d.Learn(b, s, true)
	for range 20 {
		d.Relearn(b, s, false)
		d.Relearn(b, s, true)
	}
	if after := d.tail.shift(); before == 0 || after != before {
		t.Errorf("%.2f is added now, was %.2f", after, before)
	}
	if j, g := d.Learned(); j != 201 || g != 200 {
		t.Errorf("it has learned %d and %d", j, g)
	}
}
