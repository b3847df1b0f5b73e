package model

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/service/junk/features"
)

// Base is what a mailbox knows before it has learned anything. It doesn't change, and is safe for concurrent use.
type Base struct {
	// table is a hash table of the features that it knows, 0 for none; weights has theirs, in units of scale.
	table   []uint32
	weights []int8
	shift   int // of a feature's hash, to be an index
	scale   float32
	bias    float32
	// slope and offset make a Logit of the sum of weights: they were found on mail that the weights had not seen.
	slope, offset float32
	known         int
}

// The file of a base is deflated and has
//
//	octets 0-3  "junk"
//	octet    4  version (1)
//	5-20        bias, scale, slope, offset: 32-bit floating point numbers, big-endian
//	then        how many features, a uvarint; of each, in ascending order, the difference to the one before, a uvarint;
//	            then of each its weight in units of scale, an octet with sign
const (
	baseMagic   = "junk"
	baseVersion = 1
	baseHead    = len(baseMagic) + 1 + 4*4
)

//go:embed base.bin
var baseFile []byte

var loaded = sync.OnceValue(func() *Base {
	b, err := ReadBase(bytes.NewReader(baseFile))
	if err != nil {
		return &Base{} // not reached: a test reads it
	}
	return b
})

// Default returns the base that is part of the program. Several callers share one.
func Default() *Base { return loaded() }

// maxBase is how many features a base may have.
const maxBase = 1 << 20

// ReadBase reads the file of a base. Errors: fault.Corrupt.
func ReadBase(r io.Reader) (*Base, error) {
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(r), int64(baseHead+10+maxBase*6)))
	if err != nil || len(raw) < baseHead || string(raw[:4]) != baseMagic || raw[4] != baseVersion {
		return nil, fault.New(fault.Corrupt, "not a base for junk")
	}
	number := func(i int) float32 { return math.Float32frombits(binary.BigEndian.Uint32(raw[5+4*i:])) }
	b := &Base{bias: number(0), scale: number(1), slope: number(2), offset: number(3)}
	rest := raw[baseHead:]
	n, size := binary.Uvarint(rest)
	if size <= 0 || n > maxBase {
		return nil, fault.New(fault.Corrupt, "a base of %d features", n)
	}
	return b, b.fill(rest[size:], int(n))
}

func (b *Base) fill(rest []byte, n int) error {
	fs := make([]uint32, n)
	last := uint64(0)
	for i := range fs {
		d, size := binary.Uvarint(rest)
		if last += d; size <= 0 || last > math.MaxUint32 {
			return fault.New(fault.Corrupt, "a base with a bad feature")
		}
		fs[i] = uint32(last)
		rest = rest[size:]
	}
	if len(rest) != n {
		return fault.New(fault.Corrupt, "a base with %d weights of %d", len(rest), n)
	}
	b.reserve(n)
	for i, f := range fs {
		b.set(f, int8(rest[i]))
	}
	return nil
}

// reserve makes the table, for n features.
func (b *Base) reserve(n int) {
	size := 16
	b.shift = 32 - 4
	for size < 2*n {
		size *= 2
		b.shift--
	}
	b.table, b.weights = make([]uint32, size), make([]int8, size)
}

func (b *Base) set(f uint32, w int8) {
	i := b.find(f)
	if b.table[i] == 0 {
		b.known++
	}
	b.table[i], b.weights[i] = f, w
}

// find is where a feature is in the table, or has its place.
func (b *Base) find(f uint32) int {
	mask := len(b.table) - 1
	for i := int(f * 0x9e3779b1 >> b.shift); ; i = (i + 1) & mask {
		if g := b.table[i&mask]; g == f || g == 0 {
			return i & mask
		}
	}
}

func (b *Base) weight(f uint32) float64 {
	if len(b.table) == 0 {
		return 0
	}
	i := b.find(f)
	if b.table[i] == 0 {
		return 0
	}
	return float64(b.weights[i]) * float64(b.scale)
}

