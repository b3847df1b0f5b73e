package admin

import (
	"context"
	"time"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/maildrop"
)

// POP3 is what POP3 shows of an account, and what becomes of messages that were collected.
type POP3 struct {
	Enabled bool `json:"enabled"`
	// Since hides what was received before; zero: nothing.
	Since time.Time `json:"since,omitzero"`
	// OnDelete is what DELE does: delete, keep (the message stays in the mailbox, unseen by POP3) or trash.
	OnDelete string `json:"on_delete"`
	// RemoveAfterDays removes what was retrieved, so many days later; 0: never.
	RemoveAfterDays int `json:"remove_after_days"`
	// MarkSeen marks as read what was retrieved.
	MarkSeen bool `json:"mark_seen"`
}

// POP3Change changes what isn't nil.
type POP3Change struct {
	Address         string     `json:"address"`
	Enabled         *bool      `json:"enabled,omitempty"`
	Since           *time.Time `json:"since,omitempty"` // the zero time: all is shown
	OnDelete        *string    `json:"on_delete,omitempty"`
	RemoveAfterDays *int       `json:"remove_after_days,omitempty"`
	MarkSeen        *bool      `json:"mark_seen,omitempty"`
}

// POP3Admin is what an administrator can do about accounts' POP3. All fail with fault.NotFound if there is no such account.
type POP3Admin interface {
	// AccountPOP3 tells what POP3 shows of an account.
	AccountPOP3(ctx context.Context, address string) (POP3, error)
	// SetAccountPOP3 changes it, from the next session on. fault.Invalid if it can't be.
	SetAccountPOP3(ctx context.Context, c POP3Change) (POP3, error)
}

const deleteWord = "delete"

func showPOP3(p maildrop.Policy) POP3 {
	s := POP3{Enabled: !p.Disabled, Since: p.Since, OnDelete: string(p.OnDelete), RemoveAfterDays: p.RemoveAfterDays, MarkSeen: p.MarkSeen}
	if p.OnDelete == maildrop.Delete {
		s.OnDelete = deleteWord
	}
	return s
}

// apply changes a policy.
func (c POP3Change) apply(p *maildrop.Policy) {
	if c.Enabled != nil {
		p.Disabled = !*c.Enabled
	}
	if c.Since != nil {
		p.Since = *c.Since
	}
	if c.OnDelete != nil {
		if p.OnDelete = maildrop.Action(*c.OnDelete); *c.OnDelete == deleteWord {
			p.OnDelete = maildrop.Delete
		}
	}
	if c.RemoveAfterDays != nil {
		p.RemoveAfterDays = *c.RemoveAfterDays
	}
	if c.MarkSeen != nil {
		p.MarkSeen = *c.MarkSeen
	}
}

// AccountPOP3 implements Admin.
func (d *Direct) AccountPOP3(ctx context.Context, address string) (POP3, error) {
	return d.withPOP3(ctx, address, d.dir.AccountByAddress, func(*mailbox.Session, *maildrop.Policy) error { return nil })
}

// SetAccountPOP3 implements Admin. It can have mail removed, so it is for those who may change the account.
func (d *Direct) SetAccountPOP3(ctx context.Context, c POP3Change) (POP3, error) {
	return d.withPOP3(ctx, c.Address, d.changeable, func(s *mailbox.Session, p *maildrop.Policy) error {
		c.apply(p)
		return maildrop.Save(ctx, s, *p)
	})
}

// accountFinder finds an account by its address.
type accountFinder func(ctx context.Context, address string) (directory.Account, error)

func (d *Direct) withPOP3(ctx context.Context, address string, find accountFinder, fn func(*mailbox.Session, *maildrop.Policy) error) (POP3, error) {
	a, err := find(ctx, address)
	if err != nil {
		return POP3{}, err
	}
	s, err := d.openBox(ctx, a)
	if err != nil {
		return POP3{}, err
	}
	defer s.Close()
	p, err := maildrop.Load(ctx, s)
	if err == nil {
		err = fn(s, &p)
	}
	return showPOP3(p), err
}

func (d *Direct) openBox(ctx context.Context, a directory.Account) (*mailbox.Session, error) {
	return d.store.Open(ctx, a.ID, ident.System())
}

func (c *Client) AccountPOP3(ctx context.Context, address string) (POP3, error) {
	return call[POP3](ctx, c, "account.pop3", addressArg{address})
}
func (c *Client) SetAccountPOP3(ctx context.Context, p POP3Change) (POP3, error) {
	return call[POP3](ctx, c, "account.pop3.set", p)
}
