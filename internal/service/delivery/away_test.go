package delivery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve/rules"
)

// office is a house whose bob is away.
type office struct {
	*house
	t   *testing.T
	out *outbox
	n   int
}

func newOffice(t *testing.T, script string, change func(a *mailbox.Away, x *mailbox.AwayTexts)) *office {
	t.Helper()
	h, out, _ := withQueue(t)
	knows := func(_ context.Context, _ *mailbox.Session, address string) (bool, error) {
		return address == "friend@far.example", nil
	}
	h.filter = rules.New(rules.Options{Dir: h.dir, Store: h.store, Host: "mx.example.org", Now: h.now, Location: time.UTC, Knows: knows})
	if script != "" {
		h.script(t, "bob", script)
	}
	o := &office{house: h, t: t, out: out}
	o.set(func(a *mailbox.Away, x *mailbox.AwayTexts) {
		*a = mailbox.Away{State: mailbox.AwayOn, Audience: mailbox.AwayAll}
		*x = mailbox.AwayTexts{Inside: mailbox.AwayText{Plain: "for colleagues"}, Outside: mailbox.AwayText{Plain: "for others"}}
		if change != nil {
			change(a, x)
		}
	})
	return o
}

func (o *office) set(change func(a *mailbox.Away, x *mailbox.AwayTexts)) {
	o.t.Helper()
	s, err := o.store.Open(o.t.Context(), o.ids["bob"], ident.System())
	check(o.t, err)
	defer s.Close()
	check(o.t, s.UpdateAway(o.t.Context(), func(a *mailbox.Away, x *mailbox.AwayTexts) error { change(a, x); return nil }))
}

// pass has time pass.
func (o *office) pass(d time.Duration) { o.later.Add(int64(d)) }

// send has somebody write to bob, and returns the answers to it.
func (o *office) send(from string, more ...string) []string {
	o.t.Helper()
	return o.sendText(Envelope{From: from, Verdict: &Verdict{Sender: true}}, "bob@example.org",
		strings.Join(more, "")+"From: Some Body <"+from+">\r\nTo: bob@example.org\r\nSubject: hello\r\nMessage-ID: <1@far.example>\r\n\r\nhello\r\n")
}

func (o *office) sendText(e Envelope, to, text string) []string {
	o.t.Helper()
	o.n++
	e.ID = fmt.Sprint("q", o.n)
	before := len(o.out.texts)
	o.Deliver(o.t.Context(), e, o.find(o.t, Sender{From: e.From}, to), o.message(o.t, text))
	return o.out.texts[before:]
}

func (o *office) expect(what string, got []string, want ...string) {
	o.t.Helper()
	if len(got) != len(want) {
		o.t.Errorf("%s: %d answers, want %d: %q", what, len(got), len(want), got)
		return
	}
	for i := range got {
		if !strings.Contains(got[i], want[i]) {
			o.t.Errorf("%s: %q lacks %q", what, got[i], want[i])
		}
	}
}

