package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// SharesPartition is where the index of shares lies: which accounts may have given rights to whom. It is a hint and no more:
// what counts are the grants of the folders themselves.
//
// No transaction spans two partitions, so the index is kept a superset of the truth: an entry is durable before the
// grant that it is about, and stays when the grant is taken back. SweepShares removes what has no use any more, but nothing
// that is younger than shareAge: its grant may be on its way.
//
//	v                    1 once the index has what was granted before there was one
//	g kind id owner      owner may have given rights to the principal of that kind and number; when that was written
//
// kind is one byte, id and owner 6 bytes, big endian, the value is a time as in other records.
const SharesPartition kv.Partition = 11 << 56

const (
	keySharesMade = 'v'
	keyShare      = 'g'
)

// shareAge is how long an entry is left alone. Nobody waits so long between the entry and the grant.
const shareAge = time.Hour

// principal is somebody to whom grants are given.
type principal struct {
	kind PrincipalKind
	id   uint64
}

func (p principal) key() []byte { return append48([]byte{keyShare, byte(p.kind)}, p.id) }

func shareKey(p principal, owner ident.AccountID) []byte { return append48(p.key(), uint64(owner)) }

// sharesOf is the range of a principal's entries.
func sharesOf(p principal) kv.Range {
	lo := p.key()
	return kv.Range{Lo: lo, Hi: append(slices.Clone(lo), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)}
}

// share is an entry of the index.
type share struct {
	to    principal
	owner ident.AccountID
	at    time.Time
}

func decodeShare(p kv.Pair) (share, error) {
	if len(p.Key) != 14 || p.Key[1] > byte(ToAnyone) {
		return share{}, fault.New(fault.Corrupt, "the index of shares has a key that can't be read")
	}
	at, err := decodeTime(p.Value)
	to := principal{PrincipalKind(p.Key[1]), read48(p.Key[2:])}
	return share{to, ident.AccountID(read48(p.Key[8:])), at}, err
}

// principalsOf lists whom grants are given to.
func principalsOf(grants []Grant) []principal {
	var all []principal
	for _, g := range grants {
		if g.Rights != 0 {
			all = append(all, principal{g.Kind, g.ID})
		}
	}
	return all
}

// sharesWith lists whom the account's folders give rights to, each once.
func (s *state) sharesWith() map[principal]bool {
	all := map[principal]bool{}
	for _, n := range s.folders {
		for _, p := range principalsOf(n.Grants) {
			all[p] = true
		}
	}
	return all
}

// announce makes sure that the index has entries, before grants are given.
func (s *Store) announce(ctx context.Context, owner ident.AccountID, to []principal) error {
	if len(to) == 0 {
		return nil
	}
	return s.db.Update(ctx, SharesPartition, func(tx kv.Tx) error {
		for _, p := range to {
			key := shareKey(p, owner)
			value, ok, err := tx.Get(key)
			if err != nil {
				return err
			}
			if at, err := decodeTime(value); ok && err == nil && s.now().Sub(at) < shareAge/2 {
				continue
			}
			if err := tx.Set(key, encodeTime(s.now())); err != nil {
				return err
			}
		}
		return nil
	})
}

// errUnannounced says that grants must be announced first.
var errUnannounced = errors.New("mailbox: a grant that isn't announced")

// Sharers lists the accounts in which somebody may have been given rights: as themselves, through their groups, or with
// everybody. Their own isn't among them. It is a hint: what may be done there is for a Session to say. Who shares
// nothing costs no more than a few look-ups in memory. The caller must not change the list.
func (s *Store) Sharers(ctx context.Context, who ident.Identity) ([]ident.AccountID, error) {
	if who.Account == 0 {
		return nil, nil
	}
	c := s.shares.current(s.db)
	all, err := c.owners(ctx, s.db, principal{ToAccount, uint64(who.Account)})
	if err != nil {
		return nil, err
	}
	shared := false // all is a list of our own
	add := func(p principal) error {
		more, err := c.owners(ctx, s.db, p)
		if len(more) > 0 {
			all, shared = append(all[:len(all):len(all)], more...), true
		}
		return err
	}
	if err := add(principal{kind: ToAnyone}); err != nil {
		return nil, err
	}
	for _, g := range who.Groups {
		if err := add(principal{ToGroup, uint64(g)}); err != nil {
			return nil, err
		}
	}
	if shared {
		slices.Sort(all)
		all = slices.Compact(all)
	}
	if i, ok := slices.BinarySearch(all, who.Account); ok {
		all = slices.Delete(slices.Clone(all), i, i+1)
	}
	return all, nil
}

// SharesBell returns a channel that is closed when what Sharers says may have changed, but for groups. It may be
// dropped at any time.
func (s *Store) SharesBell() <-chan struct{} { return s.db.Bell(SharesPartition) }

// IndexShares puts into the index what was granted before there was one. It does so once in a store's life.
func (s *Store) IndexShares(ctx context.Context) error {
	made, err := s.sharesMade(ctx)
	if err != nil || made {
		return err
	}
	ids, err := s.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.ensureShares(ctx, id); err != nil {
			return err
		}
	}
	return s.db.Update(ctx, SharesPartition, func(tx kv.Tx) error { return tx.Set([]byte{keySharesMade}, []byte{1}) })
}

