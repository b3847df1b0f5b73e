package directory

import (
	"context"
	"iter"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// DefaultDelimiters are those of a domain that hasn't been told otherwise.
const DefaultDelimiters = "+"

// MaxDelimiters is how many a domain may have.
const MaxDelimiters = 4

// delimiterChars are those that may begin a detail. All of them may stand in a dot-string (RFC 5321 §4.1.2).
const delimiterChars = "+-_=#~"

// Domain is one whose mail is served here.
type Domain struct {
	Name    string // lower-case A-labels
	Created time.Time
	// CatchAll gets the mail for addresses that aren't there, here or elsewhere; "": such mail is refused.
	CatchAll string
	// Delimiters begin a detail in a local part, each of them: with "+-" both ann+shop@ and ann-shop@ are ann's, unless
	// these addresses are there themselves. "": there are no details.
	Delimiters string
}

// DomainChange is what SetDomain changes. Nil: as it is.
type DomainChange struct {
	CatchAll   *string
	Delimiters *string
}

// AddDomain begins to serve a domain, which has no DKIM keys yet. It fails with fault.Exists if it is served already.
func (d *Directory) AddDomain(ctx context.Context, name string) (Domain, error) {
	return d.addDomain(ctx, name, nil)
}

// AddSigningDomain is AddDomain with a pair of DKIM keys, still pending.
func (d *Directory) AddSigningDomain(ctx context.Context, name string) (Domain, error) {
	keys, err := d.newKeyPair()
	if err != nil {
		return Domain{}, err
	}
	return d.addDomain(ctx, name, keys)
}

func (d *Directory) addDomain(ctx context.Context, name string, keys []newKey) (Domain, error) {
	name, err := ParseDomain(name)
	if err != nil {
		return Domain{}, err
	}
	dom := Domain{Name: name, Created: d.stamp(), Delimiters: DefaultDelimiters}
	err = d.update(ctx, func(tx kv.Tx) error {
		ours, err := isOurs(tx, name)
		if err != nil {
			return err
		}
		if ours {
			return fault.New(fault.Exists, "domain %s exists already", name)
		}
		if err := tx.Set(domainKey(name), dom.encode()); err != nil {
			return err
		}
		_, err = d.addKeys(tx, name, keys)
		return err
	})
	return dom, err
}

// Domain finds a domain; fault.NotFound if it isn't served here.
func (d *Directory) Domain(ctx context.Context, name string) (Domain, error) {
	name, err := ParseDomain(name)
	if err != nil {
		return Domain{}, err
	}
	c := d.current()
	if dom, ok := c.domain(name); ok {
		return *dom, nil
	}
	var dom Domain
	err = d.view(ctx, func(r kv.Reader) (err error) {
		dom, err = requireDomain(r, name)
		return err
	})
	if err != nil {
		return Domain{}, err
	}
	c.keepDomain(&dom)
	return dom, nil
}

// SetDomain changes a domain. Errors: fault.NotFound if it isn't served here, or the catch-all address is
// of ours and isn't there; fault.Invalid.
func (d *Directory) SetDomain(ctx context.Context, name string, c DomainChange) error {
	name, err := ParseDomain(name)
	if err != nil {
		return err
	}
	if c.Delimiters != nil {
		if err := checkDelimiters(*c.Delimiters); err != nil {
			return err
		}
	}
	return d.update(ctx, func(tx kv.Tx) error {
		dom, err := requireDomain(tx, name)
		if err != nil {
			return err
		}
		if c.Delimiters != nil {
			dom.Delimiters = *c.Delimiters
		}
		if c.CatchAll != nil {
			if err := dom.setCatchAll(tx, *c.CatchAll); err != nil {
				return err
			}
		}
		return tx.Set(domainKey(name), dom.encode())
	})
}

func checkDelimiters(s string) error {
	if len(s) > MaxDelimiters {
		return fault.New(fault.Invalid, "at most %d delimiters", MaxDelimiters)
	}
	for i := range len(s) {
		if !strings.Contains(delimiterChars, s[i:i+1]) || strings.Contains(s[:i], s[i:i+1]) {
			return fault.New(fault.Invalid, "delimiters are some of %s, each once", delimiterChars)
		}
	}
	return nil
}

func (dom *Domain) setCatchAll(tx kv.Tx, address string) error {
	var to []Address
	var old []string
	if dom.CatchAll != "" {
		old = []string{dom.CatchAll}
	}
	dom.CatchAll = ""
	if address != "" {
		a, err := Parse(address)
		if err != nil {
			return err
		}
		dom.CatchAll, to = a.String(), []Address{a}
	}
	return setPairs(tx, keyUse, Address{Domain: dom.Name}, old, to)
}

// RemoveDomain ends to serve a domain, and removes its DKIM keys, limits and administrators. It fails with fault.Conflict while the
// domain has accounts, aliases or groups.
func (d *Directory) RemoveDomain(ctx context.Context, name string) error {
	name, err := ParseDomain(name)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		dom, err := requireDomain(tx, name)
		if err != nil {
			return err
		}
		used, err := exists(tx, entriesOf(name))
		if err != nil {
			return err
		}
		if used {
			return fault.New(fault.Conflict, "domain %s still has addresses: remove its accounts, aliases and groups first", name)
		}
		if err := dom.setCatchAll(tx, ""); err != nil {
			return err
		}
		keys := dkimKeysOf(name)
		if err := tx.DeleteRange(keys.Lo, keys.Hi); err != nil {
			return err
		}
		if err := deleteDutiesIn(tx, name); err != nil {
			return err
		}
		if err := dropTokensOf(tx, name); err != nil {
			return err
		}
		for _, key := range [][]byte{limitsKey(name), tallyKey(name), domainKey(name)} {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}

// Domains lists the domains by name. An error ends the list as its last pair.
func (d *Directory) Domains(ctx context.Context) iter.Seq2[Domain, error] {
	return func(yield func(Domain, error) bool) {
		list(ctx, d, all(keyDomain), decodeDomain, yield)
	}
}

func (dom Domain) encode() []byte {
	return newRecord(2).time(dom.Created).text(dom.CatchAll).text(dom.Delimiters)
}

// decodeDomain reads a domain's record. Version 1 had only the time.
func decodeDomain(p kv.Pair) (Domain, error) {
	r := readRecord(p.Value, 2)
	dom := Domain{Name: string(p.Key[1:]), Created: r.time(), Delimiters: DefaultDelimiters}
	if r.version >= 2 {
		dom.CatchAll, dom.Delimiters = r.text(), r.text()
	}
	return dom, r.end("domain")
}

// getDomain reads a domain's record; ok is false if it isn't served here.
func getDomain(r kv.Reader, name string) (dom Domain, ok bool, err error) {
	key := domainKey(name)
	v, ok, err := r.Get(key)
	if err != nil || !ok {
		return Domain{}, false, err
	}
	dom, err = decodeDomain(kv.Pair{Key: key, Value: v})
	return dom, err == nil, err
}

// requireDomain fails with fault.NotFound if the domain isn't served here.
func requireDomain(r kv.Reader, name string) (Domain, error) {
	dom, ok, err := getDomain(r, name)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "domain %s is not served here", name)
	}
	return dom, err
}

func isOurs(r kv.Reader, domain string) (bool, error) {
	_, ok, err := r.Get(domainKey(domain))
	return ok, err
}

// requireOurs fails with fault.NotFound if the domain isn't served here.
func requireOurs(r kv.Reader, domain string) error {
	ours, err := isOurs(r, domain)
	if err == nil && !ours {
		err = fault.New(fault.NotFound, "domain %s is not served here", domain)
	}
	return err
}
