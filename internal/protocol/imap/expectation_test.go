package imap

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// What a STORE should make of keywords, and what it shouldn't.
func TestExpectation(t *testing.T) {
	for _, c := range []struct {
		op             mailbox.FlagOp
		old, with, now string
		want           bool
	}{
		{mailbox.AddFlags, "", "", "", true},
		{mailbox.AddFlags, "", "A b", "a b", true},
		{mailbox.AddFlags, "a c", "b", "a b c", true},
		{mailbox.AddFlags, "a c", "B c", "a b c", true},
		{mailbox.AddFlags, "a c", "b", "a c", false},
		{mailbox.AddFlags, "a c", "b", "b c", false},
		{mailbox.AddFlags, "a", "b", "a b c", false},
		{mailbox.RemoveFlags, "a b c", "B x", "a c", true},
		{mailbox.RemoveFlags, "a b c", "b", "a b c", false},
		{mailbox.RemoveFlags, "a b c", "b", "a", false},
		{mailbox.RemoveFlags, "a", "b", "a z", false},
		{mailbox.ReplaceFlags, "a b", "b C", "b c", true},
		{mailbox.ReplaceFlags, "a b", "", "", true},
		{mailbox.ReplaceFlags, "a b", "b c", "b", false},
		{mailbox.ReplaceFlags, "a b", "b c", "a b c", false},
	} {
		e := newExpectation(&mailbox.FlagChange{Op: c.op, Keywords: strings.Fields(c.with)})
		if got := e.keywordsMet(strings.Fields(c.old), strings.Fields(c.now)); got != c.want {
			t.Errorf("%v: %q with %q, now %q: %v", c.op, c.old, c.with, c.now, got)
		}
	}
}

// Thousands of keywords on many messages, each with a set of its own: one command that would take minutes if its
// cost grew with the square of their number.
func TestThousandsOfKeywords(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	inbox := s.Folders()[0]
	for i := range 150 {
		w.deliver(s, inbox.ID, "Subject: x\r\n\r\n", 0, fmt.Sprintf("own%d", i))
	}
	c := w.user("ann")
	c.ok("SELECT INBOX")
	var many strings.Builder
	for i := range 7000 {
		fmt.Fprintf(&many, " k%d", i)
	}
	if got := c.ok("STORE 1:* +FLAGS.SILENT (" + many.String()[1:] + ")"); len(got) != 2 { // FLAGS and PERMANENTFLAGS
		t.Errorf("%.200q", got)
	}
}
