package sender_test

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// More results than there usually are don't get into each other's way in space that was used before.
func TestManyResultsInARoom(t *testing.T) {
	v := sender.Verdict{ID: "mx.example.org", Session: ours}
	for i := range 8 {
		v.DKIM = append(v.DKIM, dkim.Result{Status: authres.Pass, Domain: fmt.Sprintf("d%d.example", i), Selector: "s", Identity: fmt.Sprintf("x@d%d.example", i), Algorithm: dkim.RSA, Signature: fmt.Sprintf("sig%d", i)})
	}
	want := v.Results()
	for range 3 {
		room := authres.TakeRoom()
		h := v.ResultsIn(room)
		if h.Value() != want.Value() {
			t.Errorf("got %s, want %s", h.Value(), want.Value())
		}
		room.Leave()
	}
	for i := range 8 {
		for _, part := range []string{"d=d%d.example", "i=x@d%d.example", "b=sig%d"} {
			if part = fmt.Sprintf(part, i); strings.Count(want.Value(), part) != 1 {
				t.Errorf("%s is not told once", part)
			}
		}
	}
}
