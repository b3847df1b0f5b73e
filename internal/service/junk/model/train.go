package model

import (
	"math"
	"math/rand/v2"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/service/junk/features"
)

// An Example is a message of which it is known what it is.
type Example struct {
	Set  features.Set
	Junk bool
	// Weight is how much it counts; 0 stands for 1.
	Weight float64
}

// Training says how a base is made. The zero value has the defaults.
type Training struct {
	// Epochs is how often each example is looked at. Default 12.
	Epochs int
	// Rate is how much one example changes. Default 0.4.
	Rate float64
	// Decay makes weights small, more so those that help little. Default 1e-4.
	Decay float64
	// Seen is in how many examples a feature must be. Default 3.
	Seen int
	// Good and GoodShare are in how many good examples a feature must be, and in how many of those that it is in, to speak for
	// junk: what the good examples never have may just be missing among them, such as a language. Default 0.
	Good      int
	GoodShare float64
	// Features is how many the base has at most, those of the largest weights. Default 200,000.
	Features int
	// Kinds says how much features of a kind may say, from 0 to 1; nil: all the same.
	Kinds func(k features.Kind) float64
	// Seed of the order in which examples are taken.
	Seed uint64
}

func (t *Training) defaults() {
	set := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	set(&t.Rate, 0.4)
	set(&t.Decay, 1e-4)
	if t.Epochs == 0 {
		t.Epochs = 12
	}
	if t.Seen == 0 {
		t.Seen = 3
	}
	if t.Features == 0 {
		t.Features = 200_000
	}
	if t.Kinds == nil {
		t.Kinds = func(features.Kind) float64 { return 1 }
	}
}

// Train makes a base of examples: by logistic regression with steps that get smaller for each feature as it is seen (AdaGrad).
// It isn't calibrated yet: see Calibrate.
func Train(examples []Example, t Training) *Base {
	t.defaults()
	tr := newTrainer(examples, &t)
	order := make([]int, len(examples))
	for i := range order {
		order[i] = i
	}
	rnd := rand.New(rand.NewPCG(t.Seed, 1))
	for range t.Epochs {
		rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			tr.step(i)
		}
	}
	return tr.base()
}

// maxPriors is for how many features Prior may be called.
const maxPriors = 100

// A trainer has examples with their features numbered.
type trainer struct {
	t        *Training
	examples []Example
	ids      [][]int32   // of each example, features
	values   [][]float32 // and what they count
	features []uint32    // by number
	only     []bool      // by number: was in junk alone, or nearly: says nothing against a message
	w, g     []float64   // weights, and sums of squared gradients
	bias     float64
	steps    int
}

func newTrainer(examples []Example, t *Training) *trainer {
	seen, good := map[uint32]int{}, map[uint32]int{}
	for _, e := range examples {
		for _, f := range e.Set {
			seen[f]++
			if !e.Junk {
				good[f]++
			}
		}
	}
	tr := &trainer{t: t, examples: examples}
	number := map[uint32]int32{}
	for _, e := range examples {
		n := baseNorms(e.Set)
		var ids []int32
		var values []float32
		for _, f := range e.Set {
			k := t.Kinds(features.KindOf(f))
			if seen[f] < t.Seen || k == 0 {
				continue
			}
			id, ok := number[f]
			if !ok {
				id = int32(len(tr.features))
				number[f] = id
				tr.features = append(tr.features, f)
				tr.only = append(tr.only, good[f] < t.Good || float64(good[f]) < t.GoodShare*float64(seen[f]))
			}
			ids, values = append(ids, id), append(values, float32(k*n[groupOf(f)]))
		}
		tr.ids, tr.values = append(tr.ids, ids), append(tr.values, values)
	}
	tr.w, tr.g = make([]float64, len(tr.features)), make([]float64, len(tr.features))
	return tr
}

// step learns one example.
func (tr *trainer) step(i int) {
	sum := tr.bias
	values := tr.values[i]
	for k, id := range tr.ids[i] {
		sum += tr.w[id] * float64(values[k])
	}
	y, weight := 0.0, tr.examples[i].Weight
	if tr.examples[i].Junk {
		y = 1
	}
	if weight == 0 {
		weight = 1
	}
	g := (sigmoid(sum) - y) * weight
	tr.bias -= 0.1 * tr.t.Rate * g / (1 + float64(tr.steps)/1e4)
	tr.steps++
	for k, id := range tr.ids[i] {
		d := g*float64(values[k]) + tr.t.Decay*tr.w[id]
		tr.g[id] += d * d
		tr.w[id] -= tr.t.Rate * d / (math.Sqrt(tr.g[id]) + 1e-6)
		if tr.only[id] {
			tr.w[id] = min(0, tr.w[id])
		}
	}
}

