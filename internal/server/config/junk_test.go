package config

import (
	"testing"
	"time"
)

func TestJunk(t *testing.T) {
	for _, j := range []Junk{{}, {Filter: "off"}, {Filter: "careful", Keep: new(Duration(24 * time.Hour)), Cache: 1 << 20}, {Filter: "normal"}, {Filter: "strict", Trusted: true}} {
		if err := j.validate(); err != nil {
			t.Errorf("%+v: %v", j, err)
		}
	}
	for _, j := range []Junk{{Filter: "on"}, {Keep: new(Duration(-1))}, {Keep: new(Duration(0))}, {Keep: new(Duration(24*time.Hour - 1))}, {Cache: -1}, {Cache: 1<<20 - 1}} {
		if j.validate() == nil {
			t.Errorf("%+v is taken", j)
		}
	}
}