// An answer says who it is from and that a machine wrote it, and goes to the reverse-path under the null path. RFC 3834 §3, §4.
func TestAwayAnswer(t *testing.T) {
	o := newOffice(t, "", func(_ *mailbox.Away, x *mailbox.AwayTexts) { x.Outside.HTML = "<p>for <b>others</b></p>" })
	check(t, o.dir.SetDisplayName(t.Context(), o.ids["bob"], "Bob Baker"))
	got := o.send("carol@far.example", "References: <0@far.example>\r\n")
	if len(got) != 1 {
		t.Fatalf("%d answers", len(got))
	}
	for _, want := range []string{
		"From: Bob Baker <bob@example.org>\r\n", "To: Some Body <carol@far.example>\r\n", "Subject: Auto: hello\r\n", "In-Reply-To: <1@far.example>\r\n",
		"References: <0@far.example> <1@far.example>\r\n", "Auto-Submitted: auto-replied", "multipart/alternative", "for others\r\n", "<p>for <b>others</b></p>\r\n",
	} {
		if !strings.Contains(got[0], want) {
			t.Errorf("%q is missing in\n%s", want, got[0])
		}
	}
	if e := o.out.got[0]; e.From != "" || len(e.Recipients) != 1 || e.Recipients[0].Address != "carol@far.example" {
		t.Errorf("%+v", e)
	}
	o.house.expect(t, "bob", "Return-Path: <carol@far.example>\r\nReferences: <0@far.example>\r\nFrom: Some Body <carol@far.example>\r\nTo: bob@example.org\r\nSubject: hello\r\nMessage-ID: <1@far.example>\r\n\r\nhello\r\n")
	o.set(func(_ *mailbox.Away, x *mailbox.AwayTexts) {
		x.Subject, x.Outside = "Ich bin im Büro nicht", mailbox.AwayText{HTML: "<p>only <b>HTML</b>"}
	})
	o.expect("HTML alone", o.send("dan@far.example"), "only HTML")
	o.expect("a subject", o.send("eve@far.example"), "Subject: Ich bin im =?utf-8?q?B=C3=BCro?= nicht\r\n")
}

// Colleagues hear other words; who else hears any is the owner's choice.
func TestAwayAudience(t *testing.T) {
	for _, c := range []struct {
		audience                  mailbox.AwayAudience
		stranger, friend, inHouse int
	}{{mailbox.AwayNobody, 0, 0, 1}, {mailbox.AwayKnown, 0, 1, 1}, {mailbox.AwayAll, 1, 1, 1}} {
		o := newOffice(t, "", func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Audience = c.audience })
		o.expect("a stranger", o.send("carol@far.example"), []string{"for others"}[:c.stranger]...)
		o.expect("a friend", o.send("friend@far.example"), []string{"for others"}[:c.friend]...)
		o.expect("a colleague", o.send("ann@example.org"), []string{"for colleagues"}[:c.inHouse]...)
		o.expect("nobody proves that it is a colleague", o.sendText(Envelope{From: "zoe@example.org", Verdict: &Verdict{}}, "bob@example.org", "From: zoe@example.org\r\nTo: bob@example.org\r\n\r\nx\r\n"))
	}
	o := newOffice(t, "", func(_ *mailbox.Away, x *mailbox.AwayTexts) { x.Inside = mailbox.AwayText{} })
	o.expect("nothing to say to a colleague", o.send("ann@example.org"))
	o.expect("but to others", o.send("carol@far.example"), "for others")
}

// Each sender is answered once in an absence, or again after some days; a new absence begins anew. RFC 3834 §2.
func TestAwayOnce(t *testing.T) {
	day := 24 * time.Hour
	o := newOffice(t, "", nil)
	o.expect("first", o.send("carol@far.example"), "for others")
	o.pass(60 * day)
	o.expect("weeks later", o.send("Carol@far.example"))
	o.expect("somebody else", o.send("dan@far.example"), "for others")
	o.set(func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Days = 7 })
	o.expect("still this absence", o.send("carol@far.example"))
	o.set(func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.State = mailbox.AwayOff })
	o.expect("back", o.send("eve@far.example"))
	o.set(func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.State = mailbox.AwayOn })
	o.expect("away again", o.send("carol@far.example"), "for others")
	o.pass(6 * day)
	o.expect("too soon", o.send("carol@far.example"))
	o.pass(2 * day)
	o.expect("after a week", o.send("carol@far.example"), "for others")
}

