package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// everybody are the principals of a world: all its accounts.
type everybody struct {
	w      *world
	groups map[ident.AccountID][]ident.GroupID
}

func (e *everybody) Find(ctx context.Context, name string) (mailbox.PrincipalKind, uint64, error) {
	id, group, err := e.w.dir.Principal(ctx, name)
	if group != 0 {
		return mailbox.ToGroup, uint64(group), err
	}
	return mailbox.ToAccount, uint64(id), err
}

func (e *everybody) Name(ctx context.Context, _ mailbox.PrincipalKind, id uint64) (string, error) {
	a, err := e.w.dir.Account(ctx, ident.AccountID(id))
	return a.Address, err
}

func (e *everybody) Groups(_ context.Context, id ident.AccountID) ([]ident.GroupID, error) {
	return e.groups[id], nil
}

func (e *everybody) Shared(context.Context, ident.AccountID) (bool, error) { return false, nil }

// sharingWorld is a world in which people share.
func sharingWorld(t testing.TB) *world {
	e := &everybody{groups: map[ident.AccountID][]ident.GroupID{}}
	e.w = newWorld(t, func(c *Config, _ *ListenerOptions) { c.Principals = e })
	return e.w
}

// folder makes a folder of ann's, and gives bob rights on it.
func (w *world) folder(name string, rights mailbox.Rights) mailbox.FolderID {
	w.t.Helper()
	s := w.open("ann")
	at, rest := s.Walk(strings.Split(name, "/"))
	for _, n := range rest {
		var err error
		at, err = s.CreateFolder(context.Background(), mailbox.NewFolder{Name: n, Parent: at.ID})
		must(w.t, err)
	}
	w.share(at.ID, rights)
	return at.ID
}

// share gives bob rights on a folder of ann's.
func (w *world) share(id mailbox.FolderID, rights mailbox.Rights) {
	w.t.Helper()
	must(w.t, w.open("ann").SetGrants(context.Background(), id, []mailbox.Grant{{Kind: mailbox.ToAccount, ID: uint64(w.accounts["bob"]), Rights: rights}}))
}

const (
	annsPrefix = "Other Users/ann@demo.test/"
	noPrefix   = "Other Users/stranger@demo.test/"
)

// onPath is every command that takes a mailbox's name, or brings a client to tell something of one.
var onPath = []string{
	`SELECT "%s"`, `EXAMINE "%s"`, `STATUS "%s" (MESSAGES UIDNEXT MAILBOXID)`, `CREATE "%s/x/y"`, `CREATE "%s/x" (USE (\Junk))`, `DELETE "%s"`,
	`RENAME "%s" Archive2`, `RENAME Archive "%s/x"`, `RENAME INBOX "%s/x"`, `SUBSCRIBE "%s"`, `UNSUBSCRIBE "%s"`, `LIST "" "%s"`, `LIST "" "%s/%%%%"`, `LSUB "" "%s"`,
	`LIST "" "%s" RETURN (STATUS (MESSAGES) MYRIGHTS METADATA (/shared/comment) SPECIAL-USE SUBSCRIBED CHILDREN)`,
	"APPEND \"%s\" {5+}\r\na:\r\n\r\n", `GETQUOTAROOT "%s"`, `GETQUOTA "%s"`, `GETACL "%s"`, `SETACL "%s" bob@demo.test lrs`, `DELETEACL "%s" bob@demo.test`,
	`LISTRIGHTS "%s" bob@demo.test`, `MYRIGHTS "%s"`, `GETMETADATA "%s" /shared/comment`, `SETMETADATA "%s" (/private/comment "x")`,
	`ESEARCH IN (mailboxes "%s") RETURN (ALL) ALL`, `ESEARCH IN (subtree "%s") RETURN (COUNT) ALL`, `NOTIFY SET STATUS (mailboxes "%s" (MessageNew MessageExpunge MailboxName))`,
	`RESETKEY "%s"`, `GENURLAUTH "imap://bob@demo.test@mail.demo.test/%s/;UID=1;URLAUTH=user+bob@demo.test" INTERNAL`,
	`COPY 1 "%s"`, `MOVE 1 "%s"`, "REPLACE 1 \"%s\" {5+}\r\na:\r\n\r\n", `APPEND INBOX CATENATE (URL "/%s/;UID=1")`,
}

