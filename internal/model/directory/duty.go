package directory

import (
	"context"
	"iter"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// WholeServer in the place of a domain means all of them, and the server itself.
const WholeServer = ""

// Duty is that an account administers a domain, or WholeServer.
type Duty struct {
	Account ident.AccountID
	Domain  string
}

// Duties are what an account administers. The zero value: nothing.
type Duties struct {
	Server  bool
	Domains []string // in alphabetical order
}

// None reports whether there are no duties.
func (d Duties) None() bool { return !d.Server && len(d.Domains) == 0 }

// Appoint makes an account an administrator of a domain, or of WholeServer. Errors: fault.NotFound if there is no such
// account or domain; fault.Invalid.
func (d *Directory) Appoint(ctx context.Context, id ident.AccountID, domain string) error {
	domain, err := parseDuty(domain)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if _, err := getAccount(tx, id); err != nil {
			return err
		}
		if domain != WholeServer {
			if err := requireOurs(tx, domain); err != nil {
				return err
			}
		}
		if err := tx.Set(dutyInKey(domain, id), nil); err != nil {
			return err
		}
		return tx.Set(dutyOfKey(id, domain), nil)
	})
}

// Dismiss takes a duty back; fault.NotFound if the account hasn't got it.
func (d *Directory) Dismiss(ctx context.Context, id ident.AccountID, domain string) error {
	domain, err := parseDuty(domain)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		_, ok, err := tx.Get(dutyOfKey(id, domain))
		if err == nil && !ok {
			err = fault.New(fault.NotFound, "the account doesn't administer that")
		}
		if err != nil {
			return err
		}
		return deleteDuty(tx, Duty{id, domain})
	})
}

// Duties returns what an account administers.
func (d *Directory) Duties(ctx context.Context, id ident.AccountID) (duties Duties, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		duties, err = allDuties(r, id)
		return err
	})
	return duties, err
}

// allDuties sums up what an account administers.
func allDuties(r kv.Reader, id ident.AccountID) (duties Duties, err error) {
	found, err := dutiesOf(r, id)
	for _, x := range found {
		if x.Domain == WholeServer {
			duties.Server = true
		} else {
			duties.Domains = append(duties.Domains, x.Domain)
		}
	}
	slices.Sort(duties.Domains)
	return duties, err
}

// Administrators lists all duties, by domain. An error ends the list as its last pair.
func (d *Directory) Administrators(ctx context.Context) iter.Seq2[Duty, error] {
	return func(yield func(Duty, error) bool) {
		list(ctx, d, all(keyDutyIn), func(p kv.Pair) (Duty, error) { return splitDuty(p.Key) }, yield)
	}
}

func parseDuty(domain string) (string, error) {
	if domain == WholeServer {
		return domain, nil
	}
	return ParseDomain(domain)
}

func dutiesOf(r kv.Reader, id ident.AccountID) (duties []Duty, err error) {
	for p, err := range r.Scan(prefixed(idKey(keyDutyOf, uint64(id)))) {
		if err != nil {
			return nil, err
		}
		duties = append(duties, Duty{id, string(p.Key[1+idSize:])})
	}
	return duties, nil
}

func deleteDuty(tx kv.Tx, x Duty) error {
	if err := tx.Delete(dutyInKey(x.Domain, x.Account)); err != nil {
		return err
	}
	return tx.Delete(dutyOfKey(x.Account, x.Domain))
}

// deleteDutiesOf takes all duties from an account that is to disappear.
func deleteDutiesOf(tx kv.Tx, id ident.AccountID) error {
	duties, err := dutiesOf(tx, id)
	for _, x := range duties {
		if err == nil {
			err = deleteDuty(tx, x)
		}
	}
	return err
}

// deleteDutiesIn dismisses the administrators of a domain that is to disappear.
func deleteDutiesIn(tx kv.Tx, domain string) error {
	var duties []Duty
	for p, err := range tx.Scan(prefixed(dutiesIn(domain))) {
		if err != nil {
			return err
		}
		x, err := splitDuty(p.Key)
		if err != nil {
			return err
		}
		duties = append(duties, x)
	}
	for _, x := range duties {
		if err := deleteDuty(tx, x); err != nil {
			return err
		}
	}
	return nil
}
