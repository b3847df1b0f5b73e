package mailbox

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
)

// use is what is known of who looks at a folder. Successive views share it.
type use struct {
	open  atomic.Int32
	asked atomic.Int64 // when the view was asked for last, Unix seconds
}

// Shown says that somebody shows a folder, whose views stay in memory therefore. The zero Shown says nothing. It isn't safe for
// concurrent use.
type Shown struct{ use *use }

// Open says that somebody shows the folder from now on, until End is called. Other views leave the memory when they are many: see Trim.
func (v *View) Open() Shown {
	v.use.open.Add(1)
	return Shown{v.use}
}

// End says that it is shown no more. Ending twice does nothing.
func (s *Shown) End() {
	if s.use != nil {
		s.use.open.Add(-1)
		s.use = nil
	}
}

// touch notes that the view was asked for.
func (v *View) touch(now time.Time) *View {
	if sec := now.Unix(); v.use.asked.Load() != sec {
		v.use.asked.Store(sec)
	}
	return v
}

// loaded is a view in memory that nobody shows.
type loaded struct {
	a      *account
	folder FolderID
	asked  int64
	rows   int
}

// trimAfter is how long a view stays in any case after somebody asked for it.
const trimAfter = time.Minute

// Trim lets views go that nobody shows, the longest unasked for first, until those that are left, and those of accounts
// that nobody uses, have no more rows together than Options.CacheRows. Call it every minute or so.
func (s *Store) Trim(ctx context.Context) error {
	used := s.inUse()
	defer func() {
		for _, a := range used {
			s.release(a)
		}
	}()
	s.mu.Lock()
	rows := s.idleRows
	s.mu.Unlock()
	var all []loaded
	for _, a := range used {
		for _, l := range a.closedViews() {
			all = append(all, l)
			rows += l.rows
		}
	}
	slices.SortFunc(all, func(a, b loaded) int { return cmp.Compare(a.asked, b.asked) })
	before := s.now().Add(-trimAfter).Unix()
	for _, l := range all {
		if rows <= s.opts.CacheRows || l.asked > before {
			break
		}
		if err := l.a.forget(ctx, l.folder); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		rows -= l.rows
	}
	return nil
}

// inUse returns the accounts that somebody uses, which the caller uses then, too.
func (s *Store) inUse() (all []*account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.accounts {
		if a.refs > 0 {
			a.refs++
			all = append(all, a)
		}
	}
	return all
}

// closedViews lists the views in memory that nobody shows.
func (a *account) closedViews() (all []loaded) {
	st := a.published.Load()
	if st.gone() {
		return nil
	}
	for _, n := range st.folders {
		if v := n.view; v != nil && v.use.open.Load() == 0 {
			all = append(all, loaded{a, n.ID, v.use.asked.Load(), v.Len()})
		}
	}
	return all
}

// forget lets a folder's view go: it is read again when somebody asks for it.
func (a *account) forget(ctx context.Context, id FolderID) error {
	p, err := a.submit(ctx, func(t *txn) error {
		if n := t.next.folder(id); n == nil || n.view == nil || n.view.use.open.Load() > 0 {
			return nil
		}
		f, err := t.folder(id)
		if err == nil {
			f.view = nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.wait()
}
