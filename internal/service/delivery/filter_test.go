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
	"postroad/internal/service/forward"
	"postroad/internal/service/sieve"
	"postroad/internal/service/sieve/rules"
	"postroad/internal/service/transfer"
)

const fromCarol = "From: Carol <carol@far.example>\r\nTo: bob@example.org\r\nSubject: hello\r\nMessage-ID: <1@far.example>\r\n\r\nhello\r\n"

// withRules gives the house's people filters: rules on which they depend are compiled as in production.
func withRules(t *testing.T, script string) (*house, *outbox) {
	t.Helper()
	h, out, _ := withQueue(t)
	h.filter = rules.New(rules.Options{Dir: h.dir, Store: h.store, Host: "mx.example.org", Now: h.now, Location: time.UTC})
	h.script(t, "bob", script)
	return h, out
}

// script makes a script an account's active one.
func (h *house) script(t testing.TB, name, text string) {
	t.Helper()
	s, err := h.store.Open(t.Context(), h.ids[name], ident.System())
	check(t, err)
	defer s.Close()
	check(t, s.PutScript(t.Context(), "main", text))
	check(t, s.ActivateScript(t.Context(), "main"))
}

// shelf tells what is in an account's folders: "INBOX: a, b [\Seen]".
func (h *house) shelf(t *testing.T, name string) string {
	t.Helper()
	s, err := h.store.Open(t.Context(), h.ids[name], ident.System())
	check(t, err)
	defer s.Close()
	var out []string
	for _, f := range s.Folders() {
		v, err := s.View(t.Context(), f.ID)
		check(t, err)
		for _, row := range v.All(0, v.Len()) {
			what := f.Name
			if row.Flags&mailbox.Seen != 0 {
				what += " seen"
			}
			if names := row.Keywords.Names(); len(names) > 0 {
				what += fmt.Sprint(" ", names)
			}
			out = append(out, what)
		}
	}
	return strings.Join(out, ", ")
}

// RFC 5228 §4 and others: what a script decides is done.
func TestFilterActions(t *testing.T) {
	for _, c := range []struct{ script, shelf string }{
		{`keep;`, "INBOX"}, {``, "INBOX"}, {`discard;`, ""}, {`require "fileinto"; fileinto "Archive";`, "Archive"}, {`require "fileinto"; fileinto "inbox";`, "INBOX"},
		{`require ["fileinto", "copy"]; fileinto :copy "Archive";`, "INBOX, Archive"}, {`require ["fileinto", "mailbox"]; fileinto :create "A/B"; fileinto :create "inbox/C";`, "C, B"},
		{`require ["fileinto", "special-use"]; fileinto :specialuse "\\Trash" "None";`, "Trash"}, {`require ["fileinto", "mailboxid"]; fileinto :mailboxid "F1" "None";`, "INBOX"},
		{`require ["imap4flags"]; keep :flags ["\\Seen", "work"];`, "INBOX seen [work]"}, {`require ["mailbox", "fileinto"]; if mailboxexists ["INBOX", "Sent"] { fileinto "Sent"; }`, "Sent"},
		{`require "envelope"; if allof(envelope "from" "carol@far.example", envelope "to" "bob@example.org", address "from" "carol@far.example") { discard; }`, ""},
		{`require ["spamtest", "relational"]; if spamtest :value "ge" "1" { discard; }`, ""},
	} {
		h, out := withRules(t, c.script)
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true}}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if got := h.shelf(t, "bob"); got != c.shelf {
			t.Errorf("%s: %q, want %q", c.script, got, c.shelf)
		}
		if len(out.got) != 0 {
			t.Errorf("%s: mail left: %+v", c.script, out.got)
		}
	}
}

// A folder that is made gets the use that no other has: RFC 8579 §4.1. One whose use there is already isn't made.
func TestFilterMakesFolderOfAUse(t *testing.T) {
	h, _ := withRules(t, `require ["fileinto", "mailbox", "special-use"]; fileinto :create :specialuse "\\Archive" "Old/Mail";`)
	s, err := h.store.Open(t.Context(), h.ids["bob"], ident.System())
	check(t, err)
	defer s.Close()
	if f, ok := s.FolderByRole(mailbox.Archive); ok {
		check(t, s.DeleteFolder(t.Context(), f.ID))
	}
	for range 2 {
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if f, ok := s.FolderByRole(mailbox.Archive); !ok || f.Name != "Mail" {
			t.Errorf("%+v", f)
		}
	}
	if got := h.shelf(t, "bob"); got != "Mail, Mail" {
		t.Error(got)
	}
}

