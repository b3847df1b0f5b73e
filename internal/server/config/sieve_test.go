package config

import (
	"testing"

	"postroad/internal/fault"
)

func TestSieveSettings(t *testing.T) {
	for _, c := range []struct {
		s  Sieve
		ok bool
	}{
		{Sieve{}, true}, {Sieve{Before: []string{"/etc/a.sieve"}, After: []string{"/etc/b.sieve"}, Global: "/etc/sieve", TimeZone: "UTC"}, true},
		{Sieve{Before: []string{"a.sieve"}}, false}, {Sieve{Global: "sieve"}, false}, {Sieve{TimeZone: "Nowhere/Land"}, false},
	} {
		if err := c.s.validate(); (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c.s, err)
		}
	}
}
