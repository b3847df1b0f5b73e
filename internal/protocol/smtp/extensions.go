package smtp

import (
	"bytes"
	"strconv"
	"time"
)

// Parameters of MAIL that say when, how urgently and how safely: FUTURERELEASE (RFC 4865), DELIVERBY (RFC 2852),
// MT-PRIORITY (RFC 6710), REQUIRETLS (RFC 8689).

var (
	replyHeldTooLong = reply{code: 501, status: "5.5.4", text: "It would be held beyond the time for its delivery"}
	replyTooFarAhead = reply{code: 501, status: "5.5.4", text: "Messages are not held for so long"}
	replyTooSoon     = reply{code: 555, status: "5.5.4", text: "Less time than DELIVERBY announces"}
	replyNeedsTLS    = reply{code: 530, status: "5.7.10", text: "REQUIRETLS needs TLS"} // RFC 8689 §2
)

// leastBy is the shortest time in which delivery is promised or given up (by-mode R): one attempt fits into it.
const leastBy = time.Minute

// mailArgs gathers what MAIL's parameters say, until all are known.
type mailArgs struct {
	seen   paramSet
	by     time.Duration // how long delivery may take; see timed
	timed  bool
	wanted int // priority
}

// extension reads a parameter that RFC 5321 and its closest extensions don't know.
func (s *session) extension(e *Envelope, a *mailArgs, keyword, value []byte) reply {
	ok := true
	switch {
	case is(keyword, "HOLDFOR"), is(keyword, "HOLDUNTIL"):
		return s.hold(e, a, is(keyword, "HOLDFOR"), value)
	case is(keyword, "BY"):
		if ok = a.parseBy(e, value) && a.seen.first(paramBy); ok && !e.NotifyLate && a.by < leastBy {
			return replyTooSoon
		}
	case is(keyword, "MT-PRIORITY"):
		a.wanted, ok = parsePriority(value)
		ok = ok && a.seen.first(paramPriority)
		e.Prioritised = true
		e.Priority = min(a.wanted, s.highestPriority())
	case is(keyword, "REQUIRETLS"):
		if s.tls == nil {
			return replyNeedsTLS
		}
		e.RequireTLS, ok = true, value == nil && a.seen.first(paramRequireTLS)
	default:
		return replyUnknownParameter
	}
	if !ok {
		return replyBadParameter
	}
	return replySenderOK
}

// hold reads HOLDFOR and HOLDUNTIL, of which there may be one. A time that has passed holds nothing.
func (s *session) hold(e *Envelope, a *mailArgs, interval bool, value []byte) reply {
	if !s.holds() {
		return replyUnknownParameter
	}
	now, ok := s.server.config.Now(), false
	if interval {
		var seconds int64
		seconds, ok = parseSeconds(value)
		e.HoldUntil = now.Add(time.Duration(seconds) * time.Second)
	} else {
		at, err := time.Parse(time.RFC3339, string(value))
		e.HoldUntil, ok = at, err == nil
	}
	switch {
	case !ok, !a.seen.first(paramHold):
		return replyBadParameter
	case e.HoldUntil.After(now.Add(s.server.config.Hold)):
		return replyTooFarAhead
	case !e.HoldUntil.After(now):
		e.HoldUntil = time.Time{}
	}
	return replySenderOK
}

// holds reports whether FUTURERELEASE is offered: it is for submission only (RFC 4865).
func (s *session) holds() bool { return s.opts.Mode == Submission && s.server.config.Hold > 0 }

// highestPriority is what MT-PRIORITY is lowered to: strangers don't overtake anybody's mail, people who have signed in may
// say what is urgent, but the highest are not for everyone. What a relay of ours has decided stays.
func (s *session) highestPriority() int {
	switch {
	case s.opts.Mode == LMTP:
		return 9
	case s.who != nil:
		return 4
	}
	return 0
}

// done completes the envelope by what all parameters say together, and says so if the priority isn't what was asked for.
func (a *mailArgs) done(e *Envelope, now func() time.Time) reply {
	if a.timed {
		e.Deadline = now().Add(a.by)
		if e.HoldUntil.After(e.Deadline) { // RFC 4865 §5.2.2
			return replyHeldTooLong
		}
	}
	if e.Priority != a.wanted {
		return reply{code: 250, status: "2.3.6", text: strconv.Itoa(e.Priority) + " is the priority that the message gets"}
	}
	return replySenderOK
}

// parseBy is by-value (RFC 2852 §4): seconds, which may be negative, a semicolon, R (return) or N (notify), and T for a trace. Where it
// is to be returned there must be time left.
func (a *mailArgs) parseBy(e *Envelope, b []byte) bool {
	number, mode, found := bytes.Cut(b, []byte{';'})
	negative := len(number) > 0 && number[0] == '-'
	if negative || len(number) > 0 && number[0] == '+' {
		number = number[1:]
	}
	seconds, ok := parseSeconds(number)
	if negative {
		seconds = -seconds
	}
	a.by, a.timed = time.Duration(seconds)*time.Second, true
	e.NotifyLate = is(mode, "N") || is(mode, "NT")
	e.ByTrace = is(mode, "RT") || is(mode, "NT")
	return found && ok && (e.NotifyLate || is(mode, "R") || is(mode, "RT")) && (e.NotifyLate || seconds > 0)
}

// parseSeconds reads one to nine digits.
func parseSeconds(b []byte) (int64, bool) {
	if len(b) > 9 {
		return 0, false
	}
	return parseSize(b)
}

// parsePriority is priority-value (RFC 6710): -9 to 9, without a plus or leading zeros.
func parsePriority(b []byte) (int, bool) {
	digits, negative := bytes.CutPrefix(b, []byte{'-'})
	if len(digits) != 1 || digits[0] < '0' || digits[0] > '9' || negative && digits[0] == '0' {
		return 0, false
	}
	n := int(digits[0] - '0')
	if negative {
		n = -n
	}
	return n, true
}

// appendLater appends the lines of the reply to EHLO that offer all this.
func (s *session) appendLater(line func(words ...string)) {
	if s.holds() {
		most := s.server.config.Hold
		until := s.server.config.Now().Add(most).UTC()
		line("FUTURERELEASE ", strconv.FormatInt(int64(most/time.Second), 10), " ", until.Format(time.RFC3339))
	}
	line("DELIVERBY ", strconv.Itoa(int(leastBy/time.Second)))
	line("MT-PRIORITY")
	if s.tls != nil {
		line("REQUIRETLS")
	}
}
