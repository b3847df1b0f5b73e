package dsn

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/format/message"
)

// status is the part for programs (RFC 3464 §2).
func status(r *Report, wide bool) message.Entity {
	typ, encoding := "message/delivery-status", "7bit"
	w := fields{wide: wide}
	w.field("Original-Envelope-Id", r.EnvelopeID)
	w.field("Reporting-MTA", "dns; "+clean(r.Host))
	w.time("Arrival-Date", r.Arrival)
	w.time("Deliver-By-Date", r.DeliverBy)
	for i := range r.Recipients {
		w.b.WriteString("\r\n")
		w.recipient(&r.Recipients[i])
	}
	if !ascii(w.b.String()) { // only if wide
		typ, encoding = "message/global-delivery-status", "8bit" // RFC 6533 §4.1
	}
	return message.Entity{Type: typ, Encoding: encoding, Content: []byte(w.b.String())}
}

// fields writes header fields, folded, and in ASCII unless wide.
type fields struct {
	b    strings.Builder
	wide bool
}

func (w *fields) recipient(r *Recipient) {
	if r.Original != "" {
		typ := atom(r.OriginalType)
		if strings.EqualFold(typ, "utf-8") {
			w.address("Original-Recipient", r.Original)
		} else {
			w.field("Original-Recipient", typ+"; "+clean(r.Original))
		}
	}
	w.address("Final-Recipient", r.Address)
	w.field("Action", r.Action.String())
	w.field("Status", enhanced(r.Status, r.Action))
	if r.Remote != "" { // RFC 3461 §6.3 (h), (i)
		w.field("Remote-MTA", "dns; "+clean(r.Remote))
	}
	switch {
	case r.Reply == "":
	case r.Remote != "":
		w.field("Diagnostic-Code", "smtp; "+clean(r.Reply))
	default:
		w.field("Diagnostic-Code", "x-postroad; "+clean(r.Reply))
	}
	w.time("Last-Attempt-Date", r.LastAttempt)
	if r.LogID != "" {
		w.field("Final-Log-ID", r.LogID)
	}
	if r.Action == Delayed { // RFC 3464 §2.3.9
		w.time("Will-Retry-Until", r.RetryUntil)
	}
}

// address writes an address with its type: rfc822, or utf-8 (RFC 6533 §3) in the form that the way back bears.
func (w *fields) address(name, addr string) {
	addr = clean(addr)
	switch {
	case ascii(addr):
		w.field(name, "rfc822; "+addr)
	case w.wide:
		w.field(name, "utf-8; "+addr)
	default:
		w.field(name, "utf-8; "+xtext(addr))
	}
}

func (w *fields) time(name string, t time.Time) {
	if !t.IsZero() {
		w.field(name, message.FormatDate(t))
	}
}

// field writes a field, and nothing if value is empty.
func (w *fields) field(name, value string) {
	value = clean(value)
	if value == "" {
		return
	}
	if !w.wide {
		value = strings.Map(narrow, value)
	}
	w.b.WriteString(name)
	w.b.WriteByte(':')
	col := len(name) + 1
	for _, word := range strings.Fields(value) {
		if col+1+len(word) > 78 && col > len(name)+1 {
			w.b.WriteString("\r\n")
			col = 0
		}
		for len(word) > 900 { // RFC 5322 §2.1.1: 998
			cut := 900
			for cut > 890 && !utf8.RuneStart(word[cut]) {
				cut--
			}
			w.b.WriteString(" " + word[:cut] + "\r\n")
			word, col = word[cut:], 0
		}
		w.b.WriteString(" " + word)
		col += 1 + len(word)
	}
	w.b.WriteString("\r\n")
}

func narrow(c rune) rune {
	if c >= utf8.RuneSelf {
		return '?'
	}
	return c
}

// xtext writes an address in ASCII: utf-8-addr-xtext of RFC 6533 §3.
func xtext(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c > ' ' && c < 0x7f && c != '\\' && c != '+' && c != '=' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		}
	}
	return b.String()
}

// clean makes one line of s: valid UTF-8 without control characters, of at most MaxValue bytes.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > MaxValue {
		s = strings.ToValidUTF8(s[:MaxValue], "")
	}
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, s))
}

// address is clean, and can't end the angle brackets around it before its time.
func address(s string) string {
	quoted := false
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '<' || c == '>' || c == ' '):
			return -1
		}
		return c
	}, clean(s))
}

// atom is s as an address type; "rfc822" if it can't be one.
func atom(s string) string {
	if s == "" || len(s) > 40 {
		return "rfc822"
	}
	for _, c := range s {
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "rfc822"
		}
	}
	return s
}

// enhanced is the status, or one that says no more than the action (RFC 3461 §6.3 (g)).
func enhanced(s string, a Action) string {
	class, rest, _ := strings.Cut(s, ".")
	subject, detail, ok := strings.Cut(rest, ".")
	want := [actionEnd]string{Failed: "5", Delayed: "4", Delivered: "2", Relayed: "2", Expanded: "2"}[a]
	if ok && class == want && digits(subject) && digits(detail) {
		return s
	}
	return want + ".0.0"
}

func digits(s string) bool {
	return len(s) >= 1 && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}

// plain reports whether an identifier is ASCII without blanks.
func plain(s string) bool {
	return ascii(s) && !strings.ContainsAny(s, " \t<>") && clean(s) == s && len(s) < 500
}

func ascii[S string | []byte](s S) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// original is the message in question or its header.
func original(r *Report, wide bool) message.Entity {
	header := headerOf(r.Original)
	if len(header) == 0 && !r.Full {
		return message.Entity{}
	}
	e := message.Entity{Content: header}
	if r.Full {
		e.Content = r.Original
	}
	switch global := !ascii(header); { // RFC 6533 §4.2, 4.3
	case global && r.Full:
		e.Type = "message/global"
	case global:
		e.Type = "message/global-headers"
	case r.Full:
		e.Type = "message/rfc822"
	default:
		e.Type = "text/rfc822-headers"
	}
	e.Encoding = originalEncoding(&e, wide)
	return e
}

// originalEncoding is 8bit only where that is safe. Of the types, message/rfc822 alone may not be encoded
// further (RFC 2046 §5.2.1); 8BITMIME is then asked of the way back, as it was of the way here.
func originalEncoding(e *message.Entity, wide bool) string {
	long := longLine(e.Content)
	switch {
	case ascii(e.Content) && !long:
		return "7bit"
	case e.Type == "message/rfc822", wide && !long:
		return "8bit"
	}
	return "base64"
}

func longLine(b []byte) bool {
	for l := range bytes.Lines(b) {
		if len(l) > 998 {
			return true
		}
	}
	return false
}

// headerOf is the header of a message, without the empty line.
func headerOf(msg []byte) []byte {
	at := 0
	for l := range bytes.Lines(msg) {
		if len(bytes.TrimRight(l, "\r\n")) == 0 {
			break
		}
		at += len(l)
	}
	return msg[:at:at]
}
