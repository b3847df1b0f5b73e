package dkim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// theirsVerifies is what crypto/rsa says.
func theirsVerifies(pub *rsa.PublicKey, digest, signature []byte) bool {
	return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest, signature) == nil
}

// rsaKeys are keys of sizes and exponents as they come, and as they don't.
var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	var keys []*rsa.PrivateKey
	for _, bits := range []int{1024, 1031, 1536, 2047, 2048, 3072} {
		keys = append(keys, makeRSA(bits, 65537))
	}
	return append(keys, makeRSA(1024, 3), makeRSA(2048, 3), makeRSA(1024, 1<<31-1))
})

// makeRSA makes a key, which rsa.GenerateKey does with its own exponent alone.
func makeRSA(bits, e int) *rsa.PrivateKey {
	one := big.NewInt(1)
	for {
		p, err1 := rand.Prime(rand.Reader, bits/2)
		q, err2 := rand.Prime(rand.Reader, bits-bits/2)
		if err1 != nil || err2 != nil {
			panic("no primes")
		}
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(big.NewInt(int64(e)), phi)
		if n.BitLen() == bits && d != nil {
			return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: e}, D: d, Primes: []*big.Int{p, q}}
		}
	}
}

// raise is what a signature of a number is, whatever that holds.
func raise(k *rsa.PrivateKey, em []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(em), k.D, k.N).FillBytes(make([]byte, k.Size()))
}

func em(k *rsa.PrivateKey, digest []byte) []byte { return encoded(make([]byte, k.Size()), digest) }

func TestRSASaysWhatTheLibraryDoes(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	for _, k := range rsaKeys() {
		ready := readyRSA(&k.PublicKey)
		for range 8 {
			digest := make([]byte, sha256.Size)
			for i := range digest {
				digest[i] = byte(r.Uint32())
			}
			good := raise(k, em(k, digest))
			if !ready.verify(digest, good) || !theirsVerifies(&k.PublicKey, digest, good) {
				t.Fatalf("%d bits, e=%d: a good signature isn't", k.N.BitLen(), k.E)
			}
			for range 16 {
				d, s := mutate(r, digest), mutate(r, good)
				if r.IntN(2) == 0 {
					d = digest
				}
				if ours, theirs := ready.verify(d, s), theirsVerifies(&k.PublicKey, d, s); ours != theirs {
					t.Errorf("%d bits, e=%d: %v, want %v\ndigest %x\nsignature %x", k.N.BitLen(), k.E, ours, theirs, d, s)
				}
			}
		}
	}
}

// mutate changes a few octets, or the length, or nothing.
func mutate(r *mathrand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	switch r.IntN(5) {
	case 0:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 1:
		b = append([]byte{0}, b...)
	case 2:
		b = append(b, 0)
	case 3:
		b = b[r.IntN(2) : len(b)-r.IntN(3)]
	}
	return b
}

