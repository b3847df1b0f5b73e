package config

import (
	"time"

	"postroad/internal/fault"
)

// QuarantineRoom bounds what is kept of messages that a scanner or policy has put aside.
type QuarantineRoom struct {
	// Keep is how long they wait for an administrator; default 30d.
	Keep *Duration `toml:"keep"`
	// Size is how much is kept; default 1G. What has no room is put off, so that its bearer keeps it.
	Size Size `toml:"size"`
}

func (q QuarantineRoom) validate() error {
	switch {
	case q.Keep != nil && time.Duration(*q.Keep) < time.Hour:
		return fault.New(fault.Invalid, "quarantine.keep: at least 1h")
	case q.Size != 0 && q.Size < 1<<20:
		return fault.New(fault.Invalid, "quarantine.size: at least 1M")
	}
	return nil
}
