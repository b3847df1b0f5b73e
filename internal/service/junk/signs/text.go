package signs

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain joins what was seen by ">", as Sign.Evidence has it: each piece gets its share of the room.
func plain(pieces []string) string {
	var b strings.Builder
	room := MaxEvidence
	if len(pieces) > 0 {
		room = (MaxEvidence - 3*(len(pieces)-1)) / len(pieces)
	}
	for i, p := range pieces {
		if i > 0 {
			b.WriteString(" > ")
		}
		visible(&b, p, room)
	}
	return b.String()
}

// visible writes as much of a text as there is room for: what can't be seen is left out, and so is what ends lines.
func visible(b *strings.Builder, s string, room int) {
	end := b.Len() + room
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsGraphic(r) {
			continue
		}
		if unicode.IsSpace(r) {
			r = ' '
		}
		if b.Len()+utf8.RuneLen(r) > end {
			return
		}
		b.WriteRune(r)
	}
}

// AppendText appends signs in a form for header fields and storage, which Parse reads: ASCII, and blanks between signs only.
//
//	link-text:3:bank.example%20%3E%20evil.example file-program:2:setup.exe
func AppendText(dst []byte, all []Sign) []byte {
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, s.Kind.String()...)
		dst = append(dst, ':', '0'+byte(s.Severity))
		if s.Evidence != "" {
			dst = append(dst, ':')
			dst = escape(dst, s.Evidence)
		}
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

// escape writes letters, digits and what stands in addresses as they are, and other bytes as %XX.
func escape(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == '@', c == '/':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return dst
}

// Parse reads what AppendText wrote, folded or not. Signs that this version doesn't know, and what is no sign, are left out; so are those
// above MaxSigns.
func Parse(text string) []Sign {
	var all []Sign
	for f := range strings.FieldsSeq(text) {
		name, rest, _ := strings.Cut(f, ":")
		severity, evidence, _ := strings.Cut(rest, ":")
		k := KindOf(name)
		if k == 0 || len(severity) != 1 || severity[0] < '0'+byte(Notice) || severity[0] > '0'+byte(Danger) || len(all) == MaxSigns {
			continue
		}
		all = append(all, Sign{k, Severity(severity[0] - '0'), plain([]string{unescape(evidence)})})
	}
	return all
}

// unescape undoes %XX; what isn't that stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