// What was signed by the key, but isn't what a signature of the digest holds; some of it has been taken by those who read it instead of comparing.
func TestRSATakesNothingThatLooksAlike(t *testing.T) {
	digest := sha256.Sum256([]byte("text"))
	prefix := sha256Prefix
	edit := func(old, to string) string {
		if !strings.Contains(prefix, old) {
			t.Fatalf("%x is not in the prefix", old)
		}
		return strings.Replace(prefix, old, to, 1) + string(digest[:])
	}
	padded := func(size int, begin string, fill byte, end string) []byte {
		return append(append([]byte(begin), bytes.Repeat([]byte{fill}, max(0, size-len(begin)-len(end)))...), end...)
	}
	info := prefix + string(digest[:])
	tests := map[string]func(size int) []byte{
		"padding of type 2":          func(n int) []byte { return padded(n, "\x00\x02", 0xff, "\x00"+info) },
		"padding of zeros":           func(n int) []byte { return padded(n, "\x00\x01", 0, "\x00"+info) },
		"padding with another octet": func(n int) []byte { return padded(n, "\x00\x01\xff\xff\xfe", 0xff, "\x00"+info) },
		"no zero before the info":    func(n int) []byte { return padded(n, "\x00\x01", 0xff, "\xff"+info) },
		"first octet 1":              func(n int) []byte { return padded(n, "\x01\x01", 0xff, "\x00"+info) },
		"short padding, garbage behind": func(n int) []byte {
			return padded(n, "\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00"+info, 0x5a, "")
		},
		"no padding, garbage behind": func(n int) []byte { return padded(n, "\x00\x01\x00"+info, 0, "") },
		"one octet of garbage behind": func(n int) []byte {
			return padded(n, "\x00\x01", 0xff, "\x00"+info+"\x00")
		},
		"garbage inside the info": func(n int) []byte {
			return padded(n, "\x00\x01", 0xff, "\x00"+"\x30\x33"+prefix[2:]+string(digest[:])+"\x05\x00")
		},
		"parameters of garbage": func(n int) []byte {
			return padded(n, "\x00\x01", 0xff, "\x00"+strings.Replace(strings.Replace(edit("\x05\x00", "\x04\x08garbage!"), "\x30\x31", "\x30\x39", 1), "\x30\x0d", "\x30\x15", 1))
		},
		"no NULL": func(n int) []byte {
			return padded(n, "\x00\x01", 0xff, "\x00"+strings.Replace(strings.Replace(edit("\x05\x00", ""), "\x30\x31", "\x30\x2f", 1), "\x30\x0d", "\x30\x0b", 1))
		},
		"long form of a length": func(n int) []byte {
			return padded(n, "\x00\x01", 0xff, "\x00"+edit("\x30\x31", "\x30\x81\x31"))
		},
		"SHA-384's OID":    func(n int) []byte { return padded(n, "\x00\x01", 0xff, "\x00"+edit("\x04\x02\x01", "\x04\x02\x02")) },
		"SHA-224's OID":    func(n int) []byte { return padded(n, "\x00\x01", 0xff, "\x00"+edit("\x04\x02\x01", "\x04\x02\x04")) },
		"bare digest":      func(n int) []byte { return padded(n, "\x00\x01", 0xff, "\x00"+string(digest[:])) },
		"digest of others": func(n int) []byte { return padded(n, "\x00\x01", 0xff, "\x00"+prefix+strings.Repeat("\x11", 32)) },
		"zero":             func(n int) []byte { return make([]byte, n) },
		"one":              func(n int) []byte { return padded(n, "", 0, "\x01") },
	}
	for _, k := range rsaKeys() {
		ready := readyRSA(&k.PublicKey)
		for name, make := range tests {
			number := make(k.Size())
			if len(number) != k.Size() {
				t.Fatal(name, len(number))
			}
			signature := raise(k, number)
			if ready.verify(digest[:], signature) || theirsVerifies(&k.PublicKey, digest[:], signature) {
				t.Errorf("%d bits, e=%d: %s is taken", k.N.BitLen(), k.E, name)
			}
		}
	}
}

// A signature is as long as the modulus and below it (RFC 8017 §5.2.2, §8.2.2), though others are the same number.
func TestRSARefusesOtherSpellings(t *testing.T) {
	digest := sha256.Sum256([]byte("text"))
	for _, k := range rsaKeys() {
		ready, good := readyRSA(&k.PublicKey), raise(k, em(k, digest[:]))
		s := new(big.Int).SetBytes(good)
		over := new(big.Int).Add(s, k.N).Bytes()
		negative := new(big.Int).Sub(k.N, s).FillBytes(make([]byte, k.Size()))
		for name, signature := range map[string][]byte{
			"a zero before": append([]byte{0}, good...), "a zero behind": append(bytes.Clone(good), 0), "without its first": good[1:], "without its last": good[:len(good)-1],
			"with the modulus added": over, "the modulus": k.N.Bytes(), "all ones": bytes.Repeat([]byte{0xff}, k.Size()), "negative": negative, "none": nil,
		} {
			if ready.verify(digest[:], signature) {
				t.Errorf("%d bits, e=%d: %s is taken", k.N.BitLen(), k.E, name)
			}
		}
		if !ready.verify(digest[:], good) || ready.verify(digest[:31], good) || ready.verify(append(digest[:], 0), good) || ready.verify(nil, good) {
			t.Errorf("%d bits, e=%d: other lengths of digest", k.N.BitLen(), k.E)
		}
	}
}

