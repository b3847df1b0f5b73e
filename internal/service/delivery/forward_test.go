package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/forward"
	"postroad/internal/service/policy"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv/pebble"
)

// seal is a Sealer that says for whom it signed.
type seal struct {
	asked []Leaving
	err   error
}

func (s *seal) Seal(_ context.Context, l Leaving, _ transfer.Content) ([]byte, error) {
	s.asked = append(s.asked, l)
	if s.err != nil {
		return nil, s.err
	}
	return []byte("Seal: " + l.Via + "\r\n"), nil
}

const letter = "Subject: hello\r\n\r\nhello\r\n"

// TestForwarding: a stranger's mail goes on under a reverse-path that leads back to them if they are who they say they are,
// and nowhere else.
func TestForwarding(t *testing.T) {
	for _, c := range []struct {
		what    string
		e       Envelope
		voice   forward.Voice
		notify  transfer.Notify
		forward bool
	}{
		{"a sender that is proved", Envelope{Verdict: &Verdict{Sender: true}}, forward.Told, transfer.NotifyFailure, true},
		{"one that isn't", Envelope{Verdict: &Verdict{}}, forward.Mute, transfer.NotifyNever, true},
		{"nothing was checked", Envelope{}, forward.Mute, transfer.NotifyNever, true},
		{"a relay of ours", Envelope{Trusted: true}, forward.Told, transfer.NotifyFailure, true},
	} {
		h, out, _ := withQueue(t)
		s := &seal{}
		h.sealer = s
		to := h.find(t, Sender{From: "carol@far.example"}, "Both@example.org")
		to[0].Notify = transfer.NotifyFailure
		c.e.ID, c.e.From, c.e.EnvelopeID = "q1", "carol@far.example", "e7"
		h.deliver(t, c.e, letter, to...)
		h.expect(t, "bob", "Return-Path: <carol@far.example>\r\n"+letter)
		if len(out.got) != 1 {
			t.Fatalf("%s: %d submissions", c.what, len(out.got))
		}
		got := out.got[0]
		back, voice, err := h.paths.Back(got.From)
		if err != nil || back != "carol@far.example" || voice != c.voice || !strings.HasSuffix(got.From, "@example.org") {
			t.Errorf("%s: goes on from %s, which leads to %s (%c), %v", c.what, got.From, back, voice, err)
		}
		if len(got.Recipients) != 1 || got.Recipients[0].Address != "ann@elsewhere.example" || got.Recipients[0].Notify != c.notify || got.EnvelopeID != "e7" || got.ID == "q1" {
			t.Errorf("%s: %+v", c.what, got)
		}
		if want := "Seal: example.org\r\nDelivered-To: both@example.org\r\n" + letter; out.texts[0] != want {
			t.Errorf("%s: %q", c.what, out.texts[0])
		}
		if len(s.asked) != 1 || s.asked[0].Via != "example.org" || s.asked[0].From != "carol@far.example" || s.asked[0].Verdict != c.e.Verdict || s.asked[0].List {
			t.Errorf("%s: sealed for %+v", c.what, s.asked)
		}
	}
}

// TestForwardedNotificationsStayFromNobody: RFC 5321 §4.5.5.
func TestForwardedNotificationsStayFromNobody(t *testing.T) {
	h, out, _ := withQueue(t)
	h.deliver(t, Envelope{ID: "q1"}, letter, h.find(t, Sender{}, "both@example.org")...)
	if len(out.got) != 1 || out.got[0].From != "" {
		t.Errorf("%+v", out.got)
	}
}

// TestForwardingLoop: what comes back to an address that it went on from is in a loop.
func TestForwardingLoop(t *testing.T) {
	h, out, _ := withQueue(t)
	check(t, h.dir.AddAlias(t.Context(), "away@example.org", []string{"x@far.example"}))
	to := h.find(t, Sender{From: "carol@far.example"}, "away@example.org", "both@example.org")
	errs := h.Deliver(t.Context(), Envelope{ID: "q1", From: "carol@far.example"}, to, h.message(t, "Received: x\r\nDelivered-To: AWAY@example.org \r\n"+letter))
	if p := ProblemOf(errs[0]); p == nil || p.Status != "5.4.6" || !fault.Is(errs[0], fault.Denied) {
		t.Errorf("%v", errs[0])
	}
	check(t, errs[1])
	if !strings.Contains(h.log.String(), "level=INFO msg=message") {
		t.Errorf("nothing of ours is wrong: %s", h.log.String())
	}
	if len(out.got) != 1 || !strings.HasPrefix(out.texts[0], "Delivered-To: both@example.org\r\n") {
		t.Errorf("%q", out.texts)
	}
}

