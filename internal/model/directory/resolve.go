package directory

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// MaxExpansion is how many addresses one address may expand to, those in between counted.
const MaxExpansion = 10_000

// Target is where mail for an address goes.
type Target struct {
	// Address is the address that was found, folded and without detail; with CatchAll the one that was asked for.
	Address Address
	// Detail is what stood after the delimiter in the local part ("lists" in ann+lists@...).
	Detail string
	// Accounts are those here, each once.
	Accounts []ident.AccountID
	// Remote are addresses whose domains are not ours, each once.
	Remote []string
	// Lists are the groups of list style that were reached, each once: copies for their members are others than those
	// for Accounts and Remote, which may overlap with them.
	Lists []ListTarget
	// Via is the domain of ours by which mail is forwarded to Remote; "" if nobody is there.
	Via string
	// Many: the address is an alias of several, or a group.
	Many bool
	// CatchAll: there is no such address; its domain's catch-all gets the mail.
	CatchAll bool
	// Role says that the address is one of a list's own: the mail is for those who run the list, who are in
	// Accounts and Remote; failing owners, for the postmaster.
	Role Role
	// List is the list whose address it is; nil if Role is NoRole.
	List *Group
}

// ListTarget is a list that mail goes to, with its members.
type ListTarget struct {
	Group Group
	// Address is the list's, folded.
	Address Address
	// Accounts and Remote are the members, each once, except those of lists inside the list, which come apart.
	Accounts []ident.AccountID
	Remote   []string
}

// Resolve follows an address to where its mail goes: through aliases and groups, each
// address visited once, so loops end. The address is looked up as it is, then as one of a list's own (see Role), then without
// what follows a delimiter of its domain: mail for ann+lists@ is ann's. "postmaster", with or without a domain of ours, and abuse@, always
// lead somewhere (RFC 5321 §4.5.1, RFC 2142 §4): failing an entry, to the account
// set by SetPostmaster, else to the oldest. All else goes to the domain's catch-all, if it has one.
//
// The answer is shared: don't change it. Errors: fault.NotFound: no such address here; fault.Unsupported: the domain isn't
// ours; fault.Invalid: not an address; fault.TooLarge: over MaxExpansion.
func (d *Directory) Resolve(ctx context.Context, address string) (*Target, error) {
	c := d.current()
	if t, ok := c.target(address); ok {
		return t, nil
	}
	t, err := d.resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	if !t.CatchAll { // made-up addresses push nobody out
		c.keepTarget(address, t)
	}
	return t, nil
}

func (d *Directory) resolve(ctx context.Context, address string) (*Target, error) {
	x := expansion{lists: map[Address]bool{}}
	if strings.EqualFold(address, "postmaster") {
		x.t.Address = Address{Local: "postmaster"}
	} else if a, err := Parse(address); err != nil {
		return nil, err
	} else {
		x.t.Address = a.Fold()
	}
	err := d.view(ctx, func(r kv.Reader) error {
		x.r = r
		return x.expand()
	})
	if err != nil {
		return nil, err
	}
	return &x.t, nil
}

// expansion is one walk through aliases and groups.
type expansion struct {
	r     kv.Reader
	t     Target
	top   box              // what goes to Accounts and Remote
	lists map[Address]bool // those seen
	boxes []*box           // that belong to t.Lists
	steps int              // addresses visited
}

// box collects who gets the same copy.
type box struct {
	seen     map[Address]bool
	accounts []ident.AccountID
	remote   []string
}

func (b *box) first(a Address) bool {
	if b.seen[a] {
		return false
	}
	if b.seen == nil {
		b.seen = map[Address]bool{}
	}
	b.seen[a] = true
	return true
}

func (b *box) empty() bool { return len(b.accounts)+len(b.remote) == 0 }

// expand fills in x.t for x.t.Address.
func (x *expansion) expand() error {
	if x.t.Address.Domain == "" { // postmaster
		if err := x.postmaster(); err != nil {
			return err
		}
		return x.finish()
	}
	dom, ours, err := getDomain(x.r, x.t.Address.Domain)
	if err == nil && !ours {
		err = fault.New(fault.Unsupported, "mail for %s is not handled here", x.t.Address.Domain)
	}
	if err != nil {
		return err
	}
	f, ok, err := dom.find(x.r, x.t.Address)
	switch {
	case err != nil:
		return err
	case ok:
		err = x.found(f)
	default:
		err = x.unknown(&dom)
	}
	if err != nil {
		return err
	}
	return x.finish()
}

// found expands what the address was found to be.
func (x *expansion) found(f found) error {
	asked := x.t.Address
	x.t.Address, x.t.Detail, x.t.Role = f.at, f.detail, f.role
	x.t.Many = f.entry.kind == isGroup || len(f.entry.targets) > 1
	if f.role == NoRole {
		x.top.first(f.at)
	} else {
		g, err := storedGroup(x.r, f.entry)
		if err != nil {
			return err
		}
		x.t.List = &g
		x.top.first(asked)
	}
	return x.follow(&x.top, f)
}

// unknown expands an address that isn't there.
func (x *expansion) unknown(dom *Domain) error {
	base, detail := dom.base(x.t.Address)
	if base.Local == "postmaster" || base.Local == "abuse" {
		x.t.Address, x.t.Detail = base, detail
		return x.postmaster()
	}
	if dom.CatchAll == "" {
		return x.nobody()
	}
	x.t.CatchAll = true
	return x.followAll(&x.top, []string{dom.CatchAll})
}

func (x *expansion) nobody() error {
	return fault.New(fault.NotFound, "there is no %s here", x.t.Address)
}

