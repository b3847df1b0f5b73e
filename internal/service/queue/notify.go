package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/dsn"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/blob"
)

// notify tells a message's sender what l has found.
func (q *Queue) notify(ctx context.Context, l *looking) error {
	content := blob.Open(q.db, partition(l.shard), blob.ID(l.n), l.msg.size)
	// The same report has the same name, so that the queue knows it if it was handed in already.
	name := fmt.Sprintf("%s-%s%d.%d", bound(l.msg.env.ID, 200), l.reports[0].Action.String()[:3], l.rcpts[0], l.items[0].attempts)
	return q.hand(ctx, &l.msg.env, l.reports, content, name)
}

// Delivered tells the sender of a message, as far as they asked for it (RFC 3461 §5.2.3), that it lies in the mailboxes
// of recipients that never were in the queue; expanded: that it went on to the several addresses that they stand for (§5.2.7.3). It
// returns when the notification was handed in.
func (q *Queue) Delivered(ctx context.Context, job transfer.Job, expanded bool) error {
	m := message{env: job.Envelope}
	action := dsn.Delivered
	if expanded {
		action = dsn.Expanded
	}
	var reports []dsn.Recipient
	for _, r := range job.Recipients {
		if wants(&m, &item{rcpt: r}, transfer.NotifySuccess) {
			reports = append(reports, dsn.Recipient{
				Action: action, Address: r.Address, OriginalType: r.OriginalType, Original: r.Original,
				Status: "2.1.5", LastAttempt: q.o.Now(), LogID: job.ID,
			})
		}
	}
	if len(reports) == 0 {
		return nil
	}
	return q.hand(ctx, &job.Envelope, reports, job.Content, bound(job.ID, 200)+"-"+action.String())
}

// hand composes a notification and hands it in.
func (q *Queue) hand(ctx context.Context, e *transfer.Envelope, about []dsn.Recipient, c transfer.Content, name string) error {
	original, full, err := q.original(e, about, c)
	if err != nil {
		return err
	}
	msg := dsn.Compose(&dsn.Report{
		From: q.o.Postmaster, Host: q.o.Host, To: e.From, MessageID: name + "@" + q.o.Host,
		Date: q.o.Now(), Arrival: e.Received, DeliverBy: e.Deadline, EnvelopeID: e.EnvelopeID, Recipients: about, Original: original, Full: full,
	})
	job := transfer.Job{
		// RFC 3461 §6.1: the null reverse-path, no ENVID, RET or NOTIFY.
		Envelope: transfer.Envelope{
			ID: name, Received: q.o.Now(), EightBit: !ascii(msg), UTF8: !ascii([]byte(e.From)), RequireTLS: e.RequireTLS,
			Priority: e.Priority, // RFC 6710 §4.6
		},
		Recipients: []transfer.Recipient{{Address: e.From}},
		Content:    bytes.NewReader(msg),
	}
	if err := q.o.Bounce(ctx, job); err != nil && !fault.Is(err, fault.Exists) {
		return err
	}
	q.stats.notified.Add(1)
	q.o.Note(trace.Event{Kind: trace.Notification, ID: name, Parent: e.ID, To: []string{e.From}, Size: int64(len(msg))})
	return nil
}

// maxHeader is how much of a header is given back.
const maxHeader = 64 << 10

// original reads what is given back of the message: all of it only if that was asked for and it failed (RFC 3461 §6.2).
func (q *Queue) original(e *transfer.Envelope, about []dsn.Recipient, c transfer.Content) (b []byte, full bool, err error) {
	failed := false
	for i := range about {
		failed = failed || about[i].Action == dsn.Failed
	}
	full = failed && e.Return == transfer.ReturnFull && c.Size() <= q.o.Limits.MaxReturn
	n := c.Size()
	if !full {
		n = min(n, maxHeader)
	}
	b = make([]byte, n)
	if k, err := c.ReadAt(b, 0); k < len(b) && !(errors.Is(err, io.EOF) && k > 0) {
		return nil, false, err
	}
	if !full {
		b = headerLines(b)
	}
	return b, full, nil
}

// headerLines is the header's whole lines.
func headerLines(b []byte) []byte {
	at := 0
	for l := range bytes.Lines(b) {
		if len(bytes.TrimRight(l, "\r\n")) == 0 || l[len(l)-1] != '\n' {
			break
		}
		at += len(l)
	}
	return b[:at]
}

// replyOf is an outcome's reply with its code, as the remote said it.
func replyOf(o *transfer.Outcome) string {
	text := o.Text
	code := strconv.Itoa(o.Code)
	if o.Code == 0 || strings.HasPrefix(text, code) {
		return text
	}
	if o.Status != "" && !strings.Contains(text, o.Status) && o.Status != "5.4.7" {
		text = o.Status + " " + text
	}
	return code + " " + text
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
