package junk

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/model"
	"postroad/internal/storage/kv"
)

// town is what all accounts of the server share: how senders stand, and what they agree on.
//
// An account has one vote on each domain and network, the latest that it gave; nothing counts before quorum accounts have voted, and
// votes fade. So one account, whatever it reports, changes nothing for the others; and what several agree on teaches the server a few messages
// a day of each.
type town struct {
	db   kv.DB
	hash hasher
	base *model.Base
	now  func() time.Time
	log  *slog.Logger
	most int // senders that there are votes on

	shared atomic.Pointer[model.Delta] // never nil
	room   atomic.Int64                // for new senders, until the next tidy

	pace pace

	mu        sync.RWMutex
	standings map[subject]float32 // guarded by mu; log-odds of those that count
}

const (
	// quorum is how many accounts must have voted.
	quorum = 3
	// mostVotes is how many votes are kept on one sender, the newest.
	mostVotes = 32
	// voteLife is for how long a vote counts, in days; it fades until then.
	voteLife = 90
	// mostSubjects is how many senders there are votes on.
	mostSubjects = 200_000
	// How much a proved domain's and a network's standing can add to the log-odds, or take away.
	mostOfDomain  = 3.0
	mostOfNetwork = 1.5
	// agreed is what part of the votes must say the same before the server learns from a message.
	agreed = 0.8
	// mostTaught is how many messages a day the server learns from because of one account's votes: who has several accounts, and domains without
	// number, doesn't have the others' mail judged as they like.
	mostTaught = 10
)

// pace counts what accounts have taught the server today. It is safe for concurrent use.
type pace struct {
	mu     sync.Mutex
	day    int64          // guarded by mu
	taught map[uint32]int // guarded by mu
}

// take counts one more, unless it is too much.
func (p *pace) take(voter uint32, today int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.day != today || p.taught == nil {
		p.day, p.taught = today, map[uint32]int{}
	}
	if p.taught[voter] >= mostTaught {
		return false
	}
	p.taught[voter]++
	return true
}

func newTown(db kv.DB, h hasher, base *model.Base, now func() time.Time, log *slog.Logger) *town {
	t := &town{db: db, hash: h, base: base, now: now, log: log, most: mostSubjects, standings: map[subject]float32{}}
	t.shared.Store(&model.Delta{})
	t.room.Store(mostSubjects)
	return t
}

func (t *town) delta() *model.Delta { return t.shared.Load() }

// ballot is what accounts say of one sender.
type ballot struct {
	taught int64 // the day when the server has last learned from one of its messages
	votes  []vote
}

type vote struct {
	who  uint32
	day  int64
	junk bool
}

