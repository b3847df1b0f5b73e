package config

import (
	"strings"
	"testing"
)

func TestMTASTS(t *testing.T) {
	c, err := Parse([]byte("[mta_sts]\nmode = \"enforce\"\nmx = [\"mx2.example.net\"]\n[mta_sts.domains]\n\"new.example\" = \"testing\"\n\"old.example\" = \"none\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{"example.org": Enforce, "new.example": Testing, "old.example": Off} {
		if got := c.MTASTS.ModeOf(domain); got != want {
			t.Errorf("%s: %q", domain, got)
		}
	}
	if got := (MTASTS{}).ModeOf("example.org"); got != Testing {
		t.Errorf("default %q", got)
	}
	for text, want := range map[string]string{
		"[mta_sts]\nmode = \"enforced\"\n":                    "want testing, enforce or none",
		"[mta_sts.domains]\n\"example.org\" = \"on\"\n":       "want testing, enforce or none",
		"[mta_sts]\nmodes = \"enforce\"\n":                    "did you mean \"mode\"",
		"[mta_sts]\nmx = [\"not a host\"]\n":                  "mta_sts.mx",
		"[mta_sts]\nmx = [\"*.*.example.org\"]\n":             "mta_sts.mx",
		"[mta_sts.domains]\n\"Example Org\" = \"testing\"\n":  "mta_sts.domains",
		"[mta_sts]\nmx = [\"mx.example.org\\nmode: none\"]\n": "mta_sts.mx",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
