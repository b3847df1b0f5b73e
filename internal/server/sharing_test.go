package server_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// talker speaks IMAP line by line.
type talker struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	n    int
}

func talk(t *testing.T, s *servertest.Server, local string) *talker {
	t.Helper()
	c := s.Dial(servertest.IMAP)
	k := &talker{t: t, conn: c, in: bufio.NewReader(c)}
	k.line()
	k.ok("LOGIN %s@%s %s", local, servertest.Domain, servertest.Password)
	return k
}

func (k *talker) line() string {
	k.t.Helper()
	l, err := k.in.ReadString('\n')
	if err != nil {
		k.t.Fatal(err)
	}
	return strings.TrimSuffix(l, "\r\n")
}

// ask returns the lines of an answer, the last one without its tag.
func (k *talker) ask(format string, args ...any) []string {
	k.t.Helper()
	k.n++
	tag := fmt.Sprintf("t%d ", k.n)
	if _, err := fmt.Fprintf(k.conn, tag+format+"\r\n", args...); err != nil {
		k.t.Fatal(err)
	}
	var lines []string
	for {
		l, done := strings.CutPrefix(k.line(), tag)
		lines = append(lines, l)
		if done {
			return lines
		}
	}
}

func (k *talker) ok(format string, args ...any) []string {
	k.t.Helper()
	lines := k.ask(format, args...)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK") {
		k.t.Fatalf("%s: %q", fmt.Sprintf(format, args...), lines)
	}
	return lines[:len(lines)-1]
}

// sees lists the mailboxes of others.
func (k *talker) sees() (names []string) {
	k.t.Helper()
	for _, l := range k.ok(`LIST "" *@*`) {
		if !strings.Contains(l, `\NonExistent`) {
			names = append(names, strings.Trim(l[strings.Index(l, ` "/" `)+5:], `"`))
		}
	}
	slices.Sort(names)
	return names
}

func (k *talker) mustSee(want ...string) {
	k.t.Helper()
	if got := k.sees(); !slices.Equal(got, want) {
		k.t.Errorf("sees %q, want %q", got, want)
	}
}

// TestOfficeShares: an administrator makes an account that is nobody's own and gives a group rights on it, without any client
// that knows ACL. Who joins the group sees it at once, also in a session that is open; so does who leaves.
func TestOfficeShares(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := context.Background()
	a := s.Store().Admin
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.AddAccount("ann")
	s.AddAccount("bob")
	office, err := a.AddAccount(ctx, admin.NewAccount{Address: "office@" + servertest.Domain, Shared: true})
	must(err)
	if !office.Shared || office.Enabled {
		t.Errorf("made: %+v", office)
	}
	for what, err := range map[string]error{
		"a password for nobody":     a.SetPassword(ctx, office.Address, "a good password"),
		"signing in as nobody":      a.SetEnabled(ctx, office.Address, true),
		"rights of the owner":       second(a.SetShare(ctx, admin.ShareChange{Address: office.Address, Folder: []string{"INBOX"}, Who: office.Address, Rights: "l"})),
		"rights that aren't there":  second(a.SetShare(ctx, admin.ShareChange{Address: office.Address, Folder: []string{"INBOX"}, Who: "anyone", Rights: "lq"})),
		"rights of no folder":       second(a.SetShare(ctx, admin.ShareChange{Address: office.Address, Who: "anyone", Rights: "l"})),
		"a password from the start": second(a.AddAccount(ctx, admin.NewAccount{Address: "x@" + servertest.Domain, Shared: true, Password: "a good password"})),
	} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	team := "team@" + servertest.Domain
	must(a.AddGroup(ctx, admin.Group{Address: team, Members: []string{"ann@" + servertest.Domain}}))
	share := func(who, rights string, folder ...string) {
		t.Helper()
		must(second(a.SetShare(ctx, admin.ShareChange{Address: office.Address, Folder: folder, Who: who, Rights: rights, Create: true})))
	}
	share(team, "lrswitek", "INBOX")
	share("bob@"+servertest.Domain, "lr", "Plans", "2026")
	ann, bob := talk(t, s, "ann"), talk(t, s, "bob")
	inbox, plans := "Shared/"+office.Address+"/INBOX", "Shared/"+office.Address+"/Plans/2026"
	ann.mustSee(inbox)
	bob.mustSee(plans)
	s.Deliver("Subject: to the office\r\n\r\nhello\r\n", "office")
	ann.ok(`SELECT "%s"`, inbox)
	if got := ann.ok("FETCH 1 BODY.PEEK[TEXT]"); !strings.Contains(strings.Join(got, "\n"), "hello") {
		t.Errorf("ann reads %q", got)
	}
	must(a.SetMembers(ctx, team, []string{"ann@" + servertest.Domain, "bob@" + servertest.Domain}))
	bob.mustSee(inbox, plans)
	bob.ok(`SELECT "%s"`, inbox)
	must(a.SetMembers(ctx, team, nil))
	ann2 := talk(t, s, "ann")
	ann2.mustSee()
	for name, k := range map[string]*talker{"ann": ann, "bob": bob} {
		fmt.Fprintf(k.conn, "x NOOP\r\n")
		if l := k.line(); !strings.HasPrefix(l, "* BYE") {
			t.Errorf("%s isn't in the group any more and hears %q", name, l)
		}
	}
	bob = talk(t, s, "bob")
	bob.mustSee(plans)
	list, err := a.Shares(ctx, office.Address)
	must(err)
	want := []admin.Share{{Folder: "INBOX", Who: team, Rights: "lrswikte"}, {Folder: "Plans/2026", Who: "bob@" + servertest.Domain, Rights: "lr"}}
	if !slices.Equal(list, want) {
		t.Errorf("shares: %v", list)
	}
	// who is gone has no rights any more
	must(a.RemoveGroup(ctx, team))
	must(a.RemoveAccount(ctx, admin.Removal{Address: "bob@" + servertest.Domain, Now: true}))
	if list, err := a.Shares(ctx, office.Address); err != nil || len(list) != 0 {
		t.Errorf("shares of those who are gone: %v %v", list, err)
	}
	s.Check()
}

