package authres

import (
	"bytes"
	"io"
	"strings"
)

// MaxHeld is how much of one field a Stripper holds back, in bytes.
const MaxHeld = 8 << 10

// Stripper removes the Authentication-Results fields that claim to be from one of its sites (RFC 8601 §5) from a
// message's header as it streams by, and passes on all else as it is. Fields end as in Strip; the header ends at
// the first empty line. It holds back one field of that name at most, and of it MaxHeld bytes: a field that
// doesn't tell its site within them is removed.
//
// It is an io.Writer; not safe for concurrent use. Close must be called after the last byte.
type Stripper struct {
	w   io.Writer
	ids []string
	// names are those of other fields that are removed, whatever is in them, in lower case.
	names []string
	err   error
	// field is what becomes of the field that the next byte belongs to, or of the one before if it begins a line.
	field fate
	// started: the next byte is not the first of a line.
	started bool
	// held was not passed on yet: the beginning of a line, or of a field whose site isn't known.
	held []byte
}

// fate is what becomes of a field.
type fate uint8

const (
	noField   fate = iota // nothing has come
	undecided             // too little of it has come
	kept                  // it is passed on
	holding               // it has our name, and perhaps our site
	dropped               // it is removed
	text                  // it is none: the header is over
)

const fieldName = "authentication-results"

// NewStripper makes a Stripper that writes to w. ids are compared without regard to case.
func NewStripper(w io.Writer, ids ...string) *Stripper { return &Stripper{w: w, ids: ids} }

// Remove has all fields of a name removed, too, whoever wrote them. It must be called before the first Write.
func (s *Stripper) Remove(name string) { s.names = append(s.names, strings.ToLower(name)) }

// Write takes the next portion. Errors are w's, and stick.
func (s *Stripper) Write(p []byte) (int, error) {
	from, at := 0, 0 // p[from:at] is to be passed on
	for at < len(p) && s.field != text {
		if !s.started && !(s.field != noField && isBlank(p[at])) {
			s.endField() // if anything is held, p[from:at] is empty
			s.field = undecided
		}
		s.started = true
		switch s.field {
		case undecided:
			from, at = s.begin(p, from, at)
			continue
		case holding:
			s.pass(p[from:at])
			n := lineEnd(p[at:])
			s.hold(p[at : at+n])
			from = at + n
		case dropped:
			s.pass(p[from:at])
			from = at + lineEnd(p[at:])
		}
		at += lineEnd(p[at:])
		s.started = p[at-1] != '\n'
	}
	if from < len(p) {
		s.pass(p[from:])
	}
	return len(p), s.err
}

// begin looks at the beginning of a line in p[at:], and of what is held from before. It decides, or holds all.
func (s *Stripper) begin(p []byte, from, at int) (int, int) {
	if len(s.held) == 0 {
		if s.field = s.classify(p[at:]); s.field == kept || s.field == text {
			return from, at // no copy of what is usual, and one portion for what is before and behind it
		}
		s.pass(p[from:at])
		s.field = undecided
	}
	for at < len(p) && s.field == undecided {
		s.held = append(s.held, p[at])
		at++
		s.field = s.classify(s.held)
	}
	if s.field == kept || s.field == text {
		s.pass(s.held)
		s.started = s.held[len(s.held)-1] != '\n'
		s.held = s.held[:0]
	} else if s.field == holding || s.field == dropped {
		s.started = s.held[len(s.held)-1] != '\n'
	}
	if s.field == dropped {
		s.held = s.held[:0]
	}
	return at, at
}

// classify says what the beginning of a line, not empty, begins.
func (s *Stripper) classify(b []byte) fate {
	switch {
	case b[0] == '\n', len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return text
	case len(b) == 1 && b[0] == '\r':
		return undecided
	}
	f := begins(b, fieldName, holding)
	for i := 0; f == kept && i < len(s.names); i++ {
		f = begins(b, s.names[i], dropped)
	}
	return f
}

// begins says whether a line is the field of a name, whose fate is then f; else it is kept.
func begins(b []byte, name string, f fate) fate {
	switch {
	case !isPrefix(b[:min(len(b), len(name))], name):
		return kept
	case len(b) <= len(name):
		return undecided
	case isBlank(b[len(name)]), strings.IndexByte("\r\n:", b[len(name)]) >= 0:
		return f
	}
	return kept
}

// isPrefix reports whether a field's name begins with b.
func isPrefix(b []byte, name string) bool {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// lineEnd is where the first line ends, with its LF.
func lineEnd(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i + 1
	}
	return len(p)
}

// hold keeps more of a field, up to the limit, where it decides on what there is.
func (s *Stripper) hold(p []byte) {
	room := max(0, MaxHeld-len(s.held))
	s.held = append(s.held, p[:min(room, len(p))]...)
	if len(p) <= room {
		return
	}
	s.field = kept
	if id, told := siteOf(s.held); !told || s.isOurs(id) {
		s.field, s.held = dropped, nil
		return
	}
	s.pass(s.held)
	s.pass(p[room:])
	s.held = nil
}

// endField decides on a field that was held, and is complete.
func (s *Stripper) endField() {
	if s.field == undecided || s.field == holding && !claims(s.held, s.ids) {
		s.pass(s.held)
	}
	s.held = nil
}

// Close passes on what is still held.
func (s *Stripper) Close() error {
	s.endField()
	s.field = text
	return s.err
}

func (s *Stripper) pass(p []byte) {
	if s.err == nil && len(p) > 0 {
		_, s.err = s.w.Write(p)
	}
}

func (s *Stripper) isOurs(id string) bool {
	return isOneOf(id, s.ids)
}

// siteOf reads the authserv-id of a field of which only the beginning is there. told: what follows can't change it.
func siteOf(field []byte) (id string, told bool) {
	body, ok := strings.CutPrefix(strings.TrimLeft(string(field[len(fieldName):]), " \t\r\n"), ":")
	if !ok {
		return "", false
	}
	l := &lexer{s: body}
	id = l.id()
	return id, l.i < len(l.s)
}
