package junk

import (
	"bytes"
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/model"
	"postroad/internal/service/junk/signs"
)

// mostLessons is how many messages one look at an account teaches. Who moves more at once has made the point with these.
const mostLessons = 500

// lesson is a message that gets a label.
type lesson struct {
	item mailbox.ItemAt
	labelled
	had label // that it is to lose
	at  time.Time
	// known: it has been learned, and only its keyword is missing.
	known bool
}

// Learn learns from what has happened in an account since it was looked at. It is what Run does; calling it is for those who can't wait.
func (s *Service) Learn(ctx context.Context, id ident.AccountID) error {
	return s.learn(ctx, id, false)
}

// learn is Learn; old: what the log has may be from before there was anybody to mark what is put into the junk on arrival.
func (s *Service) learn(ctx context.Context, id ident.AccountID, old bool) error {
	for {
		more, err := s.look(ctx, id, old)
		if err != nil || !more {
			return err
		}
	}
}

// look learns from one part of the log.
func (s *Service) look(ctx context.Context, id ident.AccountID, old bool) (more bool, err error) {
	s.learning.Lock()
	defer s.learning.Unlock()
	box, err := s.o.Store.Open(ctx, id, ident.System())
	if err != nil {
		return false, err
	}
	defer box.Close()
	m, err := s.read(ctx, box)
	if err != nil {
		return false, err
	}
	if m, err = s.renewAccount(ctx, box, m); err != nil {
		return false, err
	}
	if m.head.revision > 0 && m.head.seen < box.State().Floor {
		return false, s.skip(ctx, box, m)
	}
	after := max(m.head.seen, box.State().Floor)
	n, err := readNews(ctx, box, after, old)
	if err != nil {
		if fault.Is(err, fault.Conflict) { // the log was cut just now
			return true, nil
		}
		return false, err
	}
	p := s.pupil(box, m)
	p.head.seen = n.upTo
	lessons, err := s.lessons(ctx, box, n)
	if err == nil {
		err = p.learn(ctx, lessons)
	}
	if err == nil {
		err = p.meet(ctx, n.sent)
	}
	if err == nil {
		p.meetAll(s.written.take(id))
		err = p.commit(ctx)
	}
	return n.more, err
}

// skip begins anew where the log has been cut behind what was read, as happens when a mailbox is restored: then all its messages count as
// changed, which nobody has done. We look daily, so the log's age alone never comes to that.
func (s *Service) skip(ctx context.Context, box *mailbox.Session, m *mind) error {
	p := s.pupil(box, m)
	p.head.seen = box.State().Change
	return p.commit(ctx)
}

// lessons decides about all items that something happened to.
func (s *Service) lessons(ctx context.Context, box *mailbox.Session, n *news) ([]lesson, error) {
	ids := n.looked()
	if len(ids) == 0 {
		return nil, nil
	}
	items, err := box.Rows(ctx, ids)
	if err != nil {
		return nil, err
	}
	roles := map[mailbox.FolderID]mailbox.Role{}
	for _, f := range box.Folders() {
		roles[f.ID] = f.Role
	}
	states := make([]state, len(items))
	for i, it := range items {
		r := &it.Row
		states[i] = state{
			happened: *n.items[r.ID], role: roles[it.Folder], answered: r.Flags&mailbox.Answered != 0, seen: r.Flags&mailbox.Seen != 0,
			junkWord: hasAny(r.Keywords, junkWords), goodWord: hasAny(r.Keywords, goodWords), copied: uint64(r.Content) < uint64(r.ID), cleared: n.cleared,
		}
	}
	had, err := labelsOf(ctx, box, items, func(i int) bool { return !states[i].arrived() })
	if err != nil {
		return nil, err
	}
	var all []lesson
	for i, it := range items {
		now := &states[i]
		if now.arrived() {
			continue
		}
		now.had = had[i].label
		l, how := decide(*now)
		known := l == unlabelled && now.unmarked()
		if known {
			l, how = now.had, moved
		}
		if l != unlabelled {
			all = append(all, lesson{it, labelled{l, how, dayOf(now.at)}, now.had, now.at, known})
		}
	}
	return all[max(0, len(all)-mostLessons):], nil
}

