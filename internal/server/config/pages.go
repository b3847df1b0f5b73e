package config

import (
	"strings"

	"postroad/internal/fault"
)

// Pages are those where people look after their own accounts: /account on the listeners of http.
type Pages struct {
	// Off: there are none. Default: there are.
	Off bool `toml:"off"`
}

// What auth.two_step may be.
const (
	Optional   = "optional"
	Compulsory = "required"
)

func (a *Auth) validatePasskeys() error {
	if d := a.PasskeyDomain; d != "" && !isHost(d) {
		return fault.New(fault.Invalid, "auth.passkey_domain %q is not a domain in lower case", d)
	}
	if a.TwoStep != "" && a.TwoStep != Optional && a.TwoStep != Compulsory {
		return fault.New(fault.Invalid, "auth.two_step %q: want optional or required", a.TwoStep)
	}
	return nil
}

// Within reports whether a host is a domain, or below it.
func Within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}
