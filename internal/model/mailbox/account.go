package mailbox

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// account is an account in use: its newest state and its newest durable one.
// At most one value stands for an account while anybody uses it.
type account struct {
	id    ident.AccountID
	store *Store

	// current is the newest state, perhaps not durable yet. It belongs to whoever
	// runs a transaction body on the partition.
	current *state
	seq     uint64 // of the newest state; same owner

	published atomic.Pointer[state] // the newest durable state
	maildrop  atomic.Bool           // held by a POP3 session
	unindexed atomic.Int64          // contents that have come since the text index was brought up to date

	mu   sync.Mutex
	bell chan struct{} // guarded by mu; nil until somebody waits
	// watchers hear of changes; guarded by mu. In no order.
	watchers []Watcher

	refs int // guarded by store.mu
}

// waitBell returns a channel that is closed at the next publication of a change.
func (a *account) waitBell() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bell == nil {
		a.bell = make(chan struct{})
	}
	return a.bell
}

// publish shows a durable state to readers, and rings the bell if it has changes.
// Commits are durable in order, so a later state includes the earlier ones.
func (a *account) publish(s *state) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.published.Load()
	if old != nil && old.seq >= s.seq {
		return
	}
	a.published.Store(s)
	a.store.tellActs(a.id, old, s)
	if old != nil && old.head.change == s.head.change {
		return
	}
	if a.bell != nil {
		close(a.bell)
		a.bell = nil
	}
	for _, w := range a.watchers {
		w.Ring()
	}
}

// pending is a transaction whose writes stand in the log's queue.
type pending struct {
	a      *account
	next   *state
	commit kv.Commit
}

// wait returns when the transaction is durable, and published.
func (p *pending) wait() error {
	if err := p.commit.Wait(); err != nil {
		return err
	}
	p.a.publish(p.next)
	return nil
}

