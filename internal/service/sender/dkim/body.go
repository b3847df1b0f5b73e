package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"math"
	"sync"
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
		*c = &canonical{relaxed: relaxed, out: buffers.Get().(*[canonicalBuffer]byte)[:0]}
	}
	for _, d := range (*c).digests {
		if d.limit == limit {
			return d
		}
	}
	d := &BodyDigest{limit: limit, h: sha256.New()}
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

// Close says that the body is complete. Digests are ready after it.
func (b *Bodies) Close() {
	if b.simple != nil {
		b.simple.close()
	}
	if b.relaxed != nil {
		b.relaxed.close()
	}
}

// BodyDigest is the digest of a canonical form of a body, or of its beginning.
type BodyDigest struct {
	limit, length int64
	h             hash.Hash
}

func (d *BodyDigest) write(p []byte) {
	if left := d.limit - min(d.length, d.limit); int64(len(p)) > left {
		d.h.Write(p[:left])
	} else {
		d.h.Write(p)
	}
	d.length += int64(len(p))
}

// Sum returns the digest.
func (d *BodyDigest) Sum() []byte { return d.h.Sum(nil) }

// Length is that of the whole canonical form, in octets, whatever the limit.
func (d *BodyDigest) Length() int64 { return d.length }

const canonicalBuffer = 8 << 10

// buffers are for what is handed to the digests; those of bodies that don't come to an end are left to the garbage collector.
var buffers = sync.Pool{New: func() any { return new([canonicalBuffer]byte) }}

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
	out     []byte
	digests []*BodyDigest
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
	if !c.relaxed {
		if i := bytes.IndexByte(p, '\r'); i >= 0 {
			return i
		}
		return len(p)
	}
	i := 0
	for i < len(p) {
		if plain[p[i]] {
			i++
			continue
		}
		// A single space inside a line stays: going on makes runs of lines, not of words.
		if p[i] == ' ' && i > 0 && i+1 < len(p) && plain[p[i+1]] {
			i += 2
			continue
		}
		break
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
	if len(c.out)+len(p) > cap(c.out) {
		c.flush()
	}
	if len(p) > cap(c.out) {
		c.hand(p)
		return
	}
	c.out = append(c.out, p...)
}

func (c *canonical) flush() {
	c.hand(c.out)
	c.out = c.out[:0]
}

func (c *canonical) hand(p []byte) {
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
	c.flush()
	if cap(c.out) == canonicalBuffer {
		buffers.Put((*[canonicalBuffer]byte)(c.out[:canonicalBuffer]))
		c.out = nil
	}
}
