package mailbox

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/spool"
)

// ContentWriter takes a message's bytes as they arrive: it spools and parses them in one pass.
// It is not safe for concurrent use.
type ContentWriter struct {
	spool  *spool.Spool // nil when it is finished or discarded
	parser *message.Parser
	store  *Store
	lines  lineCounter
	parsed *message.Structure // nil: it isn't ended
	made   *arriving
}

// arriving is what a message on its way in needs, in one piece of memory.
type arriving struct {
	writer  ContentWriter
	content Content
	text    lazyText
	spool   spool.Spool
	rooms   lentRooms
}

// When many messages are on their way, as when strangers begin them and don't go on, new ones keep
// but little in memory: else some thousand connections would fill it.
const (
	manyContents = 128
	littleMemory = 64 << 10
)

// NewContent begins a new message. The caller must call Finish or Discard.
func (s *Store) NewContent() *ContentWriter {
	s.asked.Add(1)
	memory := s.opts.MemoryMax
	if s.contents.Add(1) > manyContents {
		memory = min(memory, littleMemory)
	}
	a := &arriving{spool: spool.Make(s.opts.SpoolDir, memory)}
	a.writer = ContentWriter{spool: &a.spool, parser: s.parsers.Get().(*message.Parser), store: s, made: a}
	return &a.writer
}

// Write adds bytes. It fails with fault.Unavailable if there is no room on the disk, and with fault.Invalid after End.
func (w *ContentWriter) Write(p []byte) (int, error) {
	if w.parsed != nil {
		return 0, fault.New(fault.Invalid, "the message has ended")
	}
	n, err := w.spool.Write(p)
	if err == nil {
		w.parser.Write(p)
		w.lines.write(p)
	}
	return n, err
}

// Size is the number of bytes written.
func (w *ContentWriter) Size() int64 { return w.spool.Size() }

// ReadAt reads what was written, for those who want to see a message before it is finished. It may be called by several at once,
// but not beside Write, and not after Finish or Discard.
func (w *ContentWriter) ReadAt(p []byte, off int64) (int, error) { return w.spool.ReadAt(p, off) }

// Discard drops what was written. It does nothing after Finish.
func (w *ContentWriter) Discard() {
	if w.spool != nil {
		w.spool.Close()
		w.spool = nil
		w.store.contents.Add(-1)
	}
}

// End says that all is written, and returns what it was parsed into. Its offsets are those of ReadAt; it must not be changed.
func (w *ContentWriter) End() *message.Structure {
	if w.parsed == nil {
		w.parsed = w.parser.Finish()
		w.parser.Reset()
		w.store.parsers.Put(w.parser)
		w.parser = nil
	}
	return w.parsed
}

// Finish ends the message. Whatever was written is a message, of some structure.
// The caller must Close the Content.
func (w *ContentWriter) Finish() (*Content, error) {
	st := w.End()
	a := w.made
	a.text.spool = w.spool
	a.text.parsed.Store(st)
	c := &a.content
	c.store, c.spool, c.parsed, c.text, c.rooms, c.extra = w.store, w.spool, st, &a.text, &a.rooms, w.lines.end()
	w.spool = nil
	return c, nil
}

// Content is a message on its way into mailboxes. It may be appended any
// number of times, to any account, also at the same time. It is immutable.
type Content struct {
	store   *Store   // nil: closed, or another's front
	base    *Content // the one that front was put before; nil: it is none
	front   []byte   // before what the spool has
	spool   *spool.Spool
	once    sync.Once          // of summary
	parsed  *message.Structure // nil once summary is there
	summary summary.Record
	split   sync.Once // of pieces
	pieces  summary.Pieces
	text    *lazyText
	rooms   *lentRooms // what summary and pieces lie in, and those of the others with this base
	extra   int64      // see Session.LineOctets
}

// Prefixed returns the message with header fields in front, for the price of their bytes: the rest is shared. fields are
// as summary.Record.Prefixed wants them, and must not be changed afterwards. The new content needs no Close, and can't be
// used after that of the one it was made of.
func (c *Content) Prefixed(fields []byte) *Content {
	if len(fields) == 0 {
		return c
	}
	return c.PrefixedIn(new(Content), fields)
}

