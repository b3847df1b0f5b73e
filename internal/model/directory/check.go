package directory

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Check reads the whole directory and reports what contradicts itself, a line
// each; no lines if all is well. The error is for what kept it from looking.
func (d *Directory) Check(ctx context.Context) (problems []string, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		c := checker{r: r, pairs: map[byte]int{}}
		for _, step := range []func() error{c.accounts, c.credentials, c.appPasswords, c.passkeys, c.twoSteps, c.noticesAndLanguages, c.groups, c.entries, c.refs, c.uses, c.domains, c.dkimKeys,
			c.tallies, c.duties, c.tokens, c.removed, c.links} {
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
	pairs    map[byte]int // how many references of each kind there should be
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
	e, ok, err := getEntry(c.r, a.Fold())
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

// known finds an account that is there, or can be brought back.
func (c *checker) known(id ident.AccountID) error {
	_, err := getAccount(c.r, id)
	if _, _, removed := getRemoved(c.r, id); removed == nil {
		return nil
	}
	return err
}

func (c *checker) appPasswords() error {
	return c.each(keyApp, func(p kv.Pair) error {
		if _, err := decodeAppPassword(p); err != nil {
			return err
		}
		id := ident.AccountID(idOf(p.Key[:7]))
		if err := c.known(id); err != nil {
			c.report("app password of account %d: %v", id, err)
		}
		return nil
	})
}

func (c *checker) passkeys() error {
	err := c.each(keyPasskey, func(p kv.Pair) error {
		k, err := decodePasskey(p)
		if err != nil {
			return err
		}
		id := ident.AccountID(idOf(p.Key[:7]))
		if err := c.known(id); err != nil {
			c.report("passkey of account %d: %v", id, err)
		}
		at, ok, err := c.r.Get(credentialIDKey(k.Credential))
		if err == nil && (!ok || !bytes.Equal(at, p.Key[1:])) {
			c.report("passkey %d of account %d isn't found by its credential", k.ID, id)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.each(keyPasskeyAt, func(p kv.Pair) error {
		_, ok, err := c.r.Get(append([]byte{keyPasskey}, p.Value...))
		if err == nil && !ok {
			c.report("a credential leads to a passkey that isn't there")
		}
		return err
	})
}

func (c *checker) twoSteps() error {
	return c.each(keyTwoStep, func(p kv.Pair) error {
		if err := c.known(ident.AccountID(idOf(p.Key))); err != nil {
			c.report("two-step record of account %d: %v", idOf(p.Key), err)
		}
		_, err := decodeTwoStep(p.Value)
		return err
	})
}

func (c *checker) noticesAndLanguages() error {
	err := c.each(keyNotice, func(p kv.Pair) error {
		id, _, err := decodeNotice(p)
		if err == nil && c.known(id) != nil {
			c.report("notice to account %d, which isn't there", id)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.each(keyLanguage, func(p kv.Pair) error {
		if id := ident.AccountID(idOf(p.Key)); c.known(id) != nil {
			c.report("language of account %d, which isn't there", id)
		}
		return nil
	})
}

func (c *checker) groups() error {
	return c.each(keyGroup, func(p kv.Pair) error {
		g, err := decodeGroup(p)
		if err != nil {
			return err
		}
		if err := c.pointsBack(g.Address, entry{kind: isGroup, id: uint64(g.ID)}); err != nil {
			return err
		}
		a, err := Parse(g.Address)
		if err != nil {
			return err
		}
		return c.targets(keyUse, a.Fold(), g.Owners)
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
		return c.targets(keyRef, at, targets)
	})
}

// targets checks that each address that source refers to is there, and is indexed.
func (c *checker) targets(kind byte, source Address, targets []string) error {
	seen := make(map[string]bool, len(targets))
	defer func() { c.pairs[kind] += len(seen) }()
	for _, s := range targets {
		a, err := Parse(s)
		if err != nil {
			return err
		}
		if err := requireKnown(c.r, a); err != nil {
			c.report("%s leads to %s: %v", source, s, err)
		}
		key, err := c.indexed(kind, a.Fold(), source)
		if err != nil {
			return err
		}
		if key == nil {
			c.report("%s leads to %s, but isn't indexed so", source, s)
		} else {
			seen[string(key)] = true
		}
	}
	return nil
}

// indexed finds the key of a reference: as it is now, or as the first version wrote it, without a detail. nil: there is none.
func (c *checker) indexed(kind byte, target, source Address) ([]byte, error) {
	base, _ := target.Base()
	for _, a := range []Address{target, base} {
		key := pairKey(kind, a, source)
		if _, ok, err := c.r.Get(key); err != nil || ok {
			return key, err
		}
	}
	return nil, nil
}

func (c *checker) refs() error { return c.pairsOf(keyRef, "leading to") }
func (c *checker) uses() error {
	err := c.each(keyDomain, func(p kv.Pair) error {
		dom, err := decodeDomain(p)
		if err != nil || dom.CatchAll == "" {
			return nil // domains reports it
		}
		return c.targets(keyUse, Address{Domain: dom.Name}, []string{dom.CatchAll})
	})
	if err != nil {
		return err
	}
	return c.pairsOf(keyUse, "naming")
}

// pairsOf checks that what is indexed is so. All pairs were found in the index: if it has
// no more of them, it has nothing else.
func (c *checker) pairsOf(kind byte, what string) error {
	n := 0
	if err := c.each(kind, func(kv.Pair) error { n++; return nil }); err != nil || n == c.pairs[kind] {
		return err
	}
	return c.each(kind, func(p kv.Pair) error {
		target, source, ok := splitRef(p.Key)
		if !ok {
			c.report("reference %q can't be read", p.Key)
			return nil
		}
		targets, err := c.targetsOf(kind, source)
		if err != nil {
			return err
		}
		if !refersTo(targets, target) {
			c.report("%s is indexed as %s %s, but doesn't", source, what, target)
		}
		return nil
	})
}

// targetsOf reads what an alias, a group or a domain refers to.
func (c *checker) targetsOf(kind byte, source Address) ([]string, error) {
	if source.Local == "" {
		dom, _, err := getDomain(c.r, source.Domain)
		return []string{dom.CatchAll}, err
	}
	e, ok, err := getEntry(c.r, source)
	if err != nil || !ok || e.kind != isGroup {
		return e.targets, err
	}
	g, err := getGroup(c.r, ident.GroupID(e.id))
	if kind == keyUse {
		return g.Owners, err
	}
	return g.Members, err
}

// refersTo reports whether one of addresses is indexed under target.
func refersTo(addresses []string, target Address) bool {
	return slices.ContainsFunc(addresses, func(s string) bool {
		a, err := Parse(s)
		base, _ := a.Fold().Base()
		return err == nil && (a.Fold() == target || base == target)
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
		if err := checkDelimiters(dom.Delimiters); err != nil {
			c.report("domain %s: %v", dom.Name, err)
		}
		return nil
	})
}

// dkimKeys checks the keys. A record that can't be read is named without what it holds.
func (c *checker) dkimKeys() error {
	return c.each(keyDKIM, func(p kv.Pair) error {
		k, err := decodeDKIM(p)
		if err != nil {
			return err
		}
		ours, err := isOurs(c.r, k.Domain)
		if err == nil && !ours {
			c.report("DKIM key %s: its domain %s is not served here", k.Selector, k.Domain)
		}
		return err
	})
}

// tallies checks what domains are said to have against what they have.
func (c *checker) tallies() error {
	return c.each(keyTally, func(p kv.Pair) error {
		name := string(p.Key[1:])
		if err := requireOurs(c.r, name); err != nil {
			return err
		}
		said, err := getUse(c.r, name)
		if err != nil {
			return err
		}
		is, err := countUse(c.r, name)
		if err == nil && said != is {
			c.report("domain %s: it is counted with %d accounts and quotas of %d bytes, and has %d and %d",
				name, said.Accounts, said.QuotaBytes, is.Accounts, is.QuotaBytes)
		}
		return err
	})
}

// duties checks that those who administer something are there, and that both indexes agree.
func (c *checker) duties() error {
	n := 0
	err := c.each(keyDutyIn, func(p kv.Pair) error {
		x, err := splitDuty(p.Key)
		if err != nil {
			return err
		}
		n++
		if _, err := getAccount(c.r, x.Account); err != nil {
			c.report("account %d administers %q: %v", x.Account, x.Domain, err)
		}
		if x.Domain != WholeServer {
			if err := requireOurs(c.r, x.Domain); err != nil {
				c.report("account %d: %v", x.Account, err)
			}
		}
		if _, ok, err := c.r.Get(dutyOfKey(x.Account, x.Domain)); err != nil || !ok {
			c.report("account %d administers %q, but isn't indexed so", x.Account, x.Domain)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.each(keyDutyOf, func(kv.Pair) error { n--; return nil })
	if n != 0 {
		c.report("%d duties are indexed wrongly", max(n, -n))
	}
	return err
}

// links checks that what is tied to an entry is there, and found by it.
func (c *checker) links() error {
	n := 0
	err := c.each(keyLink, func(p kv.Pair) error {
		l, err := decodeLink(p)
		if err != nil {
			return err
		}
		n++
		if l.Group {
			_, err = getGroup(c.r, ident.GroupID(l.ID))
		} else {
			_, err = getAccount(c.r, ident.AccountID(l.ID))
		}
		if err != nil {
			c.report("%d is tied to %s: %v", l.ID, l.Link.Source, err)
		}
		v, _, err := c.r.Get(linkedKey(l.Link.Source, l.Link.Key))
		if string(v) != string(idKey(0, l.ID)[1:]) {
			c.report("%d is tied to %s, but isn't found by its key", l.ID, l.Link.Source)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = c.each(keyLinked, func(kv.Pair) error { n--; return nil })
	if n != 0 {
		c.report("%d links are indexed wrongly", max(n, -n))
	}
	return err
}

func (c *checker) tokens() error {
	return c.each(keyToken, func(p kv.Pair) error { _, err := decodeToken(p); return err })
}

func (c *checker) removed() error {
	return c.each(keyRemoved, func(p kv.Pair) error {
		r, _, err := decodeRemoved(p)
		if err != nil {
			return err
		}
		if _, err := getAccount(c.r, r.Account.ID); err == nil {
			c.report("account %d is there, and can be brought back", r.Account.ID)
		}
		return nil
	})
}