// A message that a script changes is stored as it was changed; the copies of others are as it came.
func TestFilterChangesMessage(t *testing.T) {
	h, _ := withRules(t, `require "editheader"; addheader "X-Mine" "yes"; deleteheader "message-id";`)
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org", "ann@example.org")...)
	h.expect(t, "bob", "X-Mine: yes\r\nReturn-Path: <carol@far.example>\r\n"+strings.Replace(fromCarol, "Message-ID: <1@far.example>\r\n", "", 1))
	h.expect(t, "ann", "Return-Path: <carol@far.example>\r\n"+fromCarol)
}

// Junk goes where junk goes, unless a script says where.
func TestFilterAndJunk(t *testing.T) {
	for script, want := range map[string]string{`keep;`: "Junk [$Junk]", `require "fileinto"; fileinto "Archive";`: "Archive", `require ["spamtest", "relational", "comparator-i;ascii-numeric"]; if spamtest :value "ge" :comparator "i;ascii-numeric" "8" { discard; }`: ""} {
		h, _ := withRules(t, script)
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Junk: true}}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if got := h.shelf(t, "bob"); got != want {
			t.Errorf("%s: %q", script, got)
		}
	}
}

// RFC 5228 §4.2: redirected mail goes on under a reverse-path of ours, marked against loops.
func TestFilterRedirects(t *testing.T) {
	h, out := withRules(t, `redirect "dora@there.example";`)
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true}}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	if got := h.shelf(t, "bob"); got != "" || len(out.got) != 1 {
		t.Fatalf("%q, %d left", got, len(out.got))
	}
	got := out.got[0]
	back, voice, err := h.paths.Back(got.From)
	if err != nil || back != "carol@far.example" || voice != forward.Told || got.Recipients[0].Address != "dora@there.example" {
		t.Errorf("%+v: %s %c %v", got, back, voice, err)
	}
	if want := "Delivered-To: bob@example.org\r\n" + fromCarol; out.texts[0] != want {
		t.Errorf("%q", out.texts[0])
	}
	h.deliver(t, Envelope{ID: "q2", From: "carol@far.example"}, out.texts[0], h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	if got := h.shelf(t, "bob"); len(out.got) != 1 || !strings.HasPrefix(got, "INBOX, INBOX") {
		t.Errorf("in a loop: %q, %d left", got, len(out.got))
	}
}

// A message goes on from a few addresses here and no more, so that people who redirect to several others each don't make thousands of it. What
// other servers have noted doesn't count. RFC 5228 §10.
func TestFilterRedirectsSeldom(t *testing.T) {
	for n, goes := range map[int]bool{0: true, maxRedirected - 1: true, maxRedirected: false, 10 * maxRedirected: false} {
		h, out := withRules(t, `redirect "dora@there.example";`)
		marks := "Delivered-To: x@there.example\r\nDelivered-To: odd\r\n"
		for i := range n {
			marks += fmt.Sprintf("Delivered-To: user%d@example.org\r\n", i)
		}
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, strings.Repeat("Delivered-To: x@there.example\r\n", 10)+marks+fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if goes {
			if got := h.shelf(t, "bob"); got != "" || len(out.got) != 1 {
				t.Errorf("%d: %q, %d left", n, got, len(out.got))
			}
			continue
		}
		if all := strings.Join(h.inbox(t, "bob"), ""); !strings.Contains(all, fromCarol) || !strings.Contains(all, "cannot redirect to dora@there.example") || len(out.got) != 0 {
			t.Errorf("%d: %q, %d left", n, all, len(out.got))
		}
	}
}

