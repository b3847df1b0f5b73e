package pebble

// Stats says how the store is, for those who watch it. Counters begin at zero when it is opened.
type Stats struct {
	DiskBytes   uint64 // that its files take
	MemoryBytes uint64 // in memtables: written, not yet in tables
	CacheBytes  int64  // in the block cache
	LogBytes    uint64 // written to the write-ahead log, counter
	Flushes     int64  // of memtables, counter
	Compactions int64  // counter
	ReadSteps   int    // tables that a lookup may have to ask; grows when compactions fall behind
	CacheHits   int64  // counter
	CacheMisses int64  // counter
}

// Stats looks at the engine: a few microseconds. It gives zeros once the DB is closed.
func (db *DB) Stats() Stats {
	if db.enter() != nil {
		return Stats{}
	}
	defer db.leave()
	m := db.lsm.Metrics()
	return Stats{
		DiskBytes: m.DiskSpaceUsage(), MemoryBytes: m.MemTable.Size, CacheBytes: m.BlockCache.Size,
		LogBytes: m.WAL.BytesWritten, Flushes: m.Flush.Count, Compactions: m.Compact.Count, ReadSteps: m.ReadAmp(),
		CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses,
	}
}
