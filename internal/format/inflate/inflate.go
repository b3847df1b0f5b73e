// Package inflate undoes DEFLATE (RFC 1951) for conversations: of the bytes that have come it gives out all that they say.
//
// The usual readers give text out when a block ends in a way that they know, or when they have much of it. A client that
// flushes otherwise (by an empty block of fixed codes, or in the middle of a block) and then waits for its answer would wait
// for ever. Here what can be known is given out. An Inflater that waits holds what may be referred to, 32 KiB at most and
// mostly little, and some 3 KiB of its own.
package inflate

import (
	"errors"

	"postroad/internal/fault"
)

// Window is how far back DEFLATE may refer, in bytes (RFC 1951 §2).
const Window = 32 << 10

// pending is about how much is inflated before it is taken, in bytes.
const pending = 16 << 10

// Inflater inflates one stream. The zero value is ready for one. It is not safe for concurrent use.
type Inflater struct {
	src  []byte // of the Write under way
	bits uint64 // read and not used, the first one lowest
	n    uint   // how many

	step  func(*Inflater) error // what comes next; nil: a block's header
	last  bool                  // the block is the last one
	ended bool
	left  int // bytes of a stored block that are to come

	counts  [3]int // of a dynamic block: codes for lengths and literals, for distances, for lengths of codes
	have    int    // lengths that have been read
	lengths [maxLit + maxDist]uint8
	codes   *tables

	own tables // of dynamic blocks
	out []byte // what was inflated: the window, and what has not been taken

	taken int
}

// tables are a block's codes.
type tables struct{ lit, dist table }

// errMore: the next element isn't there as a whole.
var errMore = errors.New("more has to come")

// Write inflates src, and returns how much of it was used: all, unless the stream has ended or much waits to be taken. It
// fails with fault.Invalid, now and ever after, if this is no DEFLATE stream.
func (f *Inflater) Write(src []byte) (used int, err error) {
	f.src = src
	for err == nil && !f.ended && f.Pending() < pending {
		f.fill()
		if f.step == nil {
			err = f.header()
		} else {
			err = f.step(f)
		}
	}
	used = len(src) - len(f.src)
	f.src = nil
	switch {
	case err == errMore:
		err = nil
	case err != nil:
		f.step = func(*Inflater) error { return err }
	case f.ended: // what was read ahead is none of ours
		used -= int(f.n / 8)
		f.bits, f.n = 0, 0
	}
	return used, err
}

// Pending is how many bytes wait to be taken.
func (f *Inflater) Pending() int { return len(f.out) - f.taken }

// Ended reports whether the stream has ended (RFC 1951 §3.2.3, BFINAL).
func (f *Inflater) Ended() bool { return f.ended }

// Take moves what was inflated to p, as far as there is room.
func (f *Inflater) Take(p []byte) int {
	n := copy(p, f.out[f.taken:])
	f.taken += n
	if f.taken > 2*Window {
		f.slide(cap(f.out))
	}
	return n
}

// Trim gives memory back that isn't needed while nothing comes.
func (f *Inflater) Trim() {
	if f.taken > Window+slack || cap(f.out) > len(f.out)+2*slack {
		f.slide(0)
	}
}

// Memory is how many bytes it holds besides its own.
func (f *Inflater) Memory() int { return cap(f.out) }

// slack is room for what comes next, in bytes, so that not each Trim has to move the window.
const slack = 4 << 10

// slide keeps the window and what has not been taken: where they are if room is all that there is, else in no more than they need.
func (f *Inflater) slide(room int) {
	kept := f.out[max(0, f.taken-Window):]
	f.taken -= len(f.out) - len(kept)
	if room == cap(f.out) {
		f.out = f.out[:copy(f.out, kept)]
		return
	}
	f.out = append(make([]byte, 0, len(kept)+slack), kept...)
}

// InBlock reports whether a block has begun and not ended.
func (f *Inflater) InBlock() bool { return f.step != nil }

// Ahead returns the whole bytes that were read and not used, for when the stream is given up.
func (f *Inflater) Ahead() (b []byte) {
	for n, bits := f.n, f.bits>>(f.n%8); n >= 8; n -= 8 {
		b = append(b, byte(bits))
		bits >>= 8
	}
	return b
}

// fill reads ahead: enough for any element, or all there is.
func (f *Inflater) fill() {
	for f.n <= 56 && len(f.src) > 0 {
		f.bits |= uint64(f.src[0]) << f.n
		f.src = f.src[1:]
		f.n += 8
	}
}

// take takes some bits, which must be there.
func (f *Inflater) take(n uint) uint64 {
	v := f.bits & (1<<n - 1)
	f.bits >>= n
	f.n -= n
	return v
}

func invalid(why string) error { return fault.New(fault.Invalid, "not a compressed stream: %s", why) }

// header: RFC 1951 §3.2.3.
func (f *Inflater) header() error {
	if f.n < 3 {
		return errMore
	}
	f.last = f.take(1) == 1
	switch f.take(2) {
	case 0:
		f.take(f.n % 8)
		f.step = (*Inflater).storedLength
	case 1:
		f.codes, f.step = fixedTables(), (*Inflater).symbols
	case 2:
		f.step = (*Inflater).dynamic
	default:
		return invalid("a block of unknown type")
	}
	return nil
}

// endBlock is called after a block's last element.
func (f *Inflater) endBlock() { f.step, f.ended = nil, f.last }

// storedLength: RFC 1951 §3.2.4.
func (f *Inflater) storedLength() error {
	if f.n < 32 {
		return errMore
	}
	f.left = int(f.take(16))
	if int(^f.take(16)&0xffff) != f.left {
		return invalid("a stored block's length is damaged")
	}
	f.step = (*Inflater).stored
	return nil
}

func (f *Inflater) stored() error {
	for f.left > 0 && f.n >= 8 {
		f.out = append(f.out, byte(f.take(8)))
		f.left--
	}
	n := min(f.left, len(f.src))
	f.out = append(f.out, f.src[:n]...)
	f.src = f.src[n:]
	if f.left -= n; f.left > 0 {
		return errMore
	}
	f.endBlock()
	return nil
}
