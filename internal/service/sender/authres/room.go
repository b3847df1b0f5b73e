package authres

import "sync"

// A Room has space for the results that most fields have. Whoever needs them for a moment alone takes one that was used before (TakeRoom).
type Room struct {
	methods [8]Method
	props   [20]Property
}

var rooms = sync.Pool{New: func() any { return new(Room) }}

// TakeRoom returns a Room that is the caller's until Leave.
func TakeRoom() *Room { return rooms.Get().(*Room) }

// Leave gives r back. What lies in it must not be used any more; strings may.
func (r *Room) Leave() {
	*r = Room{} // it keeps no message's text from being forgotten
	rooms.Put(r)
}

// Methods are none, with room for more.
func (r *Room) Methods() []Method { return r.methods[:0] }

// Props are none, with room for more.
func (r *Room) Props() []Property { return r.props[:0] }
