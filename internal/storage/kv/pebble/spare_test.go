package pebble

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// made waits until the spares are there.
func (db *DB) made() { <-db.files.spares.done }

// logsMade counts the logs that were made, and those that were something else before.
type logsMade struct {
	vfs.FS
	made, renamed []string
}

func (l *logsMade) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".log") {
		l.made = append(l.made, name)
	}
	return l.FS.Create(name, c)
}

func (l *logsMade) Rename(from, to string) error {
	if strings.HasSuffix(to, ".log") {
		l.renamed = append(l.renamed, from)
	}
	return l.FS.Rename(from, to)
}

// TestSpareLogs: the first logs are files that lay ready, also after the store was opened again, and what a crash has left of others goes away.
func TestSpareLogs(t *testing.T) {
	fs := &logsMade{FS: vfs.NewMem()}
	const memtable = 64 << 10
	o := Options{FS: fs, MemtableBytes: memtable, SpareLogs: 2}
	db := open(t, "db", o)
	db.made()
	if len(fs.made) != 1 || len(fs.renamed) != 0 {
		t.Errorf("at the beginning %q and %q became logs, want a new one", fs.made, fs.renamed)
	}
	for range 2 {
		if err := db.lsm.Flush(); err != nil {
			t.Fatal(err)
		}
		set(t, db, 1, "key", "value")
	}
	if len(fs.made) != 1 || len(fs.renamed) == 0 || !strings.Contains(fs.renamed[0], sparePrefix) {
		t.Errorf("new are %q, of others %q, want the later ones of spares", fs.made, fs.renamed)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"db/" + sparePrefix + "7" + unfinished, "db/" + sparePrefix + "8"} {
		f, err := fs.FS.Create(left, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	db = open(t, "db", o)
	if v, err := read(db, 1, "key"); v != "value" || err != nil {
		t.Errorf("the key has %q, %v", v, err)
	}
	db.made()
	names, _ := fs.List("db")
	spares := 0
	for _, name := range names {
		if !strings.HasPrefix(name, sparePrefix) {
			continue
		}
		spares++
		if info, err := fs.Stat("db/" + name); err != nil || info.Size() != memtable {
			t.Errorf("%s has %d bytes, %v", name, info.Size(), err)
		}
	}
	if spares != 2 {
		t.Errorf("there are %d spares, want 2: %q", spares, names)
	}
	before := len(fs.made)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, "db", o)
	if len(fs.made) != before {
		t.Errorf("the store began with a new log though spares lay there: %q", fs.made)
	}
}

// TestSpareLogsNoRoom: that there is no room for spares is nobody's trouble.
func TestSpareLogsNoRoom(t *testing.T) {
	s := newSpares(vfs.NewMem(), "missing", 1000, 1)
	var said error
	s.begin(func(err error) { said = err })
	<-s.done
	s.end()
	if said == nil {
		t.Error("nobody heard that no spare could be made")
	}
	if _, ok := s.take("000001.log", vfs.WriteCategoryUnspecified); ok {
		t.Error("there is a spare all the same")
	}
	s = newSpares(vfs.NewMem(), "", 1<<34, 1)
	s.begin(func(err error) { t.Errorf("ended before its time: %v", err) })
	s.end()
}