// Scripts and messages that are made to hurt: the message is kept, the owner told of a script that had to be ended, and the next one arrives.
func TestFilterBombs(t *testing.T) {
	far := strings.Repeat("a", 60_000)
	for what, c := range map[string]struct {
		script, head string
		told         bool
	}{
		"endless": {strings.Repeat(`if header :matches "subject" "*a*a*a*a*a*a*b" { discard; } `, 2000), "Subject: " + far + "\r\n", true},
		"regex":   {`require "regex"; if header :regex "subject" "(((a{1,9}){1,9}){1,9})(a|aa)*b" { discard; }`, "Subject: " + strings.Repeat(far, 10) + "\r\n", true},
		"header":  {`if header :contains ["subject", "x-a"] "nothing" { discard; }`, strings.Repeat("X-A: "+strings.Repeat("b", 60)+"\r\n", 40_000), false},
	} {
		h, out := withRules(t, "")
		h.script(t, "bob", c.script)
		hostile := c.head + fromCarol
		for i, msg := range []string{hostile, fromCarol} {
			h.deliver(t, Envelope{ID: fmt.Sprint("q", i), From: "carol@far.example"}, msg, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		}
		kept, told := 0, 0
		for _, text := range h.inbox(t, "bob") {
			switch {
			case strings.HasSuffix(text, hostile):
				kept += 10
			case strings.HasSuffix(text, fromCarol):
				kept++
			}
			if strings.Contains(text, "Subject: Your mail filter does not work as it should\r\n") {
				told++
			}
		}
		if kept != 11 || (told == 1) != c.told || len(out.got) != 0 {
			t.Errorf("%s: kept %d, told %d times", what, kept, told)
		}
	}
}

// What a script has changed goes on as it is then, without the mailbox's Return-Path.
func TestFilterRedirectsChanged(t *testing.T) {
	h, out := withRules(t, `require "editheader"; addheader "X-Mine" "yes"; redirect "dora@there.example";`)
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	if want := "Delivered-To: bob@example.org\r\nX-Mine: yes\r\n" + fromCarol; len(out.texts) != 1 || out.texts[0] != want {
		t.Errorf("%q", out.texts)
	}
}

// No script takes away the marks by which loops are known, nor makes up ones that hide them: with a script for each hop mail would go round for ever, and become more.
func TestFilterRedirectsKeepMarks(t *testing.T) {
	const marks = "Delivered-To: ann@example.org\r\nDelivered-To: eve@there.example\r\n"
	for _, script := range []string{
		`require "editheader"; deleteheader "Delivered-To"; redirect "dora@there.example";`, `require "editheader"; addheader "Delivered-To" "x@there.example"; redirect "dora@there.example";`,
		`require "enclose"; enclose "Look"; redirect "dora@there.example";`,
	} {
		h, out := withRules(t, script)
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, marks+fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if want := "Delivered-To: bob@example.org\r\n" + marks; len(out.texts) != 1 || !strings.HasPrefix(out.texts[0], want) || strings.Contains(out.texts[0], "x@there") {
			t.Errorf("%s: %q", script, out.texts)
		}
	}
}

// A redirection that can't be queued fails the delivery only if nothing is done yet: else that would be done again. The message is kept, and
// the owner told.
func TestFilterRedirectFails(t *testing.T) {
	for script, want := range map[string]struct {
		shelf string
		left  int
		fails bool
	}{
		`redirect "bad@there.example";`: {"", 0, true}, `redirect :copy "bad@there.example";`: {"INBOX, INBOX", 0, false}, `redirect "good@there.example"; redirect "bad@there.example";`: {"INBOX, INBOX", 1, false},
		`fileinto "Archive"; redirect "bad@there.example"; redirect "good@there.example";`: {"INBOX, Archive", 1, false},
		`redirect "bad@there.example"; redirect "good@there.example";`:                     {"", 0, true},
	} {
		h, out := withRules(t, `require ["copy", "fileinto"]; `+script)
		out.bad = "bad@there.example"
		errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true}}, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org"), h.message(t, fromCarol))
		if got := h.shelf(t, "bob"); got != want.shelf || len(out.got) != want.left || (errs[0] != nil) != want.fails {
			t.Errorf("%s: %q, %d left, %v", script, got, len(out.got), errs[0])
		}
		if want.fails {
			continue
		}
		if all := strings.Join(h.inbox(t, "bob"), ""); !strings.Contains(all, "cannot redirect to bad@there.example: the queue is full") {
			t.Errorf("%s: the owner isn't told: %q", script, all)
		}
	}
}

// decided is a Filter that knows what it wants.
type decided []sieve.Action

func (decided) Apply(*mailbox.Session) bool { return true }

func (d decided) Decide(context.Context, *mailbox.Session, *sieve.Environment, *mailbox.Content) (*sieve.Outcome, error) {
	return &sieve.Outcome{Actions: d}, nil
}

