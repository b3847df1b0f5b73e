package config

import (
	"testing"
	"time"

	"postroad/internal/fault"
)

func TestDKIM(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "[dkim]\nrotate = \"180d\"": 180 * 24 * time.Hour, "[dkim]\nrotate = \"14d\"": MinRotate, "[dkim]\nrotate = \"0\"": 0, "[dkim]\nrotate = \"720h\"": 720 * time.Hour,
	} {
		c, err := Parse([]byte("hostname = \"x\"\n" + text))
		if err != nil || time.Duration(c.DKIM.Rotate) != want {
			t.Errorf("%q: %v, %v", text, c.DKIM, err)
		}
	}
	for _, text := range []string{"\"13d\"", "\"-180d\"", "\"d\"", "\"1.5d\"", "\"9999999999d\"", "\"106752d\"", "\"180\"", "180", "\"1y\""} {
		if c, err := Parse([]byte("[dkim]\nrotate = " + text)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", text, c.DKIM, err)
		}
	}
}
