package dkim

import (
	"crypto/rsa"
	"crypto/sha256"
	"math"

	"filippo.io/bigmod"
)

// publicRSA is an RSA key made ready to verify with: what can be computed from the modulus alone is a third of the work of a signature, and crypto/rsa
// does it anew for each. It says of every signature what rsa.VerifyPKCS1v15 does, and doesn't change.
type publicRSA struct {
	n    *bigmod.Modulus
	e    uint
	size int // of the modulus, in octets
}

// readyRSA is nil if nothing can be signed with a key: as crypto/rsa has it, its modulus must be odd, and its exponent odd, over 1 and under 2^31.
// The modulus must be of at most MaxRSA bits.
func readyRSA(pub *rsa.PublicKey) *publicRSA {
	if pub.E < 2 || pub.E%2 == 0 || pub.E > math.MaxInt32 || pub.N.Bit(0) == 0 || pub.N.BitLen() > MaxRSA {
		return nil
	}
	n, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil
	}
	return &publicRSA{n: n, e: uint(pub.E), size: n.Size()}
}

// verify checks an RSASSA-PKCS1-v1_5 signature over a SHA-256 digest (RFC 8017 §8.2.2). Nothing is read out of what the signature holds: that has to be,
// octet by octet, what must have been signed.
func (k *publicRSA) verify(digest, signature []byte) bool {
	if k == nil || len(digest) != sha256.Size || len(signature) != k.size || k.size < minEncoded {
		return false
	}
	s, err := bigmod.NewNat().SetBytes(signature, k.n)
	if err != nil { // not below the modulus (§5.2.2)
		return false
	}
	var room [MaxRSA / 8]byte
	want, err := bigmod.NewNat().SetBytes(encoded(room[:k.size], digest), k.n)
	if err != nil { // its first octet is zero, and no modulus' is
		return false
	}
	return bigmod.NewNat().ExpShortVarTime(s, k.e, k.n).Equal(want) == 1
}

// sha256Prefix is the DER of a DigestInfo of SHA-256 up to the digest (RFC 8017 §9.2, note 1).
const sha256Prefix = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

// minEncoded is the shortest modulus that has room for a digest with eight octets of padding.
const minEncoded = 3 + 8 + len(sha256Prefix) + sha256.Size

// encoded makes em what a signature of a digest encloses, EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 FF ... FF 00, and a DigestInfo.
func encoded(em, digest []byte) []byte {
	info := em[len(em)-len(sha256Prefix)-sha256.Size:]
	copy(info[copy(info, sha256Prefix):], digest)
	padding := em[2 : len(em)-len(info)-1]
	for i := range padding {
		padding[i] = 0xff
	}
	em[0], em[1], em[2+len(padding)] = 0, 1, 0
	return em
}
