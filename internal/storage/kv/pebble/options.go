package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	engine "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
)

const (
	defaultCache = 64 << 20
	// Memtables grow to that; the first has 256 KB, so an idle store is small. While more is written than is flushed, there may be
	// memtables of three times that.
	defaultMemtable = 12 << 20
	mostMemtables   = 3
	// squeezed is the share of the cache that is given up while much is written.
	squeezed = 0.375
	// separateFrom is the size in bytes from which a bulk value is kept apart from its
	// key.
	separateFrom = 512
	// layers is how many flushes of the same keys gather before they are merged into what came earlier: so many more tables for a reader to
	// look at. With one, taking in 50 KB messages without end costs a fifth more of the processor's time.
	layers = 4
	// mostReferences is how many flushes' bulk values a table may refer to before a compaction writes them once more, to have them together.
	// With 10 that was much of a compaction's work when messages are large: each flush is of one memtable.
	mostReferences = 50
)

func engineOptions(db *DB, o Options) *engine.Options {
	eo := &engine.Options{
		FS:     db.files,
		Logger: logger{o.Logger, db},

		// Fixed, so that a new release of the engine doesn't change the files under us.
		FormatMajorVersion: engine.FormatValueSeparation,

		MemTableSize:               uint64(o.MemtableBytes),
		L0CompactionThreshold:      2 * layers, // counted in halves
		CompactionConcurrencyRange: func() (int, int) { return 1, 2 },
		FlushDelayDeleteRange:      10 * time.Second,
		MaxOpenFiles:               2000,
		MaxManifestFileSize:        16 << 20,

		// A table's size includes the bulk values that it refers to. With the default, 2
		// MB, each flush would write and sync a hundred tables and as many blob files.
		TargetFileSizes: [7]int64{16 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20, 128 << 20, 128 << 20},

		// Writers never wait inside the engine, but in room.
		MemTableStopWritesThreshold: 1 << 20,
		L0StopWritesThreshold:       1 << 20,
	}
	eo.EventListener = &engine.EventListener{
		FlushEnd: func(engine.FlushInfo) {
			db.room.look()
			db.squeeze.flushed()
		},
		CompactionEnd: func(engine.CompactionInfo) { db.room.look() },
		// Whoever reads the damaged block gets fault.Corrupt. The default would end all
		// writing.
		DataCorruption: func(i engine.DataCorruptionInfo) { eo.Logger.Errorf("%s", i) },
	}
	if eo.MemTableSize == 0 {
		eo.MemTableSize = defaultMemtable
	}
	db.room.memory = mostMemtables * int64(eo.MemTableSize)
	cache := o.CacheBytes
	if cache == 0 {
		cache = defaultCache
	}
	// The engine takes the memory of memtables, the one that is written to and one that is being flushed, from the cache: with as
	// much as both nothing at all would be kept, not even where things are.
	eo.Cache = engine.NewCache(cache + 2*int64(eo.MemTableSize))
	db.squeeze = squeeze{cache: eo.Cache, bytes: int(float64(cache) * squeezed)}
	db.cache = eo.Cache
	for i := range eo.Levels {
		eo.Levels[i].BlockSize = 16 << 10
		eo.Levels[i].IndexBlockSize = 256 << 10
		eo.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		eo.Levels[i].Compression = func() *block.CompressionProfile { return &compression }
	}
	eo.Levels[0].Compression = func() *block.CompressionProfile { return &flushCompression }
	eo.Experimental.ValueSeparationPolicy = separation
	eo.Experimental.SpanPolicyFunc = spanPolicy
	return eo
}

func separation() engine.ValueSeparationPolicy {
	return engine.ValueSeparationPolicy{
		Enabled:               true,
		MinimumSize:           separateFrom,
		MaxBlobReferenceDepth: mostReferences,
		RewriteMinimumAge:     5 * time.Minute,
		TargetGarbageRatio:    0.3,
	}
}

// compression is for what has come to rest. A kind of block is compressed as long as samples become half as large or less, on average, and
// kept so are only blocks that do. For messages whose bytes compress by a third, decompressing took over half of the time of reading them, and
// trying in vain a tenth of that of storing them. Each block says how it is compressed, so this may change at any time.
var compression = func() block.CompressionProfile {
	p := *block.FastestCompression
	p.OtherBlocks = block.NoCompression.OtherBlocks
	p.Name, p.MinReductionPercent, p.AdaptiveReductionCutoffPercent = "Rest", 50, 50
	return p
}()

// flushCompression is for what has just come: records are written once more soon.
var flushCompression = func() block.CompressionProfile {
	p := compression
	p.Name, p.DataBlocks = "Flush", block.NoCompression.DataBlocks
	return p
}()

// spanPolicy keeps records with their keys: they are read by scans.
func spanPolicy(start []byte) (engine.SpanPolicy, []byte, error) {
	p := engine.SpanPolicy{DisableValueSeparationBySuffix: true}
	if len(start) == 0 || start[0] < areaBulk {
		p.ValueStoragePolicy = engine.ValueStorageLowReadLatency
		return p, []byte{areaBulk}, nil
	}
	return p, nil, nil
}

// makeDir makes the directory last for a crash too, as far down as it had to be made.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir && parent != "." {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fs, parent)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func lockDir(dir string, fs vfs.FS) (*engine.Lock, error) {
	lock, err := engine.LockDirectory(dir, fs)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES) && lockHeld(err), strings.Contains(err.Error(), "held by current process"):
		return nil, fault.Wrap(fault.InUse, err, "the store is in use by another process")
	}
	return nil, fault.Wrap(fault.Unavailable, err, "can't lock the store's directory")
}

// lockHeld tells a refused lock from a refused open.
func lockHeld(err error) bool { return !strings.Contains(err.Error(), "open ") }

// logger passes the engine's messages on.
type logger struct {
	to *slog.Logger
	db *DB
}

func (l logger) Infof(format string, args ...any)  { l.log(slog.LevelDebug, format, args) }
func (l logger) Errorf(format string, args ...any) { l.log(slog.LevelError, format, args) }

// Fatalf is called where the engine doesn't know how to go on. It expects the process to
// end; we end all writing, and leave the process to its owner. See guard.
func (l logger) Fatalf(format string, args ...any) {
	l.log(slog.LevelError, format, args)
	l.db.files.freeze(fmt.Errorf(format, args...))
}

func (l logger) log(level slog.Level, format string, args []any) {
	if l.to == nil || !l.to.Enabled(context.Background(), level) {
		return
	}
	l.to.Log(context.Background(), level, "storage engine: "+fmt.Sprintf(format, args...))
}
