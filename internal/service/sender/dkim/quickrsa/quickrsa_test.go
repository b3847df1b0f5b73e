package quickrsa

import (
	"bytes"
	"crypto/rand"
	"math/big"
	mathrand "math/rand/v2"
	"testing"
)

var one = big.NewInt(1)

// value is what x is, settled or not.
func (x *natural) value() *big.Int {
	v := new(big.Int)
	for i := nLimbs - 1; i >= 0; i-- {
		v.Add(v.Lsh(v, limbBits), new(big.Int).SetUint64(x[i]))
	}
	return v
}

func naturalOf(v *big.Int) (x natural) {
	rest := new(big.Int).Set(v)
	for i := range x {
		x[i] = new(big.Int).And(rest, big.NewInt(limbMask)).Uint64()
		rest.Rsh(rest, limbBits)
	}
	return x
}

// moduli are odd numbers of 2048 bits, which is all that arithmetic asks of a modulus.
func moduli(r *mathrand.Rand) []*big.Int {
	top := new(big.Int).Lsh(one, 8*Size-1)
	all := new(big.Int).Sub(new(big.Int).Lsh(one, 8*Size), one)
	n := []*big.Int{
		new(big.Int).Add(top, one), all, new(big.Int).Sub(all, big.NewInt(2)), new(big.Int).Add(top, big.NewInt(limbMask)), // ...fffff
		new(big.Int).Sub(all, new(big.Int).Lsh(big.NewInt(limbMask), limbBits)), new(big.Int).Add(top, new(big.Int).Add(new(big.Int).Lsh(one, limbBits), one)),
	}
	for range 20 {
		n = append(n, modulus(r))
	}
	return n
}

// modulus is one of random octets, or of few that are neither 0 nor 255.
func modulus(r *mathrand.Rand) *big.Int {
	b := octets(r)
	b[0] |= 0x80
	b[Size-1] |= 1
	return new(big.Int).SetBytes(b)
}

func octets(r *mathrand.Rand) []byte {
	b := make([]byte, Size)
	kind := r.IntN(3)
	for i := 0; i < len(b); {
		c, run := byte(r.Uint32()), 1
		if kind > 0 {
			run = 1 + r.IntN(30)
			c = []byte{0, 0xff, c}[r.IntN(1+kind)]
		}
		for ; run > 0 && i < len(b); run-- {
			b[i] = c
			i++
		}
	}
	return b
}

func needed(t testing.TB) {
	if !hasAMM() {
		t.Skip("this processor can't")
	}
}

// Products are right, of numbers up to the limits, and stay below 2n; limbs below what amm says.
func TestProducts(t *testing.T) {
	needed(t)
	r := mathrand.New(mathrand.NewPCG(3, 4))
	R := new(big.Int).Lsh(one, limbBits*nLimbs)
	for _, n := range moduli(r) {
		k := New(n, 3)
		n2 := new(big.Int).Lsh(n, 1)
		inverse := new(big.Int).ModInverse(R, n)
		numbers := []*big.Int{new(big.Int), one, new(big.Int).Sub(n, one), n, new(big.Int).Add(n, one), new(big.Int).Sub(n2, one), new(big.Int).Sub(n2, big.NewInt(limbMask))}
		for range 12 {
			numbers = append(numbers, new(big.Int).Mod(new(big.Int).Lsh(new(big.Int).SetBytes(octets(r)), 1), n2))
		}
		for _, a := range numbers {
			for _, b := range numbers {
				x, y := naturalOf(a), naturalOf(b)
				var out natural
				amm(&out, &x, &y, &k.n, k.k0)
				for i, l := range out {
					if l >= 1<<61 {
						t.Fatalf("limb %d is %x", i, l)
					}
				}
				want := new(big.Int).Mul(a, b)
				want.Mod(want.Mul(want, inverse), n)
				got := out.value()
				if got.Cmp(n2) >= 0 || new(big.Int).Mod(got, n).Cmp(want) != 0 {
					t.Fatalf("%x * %x mod %x: got %x, want %x", a, b, n, got, want)
				}
				settled := out
				if settled.settle(); settled != naturalOf(got) {
					t.Fatalf("settled, %x is %x", got, settled.value())
				}
				for name, same := range map[string]func() *natural{
					"a": func() *natural { z := x; amm(&z, &z, &y, &k.n, k.k0); return &z },
					"b": func() *natural { z := y; amm(&z, &x, &z, &k.n, k.k0); return &z },
				} {
					if z := same(); *z != out {
						t.Fatalf("written over %s the product is another", name)
					}
				}
			}
		}
	}
}

