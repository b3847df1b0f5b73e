package directory

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// MaxExpansion is how many addresses one address may expand to, those in between counted.
const MaxExpansion = 10_000

// Target is where mail for an address goes.
type Target struct {
	// Address is the address in its folded form, without detail.
	Address Address
	// Detail is what stood after the + of the local part ("lists" in ann+lists@...).
	Detail string
	// Accounts are those here, each once.
	Accounts []ident.AccountID
	// Remote are addresses whose domains are not ours, each once.
	Remote []string
	// Many: the address is an alias of several, or a group.
	Many bool
}

// Resolve follows an address to where its mail goes: through aliases and groups, each
// address visited once, so loops end. A detail doesn't matter: mail for ann+lists@ is ann's. "postmaster", with or without a domain of ours, and abuse@, always
// lead somewhere (RFC 5321 §4.5.1, RFC 2142 §4): failing an entry, to the account
// set by SetPostmaster, else to the oldest.
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
	c.keepTarget(address, t)
	return t, nil
}

func (d *Directory) resolve(ctx context.Context, address string) (*Target, error) {
	var root Address
	if strings.EqualFold(address, "postmaster") {
		root = Address{Local: "postmaster"}
	} else if a, err := Parse(address); err != nil {
		return nil, err
	} else {
		root = a.Fold()
	}
	t := &Target{}
	t.Address, t.Detail = root.Base()
	err := d.view(ctx, func(r kv.Reader) error { return expand(r, t) })
	if err != nil {
		return nil, err
	}
	return t, nil
}

// expand fills in t for t.Address.
func expand(r kv.Reader, t *Target) error {
	if err := requireServed(r, t.Address.Domain); err != nil {
		return err
	}
	e, ok, err := getEntry(r, t.Address)
	if err != nil {
		return err
	}
	if !ok {
		return expandRole(r, t)
	}
	x := expansion{r: r, t: t, seen: map[Address]bool{t.Address: true}}
	if err := x.follow(e); err != nil {
		return err
	}
	t.Many = e.kind == isGroup || len(e.targets) > 1
	if len(t.Accounts) == 0 && len(t.Remote) == 0 {
		return fault.New(fault.NotFound, "nobody is at %s", t.Address)
	}
	return nil
}

// requireServed fails with fault.Unsupported if the domain is not ours. No domain stands for any of ours.
func requireServed(r kv.Reader, domain string) error {
	if domain == "" {
		return nil
	}
	ours, err := isOurs(r, domain)
	if err == nil && !ours {
		err = fault.New(fault.Unsupported, "mail for %s is not handled here", domain)
	}
	return err
}

// expansion is one walk through aliases and groups.
type expansion struct {
	r    kv.Reader
	t    *Target
	seen map[Address]bool
}

func (x *expansion) follow(e entry) error {
	switch e.kind {
	case isAccount:
		x.t.Accounts = append(x.t.Accounts, ident.AccountID(e.id))
		return nil
	case isGroup:
		g, err := getGroup(x.r, ident.GroupID(e.id))
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "directory: a group's record is missing")
		}
		return x.followAll(g.Members)
	}
	return x.followAll(e.targets)
}

func (x *expansion) followAll(addresses []string) error {
	for _, s := range addresses {
		a, err := Parse(s)
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "directory: a stored address can't be read")
		}
		if err := x.visit(a, s); err != nil {
			return err
		}
	}
	return nil
}

// visit goes on to one address, unless it has been there.
func (x *expansion) visit(a Address, written string) error {
	ours, err := isOurs(x.r, a.Domain)
	if err != nil {
		return err
	}
	if !ours {
		if x.first(a.Fold()) {
			x.t.Remote = append(x.t.Remote, written)
		}
		return x.bounded()
	}
	e, ok, err := getEntry(x.r, a.entry())
	if err != nil || !ok || !x.first(a.entry()) {
		return err // one that has gone leads nowhere
	}
	if err := x.bounded(); err != nil {
		return err
	}
	return x.follow(e)
}

func (x *expansion) first(a Address) bool {
	if x.seen[a] {
		return false
	}
	x.seen[a] = true
	return true
}

func (x *expansion) bounded() error {
	if len(x.seen) > MaxExpansion {
		return fault.New(fault.TooLarge, "%s leads to more than %d addresses", x.t.Address, MaxExpansion)
	}
	return nil
}

// expandRole answers for addresses that every domain must have.
func expandRole(r kv.Reader, t *Target) error {
	if t.Address.Local != "postmaster" && t.Address.Local != "abuse" {
		return fault.New(fault.NotFound, "there is no %s here", t.Address)
	}
	v, ok, err := r.Get([]byte{keyPostmaster})
	if err != nil {
		return err
	}
	if ok {
		rec := readRecord(v, 1)
		a, err := Parse(rec.text())
		if err != nil || rec.end("postmaster") != nil {
			return fault.New(fault.Corrupt, "directory: postmaster record can't be read")
		}
		x := expansion{r: r, t: t, seen: map[Address]bool{}}
		if err := x.visit(a, a.String()); err != nil || len(t.Accounts)+len(t.Remote) > 0 {
			return err
		}
	}
	for p, err := range r.Scan(all(keyAccount)) {
		if err != nil {
			return err
		}
		t.Accounts = []ident.AccountID{ident.AccountID(idOf(p.Key))}
		return nil
	}
	return fault.New(fault.NotFound, "there is no %s here", t.Address)
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
	err = d.view(ctx, func(r kv.Reader) error {
		ours, err = isOurs(r, domain)
		return err
	})
	return ours, err
}
