package dkim

import "crypto/sha256"

// Digester computes what signatures over one header cover.
type Digester struct {
	header Header
	byName map[string][]int
	used   map[string]int
	buf    []byte
}

// NewDigester makes a Digester for a header.
func NewDigester(h Header) *Digester {
	d := &Digester{header: h, byName: make(map[string][]int, len(h)), used: map[string]int{}}
	for i, f := range h {
		d.byName[f.Name] = append(d.byName[f.Name], i)
	}
	return d
}

// Digest is the SHA-256 digest of the fields that s covers and of own, the raw field of s itself without the
// signature's value (RFC 6376 §3.7). It takes time in the header's length and the number of names, whatever they are.
func (d *Digester) Digest(s *Signature, own string) []byte {
	clear(d.used)
	sum := sha256.New()
	for _, name := range s.Headers {
		if i := d.next(name); i >= 0 {
			d.buf = append(appendField(d.buf[:0], d.header[i].Raw, s.RelaxedHeader), crlf...)
			sum.Write(d.buf)
		}
	}
	d.buf = appendField(d.buf[:0], WithoutSignature(own), s.RelaxedHeader)
	sum.Write(d.buf)
	return sum.Sum(nil)
}

// next returns the index of the lowest field of a name not taken yet (RFC 6376 §5.4.2); -1 if there
// is none: it is signed to be absent.
func (d *Digester) next(name string) int {
	at := d.byName[name]
	n := d.used[name]
	if n >= len(at) {
		return -1
	}
	d.used[name] = n + 1
	return at[len(at)-1-n]
}
