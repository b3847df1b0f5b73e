package passkey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"postroad/internal/fault"
)

// ChallengeLife is how long a challenge may be answered: the upper limit of what §15.1 recommends (§13.5.3).
const ChallengeLife = 2 * timeout * time.Millisecond

const (
	challengeRandom = 16
	challengeSize   = challengeRandom + 8 + 16
	// maxUsed bounds the memory of challenges that were answered well, and maxUsedOf those that one account has answered: nobody's program
	// that signs in over and over closes the door to all others.
	maxUsed   = 100_000
	maxUsedOf = 500
)

// Challenges makes challenges and takes each back once (§13.5.3). Nothing is kept of those that are never answered, so strangers
// may ask for as many as they like: a challenge says itself until when it is good, under a key that never leaves this process. Only those
// that a passkey has answered are remembered, until they would have expired. It is safe for concurrent use.
type Challenges struct {
	now  func() time.Time
	rand io.Reader
	key  [32]byte

	mu   sync.Mutex
	used map[[challengeRandom]byte]use // guarded by mu
	of   map[uint64]int                // guarded by mu: how many of used are an account's
	tidy time.Time                     // guarded by mu: when to look for what can be forgotten
}

// use is that of a challenge.
type use struct {
	until time.Time // when it can be forgotten
	by    uint64    // the account
}

// NewChallenges makes Challenges.
func NewChallenges(now func() time.Time, rand io.Reader) (*Challenges, error) {
	c := &Challenges{now: now, rand: rand, used: map[[challengeRandom]byte]use{}, of: map[uint64]int{}}
	if _, err := io.ReadFull(rand, c.key[:]); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no randomness")
	}
	return c, nil
}

// New makes a challenge. purpose is what an answer to it may do, and for whom.
func (c *Challenges) New(purpose string) ([]byte, error) {
	b := make([]byte, challengeRandom, challengeSize)
	if _, err := io.ReadFull(c.rand, b); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no randomness")
	}
	b = binary.BigEndian.AppendUint64(b, uint64(c.now().Add(ChallengeLife).Unix()))
	return append(b, c.mac(b, purpose)...), nil
}

func (c *Challenges) mac(head []byte, purpose string) []byte {
	h := hmac.New(sha256.New, c.key[:])
	h.Write(head)
	io.WriteString(h, purpose)
	return h.Sum(nil)[:challengeSize-challengeRandom-8]
}

// Check reports whether a challenge was made here for a purpose, and may still be answered. fault.Unauthenticated: not.
func (c *Challenges) Check(challenge []byte, purpose string) error {
	if len(challenge) != challengeSize {
		return errChallenge()
	}
	head, sum := challenge[:challengeRandom+8], challenge[challengeRandom+8:]
	if !hmac.Equal(sum, c.mac(head, purpose)) || !c.now().Before(until(challenge)) {
		return errChallenge()
	}
	return nil
}

func until(challenge []byte) time.Time {
	return time.Unix(int64(binary.BigEndian.Uint64(challenge[challengeRandom:])), 0)
}

// Use takes a challenge that Check has found good, and that an account has answered well: it is good no more. Errors: fault.Unauthenticated
// if it was used before; fault.RateLimited if the account, or all together, have answered too many.
func (c *Challenges) Use(challenge []byte, account uint64) error {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !now.Before(c.tidy) || len(c.used) >= maxUsed || c.of[account] >= maxUsedOf {
		c.forget(now)
	}
	k := [challengeRandom]byte(challenge)
	if _, again := c.used[k]; again {
		return errChallenge()
	}
	if len(c.used) >= maxUsed || c.of[account] >= maxUsedOf {
		return fault.New(fault.RateLimited, "too many sign-ins by passkeys, try again later")
	}
	c.used[k] = use{until(challenge), account}
	c.of[account]++
	return nil
}

// forget drops what has expired. The caller holds mu.
func (c *Challenges) forget(now time.Time) {
	for k, u := range c.used {
		if now.Before(u.until) {
			continue
		}
		delete(c.used, k)
		if c.of[u.by]--; c.of[u.by] == 0 {
			delete(c.of, u.by)
		}
	}
	c.tidy = now.Add(ChallengeLife)
}

func errChallenge() error {
	return fault.New(fault.Unauthenticated, "it has taken too long: try again")
}
