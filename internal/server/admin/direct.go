package admin

import (
	"context"
	"iter"
	"slices"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/audit"
	"postroad/internal/service/auth"
	"postroad/internal/service/fetch"
	"postroad/internal/service/inbound"
	"postroad/internal/service/junk"
	"postroad/internal/service/oauth"
	"postroad/internal/service/policy"
	"postroad/internal/service/queue"
	"postroad/internal/service/reports"
	"postroad/internal/service/sieve/rules"
	"postroad/internal/service/trace"
	"postroad/internal/service/turns"
	"postroad/internal/storage/kv"
)

// Direct is an Admin that acts on an open store.
type Direct struct {
	db     kv.DB
	dir    *directory.Directory
	store  *mailbox.Store
	status func() Status

	published Publication // nil: the DNS can't be seen

	// accounts is held while an account is made or removed, since that takes two
	// steps: the directory's entry and the mailbox.
	accounts sync.Mutex

	imports turns.Turns[ident.AccountID] // accounts into which one is under way
	moments moments                      // at which clients look
	fetch   *fetch.Service               // nil: nothing is fetched

	advisor Advisor          // nil: nobody knows of the DNS
	certs   CertificateAdmin // nil: nobody knows of certificates

	audit  *audit.Log      // of sign-ins and acts; nil: nothing is remembered
	grants *oauth.Provider // what people have allowed programs; nil: the provider is off
	engine *auth.Engine    // signs people in; nil: the server is stopped

	sources Sources // nil: there are none

	doctor Doctor // nil: the server is stopped

	junk  *junk.Service // judges and learns
	rules *rules.Rules  // compiles filter scripts

	policies *policy.Book // nil: none are kept
	isolated isolated     // messages that were put aside

	sending *inbound.Accounts // what accounts have sent; nil: nobody counts

	opening sync.Mutex
	queue   *queue.Queue     // guarded by opening; nil: not opened yet
	trace   *trace.Log       // nil: nothing is remembered
	reports *reports.Service // nil: the server is stopped
}

// NewDirect returns an Admin on the directory and mailboxes of one store, which is db. status answers Status.
func NewDirect(db kv.DB, dir *directory.Directory, store *mailbox.Store, status func() Status) *Direct {
	return &Direct{db: db, dir: dir, store: store, status: status}
}

// Status implements Admin.
func (d *Direct) Status(context.Context) (Status, error) { return d.status(), nil }

// Accounts implements Admin.
func (d *Direct) Accounts(ctx context.Context) ([]Account, error) {
	c := callerOf(ctx)
	list := []Account{}
	for a, err := range d.dir.Accounts(ctx) {
		if err != nil {
			return nil, err
		}
		if !c.Administers(a.Address) {
			continue
		}
		shown, err := d.describe(ctx, a)
		if err != nil {
			return nil, err
		}
		list = append(list, shown)
	}
	return list, nil
}

// Account implements Admin.
func (d *Direct) Account(ctx context.Context, address string) (Account, error) {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return Account{}, err
	}
	return d.describe(ctx, a)
}

// describe adds to the directory's entry how full the mailbox is.
func (d *Direct) describe(ctx context.Context, a directory.Account) (Account, error) {
	out := Account{ID: uint64(a.ID), Address: a.Address, Name: a.DisplayName, Enabled: a.Enabled, Shared: a.Shared,
		QuotaBytes: a.QuotaBytes, Created: a.Created}
	s, err := d.store.Open(ctx, a.ID, ident.System())
	if fault.Is(err, fault.NotFound) {
		return out, nil // its mailbox is about to be made, or removed
	}
	if err != nil {
		return out, err
	}
	defer s.Close()
	used := s.State().Used
	out.UsedBytes, out.UsedItems = used.Bytes, used.Items
	return out, nil
}

// AddAccount implements Admin. After a crash between its two steps Repair makes the mailbox.
func (d *Direct) AddAccount(ctx context.Context, n NewAccount) (Account, error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	a, err := d.dir.AddAccount(ctx, directory.NewAccount{Address: n.Address, DisplayName: n.Name,
		Password: n.Password, QuotaBytes: n.QuotaBytes, Shared: n.Shared})
	if err != nil {
		return Account{}, err
	}
	if err := d.store.Create(ctx, a.ID, usageOf(a)); err != nil {
		return Account{}, err
	}
	return d.describe(ctx, a)
}

