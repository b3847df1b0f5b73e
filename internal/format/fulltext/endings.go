package fulltext

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Of numbers, and of what machines make up, nearly all blocks have nearly all grams: they don't tell where "…403817" is. But a needle that goes on behind
// such a word ("403817@example.org") says how it ends. So guides of many blocks have records beside them that say for endings, the last five bytes
// of terms, in which blocks they are. Endings are in buckets, by a hash; a record has bucketsEach of them:
//
//	version; for each bucket how many entries there are up to its end, and the entries, all of 2 bytes, big-endian. An entry is the block, 3 more bits of
//	the hash and 3 of the byte in front of the ending; everywhere instead stands for too many entries
//
// Records that are damaged say nothing.
const (
	endingsVersion = 1
	endingLength   = 5
	bucketsEach    = 4096

	// endingsFrom is how many blocks a segment's only guide has when it has endings: the grams say enough of fewer.
	endingsFrom = 128

	// endingBits is how many bits of an ending's hash are known: the number of its bucket, of at most bucketBits, and checkBits.
	endingBits            = bucketBits + checkBits
	bucketBits, checkBits = 17, 3
	frontBits             = 3
	blockShift            = checkBits + frontBits

	everywhere = 1<<16 - 1
	// mostEntries is how many entries a bucket has, and entriesEach how many a record has before buckets get none. Words of people's
	// often end in the same; others may be made so.
	mostEntries, entriesEach = 256, 56 << 10
)

// ending is what is known of the end of a term: its hash, and what stands in front of it. The zero value is none.
type ending uint32

func endingOf(term []byte) (e ending, ok bool) {
	n := len(term) - endingLength
	if n < 0 {
		return 0, false
	}
	hash := (uint64(binary.LittleEndian.Uint32(term[n:])) | uint64(term[n+4])<<32) * 0x9e3779b97f4a7c15
	hash = (hash ^ hash>>32) * 0xd6e8feb86659fd93 // numbers are much alike
	e = ending(hash>>(64-endingBits)) << frontBits
	if n > 0 {
		e |= ending(term[n-1] & (1<<frontBits - 1))
	}
	return e, true
}

// bucket is where the ending is, of so many buckets.
func (e ending) bucket(buckets int) int {
	return int(e) >> frontBits >> checkBits >> (bucketBits - bits.Len(uint(buckets)-1))
}

// check is the part of an entry that says more of the ending.
func (e ending) check(buckets int) uint16 {
	return uint16(e>>frontBits>>(bucketBits-bits.Len(uint(buckets)-1))&(1<<checkBits-1))<<frontBits | uint16(e&(1<<frontBits-1))
}

// soundBuckets reports whether there can be so many buckets.
func soundBuckets(n int) bool { return n >= 0 && n <= 1<<bucketBits && n&(n-1) == 0 }

// endingTable is the endings of some blocks. The zero value has no blocks.
type endingTable struct {
	all    []ending
	starts []int // where those of a block begin
}

// block begins a block.
func (t *endingTable) block() { t.starts = append(t.starts, len(t.all)) }

// add adds a term to the last block.
func (t *endingTable) add(term []byte) {
	if e, ok := endingOf(term); ok {
		t.all = append(t.all, e)
	}
}

// empty is a table with nothing in it, in the same memory.
func (t *endingTable) empty() endingTable { return endingTable{t.all[:0], t.starts[:0]} }

// take makes records of them all; buckets is 0 if there are none.
func (t *endingTable) take() (buckets int, records [][]byte) {
	if len(t.all) == 0 {
		return 0, nil
	}
	buckets = 1 << min(bits.Len(uint(len(t.all)/16)), bucketBits) // with 8 to 16 endings each
	ends, entries := t.sorted(buckets)
	from := uint32(0)
	for first := 0; first < buckets; first += bucketsEach {
		of := ends[first:min(first+bucketsEach, buckets)]
		records = append(records, appendBuckets(nil, of, entries, from))
		from = of[len(of)-1]
	}
	return buckets, records
}

