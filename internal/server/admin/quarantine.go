package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/quarantine"
	"postroad/internal/service/transfer"
)

// QuarantineAdmin is what an administrator can do with messages that a scanner or policy has put aside. Those who administer
// some domains see and decide for recipients there, and for what people there have sent; of others they don't hear.
type QuarantineAdmin interface {
	// Quarantined lists messages, the newest first.
	Quarantined(ctx context.Context, q QuarantineQuery) (QuarantineList, error)
	// ShowQuarantined shows one, with its header. fault.NotFound.
	ShowQuarantined(ctx context.Context, number uint64) (QuarantinedHeader, error)
	// ReadQuarantined reads a piece of one as it came. fault.NotFound.
	ReadQuarantined(ctx context.Context, r QuarantineRead) (QuarantinePiece, error)
	// ReleaseQuarantined delivers one as it was meant. fault.NotFound; fault.Unavailable: the server is stopped; and why recipients can't
	// have it, who stay on it then.
	ReleaseQuarantined(ctx context.Context, c QuarantineChange) (QuarantineChanged, error)
	// DeleteQuarantined throws one away, for the recipients that are named. fault.NotFound.
	DeleteQuarantined(ctx context.Context, c QuarantineChange) (QuarantineChanged, error)
}

// QuarantineQuery chooses messages. Empty fields: any.
type QuarantineQuery struct {
	Sender    string `json:"sender,omitempty"`    // an address, @domain, or <> for the null path
	Recipient string `json:"recipient,omitempty"` // an address, or @domain
	Reason    string `json:"reason,omitempty"`    // a part of the reason
	Before    uint64 `json:"before,omitempty"`    // only those with smaller numbers: the next page
	Limit     int    `json:"limit,omitempty"`     // default 100
}

// QuarantineList is a part of what there is.
type QuarantineList struct {
	Messages []Quarantined `json:"messages"`
	More     bool          `json:"more"`
}

