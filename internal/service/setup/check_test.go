package setup_test

import "testing"

func TestCheckOfWhatWeSay(t *testing.T) {
	w := newWorld(t)
	golden(t, "good.txt", text(w.check()))
}
