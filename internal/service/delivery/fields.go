package delivery

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"postroad/internal/format/message"
	"postroad/internal/model/directory"
)

// The header fields that delivery puts in front of messages. Whatever goes into them passes safe: strangers choose
// addresses, and administrators the names of lists.

// appendReturnPath notes the reverse-path, as final delivery does (RFC 5321 §4.4).
func appendReturnPath(b []byte, from string) []byte {
	b = append(b, "Return-Path: <"...)
	b = append(b, safe(from)...)
	return append(b, ">\r\n"...)
}

const deliveredToField = "Delivered-To"

// deliveredTo marks a message that goes on from an address of ours: if it comes back to it, it is in a loop.
func deliveredTo(address string) []byte {
	return []byte(deliveredToField + ": " + safe(address) + "\r\n")
}

// listFields are those by which programs know a list's mail, and people leave the list (RFC 2919, RFC 2369).
func listFields(g *directory.Group) []byte {
	var b []byte
	add := func(parts ...string) {
		for _, p := range parts {
			b = append(b, p...)
		}
		b = append(b, "\r\n"...)
	}
	owner := mailto(own(g, "owner"))
	add("List-Id: ", phrase(g), "<", safe(g.ListID()), ">")
	if g.Posters == directory.OwnersOnly {
		add("List-Post: NO") // RFC 2369 §3.4
	} else {
		add("List-Post: <", mailto(g.Address), ">")
	}
	add("List-Help: <", owner, "?subject=help>")
	add("List-Unsubscribe: <", owner, "?subject=unsubscribe>")
	add("List-Owner: <", owner, ">")
	add("Precedence: list")
	return b
}

// phrase names the list for people, if it has a description; empty otherwise. It ends with what parts it from the identifier.
func phrase(g *directory.Group) string {
	text := strings.Join(strings.Fields(safe(g.Description)), " ")
	if text == "" {
		return ""
	}
	text = cutText(text, maxPhrase)
	if isPlain(text) {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + "\"\r\n\t"
	}
	return message.EncodeWords(text) + "\r\n\t"
}

// maxPhrase keeps a quoted name's line far below 998 octets (RFC 5322 §2.1.1), whatever must be quoted in it.
const maxPhrase = 256

// cutText shortens a text to at most n bytes, between characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x7F {
			return false
		}
	}
	return !strings.Contains(s, "=?") // would be read as an encoded word by some
}

// own is one of a list's own addresses: LIST+owner, LIST+bounces.
func own(g *directory.Group, which string) string {
	a, err := directory.Parse(g.Address)
	if err != nil {
		return g.Address
	}
	a.Local += "+" + which
	return a.String()
}

// mailto is the URL of an address (RFC 6068 §2): what might mean something in a URL or a header field is encoded.
func mailto(address string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.WriteString("mailto:")
	for i := range len(address) {
		c := address[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("@.-_~!$*+", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// safe makes a text fit for a header field's value, a reply or a log: control characters and what isn't UTF-8 become
// question marks. Nothing can begin a line of its own then.
func safe(s string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if bad(r) {
			return '?'
		}
		return r
	}, s)
}
