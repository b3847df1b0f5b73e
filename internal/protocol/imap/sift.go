package imap

import (
	"slices"
	"time"

	"postroad/internal/model/mailbox"
)

// Most of a large folder is of no interest to a search: whole pages of it are passed by what is known of them.

// siftFunc is a criterion's sift.
type siftFunc = func(m *matching, first int, p *mailbox.Page) mailbox.Bits

// siftAll sifts by those of several criteria that can, all of which must be met.
func siftAll(keys []criterion) (sift siftFunc, exact bool) {
	var some []siftFunc
	exact = true
	for _, k := range keys {
		exact = exact && k.exact
		if k.sift != nil {
			some = append(some, k.sift)
		}
	}
	if some == nil {
		return nil, false
	}
	return func(m *matching, first int, p *mailbox.Page) mailbox.Bits {
		b := p.All()
		for _, sift := range some {
			if b = b.And(sift(m, first, p)); b == (mailbox.Bits{}) {
				break
			}
		}
		return b
	}, exact
}

// siftAny sifts by several criteria, one of which must be met, if all of them can.
func siftAny(keys []criterion) (sift siftFunc, exact bool) {
	exact = true
	for _, k := range keys {
		exact = exact && k.exact
		if k.sift == nil {
			return nil, false
		}
	}
	return func(m *matching, first int, p *mailbox.Page) (b mailbox.Bits) {
		for _, k := range keys {
			b = b.Or(k.sift(m, first, p))
		}
		return b
	}, exact
}

// extent is what pages and groups tell of their rows.
type extent interface {
	ModSeq() mailbox.ModSeq
	Received() (oldest, newest int64)
}

// extent makes a criterion sift whole pages and groups.
func (k *criterion) extent(may func(m *matching, e extent) bool) {
	k.sift = func(m *matching, _ int, p *mailbox.Page) mailbox.Bits {
		if may(m, p) {
			return p.All()
		}
		return mailbox.Bits{}
	}
	k.judge = func(m *matching, g *mailbox.Group) verdict {
		if may(m, g) {
			return perhaps
		}
		return none
	}
}

// everything is met by all messages.
func everything() criterion {
	k := onRow(func(*mailbox.Row) bool { return true })
	k.exact, k.sift = true, func(_ *matching, _ int, p *mailbox.Page) mailbox.Bits { return p.All() }
	k.judge = func(*matching, *mailbox.Group) verdict { return all }
	return k
}

// flagKey is met by messages that have a system flag.
func flagKey(flag mailbox.Flags) criterion {
	k := onRow(func(r *mailbox.Row) bool { return r.Flags&flag != 0 })
	k.exact, k.sift = true, func(_ *matching, _ int, p *mailbox.Page) mailbox.Bits { return p.Flagged(flag) }
	k.judge = func(_ *matching, g *mailbox.Group) verdict {
		switch {
		case g.Some()&flag == 0:
			return none
		case g.Each()&flag != 0:
			return all
		}
		return perhaps
	}
	return k
}

// keywordKey is met by messages that have a keyword. Messages often share their sets of them.
func keywordKey(word string) criterion {
	var last *mailbox.Keywords
	has := false
	is := func(k *mailbox.Keywords) bool {
		if k == nil {
			return false
		}
		if k != last {
			last, has = k, k.Has(word)
		}
		return has
	}
	k := onRow(func(r *mailbox.Row) bool { return is(r.Keywords) })
	k.exact, k.sift = true, func(_ *matching, _ int, p *mailbox.Page) (b mailbox.Bits) {
		some := p.Keyworded()
		for k := some.Next(0); k < mailbox.PageRows; k = some.Next(k + 1) {
			if is(p.At(k).Keywords) {
				b = b.Or(mailbox.Run(k, k+1))
			}
		}
		return b
	}
	k.judge = func(_ *matching, g *mailbox.Group) verdict {
		if g.Keyworded() {
			return perhaps
		}
		return none
	}
	return k
}

// receivedKey compares days of arrival, each in the zone that it was told in.
func receivedKey(name string, day time.Time) criterion {
	const zones = 100 * 60 * 60 // none is as far from UTC: +9999
	is := compareDay(name, day)
	start := day.Unix()
	end := start + 24*60*60
	k := onRow(func(r *mailbox.Row) bool {
		sec, zone := r.ReceivedUnix()
		return is(sec + int64(zone)*60)
	})
	k.extent(func(_ *matching, e extent) bool {
		oldest, newest := e.Received()
		return (name == "SINCE" || oldest-zones < end) && (name == "BEFORE" || newest+zones >= start)
	})
	return k
}

