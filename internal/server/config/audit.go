package config

import (
	"time"

	"postroad/internal/fault"
)

// Audit bounds what is remembered of sign-ins and of administrators' acts ("postroad audit").
type Audit struct {
	Keep    *Duration `toml:"keep"`    // how long; default 90 days
	Entries int       `toml:"entries"` // how many of each kind: sign-ins, failures, acts; default 200,000
}

// mostEntries is more than anybody reads.
const mostEntries = 1_000_000_000

func (a *Audit) validate() error {
	switch {
	case a.Keep != nil && time.Duration(*a.Keep) < time.Hour:
		return fault.New(fault.Invalid, "audit.keep: at least 1h")
	case a.Entries != 0 && a.Entries < 1000:
		return fault.New(fault.Invalid, "audit.entries: at least 1000")
	case a.Entries > mostEntries:
		return fault.New(fault.Invalid, "audit.entries: at most %d", mostEntries)
	}
	return nil
}
