package summary

import (
	"strconv"
	"strings"

	"postroad/internal/format/message"
)

// appendEnvelope writes an ENVELOPE. RFC 9051 section 7.5.2 and section 9, "envelope".
func (w *writer) appendEnvelope(e *message.Envelope) {
	w.buf = append(w.buf, '(')
	w.nstring(e.Date, e.HasDate)
	w.space()
	w.nstring(e.Subject, e.HasSubject)
	sender, replyTo := e.Sender, e.ReplyTo
	if len(sender) == 0 { // "If the Sender or Reply-To lines are absent or empty, the server sets them to From's value"
		sender = e.From
	}
	if len(replyTo) == 0 {
		replyTo = e.From
	}
	for _, as := range [...][]message.Address{e.From, sender, replyTo, e.To, e.Cc, e.Bcc} {
		w.space()
		w.addresses(as)
	}
	w.space()
	w.nstring(e.InReplyTo, e.HasInReplyTo)
	w.space()
	w.nstring(e.MessageID, e.HasMessageID)
	w.buf = append(w.buf, ')')
}

// addresses writes a list of address structures: "(" 1*address ")" or NIL.
func (w *writer) addresses(as []message.Address) {
	if len(as) == 0 {
		w.nil()
		return
	}
	w.buf = append(w.buf, '(')
	as = w.detail.addresses(as)
	for i := range as {
		if w.full() {
			break
		}
		w.address(&as[i])
	}
	w.buf = append(w.buf, ')')
}

func (w *writer) address(a *message.Address) {
	switch a.Group {
	case message.GroupStart: // "the mailbox name field holds the group name"
		w.buf = append(w.buf, "(NIL NIL "...)
		w.string(a.Name)
		w.buf = append(w.buf, " NIL)"...)
		return
	case message.GroupEnd:
		w.buf = append(w.buf, "(NIL NIL NIL NIL)"...)
		return
	}
	w.buf = append(w.buf, '(')
	w.nstring(a.Name, a.Name != "")
	w.space()
	w.nstring(a.Route, a.Route != "")
	w.space()
	// NIL would make these the ends of a group; an address that lacks one has an empty string.
	w.string(a.Mailbox)
	w.space()
	w.string(a.Host)
	w.buf = append(w.buf, ')')
}

// appendBody writes a BODYSTRUCTURE. RFC 9051 section 9, "body".
func (w *writer) appendBody(p *message.Part) {
	if w.full() {
		return
	}
	w.buf = append(w.buf, '(')
	switch {
	case p.IsMultipart() && len(p.Children) > 0:
		w.multipart(p)
	case p.Type == "multipart": // what can't be looked into is no multipart to a client
		w.upper("application")
		w.space()
		w.upper("octet-stream")
		w.fields(p)
		w.partExtension(p)
	default:
		w.upper(p.Type)
		w.space()
		w.upper(p.Subtype)
		w.fields(p)
		if p.IsMessage() {
			w.space()
			w.nested(p)
		}
		if p.Type == "text" || p.IsMessage() {
			w.space()
			w.number(p.Lines)
		}
		w.partExtension(p)
	}
	w.buf = append(w.buf, ')')
}

// multipart writes body-type-mpart with its extensions.
func (w *writer) multipart(p *message.Part) {
	for _, c := range p.Children {
		w.appendBody(c)
	}
	w.space()
	w.upper(p.Subtype)
	w.space()
	w.params(p.Params)
	w.extension(p)
}

// fields writes body-fields: parameters, ID, description, encoding and size.
func (w *writer) fields(p *message.Part) {
	w.space()
	if !p.Typed && p.Type == "text" { // RFC 2045 section 5.2
		w.buf = append(w.buf, `("CHARSET" "US-ASCII")`...)
	} else {
		w.params(p.Params)
	}
	w.space()
	w.nstring(p.ID, p.ID != "")
	w.space()
	w.nstring(p.Description, p.Description != "")
	w.space()
	w.upper(p.Encoding)
	w.space()
	w.number(p.BodySize)
}

// emptyMessage stands for a message that can't be looked into: the syntax demands an envelope and a body.
const emptyMessage = `(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)`

