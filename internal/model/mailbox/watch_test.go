package mailbox

import (
	"context"
	"testing"
)

// counter counts rings.
type counter int

func (c *counter) Ring() { *c++ }

func TestWatch(t *testing.T) {
	w := newWorld(t)
	var one, two counter
	a, b := w.me.Watch(&one), w.me.Watch(&two)
	change := func(name string) {
		t.Helper()
		if _, err := w.me.CreateFolder(context.Background(), NewFolder{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	change("first")
	if one != 1 || two != 1 {
		t.Errorf("%d and %d rings", one, two)
	}
	a.End()
	a.End()
	change("second")
	if one != 1 || two != 2 {
		t.Errorf("%d and %d rings after one has ended", one, two)
	}
	b.End()
	change("third")
	if one != 1 || two != 2 {
		t.Errorf("%d and %d rings after the end", one, two)
	}
	var none Watch
	none.End()
}
