package mailbox

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// A stroke is one change of the flags of many items of a folder, stored as one record instead of one for each item: a folder
// that is marked as read costs the store some bytes, however many messages it has. Rows as they are stored lack
// their folder's strokes. Each item that a stroke changed took a change number, so a row that was written since is known by
// its own numbers, which are larger: see apply. A row in a view lacks nothing.
//
// Strokes don't pile up: when there are many, rows are written after all, and the oldest are dropped (fold). So
// a row is written once for many strokes, and loading a folder has a bounded number of them to look at.
type stroke struct {
	effect
	runs []uidRun // ascending, apart
	at   int      // the run that was looked at last: rows come in the order of their UIDs, mostly
}

// uidRun is the items from lo to hi, all of which exist and were changed; the first has change number first, the others the next.
type uidRun struct {
	lo, hi UID
	first  ModSeq
}

// strokeRef is what a view remembers of a stroke: the rest is in the store.
type strokeRef struct {
	first  ModSeq // of its change numbers: its key
	lo, hi UID
	n      int // items that it changed
}

const (
	// fewFlags is the most items whose change is stored with their rows.
	fewFlags = 100
	// strokesPerRow is how many strokes a folder has at most for each of its rows, and maxStrokes how many in all; beside these, a large
	// folder may have as many as it takes to change all its rows strokesPerRow times, step by step (flagStep).
	strokesPerRow = 32
	maxStrokes    = 256
)

func (s *stroke) ref() strokeRef {
	r := strokeRef{first: s.runs[0].first, lo: s.runs[0].lo, hi: s.runs[len(s.runs)-1].hi}
	for _, run := range s.runs {
		r.n += int(run.hi-run.lo) + 1
	}
	return r
}

// encode gives: version, flags cleared, flags set, what is done with keywords (0: nothing, else FlagOp plus 1), count
// of keywords, keywords, first change number, count of runs, and for each run the UIDs between it and the one before, and how many more
// than one it has.
func (s *stroke) encode() []byte {
	b := append(make([]byte, 0, 32+4*len(s.runs)), recordVersion)
	b = binary.AppendUvarint(b, uint64(s.clear))
	b = binary.AppendUvarint(b, uint64(s.set))
	if s.keywords {
		b = append(b, byte(s.op)+1)
	} else {
		b = append(b, 0)
	}
	b = (&Keywords{ids: s.ids}).appendTo(b)
	b = binary.AppendUvarint(b, uint64(s.runs[0].first))
	b = binary.AppendUvarint(b, uint64(len(s.runs)))
	next := UID(0)
	for _, r := range s.runs {
		b = binary.AppendUvarint(b, uint64(r.lo-next))
		b = binary.AppendUvarint(b, uint64(r.hi-r.lo))
		next = r.hi + 1
	}
	return b
}

func decodeStroke(value []byte, kw *keywordTable) (*stroke, error) {
	d := decode(value)
	s := &stroke{effect: effect{clear: Flags(d.Uint()), set: Flags(d.Uint())}}
	if op := d.Byte(); op > 0 {
		s.keywords, s.op = true, FlagOp(op-1)
	}
	if k := kw.decode(d); k != nil {
		s.ids = k.ids
	}
	seq, next := d.Uint(), uint64(0)
	s.runs = make([]uidRun, 0, d.Count())
	for range cap(s.runs) {
		lo := next + d.Uint()
		hi := lo + d.Uint()
		if lo == 0 || hi < lo || hi > math.MaxUint32 || d.Bad() {
			d.Fail()
			break
		}
		s.runs = append(s.runs, uidRun{UID(lo), UID(hi), ModSeq(seq)})
		seq, next = seq+hi-lo+1, hi+1
	}
	if len(s.runs) == 0 || s.op > ReplaceFlags {
		d.Fail()
	}
	return s, d.end("stroke")
}

// number is the change number that an item took with the stroke; 0 if the stroke didn't change it.
func (s *stroke) number(uid UID) ModSeq {
	if r := &s.runs[s.at]; uid < r.lo || uid > r.hi {
		s.at = min(sort.Search(len(s.runs), func(i int) bool { return s.runs[i].hi >= uid }), len(s.runs)-1)
	}
	if r := &s.runs[s.at]; uid >= r.lo && uid <= r.hi {
		return r.first + ModSeq(uid-r.lo)
	}
	return 0
}

// apply gives a row what the stroke did to it, unless the row was written later than that.
func (s *stroke) apply(r *Row, kw *keywordTable) {
	if n := s.number(r.UID); n > r.ModSeq() {
		r.reflag(r.Flags&^s.clear|s.set, s.rekeyed(kw, r.Keywords), n)
	}
}

// covers reports whether the stroke changed all that another did.
func (s *stroke) covers(o *stroke) bool {
	for _, r := range o.runs {
		if s.number(r.lo) == 0 || s.runs[s.at].hi < r.hi {
			return false
		}
	}
	return true
}

// strokeList is all strokes of a folder, oldest first. A large folder has many, most of them for other rows than the one at hand.
type strokeList struct {
	all    []*stroke
	near   []*stroke // those of all that changed items with UIDs from lo to hi
	lo, hi UID
}

