package memory

import (
	"strconv"
	"sync"
	"testing"
)

// What is put is found again, and memory is bounded.
func TestTexts(t *testing.T) {
	var known Texts[int]
	one := 1
	known.Put("one", &one)
	if known.Get("one") != &one || known.Get("two") != nil {
		t.Error("it isn't what was put")
	}
	(*Texts[int])(nil).Put("one", &one)
	if (*Texts[int])(nil).Get("one") != nil {
		t.Error("there is nothing to remember it")
	}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range Most {
				known.Put(strconv.Itoa(n*Most+i), &one)
			}
		})
	}
	all.Wait()
	if len(known.byText) > Most {
		t.Errorf("%d are remembered", len(known.byText))
	}
}
