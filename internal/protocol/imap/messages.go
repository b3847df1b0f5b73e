package imap

import (
	"iter"
	"slices"

	"postroad/internal/model/mailbox"
)

// messages are some of a view's rows: runs of places, ascending and apart.
type messages []span

// span is the places from lo to hi-1.
type span struct{ lo, hi int }

// sentSet is a set of messages as the client sent it: a sequence-set, or "$" for the result of the last SEARCH.
type sentSet struct {
	set   numSet
	saved bool
}

// messageSet consumes a set. It must be resolved before another is consumed.
func (s *session) messageSet() sentSet {
	set, saved := s.dec.sequenceSet()
	return sentSet{set, saved}
}

// resolve finds the messages of a set in the view that the client knows: by UID if the command was
// prefixed so, where those that don't exist are skipped (RFC 9051 §6.4.9); else by number, where they are an error.
func (s *session) resolve(set sentSet) (messages, error) {
	v := s.sel.shown
	switch {
	case set.saved:
		return byUID(v, s.saved), nil
	case s.byUID:
		return byUID(v, set.set.resolve(largestUID(v))), nil
	}
	return byNumber(v, set.set)
}

// wholeSet is a resolved set of UIDs with those that don't exist. It is valid as long as set is.
func (s *session) wholeSet(set sentSet) numSet {
	if set.saved {
		return s.saved
	}
	return set.set.resolve(largestUID(s.sel.shown))
}

// byNumber finds messages by their numbers.
func byNumber(v *mailbox.View, set numSet) (messages, error) {
	n := uint32(v.Len())
	for _, r := range set { // RFC 9051 §9, seq-number: "*" too if there is no message
		if r.lo > n || r.hi > n || n == 0 {
			return nil, bad("no such message number")
		}
	}
	set = set.resolve(n)
	m := make(messages, len(set))
	for i, r := range set {
		m[i] = span{int(r.lo) - 1, int(r.hi)}
	}
	return m, nil
}

// resolveNumbers is byNumber for searches, where numbers of messages that don't exist are no error (RFC 7377 §2).
func (s *session) resolveNumbers(set numSet) (messages, error) { return numbersIn(s.sel.shown, set) }

func numbersIn(v *mailbox.View, set numSet) (messages, error) {
	if v.Len() == 0 {
		return nil, nil
	}
	return byNumber(v, slices.Clone(set).resolve(uint32(v.Len())).intersect(numSet{{1, uint32(v.Len())}}))
}

// byUID finds the messages of a resolved set of UIDs.
func byUID(v *mailbox.View, set numSet) messages {
	m := make(messages, 0, len(set))
	for _, r := range set {
		lo, _ := v.Find(mailbox.UID(r.lo))
		hi, ok := v.Find(mailbox.UID(r.hi))
		if ok {
			hi++
		}
		if lo < hi {
			m = append(m, span{lo, hi})
		}
	}
	return m
}

// largestUID is the UID of a view's last message, 0 if there is none.
func largestUID(v *mailbox.View) uint32 {
	if n := v.Len(); n > 0 {
		return uint32(v.At(n - 1).UID)
	}
	return 0
}

func (m messages) empty() bool { return len(m) == 0 }

func (m messages) count() int {
	n := 0
	for _, s := range m {
		n += s.hi - s.lo
	}
	return n
}

// part is those that PARTIAL asks for.
func (m messages) part(p *partialRange) (some messages) {
	lo, hi := p.clip(m.count())
	at := 0
	for _, s := range m {
		n := s.hi - s.lo
		if from, to := max(lo-at, 0), min(hi-at, n); from < to {
			some = append(some, span{s.lo + from, s.lo + to})
		}
		at += n
	}
	return some
}

// has reports whether place i is among them.
func (m messages) has(i int) bool {
	k, _ := slices.BinarySearchFunc(m, i, func(s span, i int) int { return s.hi - 1 - i })
	return k < len(m) && m[k].lo <= i
}

// rows gives the messages' places and rows.
func (m messages) rows(v *mailbox.View) iter.Seq2[int, *mailbox.Row] {
	return func(yield func(int, *mailbox.Row) bool) {
		for _, s := range m {
			for i, r := range v.All(s.lo, s.hi) {
				if !yield(i, r) {
					return
				}
			}
		}
	}
}

// uids lists the messages' UIDs.
func (m messages) uids(v *mailbox.View) []mailbox.UID {
	out := make([]mailbox.UID, 0, m.count())
	for _, r := range m.rows(v) {
		out = append(out, r.UID)
	}
	return out
}

// uidSet makes a set of ascending UIDs.
func uidSet(uids []mailbox.UID) numSet {
	var set numSet
	for _, u := range uids {
		set = set.add(uint32(u))
	}
	return set
}
