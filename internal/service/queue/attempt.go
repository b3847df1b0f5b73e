package queue

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// attempt tries a job and records what came of it, before anything else may happen to its items.
func (q *Queue) attempt(ctx context.Context, j *job) {
	content := blob.Open(q.db, partition(j.shard), blob.ID(j.msg), j.size)
	to := make([]transfer.Recipient, len(j.items))
	for i := range to {
		to[i] = j.items[i].to
	}
	began := q.o.Now()
	outs := q.o.Send(ctx, transfer.Job{Envelope: j.env, Recipients: to, Content: content})
	broken := ctx.Err() != nil
	ctx = context.WithoutCancel(ctx)
	r := &recording{q: q, job: j, now: q.now(), due: never}
	for i := range j.items {
		var out transfer.Outcome
		if i < len(outs) {
			out = outs[i]
		}
		if broken && out.Result == transfer.Deferred {
			out.Status = "" // forgotten
		} else {
			complete(&out, began)
		}
		r.outs = append(r.outs, out)
	}
	q.mu.Lock()
	r.epoch = q.s.epoch
	q.mu.Unlock()
	err := q.db.Update(ctx, partition(j.shard), r.write)
	if err != nil {
		// What was sent must not be sent again by us: the items stay known until the next start.
		q.o.Logger.ErrorContext(ctx, "an attempt's outcome could not be recorded", "id", j.env.ID, "err", err)
		q.mu.Lock()
		q.s.finished(j, unknown, q.now())
		q.mu.Unlock()
		q.wake()
		return
	}
	q.ended(ctx, r, broken)
}

// ended lets go of an attempt's items, and tells the sender of those that are done.
func (q *Queue) ended(ctx context.Context, r *recording, broken bool) {
	j := r.job
	q.stats.attempted(r)
	q.stats.changed(j.shard, -r.messages, -r.gone)
	r.log(ctx)
	r.note()
	v := judge(r.outs)
	if broken && v != alive {
		v = unknown
	}
	var telling []uint32
	var rest []itemKey
	for i := range j.items {
		if r.fates[i] == tell {
			telling = append(telling, j.items[i].rcpt)
		} else {
			rest = append(rest, j.key(i))
		}
	}
	q.mu.Lock()
	q.s.finished(j, v, q.now())
	if r.epoch != q.s.epoch { // an administrator may have made the items due again since they were written
		r.due = min(r.due, r.now)
	}
	q.s.release(j.dest, j.lane, rest, r.due, q.now())
	q.markAt(j.shard, r.mark)
	q.mu.Unlock()
	q.wake()
	if len(telling) > 0 {
		q.look(ctx, j.shard, j.msg, telling)
	}
}

// recording is the transaction after an attempt.
type recording struct {
	q     *Queue
	job   *job
	outs  []transfer.Outcome // an empty status: not to be recorded
	now   int64
	epoch uint64 // of the scheduler, before it was written
	fates []fate
	due   int64 // the earliest of the items that stay
	mark  int64 // likewise
	msg   message
	// gone counts the items that were removed, messages is 1 if the message was.
	gone, messages int
}

func (r *recording) write(tx kv.Tx) error {
	r.fates, r.due, r.mark, r.gone, r.messages = make([]fate, len(r.outs)), never, 0, 0, 0
	j := r.job
	m, ok, err := readMessage(tx, j.msg)
	r.msg = m
	if err != nil || !ok { // dropped meanwhile
		r.msg.env = j.env
		return err
	}
	for i := range j.items {
		it, ok, err := readItem(tx, j.msg, j.items[i].rcpt)
		if err != nil {
			return err
		}
		if !ok || it.state == Telling { // dropped meanwhile
			r.fates[i] = gone
			continue
		}
		if r.fates[i], err = r.item(tx, &m, i, &it); err != nil {
			return err
		}
	}
	r.messages = lastOf(&m, r.gone)
	return r.q.removed(tx, j.msg, &m, r.gone)
}

