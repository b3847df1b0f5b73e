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
	var room [usualField]byte
	b := h.append(append(room[:0], fieldPrefix...))
	return string(append(b, "\r\n"...))
}

// usualField is as much as most need.
const usualField = 1 << 10

// FieldOf is the field whose body is value, as Value made it.
func FieldOf(value string) string { return fieldPrefix + value + "\r\n" }

// ValueIn is the body, as Value has it, of a field that Field made: a part of it.
func ValueIn(field string) string {
	return strings.TrimSuffix(strings.TrimPrefix(field, fieldPrefix), "\r\n")
}

// Value returns the field's body, folded, without the final CRLF.
func (h Header) Value() string {
	var room [usualField]byte
	return string(h.append(room[:0]))
}

func (h Header) append(b []byte) []byte {
	b = append(b, value(h.ID)...)
	if len(h.Methods) == 0 {
		b = append(b, "; none"...)
	}
	for i := range h.Methods {
		b = h.Methods[i].append(append(b, ";\r\n\t"...))
	}
	return b
}

func (m *Method) append(b []byte) []byte {
	var line folder
	b = line.add(b, keyword(m.Name), "=", keyword(string(m.Result)))
	if m.Comment != "" {
		b = line.add(b, "(", comment(m.Comment), ")")
	}
	if m.Reason != "" {
		b = line.add(b, "reason=", quote(clean(m.Reason)))
	}
	for i := range m.Props {
		p := &m.Props[i]
		b = line.add(b, keyword(p.Type), ".", keyword(p.Name), "=", pvalue(p.Value))
	}
	return b
}

// folder puts words in lines, of which the last is as long as it says.
type folder int

// add appends a word, which is given in parts.
func (used *folder) add(b []byte, word ...string) []byte {
	length := 0
	for _, part := range word {
		length += len(part)
	}
	switch {
	case *used == 0:
		*used = 8 // the tab
	case int(*used)+1+length > maxLine:
		b = append(b, "\r\n\t"...)
		*used = 8
	default:
		b = append(b, ' ')
		*used++
	}
	for _, part := range word {
		b = append(b, part...)
	}
	*used += folder(length)
	return b
}

// kinds says of each octet where it may stand.
var kinds = func() (t [256]kind) {
	for i := range t {
		c := byte(i)
		wide, alnum := c >= 0x80, isAlnum(c)
		for k, in := range map[kind]bool{
			ofKeyword: alnum || c == '-' || c == '_',
			ofToken:   wide || c > ' ' && c != 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0,
			ofDots:    wide || alnum || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0,
			ofPlain:   c >= ' ' && c <= '~',
			ofComment: c >= ' ' && c <= '~' && strings.IndexByte(`\()`, c) < 0,
		} {
			if in {
				t[i] |= k
			}
		}
	}
	return t
}()

// kind is a set of places.
type kind uint8

const (
	ofKeyword kind = 1 << iota // in a Keyword (RFC 5321 §4.1.2), or an underscore
	ofToken                    // in a token: RFC 2045 §5.1, and UTF-8 (RFC 8601 §2.2)
	ofDots                     // in a dot-atom, anywhere
	ofPlain                    // printable ASCII
	ofComment                  // plain, and doesn't have to be escaped in a comment (RFC 5322 §3.2.1)
)

// may reports whether all of s may stand in all of these places.
func may(s string, places kind) bool {
	all := places
	for i := range len(s) {
		all &= kinds[s[i]]
	}
	return all == places
}

// keyword keeps of a name what a Keyword may hold (RFC 5321 §4.1.2), and the underscore.
func keyword(s string) string {
	if s != "" && may(s, ofKeyword) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && kinds[r]&ofKeyword != 0 {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "x"
	}
	return s
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// clean takes out what can't stand in a field, and bounds the length.
func clean(s string) string {
	if len(s) <= maxValue && may(s, ofPlain) {
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

// What has to be escaped in comments and quoted strings (RFC 5322 §3.2.1).
var (
	commentEscapes = strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`)
	stringEscapes  = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// comment escapes what would end a comment or nest in it (RFC 5322 §3.2.2).
func comment(s string) string {
	if len(s) <= maxValue && may(s, ofComment) {
		return s
	}
	return commentEscapes.Replace(clean(s))
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
	if isToken(s) {
		return s
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 && may(s[:i], ofDots) && isToken(s[i+1:]) {
		return s
	}
	return quote(s)
}

func isToken(s string) bool { return s != "" && may(s, ofToken) }
