package smtp

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"postroad/internal/fault"
)

// DATA (RFC 5321 §4.1.1.4) and what DATA and BDAT share.

var (
	replyGoAhead  = reply{code: 354, text: "End data with <CR><LF>.<CR><LF>"} // 3xx has no status code (RFC 2034 §4)
	replyBDATOnly = reply{code: 503, status: "5.5.1", text: "BINARYMIME needs BDAT"}
	replyMixed    = reply{code: 503, status: "5.5.1", text: "DATA and BDAT do not mix"}
)

const textPartlySent = "Only some of the recipients got it"

func (s *session) data(ctx context.Context, _ []byte) reply {
	switch {
	case s.tx == nil:
		return replyNoMail
	case s.tx.message != nil: // RFC 3030 §2
		s.reset()
		return replyMixed
	case s.tx.envelope.Body == BodyBinaryMIME: // RFC 3030 §3
		return replyBDATOnly
	case len(s.tx.envelope.Recipients) == 0:
		return replyNoRecipients
	}
	if r := s.scanData(ctx); !r.ok() {
		s.reset()
		return r
	}
	s.beginMessage(true)
	s.reply(replyGoAhead)
	if err := s.receive(); err != nil {
		return s.dataError(ctx, err)
	}
	return s.endMessage(ctx)
}

// beginMessage makes the transaction ready for the message's bytes.
func (s *session) beginMessage(dots bool) {
	tx := s.tx
	tx.envelope.Protocol = withProtocol(s.opts.Mode, s.extended, tx.envelope.UTF8, s.tls != nil, s.who != nil)
	tx.room = message{
		content: s.server.config.Post.NewContent(), envelope: &tx.envelope, limits: s.limits,
		lenient:  s.server.config.BareLineEndings == NormaliseBare,
		complete: s.opts.Mode == Submission,
		began:    time.Now(), most: tx.most, mostBy: tx.mostBy,
		trace: trace{
			hostname: s.server.config.Hostname, helo: s.helo, peer: s.peer, tls: s.tls, now: s.server.config.Now(),
			protocol: tx.envelope.Protocol,
		},
	}
	tx.room.header.binary = tx.envelope.Body == BodyBinaryMIME
	tx.message = &tx.room
	s.beginCheck()
	tx.lines = lines{to: tx.message, dots: dots, maxLine: s.limits.TextLine}
}

// receive reads the message up to CRLF.CRLF.
func (s *session) receive() error {
	m := s.tx.message
	m.beginPortion(m.began)
	for {
		if s.in.empty() {
			if err := s.fillData(); err != nil {
				return err
			}
		}
		n, ended := s.tx.lines.feed(s.in.buffered())
		s.in.use(n)
		m.read += int64(n)
		if ended {
			m.end()
			return nil
		}
		if m.tooMuch() {
			return errFlood
		}
	}
}

// fillData reads more of a message, having sent what there is to send.
func (s *session) fillData() error {
	deadline := s.tx.message.deadline(time.Now())
	if s.tx.deadline.Before(deadline) {
		deadline = s.tx.deadline
	}
	return s.fillBy(deadline)
}

// dataError ends a session whose message didn't come to an end.
func (s *session) dataError(ctx context.Context, err error) reply {
	r := reply{close: true}
	switch {
	case errors.Is(err, errFlood):
		r = replyTooMuch
	case errors.Is(err, os.ErrDeadlineExceeded):
		r = replyTimeout
	}
	s.logMessage(ctx, slog.LevelInfo, r, err)
	s.reset()
	return r
}

// endMessage delivers the message, or refuses it, and ends the transaction. In
// LMTP each recipient gets a reply (RFC 2033 §4.2).
func (s *session) endMessage(ctx context.Context) reply {
	defer s.endTransaction()
	tx := s.tx
	if r := tx.message.refused; r.code != 0 {
		tx.message.content.Discard()
		s.logMessage(ctx, slog.LevelInfo, r, tx.message.why)
		s.server.counts.messagesRefused.Add(1)
		return s.replyEach(r)
	}
	if r, err := s.judge(ctx); !r.ok() {
		tx.restore()
		tx.message.content.Discard()
		s.logMessage(ctx, slog.LevelInfo, r, err)
		s.server.counts.messagesRefused.Add(1)
		return s.replyEach(r)
	}
	results := s.deliver(ctx)
	s.countDelivery(results)
	if s.opts.Mode == LMTP {
		return s.replyResults(ctx, results)
	}
	r, err := s.summarise(results)
	s.logMessage(ctx, level(r), r, err)
	return r
}

