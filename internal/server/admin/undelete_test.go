package admin

import (
	"context"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

func (r *recorder) Expunged(_ context.Context, q ExpungedQuery) ([]ExpungedMessage, error) {
	return []ExpungedMessage{{ID: 1}}, r.note("expunged %v", q)
}
func (r *recorder) Undelete(_ context.Context, q ExpungedQuery) (Undeleted, error) {
	return Undeleted{1}, r.note("undelete %v", q)
}

// What somebody has expunged is listed and comes back, through the server, as far as a query says.
func TestUndelete(t *testing.T) {
	d, c := movers(t)
	keep := mailbox.NewStore(d.db, mailbox.Options{SpoolDir: t.TempDir(), KeepErased: time.Hour})
	d.store = keep
	if _, err := d.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(nil, "From: Bob <bob@b.example>\r\nSubject: =?utf-8?q?=C3=A9?=\r\n\r\n", "Subject: 2\r\n\r\n", "Subject: 3\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	s, err := keep.Open(t.Context(), 1, ident.System())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	if _, err := s.Expunge(t.Context(), inbox.ID, []mailbox.UID{1, 3}, false); err != nil {
		t.Fatal(err)
	}
	q := ExpungedQuery{Address: "ann@example.org"}
	all, err := c.Expunged(t.Context(), q)
	if err != nil || len(all) != 2 || all[0].From != "bob@b.example" || all[0].Subject != "é" || all[0].Folder != "INBOX" {
		t.Fatalf("%+v, %v", all, err)
	}
	none := []ExpungedQuery{{Since: time.Now().Add(time.Hour)}, {Folder: "Sent"}, {IDs: []uint64{9999}}}
	for _, x := range none {
		x.Address = q.Address
		if r, err := c.Undelete(t.Context(), x); r.Messages != 0 || err != nil {
			t.Errorf("%+v brought back %d, %v", x, r.Messages, err)
		}
	}
	if r, err := c.Undelete(t.Context(), ExpungedQuery{Address: q.Address, Folder: "inbox", IDs: []uint64{all[1].ID}}); r.Messages != 1 || err != nil {
		t.Error(r, err)
	}
	if r, err := c.Undelete(t.Context(), q); r.Messages != 1 || err != nil {
		t.Error(r, err)
	}
	if len(exported(t, c)) != 3 {
		t.Error(exported(t, c))
	}
	if _, err := c.Expunged(t.Context(), ExpungedQuery{Address: "nobody@example.org"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
