package provision

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/format/passhash"
)

// hashesAtOnce is how many passwords of a source are hashed at a time: some forms take 256 MB each, and anybody may try to sign in.
const hashesAtOnce = 3

// Hashes verifies passwords against stored forms, a few at a time. It is safe for concurrent use.
type Hashes struct{ turns chan struct{} }

// NewHashes returns Hashes.
func NewHashes() *Hashes { return &Hashes{make(chan struct{}, hashesAtOnce)} }

// Verify is passhash.Verify, once it is the caller's turn. Errors: as of that; fault.Unavailable if ctx ended before.
func (h *Hashes) Verify(ctx context.Context, stored, password string) (bool, error) {
	if ctx.Err() == nil {
		select {
		case h.turns <- struct{}{}:
			defer func() { <-h.turns }()
			return passhash.Verify(stored, password)
		case <-ctx.Done():
		}
	}
	return false, fault.Wrap(fault.Unavailable, ctx.Err(), "too many sign in at once")
}
