package passhash

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strconv"
	"strings"
)

// Limits of sha-crypt ("Unix crypt using SHA-256 and SHA-512", U. Drepper, version 0.6).
const (
	defaultRounds = 5000
	minRounds     = 1000
	maxRounds     = 1_000_000 // the specification has 999,999,999, which is hours
	maxSalt       = 16
)

// shaCrypt is one of the two variants. order says in which order the bytes of the result are written, three at a time.
type shaCrypt struct {
	make  func() hash.Hash
	order []int8
}

var (
	sha256Crypt = shaCrypt{sha256.New, []int8{0, 10, 20, 21, 1, 11, 12, 22, 2, 3, 13, 23, 24, 4, 14, 15, 25, 5, 6, 16, 26, 27, 7, 17, 18, 28, 8, 9, 19, 29, -1, 31, 30}}
	sha512Crypt = shaCrypt{sha512.New, []int8{0, 21, 42, 22, 43, 1, 44, 2, 23, 3, 24, 45, 25, 46, 4, 47, 5, 26, 6, 27, 48, 28, 49, 7, 50, 8, 29, 9, 30, 51,
		31, 52, 10, 53, 11, 32, 12, 33, 54, 34, 55, 13, 56, 14, 35, 15, 36, 57, 37, 58, 16, 59, 17, 38, 18, 39, 60, 40, 61, 19, 62, 20, 41, -1, -1, 63}}
)

// verifySHACrypt reads $5$[rounds=N$]SALT$HASH.
func verifySHACrypt(s, password string, v shaCrypt) (bool, error) {
	p := strings.Split(s[3:], "$")
	rounds := defaultRounds
	if text, ok := strings.CutPrefix(p[0], "rounds="); ok {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return false, errCorrupt()
		}
		rounds = max(int(n), minRounds)
		p = p[1:]
	}
	if len(p) != 2 || p[1] == "" {
		return false, errCorrupt()
	}
	if rounds > maxRounds {
		return false, errUnsupported()
	}
	salt := p[0][:min(len(p[0]), maxSalt)]
	got := v.encode(v.sum([]byte(password), []byte(salt), rounds))
	return subtle.ConstantTimeCompare([]byte(got), []byte(p[1])) == 1, nil
}

// sum is the algorithm; the numbers are its steps.
func (v shaCrypt) sum(password, salt []byte, rounds int) []byte {
	b := v.hash(password, salt, password) // 4-8
	h := v.make()                         // 1
	h.Write(password)                     // 2
	h.Write(salt)                         // 3
	h.Write(repeated(b, len(password)))   // 9, 10
	for n := len(password); n > 0; n >>= 1 {
		if n&1 != 0 { // 11
			h.Write(b)
		} else {
			h.Write(password)
		}
	}
	a := h.Sum(nil)                                                 // 12
	ps := repeated(v.times(password, len(password)), len(password)) // 13-16
	ss := repeated(v.times(salt, 16+int(a[0])), len(salt))          // 17-20
	for i := range rounds {                                         // 21
		a = v.round(i, a, ps, ss)
	}
	return a
}

func (v shaCrypt) round(i int, a, ps, ss []byte) []byte {
	h := v.make()
	first, last := a, ps
	if i&1 != 0 {
		first, last = ps, a
	}
	h.Write(first)
	if i%3 != 0 {
		h.Write(ss)
	}
	if i%7 != 0 {
		h.Write(ps)
	}
	h.Write(last)
	return h.Sum(nil)
}

func (v shaCrypt) hash(parts ...[]byte) []byte {
	h := v.make()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// times is the hash of b, n times over.
func (v shaCrypt) times(b []byte, n int) []byte {
	h := v.make()
	for range n {
		h.Write(b)
	}
	return h.Sum(nil)
}

// repeated is n bytes of b, which begins anew when it ends.
func repeated(b []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		out = append(out, b[:min(len(b), n-len(out))]...)
	}
	return out
}

const cryptDigits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// encode writes three bytes as four digits, the lowest first; the last group is shorter.
func (v shaCrypt) encode(sum []byte) string {
	var out strings.Builder
	for i := 0; i < len(v.order); i += 3 {
		n, digits := 0, 1
		for _, j := range v.order[i : i+3] {
			n <<= 8
			if j >= 0 {
				n |= int(sum[j])
				digits++
			}
		}
		for range digits {
			out.WriteByte(cryptDigits[n&63])
			n >>= 6
		}
	}
	return out.String()
}
