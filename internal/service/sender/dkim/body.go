package dkim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
	"sync"

	"postroad/internal/fault/spoil"
)

// Bodies computes the digests of a body that signatures ask for, each canonical form once
// for all of them.
type Bodies struct {
	simple, relaxed *canonical
}

// Whole is the limit of a digest of the whole body.
const Whole = math.MaxInt64

// Want asks for the SHA-256 digest of the first limit octets of a canonical form. It must
// be called before the first Write.
func (b *Bodies) Want(relaxed bool, limit int64) *BodyDigest {
	c := &b.simple
	if relaxed {
		c = &b.relaxed
	}
	if *c == nil {
		*c = forms.Get().(*canonical)
		(*c).relaxed = relaxed
	}
	for _, d := range (*c).digests {
		if d.limit == limit {
			return d
		}
	}
	d := &BodyDigest{limit: limit}
	(*c).digests = append((*c).digests, d)
	return d
}

// Write takes the next portion of the body.
func (b *Bodies) Write(p []byte) (int, error) {
	if b.simple != nil {
		b.simple.write(p)
	}
	if b.relaxed != nil {
		b.relaxed.write(p)
	}
	return len(p), nil
}

// Close says that the body is complete. Digests are ready after it. Nothing must be wanted or written then.
func (b *Bodies) Close() {
	for _, c := range []**canonical{&b.simple, &b.relaxed} {
		if *c != nil {
			(*c).close()
			(*c).leave()
			*c = nil
		}
	}
}

// BodyDigest is the digest of a canonical form of a body, or of its beginning.
type BodyDigest struct {
	limit, length int64
	h             hash.Hash // of all but the last portion; nil: there was none yet, as with most messages
	sum           [sha256.Size]byte
	complete      bool // sum is
}

func (d *BodyDigest) write(p []byte) {
	p = d.signed(p)
	if d.h == nil {
		d.h = sha256.New()
	}
	d.h.Write(p)
}

// end is write of the last portion.
func (d *BodyDigest) end(p []byte) {
	p = d.signed(p)
	d.complete = true
	if d.h == nil {
		d.sum = sha256.Sum256(p)
		return
	}
	d.h.Write(p)
	d.h.Sum(d.sum[:0])
}

// signed counts a portion, and returns what of it is below the limit.
func (d *BodyDigest) signed(p []byte) []byte {
	left := d.limit - min(d.length, d.limit)
	d.length += int64(len(p))
	return p[:min(left, int64(len(p)))]
}

// Sum returns the digest, which the caller must not change.
func (d *BodyDigest) Sum() []byte { return d.sum[:] }

// Length is that of the whole canonical form, in octets, whatever the limit.
func (d *BodyDigest) Length() int64 { return d.length }

const canonicalBuffer = 8 << 10

// forms are used again; those of bodies that don't come to an end are left to the garbage collector.
var forms = sync.Pool{New: func() any { return new(canonical) }}

// canonical brings a body into a canonical form (RFC 6376 §3.4.3, §3.4.4) and hands it to the digests.
type canonical struct {
	relaxed bool
	// breaks counts the line ends held back: those at the end of the body don't count.
	breaks int64
	// space: white space is held back, for there may be nothing after it on its line.
	space bool
	// cr: the last octet was a CR; whether it is half a line end the next one tells.
	cr bool
	// any: something has been handed on.
	any     bool
	digests []*BodyDigest
	// out[:n] is to be handed to the digests.
	n   int
	out [canonicalBuffer]byte
}

// leave makes c ready for another body.
func (c *canonical) leave() {
	c.breaks, c.space, c.cr, c.any, c.n = 0, false, false, false, 0
	clear(c.digests)
	spoil.Bytes(c.out[:])
	if c.digests = c.digests[:0]; cap(c.digests) > 16 {
		c.digests = nil
	}
	forms.Put(c)
}