// MendShares makes sure of what an account's folders grant after its mailbox was restored: whom rights are given to finds it.
// With keep false they are taken back, and origins are forgotten: they come from elsewhere, where numbers mean other people.
func (s *Store) MendShares(ctx context.Context, id ident.AccountID, keep bool) error {
	if keep {
		return s.ensureShares(ctx, id)
	}
	ses, err := s.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer ses.Close()
	for _, n := range ses.state().folders {
		if len(n.Grants) > 0 {
			if err := ses.SetGrants(ctx, n.ID, nil); err != nil {
				return err
			}
		}
	}
	return ses.a.update(ctx, func(t *txn) error {
		t.dirty = true
		r := all(keyOrigin)
		return t.tx.DeleteRange(r.Lo, r.Hi)
	})
}

// ensureShares puts into the index what an account has granted, as far as it is missing.
func (s *Store) ensureShares(ctx context.Context, owner ident.AccountID) error {
	given, err := s.given(ctx, owner)
	if err != nil || len(given) == 0 {
		return err
	}
	var missing []principal
	err = s.db.View(ctx, SharesPartition, func(r kv.Reader) error {
		for p := range given {
			_, ok, err := r.Get(shareKey(p, owner))
			if err != nil {
				return err
			}
			if !ok {
				missing = append(missing, p)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.announce(ctx, owner, missing)
}

func (s *Store) sharesMade(ctx context.Context) (made bool, err error) {
	err = s.db.View(ctx, SharesPartition, func(r kv.Reader) error {
		_, made, err = r.Get([]byte{keySharesMade})
		return err
	})
	return made, err
}

// given lists whom an account's folders give rights to; nobody if there is no such account.
func (s *Store) given(ctx context.Context, owner ident.AccountID) (map[principal]bool, error) {
	ses, err := s.Open(ctx, owner, ident.System())
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	return ses.state().sharesWith(), nil
}

// allShares reads the whole index, in pages.
func (s *Store) allShares(ctx context.Context) (list []share, err error) {
	const page = 4096
	for r := all(keyShare); r.Lo != nil; {
		next := []byte(nil)
		err = s.db.View(ctx, SharesPartition, func(rd kv.Reader) error {
			n := 0
			for p, err := range rd.Scan(r) {
				if err != nil {
					return err
				}
				if n++; n > page {
					next = slices.Clone(p.Key)
					return nil
				}
				sh, err := decodeShare(p)
				if err != nil {
					return err
				}
				list = append(list, sh)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		r.Lo = next
	}
	return list, nil
}

// SweepShares removes from the index what no grant stands behind any more. Call it now and then.
func (s *Store) SweepShares(ctx context.Context) error {
	list, err := s.allShares(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b share) int { return int(int64(a.owner) - int64(b.owner)) })
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].owner == list[0].owner {
			n++
		}
		if err := s.sweepOwner(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// sweepOwner looks at the entries of one owner.
func (s *Store) sweepOwner(ctx context.Context, list []share) error {
	list = slices.DeleteFunc(list, func(sh share) bool { return s.now().Sub(sh.at) < shareAge })
	if len(list) == 0 {
		return nil
	}
	given, err := s.given(ctx, list[0].owner)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(sh share) bool { return given[sh.to] })
	if len(list) == 0 {
		return nil
	}
	return s.db.Update(ctx, SharesPartition, func(tx kv.Tx) error {
		for _, sh := range list {
			key := shareKey(sh.to, sh.owner)
			value, ok, err := tx.Get(key)
			if err != nil {
				return err
			}
			if at, err := decodeTime(value); !ok || err == nil && !at.Equal(sh.at) {
				continue // written again meanwhile: a grant is on its way
			}
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget takes back all grants that a principal who is gone has been given: its number is never given again, but nobody
// could name it any more to take them back.
func (s *Store) Forget(ctx context.Context, kind PrincipalKind, id uint64) error {
	owners, err := s.shares.current(s.db).owners(ctx, s.db, principal{kind, id})
	if err != nil {
		return err
	}
	for _, owner := range owners {
		if err := s.forgetIn(ctx, owner, principal{kind, id}); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

func (s *Store) forgetIn(ctx context.Context, owner ident.AccountID, p principal) error {
	ses, err := s.Open(ctx, owner, ident.System())
	if err != nil {
		return err
	}
	defer ses.Close()
	for _, n := range ses.state().folders {
		is := func(g Grant) bool { return g.Kind == p.kind && g.ID == p.id }
		if !slices.ContainsFunc(n.Grants, is) {
			continue
		}
		err := ses.UpdateGrants(ctx, n.ID, func(old []Grant) []Grant { return slices.DeleteFunc(old, is) })
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// CheckShares reports what is granted but missing in the index, a line for each account.
func (s *Store) CheckShares(ctx context.Context) (problems map[ident.AccountID]string, err error) {
	made, err := s.sharesMade(ctx)
	if err != nil || !made {
		return nil, err // it will be made
	}
	list, err := s.allShares(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[share]bool, len(list))
	for _, sh := range list {
		known[share{to: sh.to, owner: sh.owner}] = true
	}
	ids, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	problems = map[ident.AccountID]string{}
	for _, id := range ids {
		given, err := s.given(ctx, id)
		if err != nil {
			return nil, err
		}
		for p := range given {
			if !known[share{to: p, owner: id}] {
				problems[id] = fmt.Sprintf("has given rights to principal %d of kind %d, which the index of shares doesn't know", p.id, p.kind)
			}
		}
	}
	return problems, nil
}

// readOwners reads a principal's entries.
func readOwners(ctx context.Context, db kv.DB, p principal) (owners []ident.AccountID, err error) {
	err = db.View(ctx, SharesPartition, func(r kv.Reader) error {
		for pair, err := range r.Scan(sharesOf(p)) {
			if err != nil {
				return err
			}
			sh, err := decodeShare(pair)
			if err != nil {
				return err
			}
			owners = append(owners, sh.owner)
		}
		return nil
	})
	return owners, err
}
