package dsn

import (
	"io"
	"strings"

	"postroad/internal/format/message"
)

// Status is what a notification tells programs.
type Status struct {
	// EnvelopeID is the Original-Envelope-Id, Host the reporting server's name.
	EnvelopeID, Host string
	Recipients       []Recipient
}

// Limits of what Parse reads.
const (
	maxStatus     = 1 << 20 // bytes of the part for programs
	maxRecipients = 10_000
)

// Parse finds the first part for programs in a message and reads it; ok is false if there is none, or if
// it tells of nobody. What doesn't fit the grammar is passed over.
func Parse(msg io.ReaderAt, s *message.Structure) (st Status, ok bool) {
	p := find(s.Root, 0)
	if p == nil {
		return Status{}, false
	}
	b, err := io.ReadAll(io.LimitReader(p.Body(msg), maxStatus))
	if err != nil {
		return Status{}, false
	}
	st = parseStatus(string(b))
	return st, len(st.Recipients) > 0
}

func find(p *message.Part, depth int) *message.Part {
	if p == nil || depth > 10 {
		return nil
	}
	if p.Type == "message" && (p.Subtype == "delivery-status" || p.Subtype == "global-delivery-status") {
		return p
	}
	for _, c := range p.Children {
		if f := find(c, depth+1); f != nil {
			return f
		}
	}
	return nil
}

// parseStatus reads blocks of fields with empty lines between them: the first is about the message.
func parseStatus(s string) (st Status) {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for i, block := range strings.SplitN(strings.TrimLeft(s, "\n"), "\n\n", maxRecipients+2) {
		h := message.ParseHeader(strings.TrimLeft(block, "\n") + "\n")
		switch {
		case i == 0:
			st.EnvelopeID = h.Get("Original-Envelope-Id")
			_, st.Host = typed(h.Get("Reporting-MTA"))
		case h.Has("Final-Recipient") && i <= maxRecipients:
			st.Recipients = append(st.Recipients, parseRecipient(&h))
		}
	}
	return st
}

func parseRecipient(h *message.Header) Recipient {
	r := Recipient{Status: h.Get("Status"), LogID: h.Get("Final-Log-ID")}
	for a := range actionEnd {
		if strings.EqualFold(strings.TrimSpace(h.Get("Action")), a.String()) {
			r.Action = a
		}
	}
	r.OriginalType, r.Original = typed(h.Get("Original-Recipient"))
	_, r.Address = typed(h.Get("Final-Recipient"))
	_, r.Remote = typed(h.Get("Remote-MTA"))
	_, r.Reply = typed(h.Get("Diagnostic-Code"))
	r.LastAttempt, _ = message.ParseDate(h.Get("Last-Attempt-Date"))
	r.RetryUntil, _ = message.ParseDate(h.Get("Will-Retry-Until"))
	return r
}

// typed splits "type; value". An address of type utf-8 is decoded (RFC 6533 §3).
func typed(s string) (typ, value string) {
	typ, value, ok := strings.Cut(s, ";")
	if !ok {
		return "", strings.TrimSpace(s)
	}
	typ, value = strings.TrimSpace(typ), strings.TrimSpace(value)
	if strings.EqualFold(typ, "utf-8") {
		value = unxtext(value)
	}
	return typ, value
}

// unxtext undoes xtext. What isn't of that form stays.
func unxtext(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		hex, rest, closed := strings.Cut(after, "}")
		if c, valid := point(hex); closed && valid {
			b.WriteRune(c)
			s = rest
		} else {
			b.WriteString(`\x{`)
			s = after
		}
	}
}

func point(hex string) (c rune, ok bool) {
	if len(hex) < 2 || len(hex) > 6 {
		return 0, false
	}
	for _, d := range hex {
		at := strings.IndexRune("0123456789ABCDEF", d)
		if at < 0 {
			return 0, false
		}
		c = c<<4 | rune(at)
	}
	return c, c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) && c >= ' ' && c != 0x7f
}
