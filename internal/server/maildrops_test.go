package server_test

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	"postroad/internal/service/maildrop"
)

// TestCollectedMailIsRemovedInTime: from the setting to the removal, with a program in between that leaves its mail on the server.
func TestCollectedMailIsRemovedInTime(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ann := s.AddAccount("ann")
	days := 2
	if _, err := s.Store().Admin.SetAccountPOP3(t.Context(), admin.POP3Change{Address: ann.Address, RemoveAfterDays: &days}); err != nil {
		t.Fatal(err)
	}
	box := s.Mailbox(ann)
	inbox, _ := box.FolderByRole(mailbox.Inbox)
	w := s.Store().Mailboxes.NewContent()
	fmt.Fprint(w, "Subject: x\r\n\r\nx\r\n")
	c, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := box.Append(t.Context(), inbox.ID, mailbox.Append{Content: c}); err != nil {
		t.Fatal(err)
	}
	conn := s.Dial(servertest.POP3)
	r := bufio.NewReader(conn)
	for _, say := range []string{"", "USER " + ann.Address, "PASS " + servertest.Password, "RETR 1"} {
		if say != "" {
			fmt.Fprintf(conn, "%s\r\n", say)
		}
		if l, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(l, "+OK") {
			t.Fatal(say, l, err)
		}
	}
	for l := ""; l != ".\r\n"; {
		if l, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(conn, "QUIT\r\n")
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for day, want := range []int{0, 0, 0, 1} {
		if n, err := maildrop.Expire(t.Context(), box, s.Clock.Now()); err != nil || n != want {
			t.Errorf("day %d: %d removed: %v", day, n, err)
		}
		s.Clock.Advance(24 * time.Hour)
	}
	if f, _ := box.FolderByRole(mailbox.Inbox); f.Items != 0 {
		t.Error("it is there still")
	}
	s.Check()
}
