package delivery

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/transfer"
)

// outbox is a Queue that shows what it got.
type outbox struct {
	envelopes []transfer.Envelope
	to        [][]transfer.Recipient
	text      string
	delivered []transfer.Job
	err       error
}

func (o *outbox) Submit(_ context.Context, e transfer.Envelope, to []transfer.Recipient, c transfer.Content) error {
	if o.err != nil {
		return o.err
	}
	text, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	o.envelopes, o.to, o.text = append(o.envelopes, e), append(o.to, to), string(text)
	return err
}

func (o *outbox) Delivered(_ context.Context, job transfer.Job) error {
	o.delivered = append(o.delivered, job)
	return o.err
}

// withQueue gives the house an outbox, and a member of the house who has signed in.
func withQueue(t *testing.T) (*house, *outbox, *ident.Identity) {
	h, out := newHouse(t, "ann", "bob"), &outbox{}
	h.queue = out
	check(t, h.dir.AddAlias(t.Context(), "both@example.org", []string{"bob@example.org", "ann@elsewhere.example"}))
	return h, out, &ident.Identity{Account: h.ids["ann"]}
}

// TestMailForOtherServersIsQueued: one submission for all of them, each address once, beside the local copies.
func TestMailForOtherServersIsQueued(t *testing.T) {
	h, out, who := withQueue(t)
	var to []Recipient
	for _, address := range []string{"x@elsewhere.example", "both@example.org", "ann@elsewhere.example"} {
		r, err := h.Recipient(t.Context(), who, address)
		check(t, err)
		to = append(to, r)
	}
	to[0].Notify, to[0].OriginalType, to[0].Original = transfer.NotifyFailure, "rfc822", "x@old.example"
	e := Envelope{ID: "q1", From: "ann@example.org", Who: who, EnvelopeID: "e7", Return: transfer.ReturnHeaders, EightBit: true, UTF8: true}
	for i, err := range h.Deliver(t.Context(), e, to, h.message(t, "Return-Path: <ann@example.org>\r\nSubject: x\r\n\r\n")) {
		if err != nil {
			t.Errorf("%s: %v", to[i].Address, err)
		}
	}
	h.expect(t, "bob", "Return-Path: <ann@example.org>\r\nSubject: x\r\n\r\n")
	want := []transfer.Recipient{
		{Address: "x@elsewhere.example", Notify: transfer.NotifyFailure, OriginalType: "rfc822", Original: "x@old.example"},
		{Address: "ann@elsewhere.example"},
	}
	if d := cmp.Diff([][]transfer.Recipient{want}, out.to); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(transfer.Envelope{ID: "q1", From: "ann@example.org", EnvelopeID: "e7", Return: transfer.ReturnHeaders,
		EightBit: true, UTF8: true, Received: h.now()}, out.envelopes[0]); d != "" {
		t.Error(d)
	}
	if s := h.Stats(); s.Queued != 2 || s.Messages != 1 || s.Copies != 1 || out.text != "Subject: x\r\n\r\n" {
		t.Errorf("%+v, %q", s, out.text)
	}
}

// TestStrangersDontSendThroughUs: no open relay, whatever the queue could do.
func TestStrangersDontSendThroughUs(t *testing.T) {
	h, _, _ := withQueue(t)
	for _, address := range []string{"x@elsewhere.example", "both@example.org"} {
		if _, err := h.Recipient(t.Context(), nil, address); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestQueueThatRefuses: nobody is told that the message is safe.
func TestQueueThatRefuses(t *testing.T) {
	h, out, who := withQueue(t)
	out.err = fault.New(fault.Unavailable, "no room")
	to, err := h.Recipient(t.Context(), who, "x@elsewhere.example")
	check(t, err)
	here, err := h.Recipient(t.Context(), who, "bob@example.org")
	check(t, err)
	errs := h.Deliver(t.Context(), Envelope{ID: "q2", Who: who}, []Recipient{to, here}, h.message(t, "x"))
	if !fault.Is(errs[0], fault.Unavailable) || errs[1] != nil || h.Stats().Queued != 0 {
		t.Errorf("%v, %+v", errs, h.Stats())
	}
	h.expect(t, "bob", "x")
}

func TestWithoutReturnPath(t *testing.T) {
	for text, want := range map[string]string{
		"Return-Path: <>\r\nA: b\r\n": "A: b\r\n",
		"return-path: <x>\r\n":        "",
		"A: b\r\nReturn-Path: <>\r\n": "A: b\r\nReturn-Path: <>\r\n",
		"Return-Path: <>\r\n x\r\n":   "Return-Path: <>\r\n x\r\n",
		"Return-Path: <>":             "Return-Path: <>",
		"Return":                      "Return",
		"":                            "",
	} {
		c := withoutReturnPath(strings.NewReader(text))
		if got, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size())); string(got) != want || err != nil {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
}

// TestSuccessIsReportedToThoseWhoAsk: RFC 3461 §5.2.3. But not to strangers, who may give any address for theirs.
func TestSuccessIsReportedToThoseWhoAsk(t *testing.T) {
	h, out, who := withQueue(t)
	to := h.recipients(t, "ann@example.org", "bob@example.org")
	to[1].Notify = transfer.NotifySuccess
	for _, asks := range []*ident.Identity{nil, who} {
		e := Envelope{ID: "q1", From: "ann@example.org", Who: asks, EnvelopeID: "e7"}
		for _, err := range h.Deliver(t.Context(), e, to, h.message(t, "x")) {
			check(t, err)
		}
	}
	h.expect(t, "ann", "x", "x")
	h.expect(t, "bob", "x", "x")
	if len(out.delivered) != 1 || out.delivered[0].EnvelopeID != "e7" || len(out.delivered[0].Recipients) != 1 || out.delivered[0].Recipients[0].Address != "bob@example.org" {
		t.Errorf("reported %+v", out.delivered)
	}
}
