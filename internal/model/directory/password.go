package directory

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/xdg-go/stringprep"
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
	return p
}

// Credential is what is kept of a password. Credentials are immutable.
type Credential struct {
	// Version counts the account's passwords: what was verified under one
	// version says nothing of the next.
	Version uint64
	// Changed is when the password was set.
	Changed time.Time
	// Scram are the keys for SCRAM-SHA-256.
	Scram ScramKeys

	params HashParams
	salt   string
	hash   string
}

// ScramKeys are what a server keeps to speak SCRAM-SHA-256 (RFC 5802 §3).
type ScramKeys struct {
	Salt       string
	Iterations int
	StoredKey  string
	ServerKey  string
}

// hasher makes and verifies credentials, few at a time.
type hasher struct {
	params HashParams
	rand   io.Reader
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

// make computes all that is kept of a password, but its version.
func (h *hasher) make(ctx context.Context, password string, now time.Time) (*Credential, error) {
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
	c.Scram, err = scramKeys(password, prepared, string(salts[saltSize:]), h.params.ScramIterations)
	return c, err
}

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

// outdated reports whether today's parameters differ from the credential's.
func (h *hasher) outdated(c *Credential) bool { return c.params != h.params }

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

// scramKeys: RFC 5802 §3. SCRAM's clients prepare passwords with SASLprep (RFC 4013), which is
// stricter than OpaqueString; what it refuses, they can't send, and gets keys of the prepared form.
func scramKeys(password, prepared, salt string, iterations int) (ScramKeys, error) {
	if p, err := stringprep.SASLprep.Prepare(password); err == nil {
		prepared = p
	}
	salted, err := pbkdf2.Key(sha256.New, prepared, []byte(salt), iterations, sha256.Size)
	if err != nil {
		return ScramKeys{}, fault.Wrap(fault.Internal, err, "")
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	return ScramKeys{
		Salt: salt, Iterations: iterations,
		StoredKey: string(stored[:]), ServerKey: string(mac(salted, "Server Key")),
	}, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, text)
	return h.Sum(nil)
}

func (c *Credential) encode() []byte {
	return newRecord(1).uint(c.Version).time(c.Changed).
		uint(uint64(c.params.MemoryKiB)).uint(uint64(c.params.Time)).uint(uint64(c.params.Threads)).
		text(c.salt).text(c.hash).
		uint(uint64(c.Scram.Iterations)).text(c.Scram.Salt).text(c.Scram.StoredKey).text(c.Scram.ServerKey)
}

func decodeCredential(value []byte) (*Credential, error) {
	r := readRecord(value, 1)
	c := &Credential{Version: r.uint(), Changed: r.time()}
	c.params = HashParams{MemoryKiB: uint32(r.uint()), Time: uint32(r.uint()), Threads: uint8(r.uint())}
	c.salt, c.hash = r.text(), r.text()
	c.Scram.Iterations = int(r.uint())
	c.params.ScramIterations = c.Scram.Iterations
	c.Scram.Salt, c.Scram.StoredKey, c.Scram.ServerKey = r.text(), r.text(), r.text()
	if p := c.params; p.MemoryKiB == 0 || p.Time == 0 || p.Threads == 0 {
		r.Fail() // argon2 would panic
	}
	return c, r.end("credential")
}
