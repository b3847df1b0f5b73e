package imap

import (
	"context"
	"errors"
	"io"
	"reflect"
	"time"
)

// idle: RFC 2177, RFC 9051 §6.3.13. News are told as they happen until the client
// sends DONE.
func (s *session) idle(ctx context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.out.line("+ idling")
	if err := s.out.flush(); err != nil {
		return reply{}, lost(err)
	}
	s.arm(time.Now().Add(s.lim.Idle))
	if err := s.untilHeard(ctx, true); err != nil {
		return reply{}, err
	}
	line, err := s.in.readLine(nil, len("DONE"))
	switch {
	case err != nil && !errors.Is(err, errLineTooLong):
		return reply{}, lost(err)
	case err != nil || upper(line) != "DONE":
		return reply{}, bad("expected DONE")
	}
	return reply{text: "idle no more"}, nil
}

// untilHeard tells news until the client has sent something. A second goroutine waits for that.
func (s *session) untilHeard(ctx context.Context, mayExpunge bool) error {
	if s.in.buffered() > 0 {
		return nil
	}
	heard := make(chan error, 1)
	go func() { heard <- s.in.await() }()
	for {
		bells := s.bells(ctx)
		if err := s.tellWhileIdle(ctx, mayExpunge); err != nil {
			s.interrupt() // the other one must be gone before anybody else reads
			<-heard
			return err
		}
		if err, is := waitFor(heard, bells); is {
			return lost(err)
		}
	}
}

// bells are those that ring when there may be something to tell.
func (s *session) bells(ctx context.Context) []<-chan struct{} {
	all := []<-chan struct{}{s.mail.Bell()}
	if s.sel != nil && s.sel.mail != s.mail {
		all = append(all, s.sel.mail.Bell())
	}
	if !s.notify.reaches() {
		return all
	}
	all = append(all, s.srv.store.SharesBell())
	others, err := s.others(ctx)
	if err != nil { // the next bell may find it working again
		s.log.Error("imap: accounts of others", "login", s.who.Login, "error", err)
	}
	for _, o := range others {
		if mail, err := s.guest(ctx, o.id); err == nil {
			all = append(all, mail.Bell())
		}
	}
	return all
}

// waitFor waits for what is heard, or for a bell.
func waitFor(heard <-chan error, bells []<-chan struct{}) (err error, is bool) {
	if len(bells) == 1 {
		select {
		case err := <-heard:
			return err, true
		case <-bells[0]:
			return nil, false
		}
	}
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(heard)}}
	for _, b := range bells {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(b)})
	}
	i, v, _ := reflect.Select(cases)
	if i > 0 {
		return nil, false
	}
	err, _ = v.Interface().(error)
	return err, true
}

// tellWhileIdle sends what is new, if anything is.
func (s *session) tellWhileIdle(ctx context.Context, mayExpunge bool) error {
	if s.sel == nil && s.notify == nil {
		return nil
	}
	if err := s.news(ctx, mayExpunge); err != nil { // the next bell may find it working again
		s.log.Error("imap: news for IDLE", "login", s.who.Login, "error", err)
	}
	if s.ended {
		return &connError{io.EOF} // BYE has been said
	}
	return lost(s.out.flush())
}

// news tells what is new: in the selected mailbox, and elsewhere as the client has asked for it.
func (s *session) news(ctx context.Context, mayExpunge bool) error {
	if s.sel != nil && s.sel.mail != s.mail {
		if err := s.renewGroups(ctx); err != nil {
			return err
		}
	}
	if s.sel != nil {
		if err := s.sync(ctx, mayExpunge); err != nil {
			return err
		}
	}
	return s.notifyOthers(ctx)
}
