package imap

import (
	"context"
	"errors"

	"postroad/internal/fault"
)

// sortCommand is SORT and UID SORT: RFC 5256 §3, with return options as in RFC 5267 §3.
func (s *session) sortCommand(ctx context.Context) (reply, error) {
	q := s.newSearch(ctx)
	d := &s.dec
	d.sp()
	if d.tryKeyword("RETURN") {
		d.sp()
		q.parseOptions(s)
		d.sp()
	}
	q.sort = d.sortCriteria()
	key, err := s.charsetAndProgram(q)
	if err != nil {
		return reply{}, err
	}
	if err := s.searchSelected(ctx, q, key); err != nil {
		return reply{}, err
	}
	s.sendFound(q, nil)
	return s.watchSearch(ctx, q, key, "sorted")
}

// charsetAndProgram consumes SP charset SP keys, to the end of the command.
func (s *session) charsetAndProgram(q *searching) (criterion, error) {
	d := &s.dec
	d.sp()
	q.charset = string(d.astring())
	d.sp()
	return s.searchProgram(q)
}

// threadCommand is THREAD and UID THREAD: RFC 5256 §3.
func (s *session) threadCommand(ctx context.Context) (reply, error) {
	q := s.newSearch(ctx)
	d := &s.dec
	d.sp()
	if q.thread = threadings[d.keyword()]; q.thread == nil {
		d.fail("no such threading algorithm")
	}
	key, err := s.charsetAndProgram(q)
	if err != nil {
		return reply{}, err
	}
	if err := s.searchSelected(ctx, q, key); err != nil {
		return reply{}, err
	}
	s.sendFound(q, nil)
	return reply{text: "threaded"}, nil
}

func isGone(err error) bool { return fault.Is(err, fault.NotFound) }

func isSyntax(err error) bool {
	var syntax *syntaxError
	return errors.As(err, &syntax)
}