// submit runs fn as a transaction.
func (a *account) submit(ctx context.Context, fn func(*txn) error) (*pending, error) {
	var next *state
	commit, err := a.store.db.Submit(ctx, partition(a.id), func(tx kv.Tx) (err error) {
		next, err = a.run(tx, fn)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pending{a, next, commit}, nil
}

// update is submit and wait.
func (a *account) update(ctx context.Context, fn func(*txn) error) error {
	p, err := a.submit(ctx, fn)
	if err != nil {
		return err
	}
	return p.wait()
}

// lazily runs fn as a transaction that becomes durable with a later one.
// What it did is not published before that.
func (a *account) lazily(ctx context.Context, fn func(*txn) error) error {
	return a.store.db.SubmitLazy(ctx, partition(a.id), func(tx kv.Tx) error {
		_, err := a.run(tx, fn)
		return err
	})
}

// run is the body of every transaction.
func (a *account) run(tx kv.Tx, fn func(*txn) error) (*state, error) {
	base, err := a.sync(tx)
	if err != nil {
		return nil, err
	}
	t := newTxn(a, tx, base)
	err = fn(t)
	next := t.next
	if err == nil {
		next, err = t.finish()
	}
	t.leave()
	if err != nil {
		return nil, err
	}
	a.seq++
	next.seq = a.seq
	a.current = next
	return next, nil
}

// sync returns the newest state, as of tx. Nearly always that is current. If the
// partition was changed by somebody else (another process, or a
// commit of ours that failed) the state is read, and the durable views advance by the log.
func (a *account) sync(tx kv.Tx) (*state, error) {
	if a.current != nil && a.current.gen == tx.Generation() {
		return a.current, nil
	}
	s, err := readState(tx)
	if err != nil {
		return nil, err
	}
	s.gen = tx.Generation()
	if p := a.published.Load(); p != nil {
		if err := catchUp(tx, s, p); err != nil {
			return nil, err
		}
	}
	a.seq++
	s.seq = a.seq
	a.current = s
	return s, nil
}

// refresh makes sure that a durable state is published.
func (a *account) refresh(ctx context.Context) error {
	return a.update(ctx, func(*txn) error { return nil })
}

func readHead(r kv.Reader) (head, error) {
	value, ok, err := r.Get(headKey())
	if err != nil {
		return head{}, err
	}
	if !ok {
		return head{}, fault.New(fault.NotFound, "no such account")
	}
	return decodeHead(value)
}

func readState(r kv.Reader) (*state, error) {
	h, err := readHead(r)
	if err != nil {
		return nil, err
	}
	s := &state{head: h, shaped: h.change}
	if s.scripts, err = readScripts(r); err != nil {
		return nil, err
	}
	if s.away, err = readAway(r); err != nil {
		return nil, err
	}
	if s.origins, err = readOrigins(r); err != nil {
		return nil, err
	}
	if s.kw, err = readKeywords(r); err != nil {
		return nil, err
	}
	for p, err := range r.Scan(all(keyFolder)) {
		if err != nil {
			return nil, err
		}
		f, err := decodeFolder(FolderID(read48(p.Key[1:])), p.Value)
		if err != nil {
			return nil, err
		}
		s.folders = append(s.folders, &node{Folder: f})
	}
	return s, nil
}

func readKeywords(r kv.Reader) (*keywordTable, error) {
	kw := newKeywordTable()
	for p, err := range r.Scan(all(keyKeyword)) {
		if err != nil {
			return nil, err
		}
		if n := kw.add(string(p.Value)); n != binary.BigEndian.Uint32(p.Key[1:]) {
			return nil, fault.New(fault.Corrupt, "keyword %d is missing", n)
		}
	}
	return kw, nil
}

// erased is the state of an account whose mailbox was deleted.
func (a *account) erased() *state {
	a.seq++
	a.current = nil
	return &state{seq: a.seq, kw: newKeywordTable()}
}

// gone reports whether there is no mailbox.
func (s *state) gone() bool { return s == nil || s.head.lastID == 0 }

// catchUp gives s the views of old, advanced by the log. If the log doesn't
// reach back to old, the views are left to be loaded again.
//
// Transactions may have gone on from old whose commits are still on their way: their
// views have filled the arrays of old's last pages already, so these views need their own.
func catchUp(r kv.Reader, s, old *state) error {
	if old.head.change < s.head.floor || old.head.change > s.head.change {
		return nil
	}
	edits := map[FolderID][]edit{}
	shaped := old.shaped
	err := readLog(r, old.head.change, func(c Change) error {
		if c.UID == 0 {
			shaped = c.Seq
			return nil
		}
		e, err := editOf(r, s.kw, c)
		edits[c.Folder] = append(edits[c.Folder], e)
		return err
	})
	if err != nil {
		return err
	}
	s.shaped = shaped
	for _, n := range s.folders {
		o := old.folder(n.ID)
		switch {
		case o == nil || o.view == nil || o.UIDValidity != n.UIDValidity:
		case o.HighestModSeq == n.HighestModSeq && o.recent == n.recent:
			n.view = o.view
		default:
			strokes, err := loadStrokes(r, s.kw, n.ID)
			if err != nil {
				return err
			}
			changed := sortEdits(edits[n.ID])
			complete(changed, strokes, s.kw)
			n.view = o.view.apart().advance(n.Folder, s.head.change, changed)
			n.view.strokes = strokes.refs()
		}
	}
	return nil
}

// editOf is what an item's change means for its folder's view: the row as it is now.
func editOf(r kv.Reader, kw *keywordTable, c Change) (edit, error) {
	value, ok, err := r.Get(rowKey(c.Folder, c.UID))
	if err != nil || !ok {
		return edit{uid: c.UID}, err
	}
	row, err := decodeRow(c.UID, value, kw)
	return edit{c.UID, &row}, err
}

// loadView reads a folder's rows.
func loadView(r kv.Reader, s *state, f Folder) (*View, error) {
	strokes, err := loadStrokes(r, s.kw, f.ID)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, 0, f.Items)
	for p, err := range r.Scan(rowsOf(f.ID)) {
		if err != nil {
			return nil, err
		}
		row, err := decodeRow(uidOf(p.Key), p.Value, s.kw)
		if err != nil {
			return nil, err
		}
		strokes.apply(&row, s.kw)
		rows = append(rows, row)
	}
	v := newView(f, s.head.change, rows)
	v.strokes = strokes.refs()
	return v, nil
}
