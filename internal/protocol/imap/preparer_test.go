package imap

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/model/mailbox"
)

// appendOf is an APPEND of n messages, each with its number in subject and text.
func appendOf(n int) string {
	var b strings.Builder
	b.WriteString("APPEND INBOX")
	for i := range n {
		m := fmt.Sprintf("Subject: number %d\r\nFrom: a%d@example.org\r\n\r\nthe %dth text\r\n", i, i, i)
		fmt.Fprintf(&b, " {%d+}\r\n%s", len(m), m)
	}
	return b.String()
}

// Messages of one APPEND that are prepared beside each other come in their order, each with what belongs to it (RFC 3502 §6.3.11).
func TestManyInOneAppend(t *testing.T) {
	w := newWorld(t)
	c := w.user("ann")
	const n = 200
	c.ok(appendOf(n))
	c.ok("SELECT INBOX")
	for i, l := range c.ok("FETCH 1:* (ENVELOPE PREVIEW)") {
		for _, want := range []string{fmt.Sprintf("* %d FETCH", i+1), fmt.Sprintf(`"number %d"`, i), fmt.Sprintf(`"a%d"`, i), fmt.Sprintf(`"the %dth text"`, i)} {
			if !strings.Contains(l, want) {
				t.Fatalf("message %d lacks %s: %s", i, want, l)
			}
		}
	}
	for _, i := range []int{0, 1, n / 2, n - 1} {
		if got := c.ok(fmt.Sprintf("SEARCH BODY \"%dth text\"", i)); !strings.HasPrefix(got[0], fmt.Sprintf("* SEARCH %d", i+1)) {
			t.Errorf("the text of message %d: %q", i, got)
		}
	}
}

// An APPEND that is broken off leaves nothing behind, and its messages can be closed while some are being prepared.
func TestManyBrokenOff(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		c := w.user("ann")
		c.send("a " + appendOf(50) + " {100+}\r\nand then")
		c.conn.Close()
	}
	c := w.user("ann")
	if _, completion := c.do(appendOf(30) + " {0+}\r\n"); !strings.HasPrefix(completion, "NO") {
		t.Fatal(completion)
	}
	if got := c.ok("STATUS INBOX (MESSAGES)"); !strings.Contains(got[0], "MESSAGES 0") {
		t.Fatal(got)
	}
}

func TestPreparer(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{0, 1, prepareFrom - 1, prepareFrom, 10 * prepareFrom} {
		var p preparer
		var all []*mailbox.Content
		for range n {
			cw := w.store.NewContent()
			cw.Write([]byte("Subject: s\r\n\r\nx"))
			c, err := cw.Finish()
			must(t, err)
			p.add(c)
			all = append(all, c)
		}
		p.finish()
		for _, c := range all {
			if parsed, _ := c.Parsed(); parsed != nil {
				t.Errorf("of %d, one was not prepared", n)
			}
			c.Close()
		}
	}
}

// What goes wrong beside the session ends the session, not the server.
func TestPreparerPanics(t *testing.T) {
	var p preparer
	for range prepareFrom {
		p.add(new(mailbox.Content)) // one without anything
	}
	defer func() {
		if recover() == nil {
			t.Error("nobody hears of it")
		}
		p.drop()
	}()
	p.finish()
}
