// Package footer writes a text below a message, such as a company's disclaimer, as far as that can be done without harm.
//
//	edits := footer.Add(structure, message, footer.Text{Plain: "Confidential."})
//	footer.Copy(w, message, size, edits)
//
// Each form of the text that a reader may be shown gets it: text/plain and text/html, alone, in multipart/alternative, in the first part of
// multipart/mixed and multipart/related. Everything else stays, octet by octet. Messages that are signed or encrypted (S/MIME, OpenPGP, DKIM),
// reports, and those whose structure isn't certain are left alone, and so is one that has the text already: an answer that quotes it.
package footer

import (
	"bytes"
	"html"
	"io"
	"strings"
	"unicode"

	"postroad/internal/format/charset"
	"postroad/internal/format/htmltext"
	"postroad/internal/format/message"
)

// Text is what is written below.
type Text struct {
	// Plain is the text, its lines ended by LF. It isn't empty.
	Plain string
	// HTML is the same as a piece of a page; "": it is made of Plain.
	HTML string
}

// page is the piece of a page, in ASCII: what isn't is written as character references, so that it fits into any page.
func (t *Text) page() string {
	piece := t.HTML
	if strings.TrimSpace(piece) == "" {
		piece = "<p>" + strings.ReplaceAll(html.EscapeString(strings.TrimSpace(t.Plain)), "\n", "<br>\n") + "</p>"
	}
	return "\r\n<div>" + references(strings.ReplaceAll(piece, "\n", "\r\n")) + "</div>\r\n"
}

// An Edit puts other octets in the place of those From From to To (exclusive) of a message.
type Edit struct {
	From, To int64
	With     []byte
}

// maxPart bounds the texts that are changed, in octets, each and together, and maxParts how many there may be.
const (
	maxPart  = 4 << 20
	maxParts = 20
)

// Add returns what is to be changed in a message, in order; nothing if it is to stay as it is. msg has the octets that s describes.
func Add(s *message.Structure, msg io.ReaderAt, t Text) []Edit {
	if s.Limited || s.Header.Has("DKIM-Signature") || !touchable(s.Root) {
		return nil
	}
	parts := bodies(s.Root)
	if len(parts) == 0 || len(parts) > maxParts {
		return nil
	}
	var all []Edit
	total := int64(0)
	for _, p := range parts {
		if total += p.BodySize; total > maxPart {
			return nil
		}
		edits, ok := add(p, msg, &t)
		if !ok {
			return nil // all forms of the text have it, or none
		}
		all = append(all, edits...)
	}
	return all
}

// touchable reports whether a message may be changed at all.
func touchable(root *message.Part) bool {
	ok := true
	root.Walk(func(p *message.Part) bool {
		switch kind := p.Type + "/" + p.Subtype; {
		case p.Opaque, kind == "multipart/signed", kind == "multipart/encrypted", kind == "multipart/report",
			strings.Contains(p.Subtype, "pkcs7"), strings.HasPrefix(p.Subtype, "pgp-"):
			ok = false
		}
		return ok && p.Message == nil // what is inside of messages that are passed on is theirs
	})
	return ok
}

// bodies are the parts that are the message's text, in order; none if there is no telling.
func bodies(p *message.Part) []*message.Part {
	switch {
	case p.Disposition == "attachment" || p.Filename() != "" || p.MD5 != "":
		return nil
	case p.Type == "text" && (p.Subtype == "plain" || p.Subtype == "html"):
		return []*message.Part{p}
	case p.Type != "multipart" || len(p.Children) == 0:
		return nil
	case p.Subtype == "alternative":
		var all []*message.Part
		for _, c := range p.Children {
			all = append(all, bodies(c)...)
		}
		return all
	case p.Subtype == "mixed" || p.Subtype == "related":
		return bodies(p.Children[0])
	}
	return nil
}

