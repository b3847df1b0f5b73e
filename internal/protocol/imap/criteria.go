package imap

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"

	"postroad/internal/model/mailbox"
)

// cost is what a criterion has to look at.
type cost int

const (
	byRow     cost = iota // the view
	byRecord              // the stored summary
	byContent             // the message itself
)

// criterion is a search key, ready to be asked of messages. at is a message's place in the client's view.
type criterion struct {
	cost  cost
	match func(m *matching, at int, r *mailbox.Row) (bool, error)
	// sift, if not nil, tells of a page's rows which may meet the criterion, and if exact which do: without looking at each. first is the
	// place of the first of them.
	sift  func(m *matching, first int, p *mailbox.Page) mailbox.Bits
	exact bool
	// judge, if not nil, tells of a group at once whether none of its rows, or all, meet the criterion.
	judge judgeFunc
	// where, if not nil, gives the messages that numbers or UIDs let in, of which some may not meet the criterion.
	where whereFunc
}

// onRow is a criterion that needs only the view's row.
func onRow(is func(r *mailbox.Row) bool) criterion {
	return criterion{cost: byRow, match: func(_ *matching, _ int, r *mailbox.Row) (bool, error) { return is(r), nil }}
}

// allOf is met if all are; the cheap ones are asked first.
func allOf(keys []criterion) criterion {
	if len(keys) == 1 {
		return keys[0]
	}
	keys = byCost(keys)
	k := criterion{cost: maxCost(keys), match: func(m *matching, at int, r *mailbox.Row) (bool, error) {
		for i := range keys {
			if ok, err := keys[i].match(m, at, r); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}}
	k.sift, k.exact = siftAll(keys)
	k.judge = judgeAll(keys)
	k.where = whereAll(keys)
	return k
}

// anyOf is met if one of them is.
func anyOf(keys []criterion) criterion {
	keys = byCost(keys)
	k := criterion{cost: maxCost(keys), match: func(m *matching, at int, r *mailbox.Row) (bool, error) {
		for i := range keys {
			if ok, err := keys[i].match(m, at, r); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}}
	k.sift, k.exact = siftAny(keys)
	k.judge = judgeAny(keys)
	return k
}

func not(k criterion) criterion {
	n := criterion{cost: k.cost, match: func(m *matching, at int, r *mailbox.Row) (bool, error) {
		ok, err := k.match(m, at, r)
		return !ok && err == nil, err
	}}
	if k.judge != nil {
		n.judge = func(m *matching, g *mailbox.Group) verdict { return -k.judge(m, g) }
	}
	if k.exact {
		n.exact, n.sift = true, func(m *matching, first int, p *mailbox.Page) mailbox.Bits { return p.All().Less(k.sift(m, first, p)) }
	}
	return n
}

func byCost(keys []criterion) []criterion {
	slices.SortStableFunc(keys, func(a, b criterion) int { return cmp.Compare(a.cost, b.cost) })
	return keys
}

func maxCost(keys []criterion) (c cost) {
	for i := range keys {
		c = max(c, keys[i].cost)
	}
	return c
}

// searchKeys consumes search-key *(SP search-key), all of which must be met, until end says so.
func (s *session) searchKeys(q *searching, end func() bool) criterion {
	keys := []criterion{s.searchKey(q)}
	for s.dec.ok() && !end() && s.dec.trySP() {
		if end() {
			break // spaces at the end of the line
		}
		keys = append(keys, s.searchKey(q))
	}
	return allOf(keys)
}

// searchKey consumes a search-key (RFC 9051 §9).
func (s *session) searchKey(q *searching) criterion {
	d := &s.dec
	if !d.enter() {
		return criterion{}
	}
	defer func() { d.depth-- }()
	switch c := d.peek(); {
	case c == '(':
		d.special('(')
		k := s.searchKeys(q, func() bool { return d.peek() == ')' })
		d.special(')')
		return k
	case isDigit(c) || c == '*' || c == '$':
		return s.numberKey(q)
	}
	name := d.keyword()
	if d.err != nil {
		return criterion{}
	}
	if k, ok := plainKey(name); ok {
		return k
	}
	if k, ok := s.recentKey(name); ok {
		return k
	}
	if name != "" && d.ok() {
		d.sp()
	}
	if k, ok := s.argumentKey(q, name); ok {
		return k
	}
	d.fail("no such search key")
	return criterion{}
}

// numberKey is a sequence-set: messages by number, or "$".
func (s *session) numberKey(q *searching) criterion {
	sent := s.messageSet()
	if sent.saved {
		return savedKey(s.saved)
	}
	if s.uidOnly && s.dec.ok() { // RFC 9586 §3.5
		s.dec.err = errUIDRequired
	}
	s.numbered = true // RFC 9051 §7.5.1, of UID SEARCH
	set := slices.Clone(sent.set)
	if q.update { // RFC 5267 §4.3: these are the messages that have the numbers now
		msgs, _ := s.resolveNumbers(set)
		return uidKey(uidSet(msgs.uids(s.sel.shown)))
	}
	var of *scope
	var resolved numSet
	in := func(m *matching) numSet {
		if m.scope != of {
			of, resolved = m.scope, slices.Clone(set).resolve(uint32(max(1, m.scope.shown.Len())))
		}
		return resolved
	}
	return criterion{
		cost: byRow,
		where: func(sc *scope) messages {
			msgs, _ := numbersIn(sc.shown, set)
			return msgs
		},
		match: func(m *matching, at int, _ *mailbox.Row) (bool, error) { return in(m).contains(uint32(at + 1)), nil },
		exact: true,
		sift: func(m *matching, first int, p *mailbox.Page) (b mailbox.Bits) {
			for _, r := range in(m).within(uint32(first+1), uint32(first+p.Len())) {
				b = b.Or(mailbox.Run(int(r.lo)-1-first, int(r.hi)-first))
			}
			return b.And(p.All())
		},
	}
}

func uidKey(set numSet) criterion { return inUIDs(func(*scope) numSet { return set }) }

// inUIDs is met by messages whose UIDs are in a set.
func inUIDs(in func(sc *scope) numSet) criterion {
	return criterion{
		cost: byRow,
		match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
			return in(m.scope).contains(uint32(r.UID)), nil
		},
		where: func(sc *scope) messages { return byUID(sc.shown, in(sc)) },
		exact: true,
		sift: func(m *matching, _ int, p *mailbox.Page) (b mailbox.Bits) {
			for _, r := range in(m.scope).within(uint32(p.At(0).UID), uint32(p.At(p.Len()-1).UID)) {
				b = b.Or(p.UIDs(mailbox.UID(r.lo), mailbox.UID(r.hi)))
			}
			return b
		},
	}
}

// savedKey is "$", which are messages of the selected folder (RFC 5182 §2.1).
func savedKey(set numSet) criterion {
	return inUIDs(func(sc *scope) numSet {
		if sc.sel == nil {
			return nil
		}
		return set
	})
}

// uidsKey is a set of UIDs, in which "*" is the largest of the folder that is searched.
func uidsKey(set numSet) criterion {
	var of *scope
	var resolved numSet
	return inUIDs(func(sc *scope) numSet {
		if sc != of {
			of, resolved = sc, slices.Clone(set).resolve(largestUID(sc.shown))
		}
		return resolved
	})
}

// plainKey is a key without arguments.
func plainKey(name string) (criterion, bool) {
	if flag, ok := flagKeys[name]; ok {
		return flagKey(flag), true
	}
	if rest, ok := bytes.CutPrefix([]byte(name), []byte("UN")); ok {
		if flag, ok := flagKeys[string(rest)]; ok {
			return not(flagKey(flag)), true
		}
	}
	switch name {
	case "ALL", "SAVEDATESUPPORTED": // RFC 8514 §4.3
		return everything(), true
	}
	return criterion{}, false
}

var flagKeys = map[string]mailbox.Flags{
	"ANSWERED": mailbox.Answered, "DELETED": mailbox.Deleted, "DRAFT": mailbox.Draft,
	"FLAGGED": mailbox.Flagged, "SEEN": mailbox.Seen,
}

// recentKey: RFC 3501 §6.4.4.
func (s *session) recentKey(name string) (criterion, bool) {
	recent := inUIDs(func(sc *scope) numSet {
		if sc.sel == nil {
			return nil
		}
		return sc.sel.recent
	})
	switch name {
	case "RECENT":
		return recent, true
	case "OLD":
		return not(recent), true
	case "NEW":
		return allOf([]criterion{recent, not(flagKey(mailbox.Seen))}), true
	}
	return criterion{}, false
}

// argumentKey is a key with arguments, which stand next.
func (s *session) argumentKey(q *searching, name string) (criterion, bool) {
	d := &s.dec
	switch name {
	case "NOT":
		return not(s.searchKey(q)), true
	case "OR":
		a := s.searchKey(q)
		d.sp()
		return anyOf([]criterion{a, s.searchKey(q)}), true
	case "UID":
		sent := s.messageSet()
		if sent.saved {
			return savedKey(s.saved), true
		}
		return uidsKey(slices.Clone(sent.set)), true
	case "UIDAFTER": // RFC 9738 §3.2
		return uidKey(numSet{{1, math.MaxUint32}}.above(d.nzNumber())), true
	case "UIDBEFORE":
		return uidKey(numSet{{1, math.MaxUint32}}.below(d.nzNumber())), true
	case "FILTER": // RFC 5466 §3.1
		return s.filterKey(q), true
	case "FUZZY": // RFC 6203 §3
		return s.fuzzyKey(q), true
	case "KEYWORD", "UNKEYWORD":
		word, has := string(d.atom()), name == "KEYWORD"
		if k := keywordKey(word); has {
			return k, true
		} else {
			return not(k), true
		}
	case "LARGER":
		n := d.number64()
		return onRow(func(r *mailbox.Row) bool { return r.Size > n }), true
	case "SMALLER":
		n := d.number64()
		return onRow(func(r *mailbox.Row) bool { return r.Size < n }), true
	case "MODSEQ":
		return s.modSeqKey(q), true
	case "EMAILID": // RFC 8474 §6
		id := string(d.astring())
		return criterion{cost: byRecord, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
			is, err := s.appendEmailID(nil, m.scope.mail, m.batch, r)
			return string(is) == id, err
		}}, true
	case "THREADID":
		d.astring()
		return onRow(func(*mailbox.Row) bool { return false }), true
	}
	if k, ok := s.dateKey(name); ok {
		return k, true
	}
	return s.textKey(q, name)
}

