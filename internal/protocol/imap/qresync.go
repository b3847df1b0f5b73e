package imap

import (
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// resync is what a client that comes back knows of a mailbox: the QRESYNC parameter of SELECT (RFC 7162 §3.2.5).
type resync struct {
	validity uint32
	since    mailbox.ModSeq
	known    numSet // UIDs it asks about; nil: all
	// numbers and uids are two lists of the same length: messages by number, and what their UIDs were.
	numbers, uids numSet
}

// errNotEnabled answers those who use QRESYNC without enabling it (RFC 7162 §3.2.3).
var errNotEnabled = bad("ENABLE QRESYNC first")

// qresyncParam consumes "(uidvalidity mod-sequence-value [known-uids] [seq-match-data])".
func (s *session) qresyncParam() *resync {
	d := &s.dec
	r := &resync{}
	d.sp()
	d.special('(')
	r.validity = d.nzNumber()
	d.sp()
	if r.since = mailbox.ModSeq(d.number64()); r.since == 0 {
		d.expected("a change number")
	}
	more := d.trySP()
	if more && d.peek() != '(' {
		r.known = d.plainSet()
		more = d.trySP()
	}
	if more {
		r.matchData(s)
	}
	d.special(')')
	if d.ok() && !s.qresync {
		d.err = errNotEnabled
	}
	return r
}

// matchData consumes "(known-sequence-set SP known-uid-set)" (RFC 7162 §3.2.5.2).
func (r *resync) matchData(s *session) {
	d := &s.dec
	d.special('(')
	r.numbers = d.plainSet()
	d.sp()
	r.uids = d.plainSet()
	d.special(')')
	switch {
	case !d.ok():
	case s.uidOnly:
		d.err = errUIDRequired
	case r.numbers.size() != r.uids.size() || !r.numbers.ascends() || !r.uids.ascends():
		d.fail("the lists of numbers and UIDs must ascend and be equally long")
	}
}

// plainSet consumes a sequence-set without "*" and "$", and keeps it.
func (d *decoder) plainSet() numSet {
	set, saved := d.sequenceSet()
	if saved || slices.ContainsFunc(set, func(r numRange) bool { return r.lo == 0 || r.hi == 0 }) {
		d.fail("* and $ mean nothing here")
	}
	set = slices.Clone(set)
	for i, r := range set {
		set[i] = numRange{min(r.lo, r.hi), max(r.lo, r.hi)}
	}
	return set
}

// knownUpTo is the largest UID up to which the client's numbers are right: of what was expunged before, it knows.
func (r *resync) knownUpTo(v *mailbox.View) mailbox.UID {
	var last mailbox.UID
	numbers, uids := slices.Clone(r.numbers), slices.Clone(r.uids)
	for len(numbers) > 0 && len(uids) > 0 {
		n, u := &numbers[0], &uids[0]
		run := min(n.hi-n.lo, u.hi-u.lo)
		for i := uint32(0); i <= run && uint64(n.lo)+uint64(i) <= uint64(v.Len()); i++ {
			if uid := v.At(int(n.lo + i - 1)).UID; uint32(uid) == u.lo+i {
				last = uid
			}
		}
		numbers, uids = skipRun(numbers, run), skipRun(uids, run)
	}
	return last
}

// skipRun drops the first run+1 numbers, which are all of the first range or its beginning.
func skipRun(s numSet, run uint32) numSet {
	if s[0].hi-s[0].lo == run {
		return s[1:]
	}
	s[0].lo += run + 1
	return s
}

// resynchronize tells what has changed since the client was here last (RFC 7162 §3.2.5.1).
func (s *session) resynchronize(ctx context.Context, r *resync) error {
	v := s.sel.shown
	if r.validity != v.Folder().UIDValidity {
		return nil
	}
	known := r.known
	if known == nil && v.Folder().UIDNext != 1 {
		known = numSet{{1, uint32(v.Folder().UIDNext - 1)}}
	}
	known = slices.Clone(known).join()
	if err := s.tellVanished(ctx, known, r.since, r.knownUpTo(v)); err != nil {
		return err
	}
	for i, row := range byUID(v, known).rows(v) {
		if row.ModSeq() > r.since {
			s.out.set(s.appendNews(s.out.buf(), i+1, row))
			s.out.sized()
		}
	}
	return nil
}

// tellVanished sends VANISHED (EARLIER) with those of the known UIDs that were expunged after a change (RFC 7162 §3.2.10.1).
// If the log doesn't reach back that far, these are all that aren't there, but for those up to upTo, of which the client
// knows.
func (s *session) tellVanished(ctx context.Context, known numSet, since mailbox.ModSeq, upTo mailbox.UID) error {
	v := s.sel.shown
	if since >= v.HighestModSeq() || len(known) == 0 {
		return nil
	}
	gone, err := s.expungedSince(ctx, since)
	switch {
	case fault.Is(err, fault.Conflict):
		gone = missing(v).above(uint32(upTo))
	case err != nil:
		return err
	}
	if gone = gone.intersect(known); len(gone) > 0 {
		b := append(s.out.buf(), "* VANISHED (EARLIER) "...)
		s.out.set(append(gone.appendTo(b), crlf...))
	}
	return nil
}

// expungedSince reads the change log for what has left the selected folder. What the client still believes to be there
// will be told in another way.
func (s *session) expungedSince(ctx context.Context, since mailbox.ModSeq) (numSet, error) {
	v := s.sel.shown
	var gone numSet
	err := s.sel.mail.Log(ctx, since, func(c mailbox.Change) error {
		if c.Folder != s.sel.id || !c.Gone() {
			return nil
		}
		if _, there := v.Find(c.UID); !there {
			gone = gone.put(uint32(c.UID))
		}
		return nil
	})
	return gone.join(), err
}

// missing are the UIDs that a view's folder has given and that aren't there.
func missing(v *mailbox.View) numSet {
	var gone numSet
	next := uint32(1)
	for _, r := range v.All(0, v.Len()) {
		if uid := uint32(r.UID); uid > next {
			gone = append(gone, numRange{next, uid - 1})
		}
		next = uint32(r.UID) + 1
	}
	if last := uint32(v.Folder().UIDNext - 1); next != 0 && next <= last {
		gone = append(gone, numRange{next, last})
	}
	return gone
}

// highestCode is the response code that tells how far the client is (RFC 7162 §3.1.2.1).
func (s *session) highestCode() string {
	return string(appendUint([]byte("HIGHESTMODSEQ "), s.sel.shown.HighestModSeq()))
}
