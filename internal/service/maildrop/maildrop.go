// Package maildrop says what POP3 shows of an account, and what becomes of messages that were collected by it: a policy for each
// account, and the bookkeeping that it needs. Both lie in the account's property bag.
//
// People know it as "leave messages on the server": that is in their program, and forgotten with it. Here it is said once for
// all of an account's programs.
package maildrop

import (
	"context"
	"encoding/json"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Properties of an account.
const (
	policyProp    = "pop3.policy"
	retrievedProp = "pop3.retrieved" // what was retrieved and may be removed: see Marks
	hiddenProp    = "pop3.hidden"    // what was deleted by POP3 and stays in the mailbox
)

// Action is what DELE does to a message.
type Action string

// Actions.
const (
	Delete Action = ""      // removes it
	Keep   Action = "keep"  // hides it from POP3; it stays in the mailbox
	Trash  Action = "trash" // moves it to the folder for deleted messages
)

// Policy is what POP3 shows of an account and does there. The zero value shows all of the inbox and does what the client says.
type Policy struct {
	// Disabled: POP3 is not for this account.
	Disabled bool `json:"disabled,omitempty"`
	// Since hides what was received before. Zero: nothing.
	Since time.Time `json:"since,omitzero"`
	// OnDelete is what DELE does.
	OnDelete Action `json:"on_delete,omitempty"`
	// RemoveAfterDays removes what was retrieved, so many days later, as DELE would. 0: never.
	RemoveAfterDays int `json:"remove_after_days,omitempty"`
	// MarkSeen marks as read what was retrieved.
	MarkSeen bool `json:"mark_seen,omitempty"`
}

// MaxDays is the longest RemoveAfterDays.
const MaxDays = 10 * 365

// Validate returns what is wrong with p, as fault.Invalid, or nil.
func (p Policy) Validate() error {
	switch {
	case p.OnDelete != Delete && p.OnDelete != Keep && p.OnDelete != Trash:
		return fault.New(fault.Invalid, "what DELE does is %q: want delete, keep or trash", string(p.OnDelete))
	case p.RemoveAfterDays < 0 || p.RemoveAfterDays > MaxDays:
		return fault.New(fault.Invalid, "messages can be removed after 1 to %d days", MaxDays)
	case p.RemoveAfterDays > 0 && p.OnDelete == Keep:
		return fault.New(fault.Invalid, "messages can't be kept and removed after some days")
	}
	return nil
}

// Load reads an account's policy.
func Load(ctx context.Context, s *mailbox.Session) (Policy, error) {
	props, err := s.Props(ctx)
	if err != nil {
		return Policy{}, err
	}
	return policyOf(props)
}

func policyOf(props map[string][]byte) (p Policy, err error) {
	if text, ok := props[policyProp]; ok {
		if err := json.Unmarshal(text, &p); err != nil {
			return p, fault.Wrap(fault.Corrupt, err, "stored POP3 policy")
		}
	}
	return p, nil
}

// Save sets an account's policy. What was hidden is shown again if nothing is to be kept any more.
func Save(ctx context.Context, s *mailbox.Session, p Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	patch := map[string][]byte{policyProp: text}
	if p == (Policy{}) {
		patch[policyProp] = nil
	}
	if p.OnDelete != Keep {
		patch[hiddenProp] = nil
	}
	if p.RemoveAfterDays == 0 {
		patch[retrievedProp] = nil
	}
	return s.SetProps(ctx, patch)
}
