package directory

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Limits of a group.
const (
	MaxMembers     = 2000 // larger groups are made of groups
	MaxOwners      = 50
	MaxDescription = 255 // bytes
)

// Group is an address whose mail goes to all members, and to which rights may be given.
type Group struct {
	ID      ident.GroupID
	Address string
	Name    string
	Members []string // here or elsewhere; may be groups
	Created time.Time
	// List: mail goes to the members as a mailing list's does: in the list's name, with List-* fields, and those who
	// run it hear of what can't be delivered. The fields below mean nothing without it.
	List bool
	// Description says in a line what the list is about.
	Description string
	// Owners run the list; here or elsewhere. None: the postmaster does.
	Owners []string
	// Posters says whose mail the list takes.
	Posters Posters
}

// Posters says whose mail a list takes.
type Posters uint8

// Whose mail a list takes. Owners may always write to it.
const (
	Anyone Posters = iota
	MembersOnly
	OwnersOnly
)

var posterNames = [...]string{Anyone: "anyone", MembersOnly: "members", OwnersOnly: "owners"}

// String is the name that ParsePosters reads.
func (p Posters) String() string {
	if int(p) >= len(posterNames) {
		return "Posters(" + strconv.Itoa(int(p)) + ")"
	}
	return posterNames[p]
}

// ParsePosters reads "anyone", "members" or "owners". Errors are fault.Invalid.
func ParsePosters(s string) (Posters, error) {
	for p, name := range posterNames {
		if s == name {
			return Posters(p), nil
		}
	}
	return 0, fault.New(fault.Invalid, "who may write to a list: anyone, members or owners")
}

// ListID is what names the list in List-Id fields, without the angle brackets (RFC 2919 §2): its address with a dot, or, if the local part
// can't stand there, the group's number.
func (g *Group) ListID() string {
	a, err := Parse(g.Address)
	if err != nil {
		return ""
	}
	local := foldLocal(a.Local)
	if !isASCII(local) || !isDotString(local) {
		local = "g" + strconv.FormatUint(uint64(g.ID), 10)
	}
	return local + "." + a.Domain
}

// NewGroup is a group to be. Only Address is needed.
type NewGroup struct {
	Address, Name string
	Members       []string
	List          bool
	Description   string
	Owners        []string
	Posters       Posters
	Link          *Link // ties it to an outside directory
}

// GroupChange is what SetGroup changes. Nil: as it is.
type GroupChange struct {
	Name        *string
	Members     *[]string
	List        *bool
	Description *string
	Owners      *[]string
	Posters     *Posters
}

// AddGroup adds a group without members. Errors as for AddAccount.
func (d *Directory) AddGroup(ctx context.Context, address, name string) (Group, error) {
	return d.NewGroup(ctx, NewGroup{Address: address, Name: name})
}

// NewGroup adds a group. Errors as for AddAccount and SetGroup.
func (d *Directory) NewGroup(ctx context.Context, n NewGroup) (Group, error) {
	a, err := parseOwn(n.Address)
	if err != nil {
		return Group{}, err
	}
	if n.Link != nil {
		if err := n.Link.check(); err != nil {
			return Group{}, err
		}
	}
	c := GroupChange{Name: &n.Name, Members: &n.Members, List: &n.List, Description: &n.Description, Owners: &n.Owners, Posters: &n.Posters}
	p, err := c.prepare()
	if err != nil {
		return Group{}, err
	}
	g := Group{Address: a.String(), Created: d.stamp()}
	err = d.update(ctx, func(tx kv.Tx) error {
		id, err := nextID(tx)
		if err != nil {
			return err
		}
		g.ID = ident.GroupID(id)
		if err := claim(tx, a, entry{kind: isGroup, id: id}); err != nil {
			return err
		}
		if n.Link != nil {
			if err := setLink(tx, Linked{id, true, *n.Link}); err != nil {
				return err
			}
		}
		g.List = n.List
		if err := tx.Set(groupKey(g.ID), g.encode()); err != nil { // members and owners may be looked up as its own addresses
			return err
		}
		return p.apply(tx, a, &g)
	})
	return g, err
}

