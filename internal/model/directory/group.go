package directory

import (
	"context"
	"iter"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// MaxMembers is how many members a group may have. Larger ones are made of groups.
const MaxMembers = 2000

// Group is an address whose mail goes to all members, and to which rights may be given.
type Group struct {
	ID      ident.GroupID
	Address string
	Name    string
	Members []string // here or elsewhere; may be groups
	Created time.Time
}

// AddGroup adds a group without members. Errors as for AddAccount.
func (d *Directory) AddGroup(ctx context.Context, address, name string) (Group, error) {
	a, err := parseOwn(address)
	if err != nil {
		return Group{}, err
	}
	if err := checkDisplayName(name); err != nil {
		return Group{}, err
	}
	g := Group{Address: a.String(), Name: name, Created: d.now().UTC().Truncate(time.Microsecond)}
	err = d.update(ctx, func(tx kv.Tx) error {
		id, err := nextID(tx)
		if err != nil {
			return err
		}
		g.ID = ident.GroupID(id)
		if err := claim(tx, a, entry{kind: isGroup, id: id}); err != nil {
			return err
		}
		return tx.Set(groupKey(g.ID), g.encode())
	})
	return g, err
}

// SetMembers replaces a group's members. Errors: fault.NotFound if there is no such group
// or a member of our own isn't there, fault.TooLarge over MaxMembers, fault.Invalid.
func (d *Directory) SetMembers(ctx context.Context, address string, members []string) error {
	a, err := parseOwn(address)
	if err != nil {
		return err
	}
	to, err := parseTargets(members, MaxMembers)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		g, err := findGroup(tx, a)
		if err != nil {
			return err
		}
		if err := setTargets(tx, a, g.Members, to); err != nil {
			return err
		}
		g.Members = texts(to)
		return tx.Set(groupKey(g.ID), g.encode())
	})
}

// RemoveGroup removes a group, also from aliases and groups that lead to it; fault.NotFound if there is none.
func (d *Directory) RemoveGroup(ctx context.Context, address string) error {
	a, err := parseOwn(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		g, err := findGroup(tx, a)
		if err != nil {
			return err
		}
		if err := setTargets(tx, a, g.Members, nil); err != nil {
			return err
		}
		for _, key := range [][]byte{groupKey(g.ID), entryKey(a.entry())} {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return forget(tx, a.entry())
	})
}

// Groups lists the groups by number. An error ends the list as its last pair.
func (d *Directory) Groups(ctx context.Context) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		list(ctx, d, all(keyGroup), decodeGroup, yield)
	}
}

func (g Group) encode() []byte {
	return newRecord(1).text(g.Address).text(g.Name).time(g.Created).texts(g.Members)
}

func decodeGroup(p kv.Pair) (Group, error) {
	r := readRecord(p.Value, 1)
	g := Group{ID: ident.GroupID(idOf(p.Key)), Address: r.text(), Name: r.text(), Created: r.time(), Members: r.texts()}
	return g, r.end("group")
}

func getGroup(r kv.Reader, id ident.GroupID) (Group, error) {
	v, ok, err := r.Get(groupKey(id))
	if err != nil {
		return Group{}, err
	}
	if !ok {
		return Group{}, fault.New(fault.NotFound, "no such group")
	}
	return decodeGroup(kv.Pair{Key: groupKey(id), Value: v})
}

func findGroup(r kv.Reader, a Address) (Group, error) {
	e, err := requireEntry(r, a, isGroup)
	if err != nil {
		return Group{}, err
	}
	return getGroup(r, ident.GroupID(e.id))
}

func dropMember(tx kv.Tx, e entry, gone Address) error {
	g, err := getGroup(tx, ident.GroupID(e.id))
	if err != nil {
		return err
	}
	g.Members = without(g.Members, gone)
	return tx.Set(groupKey(g.ID), g.encode())
}
