package smtp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/scan"
)

// Whom the client has named hears what became of them; of who was taken out it hears well, and of who was added only if that went wrong.
func TestResultsOfChangedRecipients(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	to := func(all ...string) (list recipients) {
		for _, a := range all {
			list = append(list, Recipient{Address: a})
		}
		return list
	}
	for _, c := range []struct {
		named, now recipients
		results    []error
		want       []error
	}{
		{to("a", "b"), to("a", "b"), []error{first, nil}, []error{first, nil}},
		{to("a", "b"), to("b"), []error{first}, []error{nil, first}},
		{to("a", "b"), to("b", "c"), []error{nil, first}, []error{first, nil}},
		{to("a", "b"), to("a", "b", "c"), []error{first, nil, second}, []error{first, nil}},
		{to("a", "a", "b"), to("a", "a", "c"), []error{first, first, nil}, []error{first, first, nil}},
	} {
		if got := c.named.results(c.now, c.results); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v", c, got)
		}
	}
	tx := &transaction{envelope: Envelope{Recipients: to("a@x", "b@x", "A@X")}}
	s := &session{tx: tx}
	s.removeRecipient("A@x")
	if len(tx.envelope.Recipients) != 1 || len(tx.named) != 3 || tx.named[0].Address != "a@x" || tx.named[2].Address != "A@X" {
		t.Errorf("%v of %v", tx.envelope.Recipients, tx.named)
	}
	tx.restore()
	if len(tx.envelope.Recipients) != 3 {
		t.Error(tx.envelope.Recipients)
	}
}

// What was proved of the sender that a client has named isn't proved of one that a program puts in their place: nobody writes to them, unless
// it is the word of somebody who has signed in, or of a trusted relay, that counts.
func TestChangedSenderIsNotProved(t *testing.T) {
	for _, c := range []struct {
		to            string
		who           *ident.Identity
		trusted, want bool
	}{
		{"ann@example.org", nil, false, true},
		{"victim@elsewhere.example", nil, false, false},
		{"victim@elsewhere.example", nil, true, true},
		{"victim@elsewhere.example", &ident.Identity{}, false, true},
	} {
		s := &session{who: c.who, tx: &transaction{envelope: Envelope{From: "ann@example.org", Trusted: c.trusted}}}
		x := &shown{found: make(chan *scan.Report, 1)}
		x.found <- &scan.Report{Changes: []scan.EnvelopeChange{{Do: scan.SetSender, Address: c.to, By: "m"}}}
		v := &delivery.Verdict{Sender: true}
		if err := s.heed(t.Context(), x, v); err != nil || s.tx.envelope.From != c.to || v.Sender != c.want {
			t.Errorf("%+v: %q, %v, %v", c, s.tx.envelope.From, v.Sender, err)
		}
	}
}

// breaking is a scanner whose wish breaks what does it.
type breaking struct{}

func (breaking) Ping(context.Context) (string, error) { return "", nil }
func (breaking) Scan(context.Context, *scan.Message) (scan.Finding, error) {
	return scan.Finding{Changes: &scan.Changes{Body: nilDraft{}}}, nil
}

type nilDraft struct{ scan.Draft }

// paper is a Content with nothing in it.
type paper struct{}

func (paper) Write(p []byte) (int, error)       { return len(p), nil }
func (paper) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (paper) Size() int64                       { return 0 }
func (paper) Discard()                          {}

type papers struct{ Post }

func (papers) NewContent() Content { return paper{} }

// What breaks while a message is shown to programs has it put off, and is not the end of the server.
func TestBrokenScan(t *testing.T) {
	set := scan.New([]scan.Program{{Name: "m", Scanner: breaking{}}}, scan.Options{})
	srv := &Server{config: Config{Scan: set, Post: papers{}}}
	s := &session{server: srv, limits: &Limits{MessageBytes: 1000}, log: slog.New(slog.DiscardHandler), tx: &transaction{message: &message{content: paper{}}}}
	x := s.show(t.Context())
	err := s.heed(t.Context(), x, &delivery.Verdict{})
	if r := gateReply(err); !fault.Is(err, fault.Internal) || r.code != 451 {
		t.Errorf("%v, %+v", err, r)
	}
	x.end()
	if n := srv.counts.panics.Load(); n != 1 {
		t.Errorf("%d panics are counted", n)
	}
}
