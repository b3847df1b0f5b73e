package message

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"postroad/internal/format/charset"
)

// DecodeWords returns an unfolded header text with its encoded words decoded, as valid UTF-8. RFC 2047.
//
// Blanks between two encoded words disappear (section 6.2), characters cut in two by a word's end are put together, what
// only looks like an encoded word is kept, and 8-bit text is taken as UTF-8 (RFC 6532) or guessed.
// More than the RFC allows is decoded: words in quoted strings, in the middle of other words, with blanks in them.
func DecodeWords(s string) string { return DecodeWordsIn(s, "") }

// DecodeWordsIn is DecodeWords for a message that is known to be written in the character set name: 8-bit text that isn't
// UTF-8 is decoded by it rather than guessed.
func DecodeWordsIn(s, name string) string {
	if !strings.Contains(s, "=?") {
		return plainText(s, name)
	}
	d := wordDecoder{fallback: name}
	d.out.Grow(len(s))
	for i := 0; i < len(s); {
		j := strings.Index(s[i:], "=?")
		if j < 0 {
			d.text(s[i:])
			break
		}
		w, n := parseEncodedWord(s[i+j:])
		if n == 0 {
			d.text(s[i : i+j+2])
			i += j + 2
			continue
		}
		if gap := s[i : i+j]; !d.open || trim(gap) != "" {
			d.text(gap)
		}
		d.word(w)
		i += j + n
	}
	d.flush()
	return d.out.String()
}

func plainText(s, name string) string {
	if validText(s) {
		return s
	}
	if t, ok := charset.Decode(name, []byte(s)); ok {
		return t
	}
	return charset.Guess([]byte(s))
}

func validText(s string) bool { return utf8.ValidString(s) }

// A wordDecoder collects decoded text. Adjacent words of one character set are decoded together.
type wordDecoder struct {
	fallback string // character set of 8-bit text
	out      strings.Builder
	open     bool // the last thing was a word
	charset  string
	octets   []byte
}

func (d *wordDecoder) text(s string) {
	if s == "" {
		return
	}
	d.flush()
	d.open = false
	d.out.WriteString(plainText(s, d.fallback))
}

func (d *wordDecoder) word(w encodedWord) {
	if d.open && !strings.EqualFold(d.charset, w.charset) {
		d.flush()
	}
	d.open, d.charset = true, w.charset
	d.octets = w.decode(d.octets)
}

func (d *wordDecoder) flush() {
	if len(d.octets) > 0 {
		if charset.IsUTF8(d.charset, d.octets) {
			d.out.Write(d.octets)
		} else {
			s, _ := charset.Decode(d.charset, d.octets)
			d.out.WriteString(s)
		}
		d.octets = d.octets[:0]
	}
}

type encodedWord struct {
	charset string
	base64  bool
	text    string
}

// encodedWordLen returns the length of the encoded word that s begins with, or 0.
func encodedWordLen(s string) int {
	if !strings.HasPrefix(s, "=?") {
		return 0
	}
	_, n := parseEncodedWord(s)
	return n
}

// maxEncodedWord bounds what is taken for one encoded word. RFC 2047 section 2 allows 75 characters, programs send more.
const maxEncodedWord = 8 << 10

// maxStray is how many question marks that should have been encoded are taken as text.
const maxStray = 16

// parseEncodedWord reads the word =?charset?encoding?text?= that s begins with. n is 0 if there is none.
func parseEncodedWord(s string) (w encodedWord, n int) {
	if len(s) > maxEncodedWord {
		s = s[:maxEncodedWord]
	}
	rest := s[2:]
	// The names are short, and looked for in few octets, so that "=?=?=?..." is no work.
	q := strings.IndexByte(rest[:min(len(rest), 64)], '?')
	if q <= 0 || q+2 >= len(rest) || rest[q+2] != '?' || !isCharsetName(rest[:q]) {
		return w, 0
	}
	w.charset = rest[:q]
	switch rest[q+1] {
	case 'b', 'B':
		w.base64 = true
	case 'q', 'Q':
	default:
		return w, 0
	}
	text := rest[q+3:]
	end := strings.IndexByte(text, '?')
	for stray := 0; stray < maxStray && !w.base64 && end >= 0 && end+1 < len(text) && text[end+1] != '='; stray++ {
		next := strings.IndexByte(text[end+1:], '?')
		if next < 0 {
			return w, 0
		}
		end += 1 + next
	}
	if end < 0 || end+1 >= len(text) || text[end+1] != '=' {
		return w, 0
	}
	w.text = text[:end]
	return w, len(s) - len(text) + end + 2
}

