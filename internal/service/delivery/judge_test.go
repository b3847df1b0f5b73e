package delivery

import (
	"context"
	"strings"
	"testing"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// jury has an opinion for each account.
type jury struct {
	opinions map[ident.AccountID]Opinion
	letters  int
	wrote    map[ident.AccountID][]string
}

func (j *jury) Letter(e *Envelope, _ *mailbox.Content) Letter {
	j.letters++
	if e.Who != nil {
		return nil
	}
	return j
}

func (j *jury) For(_ context.Context, s *mailbox.Session) Opinion { return j.opinions[s.Account()] }

func (j *jury) Wrote(who ident.AccountID, to []string) { j.wrote[who] = append(j.wrote[who], to...) }

func withJury(t *testing.T, names ...string) (*house, *jury) {
	h := newHouse(t, names...)
	j := &jury{map[ident.AccountID]Opinion{}, 0, map[ident.AccountID][]string{}}
	h.judge = j
	return h, j
}

// TestOpinions: each account's copy goes where the account thinks, and says so to nobody else.
func TestOpinions(t *testing.T) {
	h, j := withJury(t, "ann", "bob", "carol", "dora")
	j.opinions[h.ids["ann"]] = Opinion{Judged: true, Junk: true, Score: 99, Field: JunkField + ": yes\r\n"}
	j.opinions[h.ids["bob"]] = Opinion{Judged: true, Score: 3, Field: JunkField + ": no\r\n"}
	j.opinions[h.ids["dora"]] = Opinion{Judged: true, Score: 3}
	e := Envelope{ID: "q1", From: "x@y.example", Verdict: &Verdict{Junk: true, Field: "Authentication-Results: x\r\n"}}
	h.deliver(t, e, hello, h.recipients(t, "ann@example.org", "bob@example.org", "carol@example.org", "dora@example.org")...)
	const path, found = "Return-Path: <x@y.example>\r\n", "Authentication-Results: x\r\n"
	for name, want := range map[string][2]string{
		"ann": {"Junk [$Junk]", path + JunkField + ": yes\r\n" + found + hello}, "bob": {"INBOX", path + JunkField + ": no\r\n" + found + hello},
		"carol": {"Junk [$Junk]", path + found + hello}, "dora": {"INBOX", path + found + hello},
	} {
		if got := h.shelf(t, name); got != want[0] {
			t.Errorf("%s: %s, want %s", name, got, want[0])
		}
		if got := strings.Join(append(h.folder(t, name, "inbox"), h.folder(t, name, "junk")...), "|"); got != want[1] {
			t.Errorf("%s: %q, want %q", name, got, want[1])
		}
	}
	if j.letters != 1 {
		t.Errorf("the message was looked at %d times", j.letters)
	}
}

// TestOpinionOfListMember: the copies of a list's members have its reverse-path and fields.
func TestOpinionOfListMember(t *testing.T) {
	h, j := withJury(t, "ann")
	_, err := h.dir.NewGroup(t.Context(), directory.NewGroup{Address: "all@example.org", Members: []string{"ann@example.org"}, List: true})
	check(t, err)
	j.opinions[h.ids["ann"]] = Opinion{Judged: true, Junk: true, Score: 99, Field: JunkField + ": yes\r\n"}
	h.deliver(t, Envelope{ID: "q1", From: "x@y.example"}, hello, h.recipients(t, "all@example.org")...)
	got := h.folder(t, "ann", "junk")
	if want := "Return-Path: <all+bounces@example.org>\r\n" + JunkField + ": yes\r\nList-Id: "; len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("%q", got)
	}
}

// TestOpinionAndRules: rules hear of the score and come first; what goes on doesn't tell what its recipient thinks.
func TestOpinionAndRules(t *testing.T) {
	for script, want := range map[string]string{
		`keep;`:                                 "Junk [$Junk]",
		`require "fileinto"; fileinto "INBOX";`: "INBOX",
		`require "fileinto"; fileinto "Junk";`:  "Junk [$Junk]",
		`require ["spamtest", "relational", "comparator-i;ascii-numeric"]; if spamtest :value "eq" :comparator "i;ascii-numeric" "7" { discard; }`: "",
	} {
		h, _ := withRules(t, script)
		h.judge = &jury{opinions: map[ident.AccountID]Opinion{h.ids["bob"]: {Judged: true, Junk: true, Score: 70, Field: JunkField + ": yes\r\n"}}}
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if got := h.shelf(t, "bob"); got != want {
			t.Errorf("%s: %q", script, got)
		}
	}
	for script, want := range map[string]string{
		`redirect "dora@there.example";`: "Delivered-To: bob@example.org\r\n" + fromCarol,
		`require "editheader"; addheader "X-Mine" "yes"; redirect "dora@there.example";`: "Delivered-To: bob@example.org\r\nX-Mine: yes\r\n" + fromCarol,
	} {
		h, out := withRules(t, script)
		h.judge = &jury{opinions: map[ident.AccountID]Opinion{h.ids["bob"]: {Judged: true, Score: 7, Field: JunkField + ": no\r\n\tbecause\r\n"}}}
		h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
		if len(out.texts) != 1 || out.texts[0] != want {
			t.Errorf("%q", out.texts)
		}
	}
}

