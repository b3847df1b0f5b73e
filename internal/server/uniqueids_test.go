package server_test

import (
	"slices"
	"testing"

	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
)

// uniqueIDs is what UIDL tells somebody.
func uniqueIDs(t *testing.T, s *servertest.Server, local string) []string {
	t.Helper()
	l := pop3(t, s, local)
	defer l.Close()
	l.Ask("UIDL")
	ids, err := l.ReadDotLines()
	if err != nil {
		t.Fatal(err)
	}
	l.Ask("QUIT")
	return ids
}

// TestUniqueIDsLast: UIDL (RFC 1939 §7) is the same after a restart, under another address, in a store that was restored elsewhere, and
// in an account that was lost and came back; what comes then has IDs of its own.
func TestUniqueIDsLast(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	for range 3 {
		s.Deliver(hello, "ann")
	}
	want := uniqueIDs(t, s, "ann")
	same := func(where string, s *servertest.Server, local string) {
		t.Helper()
		if got := uniqueIDs(t, s, local); len(want) != 3 || !slices.Equal(got, want) {
			t.Errorf("%s: %q; it was %q", where, got, want)
		}
	}
	dir := t.TempDir()
	run := backUp(t, s, dir)
	ctx := t.Context()
	_, err := s.Store().Admin.RenameAccount(ctx, admin.Rename{Address: ann, To: "annie@" + servertest.Domain, Drop: true})
	must(t, err)
	same("renamed", s, "annie")
	must(t, s.Stop())
	s = servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder})
	same("restarted", s, "annie")

	elsewhere := restoredServer(t, dir, run.ID)
	same("restored", elsewhere, "ann")
	a := elsewhere.Store().Admin
	must(t, a.RemoveAccount(ctx, admin.Removal{Address: ann, Now: true}))
	from := find(t, dir, "ann")
	_, err = a.RestoreAccount(ctx, from.AccountCopy, from.Pairs)
	must(t, err)
	same("lost and restored", elsewhere, "ann")
	elsewhere.Deliver(hello, "ann")
	now := uniqueIDs(t, elsewhere, "ann")
	if len(now) != 4 || slices.Contains(want, now[3]) || !slices.Equal(now[:3], want) {
		t.Errorf("%q after %q", now, want)
	}
}
