package mailbox

import (
	"sync"

	"postroad/internal/fault/spoil"
)

// lentRooms is memory that a message on its way in, and those with fields in front of it, use until it is closed. It is safe for concurrent use.
type lentRooms struct {
	mu    sync.Mutex
	lent  []*[]byte
	first [2]*[]byte // room for lent: there are seldom more
}

var rooms = sync.Pool{New: func() any { return new([]byte) }}

// lend returns memory that is the caller's until giveBack, to be made larger as needed.
func (l *lentRooms) lend() *[]byte {
	room := rooms.Get().(*[]byte)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lent == nil {
		l.lent = l.first[:0]
	}
	l.lent = append(l.lent, room)
	return room
}

// keptRoom is how large a room may be to be used again, in bytes.
const keptRoom = 64 << 10

// giveBack ends all loans. Nobody may use what lies in them any more.
func (l *lentRooms) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, room := range l.lent {
		spoil.Bytes(*room)
		if cap(*room) <= keptRoom {
			rooms.Put(room)
		}
	}
	l.lent, l.first = nil, [2]*[]byte{}
}
