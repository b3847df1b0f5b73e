package directory

import (
	"context"
	"iter"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// MaxTargets is how many addresses an alias may lead to.
const MaxTargets = 1000

// Alias is an address whose mail goes to others.
type Alias struct {
	Address string
	Targets []string // here or elsewhere
}

// AddAlias makes address lead to targets, here or elsewhere; an alias that exists is
// changed. Errors: fault.Exists if the address is an account or a group,
// fault.NotFound if its domain isn't served here or a target of our own isn't there,
// fault.TooLarge over MaxTargets, fault.Invalid.
func (d *Directory) AddAlias(ctx context.Context, address string, targets []string) error {
	a, err := parseOwn(address)
	if err != nil {
		return err
	}
	to, err := parseTargets(targets, MaxTargets)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return fault.New(fault.Invalid, "an alias needs a target")
	}
	if slices.ContainsFunc(to, func(t Address) bool { return t.Fold() == a.Fold() }) {
		return fault.New(fault.Invalid, "%s can't lead to itself: an account gets its own mail without an alias", a)
	}
	return d.update(ctx, func(tx kv.Tx) error {
		e, ok, err := getEntry(tx, a.Fold())
		if err != nil {
			return err
		}
		if !ok || e.kind != isAlias {
			if err := claim(tx, a, entry{kind: isAlias}); err != nil {
				return err
			}
		}
		if err := setPairs(tx, keyRef, a, e.targets, to); err != nil {
			return err
		}
		return tx.Set(entryKey(a.Fold()), entry{kind: isAlias, written: a.String(), targets: texts(to)}.encode())
	})
}

// AliasTargets tells where an alias leads; fault.NotFound if there is none.
func (d *Directory) AliasTargets(ctx context.Context, address string) (targets []string, err error) {
	a, err := parseOwn(address)
	if err != nil {
		return nil, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		e, err := requireEntry(r, a, isAlias)
		targets = e.targets
		return err
	})
	return targets, err
}

// RemoveAlias removes an alias, also from aliases and groups that lead to it; fault.NotFound if there is none.
func (d *Directory) RemoveAlias(ctx context.Context, address string) error {
	a, err := parseOwn(address)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		e, err := requireEntry(tx, a, isAlias)
		if err != nil {
			return err
		}
		if err := unpair(tx, keyRef, a, e.targets); err != nil {
			return err
		}
		if err := forget(tx, a.Fold()); err != nil {
			return err
		}
		return tx.Delete(entryKey(a.Fold()))
	})
}

// Aliases lists the aliases by domain, then local part. An error ends the list as its last pair.
func (d *Directory) Aliases(ctx context.Context) iter.Seq2[Alias, error] {
	return func(yield func(Alias, error) bool) {
		list(ctx, d, all(keyEntry), func(p kv.Pair) (entry, error) { return decodeEntry(p.Value) },
			func(e entry, err error) bool {
				if err == nil && e.kind != isAlias {
					return true
				}
				return yield(Alias{Address: e.written, Targets: e.targets}, err)
			})
	}
}
