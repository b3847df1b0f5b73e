package dkim

import (
	"crypto/sha256"
	"strings"
)

// Digester computes what signatures over one header cover.
type Digester struct {
	header Header
	// few: header and signature have so few names that all are looked through for each; taken are the fields of the present signature.
	few   bool
	taken uint64
	// Of more, which somebody may have made up: where the fields of a name are, and how many of them are taken.
	byName map[string][]int
	used   map[string]int
}

// NewDigester makes a Digester for a header.
func NewDigester(h Header) *Digester { return &Digester{header: h} }

// begin begins a signature.
func (d *Digester) begin(s *Signature) {
	const few = 64 // the bits of taken
	d.few, d.taken = len(d.header) <= few && strings.Count(s.Names, ":") < few, 0
	if d.few {
		return
	}
	if clear(d.used); d.byName != nil {
		return
	}
	d.byName, d.used = make(map[string][]int, len(d.header)), map[string]int{}
	for i, f := range d.header {
		d.byName[f.Name] = append(d.byName[f.Name], i)
	}
}

// usualCover is what most signatures cover, in octets.
const usualCover = 4 << 10

// Digest is the SHA-256 digest of the fields that s covers and of own, the raw field of s itself without the
// signature's value (RFC 6376 §3.7). It takes time in the header's length and the number of names, whatever they are.
func (d *Digester) Digest(s *Signature, own string) []byte {
	d.begin(s)
	var room [usualCover]byte
	b := room[:0]
	for name := range strings.SplitSeq(s.Names, ":") {
		if name = trim(name); name == "" {
			continue // even if the header has a line that begins with a colon
		}
		if i := d.next(name); i >= 0 {
			b = append(appendField(b, d.header[i].Raw, s.RelaxedHeader), crlf...)
		}
	}
	sum := sha256.Sum256(appendUnsigned(b, own, s.RelaxedHeader))
	return sum[:]
}

// next returns the index of the lowest field of a name not taken yet (RFC 6376 §5.4.2); -1 if there
// is none: it is signed to be absent.
func (d *Digester) next(name string) int {
	if d.few {
		for i := len(d.header) - 1; i >= 0; i-- {
			if d.taken>>i&1 == 0 && same(d.header[i].Name, name) {
				d.taken |= 1 << i
				return i
			}
		}
		return -1
	}
	at := d.byName[name]
	n := d.used[name]
	if n >= len(at) {
		return -1
	}
	d.used[name] = n + 1
	return at[len(at)-1-n]
}
