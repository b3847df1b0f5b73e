package queue

import "math/bits"

// turns is a line in which shares of senders take turns, and inside of each share lanes do: so neither who sends the most nor who sends to the
// most destinations makes others wait.
type turns struct {
	lines [senders][]*lane
	some  uint64 // a bit for each line that isn't empty
	last  int    // whose turn was last
}

func (t *turns) empty() bool { return t.some == 0 }

func (t *turns) push(l *lane) {
	s := l.id.sender()
	t.lines[s] = append(t.lines[s], l)
	t.some |= 1 << s
}

// everybody is the mask of all shares.
const everybody = 1<<senders - 1

// pop takes the lane whose turn it is, of the shares that mask names; nil: there is none. Who was taken out and does get something is told to
// served, else the next pop goes on from the same place.
func (t *turns) pop(mask uint64) *lane {
	can := t.some & mask
	if can == 0 {
		return nil
	}
	if later := can &^ (1<<(t.last+1) - 1); later != 0 {
		can = later
	}
	s := bits.TrailingZeros64(can)
	l := t.lines[s][0]
	t.lines[s][0] = nil
	if t.lines[s] = t.lines[s][1:]; len(t.lines[s]) == 0 {
		t.lines[s] = nil
		t.some &^= 1 << s
	}
	return l
}

func (t *turns) served(l *lane) { t.last = l.id.sender() }
