package directory

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// maxLoginSteps is how many aliases may lie between a login and its account.
const maxLoginSteps = 8

// Login finds who signs in by a name: the account's own address, in any spelling and with any detail, an alias that leads to it alone,
// or one of these without the domain (see Options.LoginDomain). fault.NotFound if that is nobody, or more than one.
func (d *Directory) Login(ctx context.Context, login string) (*Profile, error) {
	c := d.current()
	if p, ok := c.login(login); ok {
		return p, nil
	}
	a, err := d.loginAddress(ctx, login)
	if err != nil {
		return nil, err
	}
	p, err := d.profileOf(ctx, func(r kv.Reader) (entry, error) { return loginEntry(r, a) })
	if err == nil {
		c.keepLogin(login, p)
	}
	return p, err
}

// LoginName gives all spellings of a login one form, whether there is such an account or not: the address, folded, with the domain
// and without detail; "" for what is no address. Aliases stay what they are, lest it shows what they lead to.
func (d *Directory) LoginName(ctx context.Context, login string) (string, error) {
	a, err := d.loginAddress(ctx, login)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	base, _ := a.Fold().Base()
	return base.String(), nil
}

// loginAddress reads a login; fault.NotFound if it is no address.
func (d *Directory) loginAddress(ctx context.Context, login string) (Address, error) {
	if !strings.Contains(login, "@") {
		domain, err := d.loginDomain(ctx)
		if err != nil {
			return Address{}, err
		}
		login += "@" + domain // of no domain: no address
	}
	a, err := Parse(login)
	if err != nil {
		return Address{}, fault.Wrap(fault.NotFound, err, "no such account")
	}
	return a, nil
}

// loginDomain is the domain of names without one; "" if there is none.
func (d *Directory) loginDomain(ctx context.Context) (string, error) {
	if d.domain != "" {
		return d.domain, nil
	}
	c := d.current()
	if only := c.only.Load(); only != nil {
		return *only, nil
	}
	var domains []string
	err := d.view(ctx, func(r kv.Reader) error {
		for p, err := range r.Scan(all(keyDomain)) {
			if err != nil {
				return err
			}
			if domains = append(domains, string(p.Key[1:])); len(domains) > 1 {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	only := ""
	if len(domains) == 1 {
		only = domains[0]
	}
	c.only.Store(&only)
	return only, nil
}

// loginEntry finds the account that a login leads to.
func loginEntry(r kv.Reader, a Address) (entry, error) {
	for range maxLoginSteps {
		e, err := baseEntry(r, a)
		if err != nil || e.kind == isAccount {
			return e, err
		}
		if e.kind != isAlias || len(e.targets) != 1 {
			break
		}
		if a, err = parseStored(e.targets[0]); err != nil {
			return entry{}, err
		}
	}
	return entry{}, fault.New(fault.NotFound, "no such account")
}

// baseEntry finds what an address is, or that without its detail. Which details a
// domain's mail may have doesn't matter: whoever counts failed sign-ins folds names by Base, without asking.
func baseEntry(r kv.Reader, a Address) (entry, error) {
	e, ok, err := getEntry(r, a.Fold())
	if err != nil || ok {
		return e, err
	}
	if base, detail := a.Base(); detail != "" {
		if e, ok, err = getEntry(r, base.Fold()); err != nil || ok {
			return e, err
		}
	}
	return entry{}, fault.New(fault.NotFound, "no such account")
}

// ownEntry finds the account whose own address it is, or that with a detail.
func ownEntry(r kv.Reader, a Address) (entry, error) {
	e, err := baseEntry(r, a)
	if fault.Is(err, fault.NotFound) || err == nil && e.kind != isAccount {
		err = fault.New(fault.NotFound, "%s is not %s here", a, isAccount)
	}
	return e, err
}
