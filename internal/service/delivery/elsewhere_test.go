package delivery

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/transfer"
)

// outbox is a Queue that shows what it got.
type outbox struct {
	got       []Submission
	texts     []string
	delivered []transfer.Job
	expanded  []transfer.Job
	err, late error  // of Begin and of Wait
	bad       string // the recipient that can't be taken
	once      bool   // IDs are taken once, as the queue does while it has them
}

func (o *outbox) Begin(_ context.Context, s Submission) (Pending, error) {
	if o.err != nil {
		return nil, o.err
	}
	if s.Recipients[0].Address == o.bad {
		return nil, fault.New(fault.Unavailable, "the queue is full")
	}
	if o.once && slices.ContainsFunc(o.got, func(g Submission) bool { return g.Envelope.ID == s.Envelope.ID }) {
		return nil, fault.New(fault.Exists, "%s is in the queue", s.Envelope.ID)
	}
	text, err := io.ReadAll(io.NewSectionReader(s.Content, 0, s.Content.Size()))
	s.Content = nil
	o.got, o.texts = append(o.got, s), append(o.texts, string(text))
	return done{o.late}, err
}

type done struct{ err error }

func (d done) Wait() error { return d.err }

func (o *outbox) Delivered(_ context.Context, job transfer.Job, expanded bool) error {
	if expanded {
		o.expanded = append(o.expanded, job)
		return o.err
	}
	o.delivered = append(o.delivered, job)
	return o.err
}

// withQueue gives the house an outbox, and a member of the house who has signed in.
func withQueue(t testing.TB) (*house, *outbox, *ident.Identity) {
	h, out := newHouse(t, "ann", "bob"), &outbox{}
	h.queue = out
	check(t, h.dir.AddAlias(t.Context(), "both@example.org", []string{"bob@example.org", "ann@elsewhere.example"}))
	return h, out, &ident.Identity{Account: h.ids["ann"]}
}

// find finds recipients for a sender.
func (h *house) find(t testing.TB, s Sender, addresses ...string) (to []Recipient) {
	t.Helper()
	for _, address := range addresses {
		r, err := h.Recipient(t.Context(), s, address)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		to = append(to, r)
	}
	return to
}

// deliver delivers, and wants all to go well.
func (h *house) deliver(t testing.TB, e Envelope, text string, to ...Recipient) {
	t.Helper()
	for i, err := range h.Deliver(t.Context(), e, to, h.message(t, text)) {
		if err != nil {
			t.Errorf("%s: %v", to[i].Address, err)
		}
	}
}

// TestMailForOtherServersIsQueued: one submission for all of them, each address once, beside the local copies.
func TestMailForOtherServersIsQueued(t *testing.T) {
	h, out, who := withQueue(t)
	to := h.find(t, Sender{Who: who, From: "ann@example.org"}, "x@elsewhere.example", "both@example.org", "ann@elsewhere.example")
	to[0].Notify, to[0].OriginalType, to[0].Original = transfer.NotifyFailure, "rfc822", "x@old.example"
	e := Envelope{ID: "q1", From: "ann@example.org", Who: who, EnvelopeID: "e7", Return: transfer.ReturnHeaders, EightBit: true, UTF8: true}
	h.deliver(t, e, "Subject: x\r\n\r\n", to...)
	h.expect(t, "bob", "Return-Path: <ann@example.org>\r\nSubject: x\r\n\r\n")
	want := Submission{Job: transfer.Job{
		Envelope: transfer.Envelope{ID: "q1", From: "ann@example.org", EnvelopeID: "e7", Return: transfer.ReturnHeaders,
			EightBit: true, UTF8: true, Received: h.now(), Account: who.Account},
		Recipients: []transfer.Recipient{
			{Address: "x@elsewhere.example", Notify: transfer.NotifyFailure, OriginalType: "rfc822", Original: "x@old.example"},
			{Address: "ann@elsewhere.example"},
		}}}
	if d := cmp.Diff([]Submission{want}, out.got); d != "" {
		t.Error(d)
	}
	if s := h.Stats(); s.Queued != 2 || s.Messages != 1 || s.Copies != 1 || out.texts[0] != "Subject: x\r\n\r\n" {
		t.Errorf("%+v, %q", s, out.texts)
	}
}

// TestStrangersDontSendThroughUs: no open relay, whatever the queue could do.
func TestStrangersDontSendThroughUs(t *testing.T) {
	h, _, _ := withQueue(t)
	for _, address := range []string{"x@elsewhere.example", "SRS0=AAAAAAAA=BB=elsewhere.example=x@elsewhere.example"} {
		if _, err := h.Recipient(t.Context(), Sender{}, address); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s: %v", address, err)
		}
	}
	h.queue = nil
	if _, err := h.Recipient(t.Context(), Sender{From: "x@y.example"}, "both@example.org"); !fault.Is(err, fault.Unsupported) {
		t.Errorf("both: %v", err)
	}
}

