package directory

import (
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Cover reports whether who has these duties may take the place of an account with an address and duties: it is in one of their domains, and
// administers nothing beyond what they do.
func (d Duties) Cover(address string, of Duties) bool {
	domain, err := ParseDomain(address[strings.LastIndexByte(address, '@')+1:])
	in := func(name string) bool { return slices.Contains(d.Domains, name) }
	return d.Server || err == nil && in(domain) && !of.Server && !slices.ContainsFunc(of.Domains, func(name string) bool { return !in(name) })
}

// OwnName reports whether a login, which has led to an account, is a name that nobody could have given to it who doesn't cover it: its own address,
// or an alias in domains whose administrators could sign in as the account anyway. Passwords don't need that: the account's own counts, by
// whatever name. But where somebody else says who has an address, whoever administers its domain decides what it opens here.
func (d *Directory) OwnName(ctx context.Context, login string, a Account) (own bool, err error) {
	at, err := d.loginAddress(ctx, login)
	if err != nil {
		return false, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		domains, err := aliasDomains(r, at)
		if err != nil || len(domains) == 0 {
			own = err == nil
			return err
		}
		own, err = d.allCover(r, domains, a)
		return err
	})
	return own, err
}

// aliasDomains are those of the aliases between a login and its account.
func aliasDomains(r kv.Reader, a Address) (domains []string, err error) {
	for range maxLoginSteps {
		e, err := baseEntry(r, a)
		if err != nil || e.kind == isAccount {
			return domains, err
		}
		domains = append(domains, a.Fold().Domain)
		if e.kind != isAlias || len(e.targets) != 1 {
			break
		}
		if a, err = parseStored(e.targets[0]); err != nil {
			return nil, err
		}
	}
	return nil, fault.New(fault.NotFound, "no such account")
}

// allCover reports whether all who administer one of some domains, people and programs, cover an account.
func (d *Directory) allCover(r kv.Reader, domains []string, a Account) (bool, error) {
	of, err := allDuties(r, a.ID)
	if err != nil {
		return false, err
	}
	for _, domain := range domains {
		for p, err := range r.Scan(prefixed(dutiesIn(domain))) {
			if err != nil {
				return false, err
			}
			x, err := splitDuty(p.Key)
			if err != nil {
				return false, err
			}
			if x.Account == a.ID {
				continue
			}
			if theirs, err := allDuties(r, x.Account); err != nil || !theirs.Cover(a.Address, of) {
				return false, err
			}
		}
	}
	now := d.stamp()
	for p, err := range r.Scan(all(keyToken)) {
		if err != nil {
			return false, err
		}
		t, err := decodeToken(p)
		if err != nil {
			return false, err
		}
		over := !t.Expires.IsZero() && !now.Before(t.Expires)
		if !over && slices.ContainsFunc(domains, func(name string) bool { return slices.Contains(t.Duties.Domains, name) }) && !t.Duties.Cover(a.Address, of) {
			return false, nil
		}
	}
	return true, nil
}
