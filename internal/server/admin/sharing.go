package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// SharingAdmin is what an administrator can do with rights on mailboxes.
type SharingAdmin interface {
	// Shares lists who may do what in an account's folders, besides its owner.
	Shares(ctx context.Context, address string) ([]Share, error)
	// SetShare changes somebody's rights on a folder. It tells how many folders are other than before.
	SetShare(ctx context.Context, c ShareChange) (ShareResult, error)
}

// Share is somebody's rights on a folder.
type Share struct {
	Folder string `json:"folder"`
	Who    string `json:"who"`    // the address of an account or group, "anyone", or "#" and the number of who is gone
	Rights string `json:"rights"` // the letters of RFC 4314
}

// ShareChange changes rights.
type ShareChange struct {
	Address string   `json:"address"` // whose folder it is
	Folder  []string `json:"folder"`  // the names down from the root
	Who     string   `json:"who"`     // as in Share
	// Rights are all that they are to have from now on, in letters; "": none. With "+" or "-" in front they are given or taken.
	Rights string `json:"rights"`
	Create bool   `json:"create,omitempty"` // make the folder if it isn't there
	Below  bool   `json:"below,omitempty"`  // change also the folders below it
}

// ShareResult tells how many folders have other rights than before.
type ShareResult struct {
	Folders int `json:"folders"`
}

// Anyone is whoever has an account here (RFC 4314 §2).
const Anyone = "anyone"

// Shares implements Admin.
func (d *Direct) Shares(ctx context.Context, address string) ([]Share, error) {
	list := []Share{}
	err := d.withMailbox(ctx, address, func(s *mailbox.Session) error {
		for _, f := range s.Tree() {
			for _, g := range f.Grants {
				who, err := d.principalName(ctx, g)
				if err != nil {
					return err
				}
				list = append(list, Share{strings.Join(f.Names, "/"), who, g.Rights.String()})
			}
		}
		return nil
	})
	return list, err
}

// withMailbox opens an account's mailbox with every right. Who lets people into it could as well sign in to it, so it is for those
// who may.
func (d *Direct) withMailbox(ctx context.Context, address string, fn func(*mailbox.Session) error) error {
	a, err := d.changeable(ctx, address)
	if err != nil {
		return err
	}
	s, err := d.store.Open(ctx, a.ID, ident.System())
	if err != nil {
		return err
	}
	defer s.Close()
	return fn(s)
}

func (d *Direct) principalName(ctx context.Context, g mailbox.Grant) (name string, err error) {
	switch g.Kind {
	case mailbox.ToAnyone:
		return Anyone, nil
	case mailbox.ToGroup:
		x, e := d.dir.GroupByID(ctx, ident.GroupID(g.ID))
		name, err = x.Address, e
	default:
		x, e := d.dir.Account(ctx, ident.AccountID(g.ID))
		name, err = x.Address, e
	}
	if fault.Is(err, fault.NotFound) {
		return fmt.Sprintf("#%d", g.ID), nil
	}
	return name, err
}

// SetShare implements Admin.
func (d *Direct) SetShare(ctx context.Context, c ShareChange) (done ShareResult, err error) {
	to, err := d.grantee(ctx, c.Who)
	if err != nil {
		return done, err
	}
	change, err := rightsChange(c.Rights)
	if err != nil {
		return done, err
	}
	err = d.withMailbox(ctx, c.Address, func(s *mailbox.Session) error {
		if to.Kind == mailbox.ToAccount && to.ID == uint64(s.Account()) {
			return fault.New(fault.Invalid, "the owner always has all rights")
		}
		folders, err := foldersAt(ctx, s, &c)
		if err != nil {
			return err
		}
		for _, id := range folders {
			was, is := mailbox.Rights(0), mailbox.Rights(0)
			err := s.UpdateGrants(ctx, id, func(old []mailbox.Grant) []mailbox.Grant {
				i := slices.IndexFunc(old, func(g mailbox.Grant) bool { return g.Kind == to.Kind && g.ID == to.ID })
				if i < 0 {
					i, old = len(old), append(old, to)
				}
				was = old[i].Rights
				is = change(was)
				old[i].Rights = is
				return old
			})
			if err != nil {
				return err
			}
			if was != is {
				done.Folders++
			}
		}
		return nil
	})
	return done, err
}

// grantee finds whom rights are to be given to.
func (d *Direct) grantee(ctx context.Context, who string) (mailbox.Grant, error) {
	if strings.EqualFold(who, Anyone) {
		return mailbox.Grant{Kind: mailbox.ToAnyone}, nil
	}
	account, group, err := d.dir.Principal(ctx, who)
	switch {
	case fault.Is(err, fault.NotFound):
		return mailbox.Grant{}, fault.New(fault.NotFound, "%s is neither an account nor a group here", who)
	case group != 0:
		return mailbox.Grant{Kind: mailbox.ToGroup, ID: uint64(group)}, err
	}
	return mailbox.Grant{Kind: mailbox.ToAccount, ID: uint64(account)}, err
}

// rightsChange reads what is to become of somebody's rights.
func rightsChange(text string) (func(mailbox.Rights) mailbox.Rights, error) {
	r, err := mailbox.ParseRights(strings.TrimLeft(text, "+-"))
	if err != nil || strings.LastIndexAny(text, "+-") > 0 {
		return nil, fault.New(fault.Invalid, "rights are letters of RFC 4314, out of \"lrswipkxtea\", perhaps with + or - in front")
	}
	return func(have mailbox.Rights) mailbox.Rights {
		switch {
		case strings.HasPrefix(text, "+"):
			return have | r
		case strings.HasPrefix(text, "-"):
			return have &^ r
		}
		return r
	}, nil
}

// foldersAt finds the folder that is meant, and perhaps those below it.
func foldersAt(ctx context.Context, s *mailbox.Session, c *ShareChange) ([]mailbox.FolderID, error) {
	if len(c.Folder) > 0 && strings.EqualFold(c.Folder[0], mailbox.InboxName) {
		c.Folder[0] = mailbox.InboxName
	}
	at, rest := s.Walk(c.Folder)
	for _, name := range rest {
		if !c.Create {
			return nil, fault.New(fault.NotFound, "there is no folder %s", strings.Join(c.Folder, "/"))
		}
		var err error
		if at, err = s.CreateFolder(ctx, mailbox.NewFolder{Name: name, Parent: at.ID}); err != nil {
			return nil, err
		}
	}
	if at.ID == 0 {
		return nil, fault.New(fault.Invalid, "which folder?")
	}
	all := []mailbox.FolderID{at.ID}
	if !c.Below {
		return all, nil
	}
	tree := s.Tree()
	i := slices.IndexFunc(tree, func(f mailbox.Placed) bool { return f.ID == at.ID })
	for _, f := range tree[i+1:] {
		if len(f.Names) <= len(tree[i].Names) {
			break
		}
		all = append(all, f.ID)
	}
	return all, nil
}

func (c *Client) Shares(ctx context.Context, address string) ([]Share, error) {
	return call[[]Share](ctx, c, "account.shares", addressArg{address})
}
func (c *Client) SetShare(ctx context.Context, s ShareChange) (ShareResult, error) {
	return call[ShareResult](ctx, c, "account.share", s)
}
