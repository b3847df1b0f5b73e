package trace

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Query says which messages to look for: those of which events match all that is given. One of ID, MessageID, To, From and
// Client is needed.
type Query struct {
	ID        string
	MessageID string // without brackets
	// From and To match without regard to case. "@example.org" is everybody there, "<>" the null reverse-path.
	From, To string
	Client   netip.Addr
	// Since and Until are about the events by which a message is found; zero: whenever.
	Since, Until time.Time
	// Limit is how many stories at most, the newest; 0: 20.
	Limit int
}

// Story is all that is known of a message and its copies.
type Story struct {
	// ID is the message's as it was received; "" if it was refused before it had one.
	ID     string
	Events []Event // oldest first; those of copies and notifications carry their own ID
}

const (
	defaultStories = 20
	// maxCandidates bounds the messages that a question looks at, maxRelated those that belong to them, and
	// maxFound the events that it takes together.
	maxCandidates = 5000
	maxRelated    = 10_000
	maxFound      = 100_000
	// maxDepth is how often a message may have been passed on here.
	maxDepth = 8
)

// Find tells the stories of what matches, oldest first. more: there are older ones that match, or may.
// Of a message that was passed on as copies, those copies are told of that match, and what became of them. Errors:
// fault.Invalid if nothing is asked for.
func (l *Log) Find(ctx context.Context, q Query) (stories []Story, more bool, err error) {
	if q.ID == "" && q.MessageID == "" && q.To == "" && q.From == "" && !q.Client.IsValid() {
		return nil, false, fault.New(fault.Invalid, "say which message: by its ID, Message-ID, sender, recipient or client")
	}
	if q.Limit <= 0 {
		q.Limit = defaultStories
	}
	if l == nil {
		return nil, false, nil
	}
	if err := l.Flush(ctx); err != nil {
		return nil, false, err
	}
	err = l.db.View(ctx, Partition, func(r kv.Reader) error {
		f, err := newFinder(ctx, r)
		if err != nil {
			return err
		}
		defer f.close()
		stories, more, err = f.find(&q)
		return err
	})
	return stories, more, err
}

// finder answers one question.
type finder struct {
	ctx   context.Context
	r     kv.Reader
	state state
	*unpacker
	events int // taken so far
}

func newFinder(ctx context.Context, r kv.Reader) (*finder, error) {
	s, err := readState(r)
	if err != nil {
		return nil, err
	}
	u, err := newUnpacker()
	return &finder{ctx: ctx, r: r, state: s, unpacker: u}, err
}

func (f *finder) find(q *Query) (stories []Story, more bool, err error) {
	c, err := f.candidates(q)
	if err != nil {
		return nil, false, err
	}
	t := newTree()
	for _, id := range c.ids {
		t.down[id], t.fresh = true, append(t.fresh, id)
	}
	for range maxDepth {
		if len(t.fresh) == 0 {
			break
		}
		if err := f.grow(t); err != nil {
			return nil, false, err
		}
	}
	stories = t.stories(c, q)
	more = c.more || f.events >= maxFound
	if n := len(stories) - q.Limit; n > 0 {
		stories, more = stories[n:], true
	}
	return stories, more, nil
}

// found is an event, and where it stands among all.
type found struct {
	Event
	place uint64
}

// visit gives the events of the blocks that have one of the hashes, the newest block first, until see says that it is enough.
func (f *finder) visit(hashes []uint32, since, until time.Time, see func(found) bool) error {
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	rng := indexRange(f.state)
	rng.Reverse = true
	for p, err := range f.r.Scan(rng) {
		if err != nil {
			return err
		}
		x, ok := readIndex(p.Value)
		if !ok || !since.IsZero() && x.to < since.UnixMicro() || !until.IsZero() && x.from > until.UnixMicro() || !x.has(hashes) {
			continue
		}
		if more, err := f.open(seqOfIndex(p.Key), see); err != nil || !more {
			return err
		}
	}
	return f.ctx.Err()
}

// open gives a block's events, the newest first. A damaged block is passed over: the others may know.
func (f *finder) open(seq uint64, see func(found) bool) (more bool, err error) {
	if err := f.ctx.Err(); err != nil {
		return false, err
	}
	body, ok, err := f.r.Get(bodyKey(seq))
	if err != nil || !ok {
		return err == nil, err
	}
	raw, err := f.unpack(body)
	if err != nil {
		return true, nil
	}
	var events []found
	eachEvent(raw, func(e Event) { events = append(events, found{e, seq<<16 | uint64(len(events))}) })
	for i := len(events) - 1; i >= 0; i-- {
		if !see(events[i]) {
			return false, nil
		}
	}
	return true, nil
}

// candidates are messages of which an event matches, as far as one event can tell; the newest first.
type candidates struct {
	ids      []string
	known    map[string]bool
	nameless []Event // those that match and belong to no message
	more     bool
}

func (f *finder) candidates(q *Query) (*candidates, error) {
	c := &candidates{known: map[string]bool{}}
	err := f.visit([]uint32{q.hash()}, q.Since, q.Until, func(e found) bool {
		switch {
		case !q.primary(&e.Event) || !q.mayMatch(&e.Event):
		case e.ID == "" && q.matches([]found{e}):
			c.nameless = append(c.nameless, e.Event)
		case e.ID != "" && !c.known[e.ID]:
			c.known[e.ID] = true
			c.ids = append(c.ids, e.ID)
		}
		c.more = len(c.ids)+len(c.nameless) >= maxCandidates
		return !c.more
	})
	return c, err
}