// TestTheWayBack: only notifications, only to paths of ours, only if the sender was proved.
func TestTheWayBack(t *testing.T) {
	h, out, who := withQueue(t)
	told, err := h.paths.Path("carol@far.example", "example.org", forward.Told)
	check(t, err)
	mute, err := h.paths.Path("carol@far.example", "example.org", forward.Mute)
	check(t, err)
	forged := strings.Replace(told, "carol", "dave", 1)
	for _, c := range []struct {
		s  Sender
		at string
	}{
		{Sender{From: "x@y.example"}, told}, {Sender{Who: who, From: "ann@example.org"}, told}, {Sender{}, forged}, {Sender{}, "SRS0=@example.org"},
	} {
		_, err := h.Recipient(t.Context(), c.s, c.at)
		fails(t, err, fault.NotFound)
	}
	to := h.find(t, Sender{}, told, strings.ToLower(mute))
	to[0].Notify = transfer.NotifyFailure
	h.deliver(t, Envelope{ID: "q1"}, letter, to...)
	if len(out.got) != 1 || out.got[0].From != "" || len(out.got[0].Recipients) != 1 || out.got[0].Recipients[0].Address != "carol@far.example" ||
		out.got[0].Recipients[0].Notify != transfer.NotifyNever || out.texts[0] != letter {
		t.Errorf("%+v %q", out.got, out.texts)
	}
	h.expect(t, "ann")
	h.queue = nil
	_, err = h.Recipient(t.Context(), Sender{}, told)
	fails(t, err, fault.Unsupported)
}

// TestCatchAllThatLeadsElsewhere: it is an address like any other for loops and reverse-paths.
func TestCatchAllThatLeadsElsewhere(t *testing.T) {
	h, out, _ := withQueue(t)
	all := "all@far.example"
	check(t, h.dir.SetDomain(t.Context(), "example.org", directory.DomainChange{CatchAll: &all}))
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, letter, h.find(t, Sender{From: "carol@far.example"}, "made.up@example.org")...)
	if len(out.got) != 1 || out.got[0].Recipients[0].Address != all || out.texts[0] != "Delivered-To: made.up@example.org\r\n"+letter {
		t.Errorf("%+v %q", out.got, out.texts)
	}
}

// TestUnsealedIsBetterThanLost: a message that can't be signed leaves as it is.
func TestUnsealedIsBetterThanLost(t *testing.T) {
	h, out, who := withQueue(t)
	h.sealer = &seal{err: fault.New(fault.Internal, "no key")}
	h.deliver(t, Envelope{ID: "q1", From: "ann@example.org", Who: who}, letter, h.find(t, Sender{Who: who}, "x@far.example")...)
	if out.texts[0] != letter || !strings.Contains(h.log.String(), "unsigned") {
		t.Errorf("%q, log %s", out.texts, h.log.String())
	}
}

