package imap

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Mailboxes of others stand below these names (RFC 2342, RFC 9051 §6.3.10), those of a person's account below
// "Other Users/ADDRESS/", those of an account that is nobody's own below "Shared/ADDRESS/". Behind that they are called as
// their owner calls them, INBOX too. A name of which nothing can be seen is as one that doesn't exist: nobody learns from
// names which accounts there are.
const (
	otherUsers = "Other Users"
	sharedBy   = "Shared"
)

// box is a folder, and who acts on the account that it is in. Without a folder (ID 0) it is the place above the
// account's folders; without mail it is nowhere.
type box struct {
	mailbox.Folder
	mail *mailbox.Session
}

func (b *box) rights() mailbox.Rights { return b.mail.Rights(b.ID) }

// is reports whether the folder is that of another box.
func (b *box) is(mail *mailbox.Session, id mailbox.FolderID) bool {
	return b.ID == id && b.mail.Account() == mail.Account()
}

// foreign reports whether an account is somebody else's.
func (s *session) foreign(mail *mailbox.Session) bool { return mail.Account() != s.who.Account }

// other is somebody else's account in which there may be something to see.
type other struct {
	id     ident.AccountID
	prefix string // path above its folders
}

// others lists the accounts that may have something to see, in the order of their names.
func (s *session) others(ctx context.Context) ([]other, error) {
	if s.srv.principals == nil {
		return nil, nil
	}
	if err := s.renewGroups(ctx); err != nil {
		return nil, err
	}
	ids, err := s.srv.store.Sharers(ctx, s.who)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	all := make([]other, 0, len(ids))
	for _, id := range ids {
		o, err := s.other(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue // it is gone, or about to be made
		}
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b other) int { return strings.Compare(a.prefix, b.prefix) })
	return all, nil
}

func (s *session) other(ctx context.Context, id ident.AccountID) (other, error) {
	name, err := s.srv.principals.Name(ctx, mailbox.ToAccount, uint64(id))
	if err != nil {
		return other{}, err
	}
	shared, err := s.srv.principals.Shared(ctx, id)
	top := otherUsers
	if shared {
		top = sharedBy
	}
	return other{id, top + string(separator) + escapeName(norm.NFC.String(name))}, err
}

// renewGroups makes sure that the client acts with the groups that it is in now, not when it logged in.
func (s *session) renewGroups(ctx context.Context) error {
	groups, err := s.srv.principals.Groups(ctx, s.who.Account)
	if err != nil || slices.Equal(groups, s.who.Groups) {
		return err
	}
	s.who.Groups = groups
	for id, old := range s.guests {
		renewed, err := s.srv.store.Open(ctx, id, s.who)
		if fault.Is(err, fault.NotFound) {
			continue // it is gone, as the old one will find
		}
		if err != nil {
			return err
		}
		s.guests[id] = renewed
		if s.sel != nil && s.sel.mail == old {
			s.sel.mail = renewed
		}
		old.Close()
	}
	return nil
}

// inNamespace reports whether a path is one of the namespaces of others, or below one.
func inNamespace(path string) bool {
	top, _, _ := strings.Cut(path, string(separator))
	return top == otherUsers || top == sharedBy
}

// guest acts on somebody else's account. What it gives is closed by leaveGuests.
func (s *session) guest(ctx context.Context, id ident.AccountID) (*mailbox.Session, error) {
	if mail := s.guests[id]; mail != nil {
		return mail, nil
	}
	mail, err := s.srv.store.Open(ctx, id, s.who)
	if err != nil {
		return nil, err
	}
	if s.guests == nil {
		s.guests = map[ident.AccountID]*mailbox.Session{}
	}
	s.guests[id] = mail
	return mail, nil
}

// leaveGuests closes what guest has opened, but for the account of the selected folder.
func (s *session) leaveGuests() {
	for id, mail := range s.guests {
		if s.sel == nil || s.sel.mail != mail {
			mail.Close()
			delete(s.guests, id)
		}
	}
}

// walkOther goes down a path in the namespaces of others. found is false if the path is none of these.
func (s *session) walkOther(ctx context.Context, path string) (at box, rest []string, found bool, err error) {
	top, below, _ := strings.Cut(path, string(separator))
	all, err := s.others(ctx)
	if err != nil {
		return box{}, nil, true, err
	}
	owner, _, _ := strings.Cut(below, string(separator))
	prefix := top + string(separator) + owner
	i, ok := slices.BinarySearchFunc(all, prefix, func(o other, p string) int { return strings.Compare(o.prefix, p) })
	if !ok {
		return box{}, nil, false, nil
	}
	at.mail, err = s.guest(ctx, all[i].id)
	if fault.Is(err, fault.NotFound) {
		return box{}, nil, false, nil
	}
	if err != nil {
		return box{}, nil, true, err
	}
	if !at.mail.SeesAny() { // the index has told of something that is no more
		return box{}, nil, false, nil
	}
	if path == prefix {
		return at, nil, true, nil
	}
	names, _ := splitPath(path[len(prefix)+1:])
	at.Folder, rest = at.mail.Walk(names)
	return at, rest, true, nil
}

// placed is a folder as LIST, NOTIFY and ESEARCH go through them.
type placed struct {
	box
	path    string
	foreign bool
}

// maxOthers is how many folders of others are listed. More can be shared with somebody, who isn't asked; they are there by
// name.
const maxOthers = 20_000

// shadowed reports whether the client has a folder of its own in the place of somebody else's account.
func (s *session) shadowed(prefix string) bool {
	names, _ := splitPath(prefix)
	_, rest := s.mail.Walk(names)
	return len(rest) == 0
}

// boxes gives every visible folder, parents before children, the client's own first.
func (s *session) boxes(ctx context.Context) ([]placed, error) {
	all := s.ownBoxes()
	others, err := s.others(ctx)
	if err != nil {
		return nil, err
	}
	most := len(all) + maxOthers
	for _, o := range others {
		mail, err := s.guest(ctx, o.id)
		if fault.Is(err, fault.NotFound) || err == nil && s.shadowed(o.prefix) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, f := range mail.Tree() {
			if len(all) == most {
				return all, nil
			}
			all = append(all, placed{box{f.Folder, mail}, o.prefix + joinPath(f.Names), true})
		}
	}
	return all, nil
}

// ownBoxes gives the client's own folders.
func (s *session) ownBoxes() []placed {
	folders := s.mail.Folders()
	byID := make(map[mailbox.FolderID]string, len(folders))
	all := make([]placed, len(folders))
	for i, f := range folders {
		p := escapeName(f.Name)
		switch parent, ok := byID[f.Parent]; {
		case f.Role == mailbox.Inbox:
			p = mailbox.InboxName
		case ok:
			p = parent + string(separator) + p
		}
		byID[f.ID] = p
		all[i] = placed{box{f, s.mail}, p, false}
	}
	return all
}

// joinPath is the part of a path behind an account's prefix.
func joinPath(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteByte(separator)
		b.WriteString(escapeName(n))
	}
	return b.String()
}

// hasChildren reports whether there are folders below one that the client can see.
func (s *session) hasChildren(b *box) bool {
	if !s.foreign(b.mail) {
		return slices.ContainsFunc(b.mail.Folders(), func(f mailbox.Folder) bool { return f.Parent == b.ID })
	}
	tree := b.mail.Tree()
	i := slices.IndexFunc(tree, func(f mailbox.Placed) bool { return f.ID == b.ID })
	return i >= 0 && i+1 < len(tree) && len(tree[i+1].Names) > len(tree[i].Names)
}
