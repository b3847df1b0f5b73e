package inbound

import (
	"testing"
	"time"
)

// What is kept at hand is what is stored: also after more was learned, and until it is stale.
func TestRecent(t *testing.T) {
	m := newMemory(newWorld(t, Options{}).db, []byte("secret"), 1000)
	ctx, now := t.Context(), time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	who := []subject{{aNetwork, m.hash("a")}, {aHost, m.hash("b")}}
	for n := range uint64(5) {
		for range 2 { // from the store, and from what is at hand
			had, err := m.recall(ctx, now, who...)
			if err != nil || had[0].messages != n || had[1].messages != n {
				t.Fatalf("after %d messages: %+v, %v", n, had, err)
			}
		}
		had, _ := m.recall(ctx, now, who...)
		if err := m.learn(ctx, now, who, had); err != nil {
			t.Fatal(err)
		}
		now = now.Add(learnEvery)
	}
	if had, _ := m.recall(ctx, now, who[0], subject{aHost, m.hash("c")}); had[0].messages != 5 || had[1].messages != 0 {
		t.Errorf("%+v", had)
	}
	if had, _ := m.recall(ctx, now.Add(greyLife+time.Hour), who...); had[0].messages != 0 || had[1].messages != 0 {
		t.Errorf("%+v", had)
	}
	for i := range 2 * maxRecent {
		m.recent.put(subject{aHost, m.hash(string(rune(i)))}, past{})
	}
	if len(m.recent.known) > maxRecent {
		t.Errorf("%d are at hand", len(m.recent.known))
	}
}
