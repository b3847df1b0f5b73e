package queue

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"postroad/internal/fault"
	mime "postroad/internal/format/message"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// Submission is a message to be sent.
type Submission struct {
	transfer.Job
	// HoldUntil is before when nothing is tried (RFC 4865); zero: at once.
	HoldUntil time.Time
	// MessageID is for tracing; "": it is looked for in the header.
	MessageID string
	// Held waits for Release; Reason says to administrators why, in a few words.
	Held   bool
	Reason string
}

// Submit takes responsibility for a message: when it returns nil all recipients' items are durable. Else none is, unless the
// error is fault.Unavailable: then all or none may be. Errors: fault.Invalid (no ID or recipients), fault.TooLarge (more than
// Limits.Recipients), fault.Exists (a message called so is in the queue), and what the store and the
// content may fail with.
//
// The queue needs content until Submit returns. e.ID, of at most 255 bytes, must be unlike those of all other messages.
func (q *Queue) Submit(ctx context.Context, e transfer.Envelope, to []transfer.Recipient, c transfer.Content) error {
	return q.submitJob(ctx, transfer.Job{Envelope: e, Recipients: to, Content: c})
}

func (q *Queue) submitJob(ctx context.Context, job transfer.Job) error {
	p, err := q.Begin(ctx, Submission{Job: job})
	if err != nil {
		return err
	}
	return p.Wait()
}

// Begin is Submit in two steps: it returns when the message stands in the log's queue, and Wait when it is durable. So
// several commits share one sync. Wait must be called. The content is not needed any more.
func (q *Queue) Begin(ctx context.Context, s Submission) (*Pending, error) {
	if err := q.check(&s); err != nil {
		return nil, err
	}
	shard := shardOf(s.ID)
	n, err := q.number(ctx, shard)
	if err != nil {
		return nil, err
	}
	p := &Pending{q: q, shard: shard}
	p.prepare(&s, n)
	staged := s.Content.Size() > blob.MaxPut
	if staged {
		if err := q.stage(ctx, shard, n, s.Content); err != nil {
			return nil, err
		}
	}
	q.mu.Lock()
	q.s.claim(p.keys...)
	p.epoch = q.s.epoch
	q.mu.Unlock()
	p.commit, err = q.db.Submit(ctx, partition(shard), func(tx kv.Tx) error { return p.write(tx, n, &s, staged) })
	if err != nil {
		p.settle(err)
		if staged {
			err = errors.Join(err, q.sweep(context.WithoutCancel(ctx), shard, []msgNum{n}))
		}
		return nil, err
	}
	return p, nil
}

// check finds what is wrong with a submission, and completes it.
func (q *Queue) check(s *Submission) error {
	switch {
	case s.ID == "" || len(s.ID) > 255:
		return fault.New(fault.Invalid, "a message needs an ID of at most 255 bytes")
	case len(s.Recipients) == 0 || s.Content == nil:
		return fault.New(fault.Invalid, "a message needs recipients and content")
	case len(s.Recipients) > q.o.Limits.Recipients:
		return fault.New(fault.TooLarge, "a message can have at most %d recipients", q.o.Limits.Recipients)
	}
	if s.Received.IsZero() {
		s.Received = q.o.Now()
	}
	if s.MessageID == "" {
		s.MessageID = messageIDOf(s.Content)
	}
	return nil
}

// messageIDOf looks for the Message-ID in the first 16 KiB of the header.
func messageIDOf(c transfer.Content) string {
	buf := make([]byte, min(c.Size(), 16<<10))
	n, _ := c.ReadAt(buf, 0) // if it can't be read, that shows later
	h := mime.ParseHeader(string(buf[:n]))
	ids := mime.ParseMessageIDs(h.Get("Message-ID"))
	if len(ids) == 0 || len(ids[0]) > 998 {
		return ""
	}
	return ids[0]
}

// numbersAtOnce is how many message numbers are made durable ahead.
const numbersAtOnce = 4096

// number gives a message number that was never used: content under it can be written ahead.
func (q *Queue) number(ctx context.Context, shard uint8) (msgNum, error) {
	g := &q.given[shard]
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last >= g.reserved {
		if err := q.reserve(ctx, shard, g); err != nil {
			return 0, err
		}
	}
	g.last++
	return msgNum(g.last), nil
}

func (q *Queue) reserve(ctx context.Context, shard uint8, g *given) error {
	upTo := g.reserved + numbersAtOnce
	if upTo > maxNum {
		return fault.New(fault.Unavailable, "the queue has no message numbers left")
	}
	err := q.db.Update(ctx, partition(shard), func(tx kv.Tx) error {
		h, err := readHead(tx)
		if err != nil {
			return err
		}
		h.given = upTo
		return tx.Set(headKey(), h.encode())
	})
	if err == nil {
		g.reserved = upTo
	}
	return err
}

// stage writes a large content ahead, after a note by which it is found if nothing comes of it.
func (q *Queue) stage(ctx context.Context, shard uint8, n msgNum, c transfer.Content) error {
	err := q.db.SubmitLazy(ctx, partition(shard), func(tx kv.Tx) error { return tx.Set(stagedKey(n), nil) })
	if err != nil {
		return err
	}
	err = blob.Stage(ctx, q.db, partition(shard), blob.ID(n), io.NewSectionReader(c, 0, c.Size()), c.Size())
	if err != nil {
		err = errors.Join(err, q.sweep(context.WithoutCancel(ctx), shard, []msgNum{n}))
	}
	return err
}

func stagedIn(r kv.Reader) (ns []msgNum, err error) {
	for p, err := range r.Scan(all(keyStaged)) {
		if err != nil {
			return nil, err
		}
		n, _ := splitItem(append(p.Key[1:7:7], 0, 0, 0, 0))
		ns = append(ns, n)
	}
	return ns, nil
}

