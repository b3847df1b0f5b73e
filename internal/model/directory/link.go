package directory

import (
	"context"
	"iter"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Limits of a Link, in bytes.
const (
	MaxSource = 32
	MaxKey    = 255
	MaxRef    = 1024
)

// Link ties an account or a group to an entry of a directory outside: LDAP, or a table of a database. Such an account's
// password is verified there, and what is said of it there is copied here now and then.
type Link struct {
	Source string // names the outside directory
	Key    string // finds the entry there, for ever; unique in the source
	Ref    string // how the source addresses the entry now; "" if by its key
	// Aliases are those that were made for the source's sake.
	Aliases []string
	// Off: the account was disabled for the source's sake.
	Off bool
}

// Linked is what is tied to an entry of a source.
type Linked struct {
	ID    uint64 // of an account or a group: no number is given twice
	Group bool
	Link  Link
}

func (l Link) check() error {
	if l.Source == "" || len(l.Source) > MaxSource || l.Key == "" || len(l.Key) > MaxKey || len(l.Ref) > MaxRef || len(l.Aliases) > MaxTargets {
		return fault.New(fault.Invalid, "a link needs a source and a key, and may not be too long")
	}
	return nil
}

// LinkAccount ties an account to an entry, or changes what its link says. Its own password, if it has one, is
// removed: the source knows it from now on. Errors: fault.NotFound; fault.Exists if something else is tied to that entry;
// fault.Invalid.
func (d *Directory) LinkAccount(ctx context.Context, id ident.AccountID, l Link) error {
	if err := l.check(); err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		acc, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		if err := setLink(tx, Linked{uint64(id), false, l}); err != nil || !acc.HasPassword {
			return err
		}
		acc.HasPassword = false
		if err := tx.Delete(credentialKey(id)); err != nil {
			return err
		}
		return tx.Set(accountKey(id), acc.encode())
	})
}

// UnlinkAccount makes an account one of our own, without a password; fault.NotFound if it is that already.
func (d *Directory) UnlinkAccount(ctx context.Context, id ident.AccountID) error {
	return d.update(ctx, func(tx kv.Tx) error {
		l, err := getLink(tx, uint64(id))
		if err == nil && l == nil {
			err = fault.New(fault.NotFound, "the account is tied to nothing outside")
		}
		if err != nil {
			return err
		}
		return deleteLink(tx, uint64(id))
	})
}

// Links lists what is tied to a source. An error ends the list as its last pair.
func (d *Directory) Links(ctx context.Context, source string) iter.Seq2[Linked, error] {
	return func(yield func(Linked, error) bool) {
		list(ctx, d, all(keyLink), decodeLink, func(l Linked, err error) bool {
			return err == nil && l.Link.Source != source || yield(l, err)
		})
	}
}

// setLink writes a link, and the way from the entry to it.
func setLink(tx kv.Tx, l Linked) error {
	key := linkedKey(l.Link.Source, l.Link.Key)
	v, ok, err := tx.Get(key)
	if err != nil {
		return err
	}
	if ok && string(v) != string(idKey(0, l.ID)[1:]) {
		return fault.New(fault.Exists, "something else is tied to that entry")
	}
	if err := deleteLink(tx, l.ID); err != nil {
		return err
	}
	if err := tx.Set(key, idKey(0, l.ID)[1:]); err != nil {
		return err
	}
	return tx.Set(linkKey(l.ID), l.encode())
}

// deleteLink unties an account or group, if it is tied.
func deleteLink(tx kv.Tx, id uint64) error {
	l, err := getLink(tx, id)
	if err != nil || l == nil {
		return err
	}
	if err := tx.Delete(linkedKey(l.Source, l.Key)); err != nil {
		return err
	}
	return tx.Delete(linkKey(id))
}

// getLink reads the link of an account or group; nil if it has none.
func getLink(r kv.Reader, id uint64) (*Link, error) {
	v, ok, err := r.Get(linkKey(id))
	if err != nil || !ok {
		return nil, err
	}
	l, err := decodeLink(kv.Pair{Key: linkKey(id), Value: v})
	return &l.Link, err
}

func (l Linked) encode() []byte {
	return newRecord(1).bool(l.Group).text(l.Link.Source).text(l.Link.Key).text(l.Link.Ref).texts(l.Link.Aliases).bool(l.Link.Off)
}

func decodeLink(p kv.Pair) (Linked, error) {
	r := readRecord(p.Value, 1)
	l := Linked{ID: idOf(p.Key), Group: r.bool(), Link: Link{Source: r.text(), Key: r.text(), Ref: r.text(), Aliases: r.texts(), Off: r.bool()}}
	return l, r.end("link")
}

// errLinked refuses a password of our own for an account that is tied to a source.
func errLinked(source string) error {
	return fault.New(fault.Conflict, "the account's password is kept outside, by %s: change it there", source)
}
