package imap

import (
	"context"

	"postroad/internal/model/mailbox"
)

// storing is a STORE command (RFC 9051 §6.4.6).
type storing struct {
	msgs   messages
	change mailbox.FlagChange
	silent bool
}

// store: RFC 9051 §6.4.6, with UNCHANGEDSINCE (RFC 7162 §3.1.3).
func (s *session) store(ctx context.Context) (reply, error) {
	st, err := s.parseStore()
	if err != nil {
		return reply{}, err
	}
	if s.sel.readOnly {
		return reply{}, no("READ-ONLY", "the mailbox is open for looking only")
	}
	if st.msgs.empty() {
		return reply{text: "nothing to change"}, nil
	}
	st.change.UIDs = st.msgs.uids(s.sel.shown)
	res, err := s.sel.mail.SetFlags(ctx, s.sel.id, st.change)
	if err != nil {
		return reply{}, err
	}
	was := s.sel.shown
	gone := s.tellStored(ctx, &st, res)
	s.flagged(ctx, was, res)
	switch {
	case len(res.Failed) > 0:
		return reply{s.modified(res.Failed), "some messages have changed since"}, nil
	case gone && !s.byUID:
		return someGone, nil
	}
	return reply{text: "flags changed"}, nil
}

// parseStore consumes the arguments of STORE.
func (s *session) parseStore() (st storing, err error) {
	d := &s.dec
	d.sp()
	set := s.messageSet()
	d.sp()
	if d.peek() == '(' {
		st.change.UnchangedSince = s.storeModifier()
		d.sp()
	}
	switch {
	case d.try('+'):
		st.change.Op = mailbox.AddFlags
	case d.try('-'):
		st.change.Op = mailbox.RemoveFlags
	default:
		st.change.Op = mailbox.ReplaceFlags
	}
	switch d.keyword() {
	case "FLAGS":
	case "FLAGS.SILENT":
		st.silent = true
	default:
		d.expected("FLAGS")
	}
	d.sp()
	flags := d.flags()
	st.change.Flags, st.change.Keywords = flags.flags, flags.keywords
	if err := d.end(); err != nil {
		return st, err
	}
	if st.change.UnchangedSince != nil {
		s.enableCondstore()
	}
	st.msgs, err = s.resolve(set)
	st.msgs = s.limit(st.msgs)
	return st, err
}

// storeModifier consumes "(UNCHANGEDSINCE n)".
func (s *session) storeModifier() *mailbox.ModSeq {
	d := &s.dec
	var since mailbox.ModSeq
	d.special('(')
	if !d.tryKeyword("UNCHANGEDSINCE") {
		d.fail("no such modifier of STORE")
	}
	d.sp()
	since = mailbox.ModSeq(d.number64())
	d.special(')')
	return &since
}

// tellStored sends the new flags of the messages asked for, and moves the client's view to the result if it can.
// It reports whether some messages are gone.
func (s *session) tellStored(ctx context.Context, st *storing, res mailbox.FlagResult) (gone bool) {
	s.tellKeywords(res.View)
	failed := uidSet(res.Failed)
	expect := newExpectation(&st.change)
	now := mailbox.Finder{View: res.View}
	for i, old := range st.msgs.rows(s.sel.shown) {
		_, row := now.Find(old.UID)
		if row == nil {
			gone = true
			continue
		}
		changed := row.ModSeq() != old.ModSeq()
		if !failed.contains(uint32(row.UID)) && (!st.silent || s.condstore && changed) {
			s.tellFlags(i+1, row, !st.silent)
		}
	}
	s.tell(ctx, res.View, s.byUID, func(i int, old, row *mailbox.Row) bool {
		return st.msgs.has(i) && !failed.contains(uint32(row.UID)) && (!st.silent || expect.met(old, row))
	})
	return gone
}

// tellFlags sends a message's flags, or with CONDSTORE and .SILENT just its change number (RFC 7162 §3.1.3).
func (s *session) tellFlags(n int, r *mailbox.Row, flags bool) {
	if flags {
		s.out.set(s.appendNews(s.out.buf(), n, r))
	} else {
		b := s.appendFetch(s.out.buf(), n, r)
		if !s.uidOnly {
			b = append(appendUint(append(b, "UID "...), r.UID), ' ')
		}
		b = appendUint(append(b, "MODSEQ ("...), r.ModSeq())
		s.out.set(append(b, "))\r\n"...))
	}
	s.out.sized()
}

// modified is the response code that tells which messages were left alone (RFC 7162 §3.1.3).
func (s *session) modified(failed []mailbox.UID) string {
	set := uidSet(failed)
	if !s.byUID {
		set = set[:0]
		for _, uid := range failed {
			if i, ok := s.sel.shown.Find(uid); ok {
				set = set.add(uint32(i + 1))
			}
		}
	}
	return string(set.appendTo([]byte("MODIFIED ")))
}