// plain says of each octet whether it always stands for itself.
var plain = func() (t [256]bool) {
	for i := range t {
		t[i] = i != '\r' && i != ' ' && i != '\t'
	}
	return t
}()

func (c *canonical) write(p []byte) {
	if c.cr && len(p) > 0 {
		c.cr = false
		if p[0] == '\n' {
			c.lineEnd()
			p = p[1:]
		} else {
			c.text([]byte{'\r'})
		}
	}
	for len(p) > 0 {
		n := c.run(p)
		if n > 0 {
			c.text(p[:n])
			p = p[n:]
			continue
		}
		switch {
		case p[0] != '\r': // white space, of a relaxed form
			c.space = true
			p = p[1:]
		case len(p) == 1:
			c.cr = true
			return
		case p[1] == '\n':
			c.lineEnd()
			p = p[2:]
		default:
			c.text(p[:1])
			p = p[1:]
		}
	}
}

// run is how many octets at the beginning of p stand for themselves.
func (c *canonical) run(p []byte) int {
	i := 0
	for i < len(p) {
		if c.relaxed {
			i += words(p[i:])
		} else if n := bytes.IndexByte(p[i:], '\r'); n >= 0 {
			i += n
		} else {
			return len(p)
		}
		// A line end between two characters stays: going on makes runs of paragraphs, not of lines.
		if i == 0 || len(p)-i < 3 || p[i] != '\r' || p[i+1] != '\n' || !plain[p[i+2]] {
			break
		}
		i += 2
	}
	return i
}

// words is how many octets at the beginning of p are neither a line end nor white space, or else a single space between two such.
func words(p []byte) int {
	if len(p) == 0 || !plain[p[0]] {
		return 0
	}
	for i := usual(p); i < len(p); i++ {
		if !plain[p[i]] && (p[i] != ' ' || i+1 == len(p) || !plain[p[i+1]]) {
			return i
		}
	}
	return len(p)
}

// usual is words, but that it looks at eight octets at a time, and leaves to others those among which there are two spaces, or what is below them. Which octets
// of the eight are such, their highest bits tell; those beyond the first may err, but that doesn't matter then.
func usual(p []byte) int {
	const each, highest = 0x0101010101010101, 0x8080808080808080
	i, last := 0, uint64(0) // last is not zero behind a space, of which the next octet tells whether it stays
	for ; len(p)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		below := (w - each*' ') &^ w & highest
		w ^= each * ' '
		spaces := (w - each) &^ w & highest
		if below|spaces&(spaces<<8|last) != 0 {
			break
		}
		last = spaces >> 56
	}
	if last != 0 {
		i--
	}
	return i
}

// text hands on what is not white space or line end, after what had been held back for it.
func (c *canonical) text(p []byte) {
	for ; c.breaks > 0; c.breaks-- {
		c.emit(crlf)
	}
	if c.space {
		c.emit(blank)
		c.space = false
	}
	c.emit(p)
}

var crlf, blank = []byte("\r\n"), []byte(" ")

func (c *canonical) lineEnd() {
	c.breaks++
	c.space = false
}

func (c *canonical) emit(p []byte) {
	c.any = true
	if len(p) > len(c.out)-c.n {
		c.hand(c.out[:c.n])
		c.n = 0
	}
	if len(p) > len(c.out) {
		c.hand(p)
		return
	}
	c.n += copy(c.out[c.n:], p)
}

func (c *canonical) hand(p []byte) {
	if len(p) == 0 {
		return
	}
	for _, d := range c.digests {
		d.write(p)
	}
}

// close ends the body: with one line end if there is any text; an empty body is a line end in the simple form, and
// nothing in the relaxed one.
func (c *canonical) close() {
	if c.cr {
		c.text([]byte{'\r'})
	}
	if c.any || !c.relaxed {
		c.emit(crlf)
	}
	for _, d := range c.digests {
		d.end(c.out[:c.n])
	}
}
