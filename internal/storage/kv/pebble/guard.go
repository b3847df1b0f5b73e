package pebble

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guard stands between the engine and the files. When a write, a sync or the making of
// a file fails, it freezes the store: from then on nothing more reaches the disk.
//
// The engine (v2.1.7) isn't made to live on after such an error. It keeps a failed log
// sync in its log writer, gives it to those who wait, and panics at the next record or
// log switch, with its commit lock held: all other writers, and Close, then hang, or the
// runtime ends the process. A failed write of its manifest calls Logger.Fatalf; if that
// returns, its levels are out of step, and a compaction panics later. A failed end of a
// blob file panics. A failed flush is tried again at once, for ever.
//
// So no such error reaches the engine. Once frozen,
//   - operations that change files claim success. The engine's
//     commits end as if all were well; what we tell of them is
//     decided by DB.failure, which is set before the first lie.
//   - those on tables and blob files wait before that, until the engine is being ended.
//     So no table becomes part of the store whose bytes are not on the disk, and
//     reading goes on. Each flush and compaction waits there.
//
// After a crash or Close the disk shows what had reached it before the failure: logs that
// were closed properly, and a last one that may be torn at its end. That is what recovery
// is made for.
type guard struct {
	vfs.FS
	tell   func(error) // called once, before frozen is set
	once   sync.Once
	frozen atomic.Bool
	thawed chan struct{} // closed when the engine is being ended
	thaws  sync.Once
	spares *spares // nil: there are none
}

func newGuard(inner vfs.FS, tell func(error)) *guard {
	return &guard{FS: inner, thawed: make(chan struct{}), tell: tell}
}

// freeze returns when the failure has been told, whoever was first to tell: before that
// nobody may lie.
func (g *guard) freeze(err error) {
	g.once.Do(func() {
		g.tell(err)
		g.frozen.Store(true)
	})
}

// thaw lets those go who wait.
func (g *guard) thaw() { g.thaws.Do(func() { close(g.thawed) }) }

// change runs an operation that changes files, unless frozen. An error freezes.
func (g *guard) change(table bool, op func() error) {
	if !g.frozen.Load() {
		err := op()
		if err == nil {
			return
		}
		g.freeze(err)
	}
	if table {
		<-g.thawed
	}
}

// make runs an operation that gives a new file to write to.
func (g *guard) make(name string, open func() (vfs.File, error)) (vfs.File, error) {
	f := &guardedFile{g: g, table: isTable(name)}
	g.change(f.table, func() (err error) {
		f.File, err = open()
		return err
	})
	if f.File == nil {
		f.File = vfs.NewMemFile(nil) // never written to
	}
	return f, nil
}

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// Create implements vfs.FS.
func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return g.make(name, func() (vfs.File, error) {
		if strings.HasSuffix(name, ".log") {
			if f, ok := g.spares.take(name, c); ok {
				return f, nil
			}
		}
		return g.FS.Create(name, c)
	})
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
	return &guardedFile{File: f, g: g}, nil
}

// Link implements vfs.FS.
func (g *guard) Link(from, to string) error {
	g.change(false, func() error { return g.FS.Link(from, to) })
	return nil
}

// Rename implements vfs.FS.
func (g *guard) Rename(from, to string) error {
	g.change(false, func() error { return g.FS.Rename(from, to) })
	return nil
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

// guardedFile is a file made through a guard, or a directory.
type guardedFile struct {
	vfs.File
	g     *guard
	table bool
}

// Write implements vfs.File.
func (f *guardedFile) Write(p []byte) (int, error) {
	f.g.change(f.table, func() error {
		n, err := f.File.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
	return len(p), nil
}

// WriteAt implements vfs.File.
func (f *guardedFile) WriteAt(p []byte, off int64) (int, error) {
	f.g.change(f.table, func() error {
		_, err := f.File.WriteAt(p, off)
		return err
	})
	return len(p), nil
}

// Sync implements vfs.File.
func (f *guardedFile) Sync() error {
	f.g.change(f.table, f.File.Sync)
	return nil
}

// SyncData implements vfs.File.
func (f *guardedFile) SyncData() error {
	f.g.change(f.table, f.File.SyncData)
	return nil
}

// SyncTo implements vfs.File.
func (f *guardedFile) SyncTo(length int64) (full bool, err error) {
	f.g.change(f.table, func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, nil
}

// Stat implements vfs.File.
func (f *guardedFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		f.g.freeze(err)
		return vfs.NewMemFile(nil).Stat()
	}
	return info, nil
}

// Close implements vfs.File. What was to be durable has been synced before.
func (f *guardedFile) Close() error {
	err := f.File.Close()
	if f.g.frozen.Load() {
		return nil
	}
	return err
}
