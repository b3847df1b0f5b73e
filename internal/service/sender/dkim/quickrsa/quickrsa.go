// Package quickrsa tells whether a signature holds a number, by RSA keys of 2048 bits, which most have: that is the dearest part of what is found out about
// a message. Processors that multiply eight numbers of 52 bits at a time (AVX-512 IFMA: Ice Lake, Zen 4 and later ones) do it in a third of the time that
// arithmetic for all of them takes; for others there is no Key. It knows nothing of padding, and keeps no secrets: its time tells of the numbers.
package quickrsa

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

const (
	limbBits = 52
	limbMask = 1<<limbBits - 1
	// nLimbs have room for 2048 bits and a few more, and are a multiple of eight.
	nLimbs = 40
	// Size is that of a modulus, and of a signature, in octets.
	Size = 256
)

// natural is a number below 2^2080, the least limb first. Settled limbs are below 2^52.
type natural [nLimbs]uint64

// set makes x the number of Size octets, the first of which is the most significant.
func (x *natural) set(b []byte) {
	var words [Size/8 + 1]uint64
	for i := range Size / 8 {
		words[i] = binary.BigEndian.Uint64(b[Size-8*(i+1):])
	}
	for i := range x {
		w, shift := i*limbBits/64, i*limbBits%64
		x[i] = (words[w]>>shift | words[w+1]<<(64-shift)) & limbMask // what is shifted by 64 is 0
	}
}

// settle carries what is over 2^52 in a limb to the next.
func (x *natural) settle() {
	var carry uint64
	for i := range x {
		carry += x[i]
		x[i] = carry & limbMask
		carry >>= limbBits
	}
}

// below reports whether x is less than y. Both are settled.
func (x *natural) below(y *natural) bool {
	for i := nLimbs - 1; i >= 0; i-- {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

// sub takes y, which is no more than x, from it. Both are settled, and x stays so.
func (x *natural) sub(y *natural) {
	var borrow uint64
	for i := range x {
		d := x[i] - y[i] - borrow
		x[i] = d & limbMask
		borrow = d >> 63
	}
}

// Key is a public key that is ready to be used. It doesn't change.
type Key struct {
	n, rr natural // the modulus, and R*R mod n
	k0    uint64  // -1/n mod 2^52
	e     uint
}

// New makes a Key of a modulus and an exponent. It is nil if it can't: the modulus isn't an odd number of 2048 bits, the exponent isn't odd and over 1, or the
// processor can't.
func New(n *big.Int, e uint) *Key {
	if n.BitLen() != 8*Size || n.Bit(0) == 0 || e < 3 || e%2 == 0 || !hasAMM() {
		return nil
	}
	k := &Key{e: e}
	var octets [Size]byte
	k.n.set(n.FillBytes(octets[:]))
	rr := new(big.Int).Lsh(big.NewInt(1), 2*limbBits*nLimbs)
	k.rr.set(rr.Mod(rr, n).FillBytes(octets[:]))
	inverse := uint64(1)
	for range 6 { // Newton's way: each round has twice the bits
		inverse *= 2 - k.n[0]*inverse
	}
	k.k0 = -inverse & limbMask
	return k
}

// Holds reports whether signature is below the modulus and, raised to the exponent, number. Both are of Size octets, else it doesn't.
func (k *Key) Holds(signature, number []byte) bool {
	if len(signature) != Size || len(number) != Size {
		return false
	}
	var s, x, want natural
	if s.set(signature); !s.below(&k.n) {
		return false
	}
	k.raise(&x, &s)
	want.set(number)
	return x == want
}

// raise makes x s to the exponent, below n. s is below n.
func (k *Key) raise(x, s *natural) {
	var sR natural
	k.mul(&sR, s, &k.rr) // s*R, a form that products of such numbers have, too
	*x = sR
	for i := bits.Len(k.e) - 2; i > 0; i-- {
		k.mul(x, x, x)
		if k.e>>i&1 != 0 {
			k.mul(x, x, &sR)
		}
	}
	k.mul(x, x, x)
	k.mul(x, x, s) // the last bit, for e is odd; the product is without R, as s is
	if !x.below(&k.n) {
		x.sub(&k.n)
	}
}

// mul makes out, which may be a or b, a*b/R mod n, or that and n. a and b are below 2n.
func (k *Key) mul(out, a, b *natural) {
	amm(out, a, b, &k.n, k.k0)
	out.settle()
}