// SetMembers replaces a group's members. Errors as for SetGroup.
func (d *Directory) SetMembers(ctx context.Context, address string, members []string) error {
	return d.SetGroup(ctx, address, GroupChange{Members: &members})
}

// SetGroup changes a group. Errors: fault.NotFound if there is no such group
// or a member or owner of our own isn't there, fault.TooLarge over MaxMembers or MaxOwners, fault.Invalid.
func (d *Directory) SetGroup(ctx context.Context, address string, c GroupChange) error {
	a, err := parseOwn(address)
	if err != nil {
		return err
	}
	p, err := c.prepare()
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		g, err := findGroup(tx, a)
		if err != nil {
			return err
		}
		return p.apply(tx, a, &g)
	})
}

// preparedChange is a GroupChange whose addresses have been read.
type preparedChange struct {
	GroupChange
	members, owners []Address
}

func (c GroupChange) prepare() (p preparedChange, err error) {
	p.GroupChange = c
	if c.Name != nil {
		if err := checkDisplayName(*c.Name); err != nil {
			return p, err
		}
	}
	if c.Description != nil && (len(*c.Description) > MaxDescription || !utf8.ValidString(*c.Description) || hasControl(*c.Description)) {
		return p, fault.New(fault.Invalid, "the description is too long or holds control characters")
	}
	if c.Posters != nil && int(*c.Posters) >= len(posterNames) {
		return p, fault.New(fault.Invalid, "who may write to a list: anyone, members or owners")
	}
	if c.Members != nil {
		if p.members, err = parseTargets(*c.Members, MaxMembers); err != nil {
			return p, err
		}
	}
	if c.Owners != nil {
		p.owners, err = parseTargets(*c.Owners, MaxOwners)
	}
	return p, err
}

// apply changes a group and writes it.
func (p *preparedChange) apply(tx kv.Tx, at Address, g *Group) error {
	if p.Members != nil {
		if err := setPairs(tx, keyRef, at, g.Members, p.members); err != nil {
			return err
		}
		g.Members = texts(p.members)
	}
	if p.Owners != nil {
		if err := setPairs(tx, keyUse, at, g.Owners, p.owners); err != nil {
			return err
		}
		g.Owners = texts(p.owners)
	}
	assign(&g.Name, p.Name)
	assign(&g.List, p.List)
	assign(&g.Description, p.Description)
	assign(&g.Posters, p.Posters)
	return tx.Set(groupKey(g.ID), g.encode())
}

func assign[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
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
		if err := unpair(tx, keyRef, a, g.Members); err != nil {
			return err
		}
		if err := unpair(tx, keyUse, a, g.Owners); err != nil {
			return err
		}
		if err := forget(tx, a.Fold()); err != nil {
			return err
		}
		if err := deleteLink(tx, uint64(g.ID)); err != nil {
			return err
		}
		for _, key := range [][]byte{groupKey(g.ID), entryKey(a.Fold())} {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}

// Group finds a group by its address; fault.NotFound if there is none.
func (d *Directory) Group(ctx context.Context, address string) (g Group, err error) {
	a, err := parseOwn(address)
	if err != nil {
		return Group{}, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		g, err = findGroup(r, a)
		return err
	})
	return g, err
}

// Groups lists the groups by number. An error ends the list as its last pair.
func (d *Directory) Groups(ctx context.Context) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		list(ctx, d, all(keyGroup), decodeGroup, yield)
	}
}

