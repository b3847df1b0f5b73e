package directory

import (
	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// entryKind says what an address is.
type entryKind uint64

const (
	isAccount entryKind = iota + 1
	isAlias
	isGroup
)

func (k entryKind) String() string {
	return [...]string{"nothing", "an account", "an alias", "a group"}[k]
}

// entry is what an address leads to.
type entry struct {
	kind    entryKind
	id      uint64   // of the account or group
	written string   // the address as it was written
	targets []string // of an alias, as Address.String writes them
}

func (e entry) encode() []byte {
	return newRecord(1).uint(uint64(e.kind)).uint(e.id).text(e.written).texts(e.targets)
}

func decodeEntry(value []byte) (entry, error) {
	r := readRecord(value, 1)
	e := entry{kind: entryKind(r.uint()), id: r.uint(), written: r.text(), targets: r.texts()}
	if e.kind < isAccount || e.kind > isGroup {
		r.Fail()
	}
	return e, r.end("address")
}

// getEntry reads the entry at an address, in the form that Address.entry gives.
func getEntry(r kv.Reader, at Address) (e entry, ok bool, err error) {
	v, ok, err := r.Get(entryKey(at))
	if err != nil || !ok {
		return entry{}, false, err
	}
	e, err = decodeEntry(v)
	return e, err == nil, err
}

// requireEntry fails with fault.NotFound if the address isn't of this kind.
func requireEntry(r kv.Reader, a Address, kind entryKind) (entry, error) {
	e, ok, err := getEntry(r, a.entry())
	if err == nil && (!ok || e.kind != kind) {
		err = fault.New(fault.NotFound, "%s is not %s here", a, kind)
	}
	return e, err
}

// claim gives a free address of one of our domains an entry.
func claim(tx kv.Tx, a Address, e entry) error {
	if err := requireOurs(tx, a.Domain); err != nil {
		return err
	}
	have, taken, err := getEntry(tx, a.entry())
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.Exists, "%s exists already: it is %s", a, have.kind)
	}
	e.written = a.String()
	return tx.Set(entryKey(a.entry()), e.encode())
}

// parseOwn parses an address that is to become one of ours.
func parseOwn(address string) (Address, error) {
	a, err := Parse(address)
	if err == nil && a.IsLiteral() {
		err = fault.New(fault.Invalid, "an address here needs a domain name")
	}
	if _, detail := a.Base(); err == nil && (detail != "" || a.entry() != a.Fold()) {
		err = fault.New(fault.Invalid, "an address here can't have a + inside: that begins a detail")
	}
	return a, err
}

// parseTargets parses where an alias or group leads: at most limit addresses, each once.
func parseTargets(addresses []string, limit int) ([]Address, error) {
	if len(addresses) > limit {
		return nil, fault.New(fault.TooLarge, "more than %d addresses", limit)
	}
	seen := make(map[Address]bool, len(addresses))
	targets := make([]Address, 0, len(addresses))
	for _, s := range addresses {
		a, err := Parse(s)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, s+": "+fault.TextOf(err))
		}
		if !seen[a.Fold()] {
			seen[a.Fold()] = true
			targets = append(targets, a)
		}
	}
	return targets, nil
}

// setTargets makes source lead to targets and no more to old. Ours must exist.
func setTargets(tx kv.Tx, source Address, old []string, targets []Address) error {
	for _, s := range old {
		a, err := Parse(s)
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "directory: a stored address can't be read")
		}
		if err := tx.Delete(refKey(a.entry(), source.entry())); err != nil {
			return err
		}
	}
	for _, a := range targets {
		if err := requireKnown(tx, a); err != nil {
			return err
		}
		if err := tx.Set(refKey(a.entry(), source.entry()), nil); err != nil {
			return err
		}
	}
	return nil
}

// requireKnown refuses an address of our own domains that isn't there: most likely a slip of the pen.
func requireKnown(r kv.Reader, a Address) error {
	ours, err := isOurs(r, a.Domain)
	if err != nil || !ours {
		return err
	}
	_, ok, err := getEntry(r, a.entry())
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "there is no %s here", a)
	}
	return err
}

func texts(targets []Address) []string {
	list := make([]string, len(targets))
	for i, a := range targets {
		list[i] = a.String()
	}
	return list
}

// sourcesOf lists the aliases and groups that lead straight to an address.
func sourcesOf(r kv.Reader, target Address) ([]Address, error) {
	var sources []Address
	for p, err := range r.Scan(refsTo(target)) {
		if err != nil {
			return nil, err
		}
		_, source, ok := splitRef(p.Key)
		if !ok {
			return nil, fault.New(fault.Corrupt, "directory: a reference can't be read")
		}
		sources = append(sources, source)
	}
	return sources, nil
}

// forget removes an address that is to disappear from all aliases and
// groups, lest whoever gets the address later inherits their mail and rights.
// An alias that led nowhere else goes too.
func forget(tx kv.Tx, gone Address) error {
	sources, err := sourcesOf(tx, gone)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := tx.Delete(refKey(gone, s)); err != nil {
			return err
		}
		e, ok, err := getEntry(tx, s)
		switch {
		case err != nil:
			return err
		case ok && e.kind == isAlias:
			err = dropTarget(tx, s, e, gone)
		case ok && e.kind == isGroup:
			err = dropMember(tx, e, gone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func dropTarget(tx kv.Tx, alias Address, e entry, gone Address) error {
	e.targets = without(e.targets, gone)
	if len(e.targets) > 0 {
		return tx.Set(entryKey(alias), e.encode())
	}
	if err := tx.Delete(entryKey(alias)); err != nil {
		return err
	}
	return forget(tx, alias)
}

func without(addresses []string, gone Address) []string {
	kept := make([]string, 0, len(addresses))
	for _, s := range addresses {
		if a, err := Parse(s); err != nil || a.entry() != gone {
			kept = append(kept, s)
		}
	}
	return kept
}
