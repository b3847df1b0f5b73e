package admin

import (
	"context"
	"errors"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
	"postroad/internal/service/sieve/rules"
)

// SieveAdmin is what an administrator can do with people's filter scripts. All fail with fault.NotFound if there is no such account.
type SieveAdmin interface {
	// Scripts lists an account's filter scripts.
	Scripts(ctx context.Context, address string) ([]FilterScript, error)
	// Script returns a script with its text; of no name: the active one. fault.NotFound.
	Script(ctx context.Context, n ScriptName) (FilterScript, error)
	// PutScript stores a script, in the place of another of its name. fault.Invalid if it is wrong, with all that is.
	PutScript(ctx context.Context, n NewScript) (ScriptCheck, error)
	// ActivateScript makes a script the one that mail runs through; of no name: none is.
	ActivateScript(ctx context.Context, n ScriptName) error
	// DeleteScript removes a script. fault.InUse: it is the active one.
	DeleteScript(ctx context.Context, n ScriptName) error
}

// FilterScript is a Sieve script.
type FilterScript struct {
	Name   string `json:"name"`
	Bytes  int    `json:"bytes"`
	Active bool   `json:"active"`
	Text   string `json:"text,omitempty"` // only of one script
}

// ScriptName names an account's script.
type ScriptName struct {
	Address string `json:"address"`
	Name    string `json:"name"`
}

// NewScript is a script to be stored.
type NewScript struct {
	Address  string `json:"address"`
	Name     string `json:"name"`
	Text     string `json:"text"`
	Activate bool   `json:"activate,omitempty"` // mail runs through it from now on
}

// ScriptCheck is what may be wrong in a script that was stored.
type ScriptCheck struct {
	Warnings []string `json:"warnings"` // each with line and column in front
}

// SetRules gives what compiles scripts. It must be called before anything else.
func (d *Direct) SetRules(r *rules.Rules) { d.rules = r }

// Scripts implements Admin.
func (d *Direct) Scripts(ctx context.Context, address string) ([]FilterScript, error) {
	list := []FilterScript{}
	err := d.withMailbox(ctx, address, func(s *mailbox.Session) error {
		have := s.Scripts()
		for _, i := range have.List {
			list = append(list, FilterScript{Name: i.Name, Bytes: i.Size, Active: i.Name == have.Active})
		}
		return nil
	})
	return list, err
}

// Script implements Admin.
func (d *Direct) Script(ctx context.Context, n ScriptName) (f FilterScript, err error) {
	err = d.withMailbox(ctx, n.Address, func(s *mailbox.Session) error {
		have := s.Scripts()
		if n.Name == "" {
			n.Name = have.Active
		}
		text, err := s.Script(ctx, n.Name)
		f = FilterScript{Name: n.Name, Bytes: len(text), Active: n.Name == have.Active, Text: text}
		return err
	})
	return f, err
}

// PutScript implements Admin.
func (d *Direct) PutScript(ctx context.Context, n NewScript) (ScriptCheck, error) {
	check := ScriptCheck{Warnings: []string{}}
	if !sieve.ValidName(n.Name) {
		return check, fault.New(fault.Invalid, "a script can't have that name")
	}
	err := d.withMailbox(ctx, n.Address, func(s *mailbox.Session) error {
		compiled, err := d.rules.Compile(ctx, s, n.Name, n.Text)
		if wrong, ok := errors.AsType[sieve.Problems](err); ok {
			return fault.Wrap(fault.Invalid, err, "the script is wrong:\n"+wrong.Error())
		}
		if err != nil {
			return err
		}
		for _, w := range compiled.Warnings {
			check.Warnings = append(check.Warnings, w.Error())
		}
		if err := s.PutScript(ctx, n.Name, n.Text); err != nil || !n.Activate {
			return err
		}
		return s.ActivateScript(ctx, n.Name)
	})
	return check, err
}

// ActivateScript implements Admin.
func (d *Direct) ActivateScript(ctx context.Context, n ScriptName) error {
	return d.withMailbox(ctx, n.Address, func(s *mailbox.Session) error { return s.ActivateScript(ctx, n.Name) })
}

// DeleteScript implements Admin.
func (d *Direct) DeleteScript(ctx context.Context, n ScriptName) error {
	return d.withMailbox(ctx, n.Address, func(s *mailbox.Session) error { return s.DeleteScript(ctx, n.Name) })
}

// Scripts implements Admin.
func (c *Client) Scripts(ctx context.Context, address string) ([]FilterScript, error) {
	return call[[]FilterScript](ctx, c, "account.sieve", addressArg{address})
}

// Script implements Admin.
func (c *Client) Script(ctx context.Context, n ScriptName) (FilterScript, error) {
	return call[FilterScript](ctx, c, "account.sieve.show", n)
}

// PutScript implements Admin.
func (c *Client) PutScript(ctx context.Context, n NewScript) (ScriptCheck, error) {
	return call[ScriptCheck](ctx, c, "account.sieve.put", n)
}

// ActivateScript implements Admin.
func (c *Client) ActivateScript(ctx context.Context, n ScriptName) error {
	return do(ctx, c, "account.sieve.activate", n)
}

// DeleteScript implements Admin.
func (c *Client) DeleteScript(ctx context.Context, n ScriptName) error {
	return do(ctx, c, "account.sieve.delete", n)
}