// What bob can't see is as what isn't there, for every command: folders of ann's that she has not shared, with one that she has
// beside them or not; her account; folders of nobody.
func TestHiddenIsLikeNothing(t *testing.T) {
	w := sharingWorld(t)
	w.folder("open", mailbox.AllRights)
	hidden := w.folder("hidden", 0)
	w.folder("hidden/below", 0)
	w.deliver(w.open("ann"), hidden, testMessage(1), 0)
	answer := func(who string, command, path string) string {
		c := w.user(who)
		c.ok("ENABLE CONDSTORE")
		c.ok("STATUS INBOX (MESSAGES)")
		w.open(who)
		c.ok("SELECT INBOX")
		lines, done := c.do(fmt.Sprintf(command, path))
		c.conn.Close()
		text := strings.ReplaceAll(strings.Join(append(lines, done), "\n"), codeText(path), "PATH") // as in BADURL
		return strings.ReplaceAll(text, path, "PATH")
	}
	for _, who := range []string{"bob", "carl"} {
		if who == "carl" {
			w.add("carl")
		}
		own, _ := w.open(who).FolderByRole(mailbox.Inbox)
		w.deliver(w.open(who), own.ID, testMessage(1), 0)
		for _, command := range onPath {
			want := answer(who, command, noPrefix+"nothing")
			for _, path := range []string{annsPrefix + "hidden", annsPrefix + "nothing", annsPrefix + "hidden/below", annsPrefix + "Sent", noPrefix + "hidden", "Shared/ann@demo.test/open"} {
				got := answer(who, command, path)
				if got != want && !(who == "bob" && known(command, got)) {
					t.Errorf("%s, %s, %s:\n%s\nwant\n%s", who, command, path, got, want)
				}
			}
		}
	}
}

// known tells the answers in which ann's account, of which bob sees a part, differs from nobody's: it is another account that
// something can't be renamed to.
func known(command, got string) bool {
	return strings.HasPrefix(command, "RENAME") && strings.Contains(got, "somebody else's account")
}

// Each right is needed for what RFC 4314 §4 says, and for no more.
func TestRightsOfCommands(t *testing.T) {
	const (
		l, r, sn, wr, in = mailbox.RightLookup, mailbox.RightRead, mailbox.RightSeen, mailbox.RightWrite, mailbox.RightInsert
		k, x, tr, e, a   = mailbox.RightCreate, mailbox.RightDelete, mailbox.RightTrash, mailbox.RightExpunge, mailbox.RightAdmin
	)
	for _, tt := range []struct {
		first, command string // first is what opens the mailbox
		need           mailbox.Rights
	}{
		{"", `SELECT "%s"`, l | r}, {"", `EXAMINE "%s"`, l | r}, {"", `STATUS "%s" (MESSAGES)`, l | r}, {"", `GETQUOTAROOT "%s"`, l | r},
		{"", `CREATE "%s/new"`, l | k}, {"", `DELETE "%s"`, l | x}, {"", `GETACL "%s"`, l | a}, {"", `SETACL "%s" bob@demo.test lrswipkxtea`, l | a},
		{"", `DELETEACL "%s" carl@demo.test`, l | a}, {"", `LISTRIGHTS "%s" bob@demo.test`, l | a}, {"", `MYRIGHTS "%s"`, l},
		{"", "APPEND \"%s\" {5+}\r\na:\r\n\r\n", l | in}, {"SELECT INBOX", `COPY 1 "%s"`, l | in}, {"SELECT INBOX", `MOVE 1 "%s"`, l | in},
		{"SELECT INBOX", "REPLACE 1 \"%s\" {5+}\r\na:\r\n\r\n", l | in},
		{"", `GETMETADATA "%s" /shared/comment`, l | r}, {"", `SETMETADATA "%s" (/private/comment "x")`, l | r},
		{"", `APPEND INBOX CATENATE (URL "/%s/;UID=1")`, l | r},
		{`SELECT "%s"`, `STORE 1 +FLAGS (\Seen)`, l | r | sn}, {`SELECT "%s"`, `STORE 1 +FLAGS (\Deleted)`, l | r | tr}, {`SELECT "%s"`, `STORE 1 +FLAGS (\Flagged k)`, l | r | wr},
		{`SELECT "%s"`, `EXPUNGE`, l | r | e}, {`SELECT "%s"`, `UID EXPUNGE 1`, l | r | e}, {`SELECT "%s"`, `COPY 1 INBOX`, l | r},
		{`SELECT "%s"`, `MOVE 1 INBOX`, l | r | tr | e}, {`SELECT "%s"`, "REPLACE 1 INBOX {5+}\r\na:\r\n\r\n", l | r | tr | e}, {`SELECT "%s"`, "FETCH 1 BODY.PEEK[]", l | r},
		{`SELECT "%s"`, "SEARCH ALL", l | r},
	} {
		w := sharingWorld(t)
		w.add("carl")
		own, _ := w.open("bob").FolderByRole(mailbox.Inbox)
		w.deliver(w.open("bob"), own.ID, testMessage(1), 0)
		box := w.folder("box", mailbox.AllRights)
		w.deliver(w.open("ann"), box, testMessage(1), 0)
		try := func(rights mailbox.Rights) string {
			w.share(box, rights)
			c := w.user("bob")
			defer c.conn.Close()
			if tt.first != "" {
				first := strings.Replace(tt.first, "%s", annsPrefix+"box", 1)
				if _, done := c.do(first); !strings.HasPrefix(done, "OK") {
					return done
				}
			}
			_, done := c.do(strings.Replace(tt.command, "%s", annsPrefix+"box", 1))
			return done
		}
		before := w.state(box)
		for one := mailbox.RightLookup; one <= a; one <<= 1 {
			if one&tt.need == 0 {
				continue
			}
			want := "NO [NOPERM]"
			if one == l {
				want = "NO [NONEXISTENT]"
			}
			rights := mailbox.AllRights &^ one
			if strings.Contains(tt.command, "METADATA") { // any right to messages will do
				rights = l | x
				if one == l {
					rights = mailbox.AllRights &^ l
				}
			}
			got := try(rights)
			switch {
			case strings.HasPrefix(got, "NO [BADURL"), one == l && strings.HasPrefix(got, "NO [TRYCREATE]"), strings.HasPrefix(got, "NO [READ-ONLY]"):
			case one == l && strings.HasPrefix(tt.command, "CREATE") && strings.HasPrefix(got, "NO [NOPERM]"): // it could be made, if bob had a place for it
			case !strings.HasPrefix(got, want):
				t.Errorf("%s %s without %v: %q", tt.first, tt.command, one, got)
			}
			if after := w.state(box); after != before {
				t.Errorf("%s %s without %v: changed\n%s\nto\n%s", tt.first, tt.command, one, before, after)
			}
		}
		if got := try(tt.need); !strings.HasPrefix(got, "OK") {
			t.Errorf("%s %s with %v: %q", tt.first, tt.command, tt.need, got)
		}
	}
}

