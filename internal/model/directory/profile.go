package directory

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Profile is what a sign-in needs to know of an account. Profiles are shared and immutable.
type Profile struct {
	Account    Account
	Identity   ident.Identity
	Credential *Credential // nil: no password is set
	// AppPasswords are those for programs, in the order of their making; also those that have expired.
	AppPasswords []AppPassword
	// Passkeys are those that the owner signs in with by hand, in the order of their making.
	Passkeys []Passkey
	// Link is where the account's password is verified instead; nil: here.
	Link *Link
	// TwoStep: the password alone opens nothing, see TwoStep.
	TwoStep bool
	// Codes: the second step may be a code of an authenticator.
	Codes bool
}

// Profile finds an account by its own address, aliases not looked at, in any
// spelling; fault.NotFound if there is none, also if it is no address at all.
func (d *Directory) Profile(ctx context.Context, address string) (*Profile, error) {
	c := d.current()
	if p, ok := c.own(address); ok {
		return p, nil
	}
	a, err := Parse(address)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "no such account")
	}
	p, err := d.profileOf(ctx, func(r kv.Reader) (entry, error) { return ownEntry(r, a) })
	if err == nil {
		c.keepOwn(address, p)
	}
	return p, err
}

// profileOf reads the profile of the account whose entry find finds.
func (d *Directory) profileOf(ctx context.Context, find func(kv.Reader) (entry, error)) (p *Profile, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		e, err := find(r)
		if err != nil {
			return err
		}
		p, err = readProfile(r, ident.AccountID(e.id))
		return err
	})
	return p, err
}

// ProfileByID finds an account by number; fault.NotFound if there is none.
func (d *Directory) ProfileByID(ctx context.Context, id ident.AccountID) (*Profile, error) {
	c := d.current()
	if p, ok := c.profile(id); ok {
		return p, nil
	}
	var p *Profile
	err := d.view(ctx, func(r kv.Reader) (err error) {
		p, err = readProfile(r, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.keepProfile(p)
	return p, nil
}

// Identity returns who the account's owner is: its number, address and all groups that it is in,
// also through aliases and other groups. fault.NotFound if there is no such account.
func (d *Directory) Identity(ctx context.Context, id ident.AccountID) (ident.Identity, error) {
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return ident.Identity{}, err
	}
	return p.Identity, nil
}

func readProfile(r kv.Reader, id ident.AccountID) (*Profile, error) {
	acc, err := getAccount(r, id)
	if err != nil {
		return nil, err
	}
	cred, err := getCredential(r, id)
	if err != nil {
		return nil, err
	}
	groups, err := groupsOf(r, acc)
	if err != nil {
		return nil, err
	}
	apps, err := getAppPasswords(r, id)
	if err != nil {
		return nil, err
	}
	passkeys, err := getPasskeys(r, id)
	if err != nil {
		return nil, err
	}
	two, err := getTwoStep(r, id)
	if err != nil {
		return nil, err
	}
	link, err := getLink(r, uint64(id))
	if err != nil {
		return nil, err
	}
	return &Profile{
		Account:      acc,
		Link:         link,
		Credential:   cred,
		AppPasswords: apps,
		Passkeys:     passkeys,
		TwoStep:      two.on,
		Codes:        two.on && two.sealed != "",
		Identity:     ident.Identity{Account: id, Login: acc.Address, Groups: groups},
	}, nil
}

// groupsOf walks up from an account to all groups that lead to it, at most MaxExpansion steps.
func groupsOf(r kv.Reader, acc Account) ([]ident.GroupID, error) {
	a, err := parseStored(acc.Address)
	if err != nil {
		return nil, err
	}
	var groups []ident.GroupID
	err = walkUp(r, a.Fold(), func(source Address, e entry) bool {
		if e.kind == isGroup {
			groups = append(groups, ident.GroupID(e.id))
		}
		return true
	})
	return groups, err
}

// walkUp visits the aliases and groups that lead to an address, near ones
// first, each once. visit says whether to go on upward from there.
func walkUp(r kv.Reader, from Address, visit func(Address, entry) bool) error {
	seen := map[Address]bool{from: true}
	queue := []Address{from}
	for len(queue) > 0 && len(seen) <= MaxExpansion {
		sources, err := referrers(r, keyRef, queue[0], false)
		if err != nil {
			return err
		}
		queue = queue[1:]
		for _, s := range sources {
			if seen[s] {
				continue
			}
			seen[s] = true
			e, ok, err := getEntry(r, s)
			if err != nil {
				return err
			}
			if ok && visit(s, e) {
				queue = append(queue, s)
			}
		}
	}
	return nil
}

// MaySend reports whether an account's owner may send mail in the name of an
// address: its own, with any detail, or an alias that leads to it. Not a group's: members don't
// speak for it. The null address may be used by all who may send.
func (d *Directory) MaySend(ctx context.Context, id ident.AccountID, from string) (bool, error) {
	if from == "" {
		return true, nil
	}
	a, err := Parse(from)
	if err != nil {
		return false, nil
	}
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return false, err
	}
	own, err := Parse(p.Account.Address)
	if err != nil {
		return false, err
	}
	found := false
	err = d.view(ctx, func(r kv.Reader) error {
		found, err = speaksFor(r, own.Fold(), a.Fold())
		return err
	})
	return found, err
}

// MaySendIn reports whether an account's own address, or an alias that leads to it, is in a domain, as ParseDomain gives it.
func (d *Directory) MaySendIn(ctx context.Context, id ident.AccountID, domain string) (found bool, err error) {
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return false, err
	}
	own, err := Parse(p.Account.Address)
	if err != nil || own.Domain == domain {
		return err == nil, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		return walkUp(r, own.Fold(), func(source Address, e entry) bool {
			found = found || e.kind == isAlias && source.Domain == domain
			return e.kind == isAlias
		})
	})
	return found, err
}

// speaksFor reports whether an address is an account's own, or an alias that leads to it.
func speaksFor(r kv.Reader, own, from Address) (found bool, err error) {
	dom, ok, err := getDomain(r, from.Domain)
	if err != nil || !ok {
		return false, err
	}
	f, ok, err := dom.find(r, from)
	if err != nil || !ok {
		return false, err
	}
	if f.at == own {
		return true, nil
	}
	err = walkUp(r, own, func(source Address, e entry) bool {
		found = found || e.kind == isAlias && source == f.at
		return e.kind == isAlias
	})
	return found, err
}
