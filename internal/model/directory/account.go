package directory

import (
	"context"
	"iter"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// MaxDisplayName is the longest display name, in bytes.
const MaxDisplayName = 255

// Account is somebody, or something, with a mailbox here.
type Account struct {
	ID          ident.AccountID
	Address     string // as it was written; sign-ins use it too
	DisplayName string
	// Enabled: a disabled account can't sign in. Its mail still arrives.
	Enabled bool
	// Shared: the account is nobody's own. Rights on its folders are given to others; nobody signs in to it, so it is never
	// enabled.
	Shared bool
	// QuotaBytes is the room for its mail; 0 means no limit.
	QuotaBytes  int64
	Created     time.Time
	HasPassword bool
}

// NewAccount is an account to be. Only Address is needed.
type NewAccount struct {
	Address     string
	DisplayName string
	Password    string // "": nobody can sign in until one is set
	QuotaBytes  int64  // 0: no limit
	Shared      bool   // nobody's own; without a password
	Link        *Link  // ties it to an outside directory; without a password
}

// AddAccount adds an account. Its mailbox is created by package mailbox,
// afterwards: whoever finds it missing may do so. Errors: fault.Exists if the address is
// taken, fault.NotFound if its domain isn't served here, fault.OverQuota if the domain has all it may have, fault.Invalid.
func (d *Directory) AddAccount(ctx context.Context, n NewAccount) (Account, error) {
	password := n.Password
	n.Password = ""
	made, err := d.AddAccounts(ctx, []NewAccount{n}, password)
	if err != nil {
		return Account{}, err
	}
	return made[0], nil
}

// AddAccounts adds accounts that all have the same password, or none if it is "": the
// hash is computed once. Their own Password fields must be empty. It is for
// demonstrations and tests only: in a database that is stolen, equal salts show
// who has the same password. All are added or none.
func (d *Directory) AddAccounts(ctx context.Context, specs []NewAccount, password string) ([]Account, error) {
	addresses := make([]Address, len(specs))
	for i, n := range specs {
		if n.Shared && password != "" {
			return nil, errShared()
		}
		if n.Link != nil && password != "" {
			return nil, errLinked(n.Link.Source)
		}
		a, err := parseOwn(n.Address)
		if err != nil {
			return nil, err
		}
		if err := checkNew(n); err != nil {
			return nil, err
		}
		addresses[i] = a
	}
	var cred *Credential
	if password != "" {
		var err error
		if cred, err = d.hasher.make(ctx, password, d.now(), nil); err != nil {
			return nil, err
		}
		cred.Version = 1
	}
	accounts := make([]Account, len(specs))
	err := d.update(ctx, func(tx kv.Tx) (err error) {
		for i, n := range specs {
			if accounts[i], err = d.addAccount(tx, addresses[i], n, cred); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return accounts, nil
}

func checkNew(n NewAccount) error {
	if n.Password != "" {
		return fault.New(fault.Invalid, "accounts that are added together share one password")
	}
	if n.QuotaBytes < 0 {
		return fault.New(fault.Invalid, "the quota is negative")
	}
	if n.Link != nil {
		if err := n.Link.check(); err != nil {
			return err
		}
	}
	return checkDisplayName(n.DisplayName)
}

func checkDisplayName(name string) error {
	if len(name) > MaxDisplayName || !utf8.ValidString(name) || hasControl(name) {
		return fault.New(fault.Invalid, "the display name is too long or holds control characters")
	}
	return nil
}

func (d *Directory) addAccount(tx kv.Tx, a Address, n NewAccount, cred *Credential) (Account, error) {
	id, err := nextID(tx)
	if err != nil {
		return Account{}, err
	}
	acc := Account{
		ID: ident.AccountID(id), Address: a.String(), DisplayName: n.DisplayName, Enabled: !n.Shared, Shared: n.Shared,
		QuotaBytes: n.QuotaBytes, Created: d.stamp(), HasPassword: cred != nil,
	}
	if err := requireOurs(tx, a.Domain); err != nil {
		return Account{}, err
	}
	if err := admit(tx, a.Domain, &acc); err != nil {
		return Account{}, err
	}
	if err := claim(tx, a, entry{kind: isAccount, id: id}); err != nil {
		return Account{}, err
	}
	if n.Link != nil {
		if err := setLink(tx, Linked{id, false, *n.Link}); err != nil {
			return Account{}, err
		}
	}
	if cred != nil {
		if err := tx.Set(credentialKey(acc.ID), cred.encode()); err != nil {
			return Account{}, err
		}
	}
	return acc, tx.Set(accountKey(acc.ID), acc.encode())
}

func (a Account) encode() []byte {
	return newRecord(2).text(a.Address).text(a.DisplayName).bool(a.Enabled).
		uint(uint64(a.QuotaBytes)).time(a.Created).bool(a.HasPassword).bool(a.Shared)
}

// decodeAccount reads an account's record. Version 1 knew no shared ones.
func decodeAccount(p kv.Pair) (Account, error) {
	r := readRecord(p.Value, 2)
	a := Account{ID: ident.AccountID(idOf(p.Key))}
	a.Address, a.DisplayName, a.Enabled = r.text(), r.text(), r.bool()
	a.QuotaBytes, a.Created, a.HasPassword = int64(r.uint()), r.time(), r.bool()
	if r.version >= 2 {
		a.Shared = r.bool()
	}
	return a, r.end("account")
}

func getAccount(r kv.Reader, id ident.AccountID) (Account, error) {
	v, ok, err := r.Get(accountKey(id))
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, fault.New(fault.NotFound, "no such account")
	}
	return decodeAccount(kv.Pair{Key: accountKey(id), Value: v})
}

// RemoveAccount removes an account from the directory and its address from all aliases,
// groups and catch-alls. Its mailbox is removed by package mailbox. The number is never given again.
func (d *Directory) RemoveAccount(ctx context.Context, id ident.AccountID) error {
	return d.update(ctx, func(tx kv.Tx) error {
		acc, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		if err := removeAccount(tx, acc); err != nil {
			return err
		}
		return deleteSignIn(tx, id)
	})
}

// deleteSignIn removes what an account's owner signs in by, beside the password, and what they want to read and are to be told.
func deleteSignIn(tx kv.Tx, id ident.AccountID) error {
	if err := tx.Delete(twoStepKey(id)); err != nil {
		return err
	}
	if err := deletePasskeys(tx, id); err != nil {
		return err
	}
	if err := tx.Delete(languageKey(id)); err != nil {
		return err
	}
	notices := noticesOf(id)
	if err := tx.DeleteRange(notices.Lo, notices.Hi); err != nil {
		return err
	}
	apps := appPasswordsOf(id)
	return tx.DeleteRange(apps.Lo, apps.Hi)
}

func removeAccount(tx kv.Tx, acc Account) error {
	a, err := parseStored(acc.Address)
	if err != nil {
		return err
	}
	if err := dismiss(tx, a.Domain, acc); err != nil {
		return err
	}
	if err := deleteDutiesOf(tx, acc.ID); err != nil {
		return err
	}
	if err := deleteLink(tx, uint64(acc.ID)); err != nil {
		return err
	}
	if err := forget(tx, a.Fold()); err != nil {
		return err
	}
	for _, key := range [][]byte{accountKey(acc.ID), credentialKey(acc.ID), entryKey(a.Fold())} {
		if err := tx.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// Account finds an account by number; fault.NotFound if there is none.
func (d *Directory) Account(ctx context.Context, id ident.AccountID) (Account, error) {
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return Account{}, err
	}
	return p.Account, nil
}

// AccountByAddress finds an account by its own address, aliases not looked at; fault.NotFound if there is none.
func (d *Directory) AccountByAddress(ctx context.Context, address string) (Account, error) {
	p, err := d.Profile(ctx, address)
	if err != nil {
		return Account{}, err
	}
	return p.Account, nil
}

// Accounts lists the accounts by number. An error ends the list as its last
// pair. The list is read in pages: accounts that come and go meanwhile may or may not be in it.
func (d *Directory) Accounts(ctx context.Context) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		list(ctx, d, all(keyAccount), decodeAccount, yield)
	}
}

func errShared() error {
	return fault.New(fault.Invalid, "the account is nobody's own: nobody can sign in to it")
}

// SetEnabled lets an account sign in, or not.
func (d *Directory) SetEnabled(ctx context.Context, id ident.AccountID, enabled bool) error {
	return d.change(ctx, id, func(a *Account) error {
		if a.Shared && enabled {
			return errShared()
		}
		a.Enabled = enabled
		return nil
	})
}

// SetQuota changes the room that an account has; 0 means no limit. The
// mailbox's own limit is set by package mailbox. Errors: fault.NotFound; fault.Invalid and fault.OverQuota as DomainLimits say.
func (d *Directory) SetQuota(ctx context.Context, id ident.AccountID, bytes int64) error {
	if bytes < 0 {
		return fault.New(fault.Invalid, "the quota is negative")
	}
	return d.update(ctx, func(tx kv.Tx) error {
		acc, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		a, err := parseStored(acc.Address)
		if err != nil {
			return err
		}
		if err := requota(tx, a.Domain, acc.QuotaBytes, bytes); err != nil {
			return err
		}
		acc.QuotaBytes = bytes
		return tx.Set(accountKey(id), acc.encode())
	})
}

// SetDisplayName changes an account's display name.
func (d *Directory) SetDisplayName(ctx context.Context, id ident.AccountID, name string) error {
	if err := checkDisplayName(name); err != nil {
		return err
	}
	return d.change(ctx, id, func(a *Account) error { a.DisplayName = name; return nil })
}

func (d *Directory) change(ctx context.Context, id ident.AccountID, fn func(*Account) error) error {
	return d.update(ctx, func(tx kv.Tx) error {
		a, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		if err := fn(&a); err != nil {
			return err
		}
		return tx.Set(accountKey(id), a.encode())
	})
}
