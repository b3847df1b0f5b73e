package sieve

import (
	"slices"
	"strconv"
	"strings"

	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

func itoa(n int) string { return strconv.Itoa(n) }

// protected are fields that no script changes: what says where the message came from, and where it was, by which loops are known. RFC 5293 §6.
var protected = []string{"received", "delivered-to", "auto-submitted", "return-path", "authentication-results", "arc-seal", "arc-message-signature", "arc-authentication-results"}

// untouchable reports whether addheader and deleteheader leave fields of a name alone: those, and what replace keeps of a message that it
// gives another subject or author (RFC 5703 §5).
func untouchable(name string) bool {
	name = lowerASCII(name)
	return slices.Contains(protected, name) || name == "original-subject" || name == "original-from"
}

// addHeader is "addheader". RFC 5293 §4.
type addHeader struct {
	pos         syntax.Pos
	last        bool
	name, value value
}

func (c *compiler) addHeader(a *args) command {
	h := &addHeader{a.call.Pos, a.has("last"), c.argText(a, 0), c.argText(a, 1)}
	if h.name.constant() && !isFieldName(h.name.lit) {
		c.fail(h.name.pos, "'%s' cannot be the name of a header field", cut(oneLine(h.name.lit), 64))
	}
	if h.value.constant() && !goodFieldValue(h.value.lit) {
		c.fail(h.value.pos, "this can't be the value of a header field")
	}
	if len(h.value.lit) > c.limits.FieldBytes && h.value.constant() {
		c.fail(h.value.pos, "the header field is too long: %d octets are allowed", c.limits.FieldBytes)
	}
	return h
}

// goodFieldValue reports whether a text can be the value of a field; line ends are folded.
func goodFieldValue(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 127 }) < 0
}

func (h *addHeader) exec(m *machine) error {
	name, text := m.text(&h.name), m.text(&h.value)
	switch {
	case !isFieldName(name):
		return m.failure(h.name.pos, "'%s' cannot be the name of a header field", cut(oneLine(name), 64))
	case !goodFieldValue(text):
		return m.failure(h.value.pos, "this can't be the value of a header field")
	case untouchable(name):
		return nil
	}
	d := message.Draft{}
	d.AddText(name, unfolded(text))
	line := fieldLine(&d)
	old := m.msg.Header()
	if len(line) > m.limits.FieldBytes || len(old)+len(line) > m.limits.HeaderBytes {
		return m.failure(h.pos, "the header field '%s' is too long", cut(name, 64))
	}
	at := 0
	if h.last {
		at = endOfFields(old)
	}
	m.replaceHeader(slices.Concat(old[:at], line, old[at:]))
	return nil
}

// unfolded puts a text on one line: line ends with the blanks around them become one blank.
func unfolded(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' })
	for i := range lines {
		lines[i] = strings.Trim(lines[i], " \t")
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

// fieldLine is a draft's only field as it is written.
func fieldLine(d *message.Draft) []byte {
	b := d.Bytes()
	return b[:message.FieldEnd(b)]
}

// endOfFields is where the last field ends.
func endOfFields(head []byte) int {
	ix := message.ParseHeader(string(head))
	if n := len(ix.Fields); n > 0 {
		return int(ix.Fields[n-1].End)
	}
	return 0
}

// deleteHeader is "deleteheader". RFC 5293 §5.
type deleteHeader struct {
	pos   syntax.Pos
	name  value
	index int
	last  bool
	keys  *matcher // nil: all
}

var deleteTags = []tag{{name: "index", value: aNumber}, {name: "last"}}

func (c *compiler) deleteHeader(a *args) command {
	d := &deleteHeader{pos: a.call.Pos, last: a.has("last")}
	at := 0
	if a.pos[0] == nil { // the patterns are missing, not the name
		at = 1
	}
	if a.pos[at].Kind != syntax.String {
		c.fail(a.pos[at].Pos, "the deleteheader command expects a string as argument 1 (field name)")
		return nil
	}
	d.name = c.argText(a, at)
	if d.name.constant() && !isFieldName(d.name.lit) {
		c.fail(d.name.pos, "'%s' cannot be the name of a header field", cut(oneLine(d.name.lit), 64))
	}
	if n, ok := a.tagNumber("index"); ok {
		if d.index = small(n); n == 0 {
			g, _ := a.find("index")
			c.fail(g.value.Pos, "the number behind :index begins at 1")
		}
	} else if g, ok := a.find("last"); ok {
		c.fail(g.arg.Pos, ":last needs :index")
	}
	if at == 0 {
		if d.keys = c.matcher(a, c.argList(a, 1)); d.keys == nil {
			return nil
		}
		d.keys.capture = false
	} else if c.matcher(a, nil) == nil {
		return nil
	}
	return d
}

func (d *deleteHeader) exec(m *machine) error {
	name := m.text(&d.name)
	switch {
	case !isFieldName(name):
		return m.failure(d.name.pos, "'%s' cannot be the name of a header field", cut(oneLine(name), 64))
	case untouchable(name):
		return nil
	}
	gone, err := d.doomed(m, name)
	if err != nil || len(gone) == 0 {
		return err
	}
	old := m.msg.Header()
	ix := message.ParseHeader(string(old))
	out := make([]byte, 0, len(old))
	at := 0
	for _, i := range gone {
		out = append(out, old[at:ix.Fields[i].Start]...)
		at = int(ix.Fields[i].End)
	}
	m.replaceHeader(append(out, old[at:]...))
	return nil
}

// doomed are the numbers of the fields that go, in their order.
func (d *deleteHeader) doomed(m *machine, name string) ([]int, error) {
	h := m.head()
	var named []int
	for i := h.next(name, 0); i >= 0; i = h.next(name, i+1) {
		named = append(named, i)
	}
	if d.index > 0 {
		at := d.index - 1
		if d.last {
			at = len(named) - d.index
		}
		if at < 0 || at >= len(named) {
			return nil, nil
		}
		named = named[at : at+1]
	}
	if d.keys == nil {
		return named, nil
	}
	var gone []int
	for _, i := range named {
		yes, err := d.fits(m, h.at(i))
		if err != nil {
			return nil, err
		}
		if yes {
			gone = append(gone, i)
		}
	}
	return gone, nil
}

func (d *deleteHeader) fits(m *machine, f *field) (bool, error) {
	if d.keys.kind == matchCount {
		return m.count(d.keys, 1)
	}
	return m.matches(d.keys, trimBlanks(f.decoded()))
}
