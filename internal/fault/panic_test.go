package fault

import (
	"strings"
	"testing"
)

func TestPanicsComeToWhoWaits(t *testing.T) {
	var g Group
	ran := make(chan bool, 2)
	for range 2 {
		g.Go(func() { ran <- true })
	}
	g.Go(func() { breaks() })
	p := Caught(g.Wait)
	if p == nil || p.Value != "broken" || p.Error() != "panic: broken" || !strings.Contains(string(p.Stack), "breaks") || len(ran) != 2 {
		t.Errorf("%v, %d of 2 ran", p, len(ran))
	}
	if again := Caught(func() { panic(p) }); again != p {
		t.Error("a panic that was caught before lost its place")
	}
	if p := Caught(func() {}); p != nil {
		t.Error(p)
	}
}

func breaks() { panic("broken") }
