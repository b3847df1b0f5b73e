package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Away is an account's out of office setting: what senders hear while its owner is away.
type Away struct {
	// State is off, on or scheduled.
	State string `json:"state"`
	// Active: senders are answered now.
	Active bool `json:"active"`
	// Start and End bound a schedule; a zero one leaves that side open. TimeZone is that in which they were given.
	Start    time.Time `json:"start,omitzero"`
	End      time.Time `json:"end,omitzero"`
	TimeZone string    `json:"time_zone,omitempty"`
	// Subject of the answers; "": made of the message's.
	Subject string `json:"subject,omitempty"`
	// Text and HTML are for people of the owner's own domain, OutsideText and OutsideHTML for others.
	Text        string `json:"text,omitempty"`
	HTML        string `json:"text_html,omitempty"`
	OutsideText string `json:"outside_text,omitempty"`
	OutsideHTML string `json:"outside_text_html,omitempty"`
	// Audience says which others are answered: none, known (whom the owner has written to) or all.
	Audience string `json:"audience"`
	// Days is how long a sender who was answered isn't again; 0: once in an absence.
	Days int `json:"days"`
}

// AwayChange changes what isn't nil.
type AwayChange struct {
	Address     string     `json:"address"`
	State       *string    `json:"state,omitempty"`
	Start       *time.Time `json:"start,omitempty"` // the zero time: open
	End         *time.Time `json:"end,omitempty"`
	TimeZone    *string    `json:"time_zone,omitempty"`
	Subject     *string    `json:"subject,omitempty"`
	Text        *string    `json:"text,omitempty"`
	HTML        *string    `json:"text_html,omitempty"`
	OutsideText *string    `json:"outside_text,omitempty"`
	OutsideHTML *string    `json:"outside_text_html,omitempty"`
	Audience    *string    `json:"audience,omitempty"`
	Days        *int       `json:"days,omitempty"`
}

// AwayAdmin is what an administrator can do about people who are away. All fail with fault.NotFound if there is no such account.
type AwayAdmin interface {
	// Away tells an account's out of office setting.
	Away(ctx context.Context, address string) (Away, error)
	// SetAway changes it. fault.Invalid and fault.TooLarge if it can't be.
	SetAway(ctx context.Context, c AwayChange) (Away, error)
}

var (
	awayStates    = []string{"off", "on", "scheduled"}
	awayAudiences = []string{"none", "known", "all"}
)

// wordOf is the number of a word.
func wordOf(list []string, word, what string) (int, error) {
	for i, w := range list {
		if w == word {
			return i, nil
		}
	}
	return 0, fault.New(fault.Invalid, "there is no %s %q: %s, %s and %s are", what, word, list[0], list[1], list[2])
}

func showAway(a *mailbox.Away, t *mailbox.AwayTexts) Away {
	return Away{
		State: awayStates[a.State], Start: a.Start, End: a.End, TimeZone: a.Zone, Subject: t.Subject,
		Text: t.Inside.Plain, HTML: t.Inside.HTML, OutsideText: t.Outside.Plain, OutsideHTML: t.Outside.HTML,
		Audience: awayAudiences[a.Audience], Days: a.Days,
	}
}

// apply changes a setting.
func (c *AwayChange) apply(a *mailbox.Away, t *mailbox.AwayTexts) error {
	if c.State != nil {
		n, err := wordOf(awayStates, *c.State, "state")
		if err != nil {
			return err
		}
		a.State = mailbox.AwayState(n)
	}
	if c.Audience != nil {
		n, err := wordOf(awayAudiences, *c.Audience, "audience")
		if err != nil {
			return err
		}
		a.Audience = mailbox.AwayAudience(n)
	}
	if c.TimeZone != nil && *c.TimeZone != "" {
		if _, err := time.LoadLocation(*c.TimeZone); err != nil || *c.TimeZone == "Local" { // the server's is nobody's
			return fault.New(fault.Invalid, "there is no time zone %q", *c.TimeZone)
		}
	}
	set(&a.Start, c.Start)
	set(&a.End, c.End)
	set(&a.Zone, c.TimeZone)
	set(&a.Days, c.Days)
	set(&t.Subject, c.Subject)
	set(&t.Inside.Plain, c.Text)
	set(&t.Inside.HTML, c.HTML)
	set(&t.Outside.Plain, c.OutsideText)
	set(&t.Outside.HTML, c.OutsideHTML)
	if a.State != mailbox.AwayOff && t.Inside.Empty() && t.Outside.Empty() {
		return fault.New(fault.Invalid, "say what senders are to hear: there is no text yet")
	}
	return nil
}

// set changes a value if there is a new one.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Away implements Admin.
func (d *Direct) Away(ctx context.Context, address string) (out Away, err error) {
	err = d.withMailbox(ctx, address, func(s *mailbox.Session) error {
		a, t, err := s.AwayTexts(ctx)
		out = showAway(&a, &t)
		out.Active = s.IsAway()
		return err
	})
	return out, err
}

// SetAway implements Admin.
func (d *Direct) SetAway(ctx context.Context, c AwayChange) (Away, error) {
	err := d.withMailbox(ctx, c.Address, func(s *mailbox.Session) error { return s.UpdateAway(ctx, c.apply) })
	if err != nil {
		return Away{}, err
	}
	return d.Away(ctx, c.Address)
}

// Away implements Admin.
func (c *Client) Away(ctx context.Context, address string) (Away, error) {
	return call[Away](ctx, c, "account.away", addressArg{address})
}

// SetAway implements Admin.
func (c *Client) SetAway(ctx context.Context, a AwayChange) (Away, error) {
	return call[Away](ctx, c, "account.away.set", a)
}