// Who is away from one time to another is so from the first second on, and no more in the last.
func TestAwaySchedule(t *testing.T) {
	var start, end time.Time
	o := newOffice(t, "", func(a *mailbox.Away, _ *mailbox.AwayTexts) {
		start = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		end = start.Add(48 * time.Hour)
		a.State, a.Start, a.End = mailbox.AwayScheduled, start, end
	})
	at := func(when time.Time) { o.pass(when.Sub(o.now())) }
	at(start.Add(-time.Second))
	o.expect("before", o.send("carol@far.example"))
	at(start)
	o.expect("begins", o.send("carol@far.example"), "for others")
	at(end.Add(-time.Second))
	o.expect("not over", o.send("dan@far.example"), "for others")
	at(end)
	o.expect("over", o.send("eve@far.example"))
	o.set(func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Start, a.End = end.Add(time.Hour), time.Time{} })
	at(end.Add(time.Hour))
	o.expect("the next one, without end", o.send("carol@far.example"), "for others")
}

// The messages that get no answer. RFC 3834 §2, RFC 5230 §4.5, §4.6.
func TestAwayIsSilent(t *testing.T) {
	o := newOffice(t, "", nil)
	check(t, o.dir.AddAlias(t.Context(), "robert@example.org", []string{"bob@example.org"}))
	_, err := o.dir.AddGroup(t.Context(), "team@example.org", "")
	check(t, err)
	check(t, o.dir.SetMembers(t.Context(), "team@example.org", []string{"bob@example.org", "ann@example.org"}))
	proved := &Verdict{Sender: true}
	for field, what := range map[string]string{
		"List-Id: <x.far.example>\r\n": "a list", "List-Unsubscribe: <mailto:x@far.example>\r\n": "a list that says how to leave", "Precedence: bulk\r\n": "bulk", "Precedence: list\r\n": "a list of old", "Precedence: junk\r\n": "junk of old",
		"Auto-Submitted: auto-replied\r\n": "an answer of a machine", "Auto-Submitted: auto-generated (x)\r\n": "a machine", "X-Auto-Response-Suppress: OOF\r\n": "who wants none", "X-Auto-Response-Suppress: DR, AutoReply\r\n": "who wants none",
	} {
		o.expect(what, o.send("carol@far.example", field))
	}
	for _, from := range []string{"", "MAILER-DAEMON@far.example", "owner-list@far.example", "list-request@far.example", "no-reply@far.example", "bob@example.org", "robert@example.org"} {
		o.expect("from <"+from+">", o.send(from))
	}
	text := func(to string) string {
		return "From: <carol@far.example>\r\nTo: " + to + "\r\nSubject: x\r\n\r\nx\r\n"
	}
	o.expect("junk", o.sendText(Envelope{From: "carol@far.example", Verdict: &Verdict{Sender: true, Junk: true}}, "bob@example.org", text("bob@example.org")))
	o.expect("nobody proves who it is", o.sendText(Envelope{From: "carol@far.example", Verdict: &Verdict{}}, "bob@example.org", text("bob@example.org")))
	o.expect("not written to bob", o.sendText(Envelope{From: "carol@far.example", Verdict: proved}, "bob@example.org", text("undisclosed:;")))
	o.expect("to a group", o.sendText(Envelope{From: "carol@far.example", Verdict: proved}, "team@example.org", text("team@example.org")))
	o.expect("who writes as bob", o.sendText(Envelope{From: "carol@far.example", Verdict: proved}, "bob@example.org", strings.Replace(text("bob@example.org"), "<carol@far.example>", "bob@example.org, carol@far.example", 1)))
	o.expect("to an alias", o.sendText(Envelope{From: "carol@far.example", Verdict: proved}, "robert@example.org", text("robert@example.org")), "From: robert@example.org\r\n")
	o.expect("no machine", o.send("dan@far.example", "Auto-Submitted: no\r\n"), "for others")
}

