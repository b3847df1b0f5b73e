package move

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/maildrop"
)

// uniqueIDs are those that the messages of an account's folder have from elsewhere, by subject.
func (w *world) uniqueIDs(role mailbox.Role) map[string]string {
	w.Helper()
	s := w.session(1)
	f, _ := s.FolderByRole(role)
	v, err := s.View(w.ctx, f.ID)
	w.must(err)
	drop, err := maildrop.Open(w.ctx, s)
	w.must(err)
	var rows []*mailbox.Row
	for _, r := range v.All(0, v.Len()) {
		rows = append(rows, r)
	}
	ids, err := drop.UniqueIDs(w.ctx, s, rows)
	w.must(err)
	found := map[string]string{}
	for _, r := range rows {
		var b bytes.Buffer
		_, err := s.Content(r).Section(0, r.Size).WriteTo(&b)
		w.must(err)
		subject, _, _ := strings.Cut(strings.TrimPrefix(b.String(), "Subject: "), "\r\n")
		if id, ok := ids[r.ID]; ok {
			found[subject] = id
		}
	}
	return found
}

const uidList = "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n" +
	"25006 P000061ae4c093430 :1276528487.M364837P9451.kurkku,S=1355,W=1394\n" +
	"25017 W2481 :2\n" +
	"x P1\n"

// Unique IDs come along with a Maildir: those that Dovecot's file names, and if the format is known the others.
func TestUniqueIDsOfAMaildir(t *testing.T) {
	dir := files(t, map[string]string{
		"cur/1276528487.M364837P9451.kurkku,S=1355,W=1394:2,S": "Subject: one\n\n", "cur/2:2,": "Subject: two\n\n", "new/3": "Subject: three\n\n", "tmp": "/",
		"dovecot-uidlist": uidList, ".Trash/cur/2": "Subject: thrown away\n\n", ".Trash/new": "/", ".Trash/dovecot-uidlist": uidList,
	})
	for format, want := range map[maildrop.IDFormat]map[string]string{
		"":           {"one": "000061ae4c093430"},
		"%08Xu%08Xv": {"one": "000061ae4c093430", "two": "000061b94c0907b0"},
	} {
		w := newWorld(t)
		w.bring(1, w.open(dir, Options{UniqueIDs: format}))
		if d := cmp.Diff(want, w.uniqueIDs(mailbox.Inbox)); d != "" {
			t.Errorf("format %q: %s", format, d)
		}
		if got := w.uniqueIDs(mailbox.Trash); len(got) > 0 {
			t.Errorf("outside of the inbox: %v", got)
		}
	}
	for _, bad := range []string{"", "1 V3\n", "3 N3\n2 P1 :2\n", "3 Vx\n2 P1 :2\n", "3 V9999999999\n2 P1 :2\n", "3 V1\n99999999999 :2\n\x00\n"} {
		dir := files(t, map[string]string{"cur/2:2,": "Subject: two\n\n", "new": "/", "dovecot-uidlist": bad})
		w := newWorld(t)
		w.bring(1, w.open(dir, Options{UniqueIDs: "%u"}))
		if got := w.uniqueIDs(mailbox.Inbox); len(got) > 0 {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// And from another server, by its format; through a stream, too.
func TestUniqueIDsOfAServer(t *testing.T) {
	w, e := newWorld(t), newElsewhere(t)
	e.add("INBOX", 2, letter)
	e.add("Work", 2, letter)
	var b bytes.Buffer
	w.must(Encode(w.ctx, &b, e.source(IMAP{UniqueIDs: "%u-%v"})))
	ids := map[string]bool{}
	w.must(Decode(bytes.NewReader(b.Bytes()))(w.ctx, func(m *Message) error {
		if m.UniqueID != "" {
			ids[m.UniqueID] = true
			if m.Folder[0] != "INBOX" {
				t.Errorf("in %v", m.Folder)
			}
		}
		return nil
	}))
	w.bring(1, Decode(&b))
	found := map[string]bool{}
	for id := range maps.Values(w.uniqueIDs(mailbox.Inbox)) {
		found[id] = true
	}
	if len(ids) != 2 || len(found) == 0 {
		t.Errorf("%v, %v", ids, found)
	}
	for id := range found {
		if !ids[id] {
			t.Errorf("%s is none of %v", id, ids)
		}
	}
}

func FuzzUniqueID(f *testing.F) {
	f.Add("25006 P000061ae4c093430 W12", "3 V12 N3")
	f.Fuzz(func(t *testing.T, line, header string) {
		validity, _ := uidValidity(header)
		if id := uniqueID(line, validity, "%08Xu%08Xv"); id != "" && !maildrop.ValidUniqueID(id) {
			t.Errorf("%q", id)
		}
	})
}