// tree is messages with their copies and what they are copies of.
type tree struct {
	down   map[string]bool // all of them and what comes of them is told
	up     map[string]bool // only they themselves are told
	fresh  []string        // not looked for yet
	parent map[string]string
	events map[string][]found
}

func newTree() *tree {
	return &tree{down: map[string]bool{}, up: map[string]bool{}, parent: map[string]string{}, events: map[string][]found{}}
}

// grow reads the events of the messages that are fresh, and learns of their copies and origins.
func (f *finder) grow(t *tree) error {
	now := map[string]bool{}
	hashes := make([]uint32, 0, len(t.fresh))
	for _, id := range t.fresh {
		now[id] = true
		hashes = append(hashes, hash(ofID, id))
	}
	t.fresh = nil
	return f.visit(hashes, time.Time{}, time.Time{}, func(e found) bool {
		switch {
		case now[e.ID]:
			t.events[e.ID] = append(t.events[e.ID], e)
			f.events++
			t.relate(e.ID, e.Parent)
		case e.Parent != "" && now[e.Parent] && t.down[e.Parent] && !t.down[e.ID] && e.ID != "":
			t.descend(e.ID)
		}
		return f.events < maxFound
	})
}

// relate notes where a message comes from.
func (t *tree) relate(id, parent string) {
	if parent == "" || parent == id {
		return
	}
	t.parent[id] = parent
	if !t.down[parent] && !t.up[parent] && len(t.up) < maxRelated {
		t.up[parent] = true
		t.fresh = append(t.fresh, parent)
	}
}

// descend adds a copy.
func (t *tree) descend(id string) {
	if len(t.down) < maxRelated+maxCandidates {
		t.down[id] = true
		if !t.up[id] {
			t.fresh = append(t.fresh, id)
		}
	}
}

// root is what a message was made from.
func (t *tree) root(id string) string {
	for range maxDepth {
		p, ok := t.parent[id]
		if !ok {
			break
		}
		id = p
	}
	return id
}

// stories puts together what belongs together, and leaves out what does not match as a whole.
func (t *tree) stories(c *candidates, q *Query) (all []Story) {
	byRoot := map[string][]found{}
	for id, events := range t.events {
		root := t.root(id)
		byRoot[root] = append(byRoot[root], events...)
	}
	for root, events := range byRoot {
		if q.matches(events) {
			all = append(all, Story{root, inOrder(events)})
		}
	}
	for _, e := range c.nameless {
		all = append(all, Story{"", []Event{e}})
	}
	slices.SortFunc(all, func(a, b Story) int {
		return cmp.Or(a.Events[0].At.Compare(b.Events[0].At), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// inOrder sorts events by time, and those of one moment as they were noted.
func inOrder(events []found) []Event {
	slices.SortFunc(events, func(a, b found) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.place, b.place)) })
	all := make([]Event, len(events))
	for i := range events {
		all[i] = events[i].Event
	}
	return all
}

// hash is of what few messages have in common.
func (q *Query) hash() uint32 {
	switch {
	case q.ID != "":
		return hash(ofID, cut(q.ID, maxID))
	case q.MessageID != "":
		return hash(ofMessage, cut(q.MessageID, 998))
	case q.To != "":
		return hashFolded(ofTo, q.To)
	case q.From != "":
		return hashFolded(ofFrom, q.From)
	}
	return hashAddr(q.Client)
}

// primary reports whether an event has what hash is of.
func (q *Query) primary(e *Event) bool {
	switch {
	case q.ID != "":
		return e.ID == q.ID
	case q.MessageID != "":
		return e.MessageID == q.MessageID
	case q.To != "":
		return q.to(e)
	case q.From != "":
		return q.from(e)
	}
	return e.Client.Addr.Unmap() == q.Client.Unmap()
}

// mayMatch reports whether an event is in the time asked for.
func (q *Query) mayMatch(e *Event) bool {
	return (q.Since.IsZero() || !e.At.Before(q.Since)) && (q.Until.IsZero() || !e.At.After(q.Until))
}

func (q *Query) from(e *Event) bool { return e.hasSender() && MatchAddress(q.From, e.From) }

func (q *Query) to(e *Event) bool {
	return slices.ContainsFunc(e.To, func(a string) bool { return MatchAddress(q.To, a) })
}

// matches reports whether all that is asked for is true of some event.
func (q *Query) matches(events []found) bool {
	some := func(asked bool, is func(e *Event) bool) bool {
		if !asked {
			return true
		}
		for i := range events {
			if is(&events[i].Event) {
				return true
			}
		}
		return false
	}
	return some(q.ID != "", func(e *Event) bool { return e.ID == q.ID }) &&
		some(q.MessageID != "", func(e *Event) bool { return e.MessageID == q.MessageID }) &&
		some(q.To != "", q.to) &&
		some(q.From != "", q.from) &&
		some(q.Client.IsValid(), func(e *Event) bool { return e.Client.Addr.Unmap() == q.Client.Unmap() })
}

// MatchAddress reports whether an address is what Query.From or Query.To wants; "" wants any.
func MatchAddress(want, address string) bool {
	switch {
	case want == "":
		return true
	case want == null:
		return address == ""
	case want[0] == '@':
		at := strings.LastIndexByte(address, '@')
		return at >= 0 && strings.EqualFold(want, address[at:])
	}
	return strings.EqualFold(want, address)
}
