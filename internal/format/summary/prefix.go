package summary

import (
	"encoding/binary"
)

// Prefixed returns the record of the same message with header fields in front: what Make would make of it, without parsing
// it again. fields are whole fields with their line ends, of kinds that a record doesn't tell of (trace fields and the
// like), and the message begins with a field.
func (r Record) Prefixed(fields []byte) Record {
	if len(fields) == 0 || !r.Valid() {
		return r
	}
	if out := r.prefixed(fields, true); len(out) <= MaxSize {
		return out
	}
	return r.prefixed(fields, false)
}

// prefixed makes such a record.
func (r Record) prefixed(fields []byte, withHeader bool) Record {
	w := &writer{buf: make([]byte, tableStart+4*sections, len(r)+len(fields)+64)}
	behind := len(r.Header())
	withHeader = withHeader && behind > 0 && len(fields)+behind <= MaxHeader
	for sec := range sections {
		switch old := r.section(sec); {
		case sec == secParts:
			w.buf = appendShifted(w.buf, old, len(fields))
		case sec == secHeader:
			if withHeader {
				w.buf = append(append(w.buf, fields...), old...)
			}
		case sec == secFields:
			if withHeader {
				w.buf = appendPrefixedPlaces(w.buf, old, fields, behind)
			}
		default:
			w.buf = append(w.buf, old...)
		}
		w.end(sec)
	}
	w.buf[0], w.buf[1] = version, sections
	return w.buf
}

// appendShifted copies a table of parts whose message got n more octets of header.
func appendShifted(b, table []byte, n int) []byte {
	c := read(table)
	for root := true; c.Rest() > 0 && !c.Bad(); root = false {
		b = append(b, c.Byte())
		children, offset, size := c.Uint(), c.Uint(), c.Uint()
		if root {
			size += uint64(n)
		} else {
			offset += uint64(n)
		}
		for _, v := range [...]uint64{children, offset, size, c.Uint(), c.Uint()} {
			b = binary.AppendUvarint(b, v)
		}
		for range 7 {
			s := c.Bytes()
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		}
	}
	return b
}
