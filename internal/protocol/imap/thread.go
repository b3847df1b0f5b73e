package imap

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"postroad/internal/format/summary"
)

// threading arranges messages found, which lie in the forest without parents yet.
type threading func(*forest)

// threadings has the algorithms, one line each. REFS is that of draft-ietf-morg-inthread: REFERENCES without looking at
// subjects, the threads in the order of the newest message in each.
var threadings = map[string]threading{
	"ORDEREDSUBJECT": (*forest).bySubject,
	"REFERENCES":     func(f *forest) { f.byReferences(); f.mergeSubjects(); f.sortTop(f.sentDate) },
	"REFS":           func(f *forest) { f.byReferences(); f.sortTop(f.newest) },
}

// forest is messages and how they answer each other (RFC 5256 §3, THREAD).
type forest struct {
	nodes []treeNode
	slots map[string]int32 // by message ID: a place in at
	at    []int32          // the node of a message ID; -1: none yet
	most  int              // how many message IDs others may name
	top   []int            // the threads
}

// treeNode is a message, or a dummy for one that isn't there.
type treeNode struct {
	dummy    bool
	number   uint32
	parent   int // -1: none
	children []int
	sent     int64
	received int64
	subject  string  // base subject as it is compared
	reply    bool    // or forward
	refs     []int32 // slots, the oldest first
	id       int32   // slot; -1: none
}

// Anybody can send messages that name any number of others, and IDs of any length. So much of it is looked at: mail
// programs name far fewer, and need only the first and the last ones.
const (
	maxReferences = 100     // of one message
	maxIDLength   = 1000    // bytes
	freeIDs       = 100_000 // that of no message found, besides four for each message found
)

// maxThread is how deep threads may be; deeper ones are cut. (Each link is checked for loops, up to the root.)
const maxThread = 1000

// threads arranges what was found and writes it as the THREAD response has it.
func (s *session) threads(ctx context.Context, q *searching) ([]byte, error) {
	f := newForest(len(q.hits))
	err := s.eachRecord(ctx, q.hits, true, func(i int, rec summary.Record) {
		h := &q.hits[i]
		n := &f.nodes[i]
		n.number, n.parent = h.told(q.byUID), -1
		n.sent = sentDate(h.row, rec)
		n.received, _ = h.row.ReceivedUnix()
		base, reply := rec.BaseSubject()
		n.subject, n.reply = collated(base), reply
		n.id = f.slot(normalID(rec.MessageID()), true)
		n.refs = f.references(rec)
	})
	if err != nil || len(q.hits) == 0 {
		return nil, err
	}
	q.thread(f)
	return f.appendTo([]byte(" ")), nil
}

func newForest(messages int) *forest {
	return &forest{slots: map[string]int32{}, most: freeIDs + 4*messages, nodes: make([]treeNode, messages)}
}

// slot gives a message ID its place; -1 if it has none and gets none, since it is no ID, or only named when there are too many.
func (f *forest) slot(id string, own bool) int32 {
	if id == "" || len(id) > maxIDLength {
		return -1
	}
	if at, ok := f.slots[id]; ok {
		return at
	}
	if !own && len(f.slots) >= f.most {
		return -1
	}
	at := int32(len(f.at))
	f.slots[id] = at
	f.at = append(f.at, -1)
	return at
}

// references are the slots of those before a message, the oldest first.
func (f *forest) references(rec summary.Record) []int32 {
	refs := rec.References()
	if len(refs) == 0 {
		if refs = rec.InReplyTo(); len(refs) > 1 {
			refs = refs[:1]
		}
	}
	if skip := len(refs) - maxReferences; skip > 0 {
		refs = slices.Delete(refs, 1, 1+skip)
	}
	slots := make([]int32, 0, len(refs))
	for _, r := range refs {
		if at := f.slot(normalID(r), false); at >= 0 {
			slots = append(slots, at)
		}
	}
	return slots
}

