package config

import (
	"time"

	"postroad/internal/fault"
)

// Trace bounds what is remembered of messages ("postroad trace").
type Trace struct {
	Keep *Duration `toml:"keep"` // how long; default 14 days
	Size Size      `toml:"size"` // how much on disk; default 1 GiB
}

func (t Trace) validate() error {
	switch {
	case t.Keep != nil && time.Duration(*t.Keep) < time.Hour:
		return fault.New(fault.Invalid, "trace.keep: at least 1h")
	case t.Size != 0 && t.Size < 1<<20:
		return fault.New(fault.Invalid, "trace.size: at least 1M")
	}
	return nil
}
