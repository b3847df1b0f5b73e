package fulltext

import (
	"fmt"
	"testing"
)

// TestKeyOf: a key has a term's length and its first octets, each in its place.
func TestKeyOf(t *testing.T) {
	term := []byte("abcdefghij")
	for n := range len(term) + 1 {
		want := uint64(n) << 56
		for i, c := range term[:min(n, inKey)] {
			want |= uint64(c) << (8 * i)
		}
		if got := keyOf(term[:n]); got != want {
			t.Errorf("%q: %x, not %x", term[:n], got, want)
		}
	}
}

// TestTermsSpread: terms of few octets that differ little lie apart in the table.
func TestTermsSpread(t *testing.T) {
	for _, form := range []string{"%d", "a%06d", "%06dz", "%x"} {
		table := newTermTable()
		for i := range 20_000 {
			table.get([]byte(fmt.Sprintf(form, i)))
		}
		mask, steps := uint32(len(table.slots)-1), 0
		for i := range table.slots {
			if e := &table.slots[i]; e.key != 0 {
				steps += int((uint32(i) - e.hash) & mask)
			}
		}
		if steps > 20_000 {
			t.Errorf("%s: %d steps for 20,000 terms", form, steps)
		}
	}
}
