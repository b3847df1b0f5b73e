package model

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/service/junk/features"
)

// word is a feature of a kind.
func word(k features.Kind, n int) uint32 { return uint32(k)<<27 | uint32(n) }

// message makes a set of words: those of a class, and some that all mail has.
func message(rnd *rand.Rand, from, to int) features.Set {
	seen := map[uint32]bool{}
	for range 40 {
		seen[word(features.Word, from+rnd.IntN(to-from))] = true
		seen[word(features.Word, 1+rnd.IntN(500))] = true
		seen[word(features.Field, 1+rnd.IntN(20))] = true
	}
	var s features.Set
	for f := range seen {
		s = append(s, f)
	}
	slices.Sort(s)
	return s
}

func junkAnd(rnd *rand.Rand) features.Set { return message(rnd, 1000, 1100) }
func goodAnd(rnd *rand.Rand) features.Set { return message(rnd, 2000, 2100) }

func small(t testing.TB) *Base {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 1))
	var examples []Example
	for range 100 {
		examples = append(examples, Example{Set: junkAnd(rnd), Junk: true}, Example{Set: goodAnd(rnd)})
	}
	return Train(examples, Training{})
}

func TestTrain(t *testing.T) {
	b := small(t)
	rnd := rand.New(rand.NewPCG(2, 2))
	for range 50 {
		if j, g := b.Sum(junkAnd(rnd)), b.Sum(goodAnd(rnd)); j < 1 || g > -1 {
			t.Fatalf("junk has %.2f, good mail %.2f", j, g)
		}
	}
}

func TestCalibrate(t *testing.T) {
	b := small(t)
	var points []Point
	for i := range 5000 {
		x := float64(i) / 5000
		points = append(points, Point{-3 + 4*x, false}, Point{-1 + 4*x, true})
	}
	if err := b.Calibrate(points); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, p := range points {
		if !p.Junk && b.Calibrated(p.Sum).Junk > Normal {
			lost++
		}
	}
	if lost > 5 || lost < 3 {
		t.Errorf("%d of 5000 good messages are lost", lost)
	}
	if p := b.Calibrated(0).Junk; math.Abs(p-0.5) > 0.01 {
		t.Errorf("the middle is at %.3f", p)
	}
	if err := b.Calibrate([]Point{{1, false}, {-1, true}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("calibrated by nonsense: %v", err)
	}
}

func TestBaseFile(t *testing.T) {
	b := small(t)
	var buf bytes.Buffer
	if err := b.Write(&buf); err != nil {
		t.Fatal(err)
	}
	c, err := ReadBase(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		if s := junkAnd(rnd); b.Judge(s) != c.Judge(s) {
			t.Fatal("another score after writing and reading")
		}
	}
	for n := range buf.Len() {
		if _, err := ReadBase(bytes.NewReader(buf.Bytes()[:n])); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("the first %d octets of a base: %v", n, err)
		}
	}
}

// TestDefault: the base that is part of the program can be read, and knows something.
func TestDefault(t *testing.T) {
	b, err := ReadBase(bytes.NewReader(baseFile))
	if err != nil || b.known < 100_000 || b.slope <= 0 {
		t.Fatalf("%v, %d features", err, b.known)
	}
	if len(baseFile) > 1<<20 {
		t.Errorf("it has %d octets", len(baseFile))
	}
	if p := Default().Judge(nil).Junk; p > Strict {
		t.Errorf("an empty message is junk: %.3f", p)
	}
}

// TestLearn: one message teaches that message, a few teach their like, and all of it is told apart from good mail.
func TestLearn(t *testing.T) {
	b, d := &Base{}, &Delta{}
	rnd := rand.New(rand.NewPCG(4, 4))
	first := junkAnd(rnd)
	before := b.Judge(first, d).Junk
	d.Learn(b, first, true)
	if after := b.Judge(first, d).Junk; after <= before {
		t.Errorf("learning leads from %.3f to %.3f", before, after)
	}
	for range 30 {
		d.Learn(b, junkAnd(rnd), true)
		d.Learn(b, goodAnd(rnd), false)
	}
	for range 50 {
		if j, g := b.Judge(junkAnd(rnd), d).Junk, b.Judge(goodAnd(rnd), d).Junk; j < 0.9 || g > 0.1 {
			t.Fatalf("junk has %.3f, good mail %.3f", j, g)
		}
	}
	if j, g := d.Learned(); j != 31 || g != 30 {
		t.Errorf("it has learned %d and %d", j, g)
	}
}

// TestCorrection: what was learned wrongly can be taken back, and learned the other way.
func TestCorrection(t *testing.T) {
	b, d := small(t), &Delta{}
	b.slope = 2
	rnd := rand.New(rand.NewPCG(5, 5))
	odd := message(rnd, 3000, 3100)
	before := b.Judge(odd, d).Logit
	d.Learn(b, odd, true)
	wrong := b.Judge(odd, d).Logit
	d.Forget(b, odd, true)
	back := b.Judge(odd, d).Logit
	d.Learn(b, odd, false)
	right := b.Judge(odd, d).Logit
	if wrong < before+2 || back > before+(wrong-before)/4 || right > before-2 {
		t.Errorf("%.2f, learned %.2f, taken back %.2f, corrected %.2f", before, wrong, back, right)
	}
	if j, g := d.Learned(); j != 0 || g != 1 {
		t.Errorf("it has learned %d and %d", j, g)
	}
}