// normalID takes needless quotes from a message ID (RFC 5256 §3).
func normalID(id string) string {
	if !strings.HasPrefix(id, `"`) {
		return id
	}
	at := strings.LastIndex(id, `"@`)
	if at < 1 {
		return id
	}
	return strings.ReplaceAll(id[1:at], `\`, "") + id[at+1:]
}

// bySubject is ORDEREDSUBJECT: the first message of each subject, and below it the others.
func (f *forest) bySubject() {
	first := map[string]int{}
	order := make([]int, len(f.nodes))
	for i := range order {
		order[i] = i
	}
	f.sort(order, f.sentDate)
	for _, i := range order {
		if root, ok := first[f.nodes[i].subject]; ok {
			f.nodes[root].children = append(f.nodes[root].children, i)
		} else {
			first[f.nodes[i].subject] = i
			f.top = append(f.top, i)
		}
	}
}

// byReferences is steps 1 to 3 of REFERENCES.
func (f *forest) byReferences() {
	messages := len(f.nodes)
	for i := range messages { // those that are there have their IDs, the first ones of each
		if id := f.nodes[i].id; id >= 0 && f.at[id] < 0 {
			f.at[id] = int32(i)
		}
	}
	for i := range messages {
		f.linkReferences(i)
	}
	for i := range f.nodes {
		if p := f.nodes[i].parent; p >= 0 {
			f.nodes[p].children = append(f.nodes[p].children, i)
		}
	}
	f.prune()
	for i := range f.nodes {
		f.sort(f.nodes[i].children, f.sentDate)
	}
}

// linkReferences is step 1 for one message.
func (f *forest) linkReferences(i int) {
	last := -1
	for _, ref := range f.nodes[i].refs {
		at := f.node(ref)
		if last >= 0 && f.nodes[at].parent < 0 { // step 1.A
			f.link(last, at)
		}
		last = at
	}
	f.nodes[i].refs = nil
	f.nodes[i].parent = -1 // step 1.B: what others say of this message's parents counts less
	if last >= 0 {
		f.link(last, i)
	}
}

// node is the message of an ID, or a dummy.
func (f *forest) node(slot int32) int {
	if f.at[slot] < 0 {
		f.at[slot] = int32(len(f.nodes))
		f.nodes = append(f.nodes, treeNode{dummy: true, parent: -1})
	}
	return int(f.at[slot])
}

// link makes a the parent of b, unless that would be a loop.
func (f *forest) link(a, b int) {
	up := a
	for depth := 0; up >= 0; depth++ {
		if up == b || depth > maxThread {
			return
		}
		up = f.nodes[up].parent
	}
	f.nodes[b].parent = a
}

// prune is steps 2 and 3: dummies go, and their children take their places, but at the top only if there is but one.
func (f *forest) prune() {
	for _, i := range f.childrenFirst() {
		n := &f.nodes[i]
		var kept []int
		for _, c := range n.children {
			if f.nodes[c].dummy {
				kept = append(kept, f.nodes[c].children...)
			} else {
				kept = append(kept, c)
			}
		}
		n.children = kept
	}
	for i := range f.nodes {
		switch n := &f.nodes[i]; {
		case n.parent >= 0:
		case !n.dummy || len(n.children) > 1:
			f.top = append(f.top, i)
		case len(n.children) == 1:
			f.top = append(f.top, n.children[0])
		}
	}
}

// childrenFirst lists all nodes, children before their parents.
func (f *forest) childrenFirst() []int {
	order := make([]int, 0, len(f.nodes))
	for i := range f.nodes {
		if f.nodes[i].parent < 0 {
			order = append(order, i)
		}
	}
	for at := 0; at < len(order); at++ {
		order = append(order, f.nodes[order[at]].children...)
	}
	slices.Reverse(order)
	return order
}

// mergeSubjects is steps 4 and 5 of REFERENCES: threads of one subject become one.
func (f *forest) mergeSubjects() {
	f.sortTop(f.sentDate)
	table := map[string]int{}
	for _, i := range f.top {
		subject, reply := f.subject(i)
		t, taken := table[subject]
		switch {
		case subject == "":
		case !taken, !f.nodes[t].dummy && (f.nodes[i].dummy || f.isReply(t) && !reply):
			table[subject] = i
		}
	}
	var top []int
	at := map[int]int{} // where in top a node stands
	for _, i := range f.top {
		subject, reply := f.subject(i)
		t, ok := table[subject]
		if !ok || t == i {
			at[i] = len(top)
			top = append(top, i)
			continue
		}
		f.merge(i, t, reply, func(dummy int) {
			table[subject] = dummy
			if k, there := at[t]; there {
				top[k], at[dummy] = dummy, k
				return
			}
			top = append(top, dummy)
			at[dummy] = len(top) - 1
		})
	}
	f.top = f.without(top)
}

// merge puts thread i into the thread t of the same subject (step 5.C). replace puts a new dummy in t's place.
func (f *forest) merge(i, t int, reply bool, replace func(dummy int)) {
	switch {
	case f.nodes[t].dummy && f.nodes[i].dummy:
		f.nodes[t].children = append(f.nodes[t].children, f.nodes[i].children...)
	case f.nodes[t].dummy, reply && !f.isReply(t):
		f.nodes[t].children = append(f.nodes[t].children, i)
	default:
		f.nodes = append(f.nodes, treeNode{dummy: true, parent: -1, children: []int{t, i}})
		replace(len(f.nodes) - 1)
	}
}

// without drops what has become another's child from the threads: a dummy may have taken the place of one that comes later.
func (f *forest) without(top []int) []int {
	below := map[int]bool{}
	for _, i := range top {
		for _, c := range f.nodes[i].children {
			below[c] = true
		}
	}
	return slices.DeleteFunc(top, func(i int) bool { return below[i] })
}

// subject is a thread's subject, and whether that is a reply's: that of its first message.
func (f *forest) subject(i int) (string, bool) {
	if f.nodes[i].dummy {
		i = f.nodes[i].children[0]
	}
	return f.nodes[i].subject, f.nodes[i].reply
}

func (f *forest) isReply(i int) bool { _, reply := f.subject(i); return reply }

// sentDate is a message's date; a dummy's is that of its first child.
func (f *forest) sentDate(i int) int64 {
	if f.nodes[i].dummy {
		i = f.nodes[i].children[0]
	}
	return f.nodes[i].sent
}

// newest is when the last message of a thread came.
func (f *forest) newest(i int) int64 {
	latest := f.nodes[i].received
	for below := []int{i}; len(below) > 0; {
		n := &f.nodes[below[len(below)-1]]
		if below = append(below[:len(below)-1], n.children...); !n.dummy {
			latest = max(latest, n.received)
		}
	}
	return latest
}

// sortTop is step 6 for the threads themselves; those below have been sorted, but for what was merged.
func (f *forest) sortTop(date func(int) int64) {
	for _, i := range f.top {
		f.sort(f.nodes[i].children, f.sentDate)
	}
	f.sort(f.top, date)
}

// sort puts nodes into the order of their dates, those of one date as they lie in the mailbox.
func (f *forest) sort(nodes []int, date func(int) int64) {
	if len(nodes) < 2 {
		return
	}
	dates := make(map[int]int64, len(nodes))
	for _, i := range nodes {
		dates[i] = date(i)
	}
	slices.SortFunc(nodes, func(a, b int) int {
		return cmp.Or(cmp.Compare(dates[a], dates[b]), cmp.Compare(f.place(a), f.place(b)))
	})
}

func (f *forest) place(i int) int {
	if f.nodes[i].dummy {
		return f.nodes[i].children[0]
	}
	return i
}

// appendTo writes thread-lists (RFC 5256 §5).
func (f *forest) appendTo(b []byte) []byte {
	const closing = -1
	stack := slices.Clone(f.top)
	slices.Reverse(stack)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if i == closing {
			b = append(b, ')')
			continue
		}
		b = append(b, '(')
		for b = f.appendNumber(b, i); len(f.nodes[i].children) == 1; b = f.appendNumber(b, i) {
			i = f.nodes[i].children[0]
			if b[len(b)-1] != '(' {
				b = append(b, ' ')
			}
		}
		stack = append(stack, closing)
		if n := &f.nodes[i]; len(n.children) > 0 {
			if !n.dummy {
				b = append(b, ' ')
			}
			for _, c := range slices.Backward(n.children) {
				stack = append(stack, c)
			}
		}
	}
	return b
}

func (f *forest) appendNumber(b []byte, i int) []byte {
	if f.nodes[i].dummy {
		return b
	}
	return appendUint(b, f.nodes[i].number)
}