// verdict is what is known of all rows of a group.
type verdict int8

const (
	none    verdict = -1
	perhaps verdict = 0
	all     verdict = 1
)

// judgeFunc is a criterion's judge.
type judgeFunc = func(m *matching, g *mailbox.Group) verdict

// judgeAll judges by those of several criteria that can, all of which must be met.
func judgeAll(keys []criterion) judgeFunc {
	if !anyJudges(keys) {
		return nil
	}
	return func(m *matching, g *mailbox.Group) verdict {
		v := all
		for _, k := range keys {
			if v = min(v, k.judged(m, g)); v == none {
				break
			}
		}
		return v
	}
}

// judgeAny judges by several criteria, one of which must be met.
func judgeAny(keys []criterion) judgeFunc {
	if !anyJudges(keys) {
		return nil
	}
	return func(m *matching, g *mailbox.Group) verdict {
		v := none
		for _, k := range keys {
			if v = max(v, k.judged(m, g)); v == all {
				break
			}
		}
		return v
	}
}

func anyJudges(keys []criterion) bool {
	return slices.ContainsFunc(keys, func(k criterion) bool { return k.judge != nil })
}

func (k *criterion) judged(m *matching, g *mailbox.Group) verdict {
	if k.judge == nil {
		return perhaps
	}
	return k.judge(m, g)
}

// sifting finds the next place that is to be looked at.
type sifting struct {
	m   *matching
	key *criterion
	q   *searching

	from  int           // no message before this place is looked at
	start int           // place of the first row of the page at hand
	end   int           // and behind its last
	now   *mailbox.Page // the page as it is now; nil: its rows have to be looked for one by one
	rest  mailbox.Bits
}

// next is the first place from at on whose message may be met, and the message; nil if that is gone. ok is false at the end. Pages
// of which all is known are dealt with on the way.
func (f *sifting) next(at int) (place int, row *mailbox.Row, ok bool) {
	sc := f.m.scope
	for {
		if at >= f.end && !f.load(at) {
			return at, nil, false
		}
		if f.now == nil {
			return at, sc.row(at), true
		}
		if k := f.rest.Next(at - f.start); k < mailbox.PageRows {
			return f.start + k, f.now.At(k), true
		}
		at = f.end
	}
}

// pass deals with the group that begins with a page, if all is known of it.
func (f *sifting) pass(page, start int) bool {
	sc := f.m.scope
	if f.key.judge == nil {
		return false
	}
	g, end := sc.shown.GroupIn(sc.fresh, page)
	if g == nil || start < f.from {
		return false
	}
	switch f.key.judge(f.m, g) {
	case perhaps:
		return false
	case all:
		if !f.q.addGroup(start, end, g) {
			return false
		}
	}
	f.start, f.end = start, end
	f.now, f.rest = nothing, mailbox.Bits{}
	return true
}

// nothing stands for pages that have been dealt with.
var nothing = &mailbox.Page{}

// step looks at some messages from place at on, as many as should be looked at in one snapshot, and returns where to go on.
func (f *sifting) step(at int) (int, error) {
	m := f.m
	for range searchBatch {
		place, row, ok := f.next(at)
		if !ok {
			return m.scope.shown.Len(), nil
		}
		if at = place + 1; row == nil {
			continue
		}
		m.score, m.scores = 0, 0
		hit, err := m.matches(f.key, place, row)
		if err != nil {
			return at, err
		}
		if hit {
			f.q.add(place, row, m.relevancy())
		}
		if m.read >= searchBytes {
			break
		}
	}
	return at, nil
}

// load sifts the page that begins at a place.
func (f *sifting) load(at int) bool {
	sc := f.m.scope
	if at >= sc.shown.Len() {
		return false
	}
	p, start := sc.shown.PageOf(at)
	if f.pass(p, start) {
		return true
	}
	f.now, _ = sc.shown.PageIn(sc.fresh, p)
	f.start, f.end = start, sc.shown.PageEnd(p)
	if f.now == nil {
		return true
	}
	f.rest = f.now.All()
	if f.key.sift != nil {
		f.rest = f.key.sift(f.m, start, f.now)
	}
	if start < f.from {
		f.rest = f.rest.And(mailbox.Run(f.from-start, mailbox.PageRows))
	}
	if f.key.exact {
		f.q.addAll(start, f.now, f.rest)
		f.rest = mailbox.Bits{}
	}
	return true
}
