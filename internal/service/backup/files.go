package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"postroad/internal/fault"
)

func unreadable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "the backup lacks a file")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Denied, err, "the backup can't be read")
	}
	return fault.Wrap(fault.Unavailable, err, "the backup can't be read")
}

func unwritable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.Wrap(fault.Denied, err, "the backup can't be written")
	}
	return fault.Wrap(fault.Unavailable, err, "the backup can't be written")
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFile makes a file with its content last under its name, or not at all.
func writeFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, newPrefix)
	if err != nil {
		return unwritable(err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return unwritable(err)
	}
	if err := syncDir(dir); err != nil {
		return unwritable(err)
	}
	return nil
}

// lockFile locks the repository, without waiting.
func lockFile(path string, exclusive bool) (*os.File, error) {
	flags, how := os.O_RDONLY, unix.LOCK_SH
	if exclusive {
		flags, how = os.O_RDWR|os.O_CREATE, unix.LOCK_EX
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, unwritable(err)
	}
	err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fault.Wrap(fault.InUse, err, "another command works on this backup")
	}
	return nil, fault.Wrap(fault.Unavailable, err, "the backup can't be locked")
}
