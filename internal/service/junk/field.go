package junk

import (
	"strconv"
	"strings"
	"unicode"

	"postroad/internal/format/message"
	"postroad/internal/service/delivery"
	"postroad/internal/service/junk/signs"
)

// The field that explains:
//
//	X-Postroad-Junk: yes; score=100; limit=99; because=policy;
//		signs="link-text:3:bank.example%20%3E%20evil.example"; why="link to: pills.example; body: cheap watches"
//
// The verdict comes first. score is how likely it is junk, in percent; limit is from where on it is; because is what decides in
// the score's place: known (the author is), report (about the account's own mail), policy (of the author's domain), scanner. signs are
// what looks like phishing (signs.Parse). why names what speaks for junk, in words of the message.

// field writes it, with its final CRLF.
func field(r *ruling, o *delivery.Opinion, reasons []string) string {
	b := make([]byte, 0, 128)
	b = append(append(b, delivery.JunkField...), ": "...)
	if o.Junk {
		b = append(b, "yes; score="...)
	} else {
		b = append(b, "no; score="...)
	}
	b = strconv.AppendInt(b, int64(r.points()), 10)
	b = append(b, "; limit="...)
	b = strconv.AppendInt(b, int64(points(r.threshold)), 10)
	if r.because != "" {
		b = append(append(b, "; because="...), r.because...)
	}
	b = appendSigns(b, r.signs)
	b = appendReasons(b, reasons)
	return string(append(b, "\r\n"...))
}

// appendSigns adds signs, a line each.
func appendSigns(b []byte, all []signs.Sign) []byte {
	for i := range all {
		if i == 0 {
			b = append(b, ";\r\n\tsigns=\""...)
		} else {
			b = append(b, "\r\n\t "...)
		}
		b = signs.AppendText(b, all[i:i+1])
	}
	if len(all) > 0 {
		b = append(b, '"')
	}
	return b
}

// mostWhy bounds the text of the reasons, and mostOne that of one, in bytes.
const (
	mostWhy = 400
	mostOne = 60
)

// appendReasons adds what the message itself says: whatever that is, it stays one field of short lines in ASCII.
func appendReasons(b []byte, reasons []string) []byte {
	if len(reasons) == 0 {
		return b
	}
	b = append(b, ";\r\n\twhy=\""...)
	room := mostWhy
	for i, name := range reasons {
		name = plain(name)
		if room -= len(name); room < 0 {
			break
		}
		if i > 0 {
			b = append(b, ";\r\n\t "...)
		}
		b = append(b, name...)
	}
	return append(b, '"')
}

// plain is a text without what would mean something in a header field.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\' || r == ';':
			return '\''
		case unicode.IsSpace(r):
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	if strings.Contains(s, "=?") { // would be read as an encoded word
		s = strings.ReplaceAll(s, "=?", "= ?")
	}
	return s[:min(len(s), mostOne)]
}

// A Remark is what the field says.
type Remark struct {
	Junk         bool
	Score, Limit int
	// Because is "known", "report", "policy" or "scanner"; "": the score has decided.
	Because string
	Signs   []signs.Sign
	Why     []string
}

// ParseField reads the field's value; false: it isn't one of ours.
func ParseField(value string) (r Remark, ok bool) {
	verdict, rest, _ := strings.Cut(message.Unfold(value), ";")
	switch strings.TrimSpace(verdict) {
	case "yes":
		r.Junk = true
	case "no":
	default:
		return r, false
	}
	rest, why, _ := strings.Cut(rest, `why="`)
	rest, found, _ := strings.Cut(rest, `signs="`)
	found, _, _ = strings.Cut(found, `"`)
	r.Signs = signs.Parse(found)
	for item := range strings.SplitSeq(rest, ";") {
		key, v, _ := strings.Cut(strings.TrimSpace(item), "=")
		switch key {
		case "score":
			r.Score, _ = strconv.Atoi(v)
		case "limit":
			r.Limit, _ = strconv.Atoi(v)
		case "because":
			r.Because = v
		}
	}
	for item := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(why), `"`), ";") {
		if item = strings.TrimSpace(item); item != "" {
			r.Why = append(r.Why, item)
		}
	}
	return r, true
}
