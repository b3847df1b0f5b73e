package imap

import (
	"context"
	"strings"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Who may not read a mailbox any more gets nothing more of it, though it is selected still: whether the right was taken back, or
// the group left that had it.
func TestSelectedMailboxIsReadNoMore(t *testing.T) {
	const team = ident.GroupID(77)
	takeBack := map[string]func(e *everybody, box mailbox.FolderID){
		"the rights are taken back": func(e *everybody, box mailbox.FolderID) { e.w.share(box, 0) },
		"the group is left":         func(e *everybody, _ mailbox.FolderID) { delete(e.groups, e.w.accounts["bob"]) },
	}
	for why, end := range takeBack {
		for _, command := range []string{"FETCH 1 BODY.PEEK[]", "UID FETCH 1 ENVELOPE", "SEARCH SUBJECT message", "UID SEARCH ALL", "SORT (SUBJECT) UTF-8 ALL",
			"THREAD REFERENCES UTF-8 ALL", "COPY 1 INBOX", "ESEARCH IN (selected) RETURN (ALL) SUBJECT message", "STORE 1 +FLAGS (\\Seen)"} {
			e := &everybody{groups: map[ident.AccountID][]ident.GroupID{}}
			e.w = newWorld(t, func(c *Config, _ *ListenerOptions) { c.Principals = e })
			box := e.w.folder("box", 0)
			e.w.deliver(e.w.open("ann"), box, testMessage(1), 0)
			bob := e.w.accounts["bob"]
			e.groups[bob] = []ident.GroupID{team}
			must(t, e.w.open("ann").SetGrants(context.Background(), box, []mailbox.Grant{{Kind: mailbox.ToGroup, ID: uint64(team), Rights: mailbox.AllRights}}))
			c := e.w.user("bob")
			c.ok(`SELECT "` + annsPrefix + `box"`)
			end(e, box)
			lines, done := c.do(command)
			for _, l := range lines {
				if !strings.HasPrefix(l, "* BYE") {
					t.Errorf("%s, %s: %q", why, command, l)
				}
			}
			if !strings.HasPrefix(done, "NO") {
				t.Errorf("%s, %s: %q", why, command, done)
			}
		}
	}
}
