package trace

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

const (
	blockEvents = 256
	blockBytes  = 64 << 10 // before compression; the last event may go beyond it
)

// block is events on their way to the disk.
type block struct {
	seq     uint64
	events  int
	dirty   int    // of them, those that are not on disk
	raw     []byte // what was written never changes, so a part of it may be read while more is added
	hashes  []uint32
	from    int64 // times of the events, in microseconds: the first
	to      int64 // and the last
	written int64 // bytes that it takes on disk now
}

func newBlock(seq uint64) *block {
	return &block{seq: seq, raw: make([]byte, 0, blockBytes/2), hashes: make([]uint32, 0, 4*blockEvents), from: math.MaxInt64}
}

func (b *block) isFull() bool { return b.events >= blockEvents || len(b.raw) >= blockBytes }

// add writes an event down.
func (b *block) add(e *Event) {
	var scratch [1024]byte
	rec := e.append(scratch[:0])
	b.raw = binary.AppendUvarint(b.raw, uint64(len(rec)))
	b.raw = append(b.raw, rec...)
	b.hashes = appendHashes(b.hashes, e)
	at := e.At.UnixMicro()
	b.from, b.to = min(b.from, at), max(b.to, at)
	b.events++
	b.dirty++
}

// forget makes the block empty, but for what is on disk of it, which is all forgotten with the next write.
func (b *block) forget() {
	*b = block{seq: b.seq, raw: b.raw[:0:0], from: math.MaxInt64, written: b.written}
}

// What hashes are of.
const (
	ofID      = 'i' // also of a copy's parent
	ofMessage = 'm'
	ofFrom    = 'f'
	ofTo      = 't'
	ofClient  = 'c'
)

// appendHashes appends the hashes of what an event can be found by.
func appendHashes(h []uint32, e *Event) []uint32 {
	if e.ID != "" {
		h = append(h, hash(ofID, cut(e.ID, maxID)))
	}
	if e.Parent != "" {
		h = append(h, hash(ofID, cut(e.Parent, maxID)))
	}
	if e.MessageID != "" {
		h = append(h, hash(ofMessage, cut(e.MessageID, 998)))
	}
	if e.hasSender() {
		h = appendAddress(h, ofFrom, e.From)
	}
	for _, to := range e.To[:min(len(e.To), MaxTo)] {
		h = appendAddress(h, ofTo, to)
	}
	if e.Client.Addr.IsValid() {
		h = append(h, hashAddr(e.Client.Addr))
	}
	return h
}

// appendAddress appends the hashes of an address and of its domain.
func appendAddress(h []uint32, of byte, address string) []uint32 {
	address = cut(address, maxAddress)
	if address == "" {
		return append(h, hash(of, null))
	}
	h = append(h, hashFolded(of, address))
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		h = append(h, hashFolded(of, address[at:]))
	}
	return h
}

// null is how people write the null reverse-path.
const null = "<>"

// Hashes are FNV-1a, of which hashBits are kept: with 1,500 in a block, one block in 10,000 is read in vain.
const (
	hashBits         = 24
	fnvBasis  uint64 = 14695981039346656037
	fnvPrime  uint64 = 1099511628211
	asciiFold        = 'a' - 'A'
)

func shorten(h uint64) uint32 { return uint32((h ^ h>>32) & (1<<hashBits - 1)) }

func hash(of byte, s string) uint32 {
	h := (fnvBasis ^ uint64(of)) * fnvPrime
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return shorten(h)
}

// hashFolded is hash without regard to case.
func hashFolded(of byte, s string) uint32 {
	h := (fnvBasis ^ uint64(of)) * fnvPrime
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return hash(of, strings.ToLower(s))
		}
		if 'A' <= c && c <= 'Z' {
			c += asciiFold
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return shorten(h)
}

func hashAddr(a netip.Addr) uint32 {
	b := a.Unmap().As16()
	return hash(ofClient, string(b[:]))
}

// snapshot is a block as it is at one moment.
type snapshot struct {
	block
	of *block
}