func TestHolds(t *testing.T) {
	needed(t)
	r := mathrand.New(mathrand.NewPCG(5, 6))
	for i, n := range moduli(r) {
		e := []uint{3, 5, 17, 257, 65537, 65539, 1<<31 - 1, 0xaaaa_aaab}[i%8]
		k := New(n, e)
		for _, s := range []*big.Int{new(big.Int), one, new(big.Int).Sub(n, one), new(big.Int).SetBytes(octets(r)), new(big.Int).SetBytes(octets(r)), new(big.Int).SetBytes(octets(r))} {
			s.Mod(s, n)
			want := new(big.Int).Exp(s, new(big.Int).SetUint64(uint64(e)), n)
			signature, number := s.FillBytes(make([]byte, Size)), want.FillBytes(make([]byte, Size))
			if !k.Holds(signature, number) {
				t.Fatalf("%x to %d mod %x isn't %x", s, e, n, want)
			}
			for range 4 {
				wrong := bytes.Clone(number)
				wrong[r.IntN(Size)] ^= 1 << r.IntN(8)
				if k.Holds(signature, wrong) {
					t.Fatalf("%x to %d mod %x is %x, too", s, e, n, wrong)
				}
			}
			if more := new(big.Int).Add(want, n); more.BitLen() <= 8*Size && k.Holds(signature, more.FillBytes(make([]byte, Size))) {
				t.Errorf("a number over the modulus is held by %x", s)
			}
			if over := new(big.Int).Add(s, n); over.BitLen() <= 8*Size && k.Holds(over.FillBytes(make([]byte, Size)), number) {
				t.Errorf("%x is no signature: it isn't below the modulus", over)
			}
		}
		if k.Holds(n.FillBytes(make([]byte, Size)), make([]byte, Size)) || k.Holds(make([]byte, Size-1), make([]byte, Size)) || k.Holds(make([]byte, Size+1), make([]byte, Size)) ||
			k.Holds(make([]byte, Size), make([]byte, Size-1)) || k.Holds(nil, nil) {
			t.Error("not below the modulus, or of another size")
		}
	}
}

func TestNoKeys(t *testing.T) {
	needed(t)
	n := new(big.Int).Add(new(big.Int).Lsh(one, 8*Size-1), one)
	if New(n, 3) == nil {
		t.Fatal("there is no key")
	}
	for name, k := range map[string]*Key{
		"even": New(new(big.Int).Add(n, one), 3), "short": New(new(big.Int).Rsh(n, 1), 3), "long": New(new(big.Int).Add(new(big.Int).Lsh(n, 1), one), 3),
		"e=0": New(n, 0), "e=1": New(n, 1), "e=2": New(n, 2), "e=65536": New(n, 65536), "none": New(new(big.Int), 3),
	} {
		if k != nil {
			t.Errorf("%s is a key", name)
		}
	}
}

func TestNumbers(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(7, 8))
	for range 200 {
		a, b := octets(r), octets(r)
		var x, y natural
		x.set(a)
		y.set(b)
		v, w := new(big.Int).SetBytes(a), new(big.Int).SetBytes(b)
		if x.value().Cmp(v) != 0 || x != naturalOf(v) || x.below(&y) != (v.Cmp(w) < 0) || x.below(&x) {
			t.Fatalf("%x, %x", a, b)
		}
		if v.Cmp(w) < 0 {
			v, w, x, y = w, v, y, x
		}
		if x.sub(&y); x != naturalOf(v.Sub(v, w)) {
			t.Fatalf("%x - %x is %x", a, b, x.value())
		}
	}
}

func FuzzProducts(f *testing.F) {
	needed(f)
	f.Add(bytes.Repeat([]byte{0xff}, Size), bytes.Repeat([]byte{0xff}, Size), bytes.Repeat([]byte{0xff}, Size))
	f.Fuzz(func(t *testing.T, m, a, b []byte) {
		fill := func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, Size)...)[:Size] }
		m = fill(m)
		m[0] |= 0x80
		m[Size-1] |= 1
		n := new(big.Int).SetBytes(m)
		n2 := new(big.Int).Lsh(n, 1)
		k := New(n, 3)
		x := new(big.Int).Mod(new(big.Int).SetBytes(append(fill(a), 1)), n2)
		y := new(big.Int).Mod(new(big.Int).SetBytes(append(fill(b), 1)), n2)
		p, q := naturalOf(x), naturalOf(y)
		var out natural
		amm(&out, &p, &q, &k.n, k.k0)
		got := out.value()
		back := new(big.Int).Mod(new(big.Int).Lsh(got, limbBits*nLimbs), n)
		if want := x.Mod(x.Mul(x, y), n); got.Cmp(n2) >= 0 || back.Cmp(want) != 0 {
			t.Errorf("got %x, want %x/R", got, want)
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	needed(b)
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(one, 8*Size-1))
	if err != nil {
		b.Fatal(err)
	}
	k := New(n.SetBit(n.SetBit(n, 8*Size-1, 1), 0, 1), 65537)
	s := bytes.Repeat([]byte{0x55}, Size)
	for b.Loop() {
		k.Holds(s, s)
	}
}
