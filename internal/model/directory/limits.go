package directory

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// DomainLimits are how much a domain may have. The zero value: as much as it likes. They bind everybody who adds an account or
// raises a quota; what is there already stays.
type DomainLimits struct {
	// Accounts is how many accounts it may have; 0: any number.
	Accounts int64
	// QuotaBytes is what the quotas of its accounts may add up to; 0: anything. With it no account may be without a quota.
	QuotaBytes int64
	// DefaultQuotaBytes is the quota of new accounts for which none is given; 0: none.
	DefaultQuotaBytes int64
}

// DomainUse is what a domain has of what DomainLimits bounds.
type DomainUse struct {
	Accounts   int64
	QuotaBytes int64 // given to its accounts
}

// DomainLimits returns what a domain may have, and has; fault.NotFound if it isn't served here.
func (d *Directory) DomainLimits(ctx context.Context, name string) (l DomainLimits, u DomainUse, err error) {
	if name, err = ParseDomain(name); err != nil {
		return l, u, err
	}
	err = d.view(ctx, func(r kv.Reader) (err error) {
		if err = requireOurs(r, name); err != nil {
			return err
		}
		if l, err = getLimits(r, name); err != nil {
			return err
		}
		u, err = getUse(r, name)
		return err
	})
	return l, u, err
}

// SetDomainLimits changes what a domain may have. Errors: fault.NotFound, fault.Invalid.
func (d *Directory) SetDomainLimits(ctx context.Context, name string, l DomainLimits) error {
	name, err := ParseDomain(name)
	if err != nil {
		return err
	}
	if l.Accounts < 0 || l.QuotaBytes < 0 || l.DefaultQuotaBytes < 0 {
		return fault.New(fault.Invalid, "a limit is negative")
	}
	if l.QuotaBytes > 0 && l.DefaultQuotaBytes > l.QuotaBytes {
		return fault.New(fault.Invalid, "the default quota is larger than all quotas together may be")
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if err := requireOurs(tx, name); err != nil {
			return err
		}
		value := newRecord(1).uint(uint64(l.Accounts)).uint(uint64(l.QuotaBytes)).uint(uint64(l.DefaultQuotaBytes))
		return tx.Set(limitsKey(name), value)
	})
}

func getLimits(r kv.Reader, domain string) (l DomainLimits, err error) {
	v, ok, err := r.Get(limitsKey(domain))
	if err != nil || !ok {
		return l, err
	}
	d := readRecord(v, 1)
	l = DomainLimits{Accounts: int64(d.uint()), QuotaBytes: int64(d.uint()), DefaultQuotaBytes: int64(d.uint())}
	return l, d.end("limits")
}

// getUse reads what a domain has. A store from before this was counted is counted now.
func getUse(r kv.Reader, domain string) (u DomainUse, err error) {
	v, ok, err := r.Get(tallyKey(domain))
	if err != nil {
		return u, err
	}
	if !ok {
		return countUse(r, domain)
	}
	d := readRecord(v, 1)
	u = DomainUse{Accounts: int64(d.uint()), QuotaBytes: int64(d.uint())}
	return u, d.end("use")
}

// countUse adds up the accounts of a domain.
func countUse(r kv.Reader, domain string) (u DomainUse, err error) {
	for p, err := range r.Scan(entriesOf(domain)) {
		if err != nil {
			return u, err
		}
		e, err := decodeEntry(p.Value)
		if err != nil {
			return u, err
		}
		if e.kind != isAccount {
			continue
		}
		a, err := getAccount(r, ident.AccountID(e.id))
		if err != nil {
			return u, err
		}
		u.Accounts++
		u.QuotaBytes += a.QuotaBytes
	}
	return u, nil
}

// admit counts a new account of a domain, before it is written, if the domain's limits let it in. It gives the
// account the domain's default quota if it has none.
func admit(tx kv.Tx, domain string, a *Account) error {
	l, err := getLimits(tx, domain)
	if err != nil {
		return err
	}
	if a.QuotaBytes == 0 {
		a.QuotaBytes = l.DefaultQuotaBytes
	}
	return account(tx, domain, l, 1, 0, a.QuotaBytes)
}

// dismiss counts an account less, before it is removed.
func dismiss(tx kv.Tx, domain string, a Account) error {
	return account(tx, domain, DomainLimits{}, -1, a.QuotaBytes, 0)
}

// requota counts an account's other quota, before it is written.
func requota(tx kv.Tx, domain string, from, to int64) error {
	l, err := getLimits(tx, domain)
	if err != nil {
		return err
	}
	return account(tx, domain, l, 0, from, to)
}

// account keeps the books of a domain: so many accounts more, and a quota that was from and is to be to.
func account(tx kv.Tx, domain string, l DomainLimits, more, from, to int64) error {
	u, err := getUse(tx, domain)
	if err != nil {
		return err
	}
	u.Accounts += more
	u.QuotaBytes += to - from
	if err := l.check(domain, u, more > 0, more > 0 || to > from || to == 0, to); err != nil {
		return err
	}
	return tx.Set(tallyKey(domain), newRecord(1).uint(uint64(u.Accounts)).uint(uint64(u.QuotaBytes)))
}

// check refuses what is over the limits: another account, or a quota that is more than before.
func (l DomainLimits) check(domain string, u DomainUse, another, larger bool, quota int64) error {
	if another && l.Accounts > 0 && u.Accounts > l.Accounts {
		return fault.New(fault.OverQuota, "domain %s may have %d accounts", domain, l.Accounts)
	}
	if !larger || l.QuotaBytes == 0 {
		return nil
	}
	if quota == 0 {
		return fault.New(fault.Invalid, "accounts of domain %s need a quota", domain)
	}
	if u.QuotaBytes > l.QuotaBytes {
		return fault.New(fault.OverQuota, "the quotas of domain %s may add up to %d bytes; %d are left",
			domain, l.QuotaBytes, max(0, l.QuotaBytes-u.QuotaBytes+quota))
	}
	return nil
}
