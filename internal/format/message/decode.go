package message

import (
	"io"
	"slices"
)

// Decoder returns a reader of a body's octets with the given Content-Transfer-Encoding (lower case) undone.
// Nothing in the body is an error: what does not fit the encoding is skipped (base64) or kept as it is
// (quoted-printable). Unknown encodings are not undone. RFC 2045 section 6.
func Decoder(encoding string, r io.Reader) io.Reader {
	if d := newDecoder(encoding); d != nil {
		return newDecodeReader(r, d)
	}
	return r
}

// newDecoder returns a decoder for an encoding, or nil if the encoding changes nothing.
func newDecoder(encoding string) decoder {
	switch {
	case encoding == "base64":
		return &base64Decoder{}
	case encoding == "quoted-printable":
		return &qpDecoder{}
	case uuencoded(encoding):
		return &uuDecoder{}
	}
	return nil
}

// Identity reports whether a body of the given encoding is its own decoded form.
func Identity(encoding string) bool {
	return encoding != "base64" && encoding != "quoted-printable" && !uuencoded(encoding)
}

// KnownEncoding reports whether RFC 2045 knows the encoding, or we can undo it all the same.
func KnownEncoding(encoding string) bool {
	switch encoding {
	case "7bit", "8bit", "binary", "":
		return true
	}
	return !Identity(encoding)
}

func uuencoded(encoding string) bool {
	switch encoding {
	case "x-uuencode", "x-uue", "uuencode", "x-uu":
		return true
	}
	return false
}

// Body returns a reader of the part's decoded octets, where msg has the message.
func (p *Part) Body(msg io.ReaderAt) io.Reader {
	return Decoder(p.Encoding, io.NewSectionReader(msg, p.BodyOffset, p.BodySize))
}

// A decoder undoes an encoding portion by portion. Both methods append to out what is known and return it.
type decoder interface {
	decode(out, in []byte) []byte
	finish(out []byte) []byte
}

// A decodeReader reads through a decoder.
type decodeReader struct {
	r    io.Reader
	d    decoder
	src  []byte
	out  []byte
	rest []byte // of out: decoded, not read yet
	err  error
}

func newDecodeReader(r io.Reader, d decoder) *decodeReader {
	return &decodeReader{r: r, d: d, src: make([]byte, 8<<10)}
}

// Read implements io.Reader.
func (b *decodeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		var n int
		n, b.err = b.r.Read(b.src)
		b.out = b.d.decode(b.out[:0], b.src[:n])
		if b.err != nil {
			b.out = b.d.finish(b.out)
		}
		b.rest = b.out
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// base64Value has the value of each base64 character; other octets have notBase64, "=" has padding.
var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = notBase64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['='] = padding
	return t
}()

const (
	notBase64 = 0xff
	padding   = 0xfe
)

// A base64Decoder turns characters into octets, skipping what is neither base64 nor padding. Padding ends a group and
// not the text: some programs encode in pieces and join them.
type base64Decoder struct {
	bits uint32
	n    uint // bits waiting: 0, 6, 12 or 18
}

