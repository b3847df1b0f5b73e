package features

import (
	"math/rand/v2"
	"strings"
	"testing"

	"postroad/internal/format/message"
)

// TestPlainHost: From fields that are read in the short way have one address, that of the long way.
func TestPlainHost(t *testing.T) {
	pieces := []string{"Ann", " ", "a", "@", "@b.example", "<", ">", "<a@b.example>", "<a@B.example.>", "\"", "\"Doe, Ann\"", "\\", ",", ";", ":", "(", ")", "[", "]", ".", "\r\n ", "\t", "é", "\xff", "=?utf-8?q?x?=", "\x00", "+", "\n", "\r", "--", "undisclosed", "%"}
	r := rand.New(rand.NewPCG(3, 4))
	plain := 0
	for range 300_000 {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		v := " " + b.String() + "\r\n"
		host, ok := plainHost([]byte(v))
		if !ok {
			continue
		}
		plain++
		all := message.ParseAddresses(message.Unfold(v))
		if len(all) != 1 || all[0].Host != string(host) || all[0].Group != message.NoGroup {
			t.Fatalf("%q: %q, but %+v", v, host, all)
		}
	}
	if plain < 1000 {
		t.Errorf("only %d were plain", plain)
	}
}
