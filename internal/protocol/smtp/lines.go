package smtp

import "bytes"

// lines finds the lines in message data as they stream by: it refuses line
// endings other than CRLF and overlong lines and, for DATA, undoes the
// transparency of RFC 5321 §4.5.2 and finds the end, CRLF.CRLF.
// It copies nothing and holds nothing back but a CR after a dot.
type lines struct {
	to      *message
	dots    bool // DATA; BDAT has none
	state   lineState
	maxLine int
	length  int // of the current line, in earlier portions
}

// lineState is where in a line the last byte stood.
type lineState uint8

const (
	atStart    lineState = iota // nothing of the line has come
	afterDot                    // a dot at its start, dropped
	afterDotCR                  // the same and a CR, held back
	inLine                      // somewhere inside
	afterCR                     // after a CR inside
)

// feed takes the next bytes. With dots, ended tells that the message's end was
// among them, and n how many belong to the message; otherwise all do.
//
// Only a dot that follows CRLF (or begins the message) counts, and only CRLF after
// it ends the message: "\n.\n", "\r\n.\n", "\r.\r\n" and so on are text, and bad text.
func (l *lines) feed(p []byte) (n int, ended bool) {
	s := walk{p: p, cr: -1, lf: -1}
	for s.pos < len(p) {
		switch l.state {
		case atStart:
			l.state = inLine
			if l.dots && p[s.pos] == '.' {
				l.flush(&s)
				s.drop(1)
				l.state = afterDot
			}
		case afterDot:
			l.state = inLine
			if p[s.pos] == '\r' {
				s.drop(1)
				l.state = afterDotCR
			}
		case afterDotCR:
			if p[s.pos] == '\n' {
				return s.pos + 1, true
			}
			// The dot was one of transparency after all, and the CR is a bare one.
			l.to.write(crlf[:1])
			l.length++
			l.state = afterCR
		case afterCR:
			l.state = inLine
			if p[s.pos] == '\n' {
				s.pos++
				l.endLine(&s)
			} else {
				l.bareCR(&s)
			}
		case inLine:
			l.text(&s)
		}
	}
	l.flush(&s)
	l.checkLength(l.length)
	return len(p), false
}

// finish is called after the last BDAT chunk: a CR at the very end is a bare one.
func (l *lines) finish() {
	if l.state == afterCR {
		l.bareCR(&walk{})
	}
}

var crlf = []byte("\r\n")

// text moves to the next CR or LF, or to the end.
func (l *lines) text(s *walk) {
	cr, lf := s.next()
	switch {
	case cr+1 == lf && lf < len(s.p): // the usual line
		s.pos = lf + 1
		l.endLine(s)
	case cr < lf:
		s.pos = cr + 1
		l.state = afterCR
	case lf < len(s.p):
		s.pos = lf
		l.bareLF(s)
	default:
		s.pos = len(s.p)
	}
}

// endLine is called with s.pos after a CRLF.
func (l *lines) endLine(s *walk) {
	l.checkLength(l.length + s.pos - s.line)
	l.length, s.line = 0, s.pos
	l.state = atStart
}

// bareLF is called with s.pos at an LF that has no CR before it.
func (l *lines) bareLF(s *walk) {
	if !l.to.bare() {
		s.pos++
		return
	}
	l.flush(s)
	l.to.write(crlf)
	s.drop(1)
	l.length = 0
}

// bareCR is called with s.pos after a CR that has no LF behind it.
func (l *lines) bareCR(s *walk) {
	if !l.to.bare() {
		return
	}
	l.flush(s)
	l.to.write(crlf[1:])
	l.length = 0
}

// flush hands on the text up to s.pos.
func (l *lines) flush(s *walk) {
	if s.pos > s.from {
		l.to.write(s.p[s.from:s.pos])
	}
	l.length += s.pos - s.line
	s.from, s.line = s.pos, s.pos
}

func (l *lines) checkLength(n int) {
	if n > l.maxLine {
		l.to.refuse(replyLongText)
	}
}

// walk goes over one portion of data.
type walk struct {
	p      []byte
	from   int // text from here to pos was not handed on yet
	line   int // where the current line, or what this portion has of it, begins
	pos    int
	cr, lf int // positions of the next CR and LF; stale if before pos
}

// next finds the next CR and LF from pos on; len(p) if there is none. Each byte is
// looked at once for each, however many of the other kind there are.
func (s *walk) next() (cr, lf int) {
	if s.cr < s.pos {
		s.cr = s.index('\r')
	}
	if s.lf < s.pos {
		s.lf = s.index('\n')
	}
	return s.cr, s.lf
}

func (s *walk) index(c byte) int {
	if i := bytes.IndexByte(s.p[s.pos:], c); i >= 0 {
		return s.pos + i
	}
	return len(s.p)
}

// drop passes over n bytes that are not text.
func (s *walk) drop(n int) {
	s.pos += n
	s.from, s.line = s.pos, s.pos
}
