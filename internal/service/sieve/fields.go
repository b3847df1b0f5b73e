package sieve

import (
	"strings"

	"postroad/internal/format/message"
)

// mimeOption is which part of a field's value is meant. RFC 5703 §4.1.
type mimeOption uint8

const (
	wholeValue mimeOption = iota
	typeOnly
	subtypeOnly
	contentType
	parameters
)

// source says which header fields a test looks at.
type source struct {
	names    []value
	mime     bool // those of the current MIME part
	anychild bool // and of the parts below it
	index    int  // only the field of this number; 0: all
	last     bool // counted from the end
	option   mimeOption
	params   []value
}

// sourceTags are the tags of tests on header fields: RFC 5260 §6, RFC 5703 §4.
var (
	indexTags = []tag{{name: "index", value: aNumber, exts: []string{"index"}}, {name: "last", exts: []string{"index"}}}
	mimeTags  = []tag{{name: "mime", exts: []string{"mime"}}, {name: "anychild", exts: []string{"mime"}}}
	optTags   = []tag{
		{name: "type", exts: []string{"mime"}, group: "MIME option"}, {name: "subtype", exts: []string{"mime"}, group: "MIME option"},
		{name: "contenttype", exts: []string{"mime"}, group: "MIME option"},
		{name: "param", exts: []string{"mime"}, group: "MIME option", value: aList},
	}
)

// source compiles the names and tags of a test on header fields.
func (c *compiler) source(a *args, names []value) *source {
	s := &source{names: names, mime: a.has("mime"), anychild: a.has("anychild"), last: a.has("last")}
	for i := range names {
		if names[i].constant() && !isFieldName(names[i].lit) {
			// RFC 5228 §2.4.2.2: that is no error.
			c.warn(names[i].pos, "'%s' cannot be the name of a header field", cut(oneLine(names[i].lit), 64))
		}
	}
	if n, ok := a.tagNumber("index"); ok {
		if s.index = small(n); n == 0 {
			g, _ := a.find("index")
			c.fail(g.value.Pos, "the number behind :index begins at 1")
		}
	} else if g, ok := a.find("last"); ok {
		c.fail(g.arg.Pos, ":last needs :index") // RFC 5260 §6
	}
	c.mimeOptions(a, s)
	return s
}

func (c *compiler) mimeOptions(a *args, s *source) {
	if opt := a.oneOf("MIME option"); opt != "" {
		s.option = map[string]mimeOption{"type": typeOnly, "subtype": subtypeOnly, "contenttype": contentType, "param": parameters}[opt]
		s.params = c.tagList(a, "param")
		if !s.mime {
			g, _ := a.find(opt)
			c.fail(g.arg.Pos, ":%s needs :mime", opt)
		}
	}
	if g, ok := a.find("anychild"); ok && !s.mime {
		c.fail(g.arg.Pos, ":anychild needs :mime")
	}
}

// visit is called for each field; it ends the walk by returning true.
type visit func(f *field) (bool, error)

// walk calls fn for the fields that a test looks at. done: fn ended it.
func (m *machine) walk(s *source, fn visit) (done bool, err error) {
	if !s.mime {
		return m.walkHeader(s, m.scope(), fn)
	}
	part, err := m.currentPart()
	if err != nil {
		return false, err
	}
	return m.walkParts(s, part, fn)
}

// walkParts does so for a part, and those below it if they are meant.
func (m *machine) walkParts(s *source, p *message.Part, fn visit) (bool, error) {
	h, err := m.partHeader(p)
	if err != nil {
		return false, err
	}
	if done, err := m.walkHeader(s, h, fn); done || err != nil || !s.anychild {
		return done, err
	}
	for _, child := range childrenOf(p) {
		if done, err := m.walkParts(s, child, fn); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// walkHeader does so for one header.
func (m *machine) walkHeader(s *source, h *header, fn visit) (bool, error) {
	if s.index > 0 {
		return m.numbered(s, h, fn)
	}
	for i := range s.names {
		name := m.text(&s.names[i])
		m.fuel -= int64(len(h.labels)/8 + 1)
		for k := h.next(name, 0); k >= 0; k = h.next(name, k+1) {
			if done, err := fn(h.at(k)); done || err != nil {
				return done, err
			}
		}
	}
	return false, nil
}

// numbered finds the field of a number: all named fields are counted in the order of the names. RFC 5260 §6.
func (m *machine) numbered(s *source, h *header, fn visit) (bool, error) {
	var found []int
	for i := range s.names {
		name := m.text(&s.names[i])
		m.fuel -= int64(len(h.labels)/8 + 1)
		for k := h.next(name, 0); k >= 0; k = h.next(name, k+1) {
			found = append(found, k)
		}
	}
	at := s.index - 1
	if s.last {
		at = len(found) - s.index
	}
	if at < 0 || at >= len(found) {
		return false, nil
	}
	return fn(h.at(found[at]))
}

// optionValues calls fn for the values that a MIME option picks out of a field.
func (m *machine) optionValues(s *source, f *field, fn func(string) (bool, error)) (bool, error) {
	if s.option == wholeValue {
		return fn(trimBlanks(f.decoded()))
	}
	isType, isDisposition := equalASCII(f.name, "Content-Type"), equalASCII(f.name, "Content-Disposition")
	value, params := f.parameters()
	first, second, slash := strings.Cut(value, "/")
	switch {
	case s.option == parameters:
		return m.parameterValues(s, params, fn)
	case !isType && (!isDisposition || s.option == subtypeOnly):
		return fn("") // it has none
	case isDisposition:
		return fn(value)
	case !slash || first == "" || second == "" || strings.Contains(second, "/"):
		return false, nil // it is no media type
	case s.option == typeOnly:
		return fn(first)
	case s.option == subtypeOnly:
		return fn(second)
	}
	return fn(value)
}

// trimBlanks returns s without blanks around it. (strings.Trim makes a table of them each time.)
func trimBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

func (m *machine) parameterValues(s *source, params []message.Param, fn func(string) (bool, error)) (bool, error) {
	for i := range s.params {
		want := m.text(&s.params[i])
		for _, p := range params {
			if equalASCII(p.Name, want) {
				if done, err := fn(p.Value); done || err != nil {
					return done, err
				}
			}
		}
	}
	return false, nil
}

// parseParameters reads a field such as Content-Type through the parser of messages, so that it is read in one way everywhere.
func parseParameters(v string) (value string, params []message.Param) {
	s := message.Parse([]byte("Content-Disposition: " + v + "\r\n\r\n"))
	value, _, _ = strings.Cut(v, ";")
	return lowerASCII(strings.TrimSpace(stripComments(value))), s.Root.DispositionParams
}

// stripComments leaves out what stands in parentheses.
func stripComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var b strings.Builder
	depth := 0
	for i := range len(s) {
		switch {
		case s[i] == '(':
			depth++
		case s[i] == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