// unreadable is a changed message for which there is no room.
type unreadable struct{}

func (unreadable) Header() []byte { return []byte("X-Mine: yes\r\n\r\n") }

func (unreadable) Size() int64 { return 100 }

func (unreadable) ReadAt([]byte, int64) (int, error) {
	return 0, fault.New(fault.Unavailable, "the disk is full")
}

// A changed message that can't be stored or sent fails the delivery only if nothing is done yet: a copy that is there would come again each time.
func TestFilterChangedFails(t *testing.T) {
	keep, changed := sieve.Action{Op: sieve.Keep}, sieve.Action{Op: sieve.FileInto, Mailbox: "Archive", Message: unreadable{}}
	redirect := sieve.Action{Op: sieve.Redirect, Address: "dora@there.example"}
	changedOn := redirect
	changedOn.Message = unreadable{}
	for what, c := range map[string]struct {
		actions decided
		copies  int
		left    int
		fails   bool
	}{
		"filed":                  {decided{changed}, 0, 0, true},
		"kept, filed":            {decided{keep, changed}, 1, 0, false},
		"redirected":             {decided{changedOn}, 0, 0, true},
		"kept, redirected":       {decided{keep, changedOn}, 1, 0, false},
		"redirected, redirected": {decided{redirect, changedOn}, 1, 1, false},
		"the other way round":    {decided{changedOn, redirect}, 0, 0, true},
	} {
		h, out := withRules(t, `keep;`)
		h.filter = c.actions
		errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example"}, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org"), h.message(t, fromCarol))
		copies := 0
		for _, m := range h.inbox(t, "bob") {
			if strings.Contains(m, fromCarol) {
				copies++
			}
		}
		if copies != c.copies || len(out.got) != c.left || (errs[0] != nil) != c.fails {
			t.Errorf("%s: %d copies, %d left, %v", what, copies, len(out.got), errs[0])
		}
	}
}

// RFC 5429 §2.1: the client hears of it, in words that it can take.
func TestFilterRefuses(t *testing.T) {
	for script, text := range map[string]string{
		"require \"reject\"; reject text:\nNo,\nthanks\n.\n;": "No, thanks", `require "ereject"; ereject "Grüß Gott";`: "The recipient does not take this message", `require "ereject"; ereject "` + strings.Repeat("x", 3000) + `";`: strings.Repeat("x", 400),
	} {
		h, _ := withRules(t, script)
		errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example"}, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org"), h.message(t, fromCarol))
		fails(t, errs[0], fault.Denied)
		if p := ProblemOf(errs[0]); p == nil || p.Code != 550 || p.Status != "5.7.1" || p.Text != text {
			t.Errorf("%+v", p)
		}
		if got := h.shelf(t, "bob"); got != "" {
			t.Errorf("%q", got)
		}
	}
}

// RFC 5429 §2.2: reject keeps its exact words: what a reply can't tell is told by a message, to senders that are proved.
func TestFilterRejectsInItsWords(t *testing.T) {
	long := strings.Repeat("word ", 100)
	for script, want := range map[string]string{
		`require "reject"; reject "Grüß Gott";`: "Gr=C3=BC=C3=9F Gott", `require "reject"; reject "` + long + `";`: "word word", `require "reject"; reject "plain";`: "", `require "ereject"; ereject "Grüß Gott";`: "",
	} {
		for _, proved := range []bool{true, false} {
			h, out := withRules(t, script)
			errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: proved}}, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org"), h.message(t, fromCarol))
			if got := h.shelf(t, "bob"); got != "" {
				t.Errorf("%q", got)
			}
			if want == "" || !proved {
				fails(t, errs[0], fault.Denied)
				if len(out.got) != 0 {
					t.Errorf("%s: mail left", script)
				}
				continue
			}
			check(t, errs[0])
			if len(out.got) != 1 || out.got[0].From != "" || out.got[0].Recipients[0].Address != "carol@far.example" {
				t.Fatalf("%s: %+v", script, out.got)
			}
			for _, part := range []string{want, "report-type=disposition-notification", "automatic-action/MDN-sent-automatically; deleted", "Subject: hello", "In-Reply-To: <1@far.example>"} {
				if !strings.Contains(out.texts[0], part) {
					t.Errorf("%s: %q lacks %q", script, out.texts[0], part)
				}
			}
		}
	}
}