// Quarantined is a message in the quarantine.
type Quarantined struct {
	Number     uint64    `json:"number"`
	ID         string    `json:"id"`
	MessageID  string    `json:"message_id,omitempty"`
	Received   time.Time `json:"received"`
	Reason     string    `json:"reason"`
	Sender     string    `json:"sender"`
	Recipients []string  `json:"recipients"` // who haven't got it
	Author     string    `json:"author,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	SizeBytes  int64     `json:"size_bytes"`
	Client     string    `json:"client,omitempty"`
	Login      string    `json:"login,omitempty"` // who signed in
}

// QuarantinedHeader is one with its header.
type QuarantinedHeader struct {
	Quarantined
	Header string `json:"header"` // as it came; at most 64 KB
}

// QuarantineRead asks for bytes of a message.
type QuarantineRead struct {
	Number uint64 `json:"number"`
	Offset int64  `json:"offset,omitempty"`
}

// QuarantinePiece is a piece of one.
type QuarantinePiece struct {
	Bytes []byte `json:"bytes"` // base64
	More  bool   `json:"more"`
}

// QuarantineChange is about a message, or some of its recipients.
type QuarantineChange struct {
	Number     uint64   `json:"number"`
	Recipients []string `json:"recipients,omitempty"` // none: all
}

// QuarantineChanged says whom a change was about.
type QuarantineChanged struct {
	Recipients []string `json:"recipients"`
}

type numberArg struct {
	Number uint64 `json:"number"`
}

const (
	quarantinePiece  = 256 << 10
	quarantineHeader = 64 << 10
	defaultListed    = 100
)

// Release lets recipients of an entry have it, and tells who has. Set by SetQuarantine.
type Release func(ctx context.Context, e *quarantine.Entry, to []transfer.Recipient) (released []string, err error)

// isolated is the quarantine, and what is needed to let messages out.
type isolated struct {
	store   *quarantine.Store
	release Release    // nil: the server is stopped
	mu      sync.Mutex // held while a message is let out or deleted: nobody gets it twice
}

// SetQuarantine gives d the quarantine. Call it before anybody asks.
func (d *Direct) SetQuarantine(s *quarantine.Store) { d.isolated.store = s }

// SetRelease gives d what lets messages out of it. Call it before anybody asks.
func (d *Direct) SetRelease(r Release) { d.isolated.release = r }

// sees are the recipients of an entry that a caller may know of; none: nothing of it.
func sees(c Caller, e *quarantine.Entry) []transfer.Recipient {
	if c.Server || e.Login != "" && c.Administers(e.Login) {
		return e.To
	}
	var to []transfer.Recipient
	for _, r := range e.To {
		if strings.Contains(r.Address, "@") && c.Administers(r.Address) {
			to = append(to, r)
		}
	}
	return to
}

func shownOf(e *quarantine.Entry, to []transfer.Recipient) Quarantined {
	q := Quarantined{Number: e.Number, ID: e.ID, MessageID: e.MessageID, Received: e.Received, Reason: e.Reason, Sender: e.From, Author: e.Author, Subject: e.Subject,
		SizeBytes: e.Size, Client: e.Client, Login: e.Login, Recipients: []string{}}
	for i := range to {
		q.Recipients = append(q.Recipients, to[i].Address)
	}
	return q
}

// Quarantined implements Admin.
func (d *Direct) Quarantined(ctx context.Context, q QuarantineQuery) (QuarantineList, error) {
	list := QuarantineList{Messages: []Quarantined{}}
	c := callerOf(ctx)
	if d.isolated.store == nil {
		return list, nil
	}
	if q.Limit <= 0 {
		q.Limit = defaultListed
	}
	match := func(e *quarantine.Entry) bool {
		to := sees(c, e)
		return len(to) > 0 && q.matches(e, to)
	}
	all, more, err := d.isolated.store.List(ctx, quarantine.Query{Match: match, Before: q.Before, Limit: q.Limit})
	for i := range all {
		list.Messages = append(list.Messages, shownOf(&all[i], sees(c, &all[i])))
	}
	list.More = more
	return list, err
}

func (q *QuarantineQuery) matches(e *quarantine.Entry, to []transfer.Recipient) bool {
	if q.Sender != "" && !likeAddress(q.Sender, e.From) || !strings.Contains(strings.ToLower(e.Reason), strings.ToLower(q.Reason)) {
		return false
	}
	return q.Recipient == "" || slices.ContainsFunc(to, func(r transfer.Recipient) bool { return likeAddress(q.Recipient, r.Address) })
}

// likeAddress reports whether an address is what was asked for: it, @ with its domain, or <> for none.
func likeAddress(want, address string) bool {
	want, address = strings.ToLower(want), strings.ToLower(address)
	switch {
	case want == "<>":
		return address == ""
	case strings.HasPrefix(want, "@"):
		return strings.HasSuffix(address, want)
	}
	return want == address
}

// entry finds a message, and the recipients of it that the caller may know of.
func (d *Direct) entry(ctx context.Context, number uint64) (e quarantine.Entry, to []transfer.Recipient, err error) {
	missing := fault.New(fault.NotFound, "there is no message %d in the quarantine", number)
	if d.isolated.store == nil {
		return e, nil, missing
	}
	if e, err = d.isolated.store.Get(ctx, number); err != nil {
		return e, nil, err
	}
	if to = sees(callerOf(ctx), &e); len(to) == 0 {
		err = missing
	}
	return e, to, err
}

// ShowQuarantined implements Admin.
func (d *Direct) ShowQuarantined(ctx context.Context, number uint64) (QuarantinedHeader, error) {
	e, to, err := d.entry(ctx, number)
	if err != nil {
		return QuarantinedHeader{}, err
	}
	b := make([]byte, min(e.Size, quarantineHeader))
	if _, err := d.isolated.store.Open(&e).ReadAt(b, 0); len(b) > 0 && err != nil {
		return QuarantinedHeader{}, err
	}
	header, _, _ := strings.Cut(string(b), "\r\n\r\n")
	return QuarantinedHeader{shownOf(&e, to), strings.ToValidUTF8(header, "?")}, nil
}

// ReadQuarantined implements Admin.
func (d *Direct) ReadQuarantined(ctx context.Context, r QuarantineRead) (QuarantinePiece, error) {
	e, _, err := d.entry(ctx, r.Number)
	if err != nil {
		return QuarantinePiece{}, err
	}
	if r.Offset < 0 || r.Offset > e.Size {
		return QuarantinePiece{}, fault.New(fault.Invalid, "the message has %d bytes", e.Size)
	}
	p := QuarantinePiece{Bytes: make([]byte, min(e.Size-r.Offset, quarantinePiece))}
	p.More = r.Offset+int64(len(p.Bytes)) < e.Size
	if len(p.Bytes) > 0 {
		if n, err := d.isolated.store.Open(&e).ReadAt(p.Bytes, r.Offset); n < len(p.Bytes) {
			return QuarantinePiece{}, err
		}
	}
	return p, nil
}

// chosen are the recipients that a change is about.
func (c *QuarantineChange) chosen(may []transfer.Recipient) (to []transfer.Recipient, err error) {
	if len(c.Recipients) == 0 {
		return may, nil
	}
	for _, a := range c.Recipients {
		i := slices.IndexFunc(may, func(r transfer.Recipient) bool { return strings.EqualFold(r.Address, a) })
		if i < 0 {
			return nil, fault.New(fault.NotFound, "message %d isn't kept for %s", c.Number, a)
		}
		to = append(to, may[i])
	}
	return to, nil
}

// ReleaseQuarantined implements Admin.
func (d *Direct) ReleaseQuarantined(ctx context.Context, c QuarantineChange) (QuarantineChanged, error) {
	if d.isolated.release == nil {
		return QuarantineChanged{}, fault.New(fault.Unavailable, "only a running server can deliver it")
	}
	d.isolated.mu.Lock()
	defer d.isolated.mu.Unlock()
	e, may, err := d.entry(ctx, c.Number)
	if err != nil {
		return QuarantineChanged{}, err
	}
	to, err := c.chosen(may)
	if err != nil {
		return QuarantineChanged{}, err
	}
	// Whoever asked may go: were it broken off between the delivery and the note that it was made, the next release would deliver it again.
	released, err := d.isolated.release(context.WithoutCancel(ctx), &e, to)
	if err != nil {
		return QuarantineChanged{}, partly(released, err)
	}
	return QuarantineChanged{released}, nil
}

// partly tells of a release that didn't reach all.
func partly(released []string, err error) error {
	text := fault.TextOf(err)
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var texts []string
		for _, one := range all.Unwrap() {
			texts = append(texts, fault.TextOf(one))
		}
		text = strings.Join(texts, "; ")
	}
	if len(released) > 0 {
		text = "released for " + strings.Join(released, ", ") + "; not for " + text
	}
	var f *fault.Error
	kind := fault.Internal
	if errors.As(err, &f) {
		kind = f.Kind
	}
	return fault.Wrap(kind, err, text)
}

// DeleteQuarantined implements Admin.
func (d *Direct) DeleteQuarantined(ctx context.Context, c QuarantineChange) (QuarantineChanged, error) {
	d.isolated.mu.Lock()
	defer d.isolated.mu.Unlock()
	_, may, err := d.entry(ctx, c.Number)
	if err != nil {
		return QuarantineChanged{}, err
	}
	to, err := c.chosen(may)
	if err != nil {
		return QuarantineChanged{}, err
	}
	done := QuarantineChanged{Recipients: []string{}}
	for _, r := range to {
		done.Recipients = append(done.Recipients, r.Address)
	}
	return done, d.isolated.store.Settle(ctx, c.Number, done.Recipients, false)
}

// Quarantined implements Admin.
func (c *Client) Quarantined(ctx context.Context, q QuarantineQuery) (QuarantineList, error) {
	return call[QuarantineList](ctx, c, "quarantine.list", q)
}

// ShowQuarantined implements Admin.
func (c *Client) ShowQuarantined(ctx context.Context, number uint64) (QuarantinedHeader, error) {
	return call[QuarantinedHeader](ctx, c, "quarantine.show", numberArg{number})
}

// ReadQuarantined implements Admin.
func (c *Client) ReadQuarantined(ctx context.Context, r QuarantineRead) (QuarantinePiece, error) {
	return call[QuarantinePiece](ctx, c, "quarantine.read", r)
}

// ReleaseQuarantined implements Admin.
func (c *Client) ReleaseQuarantined(ctx context.Context, q QuarantineChange) (QuarantineChanged, error) {
	return call[QuarantineChanged](ctx, c, "quarantine.release", q)
}

// DeleteQuarantined implements Admin.
func (c *Client) DeleteQuarantined(ctx context.Context, q QuarantineChange) (QuarantineChanged, error) {
	return call[QuarantineChanged](ctx, c, "quarantine.delete", q)
}
