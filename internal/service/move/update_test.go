package move

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	goclient "github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/model/mailbox"
)

// Flags that have changed there since a message was brought are changed here, wherever the message is by now; keywords come besides those that are here.
func TestUpdateFlags(t *testing.T) {
	w, e := newWorld(t), newElsewhere(t)
	e.add("INBOX", 8, letter)
	e.add("Work", 4, letter)
	w.bring(1, e.source(IMAP{}))

	there, err := goclient.DialInsecure(e.listener.Addr().String(), nil)
	w.must(err)
	defer there.Close()
	w.must(there.Login("ann", "secret").Wait())
	_, err = there.Select("INBOX", nil).Wait()
	w.must(err)
	store := func(n uint32, op imap.StoreFlagsOp, flags ...imap.Flag) {
		t.Helper()
		w.must(there.Store(imap.SeqSetNum(n), &imap.StoreFlags{Op: op, Silent: true, Flags: flags}, nil).Close())
	}
	store(1, imap.StoreFlagsAdd, imap.FlagSeen, imap.FlagDeleted, "new")
	store(2, imap.StoreFlagsDel, imap.FlagSeen)
	store(3, imap.StoreFlagsSet, imap.FlagFlagged)
	store(4, imap.StoreFlagsAdd, imap.FlagSeen)

	s := w.session(1)
	in, _ := s.FolderByRole(mailbox.Inbox)
	trash, _ := s.FolderByRole(mailbox.Trash)
	_, _, err = s.Move(w.ctx, in.ID, []mailbox.UID{2}, trash.ID)
	w.must(err)
	have, err := BroughtTo(w.ctx, s)
	w.must(err)

	before := w.flagsHere()
	if r := w.bring(1, e.source(IMAP{Have: have})); r.Updated != 0 || !cmp.Equal(before, w.flagsHere()) {
		t.Errorf("without being told to: %+v", r)
	}
	for i, from := range []Source{e.source(IMAP{Have: have, UpdateFlags: true}), through(w, e.source(IMAP{Have: have, UpdateFlags: true}))} {
		r := w.bring(1, from)
		if want := []int{4, 0}[i]; r.Updated != want || r.Present != 12 || r.Added != 0 {
			t.Errorf("run %d: %+v", i, r)
		}
	}
	got := w.flagsHere()
	for _, x := range []string{"INBOX 1 \\Seen [new]", "INBOX 3 \\Flagged [$work]", "Trash 1  []", "INBOX 4 \\Seen \\Flagged [a b]"} {
		if !slices.Contains(got, x) {
			t.Errorf("%q is missing in %q", x, got)
		}
	}
}

// flagsHere are the flags of all messages.
func (w *world) flagsHere() (all []string) {
	w.Helper()
	s := w.session(1)
	for _, f := range s.Folders() {
		view, err := s.View(w.ctx, f.ID)
		w.must(err)
		for _, row := range view.All(0, view.Len()) {
			all = append(all, fmt.Sprintf("%s %d %s %v", f.Name, row.UID, strings.Join(namesOf(row.Flags), " "), row.Keywords.Names()))
		}
	}
	return all
}
