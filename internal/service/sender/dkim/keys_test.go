package dkim

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"testing"
)

// A key that was read before is the same; what is no key stays none.
func TestKeysAreRemembered(t *testing.T) {
	var c Keys
	record := func(i int) string {
		seed := make([]byte, ed25519.SeedSize)
		copy(seed, fmt.Sprint(i))
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	}
	first, err := c.parse(record(0))
	again, _ := c.parse(record(0))
	other, _ := c.parse(record(1))
	if err != nil || first != again || first == other {
		t.Error(first, again, other, err)
	}
	if k, err := c.parse("v=DKIM1; p=none"); err == nil || k != nil {
		t.Error(k, err)
	}
	if k, err := (*Keys)(nil).parse(record(0)); err != nil || k == first {
		t.Error(k, err)
	}
}
