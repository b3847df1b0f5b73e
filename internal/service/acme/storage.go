package acme

import (
	"context"
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Storage is certmagic's file system in a kv. It is safe for concurrent use, also by several processes on one kv.
type Storage struct {
	db  kv.DB
	now func() time.Time
	// holds are the locks that this process has.
	holds holds
}

var (
	_ certmagic.Storage          = (*Storage)(nil)
	_ certmagic.LockLeaseRenewer = (*Storage)(nil)
)

// NewStorage returns the files in Partition of db.
func NewStorage(db kv.DB, now func() time.Time) *Storage { return &Storage{db: db, now: now} }

// maxPath bounds a file's path in bytes: kv's limit, without our first byte.
const maxPath = kv.MaxKey - 2

const fileHead = 9 // version and time

// Store implements certmagic.Storage.
func (s *Storage) Store(ctx context.Context, path string, content []byte) error {
	if path == "" || len(path) > maxPath {
		return fault.New(fault.Invalid, "acme: a file's path has 1 to %d bytes", maxPath)
	}
	b := make([]byte, 0, fileHead+len(content))
	b = binary.BigEndian.AppendUint64(append(b, 1), uint64(s.now().Unix()))
	b = append(b, content...)
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Set(fileKey(path), b) })
}

// Load implements certmagic.Storage. A missing file is fs.ErrNotExist, as certmagic wants.
func (s *Storage) Load(ctx context.Context, path string) (content []byte, err error) {
	err = s.read(ctx, path, func(f []byte) { content = slices.Clone(f[fileHead:]) })
	return content, err
}

func (s *Storage) read(ctx context.Context, path string, fn func(record []byte)) error {
	if path == "" || len(path) > maxPath {
		return fs.ErrNotExist
	}
	return s.db.View(ctx, Partition, func(r kv.Reader) error {
		f, ok, err := r.Get(fileKey(path))
		switch {
		case err != nil:
			return err
		case !ok:
			return fs.ErrNotExist
		case len(f) < fileHead || f[0] != 1:
			return fault.New(fault.Corrupt, "acme: stored file %s", path)
		}
		fn(f)
		return nil
	})
}

// Delete implements certmagic.Storage: a file, or a folder with all in it.
func (s *Storage) Delete(ctx context.Context, path string) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if path != "" {
			if err := tx.Delete(fileKey(path)); err != nil {
				return err
			}
		}
		r := below(path)
		return tx.DeleteRange(r.Lo, r.Hi)
	})
}

// Exists implements certmagic.Storage.
func (s *Storage) Exists(ctx context.Context, path string) bool {
	_, err := s.Stat(ctx, path)
	return err == nil
}

// Stat implements certmagic.Storage.
func (s *Storage) Stat(ctx context.Context, path string) (certmagic.KeyInfo, error) {
	info := certmagic.KeyInfo{Key: path, IsTerminal: true}
	err := s.read(ctx, path, func(f []byte) {
		info.Size, info.Modified = int64(len(f)-fileHead), time.Unix(int64(binary.BigEndian.Uint64(f[1:])), 0)
	})
	if err != fs.ErrNotExist {
		return info, err
	}
	all, err := s.List(ctx, path, false)
	if err == nil && len(all) == 0 {
		err = fs.ErrNotExist
	}
	return certmagic.KeyInfo{Key: path}, err
}

// List implements certmagic.Storage. The paths are whole; folders are among them, also if recursive. Of a folder
// that isn't there it is fs.ErrNotExist.
func (s *Storage) List(ctx context.Context, folder string, recursive bool) (all []string, err error) {
	folder = strings.TrimSuffix(folder, "/")
	prefix := folder + "/"
	if folder == "" {
		prefix = ""
	}
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(below(folder)) {
			if err != nil {
				return err
			}
			all = appendPath(all, prefix, string(p.Key[1+len(prefix):]), recursive)
		}
		return nil
	})
	if err == nil && len(all) == 0 && folder != "" {
		err = fs.ErrNotExist
	}
	return all, err
}

// appendPath adds a file below prefix, and the folders that lead there. Files come in order, so that a folder
// that was added already is near the end.
func appendPath(all []string, prefix, rest string, recursive bool) []string {
	for i, c := range rest {
		if c != '/' {
			continue
		}
		if f := prefix + rest[:i]; !slices.Contains(all, f) {
			all = append(all, f)
		}
		if !recursive {
			return all
		}
	}
	return append(all, prefix+rest)
}
