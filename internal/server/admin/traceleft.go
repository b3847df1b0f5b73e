package admin

import (
	"context"
	"slices"

	"postroad/internal/service/queue"
	"postroad/internal/service/trace"
)

// left tells of mail that lies in the queue and that the trace doesn't remember: what is scheduled or held can be older than
// what the trace keeps, and a crash may have cost its last second. most is how many messages at most, the newest; stories are
// those that are told already.
func left(ctx context.Context, q *queue.Queue, t *TraceQuery, most int, stories []trace.Story) ([]Trace, error) {
	if most <= 0 || t.Client != "" { // the queue doesn't know who brought it
		return nil, nil
	}
	if len(stories) > 0 && (t.ID != "" || t.MessageID != "") { // all of it is told; to look for a Message-ID takes reading the whole queue
		return nil, nil
	}
	told := map[string]bool{}
	for i := range stories {
		for k := range stories[i].Events {
			told[stories[i].Events[k].ID] = true
		}
	}
	items, _, err := q.List(ctx, queue.Filter{ID: t.ID, From: t.Sender, To: t.Recipient, After: t.Since, Before: t.Until, Limit: maxListed})
	if err != nil {
		return nil, err
	}
	var found []Trace
	for i := range items {
		e := &items[i]
		if told[e.ID] || t.MessageID != "" && e.MessageID != unbracket(t.MessageID) {
			continue
		}
		if n := len(found); n == 0 || found[n-1].ID != e.ID {
			found = append(found, leftOf(e))
		}
		found[len(found)-1].add(e)
	}
	slices.SortStableFunc(found, func(a, b Trace) int { return a.Events[0].At.Compare(b.Events[0].At) })
	return found[max(0, len(found)-most):], nil
}

// leftOf begins to tell of an item's message.
func leftOf(e *queue.Entry) Trace {
	return Trace{ID: e.ID, MessageID: e.MessageID, Sender: e.From, SizeBytes: e.Size, Recipients: []TraceRecipient{}, Events: []TraceEvent{}}
}

// add tells of one item: when it was queued, and its last attempt.
func (t *Trace) add(e *queue.Entry) {
	item, to := itemOf(e), []string{e.To}
	t.Recipients = append(t.Recipients, TraceRecipient{Recipient: e.To, Outcome: item.State, Queued: &item})
	t.Events = append(t.Events, TraceEvent{At: e.Received.UTC(), Event: trace.Queued.String(), Recipients: to})
	for i := range item.Attempts {
		t.Events = append(t.Events, TraceEvent{At: item.Attempts[i].At, Event: trace.Attempt.String(), Recipients: to, Attempt: &item.Attempts[i]})
	}
}