// empty reports whether nobody has been reached yet.
func (x *expansion) empty() bool {
	return x.top.empty() && !slices.ContainsFunc(x.boxes, func(b *box) bool { return !b.empty() })
}

// finish moves what was collected to x.t.
func (x *expansion) finish() error {
	x.t.Accounts, x.t.Remote = x.top.accounts, x.top.remote
	for i, b := range x.boxes {
		x.t.Lists[i].Accounts, x.t.Lists[i].Remote = b.accounts, b.remote
	}
	if x.empty() {
		return fault.New(fault.NotFound, "nobody is at %s", x.t.Address)
	}
	if len(x.t.Remote) == 0 {
		x.t.Via = ""
	} else if x.t.Address.Domain != "" {
		x.t.Via = x.t.Address.Domain
	}
	return nil
}

// follow goes on from what an address was found to be.
func (x *expansion) follow(b *box, f found) error {
	switch f.entry.kind {
	case isAccount:
		b.accounts = append(b.accounts, ident.AccountID(f.entry.id))
		return nil
	case isAlias:
		return x.followAll(b, f.entry.targets)
	}
	g, err := storedGroup(x.r, f.entry)
	if err != nil {
		return err
	}
	switch {
	case f.role != NoRole:
		return x.owners(b, &g)
	case g.List:
		return x.list(f.at, g)
	}
	return x.followAll(b, g.Members)
}

// list collects a list's members apart, once.
func (x *expansion) list(at Address, g Group) error {
	if x.lists[at] {
		return nil
	}
	x.lists[at] = true
	b := &box{}
	x.boxes = append(x.boxes, b)
	x.t.Lists = append(x.t.Lists, ListTarget{Group: g, Address: at})
	return x.followAll(b, g.Members)
}

// owners goes on to those who run a list.
func (x *expansion) owners(b *box, g *Group) error {
	err := x.followAll(b, g.Owners)
	if err != nil || !x.empty() {
		return err
	}
	if err = x.postmaster(); fault.Is(err, fault.NotFound) { // then there is nobody here at all, but others may come yet
		err = nil
	}
	return err
}

func (x *expansion) followAll(b *box, addresses []string) error {
	for _, s := range addresses {
		a, err := parseStored(s)
		if err != nil {
			return err
		}
		if err := x.visit(b, a.Fold(), s); err != nil {
			return err
		}
	}
	return nil
}

// visit goes on to one address, unless it has been there.
func (x *expansion) visit(b *box, a Address, written string) error {
	dom, ours, err := getDomain(x.r, a.Domain)
	if err != nil {
		return err
	}
	if !ours {
		if b.first(a) {
			b.remote = append(b.remote, written)
		}
		return x.step()
	}
	f, ok, err := dom.find(x.r, a)
	if err != nil || !ok {
		return err // one that has gone leads nowhere
	}
	seen := f.at
	if f.role != NoRole {
		seen = a // the list itself may come too
	}
	if !b.first(seen) {
		return nil
	}
	if err := x.step(); err != nil {
		return err
	}
	return x.follow(b, f)
}

func (x *expansion) step() error {
	if x.steps++; x.steps >= MaxExpansion {
		return fault.New(fault.TooLarge, "%s leads to more than %d addresses", x.t.Address, MaxExpansion)
	}
	return nil
}

// postmaster goes on to who reads mail for addresses that every domain must have.
func (x *expansion) postmaster() error {
	a, ok, err := getPostmaster(x.r)
	if err != nil {
		return err
	}
	if ok {
		x.t.Via = a.Domain
		if err := x.visit(&x.top, a.Fold(), a.String()); err != nil || !x.empty() {
			return err
		}
	}
	for p, err := range x.r.Scan(all(keyAccount)) {
		if err != nil {
			return err
		}
		x.top.accounts = []ident.AccountID{ident.AccountID(idOf(p.Key))}
		return nil
	}
	return x.nobody()
}

// getPostmaster reads who was named to read mail for such addresses.
func getPostmaster(r kv.Reader) (Address, bool, error) {
	v, ok, err := r.Get([]byte{keyPostmaster})
	if err != nil || !ok {
		return Address{}, false, err
	}
	rec := readRecord(v, 1)
	a, err := Parse(rec.text())
	if err != nil || rec.end("postmaster") != nil {
		return Address{}, false, fault.New(fault.Corrupt, "directory: postmaster record can't be read")
	}
	return a, true, nil
}

// Postmaster is whom SetPostmaster named, "" for nobody.
func (d *Directory) Postmaster(ctx context.Context) (address string, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		a, ok, err := getPostmaster(r)
		if ok {
			address = a.String()
		}
		return err
	})
	return address, err
}

// SetPostmaster says who reads mail for postmaster and abuse where a domain has no such
// address of its own. "" leaves it to the oldest account. The address must be one of ours.
func (d *Directory) SetPostmaster(ctx context.Context, address string) error {
	if address == "" {
		return d.update(ctx, func(tx kv.Tx) error { return tx.Delete([]byte{keyPostmaster}) })
	}
	a, err := parseOwn(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if err := requireOurs(tx, a.Domain); err != nil {
			return err
		}
		if err := requireKnown(tx, a); err != nil {
			return err
		}
		return tx.Set([]byte{keyPostmaster}, newRecord(1).text(a.String()))
	})
}

// IsLocal reports whether a domain, as ParseDomain gives it, is served here.
func (d *Directory) IsLocal(ctx context.Context, domain string) (ours bool, err error) {
	if _, ok := d.current().domain(domain); ok {
		return true, nil
	}
	_, err = d.Domain(ctx, domain) // which remembers it
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return false, nil
	}
	return err == nil, err
}