// nested writes envelope and body of the message inside p.
func (w *writer) nested(p *message.Part) {
	if p.Message == nil {
		w.buf = append(w.buf, emptyMessage...)
		return
	}
	if w.detail.nested {
		w.appendEnvelope(p.Message.Envelope)
	} else {
		w.appendEnvelope(&message.Envelope{})
	}
	w.space()
	w.appendBody(p.Message.Root)
}

// partExtension writes body-ext-1part.
func (w *writer) partExtension(p *message.Part) {
	w.space()
	w.nstring(p.MD5, p.MD5 != "")
	w.extension(p)
}

// extension writes what all parts have at the end: disposition, languages, location.
func (w *writer) extension(p *message.Part) {
	w.space()
	if p.Disposition == "" {
		w.nil()
	} else {
		w.buf = append(w.buf, '(')
		w.upper(p.Disposition)
		w.space()
		w.params(p.DispositionParams)
		w.buf = append(w.buf, ')')
	}
	w.space()
	w.languages(p.Language)
	w.space()
	w.nstring(p.Location, p.Location != "")
}

func (w *writer) languages(ls []string) {
	switch len(ls) {
	case 0:
		w.nil()
	case 1:
		w.string(ls[0])
	default:
		w.buf = append(w.buf, '(')
		for i, l := range ls[:min(len(ls), w.detail.params)] {
			if i > 0 {
				w.space()
			}
			w.string(l)
		}
		w.buf = append(w.buf, ')')
	}
}

// params writes body-fld-param. RFC 2231 section 6: continuations are joined, but the character set stays for the client
// to decode, and with it the name's asterisk.
func (w *writer) params(ps []message.Param) {
	if len(ps) == 0 {
		w.nil()
		return
	}
	for i := range ps[:min(len(ps), w.detail.params)] {
		if i == 0 {
			w.buf = append(w.buf, '(')
		} else {
			w.space()
		}
		name := ps[i].Name
		if ps[i].Extended {
			name += "*"
		}
		w.upper(name)
		w.space()
		w.string(ps[i].Raw)
	}
	w.buf = append(w.buf, ')')
}

func (w *writer) space() { w.buf = append(w.buf, ' ') }

func (w *writer) nil() { w.buf = append(w.buf, "NIL"...) }

func (w *writer) number(n int64) { w.buf = strconv.AppendInt(w.buf, n, 10) }

func (w *writer) nstring(s string, there bool) {
	if !there {
		w.nil()
		return
	}
	w.string(s)
}

// upper writes a string that is compared without regard to case, in the case that clients are used to.
func (w *writer) upper(s string) {
	start := len(w.buf)
	w.string(s)
	for i := start; i < len(w.buf); i++ {
		if c := w.buf[i]; c >= 'a' && c <= 'z' {
			w.buf[i] = c - 'a' + 'A'
		}
	}
}

// string writes a quoted string, or a literal if the text has octets that IMAP4rev1 does not allow between quotes.
func (w *writer) string(s string) {
	s = w.detail.clip(s)
	if plain(s) {
		w.buf = append(append(append(w.buf, '"'), s...), '"')
		return
	}
	escapes := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			escapes++
		case c >= 0x80 || c == '\r' || c == '\n' || c == 0:
			w.literal(s)
			return
		}
	}
	w.buf = append(w.buf, '"')
	if escapes == 0 {
		w.buf = append(w.buf, s...)
	} else {
		for i := 0; i < len(s); i++ {
			if s[i] == '"' || s[i] == '\\' {
				w.buf = append(w.buf, '\\')
			}
			w.buf = append(w.buf, s[i])
		}
	}
	w.buf = append(w.buf, '"')
}

// plain reports whether a text surely needs nothing but quotes around it: it is ASCII without controls, quotes and backslashes. Eight octets
// at a time: an octet is zero if subtracting one sets a high bit that it hasn't.
func plain(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var bad uint64
	for ; len(s) >= 8; s = s[8:] {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, slash := x^('"'*ones), x^('\\'*ones)
		bad |= x | (x - ' '*ones) | (quote-ones)&^quote | (slash-ones)&^slash
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return bad&highs == 0
}

// literal writes a literal. It can't hold NUL (RFC 9051 section 9, CHAR8), which becomes a question mark.
func (w *writer) literal(s string) {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "?")
	}
	w.buf = append(w.buf, '{')
	w.number(int64(len(s)))
	w.buf = append(w.buf, "}\r\n"...)
	w.buf = append(w.buf, s...)
}
