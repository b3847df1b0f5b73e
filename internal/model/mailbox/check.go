package mailbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/summary"
	"postroad/internal/model/ident"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// Check reads everything an account has and returns what contradicts itself, a
// line for each; nothing if all is well. It changes nothing.
func (s *Store) Check(ctx context.Context, id ident.AccountID) ([]string, error) {
	a := s.acquire(id)
	defer s.release(a)
	// The state is taken before the snapshot, which may be newer.
	before := a.published.Load()
	var problems []string
	err := s.db.View(ctx, partition(id), func(r kv.Reader) (err error) {
		c := newChecker(r)
		defer func() { problems = c.problems }()
		if c.s, err = readState(r); err != nil {
			return err
		}
		for _, step := range []func() error{c.folders, c.index, c.erased, c.checkBags, c.folderProps, c.scripts, c.away, c.checkContents, c.origins, c.blobs, c.texts, c.log} {
			if err := step(); err != nil {
				return err
			}
		}
		if !before.gone() && before.head.change == c.s.head.change {
			c.views(before)
		}
		return nil
	})
	return problems, err
}

// checker collects what an account says of itself.
type checker struct {
	r        kv.Reader
	s        *state
	problems []string

	contents map[ContentID]uint64 // references seen
	sizes    map[ContentID]int64
	bare     map[ContentID]bool // lines that don't end with CRLF
	apart    map[ContentID]bool // those whose headers are apart
	items    map[ItemID]place
	bags     map[ItemID]bool // items that say they have one
	names    map[sibling]FolderID
	roles    map[Role]FolderID
}

// sibling is a folder's place by name.
type sibling struct {
	parent FolderID
	name   string
}

func newChecker(r kv.Reader) *checker {
	return &checker{
		r:        r,
		contents: map[ContentID]uint64{}, sizes: map[ContentID]int64{}, bare: map[ContentID]bool{}, apart: map[ContentID]bool{}, items: map[ItemID]place{}, bags: map[ItemID]bool{},
		names: map[sibling]FolderID{}, roles: map[Role]FolderID{},
	}
}

