// Package summary is what is stored beside each message, so that no protocol parses a message again to list, thread, sort,
// search by header or preview it, or to find one of its parts.
//
// A record is made once, when the message arrives, and read in place: its accessors cut pieces out of its bytes.
//
//	octet    0  version (1)
//	octet    1  number of sections, n
//	octets   2  n times: where the section ends, counted from the end of this table; 32 bits, big-endian
//	then        the sections, in the order of their numbers
//
// A later version may add sections at the end; a record that lacks one reads as if it were empty.
// A damaged record reads as one that says less: no accessor panics or reads outside of it.
package summary

import (
	"bytes"
	"encoding/binary"
	"sync"
	"time"

	"postroad/internal/fault/spoil"
	"postroad/internal/format/message"
	"postroad/internal/format/record"
)

const version = 1

// The sections. What is sent most comes first.
const (
	secEnvelope      = iota // IMAP text
	secBodyStructure        // IMAP text
	secParts                // see parts.go
	secHeader               // the header, verbatim, or nothing
	secPreview              // text
	secSubject              // decoded
	secBaseSubject          // a flag octet: 1 for a reply; the base subject
	secMessageID            // without brackets
	secInReplyTo            // strings
	secReferences           // strings
	secFrom                 // addresses, see addresses.go
	secSender
	secReplyTo
	secTo
	secCc
	secBcc
	secDate   // varint of the seconds since 1970, varint of the zone in minutes east
	secFields // where fields of the header are, see fields.go
	secApart  // in a brief record: that the header is kept apart, see apart.go
	sections
)

const tableStart = 2

// MaxHeader is how long a header may be to be kept in the record, in octets.
const MaxHeader = 16 << 10

// A Record is an encoded summary. It is safe for concurrent use; slices that it returns are parts of it and must not be
// changed. The zero value is an empty record.
type Record []byte

// Make returns the record of a message, given its structure and a preview of its text, which may be "". The record has at
// most MaxSize octets: of a message with more parts, addresses or names than that holds, it tells the first ones.
func Make(s *message.Structure, preview string) Record {
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	r := bytes.Clone(MakeIn(room, s, preview))
	spoil.Bytes(*room)
	if cap(*room) > maxRoom {
		*room = nil
	}
	return r
}

// MakeIn is Make for those who need the record as long as room is theirs: it lies in there. The room becomes larger if it has too little.
func MakeIn(room *[]byte, s *message.Structure, preview string) Record {
	w := &writer{buf: *room, charset: s.Charset()}
	for i := range details {
		w.detail = &details[i]
		w.buf = append(w.buf[:0], make([]byte, tableStart+4*sections)...)
		if w.record(s, preview); len(w.buf) <= MaxSize {
			break // at the latest here: the last detail is small enough for all messages
		}
	}
	*room = w.buf
	return w.buf[:len(w.buf):len(w.buf)]
}

// rooms are for records that are being made: how long they get is known only then.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// maxRoom is how large one may be to be used again, in octets.
const maxRoom = 64 << 10

// A writer builds a record.
type writer struct {
	buf     []byte
	detail  *detail
	charset string // of header text that is not UTF-8
}

// full reports whether the record is too big already, so that there is no use in going on.
func (w *writer) full() bool { return len(w.buf) > MaxSize }

func (w *writer) record(s *message.Structure, preview string) {
	e := s.Envelope
	root := s.Root
	if w.detail != &details[0] {
		left := w.detail.parts - 1
		root = prune(root, &left)
	}
	w.appendEnvelope(e)
	w.end(secEnvelope)
	w.appendBody(root)
	w.end(secBodyStructure)
	w.appendParts(root)
	w.end(secParts)
	kept := w.detail.header && root.HeaderSize <= MaxHeader && root.HeaderSize == int64(len(s.Header.Raw))
	if kept {
		w.buf = append(w.buf, s.Header.Raw...)
	}
	w.end(secHeader)
	w.buf = append(w.buf, w.detail.clipText(preview)...)
	w.end(secPreview)
	w.appendSubject(w.detail.clip(e.Subject))
	w.appendThread(e)
	w.appendAddresses(e)
	w.appendDate(e)
	if kept {
		w.buf = appendPlaces(w.buf, &s.Header)
	}
	w.end(secFields)
	w.end(secApart)
	w.buf[0], w.buf[1] = version, sections
}

// end notes that section sec ends here.
func (w *writer) end(sec int) {
	binary.BigEndian.PutUint32(w.buf[tableStart+4*sec:], uint32(len(w.buf)-tableStart-4*sections))
}

