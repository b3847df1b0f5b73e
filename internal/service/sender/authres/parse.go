package authres

import (
	"strings"

	"postroad/internal/fault"
)

// Limits of Parse.
const (
	// MaxField is the longest field body that is read, in bytes.
	MaxField = 64 << 10
	// MaxMethods is how many results one field may hold, and MaxProps how many properties one result.
	MaxMethods = 200
	MaxProps   = 50
	// maxDepth is how deep comments nest.
	maxDepth = 20
)

// Parse reads a field body. It is as strict as RFC 8601 §2.2, apart from what is often met: properties
// without a type, and values with characters that ought to have been quoted.
// Errors are of kind fault.Invalid, or fault.TooLarge over a limit.
func Parse(body string) (Header, error) { return ParseIn(new(Room), body) }

// ParseIn is Parse, but that the Header may lie in room.
func ParseIn(room *Room, body string) (Header, error) {
	if len(body) > MaxField {
		return Header{}, fault.New(fault.TooLarge, "the field is longer than %d bytes", MaxField)
	}
	l := &lexer{s: body, props: room.Props()}
	h := Header{ID: l.id()}
	if h.ID == "" {
		return h, fault.New(fault.Invalid, "no authserv-id")
	}
	for l.take(';') {
		if l.atEnd() {
			break
		}
		m, err := l.method()
		if err != nil {
			return h, err
		}
		if m.Name == "" {
			continue // "none"
		}
		if len(h.Methods) == MaxMethods {
			return h, fault.New(fault.TooLarge, "more than %d results", MaxMethods)
		}
		if h.Methods == nil {
			h.Methods = room.Methods()
		}
		h.Methods = append(h.Methods, m)
	}
	if !l.atEnd() || l.bad {
		return h, fault.New(fault.Invalid, "not a list of results")
	}
	return h, nil
}

// ID returns the authserv-id of a field body, "" if there is none to be found.
func ID(body string) string {
	if len(body) > MaxField {
		body = body[:MaxField]
	}
	return (&lexer{s: body}).id()
}

// lexer goes through a structured field body. A comment that doesn't end is bad.
type lexer struct {
	s   string
	i   int
	bad bool
	// last is the comment skipped most recently.
	last string
	// props are those of all results so far.
	props []Property
}

// id reads the authserv-id and the version after it.
func (l *lexer) id() string {
	l.skip()
	id := l.value()
	l.skip()
	for l.i < len(l.s) && l.s[l.i] >= '0' && l.s[l.i] <= '9' {
		l.i++
	}
	return id
}

// method reads one result with its properties; the zero Method if it is "none".
func (l *lexer) method() (m Method, err error) {
	l.skip()
	m.Name = l.lower()
	if l.take('/') { // the method's version
		l.skip()
		l.word()
	}
	if !l.take('=') {
		l.skip()
		if m.Name == "none" && (l.i == len(l.s) || l.s[l.i] == ';') {
			return Method{}, nil
		}
		return m, fault.New(fault.Invalid, "a result without a value")
	}
	l.skip()
	m.Result = Result(l.lower())
	l.last = ""
	l.skip()
	m.Comment = l.last
	if m.Name == "" || m.Result == "" {
		return m, fault.New(fault.Invalid, "a result without a name or value")
	}
	first := len(l.props)
	for l.i < len(l.s) && l.s[l.i] != ';' {
		if err := l.param(&m, first); err != nil {
			return m, err
		}
		l.skip()
	}
	if len(l.props) > first {
		m.Props = l.props[first:len(l.props):len(l.props)]
	}
	return m, nil
}

