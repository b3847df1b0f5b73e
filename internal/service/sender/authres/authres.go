// Package authres writes, reads and removes Authentication-Results header fields (RFC 8601), and has the
// words for results that the checks of a sender share.
//
//	Authentication-Results: mx.example.org;
//		spf=pass smtp.mailfrom=ann@example.com;
//		dkim=fail reason="body has changed" header.d=example.com header.s=a
//
// A site may believe only fields that it wrote itself: Strip takes out what strangers wrote in its name.
package authres

import "strings"

// Result is the outcome of one check, as RFC 8601 §2.7 spells it.
type Result string

// The results of RFC 8601 §2.7. Not every method has each of them.
const (
	None      Result = "none"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	Policy    Result = "policy"
	Neutral   Result = "neutral"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// Property says what a result is about: header.d=example.org has Type "header", Name "d", Value "example.org".
type Property struct{ Type, Name, Value string }

// Method is one check and its result.
type Method struct {
	// Name is the method's keyword: "spf", "dkim", "dmarc", "arc", "iprev", "auth".
	Name   string
	Result Result
	// Comment is free text for people, shown in parentheses after the result; "" for none.
	Comment string
	// Reason is free text too, as the reason parameter; "" for none.
	Reason string
	Props  []Property
}

// Header is one Authentication-Results field.
type Header struct {
	// ID is the authserv-id: the name of the site that checked.
	ID string
	// Methods may be empty: "none" was checked.
	Methods []Method
}

const (
	// maxLine is where lines are folded, when they can be.
	maxLine = 78
	// maxValue is the longest property value or comment written, in bytes: addresses fit (RFC 5321 §4.5.3.1), and
	// what is longer is cut, as the line limit of RFC 5322 §2.1.1 has to hold.
	maxValue = 400
)

// fieldPrefix begins a field that we write.
const fieldPrefix = "Authentication-Results: "

// Field returns the whole field, folded, with its final CRLF. Values are made harmless: whatever
// they hold, the field stays one field.
func (h Header) Field() string {
	var b strings.Builder
	b.Grow(h.room() + len(fieldPrefix) + 2)
	b.WriteString(fieldPrefix)
	h.write(&b)
	b.WriteString("\r\n")
	return b.String()
}

// FieldOf is the field whose body is value, as Value made it.
func FieldOf(value string) string { return fieldPrefix + value + "\r\n" }

// ValueIn is the body, as Value has it, of a field that Field made: a part of it.
func ValueIn(field string) string {
	return strings.TrimSuffix(strings.TrimPrefix(field, fieldPrefix), "\r\n")
}

// Value returns the field's body, folded, without the final CRLF.
func (h Header) Value() string {
	var b strings.Builder
	b.Grow(h.room())
	h.write(&b)
	return b.String()
}

// room is as much as most need.
func (h Header) room() int { return 64 + 96*len(h.Methods) }

func (h Header) write(b *strings.Builder) {
	b.WriteString(value(h.ID))
	if len(h.Methods) == 0 {
		b.WriteString("; none")
	}
	for i := range h.Methods {
		b.WriteString(";\r\n\t")
		h.Methods[i].write(b)
	}
}

func (m *Method) write(b *strings.Builder) {
	line := folder{b: b}
	line.add(keyword(m.Name), "=", keyword(string(m.Result)))
	if m.Comment != "" {
		line.add("(", comment(m.Comment), ")")
	}
	if m.Reason != "" {
		line.add("reason=", quote(clean(m.Reason)))
	}
	for _, p := range m.Props {
		line.add(keyword(p.Type), ".", keyword(p.Name), "=", pvalue(p.Value))
	}
}

// folder puts words in lines.
type folder struct {
	b    *strings.Builder
	used int
}

// add adds a word, which is given in parts.
func (f *folder) add(word ...string) {
	length := 0
	for _, part := range word {
		length += len(part)
	}
	switch {
	case f.used == 0:
		f.used = 8 // the tab
	case f.used+1+length > maxLine:
		f.b.WriteString("\r\n\t")
		f.used = 8
	default:
		f.b.WriteByte(' ')
		f.used++
	}
	for _, part := range word {
		f.b.WriteString(part)
	}
	f.used += length
}

// keyword keeps of a name what a Keyword may hold (RFC 5321 §4.1.2), and the underscore.
func keyword(s string) string {
	if isKeyword(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && (isAlnum(byte(r)) || r == '-' || r == '_') {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "x"
	}
	return s
}

func isKeyword(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// clean takes out what can't stand in a field, and bounds the length.
func clean(s string) string {
	if len(s) <= maxValue && isPlain(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == 0xfffd, r == 0x2028, r == 0x2029:
			return '?'
		}
		return r
	}, s)
	if len(s) > maxValue {
		s = strings.ToValidUTF8(s[:maxValue], "")
	}
	return s
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// What has to be escaped in comments and quoted strings (RFC 5322 §3.2.1).
var (
	commentEscapes = strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`)
	stringEscapes  = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// comment escapes what would end a comment or nest in it (RFC 5322 §3.2.2).
func comment(s string) string {
	if s = clean(s); !strings.ContainsAny(s, `\()`) {
		return s
	}
	return commentEscapes.Replace(s)
}

func quote(s string) string {
	return `"` + stringEscapes.Replace(s) + `"`
}

// value is RFC 2045's value: a token, or a quoted-string.
func value(s string) string {
	s = clean(s)
	if isToken(s) {
		return s
	}
	return quote(s)
}

// pvalue is a value, or [[local-part] "@"] domain-name (RFC 8601 §2.2).
func pvalue(s string) string {
	s = clean(s)
	if i := strings.LastIndexByte(s, '@'); i >= 0 && isDots(s[:i]) && s[i+1:] != "" && isToken(s[i+1:]) {
		return s
	}
	if isToken(s) {
		return s
	}
	return quote(s)
}

// isToken reports whether s may stand without quotes: RFC 2045 §5.1, and UTF-8 (RFC 8601 §2.2).
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '.' && c != '-' && !tokenByte(c) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	return c > ' ' && c != 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0 || c >= 0x80
}

// isDots reports whether s is a dot-atom, or nothing.
func isDots(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !isAlnum(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) < 0 {
			return false
		}
	}
	return true
}
