package directory

import (
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// setPairs makes source refer to targets and no more to old. Ours must exist.
func setPairs(tx kv.Tx, kind byte, source Address, old []string, targets []Address) error {
	if err := unpair(tx, kind, source, old); err != nil {
		return err
	}
	for _, a := range targets {
		if err := requireKnown(tx, a); err != nil {
			return err
		}
	}
	return pair(tx, kind, source, targets)
}

func pair(tx kv.Tx, kind byte, source Address, targets []Address) error {
	for _, a := range targets {
		if err := tx.Set(pairKey(kind, a.Fold(), source.Fold()), nil); err != nil {
			return err
		}
	}
	return nil
}

// unpair takes references back. The first version indexed a target without its detail: that reference goes too.
func unpair(tx kv.Tx, kind byte, source Address, old []string) error {
	for _, s := range old {
		a, err := parseStored(s)
		if err != nil {
			return err
		}
		base, _ := a.Fold().Base()
		for _, target := range []Address{a.Fold(), base} {
			if err := tx.Delete(pairKey(kind, target, source.Fold())); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseStored(s string) (Address, error) {
	a, err := Parse(s)
	if err != nil {
		return a, fault.Wrap(fault.Corrupt, err, "directory: a stored address can't be read")
	}
	return a, nil
}

// referrers lists who refers to the entry at an address, in whatever spelling, each once. roles: also those that refer to the list's
// owners there.
func referrers(r kv.Reader, kind byte, at Address, roles bool) ([]Address, error) {
	dom, ok, err := getDomain(r, at.Domain)
	if err != nil {
		return nil, err
	}
	ranges := []kv.Range{pairsTo(kind, at)}
	if ok {
		ranges = append(ranges, dom.otherSpellings(kind, at, roles)...)
	}
	var sources []Address
	for i, keys := range ranges {
		for p, err := range r.Scan(keys) {
			if err != nil {
				return nil, err
			}
			target, source, ok := splitRef(p.Key)
			if !ok {
				return nil, fault.New(fault.Corrupt, "directory: a reference can't be read")
			}
			if i > 0 { // what is spelt as the entry is means it
				if ok, err = dom.means(r, target, at, roles); err != nil {
					return nil, err
				}
			}
			if ok && !slices.Contains(sources, source) {
				sources = append(sources, source)
			}
		}
	}
	return sources, nil
}

// otherSpellings are the ranges of references that may mean an entry of the domain.
func (dom *Domain) otherSpellings(kind byte, at Address, roles bool) []kv.Range {
	var ranges []kv.Range
	for i := range len(dom.Delimiters) {
		ranges = append(ranges, pairsBelow(kind, Address{Local: at.Local + dom.Delimiters[i:i+1], Domain: at.Domain}))
	}
	if roles {
		for _, s := range listSuffixes {
			ranges = append(ranges, pairsTo(kind, Address{Local: at.Local + s.text, Domain: at.Domain}))
		}
	}
	return ranges
}

// means reports whether an address of the domain leads to the entry at another.
func (dom *Domain) means(r kv.Reader, a, at Address, roles bool) (bool, error) {
	f, ok, err := dom.find(r, a)
	return ok && f.at == at && (roles || f.role == NoRole), err
}

// forget removes an address that is to disappear, but is still there, from all aliases, groups
// and catch-alls, lest whoever gets the address later inherits their mail and rights.
// An alias that led nowhere else goes too.
func forget(tx kv.Tx, gone Address) error {
	for _, kind := range []byte{keyRef, keyUse} {
		sources, err := referrers(tx, kind, gone, true)
		if err != nil {
			return err
		}
		for _, s := range sources {
			if err := release(tx, kind, s, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// release makes one source refer no more to an address that is to disappear.
func release(tx kv.Tx, kind byte, source, gone Address) error {
	if source.Local == "" {
		return dropCatchAll(tx, source.Domain)
	}
	e, ok, err := getEntry(tx, source)
	switch {
	case err != nil || !ok:
		return err
	case e.kind == isAlias:
		return dropTarget(tx, source, e, gone)
	case e.kind == isGroup && kind == keyRef:
		return changeStored(tx, e, func(g *Group) (err error) {
			g.Members, err = drop(tx, keyRef, source, g.Members, gone)
			return err
		})
	case e.kind == isGroup:
		return changeStored(tx, e, func(g *Group) (err error) {
			g.Owners, err = drop(tx, keyUse, source, g.Owners, gone)
			return err
		})
	}
	return nil
}

func dropCatchAll(tx kv.Tx, domain string) error {
	dom, ok, err := getDomain(tx, domain)
	if err != nil || !ok {
		return err
	}
	if err := dom.setCatchAll(tx, ""); err != nil {
		return err
	}
	return tx.Set(domainKey(domain), dom.encode())
}

func dropTarget(tx kv.Tx, alias Address, e entry, gone Address) (err error) {
	if e.targets, err = drop(tx, keyRef, alias, e.targets, gone); err != nil {
		return err
	}
	if len(e.targets) > 0 {
		return tx.Set(entryKey(alias), e.encode())
	}
	if err := forget(tx, alias); err != nil {
		return err
	}
	return tx.Delete(entryKey(alias))
}

// changeStored changes the record of a group.
func changeStored(tx kv.Tx, e entry, fn func(*Group) error) error {
	g, err := getGroup(tx, ident.GroupID(e.id))
	if err != nil {
		return err
	}
	if err := fn(&g); err != nil {
		return err
	}
	return tx.Set(groupKey(g.ID), g.encode())
}

// drop returns the targets of source without those that lead to gone, and changes the index accordingly.
func drop(tx kv.Tx, kind byte, source Address, targets []string, gone Address) ([]string, error) {
	if err := unpair(tx, kind, source, targets); err != nil {
		return nil, err
	}
	kept := make([]string, 0, len(targets))
	for _, s := range targets {
		a, err := parseStored(s)
		if err != nil {
			return nil, err
		}
		means, err := leadsTo(tx, a.Fold(), gone)
		if err != nil {
			return nil, err
		}
		if means {
			continue
		}
		kept = append(kept, s)
		if err := pair(tx, kind, source, []Address{a}); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// leadsTo reports whether an address is one of the spellings, or of a list's own addresses, at an entry.
func leadsTo(r kv.Reader, a, at Address) (bool, error) {
	if a == at || a.Domain != at.Domain {
		return a == at, nil
	}
	dom, ok, err := getDomain(r, a.Domain)
	if err != nil || !ok {
		return false, err
	}
	return dom.means(r, a, at, true)
}
