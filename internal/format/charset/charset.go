// Package charset turns text in any character set that mail carries into UTF-8.
//
// Names are matched as mail spells them, not as registries do: case does not matter, misspellings seen in the wild have
// an alias, and subsets are read as the superset that programs really send (gb2312 as gbk, iso-8859-1 as windows-1252).
// What comes out is always valid UTF-8: octets that mean nothing become U+FFFD.
//
// The package does not encode: Postroad writes UTF-8 only.
package charset

import (
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// maxName bounds a charset name: longer ones are not looked up.
const maxName = 64

// Known reports whether name is a character set that this package decodes.
func Known(name string) bool {
	_, ok := find(name)
	return ok
}

// Decode returns b, written in the character set name, as valid UTF-8.
// It reports false if the set is unknown; the text is then a guess: what is UTF-8 is taken as such, other octets as
// windows-1252. Text said to be US-ASCII (or of no set at all: name "") that has 8-bit octets is guessed alike.
func Decode(name string, b []byte) (string, bool) {
	s, ok := find(name)
	if s.keeps(b) {
		return string(b), ok
	}
	out, _, err := transform.Bytes(s.decoder(), b)
	if err != nil { // No decoder here fails; whatever happens, nothing invalid leaves.
		return strings.ToValidUTF8(string(b), "\uFFFD"), ok
	}
	return strings.ToValidUTF8(string(out), "\uFFFD"), ok
}

// IsUTF8 reports whether b, written in the character set name, is what Decode makes of it.
func IsUTF8(name string, b []byte) bool {
	s, _ := find(name)
	return s.keeps(b)
}

// IsASCII reports whether b, written in the character set name, is ASCII, whatever stands behind it.
func IsASCII(name string, b []byte) bool {
	s, _ := find(name)
	return s.plain && isASCII(b)
}

// BeginsUTF8 reports whether b, with which a text in the character set name begins, is what Decode makes of it, whatever stands behind it.
func BeginsUTF8(name string, b []byte) bool {
	if IsASCII(name, b) {
		return true
	}
	name = clean(name)
	if a, ok := alias(name); ok {
		name = a
	}
	return (name == "utf-8" || name == "utf8") && utf8.Valid(b)
}

// keeps reports whether b is UTF-8 already.
func (s *set) keeps(b []byte) bool { return s.plain && isASCII(b) || s.isUTF8 && utf8.Valid(b) }

// Guess returns b as text when nothing says which character set it is in.
func Guess(b []byte) string {
	s, _ := Decode("", b)
	return s
}

// NewReader returns a reader of r's text as UTF-8. Unknown names are guessed as Decode does.
func NewReader(name string, r io.Reader) io.Reader {
	s, _ := find(name)
	return transform.NewReader(r, s.decoder())
}

// A set is one way to decode.
type set struct {
	decoder func() transform.Transformer
	plain   bool // octets below 0x80 mean ASCII, always
	isUTF8  bool
}

// find returns the set called name, or the guessing set and false.
func find(name string) (set, bool) {
	name = clean(name)
	if s, ok := special(name); ok {
		return s, true
	}
	if a, ok := alias(name); ok {
		name = a
	}
	if s, ok := special(name); ok {
		return s, true
	}
	if e := lookup(name); e != nil {
		return set{decoder: func() transform.Transformer { return e.NewDecoder() }, plain: plain(name)}, true
	}
	return guessSet(), false
}

func guessSet() set {
	return set{decoder: func() transform.Transformer { return guesser{} }, plain: true, isUTF8: true}
}

// clean drops what surrounds a name: quotes, spaces, and the language that RFC 2231 section 5 hangs to it after a "*".
func clean(name string) string {
	if len(name) > maxName {
		return "?"
	}
	if name == "" {
		return ""
	}
	if surrounded(name[0]) || surrounded(name[len(name)-1]) {
		name = strings.Trim(name, " \t\"'")
	}
	if i := strings.IndexByte(name, '*'); i >= 0 {
		name = name[:i]
	}
	return strings.ToLower(name)
}

func surrounded(c byte) bool { return c == ' ' || c == '\t' || c == '"' || c == '\'' }

// special returns the sets that x/text lacks, or that need not be looked up.
func special(name string) (set, bool) {
	switch name {
	case "utf-8", "utf8":
		return set{decoder: func() transform.Transformer { return unicode.UTF8.NewDecoder() }, plain: true, isUTF8: true}, true
	case "", "us-ascii", "ascii":
		return guessSet(), true
	case "utf-7":
		return set{decoder: func() transform.Transformer { return &utf7{} }}, true
	case "iso-2022-kr":
		return set{decoder: newISO2022KR}, true
	}
	return set{}, false
}

// lookup asks the registries. The WHATWG's (htmlindex) comes first, since its sets are the supersets that are really
// used; its "replacement" set, which shows nothing, is no answer.
func lookup(name string) encoding.Encoding {
	if !registryName(name) {
		return nil
	}
	if e, ok := own(name); ok {
		return e
	}
	if e, err := htmlindex.Get(name); err == nil && e != encoding.Replacement {
		return e
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
		return e
	}
	if e, err := ianaindex.IANA.Encoding(name); err == nil && e != nil {
		return e
	}
	return nil
}

func registryName(name string) bool {
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return false
		}
	}
	return name != ""
}

// plain reports whether name is a set in which every octet below 0x80 is ASCII.
// Those that shift by ASCII octets (ISO 2022, HZ), the wide ones and EBCDIC are not.
func plain(name string) bool {
	for _, p := range []string{"utf-16", "utf-32", "ucs-", "iso-10646", "iso-2022", "csiso2022", "hz-", "ibm037", "ibm1047", "ibm01140", "cp037", "csucs"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 32; b = b[32:] {
		one, two := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		three, four := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		if (one|two|three|four)&high != 0 {
			return false
		}
	}
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
