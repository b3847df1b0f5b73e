package admin

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/backup"
	"postroad/internal/storage/kv"
)

// Backer shows the whole store for a backup. It is no part of Admin since its operations speak in streams; Direct and
// Client implement both. The backup is written by whoever calls, never by the server.
type Backer interface {
	// BeginBackup shows the store as it is now. The caller must Close the Origin. Errors: fault.RateLimited if
	// too many are open.
	BeginBackup(ctx context.Context) (BackupOrigin, error)
}

// BackupOrigin is the store at one moment.
type BackupOrigin interface {
	backup.Origin
	Close() error
}

const (
	// maxMoments is how many backups may be under way: each keeps the store from reclaiming space.
	maxMoments = 4
	// momentIdle is how long one may stand still.
	momentIdle = 10 * time.Minute
)

// moments are the moments that clients look at.
type moments struct {
	mu     sync.Mutex
	open   map[string]*moment // guarded by mu
	closed bool               // guarded by mu
}

// moment is one that a client looks at, until it ends it or is silent for too long.
type moment struct {
	origin *backup.Local
	timer  *time.Timer
	use    sync.RWMutex // held for reading while the origin is read
	ended  bool         // guarded by use
}

// BeginBackup implements Backer.
func (d *Direct) BeginBackup(ctx context.Context) (BackupOrigin, error) {
	return backup.NewLocal(ctx, d.db)
}

// beginMoment is BeginBackup for a client, which gets a name for it.
func (d *Direct) beginMoment(ctx context.Context) (string, error) {
	m := &d.moments
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return "", fault.New(fault.Unavailable, "the server is stopping")
	}
	if len(m.open) >= maxMoments {
		return "", fault.New(fault.RateLimited, "%d backups are under way", len(m.open))
	}
	origin, err := backup.NewLocal(ctx, d.db)
	if err != nil {
		return "", err
	}
	if m.open == nil {
		m.open = map[string]*moment{}
	}
	id := rand.Text()
	m.open[id] = &moment{origin: origin, timer: time.AfterFunc(momentIdle, func() { d.endMoment(id) })}
	return id, nil
}

// withMoment runs fn on a moment. It stays while fn runs.
func (d *Direct) withMoment(id string, fn func(backup.Origin) error) error {
	d.moments.mu.Lock()
	m := d.moments.open[id]
	d.moments.mu.Unlock()
	if m == nil {
		return fault.New(fault.NotFound, "there is no such backup under way")
	}
	m.use.RLock()
	defer m.use.RUnlock()
	if m.ended {
		return fault.New(fault.NotFound, "there is no such backup under way")
	}
	m.timer.Stop()
	defer m.timer.Reset(momentIdle)
	return fn(m.origin)
}

// endMoment lets a moment go; one that isn't there any more is no error.
func (d *Direct) endMoment(id string) error {
	d.moments.mu.Lock()
	m := d.moments.open[id]
	delete(d.moments.open, id)
	d.moments.mu.Unlock()
	if m == nil {
		return nil
	}
	m.timer.Stop()
	m.use.Lock()
	defer m.use.Unlock()
	m.ended = true
	return m.origin.Close()
}

// EndBackups lets all moments go at which clients look, and lets them begin no others. The store can't be closed before.
func (d *Direct) EndBackups() {
	d.moments.mu.Lock()
	d.moments.closed = true
	var ids []string
	for id := range d.moments.open {
		ids = append(ids, id)
	}
	d.moments.mu.Unlock()
	for _, id := range ids {
		_ = d.endMoment(id) // nothing was written
	}
}

// Arguments of the operations.
type (
	momentArg struct {
		ID string `json:"id"`
	}
	markArg struct {
		ID         string `json:"id"`
		Repository string `json:"repository"`
		Run        string `json:"run"`
	}
	rangeArg struct {
		ID        string       `json:"id"`
		Partition kv.Partition `json:"partition"`
		Lo        []byte       `json:"lo"`
		Hi        []byte       `json:"hi"`
	}
)

// momentKeeper is what answers clients that back up.
type momentKeeper interface {
	beginMoment(ctx context.Context) (string, error)
	withMoment(id string, fn func(backup.Origin) error) error
	endMoment(id string) error
}

// onMoments is an operation that takes a momentKeeper.
func onMoments[In, Out any](f func(context.Context, momentKeeper, In) (Out, error)) operation {
	return asking(func(ctx context.Context, a Admin, in In) (out Out, err error) {
		k, ok := a.(momentKeeper)
		if !ok {
			return out, fault.New(fault.Unsupported, "this server can't be backed up")
		}
		return f(ctx, k, in)
	})
}
