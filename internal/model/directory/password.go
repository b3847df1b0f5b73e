package directory

import (
	"context"
	"crypto/subtle"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"postroad/internal/fault"
)

// MaxPassword is the longest password, in bytes.
const MaxPassword = 1024

const (
	saltSize = 16
	hashSize = 32
)

// HashParams say how hard passwords are to guess for a thief of the database.
// Zero fields take the defaults.
type HashParams struct {
	MemoryKiB uint32 // argon2id's memory; default 19456 (OWASP)
	Time      uint32 // argon2id's passes; default 2
	Threads   uint8  // argon2id's lanes; default 1
	// ScramIterations is PBKDF2's count for SCRAM keys; default 25000, at least 4096 (RFC 7677 §4).
	// It stays below what slow clients can stand, which have to compute it at each sign-in.
	ScramIterations int
	// Scram are the functions that keys are kept for besides SHA-256.
	Scram ScramHash
	// Recoverable: passwords are also kept encrypted, so that they can be had again. CRAM-MD5 and APOP need that.
	Recoverable bool
}

func (p HashParams) withDefaults() HashParams {
	if p.MemoryKiB == 0 {
		p.MemoryKiB = 19456
	}
	if p.Time == 0 {
		p.Time = 2
	}
	if p.Threads == 0 {
		p.Threads = 1
	}
	if p.ScramIterations == 0 {
		p.ScramIterations = 25000
	}
	p.ScramIterations = max(p.ScramIterations, 4096)
	p.Scram |= ScramSHA256
	return p
}

// Credential is what is kept of a password. Credentials are immutable.
type Credential struct {
	// Version grows with each of the account's passwords: what was verified under one
	// version says nothing of another.
	Version uint64
	// Changed is when the password was set.
	Changed time.Time

	scram  scramSet
	params HashParams
	salt   string
	hash   string
	sealed string // the password itself; "": not kept
}

// ScramKeys gives the keys for SCRAM with one function; ok is false if there are none.
func (c *Credential) ScramKeys(h ScramHash) (k ScramKeys, ok bool) { return c.scram.of(h) }

// hasher makes and verifies credentials, few at a time.
type hasher struct {
	params HashParams
	rand   io.Reader
	sealer *sealer
	slots  chan struct{} // one token for each argon2 run
	runs   atomic.Uint64
}

func newHasher(p HashParams, rand io.Reader) *hasher {
	return &hasher{params: p.withDefaults(), rand: rand, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// argon runs argon2id when a slot is free.
func (h *hasher) argon(ctx context.Context, p HashParams, password, salt string) (string, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return "", fault.Wrap(fault.Canceled, ctx.Err(), "")
	}
	defer func() { <-h.slots }()
	h.runs.Add(1)
	return string(argon2.IDKey([]byte(password), []byte(salt), p.Time, p.MemoryKiB, p.Threads, hashSize)), nil
}

// make computes all that is kept of a password, but its version. The keys for SCRAM get the salt and count of like, if it
// isn't nil.
func (h *hasher) make(ctx context.Context, password string, now time.Time, like *scramSet) (*Credential, error) {
	prepared, err := preparePassword(password)
	if err != nil {
		return nil, err
	}
	salts := make([]byte, 2*saltSize)
	if _, err := io.ReadFull(h.rand, salts); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no randomness")
	}
	c := &Credential{Changed: now, params: h.params, salt: string(salts[:saltSize])}
	if c.hash, err = h.argon(ctx, h.params, prepared, c.salt); err != nil {
		return nil, err
	}
	if like == nil {
		like = &scramSet{salt: string(salts[saltSize:]), iterations: h.params.ScramIterations}
	}
	c.scram, c.sealed, err = h.keys(password, prepared, like)
	c.params.ScramIterations = c.scram.iterations
	return c, err
}

// keys computes what is kept of a password beside its hash.
func (h *hasher) keys(password, prepared string, like *scramSet) (s scramSet, sealed string, err error) {
	if s, err = newScramSet(password, prepared, like.salt, like.iterations, h.params.Scram); err == nil && h.params.Recoverable {
		sealed, err = h.sealer.seal(prepared, sealedPassword)
	}
	return s, sealed, err
}

// sealedPassword is what sealed passwords are bound to.
const sealedPassword = "password"

// verify reports whether password is the credential's. A nil credential
// takes as long as a real one and is never right.
func (h *hasher) verify(ctx context.Context, c *Credential, password string) (bool, error) {
	prepared, err := preparePassword(password)
	real := c != nil && err == nil
	if c == nil {
		c = &Credential{params: h.params, salt: string(make([]byte, saltSize)), hash: string(make([]byte, hashSize))}
	}
	if err != nil {
		prepared = "-"
	}
	got, err := h.argon(ctx, c.params, prepared, c.salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(c.hash)) == 1 && real, nil
}

// outdated reports whether today's parameters differ from the credential's. Where app passwords share its salt, the count
// of SCRAM's iterations can't change.
func (h *hasher) outdated(c *Credential, shared bool) bool {
	is := c.params
	if shared {
		is.ScramIterations = h.params.ScramIterations
	}
	return is != h.params
}

// preparePassword gives a password its one spelling (RFC 8265 §4.2, OpaqueString).
func preparePassword(password string) (string, error) {
	switch {
	case password == "":
		return "", fault.New(fault.Invalid, "the password is empty")
	case len(password) > MaxPassword:
		return "", fault.New(fault.TooLarge, "the password is longer than %d bytes", MaxPassword)
	case isPrintableASCII(password):
		return password, nil // as OpaqueString would have it, but faster
	}
	p, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", fault.New(fault.Invalid, "the password holds characters that passwords may not have")
	}
	return p, nil
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (c *Credential) encode() []byte {
	return newRecord(2).uint(c.Version).time(c.Changed).
		uint(uint64(c.params.MemoryKiB)).uint(uint64(c.params.Time)).uint(uint64(c.params.Threads)).
		text(c.salt).text(c.hash).scram(&c.scram).text(c.sealed)
}

// decodeCredential reads a credential's record. Version 1 had keys for SCRAM-SHA-256 only.
func decodeCredential(value []byte) (*Credential, error) {
	r := readRecord(value, 2)
	c := &Credential{Version: r.uint(), Changed: r.time()}
	c.params = HashParams{MemoryKiB: uint32(r.uint()), Time: uint32(r.uint()), Threads: uint8(r.uint())}
	c.salt, c.hash = r.text(), r.text()
	if r.version < 2 {
		c.scram.iterations, c.scram.salt = int(r.uint()), r.text()
		c.scram.keys[0] = scramPair{r.text(), r.text()}
	} else {
		c.scram, c.sealed = r.scram(), r.text()
	}
	c.params.ScramIterations, c.params.Scram, c.params.Recoverable = c.scram.iterations, c.scram.hashes(), c.sealed != ""
	if p := c.params; p.MemoryKiB == 0 || p.Time == 0 || p.Threads == 0 {
		r.Fail() // argon2 would panic
	}
	return c, r.end("credential")
}
