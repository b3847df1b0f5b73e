package delivery

import (
	"context"
	"io"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
)

// machine is a Handler of robot@.
type machine struct {
	got  []string
	fail error
}

func (m *machine) Takes(local string) bool { return local == "robot" }

func (m *machine) Take(_ context.Context, e *Envelope, c *mailbox.Content) error {
	b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	m.got = append(m.got, e.From+": "+string(b))
	if err == nil {
		err = m.fail
	}
	return err
}

// TestHandler: addresses that stand for a part of the server, at every domain of ours and at no other.
func TestHandler(t *testing.T) {
	h := newHouse(t, "ann")
	m := &machine{}
	h.handler = m
	if _, err := h.dir.AddDomain(t.Context(), "example.net"); err != nil {
		t.Fatal(err)
	}
	to := h.recipients(t, "robot@example.org", "ann@example.org", "Robot@Example.NET")
	c := h.message(t, "Subject: x\r\n\r\nHello\r\n")
	for _, err := range h.Deliver(t.Context(), Envelope{ID: "1", From: "x@y.example"}, to, c) {
		check(t, err)
	}
	if len(m.got) != 1 || m.got[0] != "x@y.example: Subject: x\r\n\r\nHello\r\n" {
		t.Errorf("%q", m.got)
	}
	if n := h.Stats(); n.Copies != 1 {
		t.Errorf("%+v", n)
	}
	m.fail = fault.New(fault.Unavailable, "no disk")
	errs := h.Deliver(t.Context(), Envelope{ID: "2", From: "x@y.example"}, to[:1], c)
	fails(t, errs[0], fault.Unavailable)
	for address, kind := range map[string]fault.Kind{"robot@elsewhere.example": fault.Unsupported, "robots@example.org": fault.NotFound, "robot": fault.Invalid} {
		_, err := h.Recipient(t.Context(), Sender{}, address)
		fails(t, err, kind)
	}
}

// TestMailboxesGoBeforeTheHandler, and the handler before a catch-all.
func TestMailboxesGoBeforeTheHandler(t *testing.T) {
	h := newHouse(t, "ann")
	m := &machine{}
	h.handler = m
	all := "ann@example.org"
	check(t, h.dir.SetDomain(t.Context(), "example.org", directory.DomainChange{CatchAll: &all}))
	deliver := func() {
		t.Helper()
		for _, err := range h.Deliver(t.Context(), Envelope{ID: "1"}, h.recipients(t, "robot@example.org"), h.message(t, "\r\n")) {
			check(t, err)
		}
	}
	deliver()
	if len(m.got) != 1 || h.Stats().Copies != 0 {
		t.Errorf("%q, %+v", m.got, h.Stats())
	}
	h.add(t, "robot", 0)
	deliver()
	if len(m.got) != 1 || h.Stats().Copies != 1 {
		t.Errorf("%q, %+v", m.got, h.Stats())
	}
}