// nearRows is how many UIDs are looked at in one go.
const nearRows = 1024

// apply gives a row as it is stored what strokes did to it.
func (s *strokeList) apply(r *Row, kw *keywordTable) {
	if r.UID < s.lo || r.UID > s.hi || s.hi == 0 {
		s.approach(r.UID)
	}
	for _, st := range s.near {
		st.apply(r, kw)
	}
}

// approach finds the strokes for the UIDs about one.
func (s *strokeList) approach(uid UID) {
	s.lo = uid - uid%nearRows
	s.hi = s.lo + (nearRows - 1)
	s.near = s.near[:0]
	for _, st := range s.all {
		if st.runs[0].lo <= s.hi && st.runs[len(st.runs)-1].hi >= s.lo {
			s.near = append(s.near, st)
		}
	}
}

// loadStrokes reads a folder's strokes.
func loadStrokes(r kv.Reader, kw *keywordTable, f FolderID) (*strokeList, error) {
	all, err := readStrokes(r, kw, strokesOf(f))
	return &strokeList{all: all}, err
}

func readStrokes(r kv.Reader, kw *keywordTable, within kv.Range) (all []*stroke, err error) {
	for p, err := range r.Scan(within) {
		if err != nil {
			return nil, err
		}
		s, err := decodeStroke(p.Value, kw)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// lateStrokes are a folder's newest strokes, as far back as was needed: a row that was written lacks only those whose numbers begin behind its
// own. Numbers are given out once, and a stroke's are in a row, so one that began before the row was written gave it that very number, or
// ended before.
type lateStrokes struct {
	list strokeList
	from ModSeq // of their first numbers; 0: none was read yet
}

// back reads what a row with a change number lacks.
func (l *lateStrokes) back(r kv.Reader, kw *keywordTable, f FolderID, written ModSeq) error {
	within := strokesOf(f)
	if l.from != 0 {
		if l.from <= written+1 {
			return nil
		}
		within.Hi = strokeKey(f, l.from)
	}
	within.Lo = strokeKey(f, written+1)
	all, err := readStrokes(r, kw, within)
	if err == nil {
		l.list, l.from = strokeList{all: append(all, l.list.all...)}, written+1
	}
	return err
}

// complete gives rows as they are stored what strokes did to them.
func complete(edits []edit, strokes *strokeList, kw *keywordTable) {
	for _, e := range edits {
		if e.row != nil {
			strokes.apply(e.row, kw)
		}
	}
}

func (s *strokeList) refs() (out []strokeRef) {
	for _, st := range s.all {
		out = append(out, st.ref())
	}
	return out
}

// addStroke stores a stroke that the view has already.
func (t *txn) addStroke(f *folderEdit, s *stroke) error {
	if err := t.tx.Set(strokeKey(f.ID, s.runs[0].first), s.encode()); err != nil {
		return err
	}
	f.view.strokes = append(slices.Clip(f.view.strokes), s.ref())
	for f.view.manyStrokes() {
		if err := t.fold(f); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) manyStrokes() bool {
	n := 0
	for i := range v.strokes {
		n += v.strokes[i].n
	}
	return len(v.strokes) > maxStrokes+v.Len()*strokesPerRow/flagStep || n > strokesPerRow*v.Len()
}

// fold writes the rows that the oldest stroke changed, and drops it, and those that changed nothing else. The view is the
// transaction's own.
func (t *txn) fold(f *folderEdit) error {
	old := f.view.strokes
	s, err := t.stroke(f, old[0])
	if err != nil {
		return err
	}
	for _, run := range s.runs {
		lo, _ := f.view.Find(run.lo)
		for _, r := range f.view.All(lo, f.view.Len()) {
			if r.UID > run.hi {
				break
			}
			if err := t.put(f, r); err != nil {
				return err
			}
		}
	}
	var left []strokeRef
	for i, ref := range old {
		done := i == 0
		if !done && ref.lo >= old[0].lo && ref.hi <= old[0].hi {
			o, err := t.stroke(f, ref)
			if err != nil {
				return err
			}
			done = s.covers(o)
		}
		if !done {
			left = append(left, ref)
		} else if err := t.tx.Delete(strokeKey(f.ID, ref.first)); err != nil {
			return err
		}
	}
	f.view.strokes = left
	return nil
}

func (t *txn) stroke(f *folderEdit, ref strokeRef) (*stroke, error) {
	value, ok, err := t.tx.Get(strokeKey(f.ID, ref.first))
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "the change of flags %d of folder %d is missing", ref.first, f.ID)
	}
	if err != nil {
		return nil, err
	}
	return decodeStroke(value, t.next.kw)
}

// dropStrokes removes the strokes of a folder that is removed.
func (t *txn) dropStrokes(f *folderEdit) error {
	for _, ref := range f.view.strokes {
		if err := t.tx.Delete(strokeKey(f.ID, ref.first)); err != nil {
			return err
		}
	}
	return nil
}