func (c *checker) say(format string, args ...any) {
	const most = 1000
	if len(c.problems) < most {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

func (c *checker) folders() error {
	var used Usage
	known := map[FolderID]bool{}
	for _, n := range c.s.folders {
		known[n.ID] = true
		c.folderItself(&n.Folder)
		if err := c.rows(&n.Folder); err != nil {
			return err
		}
		used.Items += int64(n.Items)
		used.Bytes += n.Bytes
	}
	if used != c.s.head.used {
		c.say("the account says it holds %+v, its folders say %+v", c.s.head.used, used)
	}
	for p, err := range c.r.Scan(all(keyRow)) {
		if err != nil {
			return err
		}
		if f := FolderID(read48(p.Key[1:])); !known[f] {
			c.say("item %d of folder %d: there is no such folder", uidOf(p.Key), f)
		}
	}
	return c.lostStrokes(known)
}

func (c *checker) folderItself(f *Folder) {
	_, err := c.s.depth(f)
	if err := errors.Join(checkSelf(f), err); err != nil {
		c.say("folder %d: %v", f.ID, err)
	}
	at := sibling{f.Parent, f.Name}
	if other := c.names[at]; other != 0 {
		c.say("folders %d and %d have the same name", other, f.ID)
	}
	c.names[at] = f.ID
	if other := c.roles[f.Role]; other != 0 && f.Role != NoRole {
		c.say("folders %d and %d have the same role", other, f.ID)
	}
	c.roles[f.Role] = f.ID
	h := &c.s.head
	if f.Created > f.Changed || f.Changed > f.HighestModSeq || f.HighestModSeq > h.change {
		c.say("folder %d: change numbers out of order: created %d, changed %d, highest %d, account %d", f.ID, f.Created, f.Changed, f.HighestModSeq, h.change)
	}
	if uint64(f.ID) > h.lastID || f.UIDValidity > h.uidValidity || f.recent-1 > f.lastUID() {
		c.say("folder %d: a number was never given", f.ID)
	}
}

// lastUID is the last UID given, also when they are used up and UIDNext is 0.
func (f *Folder) lastUID() UID { return f.UIDNext - 1 }

func (c *checker) rows(f *Folder) error {
	sum := Folder{ID: f.ID}
	strokes, err := c.strokes(f)
	if err != nil {
		return err
	}
	for p, err := range c.r.Scan(rowsOf(f.ID)) {
		if err != nil {
			return err
		}
		r, err := decodeRow(uidOf(p.Key), p.Value, c.s.kw)
		if err != nil {
			c.say("folder %d, UID %d: %v", f.ID, uidOf(p.Key), err)
			continue
		}
		strokes.apply(&r, c.s.kw)
		c.row(f, &r)
		addTo(&sum, &r)
	}
	if sum.Items != f.Items || sum.Unseen != f.Unseen || sum.Deleted != f.Deleted || sum.Bytes != f.Bytes || sum.DeletedBytes != f.DeletedBytes {
		c.say("folder %d: says %d items, %d unseen, %d deleted, %d bytes (%d deleted), has %d, %d, %d, %d (%d)", f.ID,
			f.Items, f.Unseen, f.Deleted, f.Bytes, f.DeletedBytes, sum.Items, sum.Unseen, sum.Deleted, sum.Bytes, sum.DeletedBytes)
	}
	return nil
}

func addTo(f *Folder, r *Row) {
	e := &folderEdit{Folder: *f}
	(&txn{next: &state{}}).count(e, r, 1)
	*f = e.Folder
}

func (c *checker) row(f *Folder, r *Row) {
	if r.UID == 0 || r.UID > f.lastUID() {
		c.say("folder %d, UID %d: UIDNEXT is %d", f.ID, r.UID, f.UIDNext)
	}
	if r.ModSeq() > f.HighestModSeq || r.created > r.ModSeq() {
		c.say("folder %d, UID %d: change number %d (created %d) is beyond the folder's %d", f.ID, r.UID, r.ModSeq(), r.created, f.HighestModSeq)
	}
	if uint64(r.ID) > c.s.head.lastID || uint64(r.Content) > c.s.head.lastID {
		c.say("folder %d, UID %d: item %d or content %d was never given", f.ID, r.UID, r.ID, r.Content)
	}
	if at, twice := c.items[r.ID]; twice {
		c.say("item %d is in two places: %v and %v", r.ID, at, place{f.ID, r.UID})
	}
	c.items[r.ID] = place{f.ID, r.UID}
	c.contents[r.Content]++
	if size, ok := c.sizes[r.Content]; ok && size != r.Size {
		c.say("content %d has two sizes", r.Content)
	}
	c.sizes[r.Content] = r.Size
	if r.bare {
		c.bare[r.Content] = true
	}
	if r.hasBag {
		c.bags[r.ID] = true
	}
}

func (c *checker) index() error {
	n := 0
	for p, err := range c.r.Scan(all(keyItem)) {
		if err != nil {
			return err
		}
		n++
		id := ItemID(read48(p.Key[1:]))
		at, err := decodePlace(p.Value)
		if have, ok := c.items[id]; err != nil || !ok || have != at {
			c.say("item %d: the index says %v, it is at %v", id, at, have)
		}
	}
	if n != len(c.items) {
		c.say("%d items, %d in the index", len(c.items), n)
	}
	return nil
}

func (c *checker) checkBags() error {
	n := 0
	for p, err := range c.r.Scan(all(keyBag)) {
		if err != nil {
			return err
		}
		n++
		if id := ItemID(read48(p.Key[1:])); !c.bags[id] {
			c.say("item %d doesn't know of its property bag", id)
		}
		if _, err := decodeBag(p.Value); err != nil {
			c.say("property bag: %v", err)
		}
	}
	if n != len(c.bags) {
		c.say("%d items say they have a property bag, there are %d", len(c.bags), n)
	}
	return nil
}

func (c *checker) checkContents() error {
	n := 0
	for p, err := range c.r.Scan(all(keyContent)) {
		if err != nil {
			return err
		}
		n++
		id := ContentID(read48(p.Key[1:]))
		rec, err := decodeContent(p.Value)
		if err != nil || rec.refs != c.contents[id] || rec.size != c.sizes[id] {
			c.say("content %d: says %d references and %d bytes, its items say %d and %d", id, rec.refs, rec.size, c.contents[id], c.sizes[id])
		}
		if rec.apart {
			c.apart[id] = true
		}
		if err == nil && (rec.extra > 0) != c.bare[id] {
			c.say("content %d: its items don't say that its lines gain %d octets", id, rec.extra)
		}
	}
	if n != len(c.contents) {
		c.say("items refer to %d contents, there are %d", len(c.contents), n)
	}
	return errors.Join(c.checkSummaries(n), c.checkApart(keyFields, "usual fields"), c.checkApart(keyRest, "rest of the header"))
}

func (c *checker) checkSummaries(contents int) error {
	sums := 0
	for p, err := range c.r.Scan(all(keySummary)) {
		if err != nil {
			return err
		}
		sums++
		id := ContentID(read48(p.Key[1:]))
		if c.contents[id] == 0 {
			c.say("summary %d belongs to nothing", id)
		} else if apart := summary.Record(p.Value).Apart(); apart {
			c.apart[id] = true // an earlier version may have written a content's record that doesn't say so
		} else if c.apart[id] {
			c.say("summary %d says nothing of a header that is apart, its content does", id)
		}
	}
	if sums != contents {
		c.say("%d contents, %d summaries", contents, sums)
	}
	return nil
}

// checkApart checks that there is a piece of each header that is apart.
func (c *checker) checkApart(kind byte, what string) error {
	n := 0
	for p, err := range c.r.Scan(all(kind)) {
		if err != nil {
			return err
		}
		n++
		if id := ContentID(read48(p.Key[1:])); !c.apart[id] {
			c.say("the %s of content %d belongs to nothing", what, id)
		} else if kind == keyRest {
			if err := c.checkHeader(id, p.Value); err != nil {
				return err
			}
		}
	}
	if n != len(c.apart) {
		c.say("%d headers are apart, there are %d of %s", len(c.apart), n, what)
	}
	return nil
}

// checkHeader checks that the pieces of a header belong together.
func (c *checker) checkHeader(id ContentID, rest []byte) error {
	fields, there, err := c.r.Get(fieldsKey(id))
	if err != nil || !there { // it is missed already
		return err
	}
	if _, ok := summary.Fields(fields).AppendHeader(nil, rest); !ok {
		c.say("the header of content %d is damaged", id)
	}
	return nil
}

// blobs reads all bytes once, in their order, and takes the sizes of those contents that it finds off the list. Where it can't go on, the rest
// is looked at one by one, so that each message that is lost is told.
func (c *checker) blobs() error {
	for b, err := range blob.All(c.r) {
		if fault.Is(err, fault.Corrupt) {
			c.say("the bytes of messages can't be read to their end: %v", err)
			break
		}
		if err != nil {
			return err
		}
		id := ContentID(b.ID)
		size, known := c.sizes[id]
		delete(c.sizes, id)
		if !known {
			if err := c.orphan(id); err != nil {
				return err
			}
		} else if b.Damage != nil || b.Bytes != size {
			c.say("content %d has %d bytes, not %d (%v)", id, b.Bytes, size, b.Damage)
		}
	}
	for id, size := range c.sizes {
		b, err := blob.Stat(c.r, blob.ID(id))
		if err = cmp.Or(err, b.Damage); err != nil || b.Bytes != size {
			c.say("content %d has %d bytes, not %d (%v)", id, b.Bytes, size, err)
		}
	}
	return nil
}

// orphan says of bytes to which no item refers that they belong to nothing, unless they are staged.
func (c *checker) orphan(id ContentID) error {
	_, staged, err := c.r.Get(stagedKey(id))
	if err == nil && !staged {
		c.say("bytes of content %d belong to nothing", id)
	}
	return err
}

func (c *checker) log() error {
	next := c.s.head.floor + 1
	for p, err := range c.r.Scan(all(keyLog)) {
		if err != nil {
			return err
		}
		err := decodeLog(p.Value, func(ch Change) error {
			if ch.Seq != next {
				c.say("the change log has %d where %d should be", ch.Seq, next)
			}
			next = ch.Seq + 1
			return nil
		})
		if err != nil {
			c.say("%v", err)
		}
		if last := ModSeq(read48(p.Key[1:])); last != next-1 {
			c.say("the log record of change %d ends at %d", last, next-1)
		}
	}
	if next != c.s.head.change+1 {
		c.say("the change log ends at %d, the account is at %d", next-1, c.s.head.change)
	}
	return nil
}

// views compares the views in memory with the rows that are stored.
func (c *checker) views(have *state) {
	for _, n := range have.folders {
		if n.view == nil {
			continue
		}
		want, err := loadView(c.r, c.s, n.Folder)
		if err != nil {
			c.say("folder %d: %v", n.ID, err)
			continue
		}
		if what := differ(want, n.view); what != "" {
			c.say("folder %d: the view in memory is wrong: %s", n.ID, what)
		}
	}
}

// differ says how two views differ, if they do.
func differ(a, b *View) string {
	if a.Len() != b.Len() {
		return fmt.Sprintf("%d rows and %d", a.Len(), b.Len())
	}
	for i, r := range a.All(0, a.Len()) {
		o := *b.At(i)
		if !r.Keywords.equal(o.Keywords) {
			return fmt.Sprintf("keywords of UID %d", r.UID)
		}
		o.Keywords = r.Keywords
		if o != *r {
			return fmt.Sprintf("UID %d: %+v and %+v", r.UID, *r, o)
		}
	}
	for i, p := range b.allPages() {
		if want := newPage(p.rows); p.flags != want.flags || p.words != want.words || p.modSeq != want.modSeq ||
			p.oldest != want.oldest || p.newest != want.newest || p.first != want.first || p.last != want.last {
			return fmt.Sprintf("what page %d says of its rows", i)
		}
	}
	for i, s := range b.shelves {
		if g := s.group.Load(); g != nil && *g != *newGroup(s.pages) {
			return fmt.Sprintf("what group %d says of its rows", i)
		}
		if !slices.Equal(s.starts, newShelf(s.pages).starts) || b.starts[i+1]-b.starts[i] != s.starts[len(s.pages)] {
			return fmt.Sprintf("where the rows of shelf %d begin", i)
		}
	}
	return ""
}
