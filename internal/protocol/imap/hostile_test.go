package imap

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
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
	const messages, each = 30, 5000
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

// TestNotifyOfManyAnnotations: what is annotated in a thousand mailboxes isn't read again whenever something happens in one.
func TestNotifyOfManyAnnotations(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	ctx := t.Context()
	var last mailbox.Folder
	for i := range 1000 {
		f, err := ann.CreateFolder(ctx, mailbox.NewFolder{Name: fmt.Sprint("box", i)})
		must(t, err)
		must(t, ann.SetFolderProps(ctx, f.ID, map[mailbox.PropScope]map[string][]byte{mailbox.SharedProps: {"vendor/x/y": make([]byte, 10_000)}}))
		last = f
	}
	c := w.user("ann")
	c.ok("NOTIFY SET (personal (MessageNew MessageExpunge MailboxMetadataChange))")
	least := uint64(math.MaxUint64) // of several: the store, and the index of texts, may be at work during one of them
	for i := range 5 {
		least = min(least, allocated(func() {
			w.deliver(ann, inbox.ID, testMessage(1), 0)
			want := fmt.Sprintf(`* STATUS "INBOX" (MESSAGES %d `, i+1)
			if lines := c.ok("NOOP"); len(lines) != 1 || !strings.HasPrefix(strings.Replace(lines[0], " INBOX ", ` "INBOX" `, 1), want) {
				t.Errorf("%q", lines)
			}
		}))
	}
	if least > 4<<20 { // they have 10 MB
		t.Errorf("%d KB", least>>10)
	}
	must(t, ann.SetFolderProps(ctx, last.ID, map[mailbox.PropScope]map[string][]byte{mailbox.SharedProps: {"vendor/x/y": nil}}))
	if lines := c.ok("NOOP"); len(lines) != 1 || lines[0] != `* METADATA "box999" /shared/vendor/x/y` {
		t.Errorf("%q", lines)
	}
}

// TestCompressionBombs: a few KB that become a line or a literal of many MB end as those do that come as they are, at the cost of reading them.
func TestCompressionBombs(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *ListenerOptions) { c.Limits.Message = 1 << 20 })
	for name, bomb := range map[string]struct {
		text string
		more int64
		want string
	}{
		"line":                    {"b NOOP ", 16 << 20, "b BAD"},
		"string that is dropped":  {"b SELECT {16777216+}\r\n", 16 << 20, "b NO [LIMIT]"},
		"message that is dropped": {"b APPEND INBOX {16777216+}\r\n", 16 << 20, "b NO [TOOBIG]"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, z := w.compressed()
			defer conn.Close()
			n := allocated(func() {
				go func() {
					io.WriteString(z.w, bomb.text)
					io.CopyN(z.w, zeros{}, bomb.more)
					io.WriteString(z.w, "\r\nc LOGOUT\r\n")
					z.w.Flush()
				}()
				for {
					line := readTo(t, z, "\r\n")
					if strings.HasPrefix(line, bomb.want) {
						return
					}
				}
			})
			if n > 25<<20 { // all together, and long given back: who keeps it takes twice as much to make it grow
				t.Errorf("%d MB", n>>20)
			}
		})
	}
}

// zeros is an endless text.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// TestSlowReaderOfCompressed: what a client that doesn't read has asked for waits in the mailbox, not in memory.
func TestSlowReaderOfCompressed(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	noise := make([]byte, 100_000)
	for i := range noise { // hard to compress
		noise[i] = "abcdefghijklmnopqrstuvwxyz234567"[(i*i*7919+i*104729)>>7&31]
	}
	for range 50 {
		w.deliver(ann, inbox.ID, "Subject: noise\r\n\r\n"+string(noise), 0)
	}
	conn, z := w.compressed()
	defer conn.Close()
	n := allocated(func() {
		say(z, "b SELECT INBOX\r\n"+strings.Repeat("c FETCH 1:* BODY.PEEK[]\r\n", 20))
		readTo(t, z, "* 1 FETCH (")
		readTo(t, z, "* 2 FETCH (")
	})
	if n > 16<<20 {
		t.Errorf("%d MB", n>>20)
	}
}

