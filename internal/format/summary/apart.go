package summary

import (
	"encoding/binary"
)

// Most of a long header is seldom read: where a message went through, its signatures. And lists of messages need a few fields only. So a
// record may be kept in three pieces, which its readers read apart:
//
//   - the brief record, which is the record without the header, and says so in secApart
//   - the usual fields of the header
//   - the rest of the header
//
// The usual fields begin with
//
//	octet    version (1)
//	octets   the kinds of fields that are here, a FieldSet; 64 bits, big-endian
//	uvarint  the size of the table that follows: for each field, in their order,
//	octet    its kind
//	uvarint  its size
//
// and then come the fields themselves. The rest begins with
//
//	octet    version (1)
//	uvarint  the header's size
//	uvarint  the size of what follows
//	octets   where fields of the whole header are: the section secFields
//
// and then comes what lies between the usual fields.

// apart is what secApart has in a brief record.
const apart = 1

// leastRest is how much of a header must be seldom read for three pieces to be worth while, in octets: each piece costs a record.
const leastRest = 512

// usual are the kinds of fields that mailing programs ask for in lists of messages.
var usual = func() FieldSet {
	set, _ := FieldsOf([][]byte{
		[]byte("from"), []byte("to"), []byte("cc"), []byte("bcc"), []byte("subject"), []byte("date"), []byte("sender"), []byte("reply-to"),
		[]byte("message-id"), []byte("in-reply-to"), []byte("references"), []byte("content-type"), []byte("content-transfer-encoding"),
		[]byte("content-description"), []byte("mime-version"), []byte("priority"), []byte("x-priority"), []byte("importance"),
		[]byte("newsgroups"), []byte("resent-message-id"), []byte("lines"), []byte("x-label"), []byte("list-id"), []byte("list-post"),
		[]byte("mail-followup-to"), []byte("mail-reply-to"), []byte("disposition-notification-to"), []byte("chat-version"),
		[]byte("x-k9mail-identity"), []byte("x-uniform-type-identifier"), []byte("x-universally-unique-identifier"),
		[]byte("x-spam-status"), []byte("x-spam-flag"), []byte("thread-topic"),
	})
	return set
}()

// Usual reports whether the set has kinds of fields only that are kept apart from the rest of the header, where that is worth while.
func (s FieldSet) Usual() bool { return s&^usual == 0 }

// Pieces is a record in three pieces.
type Pieces struct {
	Brief  Record
	Fields Fields
	Rest   Rest
}

// Fields are the usual fields of a header.
type Fields []byte

// Rest is the rest of it, and where the fields belong.
type Rest []byte

// Apart reports whether the record is brief, so that the header, if anybody wants it, is to be had from the other pieces.
func (r Record) Apart() bool {
	s := r.section(secApart)
	return len(s) == 1 && s[0] == apart
}

// Split returns the record in three pieces, in memory of their own. It reports false if that isn't worth while.
func (r Record) Split() (p Pieces, ok bool) { return r.SplitIn(nil, nil) }

// SplitIn is Split of what Prefixed returns; fields may be nothing. The pieces lie in room, which becomes larger if it has too little; nil: in memory
// of their own.
func (r Record) SplitIn(room *[]byte, fields []byte) (p Pieces, ok bool) {
	h := frontedHeader{fields, r.section(secHeader)}
	var placesRoom [maxFields * 6]byte
	places := r.placesIn(placesRoom[:0], fields, len(h.rest))
	if len(places) == 0 || h.size() > MaxHeader {
		return p, false
	}
	var tableRoom [maxFields * 4]byte
	table, kept := tableRoom[:0], 0
	for pl := readPlaces(places, h.size()); pl.next(); {
		if usual>>pl.kind&1 != 0 {
			table = binary.AppendUvarint(append(table, pl.kind), uint64(pl.size))
			kept += pl.size
		}
	}
	if h.size()-kept < leastRest {
		return p, false
	}
	if room == nil {
		room = new([]byte)
	}
	if most := len(r) + len(fields) + len(table) + 64; cap(*room) < most {
		*room = make([]byte, 0, most)
	}
	b := r.appendBrief((*room)[:0], len(fields))
	brief := len(b)
	b = h.appendUsual(b, places, table)
	usual := len(b)
	b = h.appendRest(b, places)
	*room = b
	p = Pieces{b[:brief:brief], b[brief:usual:usual], b[usual:len(b):len(b)]}
	return p, len(p.Brief)+h.size()+len(places) <= MaxSize
}