// A script's vacation says nothing while the setting is in force, and what a script throws away, refuses or takes for junk isn't answered.
func TestAwayBesideScripts(t *testing.T) {
	vacation := `require "vacation"; vacation :days 1 "by the script";`
	o := newOffice(t, vacation, nil)
	o.expect("one answer", o.send("carol@far.example"), "for others")
	o.expect("and no more", o.send("carol@far.example"))
	o.set(func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.State = mailbox.AwayOff })
	o.expect("the script's turn", o.send("carol@far.example"), "by the script")
	o.set(func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.State, a.Audience = mailbox.AwayOn, mailbox.AwayNobody })
	o.expect("not for strangers, whoever asks", o.send("eve@far.example"))
	for script, want := range map[string]int{
		`discard;`: 0, `require "reject"; reject "no";`: 0, `require "fileinto"; fileinto "Junk";`: 0, `require ["fileinto", "special-use"]; fileinto :specialuse "\\Junk" "x";`: 0,
		`require "fileinto"; fileinto "Archive";`: 1, `redirect "deputy@there.example";`: 2, `nonsense;`: 1,
	} {
		o := newOffice(t, script, nil)
		if got := o.send("carol@far.example"); len(got) != want {
			t.Errorf("%s: %d messages left", script, len(got))
		}
	}
}

// What can't be is refused, and nothing is changed then.
func TestAwayLimits(t *testing.T) {
	o := newOffice(t, "", nil)
	s, err := o.store.Open(t.Context(), o.ids["bob"], ident.System())
	check(t, err)
	defer s.Close()
	for _, c := range []struct {
		kind   fault.Kind
		change func(a *mailbox.Away, x *mailbox.AwayTexts)
	}{
		{fault.TooLarge, func(_ *mailbox.Away, x *mailbox.AwayTexts) {
			x.Inside.Plain = strings.Repeat("x", mailbox.MaxAwayText+1)
		}},
		{fault.TooLarge, func(_ *mailbox.Away, x *mailbox.AwayTexts) { x.Outside.HTML = strings.Repeat("x", 10<<20) }},
		{fault.TooLarge, func(_ *mailbox.Away, x *mailbox.AwayTexts) {
			x.Subject = strings.Repeat("x", mailbox.MaxAwaySubject+1)
		}},
		{fault.Invalid, func(_ *mailbox.Away, x *mailbox.AwayTexts) { x.Subject = "a\r\nBcc: x@y.example" }},
		{fault.Invalid, func(_ *mailbox.Away, x *mailbox.AwayTexts) { x.Inside.Plain = "\xff" }},
		{fault.Invalid, func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Days = mailbox.MaxAwayDays + 1 }},
		{fault.Invalid, func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Days = -1 }},
		{fault.Invalid, func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.State = 3 }},
		{fault.Invalid, func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Audience = 3 }},
		{fault.Invalid, func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.State = mailbox.AwayScheduled }},
		{fault.Invalid, func(a *mailbox.Away, _ *mailbox.AwayTexts) { a.Start = o.now(); a.End = o.now() }},
	} {
		before := s.Away()
		err := s.UpdateAway(t.Context(), func(a *mailbox.Away, x *mailbox.AwayTexts) error { c.change(a, x); return nil })
		fails(t, err, c.kind)
		if s.Away() != before {
			t.Error("it was changed")
		}
	}
	check(t, s.UpdateAway(t.Context(), func(a *mailbox.Away, x *mailbox.AwayTexts) error {
		a.Days, x.Inside.Plain, x.Subject = mailbox.MaxAwayDays, strings.Repeat("x", mailbox.MaxAwayText), strings.Repeat("x", mailbox.MaxAwaySubject)
		return nil
	}))
	other, err := o.store.Open(t.Context(), o.ids["bob"], ident.Identity{Account: o.ids["ann"]})
	check(t, err)
	defer other.Close()
	if _, x, err := other.AwayTexts(t.Context()); err != nil || !x.Inside.Empty() || other.IsAway() {
		t.Error("somebody else sees it")
	}
	fails(t, other.UpdateAway(t.Context(), func(*mailbox.Away, *mailbox.AwayTexts) error { return nil }), fault.Denied)
}
