package relay

import (
	"context"
	"errors"
	"os"
	"time"

	"postroad/internal/service/transfer"
)

// transaction is one message's passage over a connection, from MAIL to the reply to its data
// (RFC 5321 §3.3).
type transaction struct {
	a    *attempt
	c    *conn
	form *form
	to   []int // recipients, as indexes into the job's

	asked    bool  // nothing kept us from sending
	mailed   bool  // MAIL was accepted
	accepted []int // recipients whose RCPT was
	waiting  []int // recipients about whom nothing is known yet
	left     []int // more than the hop takes at a time: for another transaction
	again    []int // refused for now: another hop may do better
	goAhead  bool  // DATA was answered with 354
	failed   *trouble
}

// command is a line and what its reply means. A trouble that is returned ends the session.
type command struct {
	line, doing string
	timeout     time.Duration
	then        func(reply) *trouble
	data        bool
}

// size is how many bytes it has on the wire.
func (c *command) size() int { return len(c.line) + len(crlf) }

// run does the transaction. Afterwards every recipient is settled, or in left, again or, if it failed, undecided.
func (tx *transaction) run() {
	tx.waiting = append([]int(nil), tx.to...)
	if tx.failed = tx.prepare(); tx.failed == nil {
		tx.c.messages++
		tx.asked = true
		tx.failed = tx.talk(tx.commands())
	}
	switch {
	case tx.goAhead && len(tx.accepted) == 0, tx.goAhead && tx.failed != nil && !tx.failed.broken:
		tx.sendNothing()
	case tx.failed == nil && len(tx.accepted) > 0:
		tx.failed = tx.send()
	}
}

// undecided are the recipients whom a failed transaction left without an answer of their own.
func (tx *transaction) undecided() []int { return append(tx.accepted, tx.waiting...) }

// prepare finds the message's form for the hop, and fails recipients whose addresses it can't take.
func (tx *transaction) prepare() *trouble {
	m := &tx.a.mail
	var t *trouble
	if tx.form, t = m.form(&tx.c.ext, tx.a.relay.now()); t != nil {
		return t
	}
	if tx.c.ext.utf8 {
		return nil
	}
	fit := tx.waiting[:0]
	for _, i := range tx.waiting {
		if _, ok := plainAddress(m.Recipients[i].Address); ok {
			fit = append(fit, i)
			continue
		}
		tx.a.settle(tx.c, []int{i}, permanent("5.6.7", "the host does not support non-ASCII addresses (SMTPUTF8)")) // RFC 6531 §3.5
	}
	tx.waiting = fit
	return nil
}

// commands are those up to the data.
func (tx *transaction) commands() []command {
	l := tx.c.limits
	if len(tx.waiting) == 0 {
		return nil
	}
	all := make([]command, 0, len(tx.waiting)+3)
	if tx.c.dirty {
		all = append(all, command{line: "RSET", doing: "RSET", timeout: l.Mail, then: tx.onReset})
	}
	all = append(all, command{line: "MAIL FROM:<" + tx.form.from + ">" + tx.form.params, doing: "MAIL", timeout: l.Mail, then: tx.onMail})
	for _, i := range tx.waiting {
		all = append(all, tx.rcpt(i))
	}
	if !tx.form.bdat {
		all = append(all, command{line: "DATA", doing: "DATA", timeout: l.DataStart, then: tx.onData, data: true})
	}
	return all
}

func (tx *transaction) rcpt(i int) command {
	r := &tx.a.mail.Recipients[i]
	address := r.Address
	if !tx.c.ext.utf8 {
		address, _ = plainAddress(address)
	}
	return command{
		line: "RCPT TO:<" + address + ">" + tx.a.mail.rcptParams(r, &tx.c.ext), doing: "RCPT", timeout: tx.c.limits.Rcpt,
		then: func(r reply) *trouble { return tx.onRcpt(i, r) },
	}
}

// maxGroup is how many bytes of commands are sent before their replies are read: they fit
// the hop's window whatever it is (RFC 2920 §3.1), so that the two never wait for each other.
const maxGroup = 4096

// talk sends commands, in groups if the hop takes them so, and matches replies with them by counting.
func (tx *transaction) talk(commands []command) *trouble {
	for len(commands) > 0 && tx.failed == nil {
		n, bytes := 1, commands[0].size()
		for tx.c.ext.pipelining && n < len(commands) && bytes+commands[n].size() <= maxGroup {
			bytes += commands[n].size()
			n++
		}
		if commands[0].data && len(tx.accepted) == 0 {
			return tx.failed
		}
		if t := tx.group(commands[:n]); t != nil {
			return t
		}
		commands = commands[n:]
	}
	return tx.failed
}

func (tx *transaction) group(commands []command) *trouble {
	if tx.c.in.Buffered() > 0 {
		return lost(errStep, "sending "+commands[0].doing)
	}
	for _, c := range commands {
		tx.c.queue(c.line)
	}
	if err := tx.c.flush(commands[0].timeout); err != nil {
		return lost(err, "sending "+commands[0].doing)
	}
	for _, c := range commands {
		r, err := tx.c.read(c.timeout)
		if err != nil {
			return lost(err, "waiting for the reply to "+c.doing)
		}
		if t := c.then(r); t != nil {
			return t
		}
	}
	return nil
}

func (tx *transaction) onReset(r reply) *trouble {
	if !r.positive() {
		t := refused(r).elsewhere()
		t.result, t.broken = transfer.Deferred, true
		return t
	}
	tx.c.dirty = false
	return nil
}