// item writes down what came of one item.
func (r *recording) item(tx kv.Tx, m *message, i int, it *item) (fate, error) {
	out, n, rcpt := &r.outs[i], r.job.msg, r.job.items[i].rcpt
	if out.Status == "" {
		r.stays(it)
		return again, nil
	}
	if err := unlist(tx, n, rcpt, it); err != nil {
		return 0, err
	}
	tried := it.attempts > 0
	it.attempts++
	f, action := r.q.o.decide(m, it, out, r.now)
	switch {
	case f == gone:
		r.gone++
		return gone, removeItem(tx, n, rcpt, tried)
	case f == tell:
		it.state, it.action, it.last, it.mark = Telling, action, *out, r.now
	case it.state != Held:
		it.due, it.mark = r.q.o.retryAt(it.attempts, r.now), r.q.o.nextMark(m, it)
		r.stays(it)
	}
	return f, errors.Join(addHistory(tx, n, rcpt, out), writeItem(tx, n, rcpt, it))
}

func (r *recording) stays(it *item) {
	if it.due != 0 {
		r.due = min(r.due, it.due)
	}
	if it.mark != 0 && (r.mark == 0 || it.mark < r.mark) {
		r.mark = it.mark
	}
}

// removeItem removes an item that stands in no index any more; tried: it has a history.
func removeItem(tx kv.Tx, n msgNum, rcpt uint32, tried bool) error {
	err := tx.Delete(recKey(n, rcpt))
	if tried {
		err = errors.Join(err, tx.Delete(historyKey(n, rcpt)))
	}
	return err
}

// lastOf is 1 if the message goes with its next gone items, else 0.
func lastOf(m *message, gone int) int {
	if gone > 0 && m.items == uint64(gone) {
		return 1
	}
	return 0
}

// removed counts items that went, and removes the message with the last of them.
func (q *Queue) removed(tx kv.Tx, n msgNum, m *message, items int) error {
	if items == 0 {
		return nil
	}
	h, err := readHead(tx)
	if err != nil {
		return err
	}
	h.items -= uint64(items)
	m.items -= uint64(items)
	if m.items > 0 {
		err = tx.Set(messageKey(n), m.encode())
	} else {
		h.messages--
		err = errors.Join(tx.Delete(messageKey(n)), tx.Delete(nameKey(m.env.ID)), blob.DeleteSized(tx, blob.ID(n), m.size))
	}
	return errors.Join(err, tx.Set(headKey(), h.encode()))
}

// log writes a line for each recipient.
func (r *recording) log(ctx context.Context) {
	for i := range r.outs {
		out := &r.outs[i]
		if out.Status == "" {
			continue
		}
		level, what := slog.LevelInfo, [...]string{"deferred", "delivered", "relayed", "failed"}[out.Result]
		if r.fates[i] == gone && out.Result == transfer.Failed {
			level, what = slog.LevelWarn, "failed, and nobody is told"
		}
		r.q.o.Logger.LogAttrs(ctx, level, "queue: "+what,
			slog.String("id", r.job.env.ID), slog.String("from", r.job.env.From), slog.String("to", r.job.items[i].to.Address),
			slog.Int("code", out.Code), slog.String("status", out.Status), slog.String("text", out.Text),
			slog.String("remote", out.Remote), slog.String("tls", out.TLS), slog.Duration("took", out.Took))
	}
}

// expired is the outcome of an item whose time has run out; last is what its last attempt said, if there was any.
func expired(last *transfer.Outcome, now time.Time) transfer.Outcome {
	out := transfer.Outcome{Text: "it could not be delivered in time, and was never tried"}
	if last != nil {
		out = *last
	}
	out.Result, out.Status = transfer.Failed, "5.4.7" // RFC 3463 §3.5: delivery time expired
	if out.At.IsZero() {
		out.At = now
	}
	return out
}

var errGone = fault.New(fault.NotFound, "no such message in the queue")