// base keeps what matters most.
func (tr *trainer) base() *Base {
	order := make([]int, len(tr.w))
	for i := range order {
		order[i] = i
	}
	// what a kind may say was taken from its values: give it to the weights
	for i, f := range tr.features {
		tr.w[i] *= tr.t.Kinds(features.KindOf(f))
	}
	slices.SortFunc(order, func(a, b int) int {
		switch x, y := math.Abs(tr.w[a]), math.Abs(tr.w[b]); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	order = order[:min(len(order), tr.t.Features)]
	b := &Base{bias: float32(tr.bias), slope: 1}
	top := 1.0
	if len(order) > 0 {
		top = math.Abs(tr.w[order[0]])
	}
	b.scale = float32(top / 127)
	b.reserve(len(order) + maxPriors)
	for _, i := range order {
		if w := math.Round(tr.w[i] / float64(b.scale)); w != 0 {
			b.set(tr.features[i], int8(w))
		}
	}
	return b
}

// A Point is the sum that a base gives a message, and what the message is.
type Point struct {
	Sum  float64
	Junk bool
}

// Sum is what the base's weights say of a message, before calibration.
func (b *Base) Sum(s features.Set) float64 { return b.sum(s) }

// Calibrate sets how likely junk is at each sum of weights, by points of messages that the weights had not seen: 0.5 where
// logistic regression on the sum alone says so (Platt's method; junk and good mail count the same, however many there are of
// each), and Normal where one good message in a thousand lies beyond. Errors: fault.Invalid if the points don't allow that.
func (b *Base) Calibrate(points []Point) error {
	slope, offset := platt(points)
	var good []float64
	for _, p := range points {
		if !p.Junk {
			good = append(good, p.Sum)
		}
	}
	if len(good) == 0 || slope <= 0 {
		return fault.New(fault.Invalid, "nothing to calibrate by")
	}
	slices.Sort(good)
	middle, far := -offset/slope, good[len(good)-1-len(good)/1000]
	if far <= middle {
		return fault.New(fault.Invalid, "half of what looks like junk is good")
	}
	slope = logitOf(Normal) / (far - middle)
	b.slope, b.offset = float32(slope), float32(-slope*middle)
	return nil
}

// Prior sets what a feature adds to the log-odds of a usual message, for what no corpus can teach. The base must be calibrated.
func (b *Base) Prior(f uint32, logit float64) {
	const usual = 100 // features of the header in a usual message
	w := math.Round(logit * math.Sqrt(usual) / float64(b.slope) / float64(b.scale))
	b.set(f, int8(max(-127, min(127, w))))
}

func logitOf(p float64) float64 { return math.Log(p / (1 - p)) }

// platt finds slope and offset by Newton's method, half a step each time.
func platt(points []Point) (slope, offset float64) {
	weights, targets := plattTargets(points)
	slope = 1
	for range 200 {
		var gs, g0, hss, hs0, h00 float64
		for i, p := range points {
			q := sigmoid(slope*p.Sum + offset)
			d, h := (q-targets[i])*weights[i], q*(1-q)*weights[i]
			gs, g0 = gs+d*p.Sum, g0+d
			hss, hs0, h00 = hss+h*p.Sum*p.Sum, hs0+h*p.Sum, h00+h
		}
		hss, h00 = hss+1e-9, h00+1e-9
		det := hss*h00 - hs0*hs0
		slope, offset = slope-(h00*gs-hs0*g0)/det/2, offset-(hss*g0-hs0*gs)/det/2
	}
	return slope, offset
}

// plattTargets has for each point how much it counts, and how likely it should be junk: never quite sure, as if there were one
// more example of each.
func plattTargets(points []Point) (weights, targets []float64) {
	junk := 0
	for _, p := range points {
		if p.Junk {
			junk++
		}
	}
	good := len(points) - junk
	for _, p := range points {
		if p.Junk {
			weights, targets = append(weights, 1/float64(junk+1)), append(targets, float64(junk+1)/float64(junk+2))
		} else {
			weights, targets = append(weights, 1/float64(good+1)), append(targets, 1/float64(good+2))
		}
	}
	return weights, targets
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
