package spf

import (
	"fmt"
	"strings"
	"testing"
)

// A record that was read before is the same; what is none stays none, large ones are read anew.
func TestRecordsAreRemembered(t *testing.T) {
	var c Records
	text := func(i int) string { return fmt.Sprintf("v=spf1 ip4:192.0.2.%d exists:%d.example.org -all", i%256, i) }
	first, err := c.parse(text(0))
	again, _ := c.parse(text(0))
	other, _ := c.parse(text(1))
	if err != nil || first != again || first == other || len(first.terms) != 3 {
		t.Error(first, again, other, err)
	}
	if r, err := c.parse("v=spf1 nonsense"); err == nil || r != nil {
		t.Error(r, err)
	}
	if r, err := (*Records)(nil).parse(text(0)); err != nil || r == first {
		t.Error(r, err)
	}
	for _, large := range []string{"v=spf1" + strings.Repeat(" a", maxTermsOfMost+1), "v=spf1" + strings.Repeat(" ", maxRemembered) + "a"} {
		if a, _ := c.parse(large); a == nil {
			t.Errorf("%.20q isn't read", large)
		} else if b, _ := c.parse(large); a == b {
			t.Errorf("%.20q is remembered", large)
		}
	}
}
