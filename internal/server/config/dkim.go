package config

import (
	"time"

	"postroad/internal/fault"
)

// DKIM says how the keys that sign mail are kept.
type DKIM struct {
	// Rotate is after how long a domain gets new keys by itself, which somebody has to publish: "180d". 0 (default): never.
	Rotate Duration `toml:"rotate"`
}

// MinRotate is the shortest time that keys may last: the old ones stay published for a week.
const MinRotate = 14 * 24 * time.Hour

func (d DKIM) validate() error {
	if d.Rotate != 0 && time.Duration(d.Rotate) < MinRotate {
		return fault.New(fault.Invalid, "dkim.rotate: at least 14d, or 0 for never")
	}
	return nil
}
