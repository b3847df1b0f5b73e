package imap

import (
	"fmt"

	"postroad/internal/model/mailbox"
)

// saveLimit is the number of messages that one COPY or APPEND is said to take (RFC 9738 §3) where there is no limit on other
// commands. APPEND takes no more; COPY takes more of those who don't know this extension (RFC 9738 §4.2), since all of them or none must be copied.
const saveLimit = maxAppend

// messageLimit is the response code that tells of a limit, and if it is known the lowest UID that would still be within it, as
// such commands begin at the top (RFC 9738 §3.1).
func messageLimit(n int, uids ...mailbox.UID) string {
	if len(uids) == 0 {
		return fmt.Sprintf("MESSAGELIMIT %d", n)
	}
	return fmt.Sprintf("MESSAGELIMIT %d %d", n, uids[len(uids)-n])
}

// limit cuts messages of the selected folder down to what one command may work on: those with the highest UIDs. The completion
// tells it (RFC 9738 §3.1).
func (s *session) limit(m messages) messages {
	n := s.lim.Messages
	if n == 0 || m.count() <= n {
		return m
	}
	m = m.top(n)
	s.overLimit(s.sel.shown.At(m[0].lo).UID)
	return m
}

// overLimit notes that the command at hand has worked on no message below a UID.
func (s *session) overLimit(lowest mailbox.UID) {
	s.effects().over = fmt.Sprintf("MESSAGELIMIT %d %d", s.lim.Messages, lowest)
}

// wasCut reports whether the command at hand has worked on fewer messages than it was asked to.
func (s *session) wasCut() bool { return s.side != nil && s.side.over != "" }

// completion is the code of a command's OK. If it has one already, an untagged NO tells of the limit (RFC 9738 §3.1).
func (s *session) completion(code string) string {
	switch {
	case !s.wasCut():
		return code
	case code == "":
		return s.side.over
	}
	s.remark("NO", s.side.over, "only the newest messages")
	return code
}

// limit cuts a FETCH down. Of a range that was chosen as such nothing is fetched if it is too long (RFC 9738 §3.1), and messages
// that haven't changed since the client's number don't count: they aren't fetched.
func (f *fetching) limit() error {
	n := f.s.lim.Messages
	switch {
	case n == 0:
	case f.part != nil && f.msgs.count() > n:
		return no(messageLimit(n), "too many messages to fetch at once")
	case f.since > 0:
		f.limitChanged(n)
	default:
		f.msgs = f.s.limit(f.msgs)
	}
	return nil
}

// limitChanged leaves n messages that have changed, and all that haven't.
func (f *fetching) limitChanged(n int) {
	lowest := 0
	for k := len(f.msgs) - 1; k >= 0; k-- {
		for i := f.msgs[k].hi - 1; i >= f.msgs[k].lo; i-- {
			if f.newest(i, f.s.sel.shown.At(i)).ModSeq() <= f.since {
				continue
			}
			if n--; n < 0 {
				f.msgs = f.msgs.from(lowest)
				f.s.overLimit(f.s.sel.shown.At(lowest).UID)
				return
			}
			lowest = i
		}
	}
}

// limitSearch makes a search begin where only so many messages are left that one command may look at: those that their numbers and
// UIDs let in count, whether they are found or not (RFC 9738 §3.1). SORT and THREAD need all of them (RFC 9738 §3.3).
func (q *searching) limitSearch(s *session, key *criterion, sc *scope) (from int, err error) {
	most := s.lim.Messages - q.looked
	if s.lim.Messages == 0 || sc.shown.Len() <= most {
		q.looked += sc.shown.Len()
		return 0, nil
	}
	where := messages{{0, sc.shown.Len()}}
	if key.where != nil {
		where = key.where(sc)
	}
	n := where.count()
	if n <= most {
		q.looked += n
		return 0, nil
	}
	if q.sort != nil || q.thread != nil || q.several {
		return 0, no(messageLimit(s.lim.Messages), "too many messages to look at in one command")
	}
	from = where.top(most)[0].lo
	s.overLimit(sc.shown.At(from).UID)
	return from, nil
}

// whereFunc gives the messages that numbers and UIDs in a search's keys let in.
type whereFunc = func(sc *scope) messages

// whereAll is where all of several keys let in.
func whereAll(keys []criterion) (all whereFunc) {
	for _, k := range keys {
		switch before := all; {
		case k.where == nil:
		case before == nil:
			all = k.where
		default:
			all = func(sc *scope) messages { return before(sc).both(k.where(sc)) }
		}
	}
	return all
}

// top is the n last of them.
func (m messages) top(n int) messages {
	for k := len(m) - 1; k >= 0; k-- {
		if size := m[k].hi - m[k].lo; size < n {
			n -= size
			continue
		}
		return m.from(m[k].hi - n)
	}
	return m
}

// from is those at a place, or behind it.
func (m messages) from(at int) (rest messages) {
	for _, s := range m {
		if s.hi > at {
			rest = append(rest, span{max(s.lo, at), s.hi})
		}
	}
	return rest
}

// both is what two have in common.
func (m messages) both(o messages) (both messages) {
	for len(m) > 0 && len(o) > 0 {
		if s := (span{max(m[0].lo, o[0].lo), min(m[0].hi, o[0].hi)}); s.lo < s.hi {
			both = append(both, s)
		}
		if m[0].hi < o[0].hi {
			m = m[1:]
		} else {
			o = o[1:]
		}
	}
	return both
}
