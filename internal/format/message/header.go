package message

import (
	"bytes"
	"strings"
)

// A Header is a header block and the index of its fields. The zero value is an empty header.
type Header struct {
	// Raw is the block as it came, the empty line at its end included, as far as it was kept.
	Raw string
	// Fields are the fields in order of appearance. Lines that are none are left out.
	Fields []Field
}

// A Field is the place of one header field. The positions count octets from the start of the header.
type Field struct {
	Start   int32 // of the name
	NameEnd int32 // of the name, blanks before the colon not included
	Value   int32 // after the colon
	End     int32 // after the field's last line end
}

// Name returns the field's name as written.
func (h *Header) Name(f Field) string { return h.Raw[f.Start:f.NameEnd] }

// Value returns the field's value as written: folded, with its last line end.
func (h *Header) Value(f Field) string { return h.Raw[f.Value:f.End] }

// Get returns the unfolded value of the first field called name, or "". Case doesn't matter.
func (h *Header) Get(name string) string {
	for _, f := range h.Fields {
		if strings.EqualFold(h.Name(f), name) {
			return Unfold(h.Value(f))
		}
	}
	return ""
}

// Has reports whether there is a field called name.
func (h *Header) Has(name string) bool {
	for _, f := range h.Fields {
		if strings.EqualFold(h.Name(f), name) {
			return true
		}
	}
	return false
}

// All returns the unfolded values of all fields called name.
func (h *Header) All(name string) []string {
	var vs []string
	for _, f := range h.Fields {
		if strings.EqualFold(h.Name(f), name) {
			vs = append(vs, Unfold(h.Value(f)))
		}
	}
	return vs
}

// ParseHeader indexes a header block. Text after its empty line is not looked at.
func ParseHeader(raw string) Header {
	h := Header{Raw: raw}
	h.Fields, _ = indexFields(make([]Field, 0, 1+len(raw)/64), raw, Limits{}.withDefaults().HeaderFields)
	return h
}

// Whole reports whether ParseHeader surely has all fields of the block: it doesn't look at more than 10,000.
func (h *Header) Whole() bool { return len(h.Fields) < Limits{}.withDefaults().HeaderFields }

// indexFields appends the places of raw's fields to fs, at most max of them, and reports whether these were all.
func indexFields(fs []Field, raw string, max int) ([]Field, bool) {
	for pos := 0; pos < len(raw); {
		end := fieldEnd(raw, pos)
		if f, ok := field(raw, pos, end); ok {
			if len(fs) == max {
				return fs, false
			}
			fs = append(fs, f)
		} else if isBlank(raw[pos:end]) {
			break
		}
		pos = end
	}
	return fs, true
}

// fieldEnd returns the end of the field that starts at pos: its line and those that continue it by beginning with a blank.
func fieldEnd(raw string, pos int) int {
	for {
		i := strings.IndexByte(raw[pos:], '\n')
		if i < 0 {
			return len(raw)
		}
		pos += i + 1
		if pos == len(raw) || raw[pos] != ' ' && raw[pos] != '\t' {
			return pos
		}
	}
}

// FieldEnd is the length of the first field of a header: its line and those that continue it by beginning with a blank (RFC 5322 §2.2.3),
// the last line's end included. Without a line end it is all there is.
func FieldEnd(header []byte) int {
	for end := 0; ; {
		i := bytes.IndexByte(header[end:], '\n')
		if i < 0 {
			return len(header)
		}
		if end += i + 1; end == len(header) || header[end] != ' ' && header[end] != '\t' {
			return end
		}
	}
}

func field(raw string, pos, end int) (Field, bool) {
	line := raw[pos:end]
	colon := strings.IndexByte(line, ':')
	name := nameLen(line, colon)
	return Field{int32(pos), int32(pos + name), int32(pos + colon + 1), int32(end)}, name > 0
}

// FieldName is the name of what FieldEnd gives, if that is a field.
func FieldName(field []byte) (name []byte, ok bool) {
	n := nameLen(field, bytes.IndexByte(field, ':'))
	return field[:n], n > 0
}

// nameLen is the length of the name of a field with its first colon there; 0 if it is none.
func nameLen[T string | []byte](line T, colon int) int {
	name := max(colon, 0)
	for name > 0 && (line[name-1] == ' ' || line[name-1] == '\t') { // RFC 5322 section 4.5
		name--
	}
	for i := range name { // RFC 5322 section 2.2; this is no name: "From ann Mon Jan  1 00:", or a colon on a continuation line
		if line[i] <= ' ' || line[i] == 0x7f {
			return 0
		}
	}
	return name
}

// isBlank reports whether line is the empty line that ends a header.
func isBlank(line string) bool { return line == "\r\n" || line == "\n" }

// trim returns s without blanks and line ends around it. (strings.Trim makes a table of them each time.)
func trim(s string) string {
	for s != "" && isWSP(s[0]) {
		s = s[1:]
	}
	return trimRight(s)
}

func trimRight(s string) string {
	for s != "" && isWSP(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// Unfold returns a field's value on one line, without blanks around it: each line end with the blank after it becomes a
// space. RFC 5322 section 2.2.3 (a tab is left over when folding at a blank, which nobody wants to see).
func Unfold(v string) string {
	v = trim(v)
	i := strings.IndexByte(v, '\n')
	if i < 0 {
		return v
	}
	var b strings.Builder
	b.Grow(len(v))
	for i >= 0 {
		b.WriteString(strings.TrimSuffix(v[:i], "\r"))
		v = v[i+1:]
		if v != "" && (v[0] == ' ' || v[0] == '\t') {
			v = v[1:]
		}
		b.WriteByte(' ')
		i = strings.IndexByte(v, '\n')
	}
	b.WriteString(v)
	return b.String()
}
