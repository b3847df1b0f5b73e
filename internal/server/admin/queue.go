package admin

import (
	"time"

	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// QueueFilter chooses recipients of messages in the queue. Empty fields match all; those that are
// not must all match.
type QueueFilter struct {
	ID string `json:"id,omitempty"`
	// Sender and Recipient match without regard to case. "@example.org" is everybody there, "<>" the
	// sender of notifications.
	Sender    string `json:"sender,omitempty"`
	Recipient string `json:"recipient,omitempty"`
	// Domain is the recipient's domain, or the destination: what shares the next hop, like "smtp.provider.example:587".
	Domain string `json:"domain,omitempty"`
	// States are "waiting", "scheduled" (for later, by the sender), "held", "notifying".
	States         []string  `json:"states,omitempty"`
	ReceivedBefore time.Time `json:"received_before,omitzero"`
	ReceivedAfter  time.Time `json:"received_after,omitzero"`
	// Limit is how many to list at most; 0 means 1,000. Changes have no limit.
	Limit int `json:"limit,omitempty"`
}

// QueueChange chooses what a change of the queue is about. A filter that matches all is
// refused (fault.Invalid) unless All says that it is meant so.
type QueueChange struct {
	Filter QueueFilter `json:"filter"`
	All    bool        `json:"all,omitempty"`
	// Bounce, of a drop alone: tell the senders that it failed.
	Bounce bool `json:"bounce,omitempty"`
}

// QueueList is a part of the queue.
type QueueList struct {
	Items []QueueItem `json:"items"`
	More  bool        `json:"more"` // there are others beyond the limit
}

// QueueItem is one recipient of a message in the queue.
type QueueItem struct {
	ID          string `json:"id"`
	MessageID   string `json:"message_id,omitempty"` // without brackets
	Sender      string `json:"sender"`               // "": the null reverse-path
	Recipient   string `json:"recipient"`
	Destination string `json:"destination"`
	State       string `json:"state"`
	// Reason says why it is held, if it was from the beginning.
	Reason string `json:"reason,omitempty"`
	// Active: it is being tried, or next.
	Active    bool      `json:"active,omitempty"`
	Priority  int       `json:"priority,omitempty"` // MT-PRIORITY, from -9 to 9
	SizeBytes int64     `json:"size_bytes"`
	Received  time.Time `json:"received"`
	Due       time.Time `json:"due,omitzero"` // the next attempt; zero: none
	Expires   time.Time `json:"expires"`      // when it is given up
	Tried     int       `json:"tried"`        // attempts so far
	// Attempts are the newest, oldest first: in a list the last one only.
	Attempts []Attempt `json:"attempts,omitempty"`
}

// Attempt is what came of trying to send to one recipient.
type Attempt struct {
	At     time.Time `json:"at"`
	Result string    `json:"result"`           // deferred, delivered, relayed (to a server that sends no reports), failed
	Code   int       `json:"code,omitempty"`   // the remote's reply code; 0: no reply
	Status string    `json:"status,omitempty"` // RFC 3463
	Text   string    `json:"text,omitempty"`   // the remote's reply, or our words
	Remote string    `json:"remote,omitempty"` // the host that was asked
	Addr   string    `json:"addr,omitempty"`   // its address and port
	TLS    string    `json:"tls,omitempty"`    // how the channel was protected; "": not at all
	TookMS int64     `json:"took_ms,omitempty"`
}

// Changed says how much a change of the queue was about.
type Changed struct {
	Recipients int `json:"recipients"`
}

func itemOf(e *queue.Entry) QueueItem {
	i := QueueItem{
		ID: e.ID, MessageID: e.MessageID, Sender: e.From, Recipient: e.To, Destination: e.Destination, State: e.State.String(), Reason: e.Reason,
		Active: e.Active && e.State == queue.Waiting, Priority: e.Priority, SizeBytes: e.Size,
		Received: e.Received, Due: e.Due, Expires: e.Expires, Tried: e.Attempts,
	}
	for k := range e.History {
		i.Attempts = append(i.Attempts, attemptOf(&e.History[k]))
	}
	return i
}

func attemptOf(o *transfer.Outcome) Attempt {
	a := Attempt{At: o.At.UTC(), Result: resultName(o.Result), Code: o.Code, Status: o.Status, Text: o.Text,
		Remote: o.Remote, TLS: o.TLS, TookMS: o.Took.Milliseconds()}
	if o.Addr.IsValid() {
		a.Addr = o.Addr.String()
	}
	return a
}

// What becomes of a recipient.
const (
	deferred  = "deferred"
	delivered = "delivered"
	relayed   = "relayed"
	failed    = "failed"
	dropped   = "dropped" // by an administrator
)

func resultName(r transfer.Result) string {
	switch r {
	case transfer.Delivered:
		return delivered
	case transfer.Relayed:
		return relayed
	case transfer.Failed:
		return failed
	}
	return deferred
}