func (b *ballot) encode() []byte {
	out := binary.AppendVarint([]byte{version}, b.taught)
	out = binary.AppendUvarint(out, uint64(len(b.votes)))
	for _, v := range b.votes {
		out = binary.BigEndian.AppendUint32(out, v.who)
		out = binary.AppendVarint(out, v.day<<1|int64(bit(v.junk)))
	}
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func decodeBallot(value []byte) (b ballot, ok bool) {
	d := record.Decode(value, version)
	b.taught = d.Int()
	b.votes = make([]vote, 0, min(d.Count(), mostVotes))
	for range cap(b.votes) {
		who := uint32(d.Byte())<<24 | uint32(d.Byte())<<16 | uint32(d.Byte())<<8 | uint32(d.Byte())
		n := d.Int()
		b.votes = append(b.votes, vote{who, n >> 1, n&1 == 1})
	}
	return b, !d.Bad()
}

// cast puts an account's vote in the place of the one that it gave before; the zero label takes it back.
func (b *ballot) cast(who uint32, l labelled) {
	b.votes = slices.DeleteFunc(b.votes, func(v vote) bool { return v.who == who })
	if l.label == unlabelled {
		return
	}
	b.votes = append(b.votes, vote{who, l.day, l.label == labelJunk})
	slices.SortStableFunc(b.votes, func(x, y vote) int { return int(x.day - y.day) })
	b.votes = b.votes[max(0, len(b.votes)-mostVotes):]
}

// count weighs the votes that still count.
func (b *ballot) count(today int64) (junk, good float64, voters int) {
	for _, v := range b.votes {
		age := today - v.day
		if age >= voteLife {
			continue
		}
		voters++
		w := 1 - float64(max(age, 0))/voteLife
		if v.junk {
			junk += w
		} else {
			good += w
		}
	}
	return junk, good, voters
}

// standing is what the votes add to the log-odds; 0: too few.
func (b *ballot) standing(kind byte, today int64) float32 {
	junk, good, voters := b.count(today)
	if voters < quorum {
		return 0
	}
	most := mostOfNetwork
	if kind == aDomain {
		most = mostOfDomain
	}
	return float32(max(-most, min(most, math.Log((junk+0.5)/(good+0.5)))))
}

// agree reports whether the accounts say that what comes from the sender is of a label.
func (b *ballot) agree(l label, today int64) bool {
	junk, good, voters := b.count(today)
	if l == labelGood {
		junk, good = good, junk
	}
	return voters >= quorum && junk >= agreed*(junk+good)
}

// subjects are those whom a message speaks for or against.
func (t *town) subjects(f *features.Facts) []subject {
	var all []subject
	if f.Proven != "" {
		all = append(all, t.hash.subject(aDomain, []byte(f.Proven)))
	}
	if n, ok := t.hash.network(f.Client); ok {
		all = append(all, n)
	}
	return all
}

// standing is what the senders of a message add to its log-odds. It reads nothing.
func (t *town) standing(f *features.Facts) (sum float64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.standings) == 0 {
		return 0
	}
	for _, s := range t.subjects(f) {
		sum += float64(t.standings[s])
	}
	return sum
}

