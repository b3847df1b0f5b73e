package features

import (
	"bytes"
	"strings"

	"postroad/internal/format/summary"
)

// parts adds how the message is put together, and reads its texts.
func (x *extraction) parts(m *Message) {
	n, texts := 0, 0
	shape := x.shapes[:0]
	for depth, p := range m.Summary.Parts() {
		if n++; n > maxParts {
			break
		}
		if len(shape) < 120 {
			shape = append(append(append(append(shape, byte('0'+min(depth, 9))), p.Type...), '/'), p.Subtype...)
		}
		if p.Kind != summary.Leaf {
			continue
		}
		x.leaf(&p)
		if p.Type == "text" && (p.Disposition != "attachment" || n == 1) && texts < maxTexts {
			texts++
			x.shapes = shape // body may use it
			keep := len(shape)
			x.body(m, &p)
			shape = x.shapes[:keep]
		}
	}
	x.add(Part, shape)
	x.shapes = shape
	x.shape(Part, "parts", bucket(n))
	if texts == 0 {
		x.addString(Part, "no text")
	}
}

// leaf adds what a part that isn't a multipart is like.
func (x *extraction) leaf(p *summary.Part) {
	x.buf = append(append(append(append(append(x.buf[:0], p.Type...), '/'), p.Subtype...), ' '), p.Encoding...)
	x.add(Part, x.buf)
	if p.Type == "text" {
		x.low = append(x.low[:0], p.Charset...)
		for i := range x.low {
			x.low[i] = lower(x.low[i])
		}
		x.add(Charset, x.low)
	}
	if p.Filename != "" {
		x.file(p)
	}
}

// file adds what an attached file is called: its extensions, and the words of its name.
func (x *extraction) file(p *summary.Part) {
	name := strings.ToLower(p.Filename)
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 && len(name)-dot <= 8 {
		x.addString(File, name[dot:])
		x.buf = append(append(x.buf[:0], name[dot:]...), ' ')
		x.buf = append(append(append(x.buf, p.Type...), '/'), p.Subtype...)
		x.add(File, x.buf)
		if before := strings.LastIndexByte(name[:dot], '.'); before >= 0 && dot-before <= 5 {
			x.addString(File, name[before:])
		}
		name = name[:dot]
	}
	x.low = appendShape(x.low[:0], []byte(name))
	x.add2String(File, "named like", x.low)
	for w := range bytes.FieldsFuncSeq([]byte(name), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if len(w) > 2 && len(w) <= maxWord {
			x.add2String(File, "named", w)
		}
	}
}