// countDelivery counts the message as accepted if anybody got it.
func (s *session) countDelivery(results []error) {
	for _, err := range results {
		if err == nil {
			s.errors, s.idle = 0, 0
			s.server.counts.messages.Add(1)
			s.server.counts.bytes.Add(s.tx.message.size)
			return
		}
	}
	s.server.counts.messagesRefused.Add(1)
}

// replyEach gives the same reply to every recipient in LMTP, or once in SMTP.
func (s *session) replyEach(r reply) reply {
	if s.opts.Mode != LMTP {
		return r
	}
	for range s.tx.envelope.Recipients {
		s.reply(r)
	}
	return reply{close: r.close}
}

// replyResults gives each LMTP recipient their own reply.
func (s *session) replyResults(ctx context.Context, results []error) reply {
	for i, err := range results {
		r := s.delivered()
		if err != nil {
			r = replyTo(err)
		}
		s.logRecipient(ctx, s.tx.envelope.Recipients[i].Address, r, err)
		s.reply(r)
	}
	return reply{}
}

// summarise makes one reply of the recipients' results. RFC 5321 §4.4 wants a
// 250 if some succeeded, and a notice to the sender for the others: the Post sees to that if it is
// certain who the sender is. Where it isn't, the notice would go to somebody who has sent nothing: we say that it
// failed, and the sender's own server tells them. Mail that arrives twice is better than mail that is lost.
func (s *session) summarise(results []error) (reply, error) {
	var worst error
	failed := 0
	for _, err := range results {
		if err == nil {
			continue
		}
		failed++
		if worst == nil || fault.KindOf(err).Retry() && !fault.KindOf(worst).Retry() {
			worst = err
		}
	}
	if worst == nil {
		return s.delivered(), nil
	}
	r := replyTo(worst)
	if failed < len(results) {
		r.text = textPartlySent
	}
	return r, worst
}

func (s *session) delivered() reply {
	return reply{code: 250, status: "2.0.0", text: "Ok: accepted as " + s.tx.envelope.ID}
}

// level: what was delivered is in the log by delivery's own line; what wasn't, is told here.
func level(r reply) slog.Level {
	if r.code >= 400 {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// logMessage tells in one line what became of a message.
func (s *session) logMessage(ctx context.Context, level slog.Level, r reply, err error) {
	if r.code >= 400 {
		s.noteRefusal(stageData, "", r, err)
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	e := &s.tx.envelope
	to := ""
	if len(e.Recipients) > 0 {
		to = e.Recipients[0].Address
	}
	s.log.LogAttrs(ctx, level, "message", slog.String("id", e.ID), slog.String("helo", e.Helo),
		slog.String("from", e.From), slog.String("to", to), slog.Int("recipients", len(e.Recipients)),
		slog.Int64("size", s.tx.message.size), slog.Int("reply", r.code), slog.String("status", r.status),
		slog.Duration("took", time.Since(s.tx.message.began)), errAttr(err))
}

// logRecipient tells in one line what became of a message for one recipient.
func (s *session) logRecipient(ctx context.Context, to string, r reply, err error) {
	if r.code >= 400 {
		s.noteRefusal(stageData, to, r, err)
	}
	if !s.log.Enabled(ctx, level(r)) {
		return
	}
	e := &s.tx.envelope
	s.log.LogAttrs(ctx, level(r), "message", slog.String("id", e.ID), slog.String("helo", e.Helo),
		slog.String("from", e.From), slog.String("to", to), slog.Int64("size", s.tx.message.size),
		slog.Int("reply", r.code), slog.String("status", r.status),
		slog.Duration("took", time.Since(s.tx.message.began)), errAttr(err))
}

// errAttr is left out of the line if err is nil.
func errAttr(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.String("err", err.Error())
}
