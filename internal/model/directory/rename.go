package directory

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// RenameAccount gives an account another address, perhaps of another domain. Its number, password and mail stay. With
// keep its old address stays too, as an alias; without, aliases, groups and catch-alls that led to the old one lead to the new
// one. It returns the account as it is now. Errors: fault.NotFound if there is no such account, or the new domain isn't served here,
// fault.Exists if the new address is taken, fault.OverQuota if the domain has all it may have, fault.Invalid.
func (d *Directory) RenameAccount(ctx context.Context, id ident.AccountID, address string, keep bool) (acc Account, err error) {
	to, err := parseOwn(address)
	if err != nil {
		return Account{}, err
	}
	err = d.update(ctx, func(tx kv.Tx) error {
		if acc, err = getAccount(tx, id); err != nil {
			return err
		}
		from, err := parseStored(acc.Address)
		if err != nil {
			return err
		}
		if err := moveBooks(tx, from, to, &acc); err != nil {
			return err
		}
		if err := moveEntry(tx, id, from, to, keep); err != nil {
			return err
		}
		acc.Address = to.String()
		return tx.Set(accountKey(id), acc.encode())
	})
	return acc, err
}

// moveBooks counts an account in its new domain.
func moveBooks(tx kv.Tx, from, to Address, acc *Account) error {
	if err := requireOurs(tx, to.Domain); err != nil || from.Domain == to.Domain {
		return err
	}
	if err := dismiss(tx, from.Domain, *acc); err != nil {
		return err
	}
	return admit(tx, to.Domain, acc)
}

func moveEntry(tx kv.Tx, id ident.AccountID, from, to Address, keep bool) error {
	e := entry{kind: isAccount, id: uint64(id), written: to.String()}
	if from.Fold() == to.Fold() { // it is spelt otherwise
		return tx.Set(entryKey(to.Fold()), e.encode())
	}
	if err := claim(tx, to, e); err != nil {
		return err
	}
	if keep {
		old := entry{kind: isAlias, written: from.String(), targets: []string{to.String()}}
		if err := tx.Set(entryKey(from.Fold()), old.encode()); err != nil {
			return err
		}
		return pair(tx, keyRef, from, []Address{to})
	}
	if err := redirect(tx, from.Fold(), to); err != nil {
		return err
	}
	return tx.Delete(entryKey(from.Fold()))
}

// redirect makes all that refers to an entry that is still there refer to another address.
func redirect(tx kv.Tx, from, to Address) error {
	for _, kind := range []byte{keyRef, keyUse} {
		sources, err := referrers(tx, kind, from, true)
		if err != nil {
			return err
		}
		for _, s := range sources {
			if err := repoint(tx, kind, s, from, to); err != nil {
				return err
			}
		}
	}
	return movePostmaster(tx, from, to)
}

// repoint makes one source refer to another address.
func repoint(tx kv.Tx, kind byte, source, from, to Address) error {
	if source.Local == "" {
		return repointCatchAll(tx, source.Domain, from, to)
	}
	e, ok, err := getEntry(tx, source)
	switch {
	case err != nil || !ok:
		return err
	case e.kind == isAlias:
		if e.targets, err = exchange(tx, kind, source, e.targets, from, to); err != nil {
			return err
		}
		return tx.Set(entryKey(source), e.encode())
	case e.kind == isGroup:
		return changeStored(tx, e, func(g *Group) (err error) {
			list := &g.Members
			if kind == keyUse {
				list = &g.Owners
			}
			*list, err = exchange(tx, kind, source, *list, from, to)
			return err
		})
	}
	return nil
}

func repointCatchAll(tx kv.Tx, domain string, from, to Address) error {
	dom, ok, err := getDomain(tx, domain)
	if err != nil || !ok {
		return err
	}
	a, err := parseStored(dom.CatchAll)
	if err != nil {
		return err
	}
	if a, err = readdressed(tx, a, from, to); err != nil {
		return err
	}
	if err := dom.setCatchAll(tx, a.String()); err != nil {
		return err
	}
	return tx.Set(domainKey(domain), dom.encode())
}

// exchange returns the targets of source with those that lead to from replaced, each once, and changes the index accordingly. An
// alias at the new address's own name can't come of it, for that address was free.
func exchange(tx kv.Tx, kind byte, source Address, targets []string, from, to Address) ([]string, error) {
	if err := unpair(tx, kind, source, targets); err != nil {
		return nil, err
	}
	out := make([]string, 0, len(targets))
	seen := map[Address]bool{}
	for _, s := range targets {
		a, err := parseStored(s)
		if err != nil {
			return nil, err
		}
		means, err := leadsTo(tx, a.Fold(), from)
		if err != nil {
			return nil, err
		}
		if means {
			if a, err = readdressed(tx, a, from, to); err != nil {
				return nil, err
			}
		}
		if seen[a.Fold()] {
			continue
		}
		seen[a.Fold()] = true
		out = append(out, a.String())
		if err := pair(tx, kind, source, []Address{a}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readdressed is the new address with the detail that a has behind the old one, if the new domain knows details so.
func readdressed(tx kv.Tx, a, from, to Address) (Address, error) {
	local := foldLocal(a.Local)
	if len(local) <= len(from.Local) || len(local) != len(a.Local) {
		return to, nil
	}
	detailed := Address{Local: to.Local + a.Local[len(from.Local):], Domain: to.Domain}
	if _, err := Parse(detailed.String()); err != nil {
		return to, nil // too long
	}
	means, err := leadsTo(tx, detailed.Fold(), to.Fold())
	if !means {
		return to, err
	}
	return detailed, err
}

// movePostmaster changes who reads mail for postmaster, if it was the old address.
func movePostmaster(tx kv.Tx, from, to Address) error {
	a, ok, err := getPostmaster(tx)
	if err != nil || !ok || a.Fold() != from {
		return err
	}
	return tx.Set([]byte{keyPostmaster}, newRecord(1).text(to.String()))
}
