package server_test

import (
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
)

// TestAway: the setting, made by the administrator, answers a stranger at another server and a colleague here, each in their words; what
// the owner's side reads is what was set.
func TestAway(t *testing.T) {
	w := newTown(t)
	ann, dora := addBox(t, w.origin, "ann@good.example"), addBox(t, w.house, "dora@example.test")
	a := w.house.Store().Admin
	state, inside, outside, all, zone := "scheduled", "Ask Emil.", "I am away.", "all", "Europe/Berlin"
	now := w.house.Clock.Now()
	start, end := now.Add(-time.Hour), now.Add(time.Hour)
	got, err := a.SetAway(t.Context(), admin.AwayChange{Address: "dora@example.test", State: &state, Start: &start, End: &end, TimeZone: &zone, Text: &inside, OutsideText: &outside, Audience: &all})
	must(t, err)
	if !got.Active || got.State != "scheduled" || !got.End.Equal(end.Truncate(time.Second)) || got.TimeZone != zone || got.Text != inside || got.OutsideText != outside {
		t.Errorf("%+v", got)
	}
	if s := dora.s.Away(); !s.InForce(now) || s.InForce(end) || !dora.s.IsAway() {
		t.Errorf("%+v", s)
	}
	if got := from(t, w.house, originIP, "ann@good.example", "dora", signedLetter(t, w.house, "To: dora@example.test\r\n")); !strings.HasPrefix(got, "250 ") {
		t.Fatal(got)
	}
	answer := ann.wait(1)
	if returnPath(t, answer) != "" {
		t.Error("an answer from somebody")
	}
	contains(t, answer, "DKIM-Signature: ", "From: dora@example.test\r\n", "Auto-Submitted: auto-replied", "I am away.\r\n")
	w.house.AddAccount("carl")
	carl := watch(t, w.house, "carl")
	msg := "From: carl@example.test\r\nTo: dora@example.test\r\nSubject: lunch\r\n\r\nNow?\r\n"
	must(t, submitText(t, w.house, "carl@"+servertest.Domain, "dora@"+servertest.Domain, msg))
	if got := <-carl.told; got != "exists 1" {
		t.Errorf("told %q", got)
	}
	contains(t, bytesOf(t, w.house.IMAP("carl", nil), 1), "Subject: Auto: lunch", "\nAsk Emil.")
	if n := len(dora.texts()); n != 2 {
		t.Errorf("%d messages", n)
	}
	wrong := "nowhere"
	for _, c := range []admin.AwayChange{{State: &wrong}, {Audience: &wrong}, {TimeZone: &wrong}, {Text: new(string), OutsideText: new(string)}} {
		c.Address = "dora@example.test"
		if _, err := a.SetAway(t.Context(), c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := a.Away(t.Context(), "nobody@example.test"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	w.house.Check()
}

// TestAwayToKnownPeople: whom the owner has written to is answered, others aren't; filters know them too (RFC 6134).
func TestAwayToKnownPeople(t *testing.T) {
	out := &outside{make(chan string, 10)}
	m := newMarket(t, servertest.Options{Send: out.send}, "ann")
	known, text, state := "known", "I am away.", "on"
	_, err := m.Store().Admin.SetAway(t.Context(), admin.AwayChange{Address: "ann@" + servertest.Domain, State: &state, OutsideText: &text, Audience: &known})
	must(t, err)
	box := m.openBox("ann")
	must(t, box.PutScript(t.Context(), "main", `require ["extlists", "envelope", "imap4flags"]; if envelope :list "from" ":addrbook:default" { addflag "known"; }`))
	must(t, box.ActivateScript(t.Context(), "main"))
	m.brings(friendIP, "fred@friend.example", "ann", "From: fred@friend.example\r\nTo: ann@example.test\r\nSubject: one\r\n\r\nx\r\n")
	must(t, submitText(t, m.Server, "ann@"+servertest.Domain, "Fred@friend.example", "From: ann@example.test\r\nTo: Fred@friend.example\r\nSubject: hi\r\n\r\nx\r\n"))
	contains(t, <-out.got, "ann@example.test > Fred@friend.example: ", "Subject: hi\r\n") // and no answer before it
	m.learns("ann")
	m.brings(friendIP, "fred@friend.example", "ann", "From: fred@friend.example\r\nTo: ann@example.test\r\nSubject: two\r\n\r\nx\r\n")
	contains(t, <-out.got, " > fred@friend.example: ", "Subject: Auto: two\r\n", "I am away.\r\n")
	f, _ := box.FolderByRole(mailbox.Inbox)
	v, err := box.View(t.Context(), f.ID)
	must(t, err)
	if v.Len() != 2 || v.At(0).Keywords.Has("known") || !v.At(1).Keywords.Has("known") {
		t.Errorf("%d messages", v.Len())
	}
	m.Check()
}
