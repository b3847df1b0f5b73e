package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
	"postroad/internal/storage/kv"
)

// tracedMessage is a message whose header is kept apart from its summary.
func tracedMessage(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Return-Path: <s%d@example.org>\r\n", n)
	for i := range 4 {
		fmt.Fprintf(&b, "Received: from %d.example.org\r\n\tby mx.demo.test; %s\r\n", i, strings.Repeat("Sun, 1 Mar 2026 ", 20))
	}
	return b.String() + "X-Token: zebra" + fmt.Sprint(n) + "\r\n" + testMessage(n)
}

// TestHeadersApart: a client gets the same of messages whose headers are kept apart as of others.
func TestHeadersApart(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	w.deliver(s, inbox.ID, tracedMessage(1), 0)
	w.deliver(s, inbox.ID, testMessage(2), 0)
	w.deliver(s, inbox.ID, tracedMessage(3), 0)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	head := func(n int) string {
		if n == 2 {
			return testMessage(2)[:strings.Index(testMessage(2), "\r\n\r\n")+4]
		}
		return tracedMessage(n)[:strings.Index(tracedMessage(n), "\r\n\r\n")+4]
	}
	pick := func(n int, only bool, names ...string) string {
		var list [][]byte
		for _, name := range names {
			list = append(list, []byte(name))
		}
		return string(appendFields(nil, []byte(head(n)), list, only))
	}
	for _, tt := range []struct {
		items string
		want  func(n int) string
	}{
		{"BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]", func(n int) string { return pick(n, true, "subject", "from") }},
		{"BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]", func(n int) string { return pick(n, true, "message-id") }},
		{"BODY.PEEK[HEADER.FIELDS (FROM RETURN-PATH)]", func(n int) string { return pick(n, true, "from", "return-path") }},
		{"BODY.PEEK[HEADER.FIELDS (X-TOKEN)]", func(n int) string { return pick(n, true, "x-token") }},
		{"BODY.PEEK[HEADER.FIELDS.NOT (RECEIVED)]", func(n int) string { return pick(n, false, "received") }},
		{"BODY.PEEK[HEADER]", head},
		{"RFC822.HEADER", head},
	} {
		for _, more := range []string{"", "ENVELOPE "} {
			got := strings.Join(c.ok("FETCH 1:3 ("+more+tt.items+")"), "\r\n")
			for n := 1; n <= 3; n++ {
				if want := fmt.Sprintf("%s {%d}\r\n%s)", tt.items, len(tt.want(n)), tt.want(n)); !strings.Contains(got, strings.Replace(want, ".PEEK", "", 1)) {
					t.Errorf("%s%s of message %d is not\n%s\nin\n%s", more, tt.items, n, want, got)
				}
			}
		}
	}
	got := strings.Join(c.ok("FETCH 3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]<3.9>"), "\r\n")
	if got := strings.Join(c.ok("FETCH 3 BODY.PEEK[HEADER]<7.4>"), "\r\n"); !strings.Contains(got, "BODY[HEADER]<7> {4}\r\nPath)") {
		t.Errorf("a piece of a header: %q", got)
	}
	if want := "BODY[HEADER.FIELDS (SUBJECT)]<3> {9}\r\nject: Mes)"; !strings.Contains(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	for search, want := range map[string]string{
		"HEADER X-Token zebra3": " 3", `HEADER Received "mx.demo"`: " 1 3", "HEADER Subject Message": " 1 2 3", "FROM s1@example.org": " 1", "SUBJECT 2": " 2", "TEXT zebra1": " 1",
	} {
		if got := c.ok("SEARCH " + search); !slices.Contains(got, "* SEARCH"+want) {
			t.Errorf("%s: %q", search, got)
		}
	}
}

// TestListsReadNoHeaders: what mailing programs ask for in lists is read without the rest of headers.
func TestListsReadNoHeaders(t *testing.T) {
	var db *watchedDB
	w := newWorldOn(t, fixedClock, func(d kv.DB) kv.DB {
		db = &watchedDB{DB: d}
		return db
	})
	s := w.open("ann")
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	const n = 50
	for i := range n {
		w.deliver(s, inbox.ID, tracedMessage(i), 0)
	}
	c := w.user("ann")
	c.ok("SELECT INBOX")
	for items, most := range map[string]int64{
		"BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]": 350,
		"(ENVELOPE BODYSTRUCTURE)":                        1000,
		"BODY.PEEK[HEADER]":                               2200,
	} {
		db.bytes.Store(0)
		c.ok("FETCH 1:* " + items)
		if bytes := db.bytes.Load() / n; bytes > most {
			t.Errorf("%s: %d bytes are read of each message", items, bytes)
		}
	}
	db.bytes.Store(0)
	c.ok("SORT (SUBJECT) UTF-8 ALL")
	if bytes := db.bytes.Load() / n; bytes > 1000 {
		t.Errorf("SORT: %d bytes are read of each message", bytes)
	}
}
