package mailbox

import (
	"encoding/binary"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// A segment's list of contents is a record for every docsPart of them:
//
//	version, how many, for every docsBlock of them where the first one's entry begins behind this table (4 bytes, big-endian), and for each
//	content its number less the one before in its block; the first of a block as it is
//
// In version 1 there is neither number nor table nor are there blocks. So who looks for a few of them needs not read all.
const (
	docsVersion = 2
	docsBlock   = 64
	docsPart    = 1 << 17
)

func encodeDocs(docs []ContentID) []byte {
	b := binary.AppendUvarint([]byte{docsVersion}, uint64(len(docs)))
	var entries []byte
	last := ContentID(0)
	for i, id := range docs {
		if i%docsBlock == 0 {
			b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
			last = 0
		}
		entries = binary.AppendVarint(entries, int64(id-last))
		last = id
	}
	return append(b, entries...)
}

// docList is a segment's list of contents, read where it is needed. The zero value has none.
type docList struct {
	n      int
	plain  []ContentID // of version 1
	table  []byte
	blocks []byte

	block int // that is in room
	room  [docsBlock]ContentID
}

// openDocs reads a part of a segment's list. It is valid as long as the snapshot is.
func openDocs(r kv.Reader, s segment, part int) (docList, error) {
	v, ok, err := r.Get(segmentKey(s.id, segmentDocs, part))
	if err != nil {
		return docList{}, err
	}
	if !ok {
		return docList{}, fault.New(fault.Corrupt, "a segment of the text index has no list of contents")
	}
	l, err := decodeDocs(v)
	if err == nil && l.n != min(docsPart, s.docs-part*docsPart) {
		err = damagedDocs()
	}
	return l, err
}

func damagedDocs() error {
	return fault.New(fault.Corrupt, "the segment record is damaged")
}

func decodeDocs(v []byte) (docList, error) {
	d := decoder{record.Decode(v, docsVersion)}
	l := docList{block: -1}
	if !d.Bad() && v[0] == 1 {
		last := int64(0)
		for d.Rest() > 0 {
			last += d.Int()
			l.plain = append(l.plain, ContentID(last))
		}
		l.n = len(l.plain)
		return l, d.end("segment")
	}
	n := d.Uint()
	rest := v[len(v)-d.Rest():]
	if d.Bad() || n > docsPart || uint64(len(rest)) < 4*((n+docsBlock-1)/docsBlock) {
		return l, damagedDocs()
	}
	l.n = int(n)
	table := 4 * ((l.n + docsBlock - 1) / docsBlock)
	l.table, l.blocks = rest[:table], rest[table:]
	return l, nil
}

// at is content i.
func (l *docList) at(i int) (ContentID, error) {
	switch {
	case i >= l.n:
		return 0, damagedDocs()
	case l.plain != nil:
		return l.plain[i], nil
	}
	if l.block != i/docsBlock {
		if err := l.load(i / docsBlock); err != nil {
			return 0, err
		}
	}
	return l.room[i%docsBlock], nil
}

func (l *docList) load(block int) error {
	at := binary.BigEndian.Uint32(l.table[4*block:])
	if uint64(at) > uint64(len(l.blocks)) {
		return damagedDocs()
	}
	d := record.Read(l.blocks[at:])
	last := int64(0)
	for k := range min(docsBlock, l.n-block*docsBlock) {
		last += d.Int()
		l.room[k] = ContentID(last)
	}
	if d.Bad() {
		return damagedDocs()
	}
	l.block = block
	return nil
}

// docParts is a segment's list of contents, of which a record is read when it is needed.
type docParts struct {
	r    kv.Reader
	of   segment
	part int // that is in list, if that has any
	list docList
}

// at is content i.
func (d *docParts) at(i int) (ContentID, error) {
	if part := i / docsPart; d.list.n == 0 || d.part != part {
		l, err := openDocs(d.r, d.of, part)
		if err != nil {
			return 0, err
		}
		d.part, d.list = part, l
	}
	return d.list.at(i % docsPart)
}

// readDocs reads all of a segment's list.
func readDocs(r kv.Reader, s segment) ([]ContentID, error) {
	all := make([]ContentID, s.docs)
	docs := docParts{r: r, of: s}
	for i := range all {
		var err error
		if all[i], err = docs.at(i); err != nil {
			return nil, err
		}
	}
	return all, nil
}
