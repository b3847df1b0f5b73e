package rules

import (
	"context"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
)

// Where it is kept which script runs on IMAP events (RFC 6785 §2.3.1): among the properties of a folder that all share, and for
// folders that say nothing among those of the account.
const (
	EventEntry = "imapsieve/script"
	EventProp  = "imapsieve.script"
)

// EventScript is the script that runs on what happens to messages in a folder; "": none does.
func (r *Rules) EventScript(ctx context.Context, s *mailbox.Session, id mailbox.FolderID) (string, error) {
	have := s.Scripts()
	if len(have.List) == 0 {
		return "", nil
	}
	props, err := s.FolderProps(ctx, id, mailbox.SharedProps)
	if err != nil {
		return "", err
	}
	name, there := props[EventEntry]
	if !there {
		if props, err = s.Props(ctx); err != nil {
			return "", err
		}
		name = props[EventProp]
	}
	if !have.Has(string(name)) {
		return "", nil
	}
	return string(name), nil
}

// DecideEvent runs a script of the account on a message that something has happened to; see Decide. The administrator's scripts
// aren't run: there is one script for a folder.
func (r *Rules) DecideEvent(ctx context.Context, s *mailbox.Session, name string, env *sieve.Environment, msg sieve.Message) (*sieve.Outcome, error) {
	script, err := r.script(ctx, s, name)
	if err != nil || script == nil {
		out, _ := sieve.RunAll(ctx, nil, env, msg)
		return out, err
	}
	w, err := r.complete(ctx, s, env)
	if err != nil {
		out, _ := sieve.RunAll(ctx, nil, env, msg)
		return out, err
	}
	defer w.close()
	return script.Run(ctx, env, msg)
}
