package smtp

import (
	"errors"
	"slices"
	"testing"
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
