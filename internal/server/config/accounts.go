package config

import (
	"time"

	"postroad/internal/fault"
)

// Accounts says what becomes of accounts, and of messages, that are removed.
type Accounts struct {
	// KeepRemoved is how long an account that was removed can be brought back; default 30 days.
	KeepRemoved *Duration `toml:"keep_removed"`
	// KeepExpunged is how long messages that were expunged can be brought back; default 14 days, "0s": not at all.
	KeepExpunged *Duration `toml:"keep_expunged"`
}

// keepExpunged is the default of KeepExpunged.
const keepExpunged = 14 * 24 * time.Hour

// KeptExpunged is how long expunged messages can be brought back; zero: not at all.
func (a Accounts) KeptExpunged() time.Duration {
	return a.KeepExpunged.or(keepExpunged)
}

// keepRemoved is the default of KeepRemoved.
const keepRemoved = 30 * 24 * time.Hour

// Kept is how long a removed account can be brought back.
func (a Accounts) Kept() time.Duration {
	return a.KeepRemoved.or(keepRemoved)
}

func (a Accounts) validate() error {
	if a.KeepRemoved != nil && time.Duration(*a.KeepRemoved) < time.Hour {
		return fault.New(fault.Invalid, "accounts.keep_removed: at least 1h")
	}
	if a.KeepExpunged != nil && *a.KeepExpunged < 0 {
		return fault.New(fault.Invalid, "accounts.keep_expunged can't be negative")
	}
	return nil
}
