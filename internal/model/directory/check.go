package directory

import (
	"context"
	"fmt"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Check reads the whole directory and reports what contradicts itself, a line
// each; no lines if all is well. The error is for what kept it from looking.
func (d *Directory) Check(ctx context.Context) (problems []string, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		c := checker{r: r}
		for _, step := range []func() error{c.accounts, c.credentials, c.groups, c.entries, c.refs, c.domains} {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := step(); err != nil {
				return err
			}
		}
		problems = c.problems
		return nil
	})
	return problems, err
}

type checker struct {
	r        kv.Reader
	problems []string
	leads    int // pairs of an alias or group and an address that it leads to
}

func (c *checker) report(format string, args ...any) {
	c.problems = append(c.problems, "directory: "+fmt.Sprintf(format, args...))
}

// each visits the records with a prefix; one that can't be read is reported.
func (c *checker) each(prefix byte, visit func(p kv.Pair) error) error {
	for p, err := range c.r.Scan(all(prefix)) {
		if err != nil {
			return err
		}
		if err := visit(p); err != nil {
			c.report("record %q: %v", p.Key, err)
		}
	}
	return nil
}

func (c *checker) accounts() error {
	last, err := lastID(c.r)
	if err != nil {
		return err
	}
	return c.each(keyAccount, func(p kv.Pair) error {
		a, err := decodeAccount(p)
		if err != nil {
			return err
		}
		if uint64(a.ID) > last {
			c.report("account %d is above the counter (%d)", a.ID, last)
		}
		_, has, err := c.r.Get(credentialKey(a.ID))
		if has != a.HasPassword {
			c.report("account %d: has a password: %t, has a credential: %t", a.ID, a.HasPassword, has)
		}
		if err != nil {
			return err
		}
		return c.pointsBack(a.Address, entry{kind: isAccount, id: uint64(a.ID)})
	})
}

// pointsBack checks that the address of an account or group leads to it.
func (c *checker) pointsBack(address string, want entry) error {
	a, err := Parse(address)
	if err != nil {
		return err
	}
	e, ok, err := getEntry(c.r, a.entry())
	if err != nil {
		return err
	}
	if !ok || e.kind != want.kind || e.id != want.id {
		c.report("%s %d: its address %s doesn't lead to it", want.kind, want.id, address)
	}
	return nil
}

func (c *checker) credentials() error {
	return c.each(keyCredential, func(p kv.Pair) error {
		if _, err := getAccount(c.r, ident.AccountID(idOf(p.Key))); err != nil {
			c.report("credential of account %d: %v", idOf(p.Key), err)
		}
		_, err := decodeCredential(p.Value)
		return err
	})
}

func (c *checker) groups() error {
	return c.each(keyGroup, func(p kv.Pair) error {
		g, err := decodeGroup(p)
		if err != nil {
			return err
		}
		return c.pointsBack(g.Address, entry{kind: isGroup, id: uint64(g.ID)})
	})
}

func (c *checker) entries() error {
	return c.each(keyEntry, func(p kv.Pair) error {
		at := splitEntry(p.Key)
		e, err := decodeEntry(p.Value)
		if err != nil {
			return err
		}
		ours, err := isOurs(c.r, at.Domain)
		if err != nil {
			return err
		}
		if !ours {
			c.report("%s: its domain is not served here", at)
		}
		targets := e.targets
		switch e.kind {
		case isAccount:
			_, err = getAccount(c.r, ident.AccountID(e.id))
		case isGroup:
			var g Group
			g, err = getGroup(c.r, ident.GroupID(e.id))
			targets = g.Members
		}
		if err != nil {
			c.report("%s: %v", at, err)
		}
		return c.targets(at, targets)
	})
}

// targets checks that each target of an alias or group is there, and is indexed.
func (c *checker) targets(source Address, targets []string) error {
	seen := make(map[Address]bool, len(targets))
	defer func() { c.leads += len(seen) }()
	for _, s := range targets {
		a, err := Parse(s)
		if err != nil {
			return err
		}
		seen[a.entry()] = true
		if err := requireKnown(c.r, a); err != nil {
			c.report("%s leads to %s: %v", source, s, err)
		}
		if _, ok, err := c.r.Get(refKey(a.entry(), source)); err != nil || !ok {
			c.report("%s leads to %s, but isn't indexed so (%v)", source, s, err)
		}
	}
	return nil
}

// refs checks that what is indexed is so. All pairs were found in the index: if it has
// no more of them, it has nothing else.
func (c *checker) refs() error {
	n := 0
	if err := c.each(keyRef, func(kv.Pair) error { n++; return nil }); err != nil || n == c.leads {
		return err
	}
	return c.each(keyRef, func(p kv.Pair) error {
		target, source, ok := splitRef(p.Key)
		if !ok {
			c.report("reference %q can't be read", p.Key)
			return nil
		}
		e, ok, err := getEntry(c.r, source)
		if err != nil {
			return err
		}
		targets := e.targets
		if ok && e.kind == isGroup {
			g, err := getGroup(c.r, ident.GroupID(e.id))
			if err != nil {
				return err
			}
			targets = g.Members
		}
		if len(without(targets, target)) == len(targets) {
			c.report("%s is indexed as leading to %s, but doesn't", source, target)
		}
		return nil
	})
}

func (c *checker) domains() error {
	return c.each(keyDomain, func(p kv.Pair) error {
		dom, err := decodeDomain(p)
		if err != nil {
			return err
		}
		if name, err := ParseDomain(dom.Name); err != nil || name != dom.Name {
			c.report("domain %q is not spelt as it should be", dom.Name)
		}
		return nil
	})
}
