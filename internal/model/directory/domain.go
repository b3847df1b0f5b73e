package directory

import (
	"context"
	"iter"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Domain is one whose mail is served here.
type Domain struct {
	Name    string // lower-case A-labels
	Created time.Time
}

// AddDomain begins to serve a domain. It fails with fault.Exists if it is served already.
func (d *Directory) AddDomain(ctx context.Context, name string) (Domain, error) {
	name, err := ParseDomain(name)
	if err != nil {
		return Domain{}, err
	}
	dom := Domain{Name: name, Created: d.now().UTC().Truncate(time.Microsecond)}
	err = d.update(ctx, func(tx kv.Tx) error {
		ours, err := isOurs(tx, name)
		if err != nil {
			return err
		}
		if ours {
			return fault.New(fault.Exists, "domain %s exists already", name)
		}
		return tx.Set(domainKey(name), newRecord(1).time(dom.Created))
	})
	return dom, err
}

// RemoveDomain ends to serve a domain. It fails with fault.Conflict while the
// domain has accounts, aliases or groups.
func (d *Directory) RemoveDomain(ctx context.Context, name string) error {
	name, err := ParseDomain(name)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if err := requireOurs(tx, name); err != nil {
			return err
		}
		used, err := exists(tx, entriesOf(name))
		if err != nil {
			return err
		}
		if used {
			return fault.New(fault.Conflict, "domain %s still has addresses", name)
		}
		return tx.Delete(domainKey(name))
	})
}

// Domains lists the domains by name. An error ends the list as its last pair.
func (d *Directory) Domains(ctx context.Context) iter.Seq2[Domain, error] {
	return func(yield func(Domain, error) bool) {
		list(ctx, d, all(keyDomain), decodeDomain, yield)
	}
}

func decodeDomain(p kv.Pair) (Domain, error) {
	r := readRecord(p.Value, 1)
	dom := Domain{Name: string(p.Key[1:]), Created: r.time()}
	return dom, r.end("domain")
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
