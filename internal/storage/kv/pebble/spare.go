package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// spares are files of zeros that lie ready to become logs. Whoever appends to a file waits at each sync for the file system's own log as well,
// which must note the new length; over what is there already a sync writes the bytes and nothing else. The engine uses its logs again once
// they are flushed, so spares are what a store that has just been opened begins with: later, no more are made.
//
// A log's end is found by its records' checks, as in a log that is used again. What a crash leaves of a spare is a spare still, or is removed.
type spares struct {
	fs   vfs.FS
	dir  string
	size int64
	most int

	mu    sync.Mutex
	ready []string // guarded by mu

	stop context.CancelFunc
	done chan struct{}
}

const (
	sparePrefix = "spare-log-"
	unfinished  = ".new"
	// A spare is written by pieces with rests between them, so that it is in nobody's way; and it isn't begun before spareDelay of them could be
	// there already, so that programs that open a store for a moment don't bother.
	spareDelay = 4
	sparePiece = 256 << 10
	spareRest  = 5 * time.Millisecond
)

// newSpares looks for what an earlier run has left in dir.
func newSpares(fs vfs.FS, dir string, size int64, most int) *spares {
	s := &spares{fs: fs, dir: dir, size: size, most: most, done: make(chan struct{})}
	names, _ := fs.List(dir) // whatever is wrong with the folder shows when the store is opened
	for _, name := range names {
		if !strings.HasPrefix(name, sparePrefix) {
			continue
		}
		path := fs.PathJoin(dir, name)
		if info, err := fs.Stat(path); err == nil && info.Size() == size && !strings.HasSuffix(name, unfinished) && len(s.ready) < most {
			s.ready = append(s.ready, path)
			continue
		}
		_ = fs.Remove(path) // if it stays, it is in the way of nobody but who makes the next one, who will say so
	}
	return s
}

// begin starts making what is missing, until end. say hears what went wrong.
func (s *spares) begin(say func(error)) {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.done)
		if err := s.fillUp(ctx); err != nil && ctx.Err() == nil {
			say(err)
		}
	}()
}

// end returns when nothing is being made any more. It is called once at most, after begin.
func (s *spares) end() {
	s.stop()
	<-s.done
}

func (s *spares) fillUp(ctx context.Context) error {
	if err := rest(ctx, time.Duration(spareDelay*s.size)*spareRest/sparePiece); err != nil {
		return err
	}
	for range s.most {
		if err := s.make(ctx, s.missing()); err != nil {
			return err
		}
	}
	return nil
}

// missing is the path of a spare that should be made; "" if there are enough.
func (s *spares) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) >= s.most {
		return ""
	}
	for n := 0; ; n++ {
		if path := s.fs.PathJoin(s.dir, fmt.Sprint(sparePrefix, n)); !slices.Contains(s.ready, path) {
			return path
		}
	}
}

// make makes a spare, unless path is "". Before it has its name its bytes are on the disk.
func (s *spares) make(ctx context.Context, path string) (err error) {
	if path == "" {
		return nil
	}
	f, err := s.fs.Create(path+unfinished, "pebble-wal")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.fs.Remove(path + unfinished)
		}
	}()
	err = errors.Join(s.fill(ctx, f), f.Close())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fs.Rename(path+unfinished, path); err != nil {
		return err
	}
	s.ready = append(s.ready, path)
	return nil
}

func (s *spares) fill(ctx context.Context, f vfs.File) error {
	zeros := make([]byte, min(s.size, sparePiece))
	for at := int64(0); at < s.size; {
		n, err := f.Write(zeros[:min(s.size-at, int64(len(zeros)))])
		if err != nil {
			return err
		}
		at += int64(n)
		if _, err := f.SyncTo(at); err != nil { // begins to write
			return err
		}
		if err := rest(ctx, time.Duration(n)*spareRest/sparePiece); err != nil {
			return err
		}
	}
	return f.Sync()
}

// rest waits; it fails if ctx ends meanwhile.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// take makes a spare the log called name; false if there is none.
func (s *spares) take(name string, c vfs.DiskWriteCategory) (vfs.File, bool) {
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) == 0 {
		return nil, false
	}
	path := s.ready[0]
	s.ready = s.ready[1:]
	if err := s.fs.Rename(path, name); err != nil {
		return nil, false
	}
	f, err := s.fs.OpenReadWrite(name, c)
	return f, err == nil
}
