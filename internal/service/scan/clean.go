package scan

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"postroad/internal/format/message"
)

// clean makes what a program said fit for replies, header fields and logs: bounded, and without anything that could begin a line.
func (f *Finding) clean() {
	f.Text, f.Reason, f.Virus = printableLines(f.Text), Printable(f.Reason, maxText), Printable(f.Virus, maxName)
	if !goodReply(f.Code, f.Status, f.Action) {
		f.Code, f.Status = 0, ""
	}
	if math.IsNaN(f.Score+f.Required) || math.IsInf(f.Score+f.Required, 0) {
		f.Scored, f.Score, f.Required = false, 0, 0
	}
	slices.SortStableFunc(f.Symbols, func(a, b Symbol) int { return cmp.Compare(math.Abs(b.Score), math.Abs(a.Score)) })
	f.Symbols = f.Symbols[:min(len(f.Symbols), MaxSymbols)]
	for i := range f.Symbols {
		s := &f.Symbols[i]
		s.Name, s.Text = Printable(s.Name, maxName), Printable(s.Text, maxText)
	}
	f.Fields = slices.DeleteFunc(f.Fields, func(x Field) bool { return !x.allowed() })
	f.Fields = f.Fields[:min(len(f.Fields), MaxFields)]
}

// goodReply reports whether a reply says what the action does: 5xx with 5.x.x for a refusal, 4xx with 4.x.x for later.
func goodReply(code int, status string, a Action) bool {
	first := 0
	switch a {
	case Reject:
		first = 5
	case TempFail:
		first = 4
	}
	if code/100 != first || code == 421 || code == 521 || code == 556 {
		return false // those that end the connection are not a program's to say
	}
	return status == "" || status[0] == byte('0'+first) && strings.Count(status, ".") == 2 && strings.Trim(status, "0123456789.") == "" && len(status) <= 9
}

// maxLines bounds the lines of a reply.
const maxLines = 32

// printableLines makes lines of printable ASCII of a text.
func printableLines(s string) string {
	lines := strings.SplitN(strings.ReplaceAll(s, "\r\n", "\n"), "\n", maxLines+1)
	lines = lines[:min(len(lines), maxLines)]
	for i := range lines {
		lines[i] = Printable(lines[i], maxText)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// Printable makes one line of at most n bytes of printable ASCII of a text.
func Printable(s string, n int) string {
	b := []byte(s[:min(len(s), n)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
		if c == '\r' || c == '\n' || c == '\t' {
			b[i] = ' '
		}
	}
	return strings.TrimSpace(string(b))
}

// ours, besides all that begin with our name, are fields that say who wrote a message, when and to whom, or where it has been: a second one would make it mean something else.
var ours = map[string]bool{
	"from": true, "sender": true, "reply-to": true, "to": true, "cc": true, "bcc": true, "date": true, "subject": true, "message-id": true,
	"in-reply-to": true, "references": true, "mime-version": true, "content-type": true, "content-transfer-encoding": true,
	"content-disposition": true, "content-id": true, "return-path": true, "received": true, "delivered-to": true,
}

// allowed reports whether a program may put the field in front.
func (x Field) allowed() bool { return x.named() && !ours[strings.ToLower(x.Name)] }

// Frontal reports whether the field may stand in front of any message: it says nothing of who wrote it, to whom, and what it is.
func (x Field) Frontal() bool { return x.allowed() }

// named reports whether the field has a name, and one that isn't ours.
func (x Field) named() bool {
	name := strings.ToLower(x.Name)
	if name == "" || len(name) > maxName || strings.HasPrefix(name, "x-postroad-") {
		return false
	}
	for i := range len(x.Name) {
		if c := x.Name[i]; c <= ' ' || c > '~' || c == ':' {
			return false // RFC 5322 §2.2
		}
	}
	return true
}

// maxLine bounds a line of a field (RFC 5322 §2.1.1), with room for its name.
const maxLine = 800

// append writes the field with its final CRLF. Line ends in the value, bare or not, fold it; nothing can begin a field of its own.
func (x Field) append(b []byte) []byte { return x.appendUpTo(b, maxValue) }

// appendUpTo is append for a value of at most so many bytes.
func (x Field) appendUpTo(b []byte, most int) []byte {
	b = append(append(b, x.Name...), ':')
	value := cut(x.Value, most)
	if !isASCII(value) && utf8.ValidString(value) {
		value = message.EncodeWords(value)
	}
	for i, line := range strings.FieldsFunc(value, func(r rune) bool { return r == '\r' || r == '\n' }) {
		text := strings.TrimSpace(line)
		if text == "" {
			continue // a line of spaces alone would end the header for some
		}
		if i > 0 {
			b = append(append(b, "\r\n"...), indent(line)...)
		} else {
			b = append(b, ' ')
		}
		line = text
		b = appendFolded(b, line)
	}
	return append(b, "\r\n"...)
}

// indent is the white space that a line begins with, as signatures may count on; a tab if there is none.
func indent(line string) string {
	n := len(line) - len(strings.TrimLeft(line, " \t"))
	if n == 0 || n > maxName {
		return "\t"
	}
	return line[:n]
}

// appendFolded writes a line, folded where it is too long, and without control characters.
func appendFolded(b []byte, line string) []byte {
	for len(line) > maxLine {
		at := strings.LastIndexByte(line[:maxLine], ' ')
		if at <= 0 {
			at = maxLine
		}
		b = append(appendText(b, line[:at]), "\r\n\t"...)
		line = strings.TrimLeft(line[at:], " ")
	}
	return appendText(b, line)
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c < ' ' && c != '\t' || c > '~' {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// cut shortens a text to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