// onMail keeps a refusal until the replies to the rest of the group have been read.
func (tx *transaction) onMail(r reply) *trouble {
	if tx.mailed = r.positive(); tx.mailed {
		tx.c.dirty = true
		return nil
	}
	tx.failed = refused(r)
	if tx.failed.broken {
		return tx.failed
	}
	return nil
}

func (tx *transaction) onRcpt(i int, r reply) *trouble {
	if !tx.mailed {
		return nil
	}
	tx.waiting = tx.waiting[1:] // replies come in order
	switch {
	case r.positive():
		tx.accepted = append(tx.accepted, i)
		return nil
	case tooMany(r) && len(tx.accepted) > 0:
		tx.left = append(tx.left, i)
		tx.a.settle(tx.c, []int{i}, refused(r))
		return nil
	}
	t := refused(r)
	if tooMany(r) {
		t.result, t.next = transfer.Deferred, true
	}
	tx.again = append(tx.again, tx.a.settle(tx.c, []int{i}, t)...)
	if t.broken {
		return t
	}
	return nil
}

// tooMany: RFC 5321 §4.5.3.1.10. A 552 with a status of its own means something else (RFC 3463: 5.2.2, 5.3.4).
func tooMany(r reply) bool {
	return r.code == 452 || r.code == 552 && enhanced(r.lines[0]) == ""
}

func (tx *transaction) onData(r reply) *trouble {
	switch {
	case r.code == 354:
		tx.goAhead = true
	case tx.failed == nil && len(tx.accepted) > 0:
		if tx.failed = refused(r); tx.failed.broken {
			return tx.failed
		}
	}
	return nil
}

// sendNothing ends the data that a hop let us begin though it took no recipient (RFC 2920 §3.1).
// It doesn't matter what the hop says to it, but that it does.
func (tx *transaction) sendNothing() {
	tx.c.out = append(tx.c.out, theEnd...)
	err := tx.c.flush(tx.c.limits.DataBlock)
	if err == nil {
		_, err = tx.c.read(tx.c.limits.DataEnd)
	}
	switch {
	case err == nil:
	case tx.failed == nil:
		tx.failed = lost(err, "ending a message without recipients")
	default:
		tx.failed.broken = true
	}
}

// send sends the message, and settles those who were accepted by what the hop says to it.
func (tx *transaction) send() *trouble {
	if t := tx.sendData(); t != nil {
		return t
	}
	tx.c.dirty = false
	if tx.c.lmtp {
		return tx.repliesEach()
	}
	r, err := tx.c.read(tx.c.limits.DataEnd)
	switch {
	case err != nil:
		return doubtful(err)
	case !r.positive():
		return refused(r)
	}
	tx.delivered(tx.accepted, r)
	tx.accepted = nil
	return nil
}

// repliesEach reads the replies of LMTP, one for each recipient in order (RFC 2033 §4.2).
func (tx *transaction) repliesEach() *trouble {
	for len(tx.accepted) > 0 {
		r, err := tx.c.read(tx.c.limits.DataEnd)
		if err != nil {
			return doubtful(err)
		}
		one := tx.accepted[:1]
		tx.accepted = tx.accepted[1:]
		if r.positive() {
			tx.delivered(one, r)
			continue
		}
		t := refused(r)
		tx.again = append(tx.again, tx.a.settle(tx.c, one, t)...)
		if t.broken {
			return t
		}
	}
	return nil
}

// doubtful is the loss of a connection when the hop may have taken the message (RFC 5321 §6.1): another
// one would make a second copy certain.
func doubtful(err error) *trouble {
	t := lost(err, "waiting for the reply to the message")
	t.hostWide, t.next = false, false
	return t
}

// sendData writes the message. Time for it is bounded as a whole.
func (tx *transaction) sendData() *trouble {
	c := tx.c
	if c.in.Buffered() > 0 {
		return lost(errStep, "sending the message")
	}
	c.limit(c.limits.DataBlock + c.limits.forBytes(tx.form.size))
	defer c.limit(0)
	buf := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	if tx.form.bdat {
		return tx.sendChunks(&chunks{c: c, buf: buf})
	}
	w := &dots{to: &block{to: c, buf: buf}}
	err := tx.form.writeTo(w, &tx.a.mail)
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return tx.cutShort(err)
	}
	return nil
}

func (tx *transaction) sendChunks(k *chunks) *trouble {
	err := tx.form.writeTo(k, &tx.a.mail)
	if err == nil {
		err = k.finish()
	}
	switch {
	case k.failed.code != 0:
		t := refused(k.failed)
		t.broken = t.broken || tx.c.lmtp || k.drain() != nil
		return t
	case err != nil:
		return tx.cutShort(err)
	}
	return nil
}

// cutShort is data that could not be sent to its end. A hop that hangs up in the middle may have said why.
func (tx *transaction) cutShort(err error) *trouble {
	t := lost(err, "sending the message")
	t.hostWide, t.next = false, false // the last block may have arrived after all
	if t.status != "4.4.2" || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return t
	}
	if r, err := tx.c.read(quitTime); err == nil && r.code >= 400 {
		t = refused(r)
		t.broken = true
	}
	return t
}

func (tx *transaction) delivered(to []int, r reply) {
	result := transfer.Relayed
	if tx.c.ext.dsn {
		result = transfer.Delivered
	}
	m := &tx.a.mail
	untimed := m.untimed(&tx.c.ext) && tx.a.relay.now().Before(m.Deadline)
	for _, i := range to {
		o := tx.a.outcome(tx.c)
		o.Untimed = untimed
		o.Result, o.Code, o.Status, o.Text = result, r.code, r.status(), r.text()
		tx.a.results[i] = o
	}
}