// PrefixedIn is Prefixed that makes the new content in room, for those who know when nobody needs it any more: appends must have ended.
func (c *Content) PrefixedIn(room *Content, fields []byte) *Content {
	base, front := c, fields
	if c.base != nil {
		base, front = c.base, slices.Concat(fields, c.front)
	}
	*room = Content{base: base, front: front, spool: c.spool, text: c.text, rooms: c.rooms, extra: c.extra}
	return room
}

// Split parts what Prefixed has put in front, which may be nothing, from the message that it was put before.
func (c *Content) Split() (front []byte, rest *Content) {
	if c.base == nil {
		return nil, c
	}
	return c.front, c.base
}

// Size is the message's size in bytes.
func (c *Content) Size() int64 { return int64(len(c.front)) + c.spool.Size() }

// Summary is what was learned when the message was parsed. It is valid until the content is closed, or that which has its bytes.
func (c *Content) Summary() summary.Record {
	c.once.Do(func() {
		switch {
		case c.base != nil:
			c.summary = c.base.Summary().Prefixed(c.front)
		case c.parsed != nil:
			c.summary = summary.MakeIn(c.rooms.lend(), c.parsed, message.Preview(c.parsed, c.spool))
			c.parsed = nil
		}
	})
	return c.summary
}

// Prepare does what else the message's first append would begin with, so that it needs not be done by the one who has to take in other
// messages meanwhile. It is no error if it has been done.
func (c *Content) Prepare() {
	if c.inPieces().Brief == nil {
		c.Summary() // which is stored whole
	}
	if c.textNow() {
		c.text.take()
	}
}

// ReadAt reads the message's bytes.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(c.front)) {
		return c.spool.ReadAt(p, off-int64(len(c.front)))
	}
	n := copy(p, c.front[off:])
	if n == len(p) {
		return n, nil
	}
	m, err := c.spool.ReadAt(p[n:], 0)
	return n + m, err
}

// NewReader reads the message's bytes from the start.
func (c *Content) NewReader() io.Reader { return io.NewSectionReader(c, 0, c.Size()) }

// Close gives back what the content holds. Appends must have ended. One that was Prefixed holds nothing.
func (c *Content) Close() error {
	if c.store == nil {
		return nil
	}
	c.store.contents.Add(-1)
	c.store = nil
	c.rooms.giveBack()
	return c.spool.Close()
}

// stagingTime is how long a message may take from its first stored byte to its last.
const stagingTime = 24 * time.Hour

// stage stores a content's bytes before the transaction that will refer to them, and returns its number.
func (a *account) stage(ctx context.Context, c *Content) (ContentID, error) {
	var id ContentID
	err := a.lazily(ctx, func(t *txn) error {
		id = ContentID(t.newID())
		return t.tx.Set(stagedKey(id), encodeTime(t.now))
	})
	if err != nil {
		return 0, err
	}
	return id, blob.Stage(ctx, a.store.db, partition(a.id), blob.ID(id), c.NewReader(), c.Size())
}

// unstage removes what was staged and won't be referred to. Whatever comes of it, the sweep finds the rest.
func (a *account) unstage(ctx context.Context, ids []ContentID) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id ContentID) bool { return id == 0 })
	if len(ids) == 0 {
		return
	}
	_ = a.lazily(context.WithoutCancel(ctx), func(t *txn) error { return t.dropStaged(ids) })
}

// dropStaged removes what is staged still: a transaction whose outcome is in doubt may have taken it over.
func (t *txn) dropStaged(ids []ContentID) error {
	for _, id := range ids {
		_, ok, err := t.tx.Get(stagedKey(id))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		t.dirty = true
		if err := blob.Delete(t.tx, blob.ID(id)); err != nil {
			return err
		}
		if err := t.tx.Delete(stagedKey(id)); err != nil {
			return err
		}
	}
	return nil
}

// store writes a content in the transaction, or takes over what was staged.
func (t *txn) store(c *Content, staged ContentID) (ContentID, error) {
	id := staged
	if id == 0 {
		id = ContentID(t.newID())
		if err := t.putBytes(id, c); err != nil {
			return 0, err
		}
	} else if err := t.takeStaged(id); err != nil {
		return 0, err
	}
	texts, err := t.putText(id, c)
	if err != nil {
		return 0, err
	}
	p := c.inPieces()
	rec := contentRecord{size: c.Size(), refs: 1, texts: texts, extra: c.extra, apart: p.Brief != nil}
	if err := t.set(keyContent, uint64(id), rec.appendTo(t.lasting(contentMost))); err != nil {
		return 0, err
	}
	return id, t.putSummary(id, c, p)
}