// Write writes the base's file.
func (b *Base) Write(w io.Writer) error {
	raw := append(make([]byte, 0, baseHead+8*b.known), baseMagic...)
	raw = append(raw, baseVersion)
	for _, v := range [...]float32{b.bias, b.scale, b.slope, b.offset} {
		raw = binary.BigEndian.AppendUint32(raw, math.Float32bits(v))
	}
	var fs []uint32
	for _, f := range b.table {
		if f != 0 {
			fs = append(fs, f)
		}
	}
	slices.Sort(fs)
	raw = binary.AppendUvarint(raw, uint64(len(fs)))
	last := uint32(0)
	for _, f := range fs {
		raw = binary.AppendUvarint(raw, uint64(f-last))
		last = f
	}
	for _, f := range fs {
		raw = append(raw, byte(b.weights[b.find(f)]))
	}
	z, err := flate.NewWriter(w, flate.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(raw); err != nil {
		return err
	}
	return z.Close()
}

// Features are of three groups, so that a long text doesn't drown what the header says: of the text; names, of people, hosts, files, and the
// subject's words; and forms, how all of it is made. The base has two: to it names are forms.
const (
	ofForms = iota
	ofText
	ofNames
	groups
)

// groupKinds has the group of each kind.
var groupKinds = func() (t [32]uint8) {
	for _, k := range [...]features.Kind{features.Word, features.Pair, features.Gram} {
		t[k] = ofText
	}
	for _, k := range [...]features.Kind{features.Subject, features.SubjectPair, features.Link, features.LinkDomain, features.From, features.Name,
		features.File, features.Proven, features.Network} {
		t[k] = ofNames
	}
	return t
}()

func groupOf(f uint32) int { return int(groupKinds[features.KindOf(f)&31]) }

// norms are what the features of a set count, by group: the less the more there are.
type norms [groups]float64

// These bound what single features count in messages of few: who says hardly anything isn't judged by how they say it.
const (
	minText  = 60
	minOther = 100
	minNames = 20
)

func normsOf(s features.Set) norms {
	var counts [groups]int
	for _, f := range s {
		counts[groupOf(f)]++
	}
	return normsFor(counts)
}

// normsFor are those of so many features.
func normsFor(counts [groups]int) norms {
	of := func(n, least int) float64 { return 1 / math.Sqrt(float64(max(n, least))) }
	return norms{ofForms: of(counts[ofForms], minOther), ofText: of(counts[ofText], minText), ofNames: of(counts[ofNames], minNames)}
}

// baseNorms are those of the two groups that the base has.
func baseNorms(s features.Set) norms {
	text := 0
	for _, f := range s {
		text += inText(f)
	}
	other := 1 / math.Sqrt(float64(max(len(s)-text, minOther)))
	return norms{ofForms: other, ofText: 1 / math.Sqrt(float64(max(text, minText))), ofNames: other}
}

// textKinds has a bit for each kind that is of the text.
const textKinds = 1<<features.Word | 1<<features.Pair | 1<<features.Gram

// inText is 1 for what is of the text, and 0 for all else.
func inText(f uint32) int { return int(uint32(textKinds) >> (features.KindOf(f) & 31) & 1) }

// sum is what the base says, before calibration.
func (b *Base) sum(s features.Set) float64 {
	if len(b.table) == 0 {
		s = nil
	}
	mask := len(b.table) - 1
	var sums, counts [2]int
	for _, f := range s {
		group := inText(f)
		counts[group]++
		for i := int(f * 0x9e3779b1 >> b.shift); ; i++ {
			g := b.table[i&mask]
			if g == f {
				sums[group] += int(b.weights[i&mask])
			}
			if g == f || g == 0 {
				break
			}
		}
	}
	of := func(group, least int) float64 {
		return float64(sums[group]) * float64(b.scale) / math.Sqrt(float64(max(counts[group], least)))
	}
	return float64(b.bias) + of(1, minText) + of(0, minOther)
}
