package imap

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// allocated is how much memory a command takes, in bytes, all together.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestThreadsOfManyStrangers: messages that name thousands of others, of which none is there, don't fill memory.
func TestThreadsOfManyStrangers(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	const messages, each = 60, 6000
	for i := range messages {
		var b strings.Builder
		for k := range each {
			fmt.Fprintf(&b, "\r\n <%d.%d@x>", i, k)
		}
		w.deliver(ann, inbox.ID, "Subject: x\r\nReferences:"+b.String()+"\r\n\r\n", 0)
	}
	c := w.user("ann")
	c.ok("SELECT INBOX")
	for _, algorithm := range []string{"REFERENCES", "REFS"} {
		if n := allocated(func() { c.ok("THREAD " + algorithm + " UTF-8 ALL") }); n > messages*each*80 {
			t.Errorf("%s: %d MB", algorithm, n>>20)
		}
	}
}

// TestReferencesThatCount: of very many, the first one and the last ones (RFC 5256 §3 has no limit).
func TestReferencesThatCount(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	refs := func(n int) (b string) {
		for k := range n {
			b += fmt.Sprintf("\r\n <%d@x>", k)
		}
		return b
	}
	for _, id := range []int{0, 1, 150, 199} {
		w.deliver(ann, inbox.ID, fmt.Sprintf("Subject: x%d\r\nMessage-ID: <%d@x>\r\n\r\n", id, id), 0)
	}
	w.deliver(ann, inbox.ID, "Subject: y\r\nReferences:"+refs(200)+"\r\n\r\n", 0)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	if lines := c.ok("THREAD REFS UTF-8 ALL"); lines[0] != "* THREAD (1 3 4 5)(2)" {
		t.Errorf("%q", lines)
	}
}

// TestFreeIDs: at the limit of IDs that are only named, above it, far beyond; those of messages always count.
func TestFreeIDs(t *testing.T) {
	f := newForest(0)
	f.most = 3
	for i, want := range []int32{0, 1, 2, -1, -1} {
		if got := f.slot(fmt.Sprint(i), false); got != want {
			t.Errorf("%d: %d", i, got)
		}
	}
	if got := f.slot("own", true); got != 3 {
		t.Error(got)
	}
	if got := f.slot("1", false); got != 1 {
		t.Error(got)
	}
	for n, want := range map[int]int32{maxIDLength: 4, maxIDLength + 1: -1, 1 << 20: -1} {
		if got := f.slot(strings.Repeat("x", n), true); got != want {
			t.Errorf("%d bytes: %d", n, got)
		}
	}
}

// TestLongSubjectsInOrder: what is far behind in a subject doesn't count in SORT, nor fill memory.
func TestLongSubjectsInOrder(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	long := strings.Repeat("a", maxCompared-1)
	for _, subject := range []string{long + "c", long + "bz", long + "ba", long} {
		w.deliver(ann, inbox.ID, "Subject: "+subject+strings.Repeat("z", 100_000)+"\r\n\r\n", 0)
	}
	w.deliver(ann, inbox.ID, "Subject: "+long+"\r\n\r\n", 0)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	if lines := c.ok("SORT (SUBJECT) UTF-8 ALL"); lines[0] != "* SORT 5 2 3 1 4" {
		t.Errorf("%q", lines)
	}
}
