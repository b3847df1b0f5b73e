package imap

import (
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// asGuest lets bob act on ann's mailbox with rights on her INBOX, and returns what he is told.
func (w *world) asGuest(rights mailbox.Rights, commands ...string) string {
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	b := w.bench()
	b.mail = w.guest("bob", "ann", inbox.ID, rights)
	var out strings.Builder
	b.session.out.conn = &readConn{w: &out}
	for _, c := range commands {
		b.do(w.t, c)
	}
	return out.String()
}

// PERMANENTFLAGS are those that may be changed (RFC 4314 §5.1.1), READ-WRITE is said if any may (§5.2).
func TestFlagsByRights(t *testing.T) {
	w := newWorld(t)
	const see = mailbox.RightLookup | mailbox.RightRead
	for _, tt := range []struct {
		rights mailbox.Rights
		want   string
	}{
		{see, "[PERMANENTFLAGS ()]"},
		{see | mailbox.RightSeen, `[PERMANENTFLAGS (\Seen)]`},
		{see | mailbox.RightTrash | mailbox.RightWrite, `[PERMANENTFLAGS (\Answered \Flagged \Deleted \Draft \*)]`},
		{mailbox.AllRights, `[PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)]`},
	} {
		got := w.asGuest(tt.rights, "SELECT INBOX")
		if !strings.Contains(got, tt.want) || strings.Contains(got, "[READ-ONLY]") != (tt.rights == see) {
			t.Errorf("%b: %q", tt.rights, got)
		}
	}
}

// Only who may administer a mailbox learns who else may do what (RFC 4314 §4). What can't be seen isn't there.
func TestACLNeedsRights(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Principals = nobody{} })
	commands := []string{"GETACL INBOX", "SETACL INBOX anyone l", "DELETEACL INBOX anyone", "LISTRIGHTS INBOX anyone"}
	for _, c := range commands {
		if got := w.asGuest(mailbox.AllRights&^mailbox.RightAdmin, c); !strings.HasPrefix(got, "t NO [NOPERM]") {
			t.Errorf("%s: %q", c, got)
		}
		if got := w.asGuest(mailbox.AllRights&^mailbox.RightLookup, c); !strings.HasPrefix(got, "t NO [NONEXISTENT]") {
			t.Errorf("%s: %q", c, got)
		}
	}
	if got := w.asGuest(mailbox.RightLookup|mailbox.RightTrash, "MYRIGHTS INBOX"); got != "* MYRIGHTS \"INBOX\" ltd\r\nt OK rights told\r\n" {
		t.Errorf("%q", got)
	}
}

// nobody can be given rights, but for anyone.
type nobody struct{ Principals }

// Without principals there is no ACL.
func TestNoACLWithoutPrincipals(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	if caps := c.ok("CAPABILITY"); strings.Contains(caps[0], " ACL ") || strings.Contains(caps[0], "MYRIGHTS") {
		t.Error(caps)
	}
	if _, done := c.do("MYRIGHTS INBOX"); !strings.HasPrefix(done, "BAD") {
		t.Error(done)
	}
}
