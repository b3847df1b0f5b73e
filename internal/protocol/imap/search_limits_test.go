package imap

import (
	"strings"
	"testing"
)

// Keys that go through whole messages are taken up to their limit, far fewer than a command has room for.
func TestManyBodyKeys(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	w.deliver(s, s.Folders()[0].ID, testMessage(1), 0)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	c.ok("SEARCH " + strings.Repeat("NOT BODY zzz NOT TEXT zzz ", maxWholeKeys/2) + "ALL")
	for _, n := range []int{maxWholeKeys, 4 * maxWholeKeys} {
		if _, done := c.do("SEARCH " + strings.Repeat("NOT BODY zzz ", n) + "TEXT zzz"); !strings.HasPrefix(done, "NO [LIMIT]") {
			t.Error(n, done)
		}
	}
	c.ok("SEARCH " + strings.Repeat("NOT SUBJECT zzz ", 4*maxWholeKeys) + "ALL")
}