// placesIn is the section secFields with fields in front of a header of so many octets, in room if there is enough; empty if what is in pieces
// couldn't tell them.
func (r Record) placesIn(room, fields []byte, header int) []byte {
	places := r.section(secFields)
	if len(places) == 0 || len(fields) == 0 && int(r[1]) != sections {
		return nil
	}
	if len(fields) > 0 {
		return appendPrefixedPlaces(room, places, fields, header)
	}
	return places
}

// A frontedHeader is a header with fields in front that lie elsewhere.
type frontedHeader struct{ front, rest []byte }

func (h *frontedHeader) size() int { return len(h.front) + len(h.rest) }

// appendTo appends a range of its octets.
func (h *frontedHeader) appendTo(b []byte, from, to int) []byte {
	n := len(h.front)
	if from < n {
		b = append(b, h.front[from:min(to, n)]...)
	}
	if to > n {
		b = append(b, h.rest[max(from, n)-n:to-n]...)
	}
	return b
}

// appendUsual appends the Fields of a header whose fields have such places, given the table of the usual ones.
func (h *frontedHeader) appendUsual(b, places, table []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, version), uint64(usual))
	b = append(binary.AppendUvarint(b, uint64(len(table))), table...)
	for pl := readPlaces(places, h.size()); pl.next(); {
		if usual>>pl.kind&1 != 0 {
			b = h.appendTo(b, pl.at, pl.at+pl.size)
		}
	}
	return b
}

// appendRest appends the Rest of such a header.
func (h *frontedHeader) appendRest(b, places []byte) []byte {
	b = binary.AppendUvarint(append(b, version), uint64(h.size()))
	b = append(binary.AppendUvarint(b, uint64(len(places))), places...)
	at := 0
	for pl := readPlaces(places, h.size()); pl.next(); {
		if usual>>pl.kind&1 != 0 {
			b = h.appendTo(b, at, pl.at)
			at = pl.at + pl.size
		}
	}
	return h.appendTo(b, at, h.size())
}

// appendBrief appends the brief record of a whole one whose message got so many more octets of header.
func (r Record) appendBrief(dst []byte, more int) []byte {
	start, body := len(dst), len(dst)+tableStart+4*sections
	b := append(dst, make([]byte, tableStart+4*sections)...)
	for sec := range sections {
		switch sec {
		case secHeader, secFields:
		case secApart:
			b = append(b, apart)
		case secParts:
			if more > 0 {
				b = appendShifted(b, r.section(sec), more)
				break
			}
			fallthrough
		default:
			b = append(b, r.section(sec)...)
		}
		binary.BigEndian.PutUint32(b[start+tableStart+4*sec:], uint32(len(b)-body))
	}
	b[start], b[start+1] = version, sections
	return b
}

// AppendWhole appends the whole record of a brief one, given the header, and the rest that it was made of.
func (r Record) AppendWhole(dst []byte, header []byte, rest Rest) Record {
	places, _, _, _ := rest.read()
	w := &writer{buf: append(dst, make([]byte, tableStart+4*sections)...)}
	start := len(dst)
	for sec := range sections {
		switch sec {
		case secHeader:
			w.buf = append(w.buf, header...)
		case secFields:
			w.buf = append(w.buf, places...)
		case secApart:
		default:
			w.buf = append(w.buf, r.section(sec)...)
		}
		binary.BigEndian.PutUint32(w.buf[start+tableStart+4*sec:], uint32(len(w.buf)-start-tableStart-4*sections))
	}
	w.buf[start], w.buf[start+1] = version, sections
	return w.buf[start:]
}

