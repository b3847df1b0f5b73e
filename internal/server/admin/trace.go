package admin

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// TraceQuery says which messages to look for. At least one of the first five is
// needed; all that are given must match.
type TraceQuery struct {
	ID        string `json:"id,omitempty"`
	MessageID string `json:"message_id,omitempty"` // with or without brackets
	// Sender and Recipient are as in QueueFilter.
	Sender    string `json:"sender,omitempty"`
	Recipient string `json:"recipient,omitempty"`
	// Client is the address of who brought the message, or tried to.
	Client string    `json:"client,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	// Limit is how many messages at most, the newest; 0 means 20.
	Limit int `json:"limit,omitempty"`
}

// Trace is the way of one message, and of the copies and notifications that were made of it.
type Trace struct {
	ID        string `json:"id,omitempty"` // "": it was refused before it had one
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
	// Outcome is waiting, scheduled, held or notifying while it is in the queue; else delivered, relayed, failed, refused,
	// forwarded, dropped, quarantined or discarded. unknown: nothing more is remembered.
	Outcome string     `json:"outcome"`
	Queued  *QueueItem `json:"queued,omitempty"` // while it is in the queue
}

// TraceEvent is a step on the way: received, refused, delivered (to a mailbox here), forwarded, listed, queued, tried, warned (the
// sender, of a delay), ended (the sender was told, or the message given up), dropped, held, released, notified.
type TraceEvent struct {
	At    time.Time `json:"at"`
	Event string    `json:"event"`
	// ID is another than the trace's if the event is about a copy or a notification, Parent what that was made of.
	ID         string       `json:"id,omitempty"`
	Parent     string       `json:"parent,omitempty"`
	Recipients []string     `json:"recipients"`
	Client     *TraceClient `json:"client,omitempty"`  // of received and refused
	Stage      string       `json:"stage,omitempty"`   // of refused: connect, helo, mail, rcpt, data
	Text       string       `json:"text,omitempty"`    // what the checks found, or why
	Account    string       `json:"account,omitempty"` // of delivered: the mailbox; of forwarded and listed: the alias or group
	Folder     string       `json:"folder,omitempty"`
	Attempt    *Attempt     `json:"attempt,omitempty"` // of tried, warned, ended and dropped; of refused, our reply
}

// TraceClient is who brought a message.
type TraceClient struct {
	Address  string `json:"address,omitempty"`
	Name     string `json:"name,omitempty"` // in the DNS
	Helo     string `json:"helo,omitempty"`
	TLS      string `json:"tls,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Account  string `json:"account,omitempty"` // who signed in
}

const (
	defaultTraces = 20
	// maxQueued bounds the messages of a trace that are looked for in the queue.
	maxQueued = 100
)

// SetTrace gives what remembers the ways of messages. It must be called before anything else.
func (d *Direct) SetTrace(l *trace.Log) { d.trace = l }

// Trace implements Admin.
func (d *Direct) Trace(ctx context.Context, t TraceQuery) ([]Trace, error) {
	want, err := t.query()
	if err != nil {
		return nil, err
	}
	q, err := d.openQueue(ctx)
	if err != nil {
		return nil, err
	}
	stories, _, err := d.trace.Find(ctx, want)
	if err != nil {
		return nil, err
	}
	traces := []Trace{}
	for i := range stories {
		one, err := describeStory(ctx, q, &stories[i], t.Recipient)
		if err != nil {
			return nil, err
		}
		traces = append(traces, one)
	}
	waiting, err := left(ctx, q, &t, want.Limit-len(stories), stories)
	return append(append([]Trace{}, waiting...), traces...), err
}

// query is what a question means to the trace.
func (t *TraceQuery) query() (trace.Query, error) {
	want := trace.Query{ID: t.ID, MessageID: unbracket(t.MessageID), From: t.Sender, To: t.Recipient,
		Since: t.Since, Until: t.Until, Limit: t.Limit}
	if t.ID == "" && want.MessageID == "" && t.Sender == "" && t.Recipient == "" && t.Client == "" {
		return want, fault.New(fault.Invalid, "say which mail: its sender, recipient, Message-ID, ID or client")
	}
	if t.Client != "" {
		var err error
		if want.Client, err = netip.ParseAddr(strings.Trim(t.Client, "[]")); err != nil {
			return want, fault.New(fault.Invalid, "%q is not an address like 192.0.2.1 or 2001:db8::1", t.Client)
		}
	}
	if want.Limit == 0 {
		want.Limit = defaultTraces
	}
	return want, checkLimit(t.Limit)
}

// unbracket is a Message-ID as it is kept.
func unbracket(id string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(id), "<"), ">")
}

// story puts a Trace together.
type story struct {
	Trace
	asked    string            // the recipient who was asked for, "" all
	outcomes map[string]string // by recipient
	notices  map[string]bool   // IDs of notifications: their recipients are others
	ids      []string
}

