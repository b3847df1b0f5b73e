package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
)

// TraceQuery says which messages to look for. At least one of the first four is
// needed; all that are given must match.
type TraceQuery struct {
	ID        string `json:"id,omitempty"`
	MessageID string `json:"message_id,omitempty"` // with or without brackets
	// Sender and Recipient are as in QueueFilter.
	Sender    string    `json:"sender,omitempty"`
	Recipient string    `json:"recipient,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	// Limit is how many messages at most, the newest; 0 means 20.
	Limit int `json:"limit,omitempty"`
}

// Trace is the way of one message.
type Trace struct {
	ID        string `json:"id"`
	MessageID string `json:"message_id,omitempty"`
	Sender    string `json:"sender"`
	SizeBytes int64  `json:"size_bytes"`
	// Recipients say what became of each one that was asked for.
	Recipients []TraceRecipient `json:"recipients"`
	Events     []TraceEvent     `json:"events"` // oldest first
}

// TraceRecipient is where one recipient's copy is.
type TraceRecipient struct {
	Recipient string `json:"recipient"`
	// Outcome is waiting, held or notifying while it is in the queue; then delivered, relayed, failed or
	// dropped. unknown: what happened was too long ago.
	Outcome string     `json:"outcome"`
	Queued  *QueueItem `json:"queued,omitempty"` // while it is in the queue
}

// TraceEvent is a step on the way: queued (received), tried, warned (the sender, of a delay),
// ended (the sender was told, or the message given up), dropped.
type TraceEvent struct {
	At         time.Time `json:"at"`
	Event      string    `json:"event"`
	Recipients []string  `json:"recipients"`
	Attempt    *Attempt  `json:"attempt,omitempty"` // but for queued
}

const (
	// maxTraceEvents bounds what one question reads; of more only the newest are seen.
	maxTraceEvents = 5000
	defaultTraces  = 20
)

// Trace implements Admin.
func (d *Direct) Trace(ctx context.Context, t TraceQuery) ([]Trace, error) {
	f := queue.TraceFilter{ID: t.ID, From: t.Sender, To: t.Recipient, MessageID: unbracket(t.MessageID),
		Since: t.Since, Until: t.Until, Limit: maxTraceEvents}
	if f.ID == "" && f.MessageID == "" && f.From == "" && f.To == "" {
		return nil, fault.New(fault.Invalid, "say which mail: its sender, recipient, Message-ID or ID")
	}
	if err := checkLimit(t.Limit); err != nil {
		return nil, err
	}
	q, err := d.openQueue(ctx)
	if err != nil {
		return nil, err
	}
	events, err := q.Trace(ctx, f)
	if err != nil {
		return nil, err
	}
	limit := t.Limit
	if limit == 0 {
		limit = defaultTraces
	}
	traces := []Trace{}
	for _, way := range newest(ways(events), limit) {
		one, err := describeWay(ctx, q, way, t.Recipient)
		if err != nil {
			return nil, err
		}
		traces = append(traces, one)
	}
	return traces, nil
}

// unbracket is a Message-ID as the queue keeps it.
func unbracket(id string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(id), "<"), ">")
}

// ways are the events of each message, messages in the order of their first.
func ways(events []queue.Event) (all [][]queue.Event) {
	at := map[string]int{}
	for _, ev := range events {
		i, known := at[ev.ID]
		if !known {
			i = len(all)
			at[ev.ID], all = i, append(all, nil)
		}
		all[i] = append(all[i], ev)
	}
	for _, way := range all {
		slices.SortStableFunc(way, func(a, b queue.Event) int { return cmp.Or(a.At.Compare(b.At), order(a.Kind)-order(b.Kind)) })
	}
	return all
}

// order is what comes first of what happens at the same time.
func order(k queue.EventKind) int {
	return slices.Index([]queue.EventKind{queue.EventSubmitted, queue.EventAttempt, queue.EventWarned, queue.EventDropped, queue.EventDone}, k)
}

func newest[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

// describeWay tells of one message; recipient is who was asked for, "" all.
func describeWay(ctx context.Context, q *queue.Queue, events []queue.Event, recipient string) (Trace, error) {
	first := &events[0]
	t := Trace{ID: first.ID, MessageID: first.MessageID, Sender: first.From, SizeBytes: first.Size, Recipients: []TraceRecipient{}}
	left, _, err := q.List(ctx, queue.Filter{ID: t.ID, To: recipient, Limit: maxListed})
	if err != nil {
		return t, err
	}
	outcomes := map[string]string{}
	for i := range events {
		ev := &events[i]
		t.Events = append(t.Events, eventOf(ev))
		for _, to := range ev.To {
			// A queued message may have others, whom nobody asked for.
			if ev.Kind != queue.EventSubmitted || queue.MatchAddress(recipient, to) {
				t.note(outcomes, to, ev)
			}
		}
	}
	queued := map[string]*QueueItem{}
	for i := range left {
		item := itemOf(&left[i])
		queued[item.Recipient] = &item
		t.add(outcomes, item.Recipient)
	}
	for i := range t.Recipients {
		r := &t.Recipients[i]
		r.Outcome, r.Queued = outcomes[r.Recipient], queued[r.Recipient]
		if r.Queued != nil {
			r.Outcome = r.Queued.State
		}
	}
	return t, nil
}

const unknown = "unknown"

// add makes a recipient known.
func (t *Trace) add(outcomes map[string]string, to string) {
	if _, known := outcomes[to]; !known {
		t.Recipients = append(t.Recipients, TraceRecipient{Recipient: to})
		outcomes[to] = unknown
	}
}

// note remembers what an event means for a recipient.
func (t *Trace) note(outcomes map[string]string, to string, ev *queue.Event) {
	t.add(outcomes, to)
	switch {
	case ev.Kind == queue.EventDropped:
		outcomes[to] = dropped
	case (ev.Kind == queue.EventAttempt || ev.Kind == queue.EventDone) && outcomes[to] != dropped:
		if name := resultName(ev.Outcome.Result); name != deferred {
			outcomes[to] = name
		}
	}
}

func eventOf(ev *queue.Event) TraceEvent {
	e := TraceEvent{At: ev.At, Event: ev.Kind.String(), Recipients: ev.To}
	if ev.Kind != queue.EventSubmitted {
		a := attemptOf(&ev.Outcome)
		e.Attempt = &a
	}
	return e
}
