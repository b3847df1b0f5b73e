package pebble

import (
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guard stands between the engine and the files. When a write, a sync or the making
// of a file fails, it freezes the store: from then on nothing more reaches the disk.
//
// The engine (v2.1.7) isn't made to live on after such an error. It
// keeps a failed log sync in its log writer, gives it to those who
// wait, and panics at the next record or log switch, with its commit lock held:
// all other writers, and Close, then hang, or the runtime ends the process. A failed write of
// its manifest calls Logger.Fatalf, and a failed flush is tried again at once,
// for ever.
//
// So the guard keeps errors from the engine. Once frozen,
//   - writes and syncs of logs, tables, blob files and directories claim success. (An error at the end of
//     a blob file would make the engine panic, too.) The engine's
//     commits end as if all were well; what we tell of them is
//     decided by DB.failure, which is set before the first lie.
//   - new tables and blob files, with which flushes and compactions begin, are waited for
//     until Close, then fail. So nothing is tried again and again meanwhile.
//   - writes to the manifest fail: no new table becomes part of the store.
//   - files are not removed.
//
// After a crash or Close the disk shows what had reached it before the
// failure: logs that were closed properly, and a last one that may be torn at its end. That
// is what recovery is made for.
type guard struct {
	vfs.FS
	tell   func(error) // called once, before frozen is set
	once   atomic.Bool
	frozen atomic.Bool
	thawed chan struct{} // closed when nobody needs to wait any more: the engine is being ended
	thaws  atomic.Bool
}

func newGuard(inner vfs.FS, tell func(error)) *guard {
	return &guard{FS: inner, thawed: make(chan struct{}), tell: tell}
}

var errFrozen = errors.New("writing has ended after an earlier error")

func (g *guard) freeze(err error) {
	if g.once.CompareAndSwap(false, true) {
		g.tell(err)
		g.frozen.Store(true)
	}
}

// thaw lets those go who wait.
func (g *guard) thaw() {
	if g.thaws.CompareAndSwap(false, true) {
		close(g.thawed)
	}
}

// change runs an operation that changes files. Once frozen, it fails.
func (g *guard) change(op func() error) error {
	if !g.frozen.Load() {
		err := op()
		if err == nil {
			return nil
		}
		g.freeze(err)
	}
	return errFrozen
}

// make runs an operation that gives a new file to write to.
func (g *guard) make(name string, open func() (vfs.File, error)) (vfs.File, error) {
	var f vfs.File
	err := g.change(func() (err error) {
		f, err = open()
		return err
	})
	switch {
	case err == nil:
		return &guardedFile{File: f, g: g, lies: !isManifest(name)}, nil
	case isLog(name):
		return &guardedFile{File: vfs.NewMemFile(nil), g: g, lies: true}, nil // never written to
	case isTable(name):
		<-g.thawed
	}
	return nil, err
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// isManifest includes the markers, which say which manifest is valid.
func isManifest(name string) bool { return !isLog(name) && !isTable(name) }

// Create implements vfs.FS.
func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.make(name, func() (vfs.File, error) { return g.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (g *guard) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return g.make(name, func() (vfs.File, error) { return g.FS.OpenReadWrite(name, c, o...) })
}

// ReuseForWrite implements vfs.FS.
func (g *guard) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.make(to, func() (vfs.File, error) { return g.FS.ReuseForWrite(from, to, c) })
}

// OpenDir implements vfs.FS. The engine opens a directory to sync it.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &guardedFile{File: f, g: g, lies: true}, nil
}

// Link implements vfs.FS.
func (g *guard) Link(from, to string) error {
	return g.change(func() error { return g.FS.Link(from, to) })
}

// Rename implements vfs.FS.
func (g *guard) Rename(from, to string) error {
	return g.change(func() error { return g.FS.Rename(from, to) })
}

// Remove implements vfs.FS. That a file stays hurts nobody: removals don't freeze.
func (g *guard) Remove(name string) error {
	if g.frozen.Load() {
		return nil
	}
	return g.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (g *guard) RemoveAll(name string) error {
	if g.frozen.Load() {
		return nil
	}
	return g.FS.RemoveAll(name)
}

// Unwrap implements vfs.FS.
func (g *guard) Unwrap() vfs.FS { return g.FS }

// guardedFile is a file made through a guard.
type guardedFile struct {
	vfs.File
	g    *guard
	lies bool // claims success once frozen
}

func (f *guardedFile) change(op func() error) error {
	err := f.g.change(op)
	if f.lies {
		return nil
	}
	return err
}

// Write implements vfs.File.
func (f *guardedFile) Write(p []byte) (int, error) {
	err := f.change(func() error {
		n, err := f.File.Write(p)
		if err == nil && n < len(p) {
			err = fs.ErrInvalid // no file does that
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt implements vfs.File.
func (f *guardedFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.change(func() error {
		_, err := f.File.WriteAt(p, off)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Sync implements vfs.File.
func (f *guardedFile) Sync() error { return f.change(f.File.Sync) }

// SyncData implements vfs.File.
func (f *guardedFile) SyncData() error { return f.change(f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *guardedFile) SyncTo(length int64) (full bool, err error) {
	err = f.change(func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// Stat implements vfs.File.
func (f *guardedFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil && f.lies {
		f.g.freeze(err)
		return vfs.NewMemFile(nil).Stat()
	}
	return info, err
}

// Close implements vfs.File. What was to be durable has been synced before.
func (f *guardedFile) Close() error {
	err := f.File.Close()
	if f.g.frozen.Load() {
		return nil
	}
	return err
}