// labelsOf reads the labels of those items that matter; nil: all do.
func labelsOf(ctx context.Context, box *mailbox.Session, items []mailbox.ItemAt, matters func(int) bool) ([]labelled, error) {
	had := make([]labelled, len(items))
	err := box.ReadSide(ctx, mailbox.JunkSide, func(r mailbox.SideReader) error {
		return r.GetAll(len(items), func(i int) []byte {
			if matters != nil && !matters(i) {
				return nil
			}
			return labelKey(items[i].Row.Content)
		}, func(i int, value []byte) error {
			had[i], _ = decodeLabelled(value)
			return nil
		})
	})
	return had, err
}

// pupil is an account that learns: what it knew, and what is to be written.
type pupil struct {
	s       *Service
	box     *mailbox.Session
	was     *mind
	head    head
	delta   *model.Delta // nil: unchanged
	labels  map[string]labelled
	met     map[string]acquaintance // by address
	senders map[uint64]opinion
}

func (s *Service) pupil(box *mailbox.Session, m *mind) *pupil {
	return &pupil{s: s, box: box, was: m, head: m.head, labels: map[string]labelled{}, met: map[string]acquaintance{}, senders: map[uint64]opinion{}}
}

// writable is the delta, as a copy of its own, with its notes.
func (p *pupil) writable(ctx context.Context) (*model.Delta, error) {
	if p.delta != nil {
		return p.delta, nil
	}
	d := &model.Delta{}
	if p.was.delta != nil {
		d = p.was.delta.Clone()
		err := p.box.ReadSide(ctx, mailbox.JunkSide, func(r mailbox.SideReader) error {
			notes, _, err := r.Get([]byte{keyNotes})
			d.DecodeNotes(notes)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	p.delta = d
	return d, nil
}

// learn learns lessons. What nobody has said aloud (answered, kept, filed) counts only beside what somebody has: an account where
// nobody ever moves anything needs no memory.
func (p *pupil) learn(ctx context.Context, lessons []lesson) error {
	for i := range lessons {
		if lessons[i].explicit() && !lessons[i].known {
			p.head.explicit++
		}
	}
	if p.head.explicit == 0 || len(lessons) == 0 {
		return nil
	}
	if err := p.mark(ctx, lessons); err != nil {
		return err
	}
	for i := range lessons {
		if lessons[i].known {
			continue
		}
		err := p.lesson(ctx, &lessons[i])
		if fault.Is(err, fault.NotFound) {
			continue // expunged meanwhile
		}
		if fault.Is(err, fault.Corrupt) {
			p.s.o.Logger.ErrorContext(ctx, "cannot learn from a message", "account", p.box.Account(), "item", lessons[i].item.Row.ID, "err", err)
			continue // the others teach something all the same
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lesson learns one lesson. What breaks at a message is no worse than one that can't be read: it would break at it at each start.
func (p *pupil) lesson(ctx context.Context, l *lesson) (err error) {
	defer recovered(&err)
	m, err := p.s.stored(ctx, p.box, &l.item.Row)
	if err != nil {
		return err
	}
	return p.take(ctx, m, string(labelKey(l.item.Row.Content)), l.labelled, l.had)
}

// recovered makes an error of a panic.
func recovered(err *error) {
	if broken := recover(); broken != nil {
		*err = fault.New(fault.Corrupt, "panic: %v\n%s", broken, debug.Stack())
	}
}

// take learns one message, and has its senders voted on.
func (p *pupil) take(ctx context.Context, m *features.Message, key string, l labelled, had label) error {
	seen := p.s.see(*m)
	if err := p.teach(ctx, seen.set, key, l, had); err != nil {
		return err
	}
	p.opine(seen.author, l, had)
	return p.s.town.vote(ctx, p.box.Account(), &seen.m.Facts, seen.set, l)
}

// teach learns one message.
func (p *pupil) teach(ctx context.Context, set features.Set, key string, l labelled, had label) error {
	d, err := p.writable(ctx)
	if err != nil {
		return err
	}
	shared := p.s.town.delta()
	if had != unlabelled { // the other one
		d.Relearn(p.s.base, set, l.label == labelJunk, shared)
	} else {
		p.head.labels++
		d.Learn(p.s.base, set, l.label == labelJunk, shared)
	}
	p.labels[key] = l
	p.s.counts.learned(l.label)
	return nil
}

// mark sets the keywords that go with what a person has said, so that all programs show the same. It comes before the labels are stored:
// if we are interrupted between the two, they are decided again.
func (p *pupil) mark(ctx context.Context, lessons []lesson) error {
	type group struct {
		folder mailbox.FolderID
		op     mailbox.FlagOp
		label  label
	}
	groups := map[group][]mailbox.UID{}
	for i := range lessons {
		l := &lessons[i]
		if l.act != moved && l.act != marked {
			continue
		}
		r, add, remove := &l.item.Row, junkWords[:1], goodWords
		if l.label == labelGood {
			add, remove = goodWords[:1], junkWords
		}
		if !hasAny(r.Keywords, add) {
			g := group{l.item.Folder, mailbox.AddFlags, l.label}
			groups[g] = append(groups[g], r.UID)
		}
		if hasAny(r.Keywords, remove) {
			g := group{l.item.Folder, mailbox.RemoveFlags, l.label}
			groups[g] = append(groups[g], r.UID)
		}
	}
	for g, uids := range groups {
		slices.Sort(uids)
		words := junkWords
		if (g.label == labelGood) == (g.op == mailbox.AddFlags) {
			words = goodWords
		}
		if g.op == mailbox.AddFlags {
			words = words[:1]
		}
		_, err := p.box.SetFlags(ctx, g.folder, mailbox.FlagChange{UIDs: uids, Op: g.op, Keywords: words})
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.TooLarge) && !fault.Is(err, fault.Invalid) {
			return err // else the folder is gone, or can't have more keywords
		}
	}
	return nil
}

// stored reads a stored message.
func (s *Service) stored(ctx context.Context, box *mailbox.Session, row *mailbox.Row) (*features.Message, error) {
	m := &features.Message{Body: box.Content(row)}
	err := box.Read(ctx, func(b *mailbox.Batch) error {
		rec, err := b.Summary(row)
		m.Summary = bytes.Clone(rec)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// meet learns to know whom sent messages went to.
func (p *pupil) meet(ctx context.Context, sent []mailbox.ItemID) error {
	if len(sent) == 0 {
		return nil
	}
	items, err := p.box.Rows(ctx, sent)
	if err != nil {
		return err
	}
	slices.SortFunc(items, func(a, b mailbox.ItemAt) int { return int(int64(a.Row.Content) - int64(b.Row.Content)) })
	return p.box.Read(ctx, func(b *mailbox.Batch) error {
		for i := range items {
			rec, err := b.Summary(&items[i].Row)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if byOwner(rec) {
				p.addressees(rec, dayOf(items[i].Row.Saved()))
			}
		}
		return nil
	})
}

// byOwner reports whether what lies among the sent messages was written by the account's owner, and not by a program (answers while they
// are away, receipts), nor delivered and put there by a rule that believes its From field. Unknown is of whom the header is too long for its
// summary.
func byOwner(rec summary.Record) bool {
	h := message.ParseHeader(string(rec.Header()))
	if len(h.Fields) == 0 || h.Automatic() {
		return false
	}
	first := h.Name(h.Fields[0])
	if strings.EqualFold(first, "Return-Path") && len(h.Fields) > 1 { // what was fetched has none of ours
		first = h.Name(h.Fields[1])
	}
	// Of ours, if it was judged or checked here.
	return !strings.EqualFold(first, delivery.JunkField) && !strings.EqualFold(first, "Authentication-Results")
}

// addressees learns to know whom a message is addressed to.
func (p *pupil) addressees(rec summary.Record, day int64) {
	for _, list := range addressed {
		all := rec.Addresses(list)
		for a, ok := all.Next(); ok && len(p.met) < mostKnown; a, ok = all.Next() {
			if a.Group != message.NoGroup || len(a.Mailbox) == 0 || len(a.Host) == 0 {
				continue
			}
			p.encounter(string(appendAddress(nil, a.Mailbox, a.Host)), acquaintance{day, signs.NameKey(string(a.Name))})
		}
	}
}

// encounter notes an address; a name that is known of it stays if there is no other.
func (p *pupil) encounter(address string, a acquaintance) {
	if len(address) > mostAddress {
		return
	}
	if old := p.met[address]; a.name == "" {
		a.name = old.name
	}
	p.met[address] = a
}

// meetAll learns to know addresses that a message was submitted to.
func (p *pupil) meetAll(addresses []string) {
	day := dayOf(p.s.o.Now())
	for _, a := range addresses {
		p.encounter(a, acquaintance{day: day})
	}
}

// commit writes what has changed, and remembers it. A crash may take it back, which has it learned again.
func (p *pupil) commit(ctx context.Context) error { return p.commitBy(ctx, p.box.NoteSide) }

// commitNow is commit for those who are told that it is done.
func (p *pupil) commitNow(ctx context.Context) error { return p.commitBy(ctx, p.box.UpdateSide) }

func (p *pupil) commitBy(ctx context.Context, update func(context.Context, mailbox.Side, func(mailbox.SideTx) error) error) error {
	if p.head == p.was.head && len(p.met) == 0 && len(p.labels) == 0 && p.delta == nil {
		return nil
	}
	p.head.revision++
	var m *mind
	err := update(ctx, mailbox.JunkSide, func(tx mailbox.SideTx) (err error) {
		if err := p.check(tx.SideReader); err != nil {
			return err
		}
		if err := p.write(tx); err != nil {
			return err
		}
		m, err = readMind(tx.SideReader)
		return err
	})
	if err == nil {
		p.s.minds.put(p.box.Account(), m)
	}
	return err
}

// check makes sure that nobody else has learned meanwhile: an account may have been restored.
func (p *pupil) check(r mailbox.SideReader) error {
	value, ok, err := r.Get([]byte{keyHead})
	if err != nil {
		return err
	}
	now := head{}
	if ok {
		if now, err = decodeHead(value); err != nil {
			return err
		}
	}
	if now != p.was.head {
		return fault.New(fault.Conflict, "what the account holds for junk was changed by somebody else")
	}
	return nil
}

func (p *pupil) write(tx mailbox.SideTx) error {
	if err := tx.Set([]byte{keyHead}, p.head.encode()); err != nil {
		return err
	}
	if p.delta != nil {
		if err := tx.Set([]byte{keyDelta}, p.delta.Encode(nil)); err != nil {
			return err
		}
		if err := tx.Set([]byte{keyNotes}, p.delta.EncodeNotes(nil)); err != nil {
			return err
		}
	}
	for key, l := range p.labels {
		if err := tx.Set([]byte(key), l.encode()); err != nil {
			return err
		}
	}
	for address, a := range p.met {
		key := knownKey(address)
		if a.name == "" {
			value, ok, err := tx.Get(key)
			if err != nil {
				return err
			}
			if ok {
				a.name = decodeAcquaintance(value).name
			}
		}
		if err := tx.Set(key, a.encode()); err != nil {
			return err
		}
	}
	if err := p.writeSenders(tx); err != nil {
		return err
	}
	if len(p.was.known)+len(p.met) <= mostKnown {
		return nil
	}
	return forgetOldest(tx, keyKnown, mostKnown, func(v []byte) int64 { return decodeAcquaintance(v).day })
}
