package dkim

import (
	"encoding/base64"
	"strings"

	"postroad/internal/fault"
)

// MaxTags is how many tags a list may hold.
const MaxTags = 100

// Tags is a tag list (RFC 6376 §3.2): signatures and key records are such.
type Tags []Tag

// Tag is one tag. Values keep the white space inside.
type Tag struct{ Name, Value string }

// ParseTags reads a tag list. A tag that comes twice makes the whole list invalid, as the RFC has it.
// The list may end with a semicolon; empty tags elsewhere are invalid.
func ParseTags(s string) (Tags, error) { return appendTags(make(Tags, 0, usualTags), s) }

// usualTags is as many as there are in most lists.
const usualTags = 16

// appendTags is ParseTags, into tags that are empty but have room.
func appendTags(tags Tags, s string) (Tags, error) {
	for rest, more := s, true; more; {
		var spec string
		spec, rest, more = strings.Cut(rest, ";")
		if !more && trim(spec) == "" && len(tags) > 0 {
			break
		}
		name, value, ok := strings.Cut(spec, "=")
		name = trim(name)
		if !ok || !isTagName(name) || !isTagValue(value) {
			return nil, fault.New(fault.Invalid, "not a list of tags")
		}
		if tags.has(name) {
			return nil, fault.New(fault.Invalid, "the tag %s comes twice", name)
		}
		if len(tags) == MaxTags {
			return nil, fault.New(fault.TooLarge, "more than %d tags", MaxTags)
		}
		tags = append(tags, Tag{name, trim(value)})
	}
	return tags, nil
}

// trim takes folding white space off both ends.
func trim(s string) string {
	for s != "" && isFWS(s[0]) {
		s = s[1:]
	}
	for s != "" && isFWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// isFWS reports whether c is of what folding white space is made of.
func isFWS(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// isTagName: ALPHA *ALNUMPUNC.
func isTagName(s string) bool {
	for i := range len(s) {
		c := s[i]
		alpha := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !alpha && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// isTagValue: printable characters but the semicolon, folding white space, and UTF-8 (RFC 8616 §3).
func isTagValue(s string) bool {
	for i := range len(s) {
		if !tagText[s[i]] {
			return false
		}
	}
	return true
}

var tagText = func() (t [256]bool) {
	for i := range t {
		t[i] = i >= ' ' && i != 0x7f || isFWS(byte(i))
	}
	return t
}()

// Get returns a tag's value, and whether it is there.
func (t Tags) Get(name string) (string, bool) {
	for i := range t {
		if same(t[i].Name, name) {
			return t[i].Value, true
		}
	}
	return "", false
}

// same is a == b, for many names that aren't, and a b that isn't empty: most are told apart without a call.
func same(a, b string) bool { return len(a) == len(b) && a[0] == b[0] && a == b }

func (t Tags) has(name string) bool {
	_, ok := t.Get(name)
	return ok
}

// compact takes all folding white space out of a value, as base64 and lists of names may have it anywhere.
func compact(s string) string {
	for i := range len(s) {
		if isFWS(s[i]) {
			return string(appendCompact(make([]byte, 0, len(s)), s))
		}
	}
	return s
}

func appendCompact(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		n := i
		for n < len(s) && s[n] > ' ' {
			n++
		}
		if n == i && !isFWS(s[i]) {
			n++
		}
		b = append(b, s[i:n]...)
		i = max(n, i+1)
	}
	return b
}

// appendDecoded appends what base64, with white space anywhere, stands for.
func appendDecoded(b []byte, s string) ([]byte, error) {
	var room [768]byte // for a signature of 4096 bits
	text := appendCompact(room[:0], s)
	return base64.StdEncoding.AppendDecode(b, text)
}

// list splits a colon-separated value, without the white space around the items.
func list(s string) []string {
	items := strings.Split(s, ":")
	for i := range items {
		items[i] = trim(items[i])
	}
	return items
}

// WithoutSignature returns a signature field with the value of its b tag, and all white space around it,
// taken out (RFC 6376 §3.5, §3.7).
func WithoutSignature(field string) string {
	before, behind := aroundSignature(field)
	if behind == "" {
		return before
	}
	return before + behind
}

// aroundSignature is what WithoutSignature leaves: up to the equals sign of the b tag, and from the semicolon behind its value on, if there is one.
func aroundSignature(field string) (before, behind string) {
	colon := strings.IndexByte(field, ':')
	for i := colon + 1; i < len(field); {
		end := len(field)
		if j := strings.IndexByte(field[i:], ';'); j >= 0 {
			end = i + j
		}
		if name, _, ok := strings.Cut(field[i:end], "="); ok && trim(name) == "b" {
			return field[:i+len(name)+1], field[end:]
		}
		i = end + 1
	}
	return field, ""
}
