package admin

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/junk"
)

// JunkAdmin is what an administrator can do about what is junk. What is about an account fails with fault.NotFound if there is none.
type JunkAdmin interface {
	// SharedJunk tells what all accounts together have learned about junk.
	SharedJunk(ctx context.Context) (JunkState, error)
	// Junk tells what an account has learned about junk.
	Junk(ctx context.Context, address string) (JunkState, error)
	// SetJunk says whether an account's mail is judged.
	SetJunk(ctx context.Context, c JunkChange) (JunkState, error)
	// WhyJunk tells why a message is in the junk, or isn't. fault.NotFound if there is no such message.
	WhyJunk(ctx context.Context, q JunkQuery) (JunkReasons, error)
	// TestJunk judges a message that isn't stored.
	TestJunk(ctx context.Context, q JunkTest) (JunkReasons, error)
	// TrainJunk has an account, or all, learn messages.
	TrainJunk(ctx context.Context, l JunkLessons) (JunkTrained, error)
	// ForgetJunk forgets all that an account has learned, and whom it knows.
	ForgetJunk(ctx context.Context, address string) error
}

// JunkState is what an account has learned, or all have together.
type JunkState struct {
	Address string `json:"address,omitempty"` // "": all
	Off     bool   `json:"off"`               // its mail isn't judged
	Junk    int    `json:"junk"`              // messages learned as junk
	Good    int    `json:"good"`              // and as good
	Known   int    `json:"known,omitempty"`   // addresses that the account has written to, whose mail is never junk
	Bytes   int    `json:"bytes,omitempty"`   // of what it has learned
	Senders int    `json:"senders,omitempty"` // domains and networks on which the accounts have voted so that it counts
}

// JunkChange says whether an account's mail is judged.
type JunkChange struct {
	Address string `json:"address"`
	Off     bool   `json:"off"`
}

// JunkQuery names a message of an account: by its Message-ID, or as FOLDER/UID.
type JunkQuery struct {
	Address string `json:"address"`
	Message string `json:"message"`
}

// JunkTest is a message to be judged.
type JunkTest struct {
	Address string `json:"address,omitempty"` // for whom; "": for an account that has learned nothing
	Text    []byte `json:"text"`              // the message, in base64; its first half megabyte is enough
}

// JunkLessons are messages to be learned.
type JunkLessons struct {
	Address string   `json:"address,omitempty"` // by whom; "": by all
	Junk    bool     `json:"junk"`              // else they are good
	Texts   [][]byte `json:"texts"`             // each in base64
}

// JunkTrained tells what came of it.
type JunkTrained struct {
	Learned int `json:"learned"`
	Present int `json:"present"` // that the account had learned before
}

// JunkReasons tell why a message is junk, or isn't.
type JunkReasons struct {
	Folder string `json:"folder,omitempty"` // that it lies in
	// Junk, Score (0 to 100) and Limit, from which on it is junk, are what would be said of it now.
	Junk  bool `json:"junk"`
	Score int  `json:"score"`
	Limit int  `json:"limit"`
	// Because is what decides in the score's place: known.
	Because string `json:"because,omitempty"`
	Author  string `json:"author,omitempty"`
	Proven  string `json:"proven,omitempty"` // the author's domain, if it is proved
	// Domain and Network are how the accounts here think of them, in log-odds: above 0 is bad.
	Domain  float64 `json:"domain"`
	Network float64 `json:"network"`
	// Reasons are what in the message matters most.
	Reasons []JunkReason `json:"reasons"`
	// Signs are what looks like phishing, in sentences.
	Signs []string `json:"signs"`
	// Arrived is what was said when it came; none: it wasn't judged then.
	Arrived *JunkRemark `json:"arrived,omitempty"`
	// Label is what the account has said of it (junk or good), and By how: moved, marked, answered, kept, filed.
	Label string `json:"label,omitempty"`
	By    string `json:"by,omitempty"`
}

// JunkReason is something in a message, and what it adds to the log-odds that it is junk.
type JunkReason struct {
	What   string  `json:"what"`
	Weight float64 `json:"weight"`
}

// JunkRemark is what was said of a message when it came.
type JunkRemark struct {
	Junk    bool   `json:"junk"`
	Score   int    `json:"score"`
	Limit   int    `json:"limit"`
	Because string `json:"because,omitempty"`
}

// SetJunkFilter gives what judges and learns. It must be called before anything else.
func (d *Direct) SetJunkFilter(j *junk.Service) { d.junk = j }

// SharedJunk implements Admin.
func (d *Direct) SharedJunk(context.Context) (s JunkState, err error) {
	s.Junk, s.Good, s.Senders = d.junk.Shared()
	return s, nil
}

