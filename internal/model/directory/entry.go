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

// requireEntry fails with fault.NotFound if the address, as it is, isn't of this kind.
func requireEntry(r kv.Reader, a Address, kind entryKind) (entry, error) {
	e, ok, err := getEntry(r, a.Fold())
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
	have, taken, err := getEntry(tx, a.Fold())
	if err != nil {
		return err
	}
	if taken {
		return fault.New(fault.Exists, "%s exists already: it is %s", a, have.kind)
	}
	e.written = a.String()
	return tx.Set(entryKey(a.Fold()), e.encode())
}

// parseOwn parses an address that is to become one of ours.
func parseOwn(address string) (Address, error) {
	a, err := Parse(address)
	if err == nil && a.IsLiteral() {
		err = fault.New(fault.Invalid, "an address here needs a domain name")
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

// requireKnown refuses an address of our own domains that isn't there: most likely a slip of the pen.
func requireKnown(r kv.Reader, a Address) error {
	dom, ours, err := getDomain(r, a.Domain)
	if err != nil || !ours {
		return err
	}
	_, ok, err := dom.find(r, a.Fold())
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