// param reads reason=value or ptype.property=value. The method's properties are in props from first on.
func (l *lexer) param(m *Method, first int) error {
	p := Property{Name: l.lower()}
	typed := l.take('.')
	if typed {
		l.skip()
		p.Type, p.Name = p.Name, l.lower()
	}
	if p.Name == "" && !typed || !l.take('=') {
		return fault.New(fault.Invalid, "a property without a value")
	}
	l.skip()
	v := l.value()
	if !typed && p.Name == "reason" {
		m.Reason = v
		return nil
	}
	if len(l.props)-first == MaxProps {
		return fault.New(fault.TooLarge, "more than %d properties", MaxProps)
	}
	p.Value = v
	l.props = append(l.props, p)
	return nil
}

func (l *lexer) atEnd() bool {
	l.skip()
	return l.i == len(l.s)
}

// take skips to c and over it, if it is next.
func (l *lexer) take(c byte) bool {
	l.skip()
	if l.i < len(l.s) && l.s[l.i] == c {
		l.i++
		return true
	}
	return false
}

// skip goes over white space and comments (CFWS).
func (l *lexer) skip() {
	for l.i < len(l.s) {
		switch l.s[l.i] {
		case ' ', '\t', '\r', '\n':
			l.i++
		case '(':
			l.comment()
		default:
			return
		}
	}
}

func (l *lexer) comment() {
	end := l.i + 1
	for end < len(l.s) && about[l.s[end]]&inComment == 0 {
		end++
	}
	if end < len(l.s) && l.s[end] == ')' { // a plain one, as most are
		l.last = l.s[l.i+1 : end]
		l.i = end + 1
		return
	}
	var text strings.Builder
	depth := 0
	for l.i < len(l.s) {
		c := l.s[l.i]
		l.i++
		switch {
		case c == '(':
			if depth++; depth > maxDepth {
				l.bad, l.i = true, len(l.s)
				return
			}
			if depth == 1 {
				continue
			}
		case c == ')':
			if depth--; depth == 0 {
				l.last = text.String()
				return
			}
		case c == '\\' && l.i < len(l.s):
			c = l.s[l.i]
			l.i++
		case c == '\r' || c == '\n':
			continue
		}
		text.WriteByte(c)
	}
	l.bad = true
}

// word reads a Keyword.
func (l *lexer) word() string {
	start := l.i
	i := start
	for i < len(l.s) && about[l.s[i]]&inKeyword != 0 {
		i++
	}
	l.i = i
	return l.s[start:i]
}

// lower reads a Keyword in lower case.
func (l *lexer) lower() string {
	w := l.word()
	for i := range len(w) {
		if about[w[i]]&isUpper != 0 {
			return strings.ToLower(w)
		}
	}
	return w
}

// What an octet may be.
const (
	inKeyword = 1 << iota
	isUpper
	endsValue // one that isn't quoted ends before it
	inComment // it means something in a comment
)

var about = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case isAlnum(c), c == '-', c == '_':
			t[i] = inKeyword
			if c >= 'A' && c <= 'Z' {
				t[i] |= isUpper
			}
		case c == ' ', c == '\t', c == '\r', c == '\n', c == ';', c == '(':
			t[i] = endsValue
		}
	}
	for _, c := range []byte("()\\\r\n") {
		t[c] |= inComment
	}
	return t
}()

// value reads a quoted-string, or all up to a semicolon, white space or a comment.
func (l *lexer) value() string {
	if l.i == len(l.s) || l.s[l.i] != '"' {
		start, i := l.i, l.i
		for i < len(l.s) && about[l.s[i]]&endsValue == 0 {
			i++
		}
		l.i = i
		return l.s[start:i]
	}
	l.i++
	if end := strings.IndexAny(l.s[l.i:], "\"\\\r\n"); end >= 0 && l.s[l.i+end] == '"' {
		v := l.s[l.i : l.i+end]
		l.i += end + 1
		return v
	}
	var b strings.Builder
	for l.i < len(l.s) {
		c := l.s[l.i]
		l.i++
		switch {
		case c == '"':
			return b.String()
		case c == '\\' && l.i < len(l.s):
			c = l.s[l.i]
			l.i++
		case c == '\r' || c == '\n':
			continue
		}
		b.WriteByte(c)
	}
	l.bad = true
	return b.String()
}