// Junk implements Admin.
func (d *Direct) Junk(ctx context.Context, address string) (s JunkState, err error) {
	err = d.withMailbox(ctx, address, func(box *mailbox.Session) error {
		if err := d.junk.Learn(ctx, box.Account()); err != nil {
			return err
		}
		k, err := d.junk.Knowledge(ctx, box)
		s = JunkState{Address: address, Off: k.Off, Junk: k.Junk, Good: k.Good, Known: k.Known, Bytes: k.Bytes}
		return err
	})
	return s, err
}

// SetJunk implements Admin.
func (d *Direct) SetJunk(ctx context.Context, c JunkChange) (JunkState, error) {
	err := d.withMailbox(ctx, c.Address, func(box *mailbox.Session) error { return d.junk.SetOff(ctx, box.Account(), c.Off) })
	if err != nil {
		return JunkState{}, err
	}
	return d.Junk(ctx, c.Address)
}

// WhyJunk implements Admin.
func (d *Direct) WhyJunk(ctx context.Context, q JunkQuery) (why JunkReasons, err error) {
	err = d.withMailbox(ctx, q.Address, func(box *mailbox.Session) error {
		if err := d.junk.Learn(ctx, box.Account()); err != nil {
			return err
		}
		row, folder, err := junk.Find(ctx, box, q.Message)
		if err != nil {
			return err
		}
		e, err := d.junk.Why(ctx, box, &row)
		why = reasonsOf(e)
		why.Folder = folder.Name
		return err
	})
	return why, err
}

// TestJunk implements Admin.
func (d *Direct) TestJunk(ctx context.Context, q JunkTest) (why JunkReasons, err error) {
	if q.Address == "" {
		e, err := d.junk.Test(ctx, nil, q.Text)
		return reasonsOf(e), err
	}
	err = d.withMailbox(ctx, q.Address, func(box *mailbox.Session) error {
		e, err := d.junk.Test(ctx, box, q.Text)
		why = reasonsOf(e)
		return err
	})
	return why, err
}

func reasonsOf(e junk.Explanation) JunkReasons {
	r := JunkReasons{
		Junk: e.Junk, Score: e.Score, Limit: e.Limit, Because: e.Because, Author: e.Author, Proven: e.Proven, Domain: e.Domain, Network: e.Network,
		Reasons: []JunkReason{}, Signs: []string{}, Label: e.Label, By: e.By,
	}
	for _, x := range e.Reasons {
		r.Reasons = append(r.Reasons, JunkReason{x.Name, x.Weight})
	}
	for _, s := range e.Signs {
		r.Signs = append(r.Signs, s.Explain())
	}
	if a := e.Arrived; a != nil {
		r.Arrived = &JunkRemark{a.Junk, a.Score, a.Limit, a.Because}
	}
	return r
}

// TrainJunk implements Admin.
func (d *Direct) TrainJunk(ctx context.Context, l JunkLessons) (t JunkTrained, err error) {
	if len(l.Texts) == 0 {
		return t, fault.New(fault.Invalid, "there is nothing to learn")
	}
	if l.Address == "" {
		t.Learned = len(l.Texts)
		return t, d.junk.TrainAll(ctx, l.Junk, l.Texts...)
	}
	err = d.withMailbox(ctx, l.Address, func(box *mailbox.Session) error {
		t.Learned, err = d.junk.Train(ctx, box.Account(), l.Junk, l.Texts...)
		t.Present = len(l.Texts) - t.Learned
		return err
	})
	return t, err
}

// ForgetJunk implements Admin.
func (d *Direct) ForgetJunk(ctx context.Context, address string) error {
	return d.withMailbox(ctx, address, func(box *mailbox.Session) error { return d.junk.Forget(ctx, box.Account()) })
}

// Junk implements Admin.
func (c *Client) Junk(ctx context.Context, address string) (JunkState, error) {
	return call[JunkState](ctx, c, "account.junk", addressArg{address})
}

// SharedJunk implements Admin.
func (c *Client) SharedJunk(ctx context.Context) (JunkState, error) {
	return call[JunkState](ctx, c, "junk.show", none{})
}

// SetJunk implements Admin.
func (c *Client) SetJunk(ctx context.Context, change JunkChange) (JunkState, error) {
	return call[JunkState](ctx, c, "account.junk.set", change)
}

// WhyJunk implements Admin.
func (c *Client) WhyJunk(ctx context.Context, q JunkQuery) (JunkReasons, error) {
	return call[JunkReasons](ctx, c, "account.junk.why", q)
}

// TestJunk implements Admin.
func (c *Client) TestJunk(ctx context.Context, q JunkTest) (JunkReasons, error) {
	return call[JunkReasons](ctx, c, "junk.test", q)
}

// TrainJunk implements Admin.
func (c *Client) TrainJunk(ctx context.Context, l JunkLessons) (JunkTrained, error) {
	return call[JunkTrained](ctx, c, "junk.train", l)
}

// ForgetJunk implements Admin.
func (c *Client) ForgetJunk(ctx context.Context, address string) error {
	return do(ctx, c, "account.junk.forget", addressArg{address})
}
