package server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/service/backup"
	"postroad/internal/service/fetch"
	"postroad/internal/service/move"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// restoringDir is the store while it is being restored: it gets its name when it is whole.
const restoringDir = "store.restoring"

// RestoreStore makes the store in a data folder of a run of a backup. Errors: fault.Exists if there is one, fault.InUse.
func RestoreStore(ctx context.Context, data string, r *backup.Repository, run backup.Run, progress func(backup.Progress)) error {
	to := filepath.Join(data, storeDir)
	if entries, err := os.ReadDir(to); err == nil && len(entries) > 0 {
		return fault.New(fault.Exists, "there is a store in %s: move it away first", to)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Unavailable, err, "cannot read "+to)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot make the data folder "+data)
	}
	half := filepath.Join(data, restoringDir)
	if err := os.RemoveAll(half); err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot remove what an interrupted restore has left")
	}
	err := inNewStore(half, func(db kv.DB) error {
		if err := r.Restore(ctx, run, db, progress); err != nil {
			return err
		}
		return renumber(ctx, db)
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(half))
	}
	_ = os.Remove(to) // an empty folder may be there
	if err := errors.Join(os.Rename(half, to), syncDir(data)); err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot give the store its name")
	}
	return nil
}

// renumber sees to it that no number is given again that clients have seen since the backup.
func renumber(ctx context.Context, db kv.DB) error {
	boxes := mailbox.NewStore(db, mailbox.Options{CacheRows: 1})
	ids, err := boxes.Accounts(ctx)
	for _, id := range ids {
		if err == nil {
			err = boxes.Renumber(ctx, id)
		}
		if fault.Is(err, fault.NotFound) { // no mailbox, but what a restore has left that was interrupted
			err = nil
		}
	}
	return err
}

// inNewStore makes a store for fn.
func inNewStore(dir string, fn func(kv.DB) error) error {
	db, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// BackedUp is an account in a run of a backup.
type BackedUp struct {
	admin.AccountCopy
	repository *backup.Repository
	run        backup.Run
	id         ident.AccountID
	dir        string // where its parts are laid out
}

// FindBackedUp finds an account in a run. dir is an empty folder, which is used until the caller
// removes it. Errors: fault.NotFound.
func FindBackedUp(ctx context.Context, r *backup.Repository, run backup.Run, address, dir string) (*BackedUp, error) {
	b := &BackedUp{repository: r, run: run, dir: dir}
	err := inNewStore(filepath.Join(dir, "directory"), func(db kv.DB) error {
		if err := r.Restore(ctx, run, db, nil, directory.Partition, fetch.Partition); err != nil {
			return err
		}
		d, err := directory.Open(ctx, db, directory.Options{})
		if err != nil {
			return err
		}
		a, err := d.AccountByAddress(ctx, address)
		if err != nil {
			return err
		}
		b.id = a.ID
		b.AccountCopy = admin.AccountCopy{Address: a.Address, Name: a.DisplayName, Enabled: a.Enabled, QuotaBytes: a.QuotaBytes,
			Shared: a.Shared, Installation: admin.Installation(d)}
		if b.Credential, err = d.CredentialRecord(ctx, a.ID); err != nil {
			return err
		}
		if b.Belongings, err = d.Belongings(ctx, a.ID); err != nil {
			return err
		}
		b.Fetched, err = fetch.Copies(ctx, db, a.ID)
		return err
	})
	return b, err
}

// Pairs gives the mailbox as it is stored.
func (b *BackedUp) Pairs(put func(kv.Pair) error) error {
	return b.repository.Pairs(b.run, kv.Partition(b.id), put)
}

// Mail gives the mailbox's messages. It can be used once.
func (b *BackedUp) Mail(ctx context.Context, yield func(*move.Message) error) error {
	return inNewStore(filepath.Join(b.dir, "mailbox"), func(db kv.DB) error {
		if err := b.repository.Restore(ctx, b.run, db, nil, kv.Partition(b.id)); err != nil {
			return err
		}
		s, err := mailbox.NewStore(db, mailbox.Options{SpoolDir: b.dir}).Open(ctx, b.id, ident.System())
		if err != nil {
			return err
		}
		defer s.Close()
		return move.Outgoing(s)(ctx, yield)
	})
}
