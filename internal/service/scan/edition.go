package scan

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"postroad/internal/fault"
)

// edition is a message as those before have changed it.
type edition struct {
	m        Message
	draft    Draft // that m's content is in; nil: it is as it came
	envelope []EnvelopeChange
}

// apply does what a program wants changed, and puts its fields in front. What can't be done makes its answer none.
func (e *edition) apply(p *program, f Finding) Finding {
	if f.Failed || f.Skipped || f.Action == Reject || f.Action == TempFail {
		return f
	}
	why, wrong := f.Changes.beyond(p.Changes)
	switch {
	case wrong:
		return p.undone(&f, why)
	case why != "":
		f.Changes = nil
		if f.Reason == "" {
			f.Reason = why
		}
	}
	if f.Changes != nil {
		if err := e.change(p, f.Changes); err != nil {
			return p.undone(&f, reasonOf(err))
		}
	}
	if len(f.Fields) > 0 {
		e.m.Front = slices.Concat(f.Fields, e.m.Front)
	}
	return f
}

// undone is the finding of a program whose changes can't be done.
func (p *program) undone(f *Finding, why string) Finding {
	x := p.failed(why)
	x.Scanner, x.Took = f.Scanner, f.Took
	return x
}

// change does all changes, or none.
func (e *edition) change(p *program, c *Changes) error {
	if len(c.Header) > maxHeaderChanges || len(c.Envelope) > maxEnvelopeChanges {
		return fault.New(fault.Unsupported, "it wants too much changed")
	}
	if len(c.Header) > 0 || c.Body != nil {
		if err := e.rewrite(c); err != nil {
			return err
		}
	}
	for _, x := range c.Envelope {
		x.By, x.Outgoing = p.Name, p.Outgoing
		e.envelope = append(e.envelope, x)
	}
	return nil
}

// part is a field of the message's header, or of those in front of it.
type part struct {
	name    string
	raw     []byte // of the message's; nil: field is in front, or new
	field   Field
	front   bool
	removed bool
}

// rewrite writes the message anew if its bytes change.
func (e *edition) rewrite(c *Changes) error {
	head, err := e.m.Header()
	if err != nil {
		return err
	}
	if bytes.Count(head, []byte("\n")) != bytes.Count(head, []byte("\r\n")) { // it was fetched so: what would be taken for its header may be all of it
		return fault.New(fault.Unsupported, "this message's lines end in LF alone, and it can't be changed")
	}
	parts := e.parts(head)
	changed := c.Body != nil
	for i := range c.Header {
		if c.Header[i].permitted() {
			parts, changed = c.Header[i].do(parts, changed)
		}
	}
	e.m.Front = front(parts, e.m.Front)
	if !changed {
		return nil
	}
	if e.m.Draft == nil {
		return fault.New(fault.Unsupported, "this message can't be changed")
	}
	d := e.m.Draft()
	if err := e.write(d, parts, int64(len(head)), c.Body); err != nil {
		return err
	}
	e.draft, e.m.Content, e.m.Size = d, d, d.Size()
	return nil
}

// parts are all fields that a program has seen.
func (e *edition) parts(head []byte) []part {
	all := make([]part, 0, len(e.m.Front)+32)
	for _, x := range e.m.Front {
		all = append(all, part{name: x.Name, field: x, front: true})
	}
	for len(head) > 0 {
		var raw []byte
		raw, head = CutField(head)
		name, _, ok := FieldName(raw)
		if !ok {
			name = "" // it is no field at all, and stays
		}
		all = append(all, part{name: name, raw: raw})
	}
	return all
}

// permitted: fields in our own name aren't anybody's to write or to remove, and a reverse-path is put there when the message is delivered.
func (c *HeaderChange) permitted() bool {
	f := Field{Name: c.Name}
	return f.named() && !strings.EqualFold(c.Name, "Return-Path") && len(c.Value) <= maxChangedValue
}

// do changes fields. changed: the message's own are other ones now.
func (c *HeaderChange) do(parts []part, changed bool) ([]part, bool) {
	added := part{name: c.Name, field: Field{c.Name, c.Value}}
	if c.Do == AddField {
		return append(parts, added), true
	}
	var of []int
	for i := range parts {
		if strings.EqualFold(parts[i].name, c.Name) {
			of = append(of, i)
		}
	}
	switch n := c.Place; {
	case n == 0 && c.Do == RemoveField:
	case n > 0 && n <= len(of):
		of = of[n-1 : n]
	case n < 0 && -n <= len(of):
		of = of[len(of)+n:][:1]
	case c.Do == SetField:
		return append(parts, added), true
	default:
		return parts, changed
	}
	for _, i := range of {
		x := &parts[i]
		changed = changed || !x.front && !x.removed
		if c.Do == RemoveField {
			x.removed = true
			continue
		}
		*x = part{name: x.name, field: added.field, front: x.front}
	}
	return parts, changed
}

// front are the fields that are still in front of the message.
func front(parts []part, before []Field) []Field {
	kept := make([]Field, 0, len(before))
	for i := range parts {
		if x := &parts[i]; x.front && !x.removed {
			kept = append(kept, x.field)
		}
	}
	return kept
}

// write writes the message anew. head is the size of the header that it has.
func (e *edition) write(d Draft, parts []part, head int64, body Draft) error {
	w := &limited{d, e.m.Limit}
	var b []byte
	for i := range parts {
		switch x := &parts[i]; {
		case x.removed || x.front:
		case x.raw == nil:
			b = x.field.appendUpTo(b, maxChangedValue)
		default:
			if b = append(b, x.raw...); !bytes.HasSuffix(x.raw, []byte("\r\n")) {
				b = append(b, "\r\n"...)
			}
		}
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if body == nil {
		_, err := io.Copy(w, io.NewSectionReader(e.m.Content, head, e.m.Size-head))
		return err
	}
	if _, err := io.WriteString(w, "\r\n"); err != nil {
		return err
	}
	lines := &lineEnds{w: w}
	if _, err := io.Copy(lines, io.NewSectionReader(body, 0, body.Size())); err != nil {
		return err
	}
	return lines.end()
}

// limited is a Writer of so many bytes.
type limited struct {
	w    io.Writer
	room int64
}

func (l *limited) Write(p []byte) (int, error) {
	if l.room -= int64(len(p)); l.room < 0 {
		return 0, fault.New(fault.Unsupported, "it makes the message too large")
	}
	n, err := l.w.Write(p)
	if err != nil {
		err = fault.Wrap(fault.Unavailable, err, "there is no room for what it wants changed")
	}
	return n, err
}

// lineEnds makes every line end a CRLF.
type lineEnds struct {
	w   io.Writer
	cr  bool // the last byte was a CR, which wasn't written
	buf []byte
}

func (l *lineEnds) Write(p []byte) (int, error) {
	b := l.buf[:0]
	for _, c := range p {
		if l.cr && c != '\n' {
			b = append(b, "\r\n"...)
		}
		switch l.cr = c == '\r'; {
		case l.cr:
		case c == '\n':
			b = append(b, "\r\n"...)
		default:
			b = append(b, c)
		}
	}
	l.buf = b
	if _, err := l.w.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes what is left.
func (l *lineEnds) end() error {
	if !l.cr {
		return nil
	}
	_, err := io.WriteString(l.w, "\r\n")
	return err
}
