package summary

import (
	"bytes"
	"strconv"
)

// Body returns the message's IMAP BODY, "(...)": its BODYSTRUCTURE without extensions. RFC 9051 section 6.4.5.
// It is cut out of the BODYSTRUCTURE, in one pass over it.
func (r Record) Body() []byte {
	bs := r.BodyStructure()
	if len(bs) == 0 {
		return nil
	}
	t := trimmer{in: bs, out: make([]byte, 0, len(bs))}
	t.body(0)
	if t.bad {
		return nil
	}
	return t.out
}

// A trimmer copies a body structure without its extensions.
type trimmer struct {
	in  []byte
	out []byte
	bad bool
}

// maxNesting is deeper than any structure of the message parser goes, by default or sensibly set.
const maxNesting = 1000

// body copies one body: body-type-mpart or body-type-1part.
func (t *trimmer) body(depth int) {
	if depth > maxNesting || !t.copy('(') {
		t.bad = true
		return
	}
	if t.at('(') {
		for t.at('(') && !t.bad {
			t.body(depth + 1)
		}
		t.copy(' ')
		t.value() // subtype
	} else {
		t.onePart(depth)
	}
	for !t.bad && t.at(' ') { // the extensions
		mark := len(t.out)
		t.copy(' ')
		t.value()
		t.out = t.out[:mark]
	}
	if !t.copy(')') {
		t.bad = true
	}
}

// onePart copies type, subtype and body-fields, and what text and messages have besides.
func (t *trimmer) onePart(depth int) {
	start := len(t.out)
	t.values(2)
	kind := string(t.out[start:])
	t.copy(' ')
	t.values(5)
	switch {
	case kind == `"MESSAGE" "RFC822"`, kind == `"MESSAGE" "GLOBAL"`:
		t.copy(' ')
		t.value()
		t.copy(' ')
		t.body(depth + 1)
		t.copy(' ')
		t.value()
	case bytes.HasPrefix(t.out[start:], []byte(`"TEXT" `)):
		t.copy(' ')
		t.value()
	}
}

func (t *trimmer) values(n int) {
	for i := range n {
		if i > 0 {
			t.copy(' ')
		}
		t.value()
	}
}

func (t *trimmer) at(c byte) bool { return len(t.in) > 0 && t.in[0] == c }

// copy copies c if it comes next.
func (t *trimmer) copy(c byte) bool {
	if !t.at(c) {
		return false
	}
	t.take(1)
	return true
}

func (t *trimmer) take(n int) {
	if n > len(t.in) {
		t.bad, t.in = true, nil
		return
	}
	t.out = append(t.out, t.in[:n]...)
	t.in = t.in[n:]
}

// value copies one string, number, NIL or list with all that is in it.
func (t *trimmer) value() {
	for depth := 0; !t.bad; {
		if len(t.in) == 0 {
			t.bad = true
			return
		}
		switch c := t.in[0]; c {
		case '(':
			depth++
			t.take(1)
		case ')':
			depth--
			t.take(1)
		case ' ':
			t.take(1)
		case '"':
			t.quoted()
		case '{':
			t.literal()
		default:
			n := bytes.IndexAny(t.in, " ()")
			if n < 0 {
				n = len(t.in)
			}
			t.take(n)
		}
		if depth <= 0 {
			t.bad = t.bad || depth < 0
			return
		}
	}
}

func (t *trimmer) quoted() {
	for i := 1; i < len(t.in); i++ {
		switch t.in[i] {
		case '\\':
			i++
		case '"':
			t.take(i + 1)
			return
		}
	}
	t.bad = true
}

func (t *trimmer) literal() {
	end := bytes.Index(t.in[:min(len(t.in), 16)], []byte("}\r\n"))
	if end < 0 {
		t.bad = true
		return
	}
	n, err := strconv.ParseUint(string(t.in[1:end]), 10, 31)
	if err != nil {
		t.bad = true
		return
	}
	t.take(end + 3 + int(n))
}
