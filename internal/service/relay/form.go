package relay

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"postroad/internal/format/message"
	"postroad/internal/service/transfer"
)

// mail is the message of a job: what it needs is found out once, as far as it matters.
type mail struct {
	*transfer.Job
	survey
	structure *message.Structure // nil: not looked at yet
	seven     *conversion        // nil: not tried yet, or there is none
	tried     bool
}

// parse finds the message's structure.
func (m *mail) parse() (*message.Structure, error) {
	if m.structure == nil {
		p := message.NewParser(message.Limits{})
		if err := copyRange(p, m.Content, 0, m.Content.Size()); err != nil {
			return nil, err
		}
		m.structure = p.Finish()
	}
	return m.structure, nil
}

// convert returns the message for 7-bit hops, nil if there is no such thing.
func (m *mail) convert() (*conversion, error) {
	if m.tried {
		return m.seven, nil
	}
	s, err := m.parse()
	if err != nil {
		return nil, err
	}
	m.seven, err = convert(m.Content, s)
	m.tried = err == nil
	return m.seven, err
}

// internationalHeaders reports whether a header at any level has 8-bit bytes (RFC 6531 §3.2).
func (m *mail) internationalHeaders() (bool, error) {
	if m.eightHead || !m.eight {
		return m.eightHead, nil
	}
	s, err := m.parse()
	if err != nil {
		return false, err
	}
	found := false
	s.Root.Walk(func(p *message.Part) bool {
		if err == nil && !found {
			var h survey
			h, err = look(m.Content, p.HeaderOffset, p.HeaderSize, false)
			found = h.eight
		}
		return err == nil && !found
	})
	return found, err
}

// form is how the message goes over one connection.
type form struct {
	body   string // value of BODY=; "": none
	bdat   bool
	exact  bool        // bytes are bytes: no line end is touched
	seven  *conversion // what is sent; nil: the message as it is
	size   int64       // about
	params string      // of MAIL
	utf8   bool
	from   string
}

var (
	troubleRequireTLS = trouble{result: transfer.Failed, status: "5.7.30", text: "the message requires TLS all the way, which the host does not support (REQUIRETLS)", next: true}
	troubleNoTLS      = trouble{result: transfer.Failed, status: "5.7.10", text: "the message requires TLS with a verified host (REQUIRETLS)", next: true}
)

// form decides how the message goes to the hop, or why it can't.
func (m *mail) form(e *extensions, now time.Time) (*form, *trouble) {
	f := &form{bdat: e.chunking, from: m.From}
	if m.mustBeSafe() && !e.requireTLS {
		t := troubleRequireTLS
		return nil, &t
	}
	if t := m.formBody(f, e); t != nil {
		return nil, t
	}
	if t := m.formUTF8(f, e); t != nil {
		return nil, t
	}
	if e.size && e.maxSize > 0 && f.size > e.maxSize {
		return nil, permanent("5.3.4", fmt.Sprintf("the message has %d bytes, the host takes %d", f.size, e.maxSize)) // RFC 1870 §6.1
	}
	return f, m.formParams(f, e, now)
}

// mustBeSafe: RFC 8689 §4.2.1 and §5: it doesn't keep notifications back.
func (m *mail) mustBeSafe() bool { return m.RequireTLS && m.From != "" }

// formBody decides what is sent. Where the hop can't take the message as it is, parts are
// encoded; if that can't be done, it fails where it must (8-bit bytes without 8BITMIME, RFC 6152 §3;
// binary content without BINARYMIME, RFC 3030 §3), and goes as it is where it may: lines over
// 998 bytes "should be avoided" by senders, but must not be cut, which would break signatures, and
// RFC 5321 §4.5.3.1 wants no receiver to have that limit. With BDAT they are nobody's trouble:
// octets are counted.
func (m *mail) formBody(f *form, e *extensions) *trouble {
	f.size = m.sent()
	must := m.eight && !e.eightBit || m.Binary && !e.binary
	switch {
	case m.Binary && e.binary:
		f.body, f.exact, f.size = "BINARYMIME", true, m.size
		return nil
	case must || (m.long || m.nul) && !f.bdat:
		seven, err := m.convert()
		switch {
		case err != nil:
			return lost(err, "converting the message").keep()
		case seven == nil && must:
			return permanent("5.6.3", "the host takes only 7-bit text, and the message cannot be converted") // RFC 3463 §3.7
		case seven != nil:
			f.seven, f.size = seven, seven.size
		}
	}
	if m.eight && f.seven == nil && e.eightBit {
		f.body = "8BITMIME"
	}
	return nil
}

// keep says that the connection is still good.
func (t *trouble) keep() *trouble {
	t.broken = false
	return t
}

// formUTF8 asks for SMTPUTF8 if the message needs it, or finds out that it doesn't (RFC 6531 §3.2).
func (m *mail) formUTF8(f *form, e *extensions) *trouble {
	if e.utf8 {
		f.utf8 = m.UTF8 || !ascii(m.From)
		for i := range m.Recipients {
			r := &m.Recipients[i]
			f.utf8 = f.utf8 || !ascii(r.Address) || e.dsn && !ascii(r.Original)
		}
		return nil
	}
	var ok bool
	if f.from, ok = plainAddress(m.From); !ok {
		return permanent("5.6.7", "the host does not support the sender's non-ASCII address (SMTPUTF8)") // RFC 6531 §3.5
	}
	if !m.UTF8 {
		return nil
	}
	international, err := m.internationalHeaders()
	switch {
	case err != nil:
		return lost(err, "reading headers").keep()
	case international:
		return permanent("5.6.9", "the host does not support the non-ASCII text in the message's header (SMTPUTF8)") // RFC 6531 §3.5
	}
	return nil
}

