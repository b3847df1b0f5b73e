package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/inbound"
)

// AccountUsage is how much an account has sent, beside its limits. A limit below 0 is none.
type AccountUsage struct {
	Address string `json:"address"`
	// Held: nothing is taken from the account since then, because of Reason; zero: it isn't held.
	Held   time.Time `json:"held,omitzero"`
	Reason string    `json:"reason,omitempty"`
	// What the account sent in the current hour and in the last 24.
	MessagesHour     Count `json:"messages_hour"`
	MessagesDay      Count `json:"messages_day"`
	RecipientsHour   Count `json:"recipients_hour"`
	RecipientsDay    Count `json:"recipients_day"`
	NewRecipientsDay Count `json:"new_recipients_day"` // that it had not written to before
	RefusedDay       Count `json:"refused_day"`        // recipients that were refused, here or elsewhere
	// Authors says whom the account may name as authors: any, local, domain or own. AuthorsOwn: that is a rule of the account's own.
	Authors    string `json:"authors"`
	AuthorsOwn bool   `json:"authors_own,omitempty"`
}

// Count is a number and its limit.
type Count struct {
	Count uint64 `json:"count"`
	Limit int    `json:"limit"`
}

// AuthorsChange says whom an account may name as authors.
type AuthorsChange struct {
	Address string `json:"address"`
	// Rule is any, local, domain or own; default: that of the settings (sending.from).
	Rule string `json:"rule"`
}

// SetAccounts gives what is known of the accounts' sending. It must be called before anything else.
func (d *Direct) SetAccounts(a *inbound.Accounts) { d.sending = a }

// AccountLimits implements Admin.
func (d *Direct) AccountLimits(ctx context.Context, address string) (AccountUsage, error) {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return AccountUsage{}, err
	}
	return d.usage(ctx, a)
}

func (d *Direct) usage(ctx context.Context, a directory.Account) (AccountUsage, error) {
	if d.sending == nil {
		return AccountUsage{}, fault.New(fault.Unsupported, "nothing is known of what accounts send")
	}
	u, err := d.sending.Show(ctx, a.ID)
	if err != nil {
		return AccountUsage{}, err
	}
	own, holds, err := d.sending.Authors(ctx, a.ID)
	l := u.Limits
	return AccountUsage{
		Address: a.Address, Authors: holds.String(), AuthorsOwn: own != inbound.AuthorsDefault, Held: u.Held, Reason: u.Reason,
		MessagesHour: Count{u.MessagesHour, l.MessagesPerHour}, MessagesDay: Count{u.MessagesDay, l.MessagesPerDay},
		RecipientsHour: Count{u.RecipientsHour, l.RecipientsPerHour}, RecipientsDay: Count{u.RecipientsDay, l.RecipientsPerDay},
		NewRecipientsDay: Count{u.NewRecipientsDay, l.NewRecipientsPerDay}, RefusedDay: Count{u.RefusedDay, l.Refused},
	}, err
}

// ResetAccountLimits implements Admin.
func (d *Direct) ResetAccountLimits(ctx context.Context, address string) error {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return err
	}
	if d.sending == nil {
		return fault.New(fault.Unsupported, "nothing is known of what accounts send")
	}
	return d.sending.Reset(ctx, a.ID)
}

// SetAccountAuthors implements Admin.
func (d *Direct) SetAccountAuthors(ctx context.Context, c AuthorsChange) error {
	a, err := d.dir.AccountByAddress(ctx, c.Address)
	if err != nil {
		return err
	}
	if c.Rule == "" {
		return fault.New(fault.Invalid, "say whom the account may name as authors: any, local, domain, own or default")
	}
	rule, err := inbound.AuthorsNamed(c.Rule)
	if err != nil {
		return err
	}
	if d.sending == nil {
		return fault.New(fault.Unsupported, "nothing is known of what accounts send")
	}
	return d.sending.SetAuthors(ctx, a.ID, rule)
}

// forgetSending forgets what an account has sent.
func (d *Direct) forgetSending(ctx context.Context, id ident.AccountID) error {
	if d.sending == nil {
		return nil
	}
	return d.sending.Forget(ctx, id)
}

// HeldAccounts implements Admin.
func (d *Direct) HeldAccounts(ctx context.Context) ([]AccountUsage, error) {
	all := []AccountUsage{}
	if d.sending == nil {
		return all, nil
	}
	ids, err := d.sending.Held(ctx)
	if err != nil {
		return all, err
	}
	for _, id := range ids {
		a, err := d.dir.Account(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue // removed since
		}
		if err != nil {
			return all, err
		}
		u, err := d.usage(ctx, a)
		if err != nil {
			return all, err
		}
		all = append(all, u)
	}
	return all, nil
}

// AccountLimits implements Admin.
func (c *Client) AccountLimits(ctx context.Context, address string) (AccountUsage, error) {
	return call[AccountUsage](ctx, c, "account.limits", addressArg{address})
}

// ResetAccountLimits implements Admin.
func (c *Client) ResetAccountLimits(ctx context.Context, address string) error {
	return do(ctx, c, "account.limits.reset", addressArg{address})
}

// HeldAccounts implements Admin.
func (c *Client) HeldAccounts(ctx context.Context) ([]AccountUsage, error) {
	return call[[]AccountUsage](ctx, c, "account.limits.held", none{})
}

// SetAccountAuthors implements Admin.
func (c *Client) SetAccountAuthors(ctx context.Context, a AuthorsChange) error {
	return do(ctx, c, "account.limits.authors", a)
}