func (d *base64Decoder) decode(out, in []byte) []byte {
	for i := 0; i < len(in); i++ {
		if d.n == 0 {
			var n int
			out, n = base64Groups(out, in[i:])
			if i += n; i == len(in) {
				break
			}
		}
		switch v := base64Value[in[i]]; v {
		case notBase64:
		case padding:
			out = d.finish(out)
		default:
			d.bits, d.n = d.bits<<6|uint32(v), d.n+6
			if d.n == 24 {
				out = append(out, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
				d.bits, d.n = 0, 0
			}
		}
	}
	return out
}

// base64Groups decodes whole groups of four characters as long as nothing lies between them: nearly everything.
func base64Groups(out, in []byte) (_ []byte, read int) {
	out = slices.Grow(out, len(in)/4*3)
	dst := out[len(out):cap(out)]
	w := 0
	for len(in) >= 4 && len(dst)-w >= 3 {
		a, b, c, d := base64Value[in[0]], base64Value[in[1]], base64Value[in[2]], base64Value[in[3]]
		if (a|b|c|d)&0x80 != 0 {
			break
		}
		v := uint32(a)<<18 | uint32(b)<<12 | uint32(c)<<6 | uint32(d)
		to := dst[w : w+3 : w+3]
		to[0], to[1], to[2] = byte(v>>16), byte(v>>8), byte(v)
		w += 3
		in = in[4:]
	}
	return out[:len(out)+w], w / 3 * 4
}

// finish appends the octets of an incomplete group.
func (d *base64Decoder) finish(out []byte) []byte {
	switch d.n {
	case 12:
		out = append(out, byte(d.bits>>4))
	case 18:
		out = append(out, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.bits, d.n = 0, 0
	return out
}

// A qpDecoder undoes quoted-printable. Blanks before a line end vanish, an "=" that escapes nothing is kept, and a line
// end stays the one it is. RFC 2045 section 6.7.
type qpDecoder struct {
	held []byte // octets whose meaning depends on what follows: blanks and CR, or "=" and what belongs to it
}

// maxHeld bounds the blanks that wait for a line end.
const maxHeld = 1024

func (q *qpDecoder) decode(out, in []byte) []byte {
	out = slices.Grow(out, len(in))
	for i := 0; i < len(in); {
		if len(q.held) == 0 {
			n := qpPlain(in[i:])
			out = append(out, in[i:i+n]...)
			if i += n; i == len(in) {
				break
			}
			if c, ok := qpOctet(in[i:]); ok {
				out = append(out, c)
				i += 3
				continue
			}
		}
		out = q.step(out, in[i])
		i++
	}
	return out
}

// qpPlain is how many octets at the start of in stand for themselves, whatever follows them.
func qpPlain(in []byte) int {
	for i := 0; ; {
		for i < len(in) && qpText[in[i]] {
			i++
		}
		switch {
		case i < len(in) && in[i] == '=':
			return i
		case i > 0 && in[i-1] == ' ': // blanks that what follows decides about
			for i > 0 && in[i-1] == ' ' {
				i--
			}
			return i
		case i < len(in) && in[i] == '\n':
			i++
		case i+1 < len(in) && in[i] == '\r' && in[i+1] == '\n':
			i += 2
		default:
			return i
		}
	}
}

// qpText is the octets that stand for themselves inside a line.
var qpText = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '='
	}
	return t
}()

// qpOctet is the octet that in begins with, if it is escaped.
func qpOctet(in []byte) (c byte, ok bool) {
	if len(in) < 3 || in[0] != '=' {
		return 0, false
	}
	hi, lo := unhex(in[1]), unhex(in[2])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

func (q *qpDecoder) step(out []byte, c byte) []byte {
	if len(q.held) > 0 && q.held[0] == '=' {
		return q.escape(out, c)
	}
	switch c {
	case '\n':
		if n := len(q.held); n > 0 && q.held[n-1] == '\r' {
			out = append(out, '\r')
		}
		q.held = q.held[:0]
		return append(out, c)
	case ' ', '\t', '\r', '=':
		if len(q.held) >= maxHeld || c == '=' {
			out = q.release(out)
		}
		q.held = append(q.held, c)
		return out
	}
	return append(q.release(out), c)
}

// escape handles c after an "=": two hexadecimal digits, or a line end with or without blanks before it.
func (q *qpDecoder) escape(out []byte, c byte) []byte {
	last := q.held[len(q.held)-1]
	switch {
	case c == '\n' && (last == '=' || isWSP(last)):
		q.held = q.held[:0]
		return out
	case isWSP(c) && (last == '=' || isWSP(last)) && len(q.held) < maxHeld:
		q.held = append(q.held, c)
		return out
	case unhex(c) >= 0 && len(q.held) == 1:
		q.held = append(q.held, c)
		return out
	case unhex(c) >= 0 && len(q.held) == 2 && unhex(last) >= 0:
		q.held = q.held[:0]
		return append(out, byte(unhex(last)<<4|unhex(c)))
	}
	return q.step(q.release(out), c)
}

// release lets go of what was held, as it is.
func (q *qpDecoder) release(out []byte) []byte {
	out = append(out, q.held...)
	q.held = q.held[:0]
	return out
}

// finish drops what was held at the end if it is a soft line end or blanks, and keeps half an escape.
func (q *qpDecoder) finish(out []byte) []byte {
	if n := len(q.held); n > 0 && !isWSP(q.held[n-1]) && q.held[n-1] != '=' {
		return q.release(out)
	}
	q.held = q.held[:0]
	return out
}

// A uuDecoder undoes uuencode: the lines between "begin" and "end". POSIX, uuencode.
type uuDecoder struct {
	line  []byte
	begun bool
	ended bool
}

// maxUULine is longer than any line of uuencoded text: a length and 63 octets as 84 characters.
const maxUULine = 128

func (u *uuDecoder) decode(out, in []byte) []byte {
	for _, c := range in {
		if c != '\n' {
			if len(u.line) < maxUULine {
				u.line = append(u.line, c)
			}
			continue
		}
		out = u.endLine(out)
	}
	return out
}

func (u *uuDecoder) finish(out []byte) []byte { return u.endLine(out) }

func (u *uuDecoder) endLine(out []byte) []byte {
	line := u.line
	u.line = u.line[:0]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	switch {
	case u.ended || len(line) == 0:
		return out
	case !u.begun:
		u.begun = len(line) > 6 && string(line[:6]) == "begin "
		return out
	case string(line) == "end":
		u.ended = true
		return out
	}
	return uuLine(out, line)
}

func uuLine(out, line []byte) []byte {
	n := int(line[0]-' ') & 63
	line = line[1:]
	for i := 0; n > 0 && i < len(line); i += 4 {
		var v uint32
		for j := range 4 {
			v <<= 6
			if i+j < len(line) { // blanks at the end may have got lost
				v |= uint32(line[i+j]-' ') & 63
			}
		}
		group := [3]byte{byte(v >> 16), byte(v >> 8), byte(v)}
		out = append(out, group[:min(n, 3)]...)
		n -= 3
	}
	return out
}

// AppendDecoded appends a body of the given Content-Transfer-Encoding (lower case), decoded as Decoder does it. dst and body must not overlap.
func AppendDecoded(dst []byte, encoding string, body []byte) []byte {
	d := newDecoder(encoding)
	if d == nil {
		return append(dst, body...)
	}
	return d.finish(d.decode(dst, body))
}
