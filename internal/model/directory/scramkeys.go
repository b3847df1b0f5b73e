package directory

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"io"

	"github.com/xdg-go/stringprep"

	"postroad/internal/fault"
)

// ScramHash is a hash function that SCRAM is spoken with; the bits of several are a set.
type ScramHash uint8

// The hash functions of RFC 5802, RFC 7677 and draft-melnikov-scram-sha-512.
const (
	ScramSHA256 ScramHash = 1 << iota
	ScramSHA1
	ScramSHA512
)

// scramHashes lists the functions in the order of their bits.
var scramHashes = [...]func() hash.Hash{sha256.New, sha1.New, sha512.New}

// ScramKeys are what a server keeps of a password to speak SCRAM with one hash function (RFC 5802 §3).
type ScramKeys struct {
	Salt       string
	Iterations int
	StoredKey  string
	ServerKey  string
}

// scramSet is what is kept of a password for SCRAM, for all functions that are enabled. All passwords of one account have
// the same salt and count: the server must name both before it can know which of them the client has.
type scramSet struct {
	salt       string
	iterations int
	keys       [len(scramHashes)]scramPair
}

type scramPair struct{ stored, server string }

// of gives the keys for one function; ok is false if there are none.
func (s *scramSet) of(h ScramHash) (k ScramKeys, ok bool) {
	for i, pair := range s.keys {
		if h == 1<<i {
			return ScramKeys{s.salt, s.iterations, pair.stored, pair.server}, pair.stored != ""
		}
	}
	return ScramKeys{}, false
}

// hashes is the set of functions that there are keys for.
func (s *scramSet) hashes() (set ScramHash) {
	for i, pair := range s.keys {
		if pair.stored != "" {
			set |= 1 << i
		}
	}
	return set
}

// newScramSet: SCRAM's clients prepare passwords with SASLprep (RFC 4013), which is
// stricter than OpaqueString; what it refuses, they can't send, and gets keys of the prepared form.
func newScramSet(password, prepared, salt string, iterations int, hashes ScramHash) (scramSet, error) {
	if p, err := stringprep.SASLprep.Prepare(password); err == nil {
		prepared = p
	}
	s := scramSet{salt: salt, iterations: iterations}
	for i, h := range scramHashes {
		if hashes&(1<<i) == 0 {
			continue
		}
		var err error
		if s.keys[i], err = newScramPair(h, prepared, salt, iterations); err != nil {
			return scramSet{}, err
		}
	}
	return s, nil
}

// newScramPair computes RFC 5802 §3.
func newScramPair(h func() hash.Hash, password, salt string, iterations int) (scramPair, error) {
	salted, err := pbkdf2.Key(h, password, []byte(salt), iterations, h().Size())
	if err != nil {
		return scramPair{}, fault.Wrap(fault.Internal, err, "")
	}
	stored := h()
	stored.Write(macWith(h, salted, "Client Key"))
	return scramPair{string(stored.Sum(nil)), string(macWith(h, salted, "Server Key"))}, nil
}

func macWith(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	io.WriteString(m, text)
	return m.Sum(nil)
}

func mac(key []byte, text string) []byte { return macWith(sha256.New, key, text) }

// scram writes the keys: count, salt, then for each function its two keys, empty if there are none.
func (r record) scram(s *scramSet) record {
	r = r.uint(uint64(s.iterations)).text(s.salt).uint(uint64(len(s.keys)))
	for _, pair := range s.keys {
		r = r.text(pair.stored).text(pair.server)
	}
	return r
}

func (r *reader) scram() (s scramSet) {
	s.iterations, s.salt = int(r.uint()), r.text()
	for i := range r.Count() {
		pair := scramPair{r.text(), r.text()}
		if i >= len(s.keys) { // of a function that a later version knows
			r.Fail()
			return s
		}
		s.keys[i] = pair
	}
	return s
}
