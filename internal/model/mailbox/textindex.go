package mailbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/fulltext"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// The text index of an account is a list of segments, each about some contents, and a tail of contents that are in none
// yet (keys 'U'). A delivery adds to the tail; when that has become long a segment is made of it, and when there are many
// segments some are merged, so that a search has few to look at. All that happens beside the deliveries; what a search finds is the same
// before and after.

type segmentID uint64

// segment is an entry of the list.
type segment struct {
	id     segmentID
	docs   int
	chunks int
	bytes  int
	fields bool // it has the terms of fields; not if it was made before there were any
	guides int  // records that say where in the chunks to look; 0 if it is small, or was made before there were any

	endings int // records that say of the guides' terms how they end; likewise
}

const (
	// tailMin is how long the tail gets before a segment is made of it, and tailMax how many contents go in at once.
	tailMin, tailMax = 256, 1024
	// tailBytes bounds the size of a segment that is being made, in bytes.
	tailBytes = 32 << 20
	// readAtOnce is about how much of messages and texts is read in one snapshot, in bytes.
	readAtOnce = 64 << 20
	// mergeMin is how many of the smallest segments are merged, and mergeMost how many of any at once: while much comes in, more of them gather.
	mergeMin, mergeMost = 8, 128
	// mergeBytes is about how much of them all is held meanwhile, and pieceBytes at least of each, in bytes. For each piece a whole chunk is read.
	mergeBytes, pieceBytes = 8 << 20, 64 << 10
	// maxSegment is the most contents that a segment has, maxSegmentBytes the most bytes: so long does a merge take, and so much room on the disk.
	maxSegment      = 1 << 20
	maxSegmentBytes = 256 << 20
	// mostBytes is more than a segment can have.
	mostBytes = 1 << 31
)

// tiers are sizes, in contents, below which segments are merged with others that aren't in a tier before, and with how many at least. So a search has few
// segments to ask, however large the account is.
var tiers = [...]struct{ below, least int }{{4 << 10, mergeMin}, {48 << 10, 8}, {192 << 10, 4}, {768 << 10, 4}}

// manifest is the list of segments as stored.
type manifest struct {
	floor    ContentID // the tail has no contents below
	making   []segment // of which some chunks may be stored already: nobody reads them, see textstore.go
	segments []segment // in the order in which they have gone in
}

// withFields is what is stored of a segment that has fields and their tokens.
const withFields = 2

// manifestVersion: since 2 with floor, and whether segments have fields; since 3 with segments that are being made; since 4 with the number of
// guides; since 5 with that of endings.
const manifestVersion = 5

func (m manifest) encode() []byte {
	b := binary.AppendUvarint([]byte{manifestVersion}, uint64(m.floor))
	b = binary.AppendUvarint(b, uint64(len(m.making)))
	for _, list := range [...][]segment{m.making, m.segments} {
		for _, s := range list {
			for _, n := range [...]uint64{uint64(s.id), uint64(s.docs), uint64(s.chunks), uint64(s.bytes)} {
				b = binary.AppendUvarint(b, n)
			}
			b = append(b, withFields*boolByte(s.fields))
			b = binary.AppendUvarint(b, uint64(s.guides))
			b = binary.AppendUvarint(b, uint64(s.endings))
		}
	}
	return b
}

// readManifest reads the list. ok is false if the account has none: it is from before there were indexes.
func readManifest(r kv.Reader) (m manifest, raw []byte, ok bool, err error) {
	raw, ok, err = r.Get(indexKey())
	if err != nil || !ok {
		return manifest{}, nil, false, err
	}
	d := decoder{record.Decode(raw, manifestVersion)}
	second := !d.Bad() && raw[0] >= 2
	if second {
		m.floor = ContentID(d.Uint())
	}
	making := uint64(0)
	if second && raw[0] >= 3 {
		making = d.Uint()
	}
	for d.Rest() > 0 {
		s := segment{id: segmentID(d.Uint()), docs: int(min(d.Uint(), maxSegment)), chunks: int(min(d.Uint(), 1<<16-1)), bytes: int(min(d.Uint(), mostBytes))}
		if second {
			s.fields = d.Byte() == withFields
		}
		if second && raw[0] >= 4 {
			s.guides = int(min(d.Uint(), 1<<16-1))
		}
		if second && raw[0] >= 5 {
			s.endings = int(min(d.Uint(), 1<<16-1))
		}
		m.segments = append(m.segments, s)
	}
	if making > uint64(len(m.segments)) {
		d.Fail()
	} else {
		m.making, m.segments = m.segments[:making:making], m.segments[making:]
	}
	return m, bytes.Clone(raw), true, d.end("index")
}

