package model

import (
	"math"
	"math/rand/v2"
	"testing"

	"postroad/internal/format/record"
)

// noted is a tail of n good messages whose log-odds are around a mean, with an exponential tail of a slope.
func noted(n int, mean, slope float64) *tail {
	var t tail
	rnd := rand.New(rand.NewPCG(12, 12))
	for range n {
		t.note(mean + slope*rnd.ExpFloat64())
	}
	return &t
}

// TestTailShift: where good mail comes near to junk the score sinks until one in a thousand is lost, where it doesn't it may rise a little, and
// who has little good mail changes nothing.
func TestTailShift(t *testing.T) {
	for _, c := range []struct {
		name        string
		n           int
		mean, slope float64
		low, high   float64
	}{
		{"few", tailFewest - 1, 3, 1, 0, 0},
		{"far from junk", 300, -6, 0.4, mostRaised * 0.7, mostRaised},
		{"near", 2000, -3, 1.2, -1.0, -0.2}, // 1 in 1,000 is beyond 5.3
		{"much like junk", 300, 3, 2, -mostLowered, -mostLowered},
		{"as the base expects", 2000, -2.3, 1, -0.8, 0.8},
	} {
		if got := noted(c.n, c.mean, c.slope).shift(); got < c.low || got > c.high {
			t.Errorf("%s: shifted by %.2f, not %.2f to %.2f", c.name, got, c.low, c.high)
		}
	}
}

// TestTailBounds: any log-odds can be noted, and what was long ago fades.
func TestTailBounds(t *testing.T) {
	y := noted(5*tailMost, 6, 1)
	for range 5 * tailMost {
		y.note(-20)
		y.note(math.Inf(-1))
	}
	if y.total > tailMost || y.shift() <= 0 {
		t.Errorf("%d counted, shifted by %.2f", y.total, y.shift())
	}
	var z tail
	z.note(1e9)
	z.note(math.Inf(1))
	if z.counts[tailBins-1] != 2 {
		t.Error("the highest log-odds aren't in the last bin")
	}
	raw := y.encode(nil)
	r := record.Decode(append([]byte{1}, raw...), 1)
	if back := decodeTail(&r); r.Bad() || back != *y {
		t.Error("another tail after storing")
	}
	r = record.Decode([]byte{1, 0, tailBins + 1}, 1)
	if decodeTail(&r); !r.Bad() {
		t.Error("too many bins can be read")
	}
}

// TestJudgeIsCalibrated: it is the account's own good mail that counts, not that of who is below.
func TestJudgeIsCalibrated(t *testing.T) {
	b, own, below := small(t), &Delta{}, &Delta{}
	s := junkAnd(rand.New(rand.NewPCG(13, 13)))
	before := b.Judge(s, own, below).Logit
	below.tail = *noted(300, 3, 2)
	if got := b.Judge(s, own, below).Logit; got != before {
		t.Errorf("%.2f became %.2f by the good mail of others", before, got)
	}
	own.tail = *noted(300, 3, 2)
	if got := b.Judge(s, own, below).Logit; math.Abs(got-before+mostLowered) > 1e-9 {
		t.Errorf("%.2f became %.2f by good mail that is like junk", before, got)
	}
}