// TestParametersGoAlong: what MAIL said of urgency and safety, and what the header says of TLS.
func TestParametersGoAlong(t *testing.T) {
	h, out, who := withQueue(t)
	at := h.now().Add(time.Hour)
	e := Envelope{ID: "q1", From: "ann@example.org", Who: who, Deadline: at, NotifyLate: true, ByTrace: true, Priority: 3, RequireTLS: true, Return: transfer.ReturnFull}
	to := h.find(t, Sender{Who: who}, "x@far.example")
	h.deliver(t, e, "TLS-Required: No\r\n"+letter, to...)
	got := out.got[0]
	// RFC 8689 §5: no more than the header is given back
	if !got.Deadline.Equal(at) || !got.NotifyLate || !got.ByTrace || got.Priority != 3 || !got.RequireTLS || got.Return != transfer.ReturnHeaders || !got.TLSOptional || got.Account != who.Account {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]bool{"tls-required:\r\n no\r\n": true, "TLS-Required: Yes\r\n": false, "": false, "TLS-Required: No\r\nTLS-Required: No\r\n": false} {
		h.deliver(t, Envelope{ID: "q2", From: "ann@example.org", Who: who}, text+letter, to...)
		if got := out.got[len(out.got)-1].TLSOptional; got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestHeldMail: all of it lies in the queue, for people here too, until the time has come.
func TestHeldMail(t *testing.T) {
	h, out, who := withQueue(t)
	until := h.now().Add(time.Hour)
	to := h.find(t, Sender{Who: who, From: "ann@example.org"}, "bob@example.org", "both@example.org", "x@far.example")
	to[0].Notify = transfer.NotifySuccess
	e := Envelope{ID: "q1", From: "ann@example.org", Who: who, HoldUntil: until}
	h.deliver(t, e, letter, to...)
	h.expect(t, "bob")
	if len(out.got) != 1 || !out.got[0].HoldUntil.Equal(until) || len(out.got[0].Recipients) != 3 || out.got[0].Recipients[1].Address != "both@example.org" || len(out.delivered) > 0 {
		t.Fatalf("%+v", out.got)
	}
	e.HoldUntil = h.now()
	h.deliver(t, e, letter, to[:1]...)
	h.expect(t, "bob", "Return-Path: <ann@example.org>\r\n"+letter)
	out.late = fault.New(fault.Unavailable, "no room")
	e.HoldUntil = until
	for _, err := range h.Deliver(t.Context(), e, to, h.message(t, letter)) {
		fails(t, err, fault.Unavailable)
	}
	// A stranger can't have it held.
	e.Who, out.late = nil, nil
	h.deliver(t, e, letter, to[:1]...)
	h.expect(t, "bob", "Return-Path: <ann@example.org>\r\n"+letter, "Return-Path: <ann@example.org>\r\n"+letter)
}

// TestFieldsOfScannersLeave: what people here send has them wherever it goes, held or not, with a disclaimer or without.
func TestFieldsOfScannersLeave(t *testing.T) {
	const field = "X-Scanned: yes\r\n"
	h, out, who := withQueue(t)
	to := h.find(t, Sender{Who: who, From: "ann@example.org"}, "bob@example.org", "x@far.example")
	for _, hold := range []time.Time{{}, h.now().Add(time.Hour)} {
		h.deliver(t, Envelope{ID: "q1", From: "ann@example.org", Who: who, HoldUntil: hold, Verdict: &Verdict{Field: field}}, letter, to...)
	}
	for i, text := range out.texts {
		if text != field+letter {
			t.Errorf("what left %d: %q", i, text)
		}
	}
	if len(out.texts) != 2 {
		t.Errorf("%d left", len(out.texts))
	}
	h.expect(t, "bob", "Return-Path: <ann@example.org>\r\n"+field+letter)
}

// TestHeldMailWithDisclaimer: what leaves has it, and what stays here doesn't.
func TestHeldMailWithDisclaimer(t *testing.T) {
	const text = letter + "A line.\r\n"
	h, out, who := withQueue(t)
	db, err := pebble.Open("policies", pebble.Options{FS: vfs.NewMem()})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	h.policies, err = policy.Open(t.Context(), db, policy.Options{})
	check(t, err)
	_, err = h.policies.Add(t.Context(), policy.Policy{Kind: policy.Disclaimer, Domain: "example.org", Text: "Keep this secret."})
	check(t, err)
	e := Envelope{ID: "q1", From: "ann@example.org", Who: who, HoldUntil: h.now().Add(time.Hour)}
	h.deliver(t, e, text, h.find(t, Sender{Who: who, From: "ann@example.org"}, "x@far.example", "bob@example.org", "both@example.org")...)
	if len(out.got) != 2 || out.got[0].ID != "q1" || out.got[1].ID == "q1" {
		t.Fatalf("%+v", out.got)
	}
	for i, want := range []struct{ text, to string }{{text, "bob@example.org"}, {text + "\r\nKeep this secret.\r\n", "x@far.example both@example.org"}} {
		if got := strings.Join(addresses(out.got[i].Recipients), " "); got != want.to || out.texts[i] != want.text || !out.got[i].HoldUntil.Equal(e.HoldUntil) {
			t.Errorf("%s: %q", got, out.texts[i])
		}
	}
	e.Verdict = &Verdict{Field: "X-Scanned: yes\r\n"}
	h.deliver(t, e, text, h.find(t, Sender{Who: who, From: "ann@example.org"}, "x@far.example")...)
	if len(out.got) != 3 || out.got[2].ID != "q1" || out.texts[2] != e.Verdict.Field+text+"\r\nKeep this secret.\r\n" {
		t.Errorf("%+v %q", out.got, out.texts)
	}
}

// TestWhatTheQueueHasForUs: when the time has come it is delivered as if it came now, and who sent it is remembered.
func TestWhatTheQueueHasForUs(t *testing.T) {
	h, out, who := withQueue(t)
	h.add(t, "small", 10)
	job := transfer.Job{
		Envelope: transfer.Envelope{ID: "q1", From: "ann@example.org", Account: who.Account},
		Recipients: []transfer.Recipient{
			{Address: "bob@example.org", Notify: transfer.NotifySuccess}, {Address: "both@example.org"}, {Address: "nobody@example.org"}, {Address: "small@example.org"},
		},
		Content: h.message(t, letter),
	}
	var got []string
	for _, o := range h.Attempt(t.Context(), job) {
		got = append(got, [...]string{"deferred", "delivered", "relayed", "failed"}[o.Result]+" "+o.Status)
	}
	if want := "delivered 2.1.5|delivered 2.1.5|failed 5.1.1|deferred 4.2.2"; strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	h.expect(t, "bob", "Return-Path: <ann@example.org>\r\n"+letter)
	if len(out.got) != 1 || out.got[0].From != "ann@example.org" || out.got[0].ID == "q1" || out.got[0].Recipients[0].Address != "ann@elsewhere.example" {
		t.Errorf("%+v", out.got)
	}
	if len(out.delivered) != 1 || out.delivered[0].Recipients[0].Address != "bob@example.org" {
		t.Errorf("told of %+v", out.delivered)
	}
	// Another attempt, with others that lead elsewhere: it goes under another name.
	check(t, h.dir.AddAlias(t.Context(), "more@example.org", []string{"more@elsewhere.example"}))
	job.Recipients = []transfer.Recipient{{Address: "more@example.org"}}
	if o := h.Attempt(t.Context(), job); o[0].Result != transfer.Delivered || len(out.got) != 2 || out.got[1].ID == out.got[0].ID {
		t.Errorf("%+v, %+v", o, out.got)
	}
	// An attempt that was broken off after the copy was handed in: it isn't handed in twice.
	first := out.got[0].ID
	out.err = fault.New(fault.Exists, "%s is there", first)
	if o := h.Attempt(t.Context(), job); o[0].Result != transfer.Delivered {
		t.Errorf("%+v", o)
	}
}

// TestOnlySomeFail: RFC 5321 §4.4: who is known hears of it later, from us; others from their own server, now.
func TestOnlySomeFail(t *testing.T) {
	for _, c := range []struct {
		what string
		e    Envelope
		kept bool
	}{
		{"signed in", Envelope{Who: &ident.Identity{Account: 1}}, true},
		{"proved", Envelope{Verdict: &Verdict{Sender: true, Field: "Authentication-Results: x\r\n"}}, true},
		{"not proved", Envelope{Verdict: &Verdict{}}, false},
		{"nothing known", Envelope{}, false},
		{"LMTP", Envelope{Trusted: true, Each: true}, false},
		{"a trusted network", Envelope{Trusted: true}, true},
		{"junk", Envelope{Verdict: &Verdict{Sender: true, Junk: true}}, false},
		{"junk to a scanner", Envelope{Verdict: &Verdict{Sender: true, ScanJunk: true}}, false},
	} {
		h, out, _ := withQueue(t)
		h.add(t, "small", 10)
		to := h.find(t, Sender{From: "carol@far.example"}, "ann@example.org", "small@example.org")
		to[1].Notify = transfer.NotifyFailure
		c.e.ID, c.e.From = "q1", "carol@far.example"
		errs := h.Deliver(t.Context(), c.e, to, h.message(t, letter))
		check(t, errs[0])
		if kept := len(out.got) == 1 && errs[1] == nil; kept != c.kept || !c.kept && !fault.Is(errs[1], fault.OverQuota) {
			t.Errorf("%s: %v, %+v", c.what, errs, out.got)
			continue
		}
		if !c.kept {
			continue
		}
		field := ""
		if c.e.Verdict != nil {
			field = c.e.Verdict.Field
		}
		if r := out.got[0].Recipients; len(r) != 1 || r[0].Address != "small@example.org" || r[0].Notify != transfer.NotifyFailure || out.texts[0] != field+letter || out.got[0].From != "carol@far.example" {
			t.Errorf("%s: %+v %q", c.what, out.got, out.texts)
		}
		// All fail: that can be said at once.
		errs = h.Deliver(t.Context(), c.e, to[1:], h.message(t, letter))
		fails(t, errs[0], fault.OverQuota)
		out.err = fault.New(fault.Unavailable, "no room")
		fails(t, h.Deliver(t.Context(), c.e, to, h.message(t, letter))[1], fault.OverQuota)
	}
}

// TestJunk: what the checks say is junk lies there, with what they found in front.
func TestJunk(t *testing.T) {
	h := newHouse(t, "ann")
	v := &Verdict{Field: "Authentication-Results: mx.example.org; dmarc=fail\r\n", Junk: true}
	h.deliver(t, Envelope{From: "x@y.example", Verdict: v}, letter, h.recipients(t, "ann@example.org")...)
	h.expect(t, "ann")
	if got := h.folder(t, "ann", "junk"); len(got) != 1 || got[0] != "Return-Path: <x@y.example>\r\n"+v.Field+letter {
		t.Errorf("%q", got)
	}
}

// TestTrace: what becomes of a message is told.
func TestTrace(t *testing.T) {
	h, _, _ := withQueue(t)
	var told []trace.Event
	h.event = func(e trace.Event) {
		e.To = slices.Clone(e.To)
		told = append(told, e)
	}
	to := h.find(t, Sender{From: "carol@far.example"}, "both@example.org")
	check(t, h.dir.AddAlias(t.Context(), "away@example.org", []string{"x@far.example"}))
	loop := h.find(t, Sender{From: "carol@far.example"}, "away@example.org")
	if errs := h.Deliver(t.Context(), Envelope{ID: "q0", From: "carol@far.example"}, loop, h.message(t, "Delivered-To: away@example.org\r\n"+letter)); errs[0] == nil || len(told) > 0 {
		t.Errorf("refused (%v), but told of %+v", errs, told)
	}
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example", Verdict: &Verdict{Summary: "spf=pass"}}, "Message-ID: <1@x>\r\n"+letter, to...)
	if len(told) != 3 || told[0].Kind != trace.Received || told[0].Text != "spf=pass" || told[0].MessageID != "1@x" || told[0].To[0] != "both@example.org" {
		t.Fatalf("%+v", told)
	}
	if e := told[1]; e.Kind != trace.Forwarded || e.Parent != "q1" || e.ID == "q1" || e.To[0] != "ann@elsewhere.example" || e.Account != "both@example.org" || e.From != "carol@far.example" {
		t.Errorf("%+v", e)
	}
	if e := told[2]; e.Kind != trace.Delivered || e.Account != "bob@example.org" || e.Folder != "INBOX" || e.To[0] != "both@example.org" {
		t.Errorf("%+v", e)
	}
}

// TestForwardedOnce: many names for one place get one copy.
func TestForwardedOnce(t *testing.T) {
	h, out, _ := withQueue(t)
	all := "all@far.example"
	check(t, h.dir.SetDomain(t.Context(), "example.org", directory.DomainChange{CatchAll: &all}))
	check(t, h.dir.AddAlias(t.Context(), "away@example.org", []string{"x@far.example"}))
	names := []string{"away+0@example.org", "AWAY@example.org", "away+1@example.org"}
	for i := range 100 {
		names = append(names, fmt.Sprintf("made.up%d@example.org", i))
	}
	h.deliver(t, Envelope{ID: "q1", From: "carol@far.example"}, letter, h.find(t, Sender{From: "carol@far.example"}, names...)...)
	if len(out.got) != 2 || out.texts[0] != "Delivered-To: away@example.org\r\n"+letter || strings.Count(out.texts[1], "Delivered-To:") != maxMarks {
		t.Errorf("%d: %q", len(out.got), out.texts)
	}
	if s := h.Stats(); s.Queued != 2 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
	told, err := h.paths.Path("carol@far.example", "example.org", forward.Told)
	check(t, err)
	out.got = nil
	h.deliver(t, Envelope{ID: "q2"}, letter, h.find(t, Sender{}, told, strings.ToUpper(told))...)
	if len(out.got) != 1 {
		t.Errorf("%+v", out.got)
	}
}