// sweep removes contents that were staged in vain.
func (q *Queue) sweep(ctx context.Context, shard uint8, ns []msgNum) error {
	for _, n := range ns {
		err := q.db.SubmitLazy(ctx, partition(shard), func(tx kv.Tx) error {
			return errors.Join(blob.Purge(tx, blob.ID(n)), tx.Delete(stagedKey(n)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Pending is a message that stands in the log's queue.
type Pending struct {
	q      *Queue
	shard  uint8
	msg    message
	items  []item
	keys   []itemKey
	commit kv.Commit
	epoch  uint64 // when the items were claimed: see sched
	once   sync.Once
	err    error
}

// Wait returns when the message is durable (nil), or isn't: see Submit. It may be called again.
func (p *Pending) Wait() error {
	p.once.Do(func() {
		p.err = p.commit.Wait()
		p.settle(p.err)
	})
	return p.err
}

// prepare makes the records.
func (p *Pending) prepare(s *Submission, n msgNum) {
	p.msg = message{
		env: s.Envelope, messageID: s.MessageID, size: s.Content.Size(), items: uint64(len(s.Recipients)),
		start: max(millis(s.Received), millis(s.HoldUntil)),
	}
	if s.Held {
		p.msg.reason = bound(s.Reason, maxReason)
	}
	p.items = make([]item, len(s.Recipients))
	p.keys = make([]itemKey, len(s.Recipients))
	lane := laneOf(&s.Envelope)
	for i := range p.items {
		it := &p.items[i]
		*it = item{rcpt: s.Recipients[i], lane: lane, due: p.msg.start}
		it.dest = p.q.o.destination(&s.Envelope, &it.rcpt)
		it.mark = p.q.o.nextMark(&p.msg, it)
		if s.Held {
			it.state, it.due, it.mark = Held, 0, 0
		}
		p.keys[i] = itemKey{msg: n, rcpt: uint32(i), shard: p.shard}
	}
}

func (p *Pending) write(tx kv.Tx, n msgNum, s *Submission, staged bool) error {
	if _, there, err := tx.Get(nameKey(s.ID)); err != nil {
		return err
	} else if there {
		return fault.New(fault.Exists, "the message %s is in the queue already", s.ID)
	}
	h, err := readHead(tx)
	if err != nil {
		return err
	}
	h.messages++
	h.items += uint64(len(p.items))
	if staged {
		err = tx.Delete(stagedKey(n))
	} else {
		err = blob.Put(tx, blob.ID(n), io.NewSectionReader(s.Content, 0, p.msg.size), p.msg.size)
	}
	err = errors.Join(err, tx.Set(headKey(), h.encode()), tx.Set(nameKey(s.ID), appendMsg(nil, n)), tx.Set(messageKey(n), p.msg.encode()))
	for i := range p.items {
		err = errors.Join(err, writeItem(tx, n, uint32(i), &p.items[i]))
	}
	return err
}

// writeItem writes an item and its places in the indexes.
func writeItem(tx kv.Tx, m msgNum, rcpt uint32, it *item) error {
	err := tx.Set(recKey(m, rcpt), it.encode())
	if it.due != 0 {
		err = errors.Join(err, tx.Set(dueKey(it.dest, it.lane, it.due, m, rcpt), nil))
	}
	if it.mark != 0 {
		err = errors.Join(err, tx.Set(markKey(it.mark, m, rcpt), nil))
	}
	return err
}

// unlist removes an item from the indexes, where its record says that it stands.
func unlist(tx kv.Tx, m msgNum, rcpt uint32, it *item) error {
	var err error
	if it.due != 0 {
		err = tx.Delete(dueKey(it.dest, it.lane, it.due, m, rcpt))
	}
	if it.mark != 0 {
		err = errors.Join(err, tx.Delete(markKey(it.mark, m, rcpt)))
	}
	it.due, it.mark = 0, 0
	return err
}

// settle lets the scheduler know that the message is durable, or may be.
func (p *Pending) settle(err error) {
	q := p.q
	if err == nil {
		q.stats.messages.Add(1)
		q.stats.changed(p.shard, 1, len(p.items))
		p.noteQueued()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, w := range p.jobs() {
		if err != nil || w.due > now || p.epoch != q.s.epoch {
			q.s.letGo(w, now)
		} else {
			q.s.arrive(w, now)
		}
	}
	for i := range p.items {
		q.markAt(p.shard, p.items[i].mark)
		if p.items[i].state == Held {
			delete(q.s.known, p.keys[i])
		}
	}
	q.wake()
}

// jobs groups what is not held by destination.
func (p *Pending) jobs() []*job {
	var jobs []*job
	open := map[string]*job{}
	for i := range p.items {
		it := &p.items[i]
		if it.state == Held {
			continue
		}
		j := open[it.dest]
		if j == nil || len(j.items) == p.q.o.Limits.JobRecipients {
			j = &job{shard: p.shard, msg: p.keys[i].msg, env: p.msg.env, size: p.msg.size, dest: it.dest, lane: it.lane, due: it.due}
			open[it.dest] = j
			jobs = append(jobs, j)
		}
		j.items = append(j.items, jobItem{rcpt: p.keys[i].rcpt, to: it.rcpt, due: it.due})
	}
	return jobs
}

// markAt has the shard's tender look no later than at. q.mu is held.
func (q *Queue) markAt(shard uint8, at int64) {
	if at != 0 && at < q.marks[shard] {
		q.marks[shard] = at
		poke(q.tends[shard])
	}
}
