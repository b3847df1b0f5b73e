package mailbox

import (
	"bytes"

	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// HeaderField is a part of a message's header that can be searched by itself, with an index of its own.
type HeaderField uint8

// Fields with an index. The numbers are stored.
const (
	FieldFrom HeaderField = iota + 1
	FieldTo
	FieldCc
	FieldBcc
	FieldSubject
	lastField = FieldSubject

	// tokensOf is between the number of a field's terms in the index and that of its tokens.
	tokensOf = 8
)

// addressFields are those with addresses.
var addressFields = [...]struct {
	name string
	list summary.List
	set  summary.FieldSet
}{
	FieldFrom: {"from", summary.From, placed("from")}, FieldTo: {"to", summary.To, placed("to")},
	FieldCc: {"cc", summary.Cc, placed("cc")}, FieldBcc: {"bcc", summary.Bcc, placed("bcc")},
}

func placed(name string) summary.FieldSet {
	set, _ := summary.FieldsOf([][]byte{[]byte(name)})
	return set
}

// AppendField appends a field's text as searches see it, folded: addresses as people see them, "name <user@host>", and
// the field as it was written.
func AppendField(dst []byte, f HeaderField, rec summary.Record, header []byte) []byte {
	if f == FieldSubject {
		return fulltext.AppendFolded(dst, rec.Subject())
	}
	about := &addressFields[f]
	addresses := rec.Addresses(about.list)
	for a, ok := addresses.Next(); ok; a, ok = addresses.Next() {
		dst = fulltext.AppendFolded(dst, a.Name)
		dst = fulltext.AppendFolded(append(dst, " <"...), a.Mailbox)
		dst = fulltext.AppendFolded(append(dst, '@'), a.Host)
		dst = append(dst, ">, "...)
	}
	var room [1 << 10]byte
	if fields, ok := rec.AppendFields(room[:0], about.set); ok {
		header = fields // without the others there is less to look through
	}
	return AppendHeaderField(dst, header, about.name)
}

// AppendHeaderField appends the values of the fields of a name, in lower case, decoded and folded, a line each. With "" it
// appends all fields, names too.
func AppendHeaderField(dst, header []byte, name string) []byte {
	for len(header) > 0 {
		field := header[:message.FieldEnd(header)]
		header = header[len(field):]
		if c := field[0] | 0x20; name != "" && 'a' <= c && c <= 'z' && c != name[0]|0x20 {
			continue
		}
		if field = bytes.TrimSpace(field); len(field) == 0 {
			break
		}
		got, value, named := bytes.Cut(field, []byte(":"))
		switch {
		case name == "":
			dst = appendFieldText(dst, field)
		case named && bytes.EqualFold(trimBlanks(got), []byte(name)):
			dst = appendDecoded(dst, bytes.TrimSpace(value))
		default:
			continue
		}
		dst = append(dst, '\n')
	}
	return dst
}

// trimBlanks returns a field's name without the blanks behind it.
func trimBlanks(name []byte) []byte {
	for n := len(name); n > 0 && (name[n-1] == ' ' || name[n-1] == '\t'); n-- {
		name = name[:n-1]
	}
	return name
}

// appendFieldText appends a field's name and its text. The text is decoded by itself, so that what AppendHeaderField gives is a piece
// of this.
func appendFieldText(dst, field []byte) []byte {
	name, value, named := bytes.Cut(field, []byte(":"))
	dst = appendDecoded(dst, name)
	if !named {
		return dst
	}
	text := bytes.TrimSpace(value)
	dst = append(dst, ':')
	if len(text) < len(value) {
		dst = append(dst, ' ')
	}
	return appendDecoded(dst, text)
}

// appendDecoded decodes a field's text, if there is anything to decode, and folds it.
func appendDecoded(dst, v []byte) []byte {
	switch {
	case bytes.Contains(v, []byte("=?")) || !ascii(v):
		return fulltext.AppendFolded(dst, message.DecodeWords(message.DecodeText(message.Unfold(string(v)))))
	case bytes.IndexByte(v, '\n') < 0:
		return fulltext.AppendFolded(dst, v)
	}
	return appendLines(dst, bytes.Trim(v, " \t\r\n"))
}

// appendLines appends what message.Unfold makes of a text of ASCII in several lines, as most fields of a machine's are, without a copy.
func appendLines(dst, v []byte) []byte {
	for {
		line, rest, more := bytes.Cut(v, []byte("\n"))
		if !more {
			return fulltext.AppendFolded(dst, line)
		}
		dst = append(fulltext.AppendFolded(dst, bytes.TrimSuffix(line, []byte("\r"))), ' ')
		if v = rest; v[0] == ' ' || v[0] == '\t' { // there is some: the last line isn't empty
			v = v[1:]
		}
	}
}