// usageOf is the limit that an account's mailbox has.
func usageOf(a directory.Account) mailbox.Usage { return mailbox.Usage{Bytes: a.QuotaBytes} }

// with finds an account that the caller may change, and does something with its number.
func (d *Direct) with(ctx context.Context, address string, fn func(ident.AccountID) error) error {
	a, err := d.changeable(ctx, address)
	if err != nil {
		return err
	}
	return fn(a.ID)
}

// SetPassword implements Admin.
func (d *Direct) SetPassword(ctx context.Context, address, password string) error {
	return d.with(ctx, address, func(id ident.AccountID) error {
		err := d.dir.SetPassword(ctx, id, password)
		d.endStale(ctx, id)
		return err
	})
}

// SetQuota implements Admin.
func (d *Direct) SetQuota(ctx context.Context, address string, bytes int64) error {
	return d.with(ctx, address, func(id ident.AccountID) error {
		if err := d.dir.SetQuota(ctx, id, bytes); err != nil {
			return err
		}
		return d.store.SetLimit(ctx, id, mailbox.Usage{Bytes: bytes})
	})
}

// SetEnabled implements Admin.
func (d *Direct) SetEnabled(ctx context.Context, address string, enabled bool) error {
	return d.with(ctx, address, func(id ident.AccountID) error {
		err := d.dir.SetEnabled(ctx, id, enabled)
		d.endStale(ctx, id)
		return err
	})
}

// Aliases implements Admin.
func (d *Direct) Aliases(ctx context.Context) ([]Alias, error) {
	return collect(d.dir.Aliases(ctx), func(a directory.Alias) (Alias, error) { return Alias(a), nil })
}

// AddAlias implements Admin.
func (d *Direct) AddAlias(ctx context.Context, a Alias) error {
	return d.dir.AddAlias(ctx, a.Address, a.Targets)
}

// RemoveAlias implements Admin.
func (d *Direct) RemoveAlias(ctx context.Context, address string) error {
	if err := d.noArchive(ctx, address, 0); err != nil {
		return err
	}
	return d.dir.RemoveAlias(ctx, address)
}

// Repair makes the mailboxes that a crash kept from being made. It returns how many.
func (d *Direct) Repair(ctx context.Context) (made int, err error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	missing, _, err := d.unpaired(ctx)
	for _, a := range missing {
		if err = d.store.Delete(ctx, a.ID); err != nil { // what an interrupted restore has left
			return made, err
		}
		if err = d.store.Create(ctx, a.ID, usageOf(a)); err != nil {
			return made, err
		}
		made++
	}
	return made, err
}

// unpaired finds the accounts without mailbox, and the mailboxes without account, but for those of accounts that
// can be brought back.
func (d *Direct) unpaired(ctx context.Context) (missing []directory.Account, orphans []ident.AccountID, err error) {
	boxes, err := d.store.Accounts(ctx)
	if err != nil {
		return nil, nil, err
	}
	removed := map[ident.AccountID]bool{}
	for r, err := range d.dir.RemovedAccounts(ctx) {
		if err != nil {
			return nil, nil, err
		}
		removed[r.Account.ID] = true
	}
	boxes = slices.DeleteFunc(boxes, func(id ident.AccountID) bool { return removed[id] })
	// Both lists are in the order of numbers.
	for a, err := range d.dir.Accounts(ctx) {
		if err != nil {
			return nil, nil, err
		}
		for len(boxes) > 0 && boxes[0] < a.ID {
			orphans, boxes = append(orphans, boxes[0]), boxes[1:]
		}
		if len(boxes) > 0 && boxes[0] == a.ID {
			boxes = boxes[1:]
		} else {
			missing = append(missing, a)
		}
	}
	return missing, append(orphans, boxes...), nil
}

// collect makes a list of what a model lists. It is never nil, so that JSON shows [].
func collect[In, Out any](all iter.Seq2[In, error], show func(In) (Out, error)) ([]Out, error) {
	list := []Out{}
	for v, err := range all {
		if err != nil {
			return nil, err
		}
		out, err := show(v)
		if err != nil {
			return nil, err
		}
		list = append(list, out)
	}
	return list, nil
}