func isCharsetName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '=' {
			return false
		}
	}
	return true
}

// decode appends the word's octets to b.
func (w encodedWord) decode(b []byte) []byte {
	b = slices.Grow(b, len(w.text))
	if w.base64 {
		return appendBase64(b, w.text)
	}
	for i := 0; i < len(w.text); i++ {
		c := w.text[i]
		switch {
		case c == '_': // RFC 2047 section 4.2 (2)
			c = ' '
		case c == '=' && i+2 < len(w.text):
			if hi, lo := unhex(w.text[i+1]), unhex(w.text[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		b = append(b, c)
	}
	return b
}

// appendBase64 appends what s says, skipping what is not base64.
func appendBase64(b []byte, s string) []byte {
	var d base64Decoder
	return d.finish(d.decode(b, []byte(s)))
}

// EncodeWords returns text as it may stand in an unstructured header field: unchanged if it is ASCII without anything
// that looks like an encoded word, else with the words that need it encoded as UTF-8, in pieces of at most 75
// characters that don't cut a character in two. RFC 2047 sections 2 and 5. Line ends become spaces.
func EncodeWords(text string) string {
	text = strings.Map(oneLine, strings.ToValidUTF8(text, "\uFFFD"))
	if !needsEncoding(text) {
		return text
	}
	// From the first to the last word that needs it: blanks between encoded words would be lost.
	start, end := encodedRange(text)
	var b strings.Builder
	b.WriteString(text[:start])
	writeEncoded(&b, text[start:end])
	b.WriteString(text[end:])
	return b.String()
}

func oneLine(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return ' '
	}
	return r
}

func needsEncoding(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return true
		}
	}
	return strings.Contains(s, "=?")
}

func encodedRange(s string) (start, end int) {
	start, end = -1, 0
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && s[j] != ' ' && s[j] != '\t' {
			j++
		}
		if needsEncoding(s[i:j]) {
			if start < 0 {
				start = i
			}
			end = j
		}
		i = j + 1
	}
	return start, end
}

// maxWordText is how many octets fit in one encoded word: 75 less "=?utf-8?b??=", in base64.
const maxWordText = (75 - len("=?utf-8?b??=")) / 4 * 3

// writeEncoded writes text as encoded words with a space between each two; quoted-printable if that is about as short.
func writeEncoded(b *strings.Builder, text string) {
	useQ := qLen(text) <= len(text)*4/3+8
	for first := true; text != ""; first = false {
		n := wordPrefix(text, useQ)
		if !first {
			b.WriteByte(' ')
		}
		if useQ {
			b.WriteString("=?utf-8?q?")
			writeQ(b, text[:n])
		} else {
			b.WriteString("=?utf-8?b?")
			b.WriteString(base64.StdEncoding.EncodeToString([]byte(text[:n])))
		}
		b.WriteString("?=")
		text = text[n:]
	}
}

// wordPrefix returns how much of text fits in one word. It is at least one character.
func wordPrefix(text string, useQ bool) int {
	room := maxWordText
	if useQ {
		room = 75 - len("=?utf-8?q??=")
	}
	used := 0
	for i, r := range text {
		size := utf8.RuneLen(r)
		if useQ {
			size = qLen(text[i : i+size])
		}
		if used += size; used > room {
			return i
		}
	}
	return len(text)
}

func qLen(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n++
		if !qSafe(s[i]) && s[i] != ' ' {
			n += 2
		}
	}
	return n
}

// qSafe reports whether c may stand for itself in a "Q" word wherever that is. RFC 2047 section 5 (3).
func qSafe(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'
}

func writeQ(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case qSafe(c):
			b.WriteByte(c)
		default:
			b.WriteByte('=')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
}

// DecodeText returns 8-bit text of a header, which may be in any character set, as valid UTF-8. It decodes no encoded
// words.
func DecodeText(s string) string { return plainText(s, "") }
