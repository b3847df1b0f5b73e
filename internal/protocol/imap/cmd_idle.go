package imap

import (
	"context"
	"errors"
	"time"
)

// idle: RFC 2177, RFC 9051 §6.3.13. News are told as they happen until the client
// sends DONE. What waits for that is hear, as between commands: see there.
func (s *session) idle(context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.out.line("+ idling")
	s.arm(time.Now().Add(s.lim.Idle))
	return reply{}, errIdling
}

// errIdling: the command goes on until the client sends a line.
var errIdling = errors.New("idling")

// idleEnd takes the line that ends IDLE.
func (s *session) idleEnd() (reply, error) {
	line, err := s.in.readLine(nil, len("DONE"))
	switch {
	case err != nil && !errors.Is(err, errLineTooLong):
		return reply{}, lost(err)
	case err != nil || upper(line) != "DONE":
		return reply{}, bad("expected DONE")
	}
	return reply{text: "idle no more"}, nil
}

// news tells what is new: in the selected mailbox, and elsewhere as the client has asked for it.
func (s *session) news(ctx context.Context, mayExpunge bool) error {
	if s.sel != nil && s.sel.mail != s.mail {
		if err := s.renewGroups(ctx); err != nil {
			return err
		}
	}
	if s.sel != nil {
		s.tellResets()
		if err := s.sync(ctx, mayExpunge); err != nil {
			return err
		}
	}
	return s.notifyOthers(ctx)
}
