package config

import (
	"time"

	"postroad/internal/fault"
)

// Accounts says what becomes of accounts that are removed.
type Accounts struct {
	// KeepRemoved is how long an account that was removed can be brought back; default 30 days.
	KeepRemoved Duration `toml:"keep_removed"`
}

// keepRemoved is the default of KeepRemoved.
const keepRemoved = 30 * 24 * time.Hour

// Kept is how long a removed account can be brought back.
func (a Accounts) Kept() time.Duration {
	if a.KeepRemoved == 0 {
		return keepRemoved
	}
	return time.Duration(a.KeepRemoved)
}

func (a Accounts) validate() error {
	if a.KeepRemoved != 0 && time.Duration(a.KeepRemoved) < time.Hour {
		return fault.New(fault.Invalid, "accounts.keep_removed: at least 1h")
	}
	return nil
}
