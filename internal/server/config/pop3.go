package config

import (
	"time"

	"postroad/internal/fault"
)

// POP3Settings are about collecting mail by POP3.
type POP3Settings struct {
	// LoginDelay is the least time between two sign-ins of an account; who comes sooner is asked to wait ([LOGIN-DELAY], RFC 2449 §6.5, §8.1.1). An
	// hour at most. Default 0: none, and none is announced.
	LoginDelay Duration `toml:"login_delay"`
}

func (p POP3Settings) validate() error {
	if d := p.LoginDelay.OrZero(); d < 0 || d > time.Hour {
		return fault.New(fault.Invalid, "pop3.login_delay is from 0 to 1h")
	}
	return nil
}