// state is all of a folder that commands may change.
func (w *world) state(id mailbox.FolderID) string {
	s := w.open("ann")
	f, err := s.Folder(id)
	must(w.t, err)
	v, err := s.View(context.Background(), id)
	must(w.t, err)
	out := fmt.Sprint(f.Name, f.Parent, f.UIDNext, f.Items, len(s.Folders()), " ")
	for _, r := range v.All(0, v.Len()) {
		out += fmt.Sprint(r.UID, r.Flags, r.Keywords.Names(), " ")
	}
	props, err := s.FolderProps(context.Background(), id, mailbox.SharedProps)
	must(w.t, err)
	return out + fmt.Sprint(len(props))
}

// IDs are unique for a client, in its own account and those of others (RFC 8474 §4, §5.1): numbers of accounts are not.
func TestObjectIDsOfOthers(t *testing.T) {
	w := sharingWorld(t)
	his, _ := w.open("bob").FolderByRole(mailbox.Inbox)
	hers, _ := w.open("ann").FolderByRole(mailbox.Inbox)
	w.share(hers.ID, mailbox.RightLookup|mailbox.RightRead)
	w.deliver(w.open("ann"), hers.ID, testMessage(1), 0)
	w.deliver(w.open("bob"), his.ID, testMessage(2), 0)
	c := w.user("bob")
	ids := map[string]string{}
	for _, path := range []string{"INBOX", annsPrefix + "INBOX"} {
		for _, l := range slices.Concat(c.ok(`SELECT "`+path+`"`), c.ok("FETCH 1 EMAILID")) {
			for _, item := range []string{"MAILBOXID (", "EMAILID ("} {
				if _, id, ok := strings.Cut(l, item); ok {
					id, _, _ = strings.Cut(id, ")")
					if ids[id] != "" {
						t.Errorf("%s of %s is that of %s", id, path, ids[id])
					}
					ids[id] = path
					if item == "EMAILID (" {
						if got := c.ok("SEARCH EMAILID " + id); got[0] != "* SEARCH 1" {
							t.Errorf("search: %q", got)
						}
					}
				}
			}
		}
	}
	if len(ids) != 4 {
		t.Errorf("%v", ids)
	}
}

// The owner's subscription stays when somebody else deletes the mailbox (RFC 9051 §6.3.7).
func TestOwnersSubscriptionStays(t *testing.T) {
	w := sharingWorld(t)
	w.folder("plans/2026", mailbox.AllRights)
	ann, bob := w.user("ann"), w.user("bob")
	ann.ok("SUBSCRIBE plans/2026")
	bob.ok(`DELETE "` + annsPrefix + `plans/2026"`)
	if got := ann.ok(`LSUB "" plans*`); !slices.Equal(got, []string{`* LSUB () "/" "plans/2026"`}) {
		t.Errorf("%q", got)
	}
}

