package imap

import (
	"cmp"
	"context"
	"slices"

	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// searchContext is a search with UPDATE: the client is told what enters and leaves its result (RFC 5267 §4.3).
type searchContext struct {
	tag      string
	byUID    bool
	key      criterion
	sort     []sortKey // nil: in mailbox order
	members  []member  // in that order
	news     []attribute
	newsRead bool
}

// member is a message in a search's result. There may be very many.
type member struct {
	uid  mailbox.UID
	rank *rank // nil: the result is in mailbox order
}

// rank is what a member is sorted by.
type rank struct {
	numbers []int64
	texts   []string
}

// A session may have so many contexts on its folder, with so many members together. One is always possible.
const (
	maxContexts = 16
	maxMembers  = 200_000
)

// maxContextWork is how many changes times members one update may cost: each change goes through the members. Beyond it the
// context ends, which the client is told (RFC 5267 §4.3.1).
const maxContextWork = 1 << 30

// endContext ends a context before its time.
func (s *session) endContext(c *searchContext) {
	s.noUpdate(c.tag)
	s.sel.contexts = slices.DeleteFunc(s.sel.contexts, func(o *searchContext) bool { return o == c })
}

// context finds the context of a tag; -1 if there is none.
func (sel *selected) context(tag string) int {
	return slices.IndexFunc(sel.contexts, func(c *searchContext) bool { return c.tag == tag })
}

// watchSearch completes a search; with UPDATE its result is kept up to date from now on.
func (s *session) watchSearch(ctx context.Context, q *searching, key criterion, text string) (reply, error) {
	if !q.update {
		return reply{text: text}, nil
	}
	members := q.total
	for _, c := range s.sel.contexts {
		members += len(c.members)
	}
	if n := len(s.sel.contexts); s.wasCut() || n > 0 && (n >= maxContexts || members > maxMembers) {
		s.noUpdate(string(s.tag))
		return reply{text: text}, nil
	}
	c := &searchContext{tag: string(s.tag), byUID: q.byUID, key: key, sort: q.sort, news: q.news, newsRead: q.newsRead}
	var err error
	if c.members, err = s.membersOf(ctx, c, q); err != nil {
		return reply{}, err
	}
	s.sel.contexts = append(s.sel.contexts, c)
	return reply{text: text + ", and you will hear of changes"}, nil
}

// noUpdate: RFC 5267 §4.3.1.
func (s *session) noUpdate(tag string) {
	s.out.line(`* NO [NOUPDATE "`, tag, `"] you will not hear of changes`)
}

func (s *session) membersOf(ctx context.Context, c *searchContext, q *searching) ([]member, error) {
	if c.sort != nil {
		return s.ranked(ctx, c.sort, q.hits)
	}
	members := make([]member, 0, q.total)
	for _, r := range q.uids {
		for uid := uint64(r.lo); uid <= uint64(r.hi); uid++ {
			members = append(members, member{uid: mailbox.UID(uid)})
		}
	}
	return members, nil
}

// ranked makes members of hits, with what they are sorted by.
func (s *session) ranked(ctx context.Context, keys []sortKey, hits []hit) ([]member, error) {
	members := make([]member, len(hits))
	for i := range hits {
		members[i].uid = hits[i].row.UID
	}
	if keys == nil {
		return members, nil
	}
	err := s.eachRecord(ctx, hits, true, func(i int, rec summary.Record) {
		r := &rank{}
		for _, k := range keys {
			if k.number != nil {
				r.numbers = append(r.numbers, k.number(&hits[i], rec))
			} else {
				r.texts = append(r.texts, k.text(rec))
			}
		}
		members[i].rank = r
	})
	return members, err
}

// compare says which of two members comes first.
func (c *searchContext) compare(a, b member) int {
	numbers, texts := 0, 0
	for _, k := range c.sort {
		order := 0
		if k.number != nil {
			order = cmp.Compare(a.rank.numbers[numbers], b.rank.numbers[numbers])
			numbers++
		} else {
			order = cmp.Compare(a.rank.texts[texts], b.rank.texts[texts])
			texts++
		}
		if k.reverse {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.uid, b.uid)
}

// find is the index of a message among the members; -1 if it isn't one.
func (c *searchContext) find(uid mailbox.UID) int {
	if c.sort == nil {
		if i, ok := slices.BinarySearchFunc(c.members, member{uid: uid}, c.compare); ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(c.members, func(m member) bool { return m.uid == uid })
}

// changes are the pairs of ADDTO or REMOVEFROM, as they are sent.
type changes struct {
	c     *searchContext
	v     *mailbox.View // whose places are the numbers
	set   numSet        // in mailbox order: one pair is enough
	pairs []byte
}

// note adds a message at an index of the members.
func (ch *changes) note(i int, uid mailbox.UID) {
	n := uint32(uid)
	if !ch.c.byUID {
		place, _ := ch.v.Find(uid)
		n = uint32(place + 1)
	}
	if ch.c.sort == nil {
		ch.set = ch.set.put(n)
		return
	}
	if len(ch.pairs) > 0 {
		ch.pairs = append(ch.pairs, ' ')
	}
	ch.pairs = appendUint(append(appendUint(ch.pairs, uint32(i+1)), ' '), n)
}

// appendTo writes the item, if there is anything to tell.
func (ch *changes) appendTo(b []byte, name string) []byte {
	switch {
	case len(ch.set) > 0:
		b = append(append(b, name...), " (0 "...)
		b = ch.set.join().appendTo(b)
	case len(ch.pairs) > 0:
		b = append(append(append(b, name...), " ("...), ch.pairs...)
	default:
		return b
	}
	return append(b, ')')
}

// remove takes a message from the result.
func (c *searchContext) remove(ch *changes, uid mailbox.UID) {
	if i := c.find(uid); i >= 0 {
		c.members = slices.Delete(c.members, i, i+1)
		ch.note(i, uid)
	}
}

// insert puts a message into the result.
func (c *searchContext) insert(ch *changes, m member) {
	i, there := slices.BinarySearchFunc(c.members, m, c.compare)
	if !there {
		c.members = slices.Insert(c.members, i, m)
		ch.note(i, m.uid)
	}
}

// sendChanges sends an ESEARCH response, if there is anything to tell.
func (s *session) sendChanges(c *searchContext, removed, added *changes) {
	head := s.appendTag([]byte("* ESEARCH ("), []byte(c.tag))
	head = append(head, ')')
	if c.byUID {
		head = append(head, " UID"...)
	}
	b := added.appendTo(removed.appendTo(head, " REMOVEFROM"), " ADDTO")
	if len(b) > len(head) {
		s.out.set(append(append(s.out.buf(), b...), crlf...))
	}
}

// forget takes expunged messages from results, before the client hears that they are gone (RFC 5267 §4.3.4).
func (s *session) forget(old *mailbox.View, places []int) {
	if len(places) == 0 {
		return
	}
	for _, c := range slices.Clone(s.sel.contexts) {
		if len(places)*len(c.members) > maxContextWork {
			s.endContext(c)
			continue
		}
		removed := &changes{c: c, v: old}
		for _, i := range places {
			c.remove(removed, old.At(i).UID)
		}
		s.sendChanges(c, removed, &changes{})
	}
}

// updateContexts looks at what is new in the view that the client has just been told of.
func (s *session) updateContexts(ctx context.Context, d mailbox.Diff) {
	for _, c := range slices.Clone(s.sel.contexts) {
		if err := s.updateContext(ctx, c, d); err != nil {
			s.log.Error("imap: search with UPDATE", "login", s.who.Login, "error", err)
			s.endContext(c)
		}
	}
}

func (s *session) updateContext(ctx context.Context, c *searchContext, d mailbox.Diff) error {
	sc := s.selectedScope()
	places := slices.Clone(d.Changed)
	for i := d.Added; i < sc.shown.Len(); i++ {
		places = append(places, i)
	}
	if len(places) == 0 {
		return nil
	}
	if len(places)*len(c.members) > maxContextWork {
		s.endContext(c)
		return nil
	}
	hits, err := s.evaluate(ctx, c, sc, places)
	if err != nil {
		return err
	}
	removed, added := &changes{c: c, v: sc.shown}, &changes{c: c, v: sc.shown}
	var fresh []hit
	for at, i := 0, 0; at < len(places); at++ {
		hit := i < len(hits) && hits[i].place == places[at]
		uid := sc.shown.At(places[at]).UID
		switch is := c.find(uid) >= 0; {
		case hit && !is:
			fresh = append(fresh, hits[i])
		case !hit && is:
			c.remove(removed, uid)
		}
		if hit {
			i++
		}
	}
	members, err := s.ranked(ctx, c.sort, fresh)
	if err != nil {
		return err
	}
	for _, m := range members {
		c.insert(added, m)
	}
	if err := s.tellNews(ctx, c, fresh, d.Added); err != nil {
		return err
	}
	s.sendChanges(c, removed, added)
	return nil
}

// evaluate asks a context's key about some places.
func (s *session) evaluate(ctx context.Context, c *searchContext, sc *scope, places []int) (hits []hit, err error) {
	m := &matching{s: s, now: s.srv.now().Unix(), scope: sc, few: len(places) < fewMessages}
	for at := 0; at < len(places); {
		err := searchStep(ctx, sc.mail, c.key.cost, func(b *mailbox.Batch) error {
			m.begin(b)
			for end := min(len(places), at+searchBatch); at < end && m.read < searchBytes; at++ {
				row := sc.shown.At(places[at])
				m.score, m.scores = 0, 0
				ok, err := m.matches(&c.key, places[at], row)
				if err != nil {
					return err
				}
				if ok {
					hits = append(hits, hit{row, places[at], m.relevancy()})
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return hits, nil
}

// tellNews sends what the client wants to know of new messages in a result (RFC 5465 §7). Those that were there before are
// none.
func (s *session) tellNews(ctx context.Context, c *searchContext, hits []hit, added int) error {
	if len(c.news) == 0 {
		return nil
	}
	f := &fetching{s: s, atts: c.news, records: c.newsRead, fresh: s.sel.shown}
	for _, h := range hits {
		if h.place >= added {
			f.msgs = append(f.msgs, span{h.place, h.place + 1})
		}
	}
	return f.run(ctx)
}

// cancelUpdate: RFC 5267 §4.3.5.
func (s *session) cancelUpdate(context.Context) (reply, error) {
	var tags []string
	for s.dec.ok() && !s.dec.atEnd() {
		s.dec.sp()
		tags = append(tags, string(s.dec.quoted()))
	}
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if len(tags) == 0 {
		return reply{}, bad("CANCELUPDATE of what?")
	}
	for _, tag := range tags {
		if i := s.sel.context(tag); i >= 0 {
			s.sel.contexts = slices.Delete(s.sel.contexts, i, i+1)
		}
	}
	return reply{text: "no further updates"}, nil
}
