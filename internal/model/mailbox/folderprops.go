package mailbox

import (
	"bytes"
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// PropScope says whose a folder's property is.
type PropScope uint8

// Scopes of folder properties.
const (
	SharedProps  PropScope = iota // all who may use the folder see them
	PrivateProps                  // each identity has its own
)

// folderPropsRights are the rights of which an identity needs one, besides RightLookup, to deal with a folder's properties
// (RFC 5464 §3.3).
const folderPropsRights = RightRead | RightSeen | RightWrite | RightInsert | RightPost

// folderPropsKey is where an identity's properties of a folder are, or with 0 the shared ones.
func folderPropsKey(f FolderID, who ident.AccountID) []byte {
	return append48(key48(keyFolderProps, uint64(f)), uint64(who))
}

// folderPropsOf is the range of all properties of a folder.
func folderPropsOf(f FolderID) kv.Range {
	return kv.Range{Lo: key48(keyFolderProps, uint64(f)), Hi: key48(keyFolderProps, uint64(f)+1)}
}

func (s *Session) scopeOwner(scope PropScope) ident.AccountID {
	if scope == SharedProps {
		return 0
	}
	return s.who.Account
}

// mayUseProps checks that the session may deal with a folder's properties.
func (s *Session) mayUseProps(f *Folder, scope PropScope) error {
	if err := s.need(f, RightLookup); err != nil {
		return err
	}
	if s.rightsOn(f)&folderPropsRights == 0 || scope > PrivateProps || scope == PrivateProps && s.who.Account == 0 {
		return fault.New(fault.Denied, "you have no right to properties of this folder")
	}
	return nil
}

// FolderProps returns a folder's properties of a scope: names are the protocols' own, as in a Bag. It needs RightLookup and
// one of RightRead, RightSeen, RightWrite, RightInsert and RightPost.
func (s *Session) FolderProps(ctx context.Context, id FolderID, scope PropScope) (map[string][]byte, error) {
	n, err := s.visible(id, RightLookup)
	if err == nil {
		err = s.mayUseProps(&n.Folder, scope)
	}
	if err != nil {
		return nil, err
	}
	b, err := s.readBag(ctx, folderPropsKey(id, s.scopeOwner(scope)))
	return b.Props, err
}

// SetFolderProps changes a folder's properties, of several scopes in one step; a nil value removes one. It needs the same
// rights as FolderProps. Each scope may take MaxBag bytes. The folder takes a change number.
func (s *Session) SetFolderProps(ctx context.Context, id FolderID, patch map[PropScope]map[string][]byte) error {
	return s.a.update(ctx, func(t *txn) error {
		f, err := t.folder(id)
		if err != nil {
			return err
		}
		if err := s.patchProps(t, f, patch); err != nil {
			return err
		}
		t.changeFolder(f)
		return nil
	})
}

func (s *Session) patchProps(t *txn, f *folderEdit, patch map[PropScope]map[string][]byte) error {
	for scope, some := range patch {
		if err := s.mayUseProps(&f.Folder, scope); err != nil {
			return err
		}
		if err := t.patchFolderProps(folderPropsKey(f.ID, s.scopeOwner(scope)), some); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) patchFolderProps(key []byte, patch map[string][]byte) error {
	b, err := t.getBag(key)
	if err != nil {
		return err
	}
	if err := b.merge(patch); err != nil {
		return err
	}
	t.dirty = true
	if len(b.Props) == 0 {
		return t.tx.Delete(key)
	}
	return t.tx.Set(key, b.encode())
}

// dropFolderProps removes what belongs to a folder that goes.
func (t *txn) dropFolderProps(id FolderID) error {
	r := folderPropsOf(id)
	return t.tx.DeleteRange(r.Lo, r.Hi)
}

// folderProps checks that properties belong to folders and can be read.
func (c *checker) folderProps() error {
	for p, err := range c.r.Scan(all(keyFolderProps)) {
		if err != nil {
			return err
		}
		if id := FolderID(read48(p.Key[1:])); c.s.folder(id) == nil {
			c.say("properties belong to folder %d, which isn't there", id)
		}
		b, err := decodeBag(p.Value)
		if err != nil || len(b.Props) == 0 || !bytes.Equal(p.Value, b.encode()) {
			c.say("properties of a folder: damaged (%v)", err)
		}
	}
	return nil
}