// TestQueueThatRefuses: nobody is told that the message is safe.
func TestQueueThatRefuses(t *testing.T) {
	for _, out := range []*outbox{{err: fault.New(fault.Unavailable, "no room")}, {late: fault.New(fault.Unavailable, "no room")}} {
		h, _, who := withQueue(t)
		h.queue = out
		to := h.find(t, Sender{Who: who}, "x@elsewhere.example", "bob@example.org")
		errs := h.Deliver(t.Context(), Envelope{ID: "q2", Who: who}, to, h.message(t, "x"))
		if !fault.Is(errs[0], fault.Unavailable) || errs[1] != nil || h.Stats().Queued != 0 {
			t.Errorf("%v, %+v", errs, h.Stats())
		}
		h.expect(t, "bob", stored("x"))
	}
}

// TestSuccessIsReportedToThoseWhoAsk: RFC 3461 §5.2.3. But not to strangers, who may give any address for theirs, unless they prove
// it is.
func TestSuccessIsReportedToThoseWhoAsk(t *testing.T) {
	h, out, who := withQueue(t)
	to := h.recipients(t, "ann@example.org", "bob@example.org")
	to[1].Notify = transfer.NotifySuccess
	for _, c := range []struct {
		e    Envelope
		told bool
	}{
		{Envelope{}, false},
		{Envelope{Verdict: &Verdict{}}, false},
		{Envelope{Verdict: &Verdict{Sender: true}}, true},
		{Envelope{Who: who}, true},
		{Envelope{Trusted: true}, true},
	} {
		out.delivered = nil
		c.e.ID, c.e.From, c.e.EnvelopeID = "q1", "ann@example.org", "e7"
		h.deliver(t, c.e, "x", to...)
		if told := len(out.delivered) == 1; told != c.told {
			t.Errorf("%+v: told: %v", c.e, told)
		}
		if c.told && (out.delivered[0].EnvelopeID != "e7" || len(out.delivered[0].Recipients) != 1 || out.delivered[0].Recipients[0].Address != "bob@example.org") {
			t.Errorf("reported %+v", out.delivered)
		}
	}
}

// TestExpansionIsReported: RFC 3461 §5.2.7.3 (c). An alias of several passes all on but the wish to hear of success, and says itself
// that the message went on; an alias of one passes that on too (§5.2.7.2).
func TestExpansionIsReported(t *testing.T) {
	h, out, who := withQueue(t)
	check(t, h.dir.AddAlias(t.Context(), "one@example.org", []string{"one@elsewhere.example"}))
	for _, c := range []struct{ wish, passed transfer.Notify }{
		{transfer.NotifySuccess, transfer.NotifyNever},
		{transfer.NotifySuccess | transfer.NotifyFailure, transfer.NotifyFailure},
		{transfer.NotifyFailure | transfer.NotifyDelay, transfer.NotifyFailure | transfer.NotifyDelay},
		{transfer.NotifyNever, transfer.NotifyNever},
		{0, 0},
	} {
		out.got, out.delivered, out.expanded = nil, nil, nil
		to := h.find(t, Sender{Who: who, From: "ann@example.org"}, "both@example.org", "one@example.org")
		for i := range to {
			to[i].Notify, to[i].OriginalType, to[i].Original = c.wish, "rfc822", "old@example.org"
		}
		h.deliver(t, Envelope{ID: "q1", From: "ann@example.org", Who: who}, "Subject: x\r\n\r\n", to...)
		want := []transfer.Recipient{
			{Address: "ann@elsewhere.example", Notify: c.passed, OriginalType: "rfc822", Original: "old@example.org"},
			{Address: "one@elsewhere.example", Notify: c.wish, OriginalType: "rfc822", Original: "old@example.org"},
		}
		if d := cmp.Diff(want, out.got[0].Recipients); d != "" {
			t.Errorf("%b: %s", c.wish, d)
		}
		asked := c.wish&transfer.NotifySuccess != 0
		if len(out.delivered) != 0 || (len(out.expanded) == 1) != asked || asked && (len(out.expanded[0].Recipients) != 1 || out.expanded[0].Recipients[0].Address != "both@example.org") {
			t.Errorf("%b: delivered %+v, expanded %+v", c.wish, out.delivered, out.expanded)
		}
	}
}
