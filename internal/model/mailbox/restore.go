package mailbox

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// restoreStep is how much one transaction of a Restore writes, in bytes.
const restoreStep = 4 << 20

// Restore makes an account's mailbox of the keys and values of one that was backed up, whatever number that had:
// folders, UIDs and IDs are as they were, and new ones go on well behind them (see Renumber). from calls put with each pair; the slices are put's until it returns.
// The mailbox is there when all of it is. Errors: fault.Exists if there is one, fault.Invalid if what comes is none.
// After a crash call Delete before anything else.
func (s *Store) Restore(ctx context.Context, id ident.AccountID, from func(put func(kv.Pair) error) error) error {
	a := s.acquire(id)
	defer s.release(a)
	if err := s.mustBeFree(ctx, id); err != nil {
		return err
	}
	r := &restorer{ctx: ctx, a: a, to: partition(id), db: s.db}
	err := from(r.put)
	if err == nil {
		err = r.finish()
	}
	if err != nil {
		_ = s.Delete(context.WithoutCancel(ctx), id) // what fails twice is found by the next start
	}
	return err
}

func (s *Store) mustBeFree(ctx context.Context, id ident.AccountID) error {
	there, err := s.has(ctx, partition(id))
	if there {
		return fault.New(fault.Exists, "the account exists")
	}
	return err
}

// restorer gathers pairs into transactions. The head comes last: without it there is no mailbox.
type restorer struct {
	ctx   context.Context
	a     *account
	db    kv.DB
	to    kv.Partition
	pairs []byte // keys and values
	ends  []int  // of each in pairs
	head  []byte
}

func (r *restorer) put(p kv.Pair) error {
	if len(p.Key) == 1 && p.Key[0] == keyHead {
		r.head = append(r.head[:0], p.Value...)
		return nil
	}
	r.pairs = append(r.pairs, p.Key...)
	r.ends = append(r.ends, len(r.pairs))
	r.pairs = append(r.pairs, p.Value...)
	r.ends = append(r.ends, len(r.pairs))
	if len(r.pairs) < restoreStep {
		return nil
	}
	return r.flush()
}

func (r *restorer) flush() error {
	err := r.db.SubmitLazy(r.ctx, r.to, func(tx kv.Tx) error {
		from := 0
		for i := 0; i < len(r.ends); i += 2 {
			if err := tx.Set(r.pairs[from:r.ends[i]], r.pairs[r.ends[i]:r.ends[i+1]]); err != nil {
				return err
			}
			from = r.ends[i+1]
		}
		return nil
	})
	r.pairs, r.ends = r.pairs[:0], r.ends[:0]
	return err
}

func (r *restorer) finish() error {
	if _, err := decodeHead(r.head); err != nil {
		return fault.Wrap(fault.Invalid, err, "what was to be restored is no mailbox")
	}
	if err := r.flush(); err != nil {
		return err
	}
	return r.db.Update(r.ctx, r.to, func(tx kv.Tx) error {
		if err := tx.Set(headKey(), r.head); err != nil {
			return err
		}
		st, err := readState(tx)
		if err != nil {
			return err
		}
		t := newTxn(r.a, tx, st)
		if err := t.renumber(); err != nil {
			return err
		}
		_, err = t.finish()
		return err
	})
}