// TestOnlyJunk: who only ever says what is junk doesn't lose their other mail.
func TestOnlyJunk(t *testing.T) {
	b, d := small(t), &Delta{}
	b.slope = 3
	rnd := rand.New(rand.NewPCG(6, 6))
	for range 300 {
		d.Learn(b, junkAnd(rnd), true)
	}
	for range 50 {
		if p := b.Judge(goodAnd(rnd), d).Junk; p > 0.5 {
			t.Fatalf("good mail has %.3f", p)
		}
	}
}

func TestReasons(t *testing.T) {
	b, d := small(t), &Delta{}
	b.slope = 2
	rnd := rand.New(rand.NewPCG(7, 7))
	s := junkAnd(rnd)
	d.Learn(b, s, true)
	rs := b.Reasons(1000, s, d)
	sum := float64(b.slope)*float64(b.bias) + float64(b.offset)
	for i, r := range rs {
		sum += r.Weight
		if i > 0 && math.Abs(r.Weight) > math.Abs(rs[i-1].Weight) {
			t.Fatal("not in order")
		}
	}
	if logit := b.Judge(s, d).Logit; math.Abs(sum-logit) > 0.05 {
		t.Errorf("the reasons make %.3f, the score is %.3f", sum, logit)
	}
	if n := len(b.Reasons(3, s, d)); n != 3 {
		t.Errorf("%d reasons of 3", n)
	}
}

// TestEncode: a delta is the same after storing it, whatever it has learned.
func TestEncode(t *testing.T) {
	b := small(t)
	rapid.Check(t, func(t *rapid.T) {
		d := &Delta{}
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(0, 20).Draw(t, "messages") {
			s := message(rnd, rnd.IntN(100_000)+1, 200_000)
			if junk := rnd.IntN(2) == 0; rnd.IntN(4) == 0 {
				d.Forget(b, s, junk)
			} else {
				d.Learn(b, s, junk)
			}
		}
		e, err := Decode(d.Encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		if s := junkAnd(rnd); b.Judge(s, d) != b.Judge(s, e) {
			t.Fatal("another score after storing")
		}
		e.DecodeNotes(d.EncodeNotes(nil))
		if !bytes.Equal(d.Encode(nil), e.Encode(nil)) || !bytes.Equal(d.EncodeNotes(nil), e.EncodeNotes(nil)) {
			t.Fatal("another record after reading one")
		}
		s := goodAnd(rnd)
		d.Learn(b, s, true)
		e.Learn(b, s, true)
		if !bytes.Equal(d.Encode(nil), e.Encode(nil)) {
			t.Fatal("it learns something else after storing")
		}
	})
}

// TestBounds: a delta stays small and its weights sane, whatever is learned.
func TestBounds(t *testing.T) {
	b, d := &Base{}, &Delta{}
	rnd := rand.New(rand.NewPCG(8, 8))
	for i := range 3000 {
		var s features.Set
		for range 300 {
			s = append(s, word(features.Word, rnd.IntN(1<<27)))
		}
		d.Learn(b, s, i%2 == 0)
	}
	if n := len(d.Encode(nil)); n > MaxEncoded {
		t.Errorf("%d octets, more than %d", n, MaxEncoded)
	}
	for i := range d.table.cells {
		d.table.cells[i] = math.MaxUint64
	}
	for i := range d.tail.counts {
		d.tail.counts[i] = math.MaxUint16
	}
	if n := len(d.EncodeNotes(nil)); n > MaxNotes {
		t.Errorf("%d octets of notes, more than %d", n, MaxNotes)
	}
	if n := len(d.Encode(nil)); n > MaxEncoded {
		t.Errorf("%d octets at most, more than %d", n, MaxEncoded)
	}
}

func FuzzDecode(f *testing.F) {
	b, d := small(f), &Delta{}
	f.Add(d.Encode(nil))
	d.Learn(b, junkAnd(rand.New(rand.NewPCG(9, 9))), false)
	f.Add(d.Encode(nil))
	f.Add(tallied(1, 2, 0x1235, 0xfff9))
	f.Add([]byte{2, 0, 3, 4, 9, 9})
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := Decode(raw)
		if err != nil {
			return
		}
		if e, err := Decode(d.Encode(nil)); err != nil || !bytes.Equal(e.Encode(nil), d.Encode(nil)) {
			t.Error("not the same again")
		}
		if n := len(d.Encode(nil)); n > MaxEncoded {
			t.Errorf("%d octets", n)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	base, d := Default(), &Delta{}
	rnd := rand.New(rand.NewPCG(10, 10))
	var s features.Set
	for range 500 {
		s = append(s, word(features.Kind(1+rnd.IntN(20)), rnd.IntN(1<<27)))
	}
	d.Learn(base, s, true)
	b.ReportAllocs()
	for b.Loop() {
		base.Judge(s, d)
	}
}

func BenchmarkLearn(b *testing.B) {
	base, d := Default(), &Delta{}
	rnd := rand.New(rand.NewPCG(11, 11))
	var s features.Set
	for range 500 {
		s = append(s, word(features.Kind(1+rnd.IntN(20)), rnd.IntN(1<<27)))
	}
	b.ReportAllocs()
	junk := false
	for b.Loop() {
		junk = !junk
		d.Learn(base, s, junk)
	}
}
