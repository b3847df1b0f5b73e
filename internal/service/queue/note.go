package queue

import (
	"strings"
	"time"

	"postroad/internal/format/dsn"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// What happens to messages is noted (Options.Note) when it is durable, and before anything else can happen to them.

// about begins a note on one item of a message.
func about(kind trace.Kind, m *message, to string) trace.Event {
	return trace.Event{Kind: kind, ID: m.env.ID, MessageID: m.messageID, From: m.env.From, To: []string{to}, Size: m.size}
}

// noteQueued tells of a message that came in.
func (p *Pending) noteQueued() {
	e := trace.Event{Kind: trace.Queued, ID: p.msg.env.ID, MessageID: p.msg.messageID, From: p.msg.env.From, Size: p.msg.size}
	n := min(len(p.items), trace.MaxTo)
	e.To = make([]string, n)
	for i := range e.To {
		e.To[i] = p.items[i].rcpt.Address
	}
	switch {
	case p.items[0].state == Held:
		e.Text = strings.TrimSuffix("held: "+p.msg.reason, ": ")
	case p.msg.scheduled(p.q.now()):
		e.Text = "not before " + instant(p.msg.start).Format(time.RFC3339)
	}
	p.q.o.Note(e)
}

// note tells of each recipient that was tried.
func (r *recording) note() {
	for i := range r.outs {
		if r.outs[i].Status == "" {
			continue
		}
		e := about(trace.Attempt, &r.msg, r.job.items[i].to.Address)
		e.Outcome = r.outs[i]
		r.q.o.Note(e)
	}
}

// note tells of each recipient whose sender was told of it, or that was given up.
func (l *looking) note() {
	for i := range l.todo {
		s := &l.todo[i]
		if !s.told && !s.remove || l.failed && s.told {
			continue
		}
		kind := trace.Done
		if s.action == dsn.Delayed {
			kind = trace.Warned
		}
		e := about(kind, &l.msg, l.items[i].rcpt.Address)
		e.Outcome = s.out
		if !s.told {
			e.Text = "nobody is told"
		}
		l.q.o.Note(e)
	}
}

// noteChange tells of what an administrator did to an item.
func (q *Queue) noteChange(c *change) {
	if c.kind != 0 && (c.changed || c.removed) {
		e := about(c.kind, c.msg, c.it.rcpt.Address)
		if c.kind == trace.Dropped {
			e.Outcome = transfer.Outcome{Result: transfer.Failed, Text: textDropped}
		}
		q.o.Note(e)
	}
}
