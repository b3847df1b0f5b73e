package imap

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// newLimitedWorld is a world with limits, in which ann has n messages in her inbox.
func newLimitedWorld(t *testing.T, limits Limits, n int) (*world, *mailbox.Session) {
	t.Helper()
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Limits = limits })
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	for i := range n {
		w.deliver(ann, inbox.ID, testMessage(i+1), 0)
	}
	return w, ann
}

// TestCopyLimit: RFC 9738 §3.1. At the limit, above it, far beyond; what is copied instead by the code that was told.
func TestCopyLimit(t *testing.T) {
	w, _ := newLimitedWorld(t, Limits{Copy: 3}, 20)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	c.ok("UID STORE 2,17 +FLAGS (\\Deleted)")
	c.ok("EXPUNGE")
	for _, x := range []struct{ set, want string }{
		{"16:19", "OK [COPYUID 1772366405 16,18:19 1:3] "}, // 17 is gone
		{"15:19", "NO [MESSAGELIMIT 3 16] "},
		{"1:*", "NO [MESSAGELIMIT 3 18] "},
		{"18:*", "OK [COPYUID 1772366405 18:20 4:6] "},
	} {
		if _, r := c.do("UID COPY " + x.set + " Archive"); !strings.HasPrefix(r, x.want) {
			t.Errorf("%s: %s", x.set, r)
		}
	}
	if _, r := c.do("COPY 1:4 Archive"); !strings.HasPrefix(r, "NO [MESSAGELIMIT 3 3] ") {
		t.Error(r)
	}
	if lines := c.ok("STATUS Archive (MESSAGES)"); !strings.Contains(lines[0], "MESSAGES 6") {
		t.Errorf("%q", lines) // all or none
	}
	if _, r := c.do("UID MOVE 1:* Archive"); !strings.HasPrefix(r, "OK") {
		t.Error(r)
	}
}

// TestAppendLimit: RFC 9738 §3.1; no message is appended if there are too many.
func TestAppendLimit(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	if lines := c.ok("CAPABILITY"); !strings.Contains(lines[0], fmt.Sprintf(" SAVELIMIT=%d ", maxAppend)) {
		t.Errorf("%q", lines)
	}
	for n, want := range map[int]string{maxAppend: "OK [APPENDUID", maxAppend + 1: "NO [MESSAGELIMIT 1000]"} {
		if _, r := c.do("APPEND Archive" + strings.Repeat(" {3+}\r\na\r\n", n)); !strings.HasPrefix(r, want) {
			t.Errorf("%d: %s", n, r)
		}
	}
	if lines := c.ok("STATUS Archive (MESSAGES)"); !strings.Contains(lines[0], "MESSAGES 1000") {
		t.Errorf("%q", lines)
	}
}

// TestFetchLimitOfChanges: messages that haven't changed aren't fetched, and don't count.
func TestFetchLimitOfChanges(t *testing.T) {
	w, ann := newLimitedWorld(t, Limits{Messages: 3}, 10)
	c := w.user("ann")
	c.ok("SELECT INBOX (CONDSTORE)")
	now := ann.State().Change
	for _, x := range []struct{ change, told, want string }{
		{"2,4", "2,4", "OK fetched"},
		{"6", "2,4,6", "OK fetched"},
		{"9", "4,6,9", "OK [MESSAGELIMIT 3 4] fetched"},
		{"1:10", "8,9,10", "OK [MESSAGELIMIT 3 8] fetched"},
	} {
		c2 := w.user("ann")
		c2.ok("SELECT INBOX")
		for _, n := range strings.Split(strings.ReplaceAll(x.change, "1:10", "1,2,3,4,5,6,7,8,9,10"), ",") {
			c2.ok("STORE " + n + " +FLAGS.SILENT (" + fmt.Sprintf("k%d", len(x.told)+len(x.want)) + ")")
		}
		c.ok("NOOP")
		lines, r := c.do(fmt.Sprintf("FETCH 1:* (UID) (CHANGEDSINCE %d)", now))
		var told []string
		for _, l := range lines {
			told = append(told, strings.Fields(l)[1])
		}
		if got := strings.Join(told, ","); got != x.told || r != x.want {
			t.Errorf("%s: %s %s", x.change, got, r)
		}
	}
}

// TestLimitInTheMiddleOfAPage: a search begins between the rows of pages and groups that are dealt with at once.
func TestLimitInTheMiddleOfAPage(t *testing.T) {
	w, _ := newLimitedWorld(t, Limits{Messages: 1000}, 0)
	w.fill(t, "big", 1333, 100)
	c := w.user("ann")
	c.ok("SELECT big")
	for _, key := range []string{"ALL", "UNSEEN", "NOT SEEN", "LARGER 1", "SINCE 1-Jan-1999"} {
		lines, r := c.do("UID SEARCH RETURN (COUNT MIN MAX ALL) " + key)
		if want := " UID MIN 334 MAX 1333 ALL 334:1333 COUNT 1000"; !strings.HasSuffix(lines[0], want) || !strings.HasPrefix(r, "OK [MESSAGELIMIT 1000 334]") {
			t.Error(key, lines, r)
		}
		lines, r = c.do("UID SEARCH RETURN (COUNT) " + key)
		if !strings.HasSuffix(lines[0], " UID COUNT 1000") || !strings.HasPrefix(r, "OK [MESSAGELIMIT 1000 334]") {
			t.Error(key, lines, r)
		}
	}
}