// putText puts a content into the index's tail, with its text if that is taken out already, and returns how many records that
// has.
func (t *txn) putText(id ContentID, c *Content) (int, error) {
	if !c.textNow() {
		return 0, t.set(keyTail, uint64(id), []byte{tailBare})
	}
	records, at := c.text.records()
	if at.n > 0 { // in the message itself
		at.off += int64(len(c.front))
		record := at.appendTo(t.lasting(textPlaceMost))
		return 1, errors.Join(t.setKey(appendTextKey(t.lasting(textKeyLen), id, 0), record), t.set(keyTail, uint64(id), nil))
	}
	for i, r := range records {
		if err := t.setKey(appendTextKey(t.lasting(textKeyLen), id, i), r); err != nil {
			return 0, err
		}
	}
	return len(records), t.set(keyTail, uint64(id), nil)
}

// takeStaged makes a staged content one that is referred to, unless the sweep was there first.
func (t *txn) takeStaged(id ContentID) error {
	_, ok, err := t.tx.Get(stagedKey(id))
	if err == nil && !ok {
		err = fault.New(fault.Unavailable, "the message took too long to store")
	}
	if err != nil {
		return err
	}
	return t.tx.Delete(stagedKey(id))
}

func (t *txn) putBytes(id ContentID, c *Content) error {
	b, ok := c.spool.Bytes()
	switch {
	case ok && t.gathers && len(c.front) == 0 && len(b) <= blob.ChunkSize:
		return blob.PutChunk(t.tx, blob.ID(id), b)
	case ok:
		return blob.PutBytes(t.tx, blob.ID(id), c.front, b)
	}
	return blob.Put(t.tx, blob.ID(id), c.NewReader(), c.Size())
}

// sweepStaged removes parts of messages that were never stored whole.
func sweepStaged(t *txn, before time.Time) error {
	var old []ContentID
	for p, err := range t.tx.Scan(all(keyStaged)) {
		if err != nil {
			return err
		}
		if at, err := decodeTime(p.Value); err != nil || at.Before(before) {
			old = append(old, ContentID(read48(p.Key[1:])))
		}
	}
	return t.dropStaged(old)
}

// Batch reads contents and summaries in one snapshot.
type Batch struct {
	r    kv.Reader
	of   *account  // nil: the indexer's
	bulk kv.Cursor // over contents; see bulkReader
	last []byte    // what bulk was last asked for
	key  []byte    // scratch
	sums summaries

	records  kv.Cursor // over content records
	recordOf ContentID // that records was last asked for

	texts  kv.Cursor // over texts
	text   text      // of textOf
	textOf ContentID
	room   []byte // that text lies in, or in taking
	taking *textRoom
	folded []byte // scratch
	asked  bool   // hasTexts was; known is the answer
	known  bool
	missed bool  // missText was called
	read   int64 // see BytesRead
}

// Read runs fn with a Batch. fn must not wait for the network: a
// snapshot that is held for long keeps the store from reclaiming space. Read what
// fits a buffer, return, send, come back.
func (s *Session) Read(ctx context.Context, fn func(*Batch) error) error {
	s.a.store.asked.Add(1)
	return s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		b := &Batch{r: r, of: s.a}
		defer b.close()
		return fn(b)
	})
}

func (b *Batch) close() {
	for _, c := range [...]kv.Cursor{b.sums.brief, b.sums.fields, b.sums.rest, b.bulk, b.records, b.texts} {
		if c != nil {
			c.Close()
		}
	}
	if b.taking != nil {
		b.taking.spoil()
		textRooms.Put(b.taking)
		b.taking = nil
	}
}

// Content returns a row's message, for reading by portions without
// a snapshot. Its methods fail with fault.NotFound once the item is expunged.
func (s *Session) Content(row *Row) *blob.Reader {
	return blob.Open(s.a.store.db, partition(s.a.id), blob.ID(row.Content), row.Size)
}