// broken is a Filter that breaks.
type broken struct{}

func (broken) Apply(*mailbox.Session) bool { return true }

func (broken) Decide(context.Context, *mailbox.Session, *sieve.Environment, *mailbox.Content) (*sieve.Outcome, error) {
	panic("secret")
}

// TestFilterBreaks: the message is kept, and the owner told, who hears nothing of how.
func TestFilterBreaks(t *testing.T) {
	h, _ := withRules(t, `keep;`)
	h.filter = broken{}
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	got := h.folder(t, "bob", "inbox")
	if len(got) != 2 || strings.Contains(got[0]+got[1], "secret") {
		t.Errorf("%q", got)
	}
}

// RFC 5230 §4.2: each sender gets an answer once in a while; strangers that nothing proves get none.
func TestFilterAnswers(t *testing.T) {
	h, out := withRules(t, `require "vacation"; vacation :days 2 "away";`)
	send := func(id string, v *Verdict) {
		t.Helper()
		h.deliver(t, Envelope{ID: id, From: "carol@far.example", Verdict: v}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	}
	send("q0", &Verdict{})
	send("q1", nil)
	if len(out.got) != 0 {
		t.Fatal("a stranger has an answer")
	}
	send("q2", &Verdict{Sender: true})
	send("q3", &Verdict{Sender: true})
	if len(out.got) != 1 {
		t.Fatalf("%d answers", len(out.got))
	}
	got := out.got[0]
	if got.From != "" || len(got.Recipients) != 1 || got.Recipients[0].Address != "carol@far.example" || !strings.Contains(out.texts[0], "To: Carol <carol@far.example>\r\n") || !strings.Contains(out.texts[0], "away\r\n") {
		t.Errorf("%+v\n%s", got, out.texts[0])
	}
	if got := h.shelf(t, "bob"); got != "INBOX, INBOX, INBOX, INBOX" {
		t.Errorf("%q", got)
	}
}

// RFC 5230 §4.5: mail to an alias is for its owner; RFC 8580: a copy of the answer is filed.
func TestFilterAnswersForAlias(t *testing.T) {
	h, out := withRules(t, `require ["vacation", "fcc"]; vacation :fcc "Sent" "away";`)
	check(t, h.dir.AddAlias(t.Context(), "robert@example.org", []string{"bob@example.org"}))
	text := strings.Replace(fromCarol, "bob@", "robert@", 1)
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true}}, text, h.find(t, Sender{From: "carol@far.example"}, "robert@example.org")...)
	if len(out.got) != 1 || !strings.Contains(out.texts[0], "From: robert@example.org\r\n") {
		t.Errorf("%q", out.texts)
	}
	if got := h.shelf(t, "bob"); got != "INBOX, Sent" {
		t.Errorf("%q", got)
	}
}

// RFC 5436.
func TestFilterNotifies(t *testing.T) {
	h, out := withRules(t, `require "enotify"; notify :message "mail!" "mailto:pager@there.example";`)
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	if len(out.got) != 1 || out.got[0].From != "bob@example.org" || out.got[0].Recipients[0].Address != "pager@there.example" || !strings.Contains(out.texts[0], "Subject: mail!\r\n") {
		t.Errorf("%+v %q", out.got, out.texts)
	}
}

// What leaves is signed by the domain of its author: no script makes anybody but its owner that (RFC 5230 §4.3, RFC 5436 §2.5).
func TestFiltersBorrowNoNames(t *testing.T) {
	text := strings.Replace(fromCarol, "To: bob@example.org", "To: bob@example.org, ann@example.org", 1)
	for script, want := range map[string]string{
		`require "vacation"; vacation :from "Ann <ann@example.org>" "x";`:                                            "From: bob@example.org\r\n",
		`require "vacation"; vacation :from "bob@example.org, ann@example.org" "x";`:                                 "From: bob@example.org\r\n",
		`require "vacation"; vacation :from "Rob <robert@example.org>" "x";`:                                         "From: Rob <robert@example.org>\r\n",
		`require "enotify"; notify :from "Ann <ann@example.org>" "mailto:x@there.example";`:                          "From: bob@example.org\r\n",
		`require "enotify"; notify :from "Rob <robert@example.org>" "mailto:x@there.example";`:                       "From: Rob <robert@example.org>\r\n",
		`require ["vacation"]; vacation :addresses ["ann@example.org"] "x"; #`:                                       "From: bob@example.org\r\n",
		`require ["enotify", "variables"]; set "a" "ann@example.org"; notify :from "${a}" "mailto:x@there.example";`: "From: bob@example.org\r\n",
	} {
		h, out := withRules(t, script)
		check(t, h.dir.AddAlias(t.Context(), "robert@example.org", []string{"bob@example.org"}))
		text := text
		if strings.HasSuffix(script, "#") { // the message is to the other address alone
			text = strings.Replace(fromCarol, "To: bob@", "To: ann@", 1)
		}
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true}}, text, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if len(out.texts) != 1 || !strings.Contains(out.texts[0], want) {
			t.Errorf("%s: %q", script, out.texts)
		}
	}
}