// formParams writes MAIL's parameters.
func (m *mail) formParams(f *form, e *extensions, now time.Time) *trouble {
	var b strings.Builder
	add := func(s ...string) {
		b.WriteByte(' ')
		for _, s := range s {
			b.WriteString(s)
		}
	}
	if e.size {
		add("SIZE=", strconv.FormatInt(f.size, 10))
	}
	if f.body != "" {
		add("BODY=", f.body)
	}
	if f.utf8 {
		add("SMTPUTF8")
	}
	if m.RequireTLS && e.requireTLS {
		add("REQUIRETLS")
	}
	if e.priority { // RFC 6710 §4.2: whatever it is
		add("MT-PRIORITY=", strconv.Itoa(min(max(m.Priority, -9), 9)))
	}
	if e.dsn {
		m.addDSN(add)
	}
	t := m.addBy(e, now, add)
	f.params = b.String()
	return t
}

// addDSN: RFC 3461 §4.3 and §4.4. An ENVID has at most 100 characters.
func (m *mail) addDSN(add func(...string)) {
	switch {
	case m.Return == transfer.ReturnHeaders, m.Return == transfer.ReturnFull && m.RequireTLS: // RFC 8689 §5
		add("RET=HDRS")
	case m.Return == transfer.ReturnFull:
		add("RET=FULL")
	}
	if x := xtext(m.EnvelopeID); x != "" && len(x) <= 100 {
		add("ENVID=", x)
	}
}

// maxBy is the largest by-value (RFC 2852: nine digits).
const maxBy = 999_999_999

// addBy passes on how much time is left. By-mode R must not go where it would be forgotten, nor where
// there is less time than the host promises to need (RFC 2852).
func (m *mail) addBy(e *extensions, now time.Time, add func(...string)) *trouble {
	if m.Deadline.IsZero() {
		return nil
	}
	left := m.Deadline.Sub(now)
	seconds := max(min(int64(left/time.Second), maxBy), -maxBy)
	trace := ""
	if m.ByTrace {
		trace = "T"
	}
	switch {
	case e.by && m.NotifyLate:
		add("BY=", strconv.FormatInt(seconds, 10), ";N", trace)
	case m.NotifyLate:
	case seconds <= 0:
		return permanent("5.4.7", "the time for delivery has run out")
	case e.by && left >= e.minBy: // the least that it takes for by-mode R
		add("BY=", strconv.FormatInt(seconds, 10), ";R", trace)
	default:
		t := permanent("5.3.3", "the host does not promise to deliver in time (DELIVERBY)")
		t.next = true
		return t
	}
	return nil
}

// untimed reports whether a host forgets the time by which the message should be delivered, and after which its sender wants to be told.
func (m *mail) untimed(e *extensions) bool { return !m.Deadline.IsZero() && m.NotifyLate && !e.by }

// rcptParams writes RCPT's parameters (RFC 3461 §4.1, §4.2).
func (m *mail) rcptParams(r *transfer.Recipient, e *extensions) string {
	if !e.dsn {
		return ""
	}
	want := r.Notify
	if m.untimed(e) && want&transfer.NotifyNever == 0 { // RFC 2852 §4.1.4.2
		if want == 0 {
			want = transfer.NotifyFailure
		}
		want |= transfer.NotifyDelay
	}
	s := notify(want)
	if r.OriginalType != "" && r.Original != "" {
		s += orcpt(r.OriginalType, r.Original, e.utf8)
	}
	return s
}

func notify(n transfer.Notify) string {
	if n&transfer.NotifyNever != 0 {
		return " NOTIFY=NEVER"
	}
	var words []string
	for _, w := range []struct {
		bit  transfer.Notify
		word string
	}{{transfer.NotifySuccess, "SUCCESS"}, {transfer.NotifyFailure, "FAILURE"}, {transfer.NotifyDelay, "DELAY"}} {
		if n&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " NOTIFY=" + strings.Join(words, ",")
}

// maxORCPT: RFC 3461 §4.2. A longer one is left out.
const maxORCPT = 500

func orcpt(typ, address string, smtputf8 bool) string {
	value := xtext(typ) + ";"
	if strings.EqualFold(typ, "utf-8") {
		value += utf8xtext(address, smtputf8)
	} else {
		value += xtext(address)
	}
	if len(value) > maxORCPT {
		return ""
	}
	return " ORCPT=" + value
}

// writeTo writes what is sent, with CRLF at the ends of all lines but in binary content.
func (f *form) writeTo(w io.Writer, m *mail) error {
	ends := &lineEnds{to: w}
	switch {
	case f.seven != nil:
		if err := f.seven.writeTo(ends); err != nil {
			return err
		}
		return ends.finish()
	case f.exact || m.bare == 0:
		if err := copyRange(w, m.Content, 0, m.size); err != nil {
			return err
		}
		if m.partial && !f.exact {
			_, err := w.Write(crlf)
			return err
		}
		return nil
	}
	if err := copyRange(ends, m.Content, 0, m.size); err != nil {
		return err
	}
	return ends.finish()
}
