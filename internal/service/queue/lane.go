package queue

import (
	"math"
	"strconv"
	"strings"

	"postroad/internal/service/transfer"
)

// The classes, best first.
const (
	urgent = iota
	normal
	bulk
)

// laneID is what items of one destination line up by: how urgent they are, and who sent them. It is stored, in one byte:
// level + levels*sender.
//
// There are six levels, like those of RFC 6710's profile for STANAG 4406, and the senders are spread over 42 shares: who sends a lot shares
// a lane with one in 42 of the others.
type laneID uint8

const (
	levels  = 6
	senders = 42
	lanes   = levels * senders
)

// ranks are the levels by the numbers that are stored, as places in the order of trying; classAt is the class of each place.
var (
	ranks   = [levels]int{2, 3, 4, 1, 0, 5}
	classAt = [levels]int{urgent, urgent, urgent, normal, bulk, bulk}
)

// levelOf is the level of an MT-PRIORITY (RFC 6710): only what has the same is tried in the order of time.
func levelOf(priority int) laneID {
	switch {
	case priority > 5:
		return 4
	case priority > 3:
		return 3
	case priority > 0:
		return 0
	case priority == 0:
		return 1
	case priority > -4:
		return 2
	}
	return 5
}

func (l laneID) valid() bool { return l < lanes }
func (l laneID) rank() int   { return ranks[l%levels] }
func (l laneID) class() int  { return classAt[l.rank()] }
func (l laneID) sender() int { return int(l) / levels }

// laneOf is the lane of a message: by who signed in, else by the reverse-path.
func laneOf(e *transfer.Envelope) laneID {
	who := strings.ToLower(e.From)
	if e.Account != 0 {
		who = strconv.FormatUint(uint64(e.Account), 10)
	}
	return levelOf(e.Priority) + levels*laneID(fnv1a(who)%senders)
}

// never is later than all times.
const never = math.MaxInt64

// lane is a destination's items of one level and share of senders.
type lane struct {
	id      laneID
	dest    *dest
	window  []*job // next to be tried, in memory
	due     int64  // when to look for more on disk: nothing is due there earlier
	low     int64  // nothing on disk is before it
	loading bool
	inLoads bool  // in turn to load
	place   place // in turn to try
}

// place is where a lane stands that has something to try.
type place uint8

const (
	nowhere place = iota
	parked        // waits for a place of its destination
	ready         // waits for a worker
)

// note says that there is something on disk.
func (l *lane) note(due int64) { l.due, l.low = min(l.due, due), min(l.low, due) }

// idle reports whether nothing of the lane waits anywhere.
func (l *lane) idle() bool {
	return l.due == never && !l.loading && !l.inLoads && l.place == nowhere && len(l.window) == 0
}
