package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"postroad/internal/model/directory"
)

// maxKnown is how many verified passwords are remembered in each of two generations.
const maxKnown = 20_000

// known remembers passwords that were verified lately, as a hash under a
// key that never leaves this process. A hash covers the account and the version of its
// credential: a new password ends what was known of the old one. What an outside directory has verified is known
// until its time is over, whatever happens there.
type known struct {
	life time.Duration
	key  [32]byte

	mu         sync.Mutex             // guards what follows
	young, old map[[32]byte]time.Time // when each was verified
}

// newKnown makes an empty memory. Without randomness, or with a negative life, it remembers nothing.
func newKnown(life time.Duration, rand io.Reader) *known {
	k := &known{life: life, young: map[[32]byte]time.Time{}}
	if _, err := io.ReadFull(rand, k.key[:]); err != nil {
		k.life = -1
	}
	return k
}

func (k *known) hash(p *directory.Profile, password string) (sum [32]byte) {
	var head [16]byte
	binary.BigEndian.PutUint64(head[:8], uint64(p.Account.ID))
	if p.Credential != nil {
		binary.BigEndian.PutUint64(head[8:], p.Credential.Version)
	}
	h := hmac.New(sha256.New, k.key[:])
	h.Write(head[:])
	if p.Link != nil { // whoever is tied to another entry has another password
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p.Link.Key))))
		io.WriteString(h, p.Link.Source+"\x00"+p.Link.Key)
	}
	io.WriteString(h, password)
	h.Sum(sum[:0])
	return sum
}

// has reports whether password was verified for p lately.
func (k *known) has(p *directory.Profile, password string, now time.Time) bool {
	if k.life < 0 || p.Credential == nil && p.Link == nil {
		return false
	}
	sum := k.hash(p, password)
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.young[sum]
	if !ok {
		at, ok = k.old[sum]
	}
	return ok && now.Sub(at) < k.life
}

// add remembers password as verified for p now.
func (k *known) add(p *directory.Profile, password string, now time.Time) {
	if k.life < 0 {
		return
	}
	sum := k.hash(p, password)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.young) >= maxKnown {
		k.young, k.old = map[[32]byte]time.Time{}, k.young
	}
	k.young[sum] = now
}
