package admin

import (
	"context"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/policy"
)

// Policy is one decision about mail: whom to refuse or let in, which files nobody may send, how large messages may be, what is written below
// those that leave, of which somebody keeps a copy. docs/operations.md tells what each kind does.
type Policy struct {
	// ID is given when it is added.
	ID uint64 `json:"id,omitempty"`
	// Kind is sender, network, file, type, size, disclaimer or journal.
	Kind string `json:"kind"`
	// Scope is the domain or the account's address that it is for; empty: the whole server. Accounts have sizes and journals only.
	Scope string `json:"scope,omitempty"`
	// Direction is in, out or both; empty: what is usual for the kind.
	Direction string `json:"direction,omitempty"`
	// Pattern is an address or a domain, a network, the ending of files' names, a media type; of a journal where its reports go.
	Pattern string `json:"pattern,omitempty"`
	// Action is allow, junk, quarantine or reject.
	Action string `json:"action,omitempty"`
	// MaxBytes is the largest message, of a size.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Strict, of a journal: mail isn't taken while the report of it can't be put into a mailbox or the queue's next attempt is needed.
	Strict bool `json:"strict,omitempty"`
	// Text is what a refusal says, or a disclaimer's text; HTML the disclaimer's for HTML mail (empty: made of Text).
	Text string `json:"text,omitempty"`
	HTML string `json:"html,omitempty"`
	// Created is when it was added, By who did.
	Created time.Time `json:"created,omitzero"`
	By      string    `json:"by,omitempty"`
}

// PolicyID names a policy.
type PolicyID struct {
	ID uint64 `json:"id"`
	// Scope is whose it is. Administrators of domains have to say so; others may.
	Scope string `json:"scope,omitempty"`
}

// PolicyAdmin keeps policies. They take effect at once. Administrators of domains have those of their domains and accounts.
type PolicyAdmin interface {
	// Policies lists them in the order in which they were added.
	Policies(ctx context.Context) ([]Policy, error)
	// AddPolicy adds one. Errors: fault.Invalid, fault.Exists.
	AddPolicy(ctx context.Context, p Policy) (Policy, error)
	// RemovePolicy removes one. Errors: fault.NotFound.
	RemovePolicy(ctx context.Context, p PolicyID) error
}

// SetPolicies gives the book of policies. It must be called before anything else.
func (d *Direct) SetPolicies(b *policy.Book) { d.policies = b }

// Policies implements Admin.
func (d *Direct) Policies(ctx context.Context) ([]Policy, error) {
	list := []Policy{}
	for _, p := range d.policies.All() {
		x, err := d.policy(ctx, &p)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// policy is a policy in the words of this API.
func (d *Direct) policy(ctx context.Context, p *policy.Policy) (Policy, error) {
	x := Policy{
		ID: p.ID, Kind: p.Kind.String(), Scope: p.Domain, Direction: p.Direction.String(), Pattern: p.Pattern, Action: p.Action.String(),
		MaxBytes: p.MaxBytes, Strict: p.Strict, Text: p.Text, HTML: p.HTML, Created: p.Created, By: p.By,
	}
	if p.Account == 0 {
		return x, nil
	}
	a, err := d.dir.Account(ctx, p.Account)
	if fault.Is(err, fault.NotFound) {
		x.Scope, err = "removed account", nil // it may come back
	} else {
		x.Scope = a.Address
	}
	return x, err
}

// AddPolicy implements Admin.
func (d *Direct) AddPolicy(ctx context.Context, x Policy) (Policy, error) {
	if d.policies == nil {
		return Policy{}, fault.New(fault.Unsupported, "no policies are kept")
	}
	p := policy.Policy{Pattern: x.Pattern, MaxBytes: x.MaxBytes, Strict: x.Strict, Text: x.Text, HTML: x.HTML, By: callerOf(ctx).Name}
	if err := d.readWords(&p, &x); err != nil {
		return Policy{}, err
	}
	if err := d.readScope(ctx, &p, x.Scope); err != nil {
		return Policy{}, err
	}
	if p.Kind == policy.Journal {
		if err := d.checkJournal(ctx, &p); err != nil {
			return Policy{}, err
		}
	}
	p, err := d.policies.Add(ctx, p)
	if err != nil {
		return Policy{}, err
	}
	return d.policy(ctx, &p)
}

// readWords reads the words for kind, action and direction.
func (d *Direct) readWords(p *policy.Policy, x *Policy) error {
	ok := false
	if p.Kind, ok = policy.KindOf(x.Kind); !ok {
		return fault.New(fault.Invalid, "a policy is about a sender, network, file, type, size, disclaimer or journal, not %q", x.Kind)
	}
	if p.Action, ok = policy.ActionOf(x.Action); !ok && x.Action != "" {
		return fault.New(fault.Invalid, "a policy says allow, junk, quarantine or reject, not %q", x.Action)
	}
	if p.Direction, ok = policy.DirectionOf(x.Direction); !ok && x.Direction != "" {
		return fault.New(fault.Invalid, "a policy is for mail in, out or both, not %q", x.Direction)
	}
	return nil
}

// readScope finds the domain or account that a policy is for.
func (d *Direct) readScope(ctx context.Context, p *policy.Policy, scope string) error {
	if strings.Contains(scope, "@") {
		a, err := d.changeable(ctx, scope)
		p.Account = a.ID
		return err
	}
	if scope == "" {
		return nil
	}
	domain, err := d.dir.Domain(ctx, scope)
	p.Domain = domain.Name
	return err
}

// checkJournal sees to it that reports can arrive: an address of ours must exist.
func (d *Direct) checkJournal(ctx context.Context, p *policy.Policy) error {
	_, err := d.dir.Resolve(ctx, p.Pattern)
	if fault.Is(err, fault.Unsupported) {
		return nil // it is elsewhere
	}
	return err
}

// RemovePolicy implements Admin.
func (d *Direct) RemovePolicy(ctx context.Context, x PolicyID) error {
	p, ok := d.policies.Policy(x.ID)
	if ok && x.Scope != "" {
		is, err := d.policy(ctx, &p)
		if err != nil {
			return err
		}
		ok = strings.EqualFold(is.Scope, x.Scope) // it may be another domain's
		if ok && strings.Contains(x.Scope, "@") {
			if _, err := d.changeable(ctx, x.Scope); err != nil {
				return err
			}
		}
	}
	if !ok {
		return fault.New(fault.NotFound, "there is no policy %d", x.ID)
	}
	return d.policies.Remove(ctx, x.ID)
}

// Policies implements Admin.
func (c *Client) Policies(ctx context.Context) ([]Policy, error) {
	return call[[]Policy](ctx, c, "policy.list", none{})
}

// AddPolicy implements Admin.
func (c *Client) AddPolicy(ctx context.Context, p Policy) (Policy, error) {
	return call[Policy](ctx, c, "policy.add", p)
}

// RemovePolicy implements Admin.
func (c *Client) RemovePolicy(ctx context.Context, p PolicyID) error {
	return do(ctx, c, "policy.remove", p)
}
