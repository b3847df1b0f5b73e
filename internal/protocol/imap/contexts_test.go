package imap

import (
	"net"
	"testing"
)

// A change of so much that keeping a result right would hold everything up ends the context, which the client is told.
func TestContextsThatCostTooMuchEnd(t *testing.T) {
	w := newWorld(t)
	conn, far := net.Pipe()
	defer far.Close()
	defer conn.Close()
	s := newSession(w.server, conn, ListenerOptions{})
	large := &searchContext{tag: "large", members: make([]member, maxMembers)}
	small := &searchContext{tag: "small"}
	s.sel = &selected{contexts: []*searchContext{large, small}}
	mail := w.open("ann")
	f, _ := mail.Folder(mail.Folders()[0].ID)
	w.deliver(mail, f.ID, testMessage(1), 0)
	v, err := mail.View(t.Context(), f.ID)
	must(t, err)
	s.forget(v, make([]int, maxContextWork/maxMembers+1))
	if got := string(s.out.buf()); got != "* NO [NOUPDATE \"large\"] you will not hear of changes\r\n" {
		t.Errorf("%q", got)
	}
	if len(s.sel.contexts) != 1 || s.sel.contexts[0] != small {
		t.Error("the other context must stay")
	}
}
