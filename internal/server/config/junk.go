package config

import (
	"time"

	"postroad/internal/fault"
)

// Junk says how junk is told from good mail.
type Junk struct {
	// Filter is off, or how sure it must be of what goes to the junk: careful, normal (default) or strict. Strict catches more, and loses
	// more that is good.
	Filter string `toml:"filter"`
	// Trusted: what hosts of trusted networks and relays in front (LMTP) bring is judged too.
	Trusted bool `toml:"judge_trusted"`
	// Keep is how long messages lie in people's folders for junk before they are removed; default: for ever.
	Keep *Duration `toml:"keep"`
	// Cache is the memory for what accounts have learned; default 64 MiB.
	Cache Size `toml:"cache"`
}

// How sure the filter must be.
const (
	Careful = "careful"
	Normal  = "normal"
	Strict  = "strict"
)

func (j Junk) validate() error {
	switch {
	case j.Filter != "" && j.Filter != SwitchOff && j.Filter != Careful && j.Filter != Normal && j.Filter != Strict:
		return fault.New(fault.Invalid, "junk.filter %q: want careful, normal, strict or off", j.Filter)
	case j.Keep != nil && time.Duration(*j.Keep) < 24*time.Hour:
		return fault.New(fault.Invalid, "junk.keep: at least 1d; without it messages stay for ever")
	case j.Cache < 0 || j.Cache > 0 && j.Cache < 1<<20:
		return fault.New(fault.Invalid, "junk.cache: at least 1M")
	case j.Cache > mostCache:
		return fault.New(fault.Invalid, "junk.cache: at most 1T")
	}
	return nil
}