// TestManyCommandsAtOnce: 100,000 commands in one piece are answered in their order.
func TestManyCommandsAtOnce(t *testing.T) {
	const commands = 100_000
	w := newWorld(t)
	conn := w.connect()
	defer conn.Close()
	var b bytes.Buffer
	b.WriteString("a LOGIN ann@demo.test secret\r\n")
	for i := range commands {
		fmt.Fprintf(&b, "n%d NOOP\r\n", i)
	}
	go conn.Write(b.Bytes())
	r := bufio.NewReader(conn)
	n := allocated(func() {
		for i := 0; i < commands; {
			l, err := r.ReadSlice('\n')
			must(t, err)
			if l[0] != 'n' {
				continue
			}
			if want := fmt.Appendf(nil, "n%d OK", i); !bytes.HasPrefix(l, want) {
				t.Fatalf("%q, want %q", l, want)
			}
			i++
		}
	})
	if n > 64<<20 {
		t.Errorf("%d bytes for a command", n/commands)
	}
}

// TestManyLiteralsAtOnce: literals at the limit of one command, above it, far beyond, and the next command is understood.
func TestManyLiteralsAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	const each = 1000
	search := func(n int) string {
		return "SEARCH" + strings.Repeat(" NOT SUBJECT {1000+}\r\n"+strings.Repeat("x", each), n)
	}
	for n, want := range map[int]string{256 << 10 / each: "OK", 256<<10/each + 1: "NO [LIMIT]", 3000: "NO [LIMIT]"} {
		if _, r := c.do(search(n)); !strings.HasPrefix(r, want) {
			t.Errorf("%d literals: %s", n, r)
		}
		c.ok("NOOP")
	}
}

// TestSearchOfThousandsOfMailboxes: MULTISEARCH (RFC 7377) finds what there is in a few of them.
func TestSearchOfThousandsOfMailboxes(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	const boxes = 3000
	for i := range boxes {
		f, err := ann.CreateFolder(context.Background(), mailbox.NewFolder{Name: fmt.Sprint("box", i)})
		must(t, err)
		if i%1000 == 0 {
			w.deliver(ann, f.ID, testMessage(7), 0)
		}
	}
	c := w.user("ann")
	for _, in := range []string{"(personal)", "(mailboxes (" + boxNames(900) + " box1000 box2000))"} {
		if lines := c.ok("ESEARCH IN " + in + ` SUBJECT "Message 7"`); len(lines) != 3 {
			t.Errorf("%.40s: %q", in, lines)
		}
	}
	if _, r := c.do("ESEARCH IN (mailboxes (" + boxNames(5000) + ")) ALL"); strings.HasPrefix(r, "OK") {
		t.Error(r)
	}
}

func boxNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("box", i))
	}
	return strings.Join(names, " ")
}

// TestAnnotationSizes: values at the limit, above it, far beyond (RFC 5464 §4.3); what is refused is not read into memory.
func TestAnnotationSizes(t *testing.T) {
	c := newWorld(t).user("ann")
	for n, want := range map[int]string{
		maxAnnotation: "OK", maxAnnotation + 1: "NO [METADATA MAXSIZE 65536]", 100 << 20: "NO [METADATA MAXSIZE 65536]",
	} {
		command := fmt.Sprintf("SETMETADATA INBOX (/private/comment ~{%d}", n)
		if n <= maxAnnotation {
			command = fmt.Sprintf("SETMETADATA INBOX (/private/comment ~{%d+}\r\n%s)", n, strings.Repeat("x", n))
		}
		if _, r := c.do(command); !strings.HasPrefix(r, want) {
			t.Errorf("%d: %s", n, r)
		}
	}
	for n, want := range map[int]string{maxEntries: "OK", maxEntries + 1: "BAD", 3000: "BAD"} {
		if _, r := c.do("GETMETADATA INBOX (" + strings.TrimSpace(strings.Repeat("/private/comment ", n)) + ")"); !strings.HasPrefix(r, want) {
			t.Errorf("%d entries: %s", n, r)
		}
	}
}