// leavings is a Sealer that remembers for whom it would sign.
type leavings []Leaving

func (l *leavings) Seal(_ context.Context, of Leaving, _ transfer.Content) ([]byte, error) {
	*l = append(*l, of)
	return nil, nil
}

// Notices of ours are signed for any author here: not those that a script has changed before it sends them on.
func TestChangedMailIsNotOurs(t *testing.T) {
	system := ident.System()
	for script, own := range map[string]bool{
		`redirect "x@there.example";`: true,
		`require "editheader"; deleteheader "From"; addheader "From" "ann@example.org"; redirect "x@there.example";`: false,
	} {
		h, out := withRules(t, script)
		seen := &leavings{}
		h.sealer = seen
		h.deliver(t, Envelope{ID: "q1", Who: &system}, fromCarol, h.find(t, Sender{Who: &system}, "bob@example.org")...)
		if len(out.got) != 1 || len(*seen) != 1 {
			t.Fatalf("%d left, %v", len(out.got), *seen)
		}
		if who := (*seen)[0].Who; who == nil || who.System != own || !own && who.Account != h.ids["bob"] {
			t.Errorf("%s: signed for %+v", script, who)
		}
	}
}

// counted is a Counter that lets some recipients pass.
type counted struct {
	left int
	who  []ident.AccountID
}

func (c *counted) Count(_ context.Context, who ident.Identity, to []string) error {
	c.who = append(c.who, who.Account)
	if c.left -= len(to); c.left < 0 {
		return fault.New(fault.RateLimited, "too many")
	}
	return nil
}

