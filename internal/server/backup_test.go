package server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	"postroad/internal/service/backup"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// backUp makes a run of a server in dir.
func backUp(t *testing.T, s *servertest.Server, dir string) backup.Run {
	t.Helper()
	return takeRun(t, dir, func() (admin.BackupOrigin, error) { return s.Store().Admin.BeginBackup(t.Context()) })
}

func takeRun(t *testing.T, dir string, begin func() (admin.BackupOrigin, error)) backup.Run {
	t.Helper()
	r, err := backup.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	origin, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	defer origin.Close()
	run, err := r.Take(t.Context(), origin, backup.TakeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// restoredServer starts a server on a new disk with a run in it.
func restoredServer(t *testing.T, dir, id string) *servertest.Server {
	t.Helper()
	r, err := backup.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run, err := r.Run(id)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := server.RestoreStore(t.Context(), folder, r, run, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.RestoreStore(t.Context(), folder, r, run, nil); !fault.Is(err, fault.Exists) {
		t.Errorf("restoring over a store: %v", err)
	}
	return servertest.Start(t, servertest.Options{Files: vfs.Default, Folder: folder})
}

// subjects lists what is in an account, by folder.
func subjects(t *testing.T, s *servertest.Server, local string) map[string]bool {
	t.Helper()
	a, err := s.Store().Admin.Account(t.Context(), local+"@"+servertest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	box, all := s.Mailbox(a), map[string]bool{}
	for _, f := range box.Folders() {
		view, err := box.View(t.Context(), f.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range view.All(0, view.Len()) {
			b := make([]byte, row.Size)
			if _, err := box.Content(row).ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(b), "Subject: ")
			subject, _, _ := strings.Cut(rest, "\r\n")
			all[fmt.Sprintf("%s uid %d: %s", f.Name, row.UID, subject)] = true
		}
	}
	return all
}

// TestBackupUnderLoad: a backup while mail comes in by LMTP. What was acknowledged before it began is in it, what
// is in it contradicts nothing; and the next run, of the server at rest, is the server's store to the last byte.
func TestBackupUnderLoad(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	for _, who := range []string{"ann", "bob", "eve"} {
		s.AddAccount(who)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	var stop atomic.Bool
	var senders sync.WaitGroup
	delivered := make(chan bool, 1000)
	for n, to := range []string{"ann", "bob"} {
		senders.Go(func() {
			for i := 0; !stop.Load(); i++ {
				s.Deliver(fmt.Sprintf("Subject: %s %d\r\n\r\n%s", to, i, strings.Repeat("text ", (i*n*7919)%20_000)), to, "eve")
				select {
				case delivered <- true:
				default:
				}
			}
		})
	}
	for range 20 {
		<-delivered
	}
	before := subjects(t, s, "eve")
	first := backUp(t, s, dir)
	stop.Store(true)
	senders.Wait()

	again := restoredServer(t, dir, first.ID)
	again.Check()
	got := subjects(t, again, "eve")
	for want := range before {
		if !got[want] {
			t.Errorf("%q was there before the backup, and isn't in it", want)
		}
	}

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	resting := openStore(t, s.Files, s.Folder)
	last := takeRun(t, dir, func() (admin.BackupOrigin, error) { return backup.NewLocal(t.Context(), resting) })
	r, err := backup.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	back := openStore(t, vfs.Default, t.TempDir())
	err = r.Restore(t.Context(), last, back, nil)
	if problems, failed := r.Verify(t.Context(), nil); err != nil || failed != nil || len(problems) > 0 {
		t.Fatalf("restore: %v; verify: %q, %v", err, problems, failed)
	}
	if last.Base != first.ID {
		t.Errorf("the second run has base %q", last.Base)
	}
	if d := cmp.Diff(contents(t, resting), contents(t, back)); d != "" {
		t.Error(d)
	}
	folder := t.TempDir()
	if err := server.RestoreStore(t.Context(), folder, r, last, nil); err != nil {
		t.Fatal(err)
	}
	again = servertest.Start(t, servertest.Options{Files: vfs.Default, Folder: folder})
	again.Check()
	again.Deliver("Subject: life goes on\r\n\r\n", "ann")
}

// openStore opens the store of a server that doesn't run.
func openStore(t *testing.T, files vfs.FS, folder string) kv.DB {
	t.Helper()
	db, err := pebble.Open(filepath.Join(folder, "store"), pebble.Options{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// contents tells how many keys and bytes each account and the directory have, and a sum of them all.
func contents(t *testing.T, db kv.DB) map[kv.Partition]string {
	t.Helper()
	ps, err := db.Partitions(t.Context(), 0, 1<<56)
	if err != nil {
		t.Fatal(err)
	}
	all := map[kv.Partition]string{}
	for _, p := range ps {
		err := db.View(t.Context(), p, func(r kv.Reader) error {
			keys, sum := 0, uint64(14695981039346656037)
			for _, b := range [][2]byte{{0, kv.BulkPrefix}, {kv.BulkPrefix, 0xFF}} {
				for pair, err := range r.Scan(kv.Range{Lo: b[:1], Hi: []byte{b[1]}}) {
					if err != nil {
						return err
					}
					keys++
					for _, c := range append(append(pair.Key[:len(pair.Key):len(pair.Key)], 0), pair.Value...) {
						sum = (sum ^ uint64(c)) * 1099511628211
					}
				}
			}
			all[p] = fmt.Sprintf("%d keys, %x", keys, sum)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestRestoreOneAccount: from a backup into a running server, the account being there still, gone, or another's.
func TestRestoreOneAccount(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ann := s.AddAccount("ann")
	s.AddAccount("bob")
	for i := range 5 {
		s.Deliver(fmt.Sprintf("Subject: %d\r\n\r\nbody", i), "ann")
	}
	if _, err := s.Store().Admin.SetShare(t.Context(), admin.ShareChange{Address: "ann@" + servertest.Domain, Folder: []string{"INBOX"}, Who: "bob@" + servertest.Domain, Rights: "lr"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	backUp(t, s, dir)
	all := subjects(t, s, "ann")

	box := s.Mailbox(ann)
	inbox, _ := box.FolderByRole(mailbox.Inbox)
	if _, err := box.Expunge(t.Context(), inbox.ID, []mailbox.UID{2, 4}, false); err != nil {
		t.Fatal(err)
	}
	s.Deliver("Subject: later\r\n\r\nbody", "ann")
	d := s.Store().Admin
	bring := func(into, under string) (added, present int) {
		t.Helper()
		from := find(t, dir, "ann")
		q := adminImport(into, under)
		result, err := d.Import(t.Context(), q, from.Mail)
		if err != nil {
			t.Fatal(err)
		}
		return result.Added, result.Present
	}
	if added, present := bring("ann", ""); added != 2 || present != 3 {
		t.Errorf("%d came back, %d were there; want 2 and 3", added, present)
	}
	if added, present := bring("ann", ""); added != 0 || present != 5 {
		t.Errorf("again: %d came back, %d were there; want 0 and 5", added, present)
	}
	if added, _ := bring("bob", "Ann's"); added != 5 {
		t.Errorf("bob got %d of ann's messages", added)
	}

	if err := d.RemoveAccount(t.Context(), admin.Removal{Address: "ann@" + servertest.Domain, Now: true}); err != nil {
		t.Fatal(err)
	}
	from := find(t, dir, "ann")
	made, err := d.RestoreAccount(t.Context(), from.AccountCopy, from.Pairs)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID == ann.ID || made.UsedItems != 5 {
		t.Errorf("made %+v", made)
	}
	if list, err := d.Shares(t.Context(), made.Address); err != nil || len(list) != 1 || list[0].Who != "bob@"+servertest.Domain {
		t.Errorf("shares: %v %v", list, err)
	}
	if diff := cmp.Diff(all, subjects(t, s, "ann")); diff != "" {
		t.Error(diff)
	}
	s.IMAP("ann", nil) // signs in with the password of old
	s.Deliver("Subject: after\r\n\r\nbody", "ann")
	for what := range subjects(t, s, "ann") { // "later" had UID 6, which programs remember
		if strings.Contains(what, "uid 6:") {
			t.Errorf("%q has the UID of a message that came after the backup", what)
		}
	}
	s.Check()
	if _, err := d.RestoreAccount(t.Context(), from.AccountCopy, from.Pairs); !fault.Is(err, fault.Exists) {
		t.Errorf("restoring beside it: %v", err)
	}
	if err := d.RemoveAccount(t.Context(), admin.Removal{Address: "ann@" + servertest.Domain, Now: true}); err != nil {
		t.Fatal(err)
	}
	broken := func(put func(kv.Pair) error) error {
		_ = from.Pairs(func(p kv.Pair) error { return put(p) })
		return context.DeadlineExceeded
	}
	if _, err := d.RestoreAccount(t.Context(), from.AccountCopy, broken); err == nil {
		t.Error("half an account was restored")
	}
	if _, err := d.Account(t.Context(), "ann@"+servertest.Domain); !fault.Is(err, fault.NotFound) {
		t.Errorf("half an account is there: %v", err)
	}
	s.Check()
}

func find(t *testing.T, dir, local string) *server.BackedUp {
	t.Helper()
	r, err := backup.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	run, err := r.Run("")
	if err != nil {
		t.Fatal(err)
	}
	room, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	found, err := server.FindBackedUp(t.Context(), r, run, local+"@"+servertest.Domain, room)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func adminImport(into, under string) admin.ImportQuery {
	q := admin.ImportQuery{Address: into + "@" + servertest.Domain, BringBack: true}
	if under != "" {
		q.Under = []string{under}
	}
	return q
}