func (w *writer) appendSubject(subject string) {
	text := message.DecodeWordsIn(subject, w.charset)
	w.buf = append(w.buf, w.detail.clipText(text)...)
	w.end(secSubject)
	base, reply := message.BaseOfText(text)
	w.buf = append(w.buf, flag(reply))
	w.buf = append(w.buf, w.detail.clipText(base)...)
	w.end(secBaseSubject)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (w *writer) appendThread(e *message.Envelope) {
	if ids := message.ParseMessageIDs(e.MessageID); len(ids) > 0 {
		w.buf = append(w.buf, w.detail.clip(ids[0])...)
	}
	w.end(secMessageID)
	w.appendStrings(message.ParseMessageIDs(e.InReplyTo))
	w.end(secInReplyTo)
	w.appendStrings(message.ParseMessageIDs(e.References))
	w.end(secReferences)
}

func (w *writer) appendDate(e *message.Envelope) {
	if t, ok := message.ParseDate(e.Date); ok {
		_, zone := t.Zone()
		w.buf = binary.AppendVarint(w.buf, t.Unix())
		w.buf = binary.AppendVarint(w.buf, int64(zone/60))
	}
	w.end(secDate)
}

// appendStrings writes a list of strings, or the end of one that is too long: the last ones matter most.
func (w *writer) appendStrings(ss []string) {
	for _, s := range ss[max(len(ss)-w.detail.list, 0):] {
		w.appendString(w.detail.clip(s))
	}
}

func (w *writer) appendString(s string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(s)))
	w.buf = append(w.buf, s...)
}

// section returns the octets of section sec; nil if it is empty, missing or damaged.
func (r Record) section(sec int) []byte {
	if len(r) < tableStart || r[0] != version || sec >= int(r[1]) {
		return nil
	}
	n := int(r[1])
	body := tableStart + 4*n
	if len(r) < body {
		return nil
	}
	start := uint64(0)
	if sec > 0 {
		start = uint64(binary.BigEndian.Uint32(r[tableStart+4*(sec-1):]))
	}
	end := uint64(binary.BigEndian.Uint32(r[tableStart+4*sec:]))
	if start >= end || end > uint64(len(r)-body) {
		return nil
	}
	from, to := body+int(start), body+int(end)
	return r[from:to:to]
}

// Valid reports whether the record is one that this package can read at all.
func (r Record) Valid() bool {
	return len(r) >= tableStart && r[0] == version && len(r) >= tableStart+4*int(r[1])
}

// Envelope returns the message's IMAP ENVELOPE, "(...)", ready to be sent. RFC 9051 section 7.5.2.
// It suits IMAP4rev1 and IMAP4rev2: what isn't ASCII is a literal.
func (r Record) Envelope() []byte { return r.section(secEnvelope) }

// BodyStructure returns the message's IMAP BODYSTRUCTURE, "(...)", ready to be sent. RFC 9051 section 7.5.2.
func (r Record) BodyStructure() []byte { return r.section(secBodyStructure) }

// Header returns the message's header as it came, the empty line at its end included. It is nil if the header is longer
// than MaxHeader; the message itself has it then, at Root().Header. It is nil in a brief record, too, see Apart.
func (r Record) Header() []byte { return r.section(secHeader) }

// Preview returns the beginning of the message's text, or "".
func (r Record) Preview() string { return string(r.section(secPreview)) }

// Subject returns the subject, decoded.
func (r Record) Subject() string { return string(r.section(secSubject)) }

// BaseSubject returns the subject without the marks of replies and forwards, and whether there were any.
// RFC 5256 section 2.1.
func (r Record) BaseSubject() (base string, reply bool) {
	s := r.section(secBaseSubject)
	if len(s) == 0 {
		return "", false
	}
	return string(s[1:]), s[0] == 1
}

// MessageID returns the message's identifier without angle brackets, or "".
func (r Record) MessageID() string { return string(r.section(secMessageID)) }

// InReplyTo returns the identifiers in the In-Reply-To field.
func (r Record) InReplyTo() []string { return readStrings(r.section(secInReplyTo)) }

// References returns the identifiers in the References field, the oldest first.
func (r Record) References() []string { return readStrings(r.section(secReferences)) }

// SentDate returns the time in the Date field, in the zone given there, and whether there is one that can be read.
func (r Record) SentDate() (time.Time, bool) {
	c := read(r.section(secDate))
	unix, zone := c.Int(), c.Int()
	if c.Bad() || zone < -24*60 || zone > 24*60 {
		return time.Time{}, false
	}
	loc := time.UTC
	if zone != 0 {
		loc = time.FixedZone("", int(zone)*60)
	}
	return time.Unix(unix, 0).In(loc), true
}

func readStrings(b []byte) []string {
	var ss []string
	c := read(b)
	for c.Rest() > 0 && !c.Bad() {
		if s := c.Bytes(); !c.Bad() {
			ss = append(ss, string(s))
		}
	}
	return ss
}

// A cursor reads a section from front to back. When something is wrong it turns bad, and yields zeros from then on.
type cursor struct{ record.Decoder }

func read(section []byte) cursor { return cursor{record.Read(section)} }

// size reads a length or an offset.
func (c *cursor) size() int64 {
	v := c.Uint()
	if v > 1<<62 {
		c.Fail()
		return 0
	}
	return int64(v)
}