// vote notes what an account says of the senders of a message, and learns from the message if the accounts agree: once a day for
// each sender. Doing it again changes nothing.
func (t *town) vote(ctx context.Context, who ident.AccountID, f *features.Facts, set features.Set, l labelled) error {
	subjects := t.subjects(f)
	if len(subjects) == 0 {
		return nil
	}
	voter, today := t.hash.voter(who), dayOf(t.now())
	ballots := make([]ballot, len(subjects))
	var learned *model.Delta
	err := t.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		for i, s := range subjects {
			value, found, err := tx.Get(s.key())
			if err != nil {
				return err
			}
			if !found && t.room.Add(-1) < 0 {
				continue
			}
			b, _ := decodeBallot(value)
			b.cast(voter, l)
			if b.agree(l.label, today) && b.taught < l.day && (learned != nil || t.pace.take(voter, today)) {
				b.taught = l.day
				if learned == nil {
					if learned, err = t.teach(tx, set, l.label); err != nil {
						return err
					}
				}
			}
			if ballots[i] = b; len(b.votes) == 0 {
				err = tx.Delete(s.key())
			} else {
				err = tx.Set(s.key(), b.encode())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if learned != nil {
		t.shared.Store(learned)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, s := range subjects {
		t.stand(s, ballots[i].standing(s.kind, today))
	}
	return nil
}

// stand notes a standing. t.mu is held.
func (t *town) stand(s subject, standing float32) {
	if standing == 0 {
		delete(t.standings, s)
	} else {
		t.standings[s] = standing
	}
}

// teach has the server learn from a message, and stores what it knows then.
func (t *town) teach(tx kv.Tx, set features.Set, l label) (*model.Delta, error) {
	d := t.delta().Clone()
	d.Learn(t.base, set, l == labelJunk)
	return d, storeShared(tx, d)
}

// storeShared stores what is shared.
func storeShared(tx kv.Tx, d *model.Delta) error {
	if err := tx.Set([]byte{keyShared}, d.Encode(nil)); err != nil {
		return err
	}
	return tx.Set([]byte{keyNotes}, d.EncodeNotes(nil))
}

// train has the server learn from messages that an administrator knows.
func (t *town) train(ctx context.Context, sets []features.Set, l label) error {
	d := t.delta().Clone()
	for _, set := range sets {
		d.Learn(t.base, set, l == labelJunk)
	}
	err := t.db.Update(ctx, Partition, func(tx kv.Tx) error { return storeShared(tx, d) })
	if err == nil {
		t.shared.Store(d)
	}
	return err
}

// load reads what is shared.
func (t *town) load(ctx context.Context) error {
	return t.db.View(ctx, Partition, func(r kv.Reader) error {
		value, ok, err := r.Get([]byte{keyShared})
		if err != nil || !ok {
			return err
		}
		d, err := model.Decode(value)
		if err != nil { // nobody can read it: the server begins anew
			return nil
		}
		d.Renew() // the messages it learned from are in accounts, who knows which
		notes, _, err := r.Get([]byte{keyNotes})
		d.DecodeNotes(notes)
		t.shared.Store(d)
		return err
	})
}

// tidy counts all votes again, and removes those that don't count any more, and the oldest of what is too much.
func (t *town) tidy(ctx context.Context) error {
	today := dayOf(t.now())
	var gone [][]byte
	var ages []int64
	standings := map[subject]float32{}
	newest := func(b *ballot) int64 { return b.votes[len(b.votes)-1].day }
	err := t.scan(ctx, func(s subject, b *ballot) {
		if len(b.votes) == 0 || today-newest(b) >= voteLife {
			gone = append(gone, s.key())
			return
		}
		ages = append(ages, newest(b))
		if st := b.standing(s.kind, today); st != 0 {
			standings[s] = st
		}
	})
	if err != nil {
		return err
	}
	if over := len(ages) - t.most/4*3; len(ages) > t.most/8*7 {
		slices.Sort(ages)
		limit, left := ages[over-1], over
		err = t.scan(ctx, func(s subject, b *ballot) {
			if len(b.votes) > 0 && today-newest(b) < voteLife && newest(b) <= limit && left > 0 {
				left--
				gone = append(gone, s.key())
				delete(standings, s)
			}
		})
		if err != nil {
			return err
		}
		ages = ages[over:]
	}
	t.room.Store(int64(t.most - len(ages)))
	t.mu.Lock()
	t.standings = standings
	t.mu.Unlock()
	return t.remove(ctx, gone)
}

// scan goes through all votes. What can't be read has none.
func (t *town) scan(ctx context.Context, fn func(subject, *ballot)) error {
	return t.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyVotes}, Hi: []byte{keyVotes + 1}}) {
			if err != nil {
				return err
			}
			if len(p.Key) != 18 {
				continue
			}
			s := subject{kind: p.Key[1]}
			copy(s.hash[:], p.Key[2:])
			b, ok := decodeBallot(p.Value)
			if !ok {
				b = ballot{}
			}
			fn(s, &b)
		}
		return ctx.Err()
	})
}

func (t *town) remove(ctx context.Context, keys [][]byte) error {
	for part := range slices.Chunk(keys, 1000) {
		err := t.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
			for _, k := range part {
				if err := tx.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forget takes back all votes of an account.
func (t *town) forget(ctx context.Context, who ident.AccountID) error {
	voter := t.hash.voter(who)
	var voted []subject
	err := t.scan(ctx, func(s subject, b *ballot) {
		if slices.ContainsFunc(b.votes, func(v vote) bool { return v.who == voter }) {
			voted = append(voted, s)
		}
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(voted, 1000) {
		err := t.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
			for _, s := range part {
				value, ok, err := tx.Get(s.key())
				if err != nil || !ok {
					return err
				}
				b, _ := decodeBallot(value)
				b.cast(voter, labelled{})
				if err := tx.Set(s.key(), b.encode()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return t.tidy(ctx)
}

// vouch tells how the senders of a message stand, for people.
func (t *town) vouch(f *features.Facts) (domain, network float64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, s := range t.subjects(f) {
		if s.kind == aDomain {
			domain = float64(t.standings[s])
		} else {
			network = float64(t.standings[s])
		}
	}
	return domain, network
}
