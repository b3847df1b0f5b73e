package summary

import (
	"encoding/binary"
	"strings"

	"postroad/internal/format/message"
)

// Where the fields lie that mailing programs ask for in lists of messages, so that nobody looks through all headers for them:
//
//	octet    how many kinds of fields were known when this was written
//	then, for each such field of the header, in their order
//	octet    its kind: its place in fieldNames
//	uvarint  from its first octet to the header's end
//	uvarint  its size, with its line ends
//
// The section is empty if the header isn't kept, or has lines that are no fields, or very many fields.

// fieldNames are the names of the kinds, in lower case. New ones come last.
var fieldNames = [...]string{
	"from", "to", "cc", "bcc", "subject", "date", "sender", "reply-to", "message-id", "in-reply-to", "references",
	"content-type", "content-transfer-encoding", "content-description", "mime-version",
	"priority", "x-priority", "importance", "newsgroups", "resent-message-id", "lines", "x-label", "x-original-to",
	"list-id", "list-post", "list-subscribe", "list-unsubscribe", "mail-followup-to", "mail-reply-to",
	"disposition-notification-to", "return-path", "delivered-to", "x-tuid", "x-mailer", "user-agent", "autocrypt", "chat-version",
	"x-k9mail-identity", "x-uniform-type-identifier", "x-universally-unique-identifier", "authentication-results", "dkim-signature",
	"bimi-indicator", "bimi-location", "x-bimi-indicator-hash", "x-spam-status", "x-spam-flag", "thread-index", "thread-topic",
}

// maxFields is how many fields are noted. A header with more is left to be looked through.
const maxFields = 100

// fieldsByLetter are the kinds by the names' first letters.
var fieldsByLetter = func() (by [26][]byte) {
	for kind, name := range fieldNames {
		by[name[0]-'a'] = append(by[name[0]-'a'], byte(kind))
	}
	return by
}()

// fieldKind is the kind of the field called name, in any case; false if it isn't known.
func fieldKind(name string) (byte, bool) {
	if name == "" || name[0]|0x20 < 'a' || name[0]|0x20 > 'z' {
		return 0, false
	}
	for _, kind := range fieldsByLetter[name[0]|0x20-'a'] {
		if n := fieldNames[kind]; len(n) == len(name) && strings.EqualFold(n, name) {
			return kind, true
		}
	}
	return 0, false
}

// A FieldSet is a set of kinds of header fields whose places records know. The zero value has none.
type FieldSet uint64

// FieldsOf is the set of the fields with these names, in any case. It reports false if there is one of which records don't know
// where it is.
func FieldsOf(names [][]byte) (set FieldSet, ok bool) {
	for _, name := range names {
		kind, known := fieldKind(string(name))
		if !known {
			return 0, false
		}
		set |= 1 << kind
	}
	return set, true
}

// AppendFields appends the header's fields in the set to dst: as they came, in their order. It reports false, and appends nothing, if
// the record can't tell: it is from before this was noted, or the header is too long or isn't made of fields alone.
func (r Record) AppendFields(dst []byte, set FieldSet) ([]byte, bool) {
	places, header := r.section(secFields), r.Header()
	if len(places) == 0 || len(header) == 0 || set>>places[0] != 0 {
		return dst, false
	}
	start := len(dst)
	for places = places[1:]; len(places) > 0; {
		kind := places[0]
		fromEnd, n := binary.Uvarint(places[1:])
		if n <= 0 {
			return dst[:start], false
		}
		size, m := binary.Uvarint(places[1+n:])
		if m <= 0 || fromEnd > uint64(len(header)) || size > fromEnd {
			return dst[:start], false
		}
		places = places[1+n+m:]
		if set>>kind&1 != 0 {
			at := len(header) - int(fromEnd)
			dst = append(dst, header[at:at+int(size)]...)
		}
	}
	return dst, true
}

// appendPlaces notes where the fields of a whole header are.
func appendPlaces(b []byte, h *message.Header) []byte {
	end := 0
	if n := len(h.Fields); n > 0 {
		end = int(h.Fields[n-1].End)
	}
	if rest := h.Raw[end:]; rest != "\r\n" && rest != "\n" {
		return b
	}
	out, count, end := append(b, byte(len(fieldNames))), 0, 0
	for _, f := range h.Fields {
		if int(f.Start) != end || count > maxFields {
			return b
		}
		end = int(f.End)
		if kind, ok := fieldKind(h.Name(f)); ok {
			out = appendPlace(out, kind, len(h.Raw)-int(f.Start), int(f.End-f.Start))
			count++
		}
	}
	if count > maxFields {
		return b
	}
	return out
}

// appendPlace notes where a field is that begins so many octets before the header's end.
func appendPlace(b []byte, kind byte, fromEnd, size int) []byte {
	b = binary.AppendUvarint(append(b, kind), uint64(fromEnd))
	return binary.AppendUvarint(b, uint64(size))
}

// appendPrefixedPlaces is appendPlaces for a header of which old tells the places, and that has behind octets, with fields in front.
func appendPrefixedPlaces(b, old, fields []byte, behind int) []byte {
	if len(old) == 0 || int(old[0]) != len(fieldNames) {
		return b
	}
	out, count := append(b, old[0]), 0
	for at, end := 0, 0; at < len(fields); at = end {
		end = at + message.FieldEnd(fields[at:])
		name, ok := message.FieldName(fields[at:end])
		if !ok || count > maxFields {
			return b
		}
		if kind, ok := fieldKind(string(name)); ok {
			out = appendPlace(out, kind, behind+len(fields)-at, end-at)
			count++
		}
	}
	for c := read(old[1:]); c.Rest() > 0 && !c.Bad(); count++ {
		c.Byte()
		c.Uint()
		c.Uint()
	}
	if count > maxFields {
		return b
	}
	return append(out, old[1:]...)
}
