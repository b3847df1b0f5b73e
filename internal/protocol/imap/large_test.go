package imap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// fetchLiteral runs a command and returns the bytes of the first literal in the answer.
func fetchLiteral(t *testing.T, w *world, command string) (string, []byte) {
	t.Helper()
	conn := w.connect()
	defer conn.Close()
	r := bufio.NewReader(conn)
	go io.WriteString(conn, "a LOGIN ann@demo.test secret\r\nb EXAMINE INBOX\r\nc "+command+"\r\n")
	for {
		l, err := r.ReadString('\n')
		must(t, err)
		if strings.HasPrefix(l, "c ") {
			return l, nil
		}
		i := strings.LastIndexByte(l, '{')
		if i < 0 || !strings.HasSuffix(l, "}\r\n") {
			continue
		}
		n, err := strconv.Atoi(l[i+1 : len(l)-3])
		must(t, err)
		b := make([]byte, n)
		_, err = io.ReadFull(r, b)
		must(t, err)
		rest, err := r.ReadString('\n')
		must(t, err)
		return l[:i] + "|" + strings.TrimSpace(rest), b
	}
}

// Contents too large for a buffer stream, byte for byte, also in parts, decoded, and among others.
func TestLargeContents(t *testing.T) {
	w := newWorld(t)
	random := make([]byte, 3<<20)
	chacha := rand.NewChaCha8([32]byte{1})
	chacha.Read(random)
	var encoded strings.Builder
	for text := base64.StdEncoding.EncodeToString(random); text != ""; {
		n := min(76, len(text))
		encoded.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	msg := "From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/octet-stream\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n" + encoded.String() + "\r\n--x--\r\n"
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	w.deliver(s, inbox.ID, msg, 0)

	label, got := fetchLiteral(t, w, "FETCH 1 (UID BODY.PEEK[] RFC822.SIZE)")
	if want := fmt.Sprintf("* 1 FETCH (UID 1 BODY[] |RFC822.SIZE %d)", len(msg)); string(got) != msg || label != want {
		t.Errorf("%q: %d bytes", label, len(got))
	}
	if label, got = fetchLiteral(t, w, "FETCH 1 BODY.PEEK[]<1000000.500000>"); string(got) != msg[1_000_000:1_500_000] || label != "* 1 FETCH (BODY[]<1000000> |)" {
		t.Errorf("%q: %d bytes", label, len(got))
	}
	if label, got = fetchLiteral(t, w, "FETCH 1 (BINARY.PEEK[1] FLAGS)"); !bytes.Equal(got, random) || label != `* 1 FETCH (BINARY[1] ~|FLAGS (\Recent))` {
		t.Errorf("%q: %d bytes", label, len(got))
	}
	if label, got = fetchLiteral(t, w, "FETCH 1 BINARY.PEEK[1]<1000.300000>"); !bytes.Equal(got, random[1000:301_000]) {
		t.Errorf("%q: %d bytes", label, len(got))
	}
	c := w.user("ann")
	c.ok("SELECT INBOX")
	if lines := c.ok("FETCH 1 (BINARY.SIZE[1] UID)"); lines[0] != fmt.Sprintf("* 1 FETCH (BINARY.SIZE[1] %d UID 1)", len(random)) {
		t.Error(lines)
	}
	if lines := c.ok("SEARCH BODY nothing-of-the-kind"); lines[0] != "* SEARCH" {
		t.Error(lines)
	}
}

// A header longer than what the summary keeps is read from the message.
func TestLargeHeader(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	header := "X-First: one\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("y", 60)+"\r\n", 1000) + "X-Last: needle\r\n\r\n"
	w.deliver(s, inbox.ID, header+"body\r\n", 0)
	if _, got := fetchLiteral(t, w, "FETCH 1 BODY[HEADER]"); string(got) != header {
		t.Errorf("%d bytes", len(got))
	}
	if _, got := fetchLiteral(t, w, "FETCH 1 BODY[HEADER.FIELDS (X-Last X-First)]"); string(got) != "X-First: one\r\nX-Last: needle\r\n\r\n" {
		t.Errorf("%q", got)
	}
	c := w.user("ann")
	c.ok("SELECT INBOX")
	if lines := c.ok("SEARCH HEADER X-Last NEEDLE"); lines[0] != "* SEARCH 1" {
		t.Error(lines)
	}
}

// Many messages are fetched in many batches; each comes once and in order.
func TestManyBatches(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	must(t, w.store.SetLimit(context.Background(), w.accounts["ann"], mailbox.Usage{}))
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	c := w.store.NewContent()
	io.WriteString(c, testMessage(1)+strings.Repeat("text\r\n", 100))
	content, err := c.Finish()
	must(t, err)
	defer content.Close()
	const n = 5000
	items := make([]mailbox.Append, n)
	for i := range items {
		items[i].Content = content
	}
	_, err = s.Append(context.Background(), inbox.ID, items...)
	must(t, err)
	cl := w.user("ann")
	cl.ok("SELECT INBOX")
	for _, items := range []string{"(FLAGS)", "(ENVELOPE)", "(BODY.PEEK[TEXT])"} {
		at := 0
		for _, l := range cl.ok("UID FETCH 1:* " + items) {
			if !strings.HasPrefix(l, "* ") {
				continue
			}
			if at++; !strings.HasPrefix(l, fmt.Sprintf("* %d FETCH (UID %d ", at, at)) {
				t.Fatalf("%s: message %d: %q", items, at, l)
			}
		}
		if at != n {
			t.Errorf("%s: %d messages", items, at)
		}
	}
	if lines := cl.ok("STORE 1:* +FLAGS.SILENT (\\Deleted $x)"); len(lines) != 2 { // FLAGS and PERMANENTFLAGS
		t.Error(len(lines))
	}
	if lines := cl.ok("EXPUNGE"); len(lines) != n+1 || lines[n] != "* 0 RECENT" || lines[0] != fmt.Sprintf("* %d EXPUNGE", n) {
		t.Error(len(lines))
	}
}

// Folders that other protocols made get names that lead back to them.
func TestUnspeakableFolderNames(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	for _, name := range []string{"a/b", "50%", "x=2Fy"} {
		_, err := s.CreateFolder(context.Background(), mailbox.NewFolder{Name: name})
		must(t, err)
	}
	c := w.user("ann")
	for _, path := range []string{"a=2Fb", "50=25", "x=3D2Fy"} {
		if got := c.ok(`LIST "" ` + path); len(got) != 1 || got[0] != `* LIST (\HasNoChildren) "/" "`+path+`"` {
			t.Errorf("%s: %q", path, got)
		}
		c.ok("SELECT " + path)
		c.ok("CREATE " + path + "/below")
	}
	if _, done := c.do("CREATE a=2Fb"); !strings.HasPrefix(done, "NO [ALREADYEXISTS]") {
		t.Error(done)
	}
}
