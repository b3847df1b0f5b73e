package mailbox

import (
	"context"
	"strings"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// Session is an identity acting on an account. Every method checks that identity's
// rights; what it may not see isn't there (fault.NotFound), what it may see but not
// do is refused (fault.Denied). Sessions are cheap and safe for concurrent use.
type Session struct {
	a    *account
	who  ident.Identity
	done sync.Once
}

// Close ends the session. Closing twice does nothing.
func (s *Session) Close() { s.done.Do(func() { s.a.store.release(s.a) }) }

// Account is the account acted on.
func (s *Session) Account() ident.AccountID { return s.a.id }

// Identity is who acts.
func (s *Session) Identity() ident.Identity { return s.who }

func (s *Session) state() *state { return s.a.published.Load() }

// State returns the account's newest durable state. It costs nothing.
func (s *Session) State() State {
	h := &s.state().head
	return State{Account: s.a.id, Change: h.change, Floor: h.floor, Used: h.used, Limit: h.limit}
}

// Bell returns a channel that is closed when the account has changed. Take it
// first, then look at the state, then wait: so no change is missed. It
// may be dropped at any time.
func (s *Session) Bell() <-chan struct{} { return s.a.waitBell() }

// rightsOn is what the session's identity may do with a folder.
func (s *Session) rightsOn(f *Folder) Rights {
	if s.who.Owns(s.a.id) {
		return AllRights
	}
	if s.who.Account == 0 {
		return 0
	}
	var r Rights
	for _, g := range f.Grants {
		if g.Kind == ToAnyone || g.Kind == ToAccount && g.ID == uint64(s.who.Account) || g.Kind == ToGroup && s.who.In(ident.GroupID(g.ID)) {
			r |= g.Rights
		}
	}
	return r
}

// Rights returns what the session may do with a folder: nothing if there is none.
func (s *Session) Rights(id FolderID) Rights {
	if n := s.state().folder(id); n != nil {
		return s.rightsOn(&n.Folder)
	}
	return 0
}

// need checks that the session has all of rights on f, and sees it.
func (s *Session) need(f *Folder, rights Rights) error {
	have := s.rightsOn(f)
	switch {
	case have&RightLookup == 0:
		return fault.New(fault.NotFound, "no such folder")
	case have&rights == rights:
		return nil
	}
	return fault.New(fault.Denied, "you have no right to do that in this folder")
}

// visible returns a folder's node, if the session may do rights with it.
func (s *Session) visible(id FolderID, rights Rights) (*node, error) {
	n := s.state().folder(id)
	if n == nil {
		return nil, fault.New(fault.NotFound, "no such folder")
	}
	return n, s.need(&n.Folder, rights)
}

// Folder returns a folder as it is now.
func (s *Session) Folder(id FolderID) (Folder, error) {
	n, err := s.visible(id, RightLookup)
	if err != nil {
		return Folder{}, err
	}
	return s.shows(n.Folder), nil
}

// FolderByRole returns the folder that has a role.
func (s *Session) FolderByRole(r Role) (Folder, bool) { return s.shown(s.state().byRole(r)) }

// Child returns the folder of that name below parent (0: at the root).
func (s *Session) Child(parent FolderID, name string) (Folder, bool) {
	return s.shown(s.state().child(parent, name))
}

func (s *Session) shown(n *node) (Folder, bool) {
	if n == nil || s.rightsOn(&n.Folder)&RightLookup == 0 {
		return Folder{}, false
	}
	return s.shows(n.Folder), true
}

// shows returns what the identity may know of a folder that it can see: what is in it takes
// RightRead (RFC 4314 §4, STATUS), its grants RightAdmin (GETACL). What the owner has
// subscribed to is nobody else's business. The rest is zero.
func (s *Session) shows(f Folder) Folder {
	have := s.rightsOn(&f)
	if !s.who.Owns(s.a.id) {
		f.Subscribed = false
	}
	if have&RightAdmin == 0 {
		f.Grants = nil
	}
	if have&RightRead == 0 {
		f.UIDNext, f.recent, f.HighestModSeq = 0, 0, 0
		f.Items, f.Unseen, f.Deleted, f.Bytes, f.DeletedBytes = 0, 0, 0, 0, 0
	}
	return f
}

// Folders returns the folders that the session can see, INBOX first, parents before their
// children, siblings by name. A folder whose parent can't be seen stands at its place all the same.
func (s *Session) Folders() []Folder {
	st := s.state()
	return s.appendTree(make([]Folder, 0, len(st.folders)), st.siblings(), 0)
}

func (s *Session) appendTree(out []Folder, below map[FolderID][]*node, parent FolderID) []Folder {
	for _, n := range below[parent] {
		if s.rightsOn(&n.Folder)&RightLookup != 0 {
			out = append(out, s.shows(n.Folder))
		}
		out = s.appendTree(out, below, n.ID)
	}
	return out
}

func compareSiblings(a, b *node) int {
	if (a.Role == Inbox) != (b.Role == Inbox) {
		if a.Role == Inbox {
			return -1
		}
		return 1
	}
	return strings.Compare(a.Name, b.Name)
}

// FolderKeywords returns keywords in the order of their first use in the account: to its owner all
// that the account knows, to others those of the items in a folder that they may read and that
// somebody has a view of. The caller must not change the slice.
func (s *Session) FolderKeywords(id FolderID) []string {
	st := s.state()
	if s.who.Owns(s.a.id) {
		return st.kw.names
	}
	n := st.folder(id)
	if n == nil || n.view == nil || s.rightsOn(&n.Folder)&RightRead == 0 {
		return nil
	}
	var names []string
	for _, id := range n.view.keywords() {
		names = append(names, st.kw.names[id])
	}
	return names
}

// KeywordsOf returns the keywords of a view's rows, in the order of their first use in the account.
func (s *Session) KeywordsOf(v *View) []string {
	var names []string
	kw := s.state().kw
	for _, id := range v.keywords() {
		names = append(names, kw.names[id])
	}
	return names
}

// View returns the newest durable view of a folder: the same pointer as long as the
// folder doesn't change. If nobody has used the folder lately its rows are read from the store.
func (s *Session) View(ctx context.Context, id FolderID) (*View, error) {
	n, err := s.visible(id, RightLookup|RightRead)
	if err != nil {
		return nil, err
	}
	if n.view != nil {
		return n.view.touch(s.a.store.now()), nil
	}
	p, err := s.a.submit(ctx, func(t *txn) error {
		f, err := t.viewed(id)
		if err != nil {
			return err
		}
		return s.need(&f.Folder, RightLookup|RightRead)
	})
	if err != nil {
		return nil, err
	}
	if err := p.wait(); err != nil {
		return nil, err
	}
	return p.next.folder(id).view.touch(s.a.store.now()), nil
}

// ViewAtHand is View if somebody has used the folder lately; else, or if the identity can't read the folder, it is nil.
func (s *Session) ViewAtHand(id FolderID) *View {
	n, err := s.visible(id, RightLookup|RightRead)
	if err != nil {
		return nil
	}
	return n.view
}

// Find returns where an item is.
func (s *Session) Find(ctx context.Context, id ItemID) (FolderID, UID, error) {
	p, err := s.find(ctx, id, RightRead)
	return p.folder, p.uid, err
}

// LockMaildrop takes the account's POP3 lock (RFC 1939 §4), of which there is one
// in a server; fault.InUse if somebody has it. It keeps no other protocol from anything.
func (s *Session) LockMaildrop() (unlock func(), err error) {
	if !s.a.maildrop.CompareAndSwap(false, true) {
		return nil, fault.New(fault.InUse, "the maildrop is in use by another session")
	}
	return sync.OnceFunc(func() { s.a.maildrop.Store(false) }), nil
}