// sorted is the entries of all endings, by their buckets, and in each by their blocks; and where those of each bucket end.
func (t *endingTable) sorted(buckets int) (ends []uint32, entries []uint16) {
	ends = make([]uint32, buckets+1)
	for _, e := range t.all {
		ends[e.bucket(buckets)+1]++
	}
	for k := range buckets {
		ends[k+1] += ends[k]
	}
	entries = make([]uint16, len(t.all))
	for block, start := range t.starts {
		end := len(t.all)
		if block+1 < len(t.starts) {
			end = t.starts[block+1]
		}
		for _, e := range t.all[start:end] {
			at := &ends[e.bucket(buckets)]
			entries[*at] = uint16(block)<<blockShift | e.check(buckets)
			*at++
		}
	}
	return ends[:buckets], entries
}

// appendBuckets appends the record of some buckets, whose entries begin at one and go up to ends.
func appendBuckets(out []byte, ends []uint32, entries []uint16, from uint32) []byte {
	out = append(out, endingsVersion)
	table := len(out)
	out = append(out, make([]byte, 2*len(ends))...)
	n := 0
	for k, end := range ends {
		bucket := entries[from:end]
		slices.Sort(bucket)
		bucket = slices.Compact(bucket)
		if len(bucket) > mostEntries || n+len(bucket) > entriesEach {
			bucket = append(bucket[:0], everywhere)
		}
		for _, e := range bucket {
			out = binary.BigEndian.AppendUint16(out, e)
		}
		n += len(bucket)
		binary.BigEndian.PutUint16(out[table+2*k:], uint16(n))
		from = end
	}
	return out
}

// Endings is how many records of endings there are beside the guide.
func (g *Guide) Endings() int { return (g.buckets + bucketsEach - 1) / bucketsEach }

// SoundEndings reports whether b can be one of its records.
func (g *Guide) SoundEndings(b []byte) bool {
	_, entries, ok := endingsIn(b, min(g.buckets, bucketsEach))
	return ok && len(entries)%2 == 0
}

// endingsIn takes a record of so many buckets apart.
func endingsIn(b []byte, buckets int) (ends, entries []byte, ok bool) {
	if len(b) < 1+2*buckets || b[0] != endingsVersion || buckets == 0 {
		return nil, nil, false
	}
	ends, entries = b[1:1+2*buckets], b[1+2*buckets:]
	return ends, entries, len(entries)/2 == int(binary.BigEndian.Uint16(ends[2*buckets-2:]))
}

// ending takes the blocks away from room that have no term that ends as a pattern does. It asks for the record that it needs.
func (g *Guide) ending(p *pattern, room []byte, record func(n int) ([]byte, error)) error {
	bucket := p.ending.bucket(g.buckets)
	b, err := record(bucket / bucketsEach)
	if err != nil {
		return err
	}
	ends, entries, ok := endingsIn(b, min(g.buckets, bucketsEach))
	if !ok {
		return nil
	}
	bucket %= bucketsEach
	from, to := 0, int(binary.BigEndian.Uint16(ends[2*bucket:]))
	if bucket > 0 {
		from = int(binary.BigEndian.Uint16(ends[2*bucket-2:]))
	}
	if from > to || 2*to > len(entries) {
		return nil
	}
	var have [guideBlocks / 4]byte
	want, known := p.ending.check(g.buckets), uint16(1<<blockShift-1)
	if !p.deep {
		known &^= 1<<frontBits - 1
	}
	for ; from < to; from++ {
		e := binary.BigEndian.Uint16(entries[2*from:])
		if e == everywhere {
			return nil
		}
		if (e^want)&known == 0 {
			have[e>>blockShift/8] |= 1 << (e >> blockShift % 8)
		}
	}
	if len(room) <= len(have) {
		and(room, have[:len(room)])
	}
	return nil
}