// TestRefusalTellsNoOpinion: who is refused by a message gets the header back, without what the recipient's side thinks of it.
func TestRefusalTellsNoOpinion(t *testing.T) {
	h, out := withRules(t, `require "reject"; reject "Grüß Gott";`)
	h.judge = &jury{opinions: map[ident.AccountID]Opinion{h.ids["bob"]: {Judged: true, Junk: true, Score: 99, Field: JunkField + ": yes; why=\"secret\"\r\n"}}}
	e := Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Sender: true, Field: "Authentication-Results: x\r\n"}}
	h.deliver(t, e, fromCarol, h.find(t, Sender{From: "carol@far.example"}, "bob@example.org")...)
	if len(out.texts) != 1 || !strings.Contains(out.texts[0], "Subject: hello") {
		t.Fatalf("%q", out.texts)
	}
	for _, private := range []string{JunkField, "secret", "Return-Path", "Authentication-Results"} {
		if strings.Contains(out.texts[0], private) {
			t.Errorf("the sender hears of %s:\n%s", private, out.texts[0])
		}
	}
}

// panicky is a judge that breaks at a message.
type panicky struct{ at string }

func (p panicky) Letter(*Envelope, *mailbox.Content) Letter {
	if p.at == "letter" {
		panic("a letter")
	}
	return p
}

func (p panicky) For(context.Context, *mailbox.Session) Opinion { panic("an opinion") }

func (p panicky) Wrote(ident.AccountID, []string) {}

// TestJudgeBreaks: the mail arrives, and where the verdict says.
func TestJudgeBreaks(t *testing.T) {
	for _, at := range []string{"letter", "opinion"} {
		h := newHouse(t, "ann", "bob")
		h.judge = panicky{at}
		h.deliver(t, Envelope{ID: "q1", From: "x@y.example"}, hello, h.recipients(t, "ann@example.org", "bob@example.org")...)
		h.deliver(t, Envelope{ID: "q2", From: "x@y.example", Verdict: &Verdict{Junk: true}}, hello, h.recipients(t, "ann@example.org")...)
		if ann, bob := h.shelf(t, "ann"), h.shelf(t, "bob"); ann != "INBOX, Junk [$Junk]" || bob != "INBOX" {
			t.Errorf("%s: %q, %q", at, ann, bob)
		}
	}
}

// TestJudgeHearsWhomPeopleWriteTo, but isn't asked about their mail.
func TestJudgeHearsWhomPeopleWriteTo(t *testing.T) {
	h, j := withJury(t, "ann", "bob")
	who, err := h.dir.Identity(t.Context(), h.ids["ann"])
	check(t, err)
	h.deliver(t, Envelope{ID: "q1", From: "ann@example.org", Who: &who}, hello, h.find(t, Sender{Who: &who, From: "ann@example.org"}, "bob@example.org")...)
	// Receipts, and what a program answers by itself, say nothing.
	h.deliver(t, Envelope{ID: "q3", Who: &who}, hello, h.find(t, Sender{Who: &who}, "bob@example.org")...)
	h.deliver(t, Envelope{ID: "q4", From: "ann@example.org", Who: &who}, "Auto-Submitted: auto-replied\r\n"+hello, h.find(t, Sender{Who: &who, From: "ann@example.org"}, "bob@example.org")...)
	system := ident.System()
	h.deliver(t, Envelope{ID: "q2", Who: &system}, hello, h.find(t, Sender{Who: &system}, "bob@example.org")...)
	if got := j.wrote[h.ids["ann"]]; len(j.wrote) != 1 || len(got) != 1 || got[0] != "bob@example.org" {
		t.Errorf("%v", j.wrote)
	}
}
