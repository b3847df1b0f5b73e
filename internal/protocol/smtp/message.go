package smtp

import (
	"time"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
	"postroad/internal/service/policy"
	"postroad/internal/service/sender/authres"
)

// heldHeader is how much of a submitted message's header may be held back in
// order to see which fields are missing. A larger one is taken as it is.
const heldHeader = 256 << 10

// maxHeader is the largest header that can be checked: who is the author of what has a larger one is anybody's guess.
const maxHeader = 512 << 10

// message is a message on its way from the client to the Post's Content: it
// counts, watches the header, writes the trace fields in front, and remembers the
// first reason to refuse it. The rest is then dropped, so that the conversation stays in step.
type message struct {
	content  Content
	envelope *Envelope
	trace    trace
	limits   *Limits
	lenient  bool // bare CR and LF become CRLF
	complete bool // missing Date and Message-ID are added (RFC 6409 §8)

	began   time.Time
	read    int64     // bytes from the client, with dots and all
	portion time.Time // when the DATA or the current BDAT chunk began
	before  int64     // what was read before it
	size    int64     // bytes of the message
	header  header
	front   bool              // the trace fields are written
	trail   int               // their size in bytes
	held    []byte            // header bytes that wait for it
	check   Check             // sees what comes, as it comes; nil: nobody checks
	strip   *authres.Stripper // takes out fields in our name; nil: they stay
	refused reply             // code 0: not refused
	most    int64             // bytes that policies allow; 0: any number
	mostBy  uint64            // the policy
	why     error             // the policy's refusal
}

// write takes the next bytes of the message.
func (m *message) write(p []byte) {
	m.size += int64(len(p))
	if m.size > m.limits.MessageBytes {
		m.refuse(replyTooLarge)
	}
	if m.most > 0 && m.size > m.most && m.refused.code == 0 {
		m.why = policy.TooLarge(m.mostBy)
		m.refused, _ = policyReply(m.why)
	}
	if m.refused.code != 0 {
		return
	}
	if m.check != nil {
		m.check.Write(p) //nolint:errcheck // it never fails
	}
	if !m.header.done {
		m.header.see(p)
		if m.header.received > m.limits.Hops {
			m.refuse(replyLoop)
			return
		}
		if m.check != nil && !m.header.done && m.size > maxHeader {
			m.refuse(replyLongHeader)
			return
		}
		if m.header.bare {
			m.refuse(replyBareInText)
			return
		}
		if m.hold(p) {
			return
		}
	}
	m.writeFront()
	m.text(p)
}

// text passes the message's own bytes on.
func (m *message) text(p []byte) {
	if m.strip == nil {
		m.put(p)
		return
	}
	m.strip.Write(p) //nolint:errcheck // put remembers errors
}

// hold keeps p back if fields may have to be added in front of it.
func (m *message) hold(p []byte) bool {
	if !m.complete || m.front || m.header.done || len(m.held)+len(p) > heldHeader {
		return false
	}
	m.held = append(m.held, p...)
	return true
}

// writeFront writes the trace fields, once, and the header bytes that were held back.
func (m *message) writeFront() {
	if m.front {
		return
	}
	m.front = true
	b := buffers.Get().(*[]byte)
	front := m.trace.append(*b, m.envelope)
	m.trail = len(front)
	if m.complete && m.header.done {
		front = m.trace.appendMissing(front, m.envelope, &m.header)
	}
	m.put(front)
	spoil.Bytes(front)
	*b = front[:0]
	buffers.Put(b)
	m.text(m.held)
	m.held = nil
}

// put writes to the content.
func (m *message) put(p []byte) {
	if m.refused.code != 0 || len(p) == 0 {
		return
	}
	if _, err := m.content.Write(p); err != nil {
		m.fail(err)
	}
}

// bare notes a CR or LF that isn't part of a CRLF. It reports whether to write a CRLF instead.
func (m *message) bare() bool {
	if !m.lenient {
		m.refuse(replyBareInText)
	}
	return m.lenient
}

// refuse remembers why the message can't be taken.
func (m *message) refuse(r reply) {
	if m.refused.code == 0 {
		m.refused = r
	}
}

// fail refuses the message because it can't be kept: as a rule there is no room
// on our side, whatever a mailbox has.
func (m *message) fail(err error) {
	switch fault.KindOf(err) {
	case fault.OverQuota, fault.Unavailable:
		m.refuse(replyNoRoom)
	default:
		m.refuse(replyTo(err))
	}
}

// end is called after the last byte.
func (m *message) end() {
	m.header.end()
	m.writeFront()
	if m.strip != nil {
		m.strip.Close() //nolint:errcheck // put remembers errors
	}
}

// beginPortion is called when DATA or a BDAT chunk begins to come.
func (m *message) beginPortion(now time.Time) { m.portion, m.before = now, m.read }

// deadline is when the next bytes must have come: within DataTimeout, and before
// the portion's average speed falls under the lowest allowed.
func (m *message) deadline(now time.Time) time.Time {
	next := now.Add(m.limits.DataTimeout)
	seconds := float64(m.read-m.before) / float64(m.limits.BytesPerSecond)
	granted := m.limits.DataTimeout + time.Duration(seconds*float64(time.Second))
	if slowest := m.portion.Add(granted); slowest.Before(next) {
		return slowest
	}
	return next
}

// tooMuch reports whether so much was dropped already that reading on isn't worth it.
func (m *message) tooMuch() bool {
	return m.refused.code != 0 && m.read > 2*m.limits.MessageBytes
}
