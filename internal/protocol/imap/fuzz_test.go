package imap

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// sessionOf lets a session of ann's run over what a client sends, and returns what the server sends.
func (w *world) sessionOf(input []byte) []byte {
	var out bytes.Buffer
	c := newSession(w.server, &readConn{r: bytes.NewReader(input), w: &out}, ListenerOptions{PlainAllowed: true})
	defer c.close()
	c.serve(context.Background())
	return out.Bytes()
}

// FuzzSession feeds whole conversations: no panic, nothing unreadable comes out, and the mailbox stays sound
// (which the world checks at the end).
func FuzzSession(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(f, err)
		var b, his strings.Builder
		for _, l := range strings.Split(string(text), "\n") {
			who, said, ok := strings.Cut(l, ": ")
			switch {
			case ok && who == "Cb": // bob's, who looks at what is ann's: the other way round it is as good
				his.WriteString(strings.NewReplacer("ann@", "bob@", "Shared/office@", "Other Users/bob@").Replace(said) + "\r\n")
			case ok && who != "" && who[0] == 'C': // of several clients one makes a muddle
				b.WriteString(said + "\r\n")
			}
		}
		f.Add([]byte(b.String()))
		f.Add([]byte(his.String()))
	}
	f.Add([]byte("a SELECT INBOX\r\nb FETCH 1:* (BODY[1.2.HEADER.FIELDS (A)]<1.2> BINARY[1]<0.5> BODYSTRUCTURE)\r\nc IDLE\r\nDONE\r\n"))
	w := sharingWorld(f)
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	bob := w.open("bob")
	his, _ := bob.FolderByRole(mailbox.Inbox)
	must(f, bob.SetGrants(context.Background(), his.ID, []mailbox.Grant{{Kind: mailbox.ToAccount, ID: uint64(w.accounts["ann"]), Rights: mailbox.AllRights &^ mailbox.RightAdmin}}))
	nested, err := os.ReadFile("testdata/nested.eml")
	must(f, err)
	f.Fuzz(func(t *testing.T, in []byte) {
		if v, err := s.View(context.Background(), inbox.ID); err != nil || v.Len() < 3 {
			(&world{t: t, store: w.store}).deliver(s, inbox.ID, string(nested), 0)
		}
		out := w.sessionOf(append([]byte("z0 LOGIN ann@demo.test secret\r\n"), in...))
		for len(out) > 0 {
			l, rest, ok := bytes.Cut(out, []byte("\r\n"))
			if !ok {
				t.Fatalf("unfinished line %q", l)
			}
			out = rest
			if n, sync := literalAtEnd(l); sync {
				if n > len(out) {
					t.Fatalf("%q: %d bytes follow", l, len(out))
				}
				out = out[n:]
			}
		}
	})
}

// literalAtEnd reports whether a line of a response ends by announcing a literal.
func literalAtEnd(l []byte) (n int, ok bool) {
	i := bytes.LastIndexByte(l, '{')
	if i < 0 || l[len(l)-1] != '}' || i == len(l)-2 {
		return 0, false
	}
	for _, c := range l[i+1 : len(l)-1] {
		if !isDigit(c) || n > 1<<30 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

func TestSessionEndsWithItsInput(t *testing.T) {
	w := newWorld(t)
	out := w.sessionOf([]byte("a NOOP\r\nb LOGOUT\r\nc NOOP\r\n"))
	if !bytes.Contains(out, []byte("b OK")) || bytes.Contains(out, []byte("c OK")) {
		t.Errorf("%q", out)
	}
}
