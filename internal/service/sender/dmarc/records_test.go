package dmarc

import (
	"reflect"
	"strings"
	"testing"
)

// A record that was read before is the same; what is none stays none, and large ones are read anew.
func TestRecordsAreRemembered(t *testing.T) {
	var c Records
	const text = "v=DMARC1; p=reject; rua=mailto:a@example.org"
	first := c.parse(text)
	if want, _ := ParseRecord(text); first == nil || !reflect.DeepEqual(*first, want) || c.parse(text) != first {
		t.Error(first)
	}
	if r := (*Records)(nil).parse(text); r == nil || r == first {
		t.Error(r)
	}
	if r := c.parse("v=spf1 -all"); r != nil || c.parse("v=spf1 -all") != nil {
		t.Error(r)
	}
	large := text + strings.Repeat(" ", maxRemembered)
	if a := c.parse(large); a == nil || c.parse(large) == a {
		t.Error("it is remembered")
	}
}
