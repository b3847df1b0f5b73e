package imap

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// manyFolders makes ann a thousand folders.
func (w *world) manyFolders(t testing.TB) {
	t.Helper()
	s := w.open("ann")
	for i := range 1000 {
		_, err := s.CreateFolder(context.Background(), mailbox.NewFolder{Name: fmt.Sprintf("folder %d", i)})
		must(t, err)
	}
}

// TestNotifyLooksAtWhatHasChanged: messages in one of a thousand folders don't have the others looked at.
func TestNotifyLooksAtWhatHasChanged(t *testing.T) {
	w := newWorld(t)
	w.manyFolders(t)
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	b := w.bench("NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))")
	n := 0
	allocs := testing.AllocsPerRun(20, func() {
		n++
		w.deliver(s, inbox.ID, testMessage(n), 0)
		before := b.out.n
		must(t, b.news(context.Background(), true))
		b.session.out.flush()
		if want := int64(len("* STATUS INBOX (MESSAGES 10 UIDNEXT 11 UNSEEN 10)\r\n")); b.out.n-before < want-4 || b.out.n-before > want+4 {
			t.Errorf("%d bytes were told, not %d", b.out.n-before, want)
		}
	})
	if allocs > 600 {
		t.Errorf("%.0f allocations", allocs)
	}
}

// TestNotifyOfOthersHasOneGoroutine: of all sessions that hear of new shares; there is none when they are gone.
func TestNotifyOfOthersHasOneGoroutine(t *testing.T) {
	w := sharingWorld(t)
	id := w.folder("plans", mailbox.RightLookup|mailbox.RightRead)
	shares := &w.server.shares
	listeners := func() int {
		shares.mu.Lock()
		defer shares.mu.Unlock()
		return len(shares.sessions)
	}
	var clients []*client
	for range 5 {
		c := w.user("bob")
		c.ok(`NOTIFY SET (subtree "Other Users" (MessageNew MessageExpunge MailboxName))`)
		c.send("i IDLE\r\n")
		c.line()
		clients = append(clients, c)
	}
	first := shares.done
	tell := func(want string) {
		t.Helper()
		for _, c := range clients {
			if l := c.line(); !strings.Contains(l, want) {
				t.Errorf("%q, expected %q", l, want)
			}
		}
	}
	w.deliver(w.open("ann"), id, testMessage(1), 0)
	tell(`plans" (MESSAGES 1 UIDNEXT 2)`)
	w.deliver(w.open("ann"), id, testMessage(2), 0)
	tell(`plans" (MESSAGES 2 UIDNEXT 3)`)
	w.folder("more", mailbox.RightLookup|mailbox.RightRead) // in an account that is watched
	tell(`more`)
	if n := listeners(); n != 5 || shares.done != first {
		t.Errorf("%d listen, or by another goroutine", n)
	}
	for _, c := range clients {
		c.send("DONE\r\n")
		c.line()
		c.ok("LOGOUT")
	}
	<-first
	if n := listeners(); n != 0 {
		t.Errorf("%d still listen", n)
	}
}

// TestNotifyOfANewShare: the first folder that somebody shares is told of to who waits.
func TestNotifyOfANewShare(t *testing.T) {
	w := sharingWorld(t)
	c := w.user("bob")
	c.ok(`NOTIFY SET (subtree "Other Users" (MessageNew MessageExpunge MailboxName))`)
	c.send("i IDLE\r\n")
	c.line()
	id := w.folder("plans", mailbox.RightLookup|mailbox.RightRead)
	if l := c.line(); !strings.Contains(l, "LIST") || !strings.Contains(l, "plans") {
		t.Error(l)
	}
	w.deliver(w.open("ann"), id, testMessage(1), 0)
	if l := c.line(); !strings.Contains(l, `plans" (MESSAGES 1`) {
		t.Error(l)
	}
	w.share(id, 0) // it is taken back
	if l := c.line(); !strings.Contains(l, `(\NonExistent`) || !strings.Contains(l, "plans") {
		t.Error(l)
	}
}

// BenchmarkNotify is what a delivery costs a hundred sessions that want to hear of everything in a thousand folders.
func BenchmarkNotify(b *testing.B) {
	w := newWorld(b)
	w.manyFolders(b)
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	var sessions []*benchSession
	for range 100 {
		sessions = append(sessions, w.bench("NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))"))
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w.deliver(s, inbox.ID, testMessage(1), 0)
		b.StartTimer()
		for _, c := range sessions {
			must(b, c.news(context.Background(), true))
			c.session.out.flush()
		}
	}
}
