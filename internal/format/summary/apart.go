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
//	uvarint  the header's size
//	uvarint  the size of what follows
//	octets   where fields of the header are: the section secFields
//
// and then come the fields themselves, in their order.

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
	Rest   []byte
}

// Fields are the usual fields of a header.
type Fields []byte

// Apart reports whether the record is brief, so that the header, if anybody wants it, is to be had from the other pieces.
func (r Record) Apart() bool {
	s := r.section(secApart)
	return len(s) == 1 && s[0] == apart
}

// Split returns the record in three pieces, in memory of their own. It reports false if that isn't worth while.
func (r Record) Split() (p Pieces, ok bool) {
	header, places := r.section(secHeader), r.section(secFields)
	if len(places) == 0 || len(r) < tableStart || int(r[1]) != sections || len(header) < leastRest {
		return p, false
	}
	kept := 0
	for pl := readPlaces(places, len(header)); pl.next(); {
		if usual>>pl.kind&1 != 0 {
			kept += pl.size
		}
	}
	if len(header)-kept < leastRest {
		return p, false
	}
	buf := make([]byte, 0, len(r)+40)
	buf = r.appendBrief(buf)
	p.Brief, buf = Record(buf[:len(buf):len(buf)]), buf[len(buf):]
	buf = binary.BigEndian.AppendUint64(append(buf, version), uint64(usual))
	buf = binary.AppendUvarint(buf, uint64(len(header)))
	buf = append(binary.AppendUvarint(buf, uint64(len(places))), places...)
	for pl := readPlaces(places, len(header)); pl.next(); {
		if usual>>pl.kind&1 != 0 {
			buf = append(buf, header[pl.at:pl.at+pl.size]...)
		}
	}
	p.Fields, buf = Fields(buf[:len(buf):len(buf)]), buf[len(buf):]
	at := 0
	for pl := readPlaces(places, len(header)); pl.next(); {
		if usual>>pl.kind&1 != 0 {
			buf = append(buf, header[at:pl.at]...)
			at = pl.at + pl.size
		}
	}
	p.Rest = append(buf, header[at:]...)
	return p, true
}

// appendBrief appends the brief record of a whole one.
func (r Record) appendBrief(dst []byte) []byte {
	w := &writer{buf: append(dst, make([]byte, tableStart+4*sections)...)}
	start := len(dst)
	for sec := range sections {
		switch sec {
		case secHeader, secFields:
		case secApart:
			w.buf = append(w.buf, apart)
		default:
			w.buf = append(w.buf, r.section(sec)...)
		}
		binary.BigEndian.PutUint32(w.buf[start+tableStart+4*sec:], uint32(len(w.buf)-start-tableStart-4*sections))
	}
	w.buf[start], w.buf[start+1] = version, sections
	return w.buf
}

// AppendWhole appends the whole record of a brief one, given the usual fields and the header that AppendHeader has made of the pieces.
func (r Record) AppendWhole(dst []byte, f Fields, header []byte) Record {
	k := f.read()
	w := &writer{buf: append(dst, make([]byte, tableStart+4*sections)...)}
	start := len(dst)
	for sec := range sections {
		switch sec {
		case secHeader:
			w.buf = append(w.buf, header...)
		case secFields:
			w.buf = append(w.buf, k.places...)
		case secApart:
		default:
			w.buf = append(w.buf, r.section(sec)...)
		}
		binary.BigEndian.PutUint32(w.buf[start+tableStart+4*sec:], uint32(len(w.buf)-start-tableStart-4*sections))
	}
	w.buf[start], w.buf[start+1] = version, sections
	return w.buf[start:]
}

// AppendHeader appends the whole header, given the rest of it. It reports false, and appends nothing, if these don't belong together.
func (f Fields) AppendHeader(dst, rest []byte) ([]byte, bool) {
	k := f.read()
	if k.size != len(k.kept)+len(rest) || k.size == 0 {
		return dst, false
	}
	start, at := len(dst), 0
	p := readPlaces(k.places, k.size)
	for p.next() {
		if k.kinds>>p.kind&1 == 0 {
			continue
		}
		between := p.at - at
		if between > len(rest) || p.size > len(k.kept) {
			return dst[:start], false
		}
		dst = append(append(dst, rest[:between]...), k.kept[:p.size]...)
		rest, k.kept, at = rest[between:], k.kept[p.size:], p.at+p.size
	}
	if len(p.rest)+len(k.kept) > 0 {
		return dst[:start], false
	}
	return append(dst, rest...), true
}

// Append appends the fields in the set to dst: as they came, in their order. It reports false, and appends nothing, if there may be some in the
// rest of the header, or these are damaged.
func (f Fields) Append(dst []byte, set FieldSet) ([]byte, bool) {
	k := f.read()
	if set&^k.kinds != 0 || k.size == 0 {
		return dst, false
	}
	start := len(dst)
	p := readPlaces(k.places, k.size)
	for p.next() {
		if k.kinds>>p.kind&1 == 0 {
			continue
		}
		if p.size > len(k.kept) {
			return dst[:start], false
		}
		if set>>p.kind&1 != 0 {
			dst = append(dst, k.kept[:p.size]...)
		}
		k.kept = k.kept[p.size:]
	}
	if len(p.rest) > 0 {
		return dst[:start], false
	}
	return dst, true
}

// keptFields are Fields as they are read. The zero value is of damaged ones.
type keptFields struct {
	kinds  FieldSet
	size   int // of the header
	places []byte
	kept   []byte
}

func (f Fields) read() (k keptFields) {
	const start = 9
	if len(f) < start || f[0] != version {
		return k
	}
	size, n := binary.Uvarint(f[start:])
	if n <= 0 || size > MaxHeader {
		return k
	}
	b := f[start+n:]
	places, n := binary.Uvarint(b)
	if n <= 0 || places > uint64(len(b)-n) {
		return k
	}
	b = b[n:]
	return keptFields{kinds: FieldSet(binary.BigEndian.Uint64(f[1:])), size: int(size), places: b[:places], kept: b[places:]}
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