// newFloor is where a tail that began at old begins now: at the first content that is in it, or that may come into it. What is stored
// ahead has its number already.
func (t *txn) newFloor(old ContentID) (ContentID, error) {
	floor := ContentID(t.next.head.lastID + 1)
	for _, kind := range [...]byte{keyTail, keyStaged} {
		for p, err := range t.tx.Scan(kv.Range{Lo: key48(kind, uint64(old)), Hi: []byte{kind + 1}}) {
			if err != nil {
				return 0, err
			}
			floor = min(floor, ContentID(read48(p.Key[1:])))
			break
		}
	}
	return floor, nil
}

// Index brings an account's text index up to date: what has come since goes into segments if it is much, or, with all, whatever it
// is. It works in steps, beside deliveries and searches. Calls for the same account should not run at the same time: one
// of them may have worked for nothing.
func (s *Store) Index(ctx context.Context, id ident.AccountID, all bool) error {
	a := s.acquire(id)
	defer s.release(a)
	a.unindexed.Store(0)
	if done, err := a.retextIfNeeded(ctx); err != nil || !done {
		return err
	}
	if err := a.dropUnfinished(ctx); err != nil {
		return err
	}
	least := tailMin
	if all {
		least = 1
	}
	for {
		more, err := a.indexTail(ctx, least)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return a.mergeSegments(ctx)
}

// tailBare is the value of an entry in the tail whose text has not been taken out.
const tailBare = 1

// waiting is an entry in the tail.
type waiting struct {
	id   ContentID
	bare bool
}

// built is a segment that is to be stored.
type built struct {
	base     []byte // the manifest that it was made for
	replaced []segment
	docs     []ContentID
	dropped  []ContentID                                // of the tail
	chunks   func(put func(fulltext.Chunk) error) error // makes them, for put to keep
	made     segment                                    // what is stored of it, in which case it has a number
	guide    fulltext.GuideBuilder                      // of the chunks that are stored, since the last guide
	waiting  []fulltext.Chunk                           // are to be stored next
	texts    map[ContentID][][]byte                     // that were taken out for it
	more     bool                                       // of the tail may be left
	fields   bool                                       // the chunks have the terms of fields
	pace     *pace
}

// indexTail makes a segment of the tail's beginning, if it has at least so many contents. more says that there may be
// enough for another.
func (a *account) indexTail(ctx context.Context, least int) (more bool, err error) {
	var b *built
	err = a.store.db.View(ctx, partition(a.id), func(r kv.Reader) (err error) {
		b, err = buildTail(r, least, a.pace(ctx))
		return err
	})
	if err != nil || b == nil {
		return false, err
	}
	return b.more, a.storeSegment(ctx, b)
}

// storeTexts takes out the texts of contents in the tail that wait for it.
func (s *Store) storeTexts(ctx context.Context, id ident.AccountID) error {
	a := s.acquire(id)
	defer s.release(a)
	texts := map[ContentID][][]byte{}
	err := s.db.View(ctx, partition(id), func(r kv.Reader) error {
		m, _, ok, err := readManifest(r)
		if err != nil || !ok {
			return err
		}
		tail, err := tailOf(r, m.floor, tailMax)
		if err != nil {
			return err
		}
		return (&Batch{r: r}).takeOutAll(tail, texts)
	})
	if err != nil || len(texts) == 0 {
		return err
	}
	ids := slices.Sorted(maps.Keys(texts))
	if err := a.storeTaken(ctx, ids, texts, a.pace(ctx)); err != nil {
		return err
	}
	return a.lazily(ctx, func(t *txn) error { return t.noteTexts(ids) })
}

// noteTexts marks contents in the tail as ones whose text is stored, if nobody else has dealt with them.
func (t *txn) noteTexts(ids []ContentID) error {
	for _, id := range ids {
		v, ok, err := t.tx.Get(unindexedKey(id))
		if err != nil {
			return err
		}
		if !ok || len(v) == 0 {
			continue
		}
		t.dirty = true
		if err := t.tx.Set(unindexedKey(id), nil); err != nil {
			return err
		}
	}
	return nil
}

// takeOutAll takes out the texts of bare entries, as many as should be read in one snapshot.
func (b *Batch) takeOutAll(tail []waiting, texts map[ContentID][][]byte) error {
	defer b.close()
	for _, entry := range tail {
		if !entry.bare || b.BytesRead() > readAtOnce {
			continue
		}
		rec, here, err := b.content(entry.id)
		if err != nil {
			return err
		}
		if !here {
			continue
		}
		all, err := b.takeOut(&Row{Content: entry.id, Size: rec.size})
		if err != nil {
			return err
		}
		texts[entry.id] = b.taking.pack(all)
	}
	return nil
}

// weight is how much a tail costs each search, in contents whose texts are stored.
func weight(tail []waiting) int {
	n := len(tail)
	for _, entry := range tail {
		if entry.bare {
			n += bareWeight
		}
	}
	return n
}

// buildTail returns nil if there is nothing to be done.
func buildTail(r kv.Reader, least int, pace *pace) (*built, error) {
	m, raw, ok, err := readManifest(r)
	if err != nil || !ok {
		return nil, err
	}
	tail, err := tailOf(r, m.floor, tailFar)
	waits := weight(tail)
	if err != nil || waits < least {
		return nil, err
	}
	pace.hurry = waits >= tailFar
	b := &built{base: raw, texts: map[ContentID][][]byte{}, more: len(tail) > tailMax, fields: true, pace: pace}
	tail = tail[:min(len(tail), tailMax)]
	taken := 0
	w, batch := fulltext.NewBuilder(), &Batch{r: r}
	defer batch.close()
	for _, entry := range tail {
		if w.Size() > tailBytes || taken > tailBytes/2 || batch.BytesRead() > readAtOnce {
			b.more = true
			break
		}
		pace.step()
		b.dropped = append(b.dropped, entry.id)
		texts, here, err := batch.addTo(w, uint32(len(b.docs)), entry)
		if err != nil {
			return nil, err
		}
		if !here {
			continue
		}
		b.docs = append(b.docs, entry.id)
		if entry.bare {
			b.texts[entry.id] = texts
		}
		for _, chunk := range texts {
			taken += len(chunk)
		}
	}
	b.chunks = handOn(w.Chunks())
	return b, nil
}

func handOn(all []fulltext.Chunk) func(func(fulltext.Chunk) error) error {
	return func(put func(fulltext.Chunk) error) error {
		for _, c := range all {
			if err := put(c); err != nil {
				return err
			}
		}
		return nil
	}
}

// tailOf returns the first contents that are in no segment, at most so many. The engine remembers those that were in the tail for a
// while, so that it would take long to pass them: floor is where to begin.
func tailOf(r kv.Reader, floor ContentID, most int) (all []waiting, err error) {
	for p, err := range r.Scan(kv.Range{Lo: unindexedKey(floor), Hi: []byte{keyTail + 1}}) {
		if err != nil {
			return nil, err
		}
		if len(all) == most {
			break
		}
		all = append(all, waiting{ContentID(read48(p.Key[1:])), len(p.Value) > 0})
	}
	return all, nil
}

// addTo indexes a content; here is false if it is gone. It returns the records of its text if that had to be taken out.
func (b *Batch) addTo(w *fulltext.Builder, doc uint32, entry waiting) (texts [][]byte, here bool, err error) {
	about, here, err := b.content(entry.id)
	if err != nil || !here {
		return nil, false, err
	}
	row := &Row{Content: entry.id, Size: about.size}
	if entry.bare {
		all, err := b.takeOut(row)
		if err != nil {
			return nil, false, err
		}
		texts = b.taking.pack(all)
	}
	for _, zone := range [...]struct {
		z    fulltext.Zones
		read func(*Row) ([]byte, error)
	}{{fulltext.Body, b.bodyText}, {fulltext.Header, b.partsText}} {
		folded, err := zone.read(row)
		if err != nil {
			return nil, false, err
		}
		w.Add(doc, zone.z, folded)
	}
	rec, header, err := b.header(row)
	if err != nil {
		return nil, false, err
	}
	b.folded = AppendHeaderField(b.folded[:0], header, "")
	w.Add(doc, fulltext.Header, b.folded)
	for f := FieldFrom; f <= lastField; f++ {
		b.folded = AppendField(b.folded[:0], f, rec, header)
		w.AddField(doc, fulltext.Field(f), b.folded)
		w.AddTokens(doc, fulltext.Field(tokensOf+f), b.folded)
	}
	return texts, true, nil
}

// mergeSegments makes one segment of several that are about as large, until there are few of each size.
func (a *account) mergeSegments(ctx context.Context) error {
	for {
		var b *built
		err := a.store.db.View(ctx, partition(a.id), func(r kv.Reader) (err error) {
			b, err = a.buildMerge(r, a.pace(ctx))
			return err
		})
		if err != nil || b == nil {
			return err
		}
		if err := a.storeSegment(ctx, b); err != nil {
			return err
		}
	}
}

// mergeable returns segments that should become one, or none.
func (m manifest) mergeable() []segment {
	from := 0
	for _, tier := range tiers {
		var some []segment
		docs, bytes := 0, 0
		for _, s := range m.segments {
			if len(some) < mergeMost && s.docs >= from && s.docs < tier.below && docs+s.docs <= maxSegment && bytes+s.bytes <= maxSegmentBytes {
				some = append(some, s)
				docs += s.docs
				bytes += s.bytes
			}
		}
		if len(some) >= tier.least {
			return some
		}
		from = tier.below
	}
	return nil
}

// buildMerge returns nil if nothing is to be merged. The segments are read when the chunks are made.
func (a *account) buildMerge(r kv.Reader, pace *pace) (*built, error) {
	m, raw, ok, err := readManifest(r)
	if err != nil || !ok {
		return nil, err
	}
	b := &built{base: raw, replaced: m.mergeable(), fields: true, pace: pace}
	if b.replaced == nil {
		return nil, nil
	}
	var sources []fulltext.Source
	piece := pieceSize(len(b.replaced))
	for _, s := range b.replaced {
		b.fields = b.fields && s.fields
		numbers, err := b.renumber(r, s)
		if err != nil {
			return nil, err
		}
		sources = append(sources, fulltext.Source{Next: a.piecesOf(b, s, piece), Renumber: numbers})
	}
	b.chunks = func(put func(fulltext.Chunk) error) error { return fulltext.Merge(sources, put) }
	return b, nil
}

// pieceSize is about how much of a segment is held while so many are merged, in bytes.
func pieceSize(segments int) int { return max(pieceBytes, mergeBytes/segments) }

// renumber takes over the contents of a segment to be merged; those that are gone are left out.
func (b *built) renumber(r kv.Reader, s segment) ([]uint32, error) {
	docs, err := readDocs(r, s)
	if err != nil {
		return nil, err
	}
	batch := &Batch{r: r}
	defer batch.close()
	numbers := make([]uint32, len(docs))
	for i, id := range docs {
		b.pace.step()
		_, here, err := batch.content(id)
		if err != nil {
			return nil, err
		}
		if numbers[i] = fulltext.Gone; here {
			numbers[i] = uint32(len(b.docs))
			b.docs = append(b.docs, id)
		}
	}
	return numbers, nil
}

// piecesOf reads a segment to be merged, in pieces of about so many bytes, each in a snapshot of its own and over the one before: what a
// snapshot has given stays in memory with it, and b's chunks are stored meanwhile. It ends with errOvertaken when the list has changed, for then the
// segment may be gone.
func (a *account) piecesOf(b *built, s segment, most int) func() (fulltext.Chunk, bool, error) {
	var c fulltext.Chunk
	part, at := 0, 0
	return func() (fulltext.Chunk, bool, error) {
		if part == s.chunks {
			return fulltext.Chunk{}, false, nil
		}
		b.pace.step()
		err := a.store.db.View(b.pace.ctx, partition(a.id), func(r kv.Reader) error {
			if now, _, err := r.Get(indexKey()); err != nil || !bytes.Equal(now, b.base) {
				return cmp.Or(err, errOvertaken)
			}
			terms, err := getPart(r, s, segmentTerms, part)
			if err != nil {
				return err
			}
			postings, err := getPart(r, s, segmentPostings, part)
			if err == nil {
				c, at = fulltext.Chunk{Terms: terms, Postings: postings}.Piece(at, most, c)
			}
			return err
		})
		if at == 0 {
			part++
		}
		return c, err == nil, err
	}
}

func getPart(r kv.Reader, s segment, kind byte, part int) ([]byte, error) {
	v, ok, err := r.Get(segmentKey(s.id, kind, part))
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "a part of the text index is missing")
	}
	return v, err
}
