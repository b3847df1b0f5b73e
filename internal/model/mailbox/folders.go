package mailbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroad/internal/fault"
)

const (
	// MaxFolders is how many folders an account may have.
	MaxFolders = 50_000
	// MaxGrants is how many grants a folder may have.
	MaxGrants = 1000
)

// NewFolder is a folder to be made.
type NewFolder struct {
	Name       string
	Parent     FolderID // 0: at the root
	Kind       Kind
	Role       Role
	Subscribed bool
}

// FolderPatch changes a folder. Nil fields stay as they are.
type FolderPatch struct {
	Name       *string
	Parent     *FolderID
	Role       *Role
	Subscribed *bool
	// Props are properties that change in the same step, as by SetFolderProps.
	Props map[PropScope]map[string][]byte
}

// CreateFolder makes a folder. It needs RightCreate on the parent; at the root only
// the owner may, and only the owner gives roles and subscribes. The new folder has the parent's grants. It fails with fault.Exists if
// the name or the role is taken.
func (s *Session) CreateFolder(ctx context.Context, n NewFolder) (Folder, error) {
	var made Folder
	err := s.a.update(ctx, func(t *txn) error {
		if err := s.mayCreate(t, n.Parent); err != nil {
			return err
		}
		if (n.Role != NoRole || n.Subscribed) && !s.who.Owns(s.a.id) {
			return fault.New(fault.Denied, "only the owner can do that")
		}
		f, err := t.addFolder(n)
		made = s.shows(f)
		return err
	})
	return made, err
}

func (s *Session) mayCreate(t *txn, parent FolderID) error {
	if parent == 0 {
		if !s.who.Owns(s.a.id) {
			return fault.New(fault.Denied, "you have no right to make folders here")
		}
		return nil
	}
	p := t.next.folder(parent)
	if p == nil {
		return fault.New(fault.NotFound, "no such folder")
	}
	return s.need(&p.Folder, RightCreate)
}

func (t *txn) addFolder(n NewFolder) (Folder, error) {
	f := Folder{Name: n.Name, Parent: n.Parent, Kind: n.Kind, Role: n.Role, Subscribed: n.Subscribed, UIDNext: 1, recent: 1}
	if len(t.next.folders)+len(t.folders.all) >= MaxFolders {
		return f, fault.New(fault.TooLarge, "the account has too many folders")
	}
	if err := t.fits(&f); err != nil {
		return f, err
	}
	if p := t.next.folder(n.Parent); p != nil {
		f.Grants = p.Grants
	}
	f.ID = FolderID(t.newID())
	f.UIDValidity = t.newUIDValidity()
	f.Created = t.change(FolderAdded, f.ID, 0, 0)
	f.Changed, f.HighestModSeq = f.Created, f.Created
	t.folders.add(&folderEdit{Folder: f, view: newView(f, f.Created, nil), touched: true})
	return f, nil
}

// newUIDValidity never goes down in an account, so a folder made again under an old name
// has another one (RFC 9051 §2.3.1.1).
func (t *txn) newUIDValidity() uint32 {
	v := max(uint32(max(t.now.Unix(), 1)), t.next.head.uidValidity+1)
	t.next.head.uidValidity = v
	return v
}

// fits checks that f may stand where it wants to: its name, its role, its place.
func (t *txn) fits(f *Folder) error {
	if err := checkSelf(f); err != nil {
		return err
	}
	for _, n := range t.next.folders {
		if n.ID == f.ID {
			continue
		}
		if n.Parent == f.Parent && n.Name == f.Name {
			return fault.New(fault.Exists, "a folder of that name exists")
		}
		if f.Role != NoRole && n.Role == f.Role {
			return fault.New(fault.Exists, "another folder has that role")
		}
	}
	depth, err := t.next.depth(f)
	if err == nil && depth+t.next.height(f.ID) > MaxDepth {
		err = errTooDeep()
	}
	return err
}

func errTooDeep() error { return fault.New(fault.TooLarge, "the folders are nested too deeply") }

// checkSelf checks what can be wrong with a folder whatever else there is.
func checkSelf(f *Folder) error {
	if f.Kind > Notes || f.Role > Archive {
		return fault.New(fault.Invalid, "no such kind or role of folder")
	}
	return checkName(f)
}

