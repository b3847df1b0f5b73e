package message

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// field writes a header field, folded at blanks so that lines have at most 78 octets where that is possible.
func (c *composer) field(name, value string) {
	value = strings.TrimSpace(strings.Map(oneLine, value))
	c.out.WriteString(name + ":")
	col := len(name) + 1
	for value != "" {
		n := strings.IndexByte(value[1:], ' ') + 1
		if n == 0 {
			n = len(value)
		}
		word := value[:n]
		value = value[n:]
		lead := 0
		if word[0] != ' ' {
			lead = 1
		}
		if col+lead+len(word) > 78 && col > len(name)+1 && strings.Trim(word, " ") != "" {
			c.out.WriteString("\r\n")
			col = 0
		}
		if lead == 1 {
			c.out.WriteByte(' ')
		}
		c.out.WriteString(word)
		col += lead + len(word)
	}
	c.out.WriteString("\r\n")
}

// typeParams returns the type's parameters, with the file name for programs that look for it there.
func (e *Entity) typeParams() []Param {
	if e.Filename == "" || hasParam(e.Params, "name") {
		return e.Params
	}
	return append(e.Params[:len(e.Params):len(e.Params)], Param{Name: "name", Value: e.Filename})
}

// formatParams writes parameters: as tokens or quoted strings, and by RFC 2231 what isn't ASCII or is too long for a line.
func formatParams(ps []Param) string {
	var b strings.Builder
	for _, p := range ps {
		v := strings.Map(oneLine, strings.ToValidUTF8(p.Value, "\uFFFD"))
		switch {
		case !isASCIIString(v) || len(v) > 60:
			b.WriteString(extendedParam(p.Name, v))
		case isToken(v):
			b.WriteString("; " + p.Name + "=" + v)
		default:
			b.WriteString("; " + p.Name + "=" + quote(v))
		}
	}
	return b.String()
}

// extendedParam writes a parameter percent-encoded, in pieces that fit in a line. RFC 2231 sections 3 and 4.
func extendedParam(name, v string) string {
	const perPiece = 50
	enc := "utf-8''" + percentEncode(v)
	if len(enc) <= perPiece {
		return "; " + name + "*=" + enc
	}
	var b strings.Builder
	for i := 0; enc != ""; i++ {
		n := min(perPiece, len(enc))
		for back := 0; back < 3 && n < len(enc) && n > 3; back++ { // no cut inside %XX
			if enc[n-1] == '%' || enc[n-2] == '%' {
				n--
			}
		}
		fmt.Fprintf(&b, "; %s*%d*=%s", name, i, enc[:n])
		enc = enc[n:]
	}
	return b.String()
}

func isASCIIString(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token of RFC 2045 section 5.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// FormatAddresses writes an address list on one line: names quoted or as encoded words where needed, groups with their
// members. RFC 5322 section 3.4.
func FormatAddresses(as []Address) string {
	var b strings.Builder
	first := true
	for i := range as {
		switch a := &as[i]; a.Group {
		case GroupEnd:
			b.WriteByte(';')
			first = false
			continue
		case GroupStart:
			comma(&b, first)
			b.WriteString(formatPhrase(a.Name) + ": ")
			first = true
		default:
			comma(&b, first)
			b.WriteString(a.String())
			first = false
		}
	}
	return b.String()
}

func comma(b *strings.Builder, first bool) {
	if !first {
		b.WriteString(", ")
	}
}

// String returns the mailbox as it is written in a header.
func (a *Address) String() string {
	addr := formatLocal(a.Mailbox)
	if a.Host != "" {
		addr += "@" + strings.Map(oneWord, a.Host)
	}
	if a.Name == "" && a.Route == "" {
		return addr
	}
	if a.Route != "" {
		addr = strings.Map(oneWord, a.Route) + ":" + addr
	}
	if a.Name == "" {
		return "<" + addr + ">"
	}
	return formatPhrase(a.Name) + " <" + addr + ">"
}

// oneWord drops what would end a domain early.
func oneWord(r rune) rune {
	if r <= ' ' || r == 0x7f || r == '<' || r == '>' {
		return -1
	}
	return r
}

// formatLocal writes a local part, quoted unless it is a dot-atom.
func formatLocal(s string) string {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" {
			return quote(strings.Map(oneLine, s))
		}
		for i := 0; i < len(word); i++ {
			if !isAtext(word[i]) {
				return quote(strings.Map(oneLine, s))
			}
		}
	}
	return s
}

// formatPhrase writes a display name. Encoded words in it that are meant as text are encoded again.
func formatPhrase(s string) string {
	if needsEncoding(s) {
		var b strings.Builder // all of it: an encoded word may not stand beside quotes
		writeEncoded(&b, strings.Map(oneLine, strings.ToValidUTF8(s, "\uFFFD")))
		return b.String()
	}
	for i := 0; i < len(s); i++ {
		if !isAtext(s[i]) && s[i] != ' ' {
			return quote(strings.Map(oneLine, s))
		}
	}
	return s
}