// modSeqKey: RFC 7162 §3.1.5. An entry name may stand before the number; one counter serves all entries.
func (s *session) modSeqKey(q *searching) criterion {
	d := &s.dec
	q.modseq = true
	if d.peek() == '"' {
		d.quoted()
		d.sp()
		switch d.keyword() {
		case "ALL", "PRIV", "SHARED":
		default:
			d.expected("all, priv or shared")
		}
		d.sp()
	}
	n := mailbox.ModSeq(d.number64())
	k := onRow(func(r *mailbox.Row) bool { return r.ModSeq() >= n })
	k.extent(func(_ *matching, e extent) bool { return e.ModSeq() >= n })
	return k
}

// dateKey compares dates, or ages (RFC 5032).
func (s *session) dateKey(name string) (criterion, bool) {
	d := &s.dec
	switch name {
	case "BEFORE", "ON", "SINCE":
		return receivedKey(name, d.date()), true
	case "SAVEDBEFORE", "SAVEDON", "SAVEDSINCE": // RFC 8514 §4.3
		is := compareDay(name[len("SAVED"):], d.date())
		return onRow(func(r *mailbox.Row) bool { return is(r.Saved().Unix()) }), true
	case "SENTBEFORE", "SENTON", "SENTSINCE":
		is := compareDay(name[len("SENT"):], d.date())
		return criterion{cost: byRecord, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
			rec, err := m.record(r)
			t, ok := rec.SentDate()
			_, zone := t.Zone()
			return ok && is(t.Unix()+int64(zone)), err
		}}, true
	case "YOUNGER", "OLDER":
		age := int64(d.nzNumber())
		k := criterion{cost: byRow, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
			sec, _ := r.ReceivedUnix()
			if name == "YOUNGER" {
				return sec >= m.now-age, nil
			}
			return sec <= m.now-age, nil
		}}
		k.extent(func(m *matching, e extent) bool {
			oldest, newest := e.Received()
			return name == "YOUNGER" && newest >= m.now-age || name == "OLDER" && oldest <= m.now-age
		})
		return k, true
	}
	return criterion{}, false
}

// compareDay compares local times, as Unix seconds of the same clock in UTC, with a day: times
// of day and zones don't count (RFC 9051 §6.4.4).
func compareDay(how string, day time.Time) func(local int64) bool {
	start := day.Unix()
	end := start + 24*60*60
	switch how {
	case "BEFORE":
		return func(t int64) bool { return t < start }
	case "ON":
		return func(t int64) bool { return start <= t && t < end }
	}
	return func(t int64) bool { return t >= start }
}