func second[T any](_ T, err error) error { return err }

// TestSharesLastOverARestart, and are there at once for whom they are given to by alias.
func TestSharesLastOverARestart(t *testing.T) {
	first := servertest.Start(t, servertest.Options{})
	ann, _ := first.AddAccount("ann"), first.AddAccount("bob")
	if err := first.Store().Admin.AddAlias(context.Background(), admin.Alias{Address: "robert@" + servertest.Domain, Targets: []string{"bob@" + servertest.Domain}}); err != nil {
		t.Fatal(err)
	}
	a, b := talk(t, first, "ann"), talk(t, first, "bob")
	b.mustSee()
	a.ok("SETACL INBOX robert@%s lr", servertest.Domain)
	b.mustSee("Other Users/ann@" + servertest.Domain + "/INBOX")
	if got := a.ask("SETACL INBOX anyone lr"); !strings.HasPrefix(got[0], "NO [NOPERM]") {
		t.Errorf("with everybody: %q", got)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	again := servertest.Start(t, servertest.Options{Files: first.Files, Folder: first.Folder})
	b = talk(t, again, "bob")
	b.mustSee("Other Users/ann@" + servertest.Domain + "/INBOX")
	ad, ctx := again.Store().Admin, context.Background()
	if _, err := ad.RenameAccount(ctx, admin.Rename{Address: ann.Address, To: "anna@" + servertest.Domain}); err != nil {
		t.Fatal(err)
	}
	ann.Address = "anna@" + servertest.Domain
	b.mustSee("Other Users/" + ann.Address + "/INBOX")
	if err := ad.RemoveAccount(ctx, admin.Removal{Address: ann.Address}); err != nil { // for a while
		t.Fatal(err)
	}
	b.mustSee()
	if got := b.ask(`SELECT "Other Users/%s/INBOX"`, ann.Address); !strings.HasPrefix(got[0], "NO [NONEXISTENT]") {
		t.Errorf("removed: %q", got)
	}
	if _, err := ad.BringBackAccount(ctx, admin.Restoral{Address: ann.Address}); err != nil {
		t.Fatal(err)
	}
	b.mustSee("Other Users/" + ann.Address + "/INBOX")
	if err := again.Store().Admin.RemoveAccount(context.Background(), admin.Removal{Address: ann.Address, Now: true}); err != nil {
		t.Fatal(err)
	}
	b.mustSee()
	again.Check()
}

// TestQuotaByIMAP: SETQUOTA is for those whom the settings name (RFC 9208 §4.1.3), and for nobody else.
func TestQuotaByIMAP(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.Sharing.QuotaAdmins = []string{"Ann@" + servertest.Domain}
	}})
	s.AddAccount("ann")
	bob := s.AddAccount("bob")
	ann, his := talk(t, s, "ann"), talk(t, s, "bob")
	root := "Other Users/" + bob.Address
	if caps := ann.ok("CAPABILITY"); !strings.Contains(caps[0], " QUOTASET") {
		t.Errorf("ann: %q", caps)
	}
	if caps := his.ok("CAPABILITY"); strings.Contains(caps[0], " QUOTASET") {
		t.Errorf("bob: %q", caps)
	}
	want := `* QUOTA "` + root + `" (STORAGE 0 1000)`
	if got := ann.ok(`SETQUOTA "%s" (STORAGE 1000)`, root); !slices.Equal(got, []string{want}) {
		t.Errorf("set: %q", got)
	}
	if got := ann.ok(`GETQUOTA "%s"`, root); !slices.Equal(got, []string{want}) {
		t.Errorf("told: %q", got)
	}
	if a, err := s.Store().Admin.Account(context.Background(), bob.Address); err != nil || a.QuotaBytes != 1000<<10 {
		t.Errorf("%+v %v", a, err)
	}
	if acts, err := s.Store().Admin.Audit(context.Background(), admin.AuditQuery{Kinds: []string{"act"}}); err != nil || len(acts) != 1 || acts[0].Who != "ann@"+servertest.Domain+" by IMAP" {
		t.Errorf("acts: %+v %v", acts, err)
	}
	if got := his.ok(`GETQUOTA ""`); !slices.Equal(got, []string{`* QUOTA "" (STORAGE 0 1000)`}) {
		t.Errorf("bob: %q", got)
	}
	for command, want := range map[string]string{
		`SETQUOTA "" (MESSAGE 5)`:                                "NO [CANNOT]",
		`SETQUOTA "" (STORAGE 0)`:                                "NO [CANNOT]",
		`SETQUOTA "" (STORAGE 1 STORAGE 2)`:                      "NO [CANNOT]",
		`SETQUOTA "" STORAGE 1`:                                  "BAD",
		`SETQUOTA "Other Users/nobody@example.test" (STORAGE 1)`: "NO [NONEXISTENT]",
		`SETQUOTA "Shared/bob@example.test" (STORAGE 1)`:         "NO [NONEXISTENT]",
		`SETQUOTA "x" (STORAGE 1)`:                               "NO [NONEXISTENT]",
	} {
		if got := ann.ask("%s", command); !strings.HasPrefix(got[len(got)-1], want) {
			t.Errorf("%s: %q", command, got)
		}
	}
	if got := his.ask(`SETQUOTA "" (STORAGE 5)`); !strings.HasPrefix(got[0], "NO [NOPERM]") {
		t.Errorf("bob sets his quota: %q", got)
	}
	if got := his.ask(`GETQUOTA "Other Users/ann@%s"`, servertest.Domain); !strings.HasPrefix(got[0], "NO [NONEXISTENT]") {
		t.Errorf("bob asks for ann's quota: %q", got)
	}
	ann.ok(`SETQUOTA "%s" ()`, root)
	if got := his.ask(`GETQUOTA ""`); !strings.HasPrefix(got[0], "NO [NONEXISTENT]") {
		t.Errorf("without a limit: %q", got)
	}
}