func checkName(f *Folder) error {
	switch {
	case f.Name == "":
		return fault.New(fault.Invalid, "a folder needs a name")
	case len(f.Name) > MaxName:
		return fault.New(fault.TooLarge, "the folder's name is too long")
	case !utf8.ValidString(f.Name) || strings.ContainsFunc(f.Name, unicode.IsControl):
		return fault.New(fault.Invalid, "the folder's name has a character that is not allowed")
	case f.Parent == 0 && f.Role != Inbox && strings.EqualFold(f.Name, "INBOX"):
		return fault.New(fault.Exists, "INBOX is the name of the inbox")
	}
	return nil
}

// depth is how many levels down from the root f is, 1 at the root: the way up from it must end there.
func (s *state) depth(f *Folder) (int, error) {
	depth := 1
	for up := f.Parent; up != 0; depth++ {
		p := s.folder(up)
		switch {
		case p == nil:
			return 0, fault.New(fault.NotFound, "the parent folder doesn't exist")
		case up == f.ID:
			return 0, fault.New(fault.Invalid, "a folder can't be inside itself")
		case depth >= MaxDepth:
			return 0, errTooDeep()
		}
		up = p.Parent
	}
	return depth, nil
}

// height is how many levels of folders there are below one.
func (s *state) height(id FolderID) int {
	if id == 0 || !s.hasChildren(id) {
		return 0
	}
	below := map[FolderID][]FolderID{}
	for _, n := range s.folders {
		below[n.Parent] = append(below[n.Parent], n.ID)
	}
	level, h := below[id], 0
	for ; len(level) > 0; h++ {
		var next []FolderID
		for _, n := range level {
			next = append(next, below[n]...)
		}
		level = next
	}
	return h
}

// UpdateFolder renames, moves or marks a folder; what is below it comes along, since children know
// their parent by its ID. Renaming and moving need RightDelete on the folder and RightCreate on
// the new parent. The inbox can't be renamed or moved, and can't lose its role.
func (s *Session) UpdateFolder(ctx context.Context, id FolderID, p FolderPatch) (Folder, error) {
	var done Folder
	err := s.a.update(ctx, func(t *txn) error {
		f, err := t.folder(id)
		if err != nil {
			return err
		}
		if err := s.mayPatch(t, &f.Folder, &p); err != nil {
			return err
		}
		if !p.apply(&f.Folder) && len(p.Props) == 0 {
			done = s.shows(f.Folder)
			return nil
		}
		if err := t.fits(&f.Folder); err != nil {
			return err
		}
		if err := s.patchProps(t, f, p.Props); err != nil {
			return err
		}
		t.changeFolder(f)
		done = s.shows(f.Folder)
		return nil
	})
	return done, err
}

func (t *txn) changeFolder(f *folderEdit) {
	f.touched = true
	f.Changed = t.change(FolderChanged, f.ID, 0, 0)
	f.HighestModSeq = f.Changed
}

func (s *Session) mayPatch(t *txn, f *Folder, p *FolderPatch) error {
	moves := p.Name != nil && *p.Name != f.Name || p.Parent != nil && *p.Parent != f.Parent
	rights := RightLookup
	if moves {
		rights |= RightDelete
	}
	if err := s.need(f, rights); err != nil {
		return err
	}
	owner := s.who.Owns(s.a.id)
	switch {
	case f.Role == Inbox && (moves || p.Role != nil && *p.Role != Inbox):
		return fault.New(fault.Denied, "the inbox stays what and where it is")
	case (p.Role != nil || p.Subscribed != nil) && !owner:
		return fault.New(fault.Denied, "only the owner can do that")
	case moves && p.Parent != nil:
		return s.mayCreate(t, *p.Parent)
	case moves: // RFC 4314 §4: a new name needs the right on its parent, the same one or not
		return s.mayCreate(t, f.Parent)
	}
	return nil
}

// apply reports whether the patch changed anything.
func (p *FolderPatch) apply(f *Folder) bool {
	name, parent := assign(&f.Name, p.Name), assign(&f.Parent, p.Parent)
	role, subscribed := assign(&f.Role, p.Role), assign(&f.Subscribed, p.Subscribed)
	return name || parent || role || subscribed
}

func assign[T comparable](to *T, from *T) bool {
	if from == nil || *to == *from {
		return false
	}
	*to = *from
	return true
}

// DeleteFolder removes a folder and its items. It needs RightDelete. A folder with children is left alone
// (fault.Conflict), and so is the inbox (fault.Denied).
func (s *Session) DeleteFolder(ctx context.Context, id FolderID) error {
	for {
		more, err := s.deleteSome(ctx, id)
		if err != nil || !more {
			return err
		}
	}
}

