package server_test

import (
	"strings"
	"testing"
)

// Two filters that redirect to one another, here and through another server: the message goes round once, is kept by the one that sees it
// again, and that one's owner is told. RFC 5228 §4.2, §10.
func TestRedirectionsInACircle(t *testing.T) {
	w := newTown(t)
	dora, carl, ben := addBox(t, w.house, "dora@example.test"), addBox(t, w.house, "carl@example.test"), addBox(t, w.neighbour, "ben@there.example")
	for _, c := range []struct {
		what            string
		other           *box
		address, script string
	}{{"here", carl, "carl@example.test", `redirect "dora@example.test";`}, {"through another server", ben, "ben@there.example", `redirect "dora@example.test";`}} {
		before := len(dora.texts())
		dora.script(`redirect "` + c.address + `";`)
		c.other.script(c.script)
		if got := from(t, w.house, originIP, "ann@good.example", "dora", signedLetter(t, w.house, "To: dora@example.test\r\nX-Round: "+strings.ReplaceAll(c.what, " ", "-")+"\r\n")); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
		dora.wait(before + 1)
		all := strings.Join(dora.texts()[before:], "\n")
		if strings.Count(all, "X-Round: ") != 1 || !strings.Contains(all, "Delivered-To: dora@example.test") || len(c.other.texts()) != 0 {
			t.Errorf("%s: dora has %q, the other %d", c.what, all, len(c.other.texts()))
		}
	}
	if told := dora.wait(3); !strings.Contains(strings.Join(dora.texts(), ""), "it is in a loop") {
		t.Errorf("the owner isn't told: %q", told)
	}
	w.house.Check()
	w.neighbour.Check()
}