// A script that turns each message into many isn't a way around the limits of what an account may send.
func TestNotificationsCount(t *testing.T) {
	h, out := withRules(t, `require "enotify"; notify "mailto:a@there.example,b@there.example"; notify "mailto:c@there.example";`)
	c := &counted{left: 5}
	h.counter = c
	for i := range 3 {
		h.deliver(t, Envelope{ID: fmt.Sprint("q", i), From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	}
	if len(out.got) != 3 || len(c.who) != 6 || c.who[0] != h.ids["bob"] {
		t.Errorf("%d notifications left, %v were counted", len(out.got), c.who)
	}
	if got := h.shelf(t, "bob"); got != "INBOX, INBOX, INBOX, INBOX" { // the three, and word of the trouble
		t.Errorf("%q", got)
	}
}

// RFC 7352.
func TestFilterKnowsDuplicates(t *testing.T) {
	h, _ := withRules(t, `require "duplicate"; if duplicate { discard; }`)
	for range 3 {
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	}
	if got := h.shelf(t, "bob"); got != "INBOX" {
		t.Errorf("%q", got)
	}
}

// A script that fails loses nothing: the message is in the INBOX, and the owner is told once a day.
func TestFailingFilter(t *testing.T) {
	for what, script := range map[string]string{
		"can't be compiled": `nonsense;`, "fails": `require ["ihave"]; discard; error "oops";`, "a folder isn't there": `require "fileinto"; fileinto "None";`, "a folder can't be": `require ["fileinto", "mailbox"]; fileinto :create "a//b";`,
	} {
		h, _ := withRules(t, script)
		for i := range 3 {
			h.deliver(t, Envelope{ID: fmt.Sprint("q", i), From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		}
		if got := h.shelf(t, "bob"); got != "INBOX, INBOX, INBOX, INBOX" {
			t.Errorf("%s: %q", what, got)
		}
		told := 0
		for _, text := range h.inbox(t, "bob") {
			if strings.Contains(text, "Subject: Your mail filter does not work as it should\r\n") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("%s: told %d times", what, told)
		}
		h.later.Add(int64(25 * time.Hour))
		h.deliver(t, Envelope{ID: "next day", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if got := h.inbox(t, "bob"); len(got) != 6 || !strings.Contains(got[5]+got[4], "Your mail filter does not work") {
			t.Errorf("%s: not told again on the next day: %d messages", what, len(got))
		}
	}
}

// BenchmarkFilter is a delivery to one account, without rules, with twenty that don't match, and with an answer that was given already.
func BenchmarkFilter(b *testing.B) {
	rule := `if anyof(header :contains ["subject", "x-list"] "nothing", address :domain "from" "no.example") { fileinto "Archive"; stop; } `
	for name, script := range map[string]string{"none": "", "rules": `require "fileinto"; ` + strings.Repeat(rule, 20), "vacation": `require "vacation"; vacation "away";`} {
		b.Run(name, func(b *testing.B) {
			h, _, _ := withQueue(b)
			if script != "" {
				h.filter = rules.New(rules.Options{Dir: h.dir, Store: h.store, Now: h.now, Location: time.UTC})
				h.script(b, "bob", script)
			}
			to := h.find(b, Sender{From: "carol@far.example"}, "bob@example.org")
			c := h.message(b, fromCarol)
			b.ReportAllocs()
			for b.Loop() {
				h.Deliver(b.Context(), Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true}}, to, c)
			}
		})
	}
}

// What a script wants stored twice, and there is room for once, is stored once, and the owner is told: if it were refused, the
// sender would send it again, and a copy more would come each time.
func TestFilterWithRoomForOneCopy(t *testing.T) {
	h, _ := withRules(t, `require ["fileinto", "copy"]; fileinto :copy "Archive"; keep;`)
	check(t, h.store.SetLimit(t.Context(), h.ids["bob"], mailbox.Usage{Items: 2}))
	to := h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")
	send := func(id string) error {
		return h.Deliver(t.Context(), Envelope{ID: id, From: "carol@far.example"}, to, h.message(t, fromCarol))[0]
	}
	check(t, send("q1")) // both
	check(t, h.store.SetLimit(t.Context(), h.ids["bob"], mailbox.Usage{Items: 3}))
	check(t, send("q2"))
	if got := h.shelf(t, "bob"); got != "INBOX, Archive, Archive" {
		t.Errorf("%q", got)
	}
	fails(t, send("q3"), fault.OverQuota)
	if got := h.shelf(t, "bob"); got != "INBOX, Archive, Archive" {
		t.Errorf("when it is full: %q", got)
	}
}

// A folder that can't have messages is as one that isn't there: the message is in the INBOX.
func TestFilterIntoFolderForOtherThings(t *testing.T) {
	h, _ := withRules(t, `require "fileinto"; fileinto "People";`)
	s, err := h.store.Open(t.Context(), h.ids["bob"], ident.System())
	check(t, err)
	defer s.Close()
	_, err = s.CreateFolder(t.Context(), mailbox.NewFolder{Name: "People", Kind: mailbox.Contacts})
	check(t, err)
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	if got := h.shelf(t, "bob"); got != "INBOX, INBOX" { // and what tells of it
		t.Errorf("%q", got)
	}
}

// What is fetched comes again if we die before that is noted: rules send it on once.
func TestFetchedAgainIsRedirectedOnce(t *testing.T) {
	for _, script := range []string{`redirect "dora@there.example";`, `redirect :copy "dora@there.example";`} {
		h, out := withRules(t, `require "copy"; `+script)
		out.once = true
		c := h.message(t, fromCarol)
		defer c.Close()
		for range 2 {
			got := h.Collect(t.Context(), []Collected{{ID: "fetch1-1", Account: h.ids["bob"], Address: "bob@example.org", From: "carol@far.example",
				Item: mailbox.Append{Content: c}, Judge: true, Fresh: true}})
			if got[0].Err != nil {
				t.Errorf("%s: %v", script, got[0].Err)
			}
		}
		if shelf := h.shelf(t, "bob"); len(out.got) != 1 || strings.Contains(strings.Join(h.inbox(t, "bob"), ""), "cannot redirect") {
			t.Errorf("%s: %d left, %s", script, len(out.got), shelf)
		}
	}
}