// describeStory tells of one message; recipient is who was asked for, "" all.
func describeStory(ctx context.Context, q *queue.Queue, from *trace.Story, recipient string) (Trace, error) {
	s := &story{Trace: Trace{ID: from.ID, Recipients: []TraceRecipient{}}, asked: recipient,
		outcomes: map[string]string{}, notices: map[string]bool{}}
	for i := range from.Events {
		if e := &from.Events[i]; e.Kind == trace.Notification {
			s.notices[e.ID] = true
		}
	}
	theirs := concerned(from.Events, recipient)
	for i := range from.Events {
		if e := &from.Events[i]; !theirs[e.ID] || concerns(e, recipient) {
			s.tell(e)
		}
	}
	queued, err := s.queued(ctx, q)
	if err != nil {
		return s.Trace, err
	}
	for i := range s.Recipients {
		r := &s.Recipients[i]
		r.Outcome, r.Queued = s.outcomes[r.Recipient], queued[r.Recipient]
		if r.Queued != nil {
			r.Outcome = r.Queued.State
		}
	}
	return s.Trace, nil
}

// concerned are the messages that went to the recipient who was asked for: of them, what happened to others is left out.
func concerned(events []trace.Event, recipient string) map[string]bool {
	ids := map[string]bool{}
	for i := range events {
		if recipient != "" && toAny(&events[i], recipient) {
			ids[events[i].ID] = true
		}
	}
	return ids
}

// concerns reports whether an event is not about other recipients alone.
func concerns(e *trace.Event, recipient string) bool {
	switch e.Kind {
	case trace.Received, trace.Queued, trace.Notification:
		return true
	}
	return len(e.To) == 0 || toAny(e, recipient) || e.Account != "" && trace.MatchAddress(recipient, e.Account)
}

func toAny(e *trace.Event, recipient string) bool {
	return slices.ContainsFunc(e.To, func(a string) bool { return trace.MatchAddress(recipient, a) })
}

// queued finds what is left in the queue of the story's messages, by recipient.
func (s *story) queued(ctx context.Context, q *queue.Queue) (map[string]*QueueItem, error) {
	items := map[string]*QueueItem{}
	for _, id := range s.ids[:min(len(s.ids), maxQueued)] {
		if s.notices[id] {
			continue
		}
		left, _, err := q.List(ctx, queue.Filter{ID: id, To: s.asked, Limit: maxListed})
		if err != nil {
			return nil, err
		}
		for i := range left {
			item := itemOf(&left[i])
			items[item.Recipient] = &item
			s.add(item.Recipient)
		}
	}
	return items, nil
}

// tell adds an event.
func (s *story) tell(e *trace.Event) {
	if e.ID != "" && (len(s.ids) == 0 || !contains(s.ids, e.ID)) {
		s.ids = append(s.ids, e.ID)
	}
	if e.ID == s.ID { // the message itself, not a copy
		if s.MessageID == "" {
			s.MessageID = e.MessageID
		}
		s.SizeBytes = max(s.SizeBytes, e.Size)
		s.Sender = e.From
	}
	s.Events = append(s.Events, eventOf(e, s.ID))
	if s.notices[e.ID] {
		return
	}
	for _, to := range e.To {
		s.note(to, e)
	}
	if passedOn(e.Kind) && e.Account != "" {
		s.outcome(e.Account, forwarded)
	}
}

func contains(ids []string, id string) bool {
	for i := len(ids) - 1; i >= 0; i-- { // most often the last one
		if ids[i] == id {
			return true
		}
	}
	return false
}

func passedOn(k trace.Kind) bool { return k == trace.Forwarded || k == trace.Listed }

const (
	unknown   = "unknown"
	refused   = "refused"   // by us
	forwarded = "forwarded" // an alias or a group: others got it
)

// add makes a recipient known. A message may have others, whom nobody asked for.
func (s *story) add(to string) bool {
	if !trace.MatchAddress(s.asked, to) {
		return false
	}
	if _, known := s.outcomes[to]; !known {
		s.Recipients = append(s.Recipients, TraceRecipient{Recipient: to})
		s.outcomes[to] = unknown
	}
	return true
}

func (s *story) outcome(to, what string) {
	if s.add(to) && s.outcomes[to] != dropped {
		s.outcomes[to] = what
	}
}

// note remembers what an event means for a recipient.
func (s *story) note(to string, e *trace.Event) {
	switch e.Kind {
	case trace.Quarantined, trace.Discarded:
		s.outcome(to, e.Kind.String())
	case trace.Refused:
		s.outcome(to, refused)
	case trace.Delivered:
		s.outcome(to, delivered)
	case trace.Dropped:
		s.outcome(to, dropped)
	case trace.Attempt, trace.Done:
		if name := resultName(e.Outcome.Result); name != deferred {
			s.outcome(to, name)
			return
		}
		s.add(to)
	default:
		s.add(to)
	}
}

// eventOf describes an event of the message called id, or of a copy.
func eventOf(e *trace.Event, id string) TraceEvent {
	t := TraceEvent{At: e.At, Event: e.Kind.String(), Parent: e.Parent, Recipients: e.To, Stage: e.Stage, Text: e.Text,
		Account: e.Account, Folder: e.Folder}
	if e.ID != id {
		t.ID = e.ID
	}
	if t.Recipients == nil {
		t.Recipients = []string{}
	}
	if c := e.Client; c != (trace.Client{}) {
		t.Client = &TraceClient{Name: c.Name, Helo: c.Helo, TLS: c.TLS, Protocol: c.Protocol, Account: c.Account}
		if c.Addr.IsValid() {
			t.Client.Address = c.Addr.String()
		}
	}
	if e.Outcome != (transfer.Outcome{}) {
		a := attemptOf(&e.Outcome)
		if e.Outcome.At.IsZero() {
			a.At = e.At
		}
		if e.Kind == trace.Refused {
			a.Result = refused
		}
		t.Attempt = &a
	}
	return t
}