// AppendHeader appends the whole header. It reports false, and appends nothing, if the pieces don't belong together.
func (f Fields) AppendHeader(dst []byte, rest Rest) ([]byte, bool) {
	kinds, _, kept, ok := f.read()
	places, between, size, found := rest.read()
	if !ok || !found || size != uint64(len(kept)+len(between)) {
		return dst, false
	}
	start, at := len(dst), 0
	p := readPlaces(places, len(kept)+len(between))
	for p.next() {
		if kinds>>p.kind&1 == 0 {
			continue
		}
		n := p.at - at
		if n > len(between) || p.size > len(kept) {
			return dst[:start], false
		}
		dst = append(append(dst, between[:n]...), kept[:p.size]...)
		between, kept, at = between[n:], kept[p.size:], p.at+p.size
	}
	if len(p.rest)+len(kept) > 0 {
		return dst[:start], false
	}
	return append(dst, between...), true
}

// Append appends the fields in the set to dst: as they came, in their order. It reports false, and appends nothing, if there may be some in the
// rest of the header, or these are damaged.
func (f Fields) Append(dst []byte, set FieldSet) ([]byte, bool) {
	kinds, table, kept, ok := f.read()
	if !ok || set&^kinds != 0 {
		return dst, false
	}
	start := len(dst)
	for len(table) > 1 {
		kind, size, n := table[0], uint64(table[1]), 1
		if size >= 0x80 {
			size, n = binary.Uvarint(table[1:])
		}
		if n <= 0 || size > uint64(len(kept)) {
			return dst[:start], false
		}
		if set>>kind&1 != 0 {
			dst = append(dst, kept[:size]...)
		}
		table, kept = table[1+n:], kept[size:]
	}
	if len(table)+len(kept) > 0 {
		return dst[:start], false
	}
	return dst, true
}

// read parts the fields from what is said of them. It reports false if they are damaged.
func (f Fields) read() (kinds FieldSet, table, kept []byte, ok bool) {
	const start = 9
	if len(f) < start || f[0] != version {
		return 0, nil, nil, false
	}
	size, n := binary.Uvarint(f[start:])
	if n <= 0 || size > uint64(len(f)-start-n) {
		return 0, nil, nil, false
	}
	b := f[start+n:]
	return FieldSet(binary.BigEndian.Uint64(f[1:])), b[:size], b[size:], true
}

// read parts what lies between the fields from where those are, in a header of so many octets. It reports false if it is damaged.
func (r Rest) read() (places, between []byte, header uint64, ok bool) {
	if len(r) < 1 || r[0] != version {
		return nil, nil, 0, false
	}
	b := r[1:]
	header, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, nil, 0, false
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, 0, false
	}
	b = b[n:]
	return b[:size], b[size:], header, true
}

// places goes through the section secFields of a header of so many octets.
type places struct {
	rest []byte
	of   int
	end  int // of the field before
	place
}

// place is where a field of some kind is in a header.
type place struct {
	kind     byte
	at, size int
}

func readPlaces(section []byte, header int) places {
	if len(section) > 0 {
		section = section[1:]
	}
	return places{rest: section, of: header}
}

// next goes to the next field. It reports false if there is none, or what is written of it is damaged.
func (p *places) next() bool {
	if len(p.rest) == 0 {
		return false
	}
	kind := p.rest[0]
	fromEnd, n := binary.Uvarint(p.rest[1:])
	if n <= 0 {
		return false
	}
	size, m := binary.Uvarint(p.rest[1+n:])
	if m <= 0 || fromEnd > uint64(p.of) || size > fromEnd || p.of-int(fromEnd) < p.end {
		return false
	}
	p.rest = p.rest[1+n+m:]
	p.place = place{kind, p.of - int(fromEnd), int(size)}
	p.end = p.at + p.size
	return true
}