// add returns the edits for one text; ok is false if it can't have any, or needs none.
func add(p *message.Part, msg io.ReaderAt, t *Text) (edits []Edit, ok bool) {
	if p.BodySize > maxPart || !message.KnownEncoding(p.Encoding) || !ascii(p.Charset()) {
		return nil, false
	}
	body := make([]byte, p.BodySize)
	if n, _ := msg.ReadAt(body, p.BodyOffset); n < len(body) {
		return nil, false
	}
	decoded, err := io.ReadAll(message.Decoder(p.Encoding, bytes.NewReader(body)))
	if err != nil || bytes.Contains(decoded, []byte("-----BEGIN PGP")) {
		return nil, false
	}
	if p.Subtype == "html" {
		return addPage(p, decoded, t)
	}
	return addPlain(p, msg, decoded, t)
}

// addPage writes below a page.
func addPage(p *message.Part, decoded []byte, t *Text) ([]Edit, bool) {
	piece := t.page()
	if has(htmltext.Text(bytes.NewReader(decoded), maxPart), htmltext.Text(strings.NewReader(piece), maxPart)) {
		return nil, false
	}
	at := lastFold(decoded, "</body")
	if at < 0 {
		at = lastFold(decoded, "</html")
	}
	if at < 0 {
		at = len(decoded)
	}
	if message.Identity(p.Encoding) {
		place := p.BodyOffset + int64(at)
		return []Edit{{place, place, []byte(piece)}}, true
	}
	whole := append(append(append(make([]byte, 0, len(decoded)+len(piece)), decoded[:at]...), piece...), decoded[at:]...)
	return []Edit{{p.BodyOffset, p.BodyOffset + p.BodySize, encode(p.Encoding, whole)}}, true
}

// addPlain writes below a plain text.
func addPlain(p *message.Part, msg io.ReaderAt, decoded []byte, t *Text) ([]Edit, bool) {
	name := p.Charset()
	text, known := charset.Decode(name, decoded)
	if has(text, t.Plain) {
		return nil, false
	}
	piece := below(t.Plain)
	if len(decoded) > 0 && !bytes.HasSuffix(decoded, []byte("\n")) {
		piece = "\r\n" + piece
	}
	fits := isASCII(piece) || strings.EqualFold(name, "utf-8")
	end := p.BodyOffset + p.BodySize
	switch {
	case fits && message.Identity(p.Encoding) && (isASCII(piece) || p.Encoding != "7bit"):
		return []Edit{{end, end, []byte(piece)}}, true
	case fits && !message.Identity(p.Encoding):
		return []Edit{{p.BodyOffset, end, encode(p.Encoding, append(decoded, piece...))}}, true
	case !known:
		return nil, false
	}
	encoding := "quoted-printable"
	if p.Encoding == "base64" {
		encoding = p.Encoding
	}
	edits, ok := describe(p, msg, encoding)
	return append(edits, Edit{p.BodyOffset, end, encode(encoding, []byte(text+piece))}), ok
}

// below is the plain text with what is around it.
func below(plain string) string {
	return "\r\n" + strings.ReplaceAll(strings.Trim(plain, "\n"), "\n", "\r\n") + "\r\n"
}

// has reports whether a text has another one in it, however its lines are broken and quoted.
func has(text, piece string) bool {
	piece = bare(piece)
	return piece != "" && strings.Contains(bare(text), piece)
}

// bare is a text without blanks, line ends and marks of quotes.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '>' {
			return -1
		}
		return r
	}, s)
}

// ascii reports whether in a character set the octets of ASCII mean themselves.
func ascii(name string) bool {
	name = strings.ToLower(name)
	for _, other := range [...]string{"utf-16", "utf16", "utf-32", "utf32", "ucs-", "utf-7", "unicode-1", "iso-2022", "hz-", "ebcdic", "ibm037"} {
		if strings.HasPrefix(name, other) {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lastFold is where the last word, of lower-case letters, stands in b in any case; -1: nowhere.
func lastFold(b []byte, word string) int {
	for i := len(b) - len(word); i >= 0; i-- {
		if b[i] == word[0] && strings.EqualFold(string(b[i:i+len(word)]), word) {
			return i
		}
	}
	return -1
}
