package queue

import (
	"hash/fnv"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/service/transfer"
)

// TestLanes: a lane's number says what it was made of, and those that are stored from before senders took turns are classes.
func TestLanes(t *testing.T) {
	for p := -9; p <= 9; p++ {
		last := laneOf(&transfer.Envelope{From: "ann@example.org", Priority: p})
		class := bulk
		switch {
		case p > 0:
			class = urgent
		case p == 0:
			class = normal
		}
		if !last.valid() || last.class() != class || p > -9 && last.rank() > laneOf(&transfer.Envelope{Priority: p - 1}).rank() {
			t.Errorf("priority %d: %d, class %d, rank %d", p, last, last.class(), last.rank())
		}
	}
	for old, class := range []int{urgent, normal, bulk} {
		if l := laneID(old); l.class() != class || l.sender() != 0 {
			t.Errorf("old class %d is %d now", old, l.class())
		}
	}
	shares := map[int]int{}
	for i := range ident.AccountID(10_000) {
		shares[laneOf(&transfer.Envelope{From: "x@y", Account: i + 1}).sender()]++
	}
	for s, n := range shares {
		if n > 500 || s >= senders {
			t.Errorf("share %d has %d of 10,000 accounts", s, n)
		}
	}
	if laneOf(&transfer.Envelope{From: "A@b"}) != laneOf(&transfer.Envelope{From: "a@B"}) {
		t.Error("case makes another sender")
	}
	if laneID(lanes).valid() {
		t.Error("a lane too many")
	}
}

// TestTurns: shares take turns, whatever they have, and who is passed over keeps the turn.
func TestTurns(t *testing.T) {
	var line turns
	at := func(share int) *lane { return &lane{id: laneID(share * levels)} }
	for range 5 {
		line.push(at(3))
	}
	line.push(at(41))
	line.push(at(7))
	line.push(at(7))
	var got []int
	for range 3 {
		l := line.pop(everybody)
		line.served(l)
		got = append(got, l.id.sender())
	}
	if l := line.pop(1 << 5); l != nil {
		t.Error("a share that isn't there has a turn")
	}
	l := line.pop(everybody)
	line.push(l) // not served
	for !line.empty() {
		l := line.pop(everybody)
		line.served(l)
		got = append(got, l.id.sender())
	}
	want := []int{3, 7, 41, 3, 7, 3, 3, 3}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// TestHash: where messages lie follows from it, so it can't change.
func TestHash(t *testing.T) {
	for _, s := range []string{"", "a", "3f2a9c", "ann@example.org"} {
		h := fnv.New32a()
		_, _ = h.Write([]byte(s)) // never fails
		if fnv1a(s) != h.Sum32() {
			t.Errorf("%q", s)
		}
	}
}