// A folder of one's own that has the name of a namespace stays reachable, and comes first.
func TestOwnFoldersNamedAsNamespaces(t *testing.T) {
	w := sharingWorld(t)
	s := w.open("bob")
	for _, name := range []string{otherUsers, sharedBy} {
		f, err := s.CreateFolder(context.Background(), mailbox.NewFolder{Name: name})
		must(t, err)
		_, err = s.CreateFolder(context.Background(), mailbox.NewFolder{Name: "mine", Parent: f.ID})
		must(t, err)
	}
	w.folder("box", mailbox.AllRights)
	c := w.user("bob")
	for _, path := range []string{"Other Users", "Other Users/mine", "Shared/mine", annsPrefix + "box"} {
		c.ok(`SELECT "` + path + `"`)
	}
	c.ok(`CREATE "Shared/new"`)
	want := []string{`* LIST (\HasChildren) "/" "Other Users"`, `* LIST (\HasNoChildren) "/" "Other Users/mine"`,
		`* LIST (\HasNoChildren) "/" "Other Users/ann@demo.test/box"`, `* LIST (\NonExistent \Noselect \HasChildren) "/" "Other Users/ann@demo.test"`}
	if got := c.ok(`LIST "" "Other Users*"`); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if _, done := c.do(`CREATE "Other Users/ann@demo.test"`); !strings.HasPrefix(done, "NO [NOPERM]") {
		t.Error(done)
	}
	own, _ := s.Walk([]string{otherUsers})
	_, err := s.CreateFolder(context.Background(), mailbox.NewFolder{Name: "ann@demo.test", Parent: own.ID}) // from before she shared anything
	must(t, err)
	if _, done := c.do(`SELECT "` + annsPrefix + `box"`); !strings.HasPrefix(done, "NO [NONEXISTENT]") {
		t.Error(done)
	}
	if got := c.ok(`LIST "" "Other Users/ann*"`); !slices.Equal(got, []string{`* LIST (\HasNoChildren) "/" "Other Users/ann@demo.test"`}) {
		t.Errorf("%q", got)
	}
}

// A LIST that can't name mailboxes of others doesn't open their accounts.
func TestListReachesOthersIfAsked(t *testing.T) {
	for pattern, want := range map[string]bool{
		"*": true, "%": true, "Oth*": true, "Other Users/ann@x/%": true, "Shared": true, "S%d/x": true, "%/INBOX": true,
		"INBOX": false, "INBOX*": false, "Sent": false, "Other people/*": false, "": true, "shared": false,
	} {
		if got := (&listing{patterns: []string{"Work", pattern}}).reaches(); got != want {
			t.Errorf("%q: %t", pattern, got)
		}
	}
}

// Copies in other accounts have the EMAILID of what they were made of, there and back (RFC 8474 §5.1), and one's own messages
// are called as they were before.
func TestEmailIDsOfCopies(t *testing.T) {
	w := sharingWorld(t)
	his, _ := w.open("bob").FolderByRole(mailbox.Inbox)
	hers, _ := w.open("ann").FolderByRole(mailbox.Inbox)
	w.share(hers.ID, mailbox.AllRights)
	w.deliver(w.open("ann"), hers.ID, testMessage(1), 0)
	for i := range 5 { // so that numbers are others than hers
		w.deliver(w.open("bob"), his.ID, testMessage(i+2), 0)
	}
	c := w.user("bob")
	ids := func(path string) (list []string) {
		c.ok(`SELECT "` + path + `"`)
		for _, l := range c.ok("UID FETCH 1:* EMAILID") {
			_, id, _ := strings.Cut(l, "EMAILID (")
			id, _, _ = strings.Cut(id, ")")
			list = append(list, id)
			if got := c.ok("SEARCH EMAILID " + id); !strings.HasPrefix(got[0], "* SEARCH ") || len(got[0]) < 10 {
				t.Errorf("search for %s in %s: %q", id, path, got)
			}
		}
		return list
	}
	own, others := ids("INBOX"), ids(annsPrefix+"INBOX")
	c.ok(`COPY 1 INBOX`)
	c.ok(`SELECT INBOX`)
	c.ok(`MOVE 1 "` + annsPrefix + `INBOX"`)
	c.ok(`COPY 5 Archive`) // the copy of hers
	if got, want := ids("INBOX"), append(slices.Clone(own[1:]), others[0]); !slices.Equal(got, want) {
		t.Errorf("his are %q, want %q", got, want)
	}
	if got := ids("Archive"); !slices.Equal(got, others) {
		t.Errorf("the copy of a copy is %q, want %q", got, others)
	}
	if got, want := ids(annsPrefix+"INBOX"), []string{others[0], own[0]}; !slices.Equal(got, want) {
		t.Errorf("hers are %q, want %q", got, want)
	}
	c.ok(`MOVE 2 INBOX`) // back again
	if got, want := ids("INBOX"), append(slices.Clone(own[1:]), others[0], own[0]); !slices.Equal(got, want) {
		t.Errorf("back again: %q, want %q", got, want)
	}
}