// One whose signature happens to begin with zeros has to keep them.
func TestRSASignatureThatBeginsWithZero(t *testing.T) {
	k := rsaKeys()[0]
	for i := range 10_000 {
		digest := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		s := raise(k, em(k, digest[:]))
		if s[0] != 0 {
			continue
		}
		if ready := readyRSA(&k.PublicKey); !ready.verify(digest[:], s) || ready.verify(digest[:], s[1:]) {
			t.Error("a signature that begins with zero")
		}
		return
	}
	t.Error("none begins with zero")
}

// Keys with which crypto/rsa verifies nothing.
func TestRSAKeysThatAreNone(t *testing.T) {
	k := rsaKeys()[0]
	digest := sha256.Sum256([]byte("text"))
	one, half := big.NewInt(1), 1<<30 // twice half is negative where int has 32 bits
	for name, pub := range map[string]*rsa.PublicKey{
		"e=0": {N: k.N, E: 0}, "e=1": {N: k.N, E: 1}, "e=2": {N: k.N, E: 2}, "e=65536": {N: k.N, E: 65536}, "e<0": {N: k.N, E: -3}, "e=2^31": {N: k.N, E: 2 * half}, "e=2^31+1": {N: k.N, E: 2*half + 1},
		"n even": {N: new(big.Int).Add(k.N, one), E: 65537}, "n=1": {N: one, E: 3}, "n of 4097 bits": {N: new(big.Int).Add(new(big.Int).Lsh(one, 4096), one), E: 3},
	} {
		if ready := readyRSA(pub); ready != nil || ready.verify(digest[:], em(k, digest[:])) { // with e=1 that is a signature
			t.Errorf("%s is a key", name)
		}
	}
	if tiny := readyRSA(&rsa.PublicKey{N: big.NewInt(0xffff_fffb), E: 3}); tiny.verify(digest[:], []byte{1, 2, 3, 4}) {
		t.Error("a modulus without room for a digest")
	}
}

// RFC 8017 §9.2, as shortly as there is room for it.
func TestRSAEncodes(t *testing.T) {
	digest := sha256.Sum256(nil)
	got := hex.EncodeToString(encoded(bytes.Repeat([]byte{7}, minEncoded), digest[:]))
	if want := "0001ffffffffffffffff00" + "3031300d060960864801650304020105000420" + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzRSA(f *testing.F) {
	keys := rsaKeys()
	var ready []*publicRSA
	for i, k := range keys {
		digest := sha256.Sum256([]byte{byte(i)})
		f.Add(uint8(i), digest[:], raise(k, em(k, digest[:])))
		ready = append(ready, readyRSA(&k.PublicKey))
	}
	f.Fuzz(func(t *testing.T, which uint8, digest, signature []byte) {
		i := int(which) % len(keys)
		if ours, theirs := ready[i].verify(digest, signature), theirsVerifies(&keys[i].PublicKey, digest, signature); ours != theirs {
			t.Errorf("%v, want %v", ours, theirs)
		}
		number := append(make([]byte, max(0, keys[i].Size()-len(signature))), signature...)[:keys[i].Size()] // whatever a signature may hold
		signature = raise(keys[i], number)
		if ours, theirs := ready[i].verify(digest, signature), theirsVerifies(&keys[i].PublicKey, digest, signature); ours != theirs {
			t.Errorf("%x: %v, want %v", number, ours, theirs)
		}
	})
}

func BenchmarkRSA(b *testing.B) {
	k := makeRSA(2048, 65537)
	digest := sha256.Sum256(nil)
	signature := raise(k, em(k, digest[:]))
	b.Run("crypto/rsa", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			theirsVerifies(&k.PublicKey, digest[:], signature)
		}
	})
	ready := readyRSA(&k.PublicKey)
	b.Run("ready", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ready.verify(digest[:], signature)
		}
	})
}