// TestQuotaRootOfOthers: that of the owner is told, to who may read (RFC 9208 §6), and counts for what others bring.
func TestQuotaRootOfOthers(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ann := s.AddAccount("ann")
	s.AddAccount("bob")
	if err := s.Store().Admin.SetQuota(context.Background(), ann.Address, 2<<10); err != nil {
		t.Fatal(err)
	}
	b := talk(t, s, "bob")
	box := s.Mailbox(ann)
	inbox, _ := box.FolderByRole(mailbox.Inbox)
	grant := func(letters string) {
		t.Helper()
		if _, err := s.Store().Admin.SetShare(context.Background(), admin.ShareChange{Address: ann.Address, Folder: []string{"INBOX"}, Who: "bob@" + servertest.Domain, Rights: letters}); err != nil {
			t.Fatal(err)
		}
	}
	root := `"Other Users/` + ann.Address + `"`
	path := `"Other Users/` + ann.Address + `/INBOX"`
	grant("li")
	if got := b.ask("GETQUOTAROOT %s", path); !strings.HasPrefix(got[0], "NO [NOPERM]") {
		t.Errorf("without r: %q", got)
	}
	if got := b.ask("GETQUOTA %s", root); !strings.HasPrefix(got[0], "NO [NONEXISTENT]") {
		t.Errorf("without r: %q", got)
	}
	grant("lri")
	want := []string{"* QUOTAROOT " + path + " " + root, "* QUOTA " + root + " (STORAGE 0 2)"}
	if got := b.ok("GETQUOTAROOT %s", path); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	big := strings.Repeat("x", 3000)
	if got := b.ask("APPEND %s {3000+}\r\n%s", path, big); !strings.HasPrefix(got[0], "NO [OVERQUOTA]") {
		t.Errorf("too much for ann: %q", got)
	}
	b.ok("APPEND INBOX {3000+}\r\n%s", big)
	b.ok("SELECT INBOX")
	if got := b.ask("COPY 1 %s", path); !strings.HasPrefix(got[0], "NO [OVERQUOTA]") {
		t.Errorf("too much for ann: %q", got)
	}
	if f, err := box.Folder(inbox.ID); err != nil || f.Items != 0 {
		t.Errorf("came: %+v %v", f, err)
	}
}
