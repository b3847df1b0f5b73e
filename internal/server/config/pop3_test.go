package config

import (
	"testing"
	"time"
)

func TestPOP3Settings(t *testing.T) {
	for d, good := range map[time.Duration]bool{0: true, time.Second: true, time.Hour: true, -1: false, time.Hour + 1: false} {
		if err := (POP3Settings{LoginDelay: Duration(d)}).validate(); (err == nil) != good {
			t.Errorf("%v: %v", d, err)
		}
	}
}
