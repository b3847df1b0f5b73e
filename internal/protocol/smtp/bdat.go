package smtp

import (
	"bytes"
	"context"
	"time"
)

// BDAT (RFC 3030 §2).

var (
	replyBDATSyntax  = reply{code: 501, status: "5.5.4", text: "Syntax: BDAT size [LAST]", close: true}
	replyChunkOK     = reply{code: 250, status: "2.0.0", text: "Chunk ok"}
	replyTooMuchDrop = reply{code: 421, status: "4.7.0", text: "Too many chunks that nobody asked for", close: true}
)

// bdat takes a chunk. A chunk that can't be used is read all the same, to stay in
// step, before the reply says so; one that is hopelessly large ends the session at once.
func (s *session) bdat(ctx context.Context, args []byte) reply {
	size, last, ok := parseBDAT(args)
	if !ok {
		return replyBDATSyntax // where the next command begins is unknown
	}
	if r := s.checkChunk(); !r.ok() {
		s.reset()
		return s.dropChunk(size, r)
	}
	if s.tx.message == nil {
		if r := s.scanData(ctx); !r.ok() {
			s.reset()
			return s.dropChunk(size, r)
		}
		s.beginMessage(false)
	}
	m := s.tx.message
	if size > s.limits.MessageBytes-m.size {
		m.refuse(replyTooLarge)
	}
	if size > 2*s.limits.MessageBytes-m.read {
		return s.refuseChunk(ctx, replyTooMuch)
	}
	if err := s.receiveChunk(size); err != nil {
		return s.dataError(ctx, err)
	}
	if last {
		s.tx.lines.finish()
		m.end()
		return s.endMessage(ctx)
	}
	if m.refused.code != 0 {
		return s.refuseChunk(ctx, m.refused)
	}
	return replyChunkOK
}

// parseBDAT reads BDAT's arguments: chunk-size [ SP "LAST" ].
func parseBDAT(args []byte) (size int64, last, ok bool) {
	digits, rest, _ := bytes.Cut(args, []byte{' '})
	size, ok = parseSize(digits)
	switch rest = bytes.TrimRight(rest, " "); {
	case len(rest) == 0:
	case is(rest, "LAST"):
		last = true
	default:
		ok = false
	}
	return size, last, ok
}

// checkChunk tells whether a chunk may come now.
func (s *session) checkChunk() reply {
	switch {
	case s.tx == nil:
		return replyNoMail
	case len(s.tx.envelope.Recipients) == 0:
		return replyNoRecipients
	}
	return replyChunkOK
}

// refuseChunk ends the transaction. Chunks of it that are on their way already
// find none, and are dropped.
func (s *session) refuseChunk(ctx context.Context, r reply) reply {
	s.server.counts.messagesRefused.Add(1)
	s.logMessage(ctx, level(r), r, s.tx.message.why)
	s.reset()
	return r
}

// receiveChunk reads size bytes of the message. Memory is taken for what has
// come, not for what was announced.
func (s *session) receiveChunk(size int64) error {
	m := s.tx.message
	m.beginPortion(time.Now())
	for size > 0 {
		if s.in.empty() {
			if err := s.fillData(); err != nil {
				return err
			}
		}
		b := s.in.buffered()
		if int64(len(b)) > size {
			b = b[:size]
		}
		if s.tx.envelope.Body == BodyBinaryMIME {
			m.write(b)
		} else {
			s.tx.lines.feed(b)
		}
		s.in.use(len(b))
		m.read += int64(len(b))
		size -= int64(len(b))
	}
	return nil
}

// dropChunk reads a chunk that belongs to no message, and then replies. A session
// may have as much dropped as a message may be large.
func (s *session) dropChunk(size int64, r reply) reply {
	if size > s.limits.MessageBytes-s.dropped {
		return replyTooMuchDrop
	}
	s.dropped += size
	granted := s.limits.DataTimeout + time.Duration(size/s.limits.BytesPerSecond)*time.Second
	deadline := time.Now().Add(min(granted, s.limits.TransactionTimeout))
	for size > 0 {
		n := min(size, int64(len(s.in.buffered())))
		s.in.use(int(n))
		if size -= n; size == 0 {
			break
		}
		if err := s.fillBy(deadline); err != nil {
			return reply{close: true}
		}
	}
	return r
}

// fillBy reads more, having sent what there is to send.
func (s *session) fillBy(deadline time.Time) error {
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	s.in.expectData()
	return s.in.fill(s.conn)
}