// deleteSome removes the folder, or, if it is large, some of its items. more says that there is more to do.
func (s *Session) deleteSome(ctx context.Context, id FolderID) (more bool, err error) {
	err = s.a.update(ctx, func(t *txn) error {
		f, err := t.folder(id)
		if err != nil {
			return err
		}
		if err := s.mayDelete(t, &f.Folder); err != nil {
			return err
		}
		if _, err = t.viewed(id); err != nil {
			return err
		}
		more = f.view.Len() > expungeStep
		for _, r := range f.view.All(0, min(f.view.Len(), expungeStep)) {
			if err := t.destroy(f, r); err != nil {
				return err
			}
		}
		if !more {
			t.change(FolderRemoved, id, 0, 0)
			f.removed = true
			return t.dropFolderProps(id)
		}
		return nil
	})
	return more, err
}

func (s *Session) mayDelete(t *txn, f *Folder) error {
	if err := s.need(f, RightDelete); err != nil {
		return err
	}
	if f.Role == Inbox {
		return fault.New(fault.Denied, "the inbox can't be deleted")
	}
	if t.next.hasChildren(f.ID) {
		return fault.New(fault.Conflict, "the folder has folders in it")
	}
	return nil
}

// SetGrants changes who else may do what with a folder. It needs RightAdmin. Grants of no
// right are left out.
func (s *Session) SetGrants(ctx context.Context, id FolderID, grants []Grant) error {
	return s.UpdateGrants(ctx, id, func([]Grant) []Grant { return slices.Clone(grants) })
}

// UpdateGrants is SetGrants, where change makes the new grants of the old ones, which it may change in place. So nobody's
// change at the same time is lost. change may be called several times.
func (s *Session) UpdateGrants(ctx context.Context, id FolderID, change func(old []Grant) []Grant) error {
	announced := map[principal]bool{}
	for {
		fresh, err := s.updateGrants(ctx, id, change, announced)
		if !errors.Is(err, errUnannounced) {
			return err
		}
		if err := s.a.store.announce(ctx, s.a.id, fresh); err != nil {
			return err
		}
		for _, p := range fresh {
			announced[p] = true
		}
	}
}

// updateGrants changes the grants, unless there are principals among them that the index of shares must be told of
// first: these are returned with errUnannounced.
func (s *Session) updateGrants(ctx context.Context, id FolderID, change func([]Grant) []Grant, announced map[principal]bool) (fresh []principal, err error) {
	err = s.a.update(ctx, func(t *txn) error {
		f, err := t.folder(id)
		if err != nil {
			return err
		}
		if err := s.need(&f.Folder, RightAdmin); err != nil {
			return err
		}
		grants := change(slices.Clone(f.Grants))
		if err := checkGrants(grants); err != nil {
			return err
		}
		fresh = slices.DeleteFunc(principalsOf(grants), func(p principal) bool { return announced[p] })
		if len(fresh) > 0 {
			return errUnannounced
		}
		f.Grants = slices.DeleteFunc(grants, func(g Grant) bool { return g.Rights == 0 })
		t.changeFolder(f)
		return nil
	})
	return fresh, err
}

func checkGrants(grants []Grant) error {
	if len(grants) > MaxGrants {
		return fault.New(fault.TooLarge, "at most %d grants on a folder are allowed", MaxGrants)
	}
	for _, g := range grants {
		if g.Rights&^AllRights != 0 || g.Kind > ToAnyone || (g.Kind == ToAnyone) != (g.ID == 0) {
			return fault.New(fault.Invalid, "no such right or principal")
		}
	}
	return nil
}

// ClaimRecent gives the caller the folder's items that nobody has been shown as recent
// yet: those from first up to, but without, next (RFC 3501 §2.3.2). Items that come later are for whoever asks next, even if
// the caller's next view shows them. Each item is given once, but after a crash perhaps again.
func (s *Session) ClaimRecent(ctx context.Context, id FolderID) (first, next UID, err error) {
	n, err := s.visible(id, RightRead)
	if err != nil || n.recent == n.UIDNext {
		return nextUID(n), nextUID(n), err
	}
	err = s.a.lazily(ctx, func(t *txn) error {
		f, err := t.folder(id)
		if err != nil {
			return err
		}
		first, next = f.recent, f.UIDNext
		if first != f.UIDNext {
			f.recent, f.touched, t.dirty = f.UIDNext, true, true
		}
		return nil
	})
	return first, next, err
}

func nextUID(n *node) UID {
	if n == nil {
		return 0
	}
	return n.UIDNext
}