// MayPost reports whether a list takes mail from an address, which the caller has reason to believe: that of an
// owner or member, in any spelling, or an alias that leads to nobody but such.
func (d *Directory) MayPost(ctx context.Context, l *ListTarget, from string) (bool, error) {
	if l.Group.Posters == Anyone {
		return true, nil
	}
	who, ok := d.poster(ctx, from)
	if !ok {
		return false, nil
	}
	if l.Group.Posters == MembersOnly && who.among(l.Accounts, l.Remote) {
		return true, nil
	}
	for _, owner := range l.Group.Owners {
		t, err := d.Resolve(ctx, owner)
		switch kind := fault.KindOf(err); {
		case err == nil && who.among(t.Accounts, t.Remote), kind == fault.Unsupported && who.among(nil, []string{owner}):
			return true, nil
		case err != nil && kind != fault.NotFound && kind != fault.Unsupported:
			return false, err
		}
	}
	return false, nil
}

// InGroup reports whether an address is one of a group's members, in any spelling or as an alias that leads to nobody but
// such; those of groups in the group are. fault.NotFound: there is no such group.
func (d *Directory) InGroup(ctx context.Context, group, address string) (bool, error) {
	if _, id, err := d.Principal(ctx, group); err != nil || id == 0 {
		if err == nil {
			err = errNoPrincipal()
		}
		return false, err
	}
	t, err := d.Resolve(ctx, group)
	if err != nil {
		return false, err
	}
	who, ok := d.poster(ctx, address)
	if !ok {
		return false, nil
	}
	accounts, remote := slices.Clone(t.Accounts), slices.Clone(t.Remote)
	for i := range t.Lists {
		accounts, remote = append(accounts, t.Lists[i].Accounts...), append(remote, t.Lists[i].Remote...)
	}
	return who.among(accounts, remote), nil
}

// poster is somebody who writes to a list.
type poster struct {
	address  Address // elsewhere, folded
	accounts []ident.AccountID
	remote   []Address
}

// poster finds out who writes from an address; ok is false if nobody can.
func (d *Directory) poster(ctx context.Context, from string) (p poster, ok bool) {
	a, err := Parse(from)
	if err != nil {
		return poster{}, false
	}
	t, err := d.Resolve(ctx, from)
	switch {
	case fault.Is(err, fault.Unsupported):
		return poster{address: a.Fold()}, true
	case err != nil || t.CatchAll || t.Role != NoRole || len(t.Lists) > 0:
		return poster{}, false
	}
	p.accounts = t.Accounts
	for _, s := range t.Remote {
		if r, err := Parse(s); err == nil {
			p.remote = append(p.remote, r.Fold())
		}
	}
	return p, true
}

// among reports whether all that the poster may be are members.
func (p *poster) among(accounts []ident.AccountID, remote []string) bool {
	wanted := p.remote
	if len(p.accounts)+len(p.remote) == 0 {
		wanted = []Address{p.address}
	}
	for _, id := range p.accounts {
		if !slices.Contains(accounts, id) {
			return false
		}
	}
	for _, a := range wanted {
		if !containsAddress(remote, a) {
			return false
		}
	}
	return true
}

func containsAddress(addresses []string, a Address) bool {
	return slices.ContainsFunc(addresses, func(s string) bool {
		other, err := Parse(s)
		return err == nil && other.Fold() == a
	})
}

func (g Group) encode() []byte {
	return newRecord(2).text(g.Address).text(g.Name).time(g.Created).texts(g.Members).
		bool(g.List).text(g.Description).texts(g.Owners).uint(uint64(g.Posters))
}

// decodeGroup reads a group's record. Version 1 knew nothing of lists.
func decodeGroup(p kv.Pair) (Group, error) {
	r := readRecord(p.Value, 2)
	g := Group{ID: ident.GroupID(idOf(p.Key)), Address: r.text(), Name: r.text(), Created: r.time(), Members: r.texts()}
	if r.version >= 2 {
		g.List, g.Description, g.Owners = r.bool(), r.text(), r.texts()
		if g.Posters = Posters(r.uint()); int(g.Posters) >= len(posterNames) {
			r.Fail()
		}
	}
	if len(g.Owners) == 0 {
		g.Owners = nil
	}
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