// encodeIndex writes the record that says what is in a block whose body has size bytes.
func (b *block) encodeIndex(size int, scratch []uint32) ([]byte, []uint32) {
	hs := append(scratch[:0], b.hashes...)
	slices.Sort(hs)
	hs = slices.Compact(hs)
	out := append(make([]byte, 0, 32+3*len(hs)), recordVersion)
	for _, n := range [...]uint64{uint64(b.events), uint64(b.from), uint64(b.to), uint64(size), uint64(len(hs))} {
		out = binary.AppendUvarint(out, n)
	}
	last := uint32(0)
	for _, h := range hs {
		out = binary.AppendUvarint(out, uint64(h-last))
		last = h
	}
	return out, hs
}

// index is a block's index as it is read.
type index struct {
	events   int
	from, to int64
	size     int // of the body
	hashes   record.Decoder
	count    int
}

func readIndex(v []byte) (x index, ok bool) {
	d := record.Decode(v, recordVersion)
	x = index{events: int(d.Uint()), from: int64(d.Uint()), to: int64(d.Uint()), size: int(d.Uint()), count: d.Count()}
	x.hashes = d
	return x, !d.Bad()
}

// has reports whether one of the hashes that are wanted, in order, is there. It may be asked once.
func (x *index) has(wanted []uint32) bool {
	h := uint32(0)
	for range x.count {
		h += uint32(x.hashes.Uint())
		for len(wanted) > 0 && wanted[0] < h {
			wanted = wanted[1:]
		}
		if len(wanted) == 0 {
			return false
		}
		if wanted[0] == h {
			return true
		}
	}
	return false
}

// packer compresses blocks. The zero value is ready.
type packer struct {
	enc    *zstd.Encoder
	body   []byte
	hashes []uint32
}

func (p *packer) pack(raw []byte) (_ []byte, err error) {
	if p.enc == nil {
		p.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
		if err != nil {
			return nil, err
		}
	}
	p.body = p.enc.EncodeAll(raw, append(p.body[:0], recordVersion))
	return p.body, nil
}

// maxRaw bounds what a damaged block may unfold to.
const maxRaw = 1 << 20

// unpacker unfolds blocks.
type unpacker struct {
	dec *zstd.Decoder
	raw []byte
}

func newUnpacker() (*unpacker, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw))
	return &unpacker{dec: dec}, err
}

func (u *unpacker) close() { u.dec.Close() }

// unpack gives a block's events as they were written. The result is valid until the next call.
func (u *unpacker) unpack(body []byte) (_ []byte, err error) {
	if len(body) == 0 || body[0] != recordVersion {
		return nil, damaged("block")
	}
	if u.raw, err = u.dec.DecodeAll(body[1:], u.raw[:0]); err != nil {
		return nil, damaged("block")
	}
	return u.raw, nil
}

// eachEvent gives the events of a block, oldest first. What can't be read is passed over.
func eachEvent(raw []byte, see func(Event)) {
	d := record.Read(raw)
	for d.Rest() > 0 {
		if e, ok := readEvent(d.Bytes()); ok && !d.Bad() {
			see(e)
		}
	}
}

// resume reads the last block, to go on with it if it isn't full.
func (l *Log) resume(r kv.Reader) (*block, error) {
	b := newBlock(l.state.next)
	if l.state.next == l.state.first {
		return b, nil
	}
	last := l.state.next - 1
	v, ok, err := r.Get(indexKey(last))
	if err != nil || !ok {
		return b, err
	}
	x, fine := readIndex(v)
	body, ok, err := r.Get(bodyKey(last))
	if err != nil || !ok || !fine || x.events >= blockEvents {
		return b, err
	}
	u, err := newUnpacker()
	if err != nil {
		return b, err
	}
	defer u.close()
	raw, err := u.unpack(body)
	if err != nil || len(raw) >= blockBytes {
		return b, nil // a damaged block stays as it is
	}
	b.seq, b.written = last, int64(len(v)+len(body))
	eachEvent(raw, func(e Event) { b.add(&e) })
	b.dirty = 0
	return b, nil
}
