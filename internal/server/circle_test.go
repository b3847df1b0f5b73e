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
	for i, c := range []struct {
		what            string
		other           *box
		address, script string
	}{{"here", carl, "carl@example.test", `redirect "dora@example.test";`}, {"elsewhere", ben, "ben@there.example", `redirect "dora@example.test";`}} {
		dora.script(`redirect "` + c.address + `";`)
		c.other.script(c.script)
		if got := from(t, w.house, originIP, "ann@good.example", "dora", signedLetter(t, w.house, "To: dora@example.test\r\nX-Round: "+c.what+"\r\n")); !strings.HasPrefix(got, "250 ") {
			t.Fatal(got)
		}
		dora.wait(2 + i) // the message; once a day that there is something wrong
		if all := strings.Join(dora.texts(), ""); strings.Count(all, "X-Round: "+c.what) != 1 || strings.Count(all, "it is in a loop") != 1 || len(c.other.texts()) != 0 {
			t.Errorf("%s: dora has %q, the other %d", c.what, all, len(c.other.texts()))
		}
	}
	contains(t, strings.Join(dora.texts(), ""), "Delivered-To: dora@example.test")
	w.house.Check()
	w.neighbour.Check()
}
