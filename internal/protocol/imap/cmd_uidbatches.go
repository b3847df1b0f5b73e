package imap

import (
	"context"

	"postroad/internal/model/mailbox"
)

// minBatch is the smallest batch that may be asked for: smaller ones would be message numbers by another name.
const minBatch = 500

// uidBatches is UIDBATCHES (RFC 10022): ranges of UIDs with so many messages each, the newest first. The ranges lie side by
// side and reach down to UID 1.
func (s *session) uidBatches(context.Context) (reply, error) {
	d := &s.dec
	d.sp()
	size := d.nzNumber()
	wanted := &partialRange{lo: 1, hi: 1<<32 - 1}
	if d.trySP() {
		wanted.lo = d.nzNumber()
		d.special(':')
		wanted.hi = d.nzNumber()
	}
	if err := d.end(); err != nil {
		return reply{}, err
	}
	if wanted.lo > wanted.hi { // RFC 10022 §3.1.5
		return reply{}, &refusal{"BAD", "CLIENTBUG", "a range of batches begins with the lower one"}
	}
	if size < minBatch {
		return reply{}, no("TOOFEW", "a batch has 500 messages at least")
	}
	v := s.sel.shown
	n, per := v.Len(), int(min(size, 1<<31-1))
	lo, hi := wanted.clip((n + per - 1) / per)
	b := append(s.appendTag(append(s.out.buf(), "* UIDBATCHES ("...), s.tag), ')')
	for i := lo; i < hi; i++ {
		sep := byte(',')
		if i == lo {
			sep = ' '
		}
		b = append(appendUint(append(b, sep), batchTop(v, i, per)), ':')
		b = appendUint(b, max(1, batchTop(v, i+1, per)+1))
	}
	s.out.set(append(b, crlf...))
	return reply{text: "batches told"}, nil
}

// batchTop is the highest UID of batch i, from 0; 0 behind the last one.
func batchTop(v *mailbox.View, i, per int) mailbox.UID {
	n := v.Len()
	switch at := n - i*per; {
	case i == 0:
		return v.At(n - 1).UID
	case at <= 0:
		return 0
	default:
		return v.At(at).UID - 1
	}
}
