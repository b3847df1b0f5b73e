package mailbox

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Options are a Store's settings. The zero value of each field is its default.
type Options struct {
	Now      func() time.Time // the clock; time.Now
	Logger   *slog.Logger     // nothing is logged
	SpoolDir string           // where large messages wait until they are stored; the system's folder for temporary files
	Horizon  time.Duration    // how long the change log reaches back; 90 days
	// KeepErased is how long expunged items can be brought back; zero: not at all. Those of an account are
	// kept up to its limits, the newest first.
	KeepErased time.Duration
	// Acted hears, after its commit, of an account where something happened in which a person may have had a hand. It
	// must not wait, nor call the Store. Nil: nobody hears.
	Acted     func(ident.AccountID)
	CacheRows int // rows of views that are kept though nobody shows them; 500,000 (50 MB)
	MemoryMax int // bytes of a message that are held in memory on its way in; 1 MiB
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Horizon == 0 {
		o.Horizon = 90 * 24 * time.Hour
	}
	if o.CacheRows == 0 {
		o.CacheRows = 500_000
	}
	if o.MemoryMax == 0 {
		o.MemoryMax = 1 << 20
	}
}

// maxUnused bounds the accounts that are kept in memory though nobody uses them.
const maxUnused = 4096

// Store opens accounts. It is safe for concurrent use.
type Store struct {
	db       kv.DB
	opts     Options
	parsers  sync.Pool    // of *message.Parser
	contents atomic.Int64 // messages on their way in
	indexing indexing
	asked    atomic.Uint64 // counts what people do: see pace
	shares   sharing

	mu       sync.Mutex
	accounts map[ident.AccountID]*account      // guarded by mu
	unused   *list.List                        // guarded by mu; *idleAccount, longest unused first
	idle     map[ident.AccountID]*list.Element // guarded by mu
	idleRows int                               // guarded by mu
}

// idleAccount is an account that nobody uses, and what it holds.
type idleAccount struct {
	a    *account
	rows int
}

// NewStore returns a Store on a kv. The caller closes the kv, after all Sessions.
func NewStore(db kv.DB, o Options) *Store {
	o.defaults()
	s := &Store{db: db, opts: o, accounts: map[ident.AccountID]*account{}, unused: list.New(), idle: map[ident.AccountID]*list.Element{}}
	s.indexing.wake = make(chan struct{}, 1)
	s.parsers.New = func() any { return message.NewParser(message.Limits{}) }
	return s
}

func (s *Store) now() time.Time { return s.opts.Now() }

// defaultFolders are what every account begins with.
var defaultFolders = []struct {
	name string
	role Role
}{{"INBOX", Inbox}, {"Drafts", Drafts}, {"Sent", Sent}, {"Junk", Junk}, {"Trash", Trash}, {"Archive", Archive}}

// Create makes an account's mailbox: INBOX, Drafts, Sent, Junk, Trash and
// Archive, with their roles. Zero fields of limit mean no limit. It fails with fault.Exists if
// it is there already.
func (s *Store) Create(ctx context.Context, id ident.AccountID, limit Usage) error {
	if id == 0 || id > maxID {
		return fault.New(fault.Invalid, "no valid account number")
	}
	if err := limit.check(); err != nil {
		return err
	}
	a := s.acquire(id)
	defer s.release(a)
	return s.db.Update(ctx, partition(id), func(tx kv.Tx) error {
		if _, ok, err := tx.Get(headKey()); ok || err != nil {
			if ok {
				err = fault.New(fault.Exists, "the account exists")
			}
			return err
		}
		t := newTxn(a, tx, &state{kw: newKeywordTable()})
		t.next.head = head{created: t.now.Unix(), limit: limit}
		for _, d := range defaultFolders {
			if _, err := t.addFolder(NewFolder{Name: d.name, Role: d.role, Subscribed: true}); err != nil {
				return err
			}
		}
		if err := tx.Set(indexKey(), manifest{}.encode()); err != nil {
			return err
		}
		_, err := t.finish()
		return err
	})
}

// Delete removes an account's mailbox with all that is in it. Deleting one that isn't there is no
// error. Sessions that are open on it find nothing any more.
func (s *Store) Delete(ctx context.Context, id ident.AccountID) error {
	a := s.acquire(id)
	defer s.release(a)
	var empty *state
	err := s.db.Update(ctx, partition(id), func(tx kv.Tx) error {
		empty = a.erased()
		if err := tx.DeleteRange([]byte{0}, []byte{kv.BulkPrefix}); err != nil {
			return err
		}
		return tx.DeleteRange([]byte{kv.BulkPrefix}, []byte{0xFF, 0xFF})
	})
	if err == nil {
		a.publish(empty)
	}
	return err
}

// Open returns a session: who acts on the account id. It fails with
// fault.NotFound if the account has no mailbox. The caller must Close the session.
func (s *Store) Open(ctx context.Context, id ident.AccountID, who ident.Identity) (*Session, error) {
	a := s.acquire(id)
	if a.published.Load().gone() {
		if err := a.refresh(ctx); err != nil {
			s.release(a)
			return nil, err
		}
	}
	return &Session{a: a, who: who}, nil
}

// acquire returns the one value that stands for an account while it is in use.
func (s *Store) acquire(id ident.AccountID) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[id]
	if a == nil {
		a = &account{id: id, store: s}
		s.accounts[id] = a
	}
	if e := s.idle[id]; e != nil {
		s.idleRows -= s.unused.Remove(e).(*idleAccount).rows
		delete(s.idle, id)
	}
	a.refs++
	return a
}

// release ends a use. Accounts that nobody uses stay for a while, within bounds.
func (s *Store) release(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.refs--; a.refs > 0 {
		return
	}
	st := a.published.Load()
	if st.gone() {
		delete(s.accounts, a.id)
		return
	}
	u := &idleAccount{a, st.rows()}
	s.idleRows += u.rows
	s.idle[a.id] = s.unused.PushBack(u)
	for s.unused.Len() > maxUnused || (s.idleRows > s.opts.CacheRows && s.unused.Len() > 0) {
		s.evict()
	}
}

// evict forgets the account that is unused for longest. s.mu is held.
func (s *Store) evict() {
	u := s.unused.Remove(s.unused.Front()).(*idleAccount)
	s.idleRows -= u.rows
	delete(s.idle, u.a.id)
	delete(s.accounts, u.a.id)
}

// Accounts lists the accounts that have a mailbox, in order. What a Restore has left that was interrupted is none.
func (s *Store) Accounts(ctx context.Context) ([]ident.AccountID, error) {
	ps, err := s.db.Partitions(ctx, FirstPartition, LastPartition)
	if err != nil {
		return nil, err
	}
	ids := make([]ident.AccountID, 0, len(ps))
	for _, p := range ps {
		there, err := s.has(ctx, p)
		if err != nil {
			return nil, err
		}
		if there {
			ids = append(ids, ident.AccountID(p))
		}
	}
	return ids, nil
}

// has reports whether there is a mailbox.
func (s *Store) has(ctx context.Context, p kv.Partition) (there bool, err error) {
	err = s.db.View(ctx, p, func(r kv.Reader) error {
		_, there, err = r.Get(headKey())
		return err
	})
	return there, err
}

// SetLimit changes what an account may hold; zero fields mean no limit. What is there already stays.
func (s *Store) SetLimit(ctx context.Context, id ident.AccountID, limit Usage) error {
	if err := limit.check(); err != nil {
		return err
	}
	a := s.acquire(id)
	defer s.release(a)
	return a.update(ctx, func(t *txn) error {
		t.next.head.limit = limit
		t.change(AccountChanged, 0, 0, 0)
		return nil
	})
}

func (limit Usage) check() error {
	if limit.Bytes < 0 || limit.Items < 0 {
		return fault.New(fault.Invalid, "a limit can't be negative")
	}
	return nil
}

// Tidy removes from an account what has no further use: log entries from before
// the horizon, and parts of messages that were never stored whole; and it puts
// into the index of shares what is missing there, as after a part of the store was restored. Call it now and then.
func (s *Store) Tidy(ctx context.Context, id ident.AccountID) error {
	a := s.acquire(id)
	defer s.release(a)
	if err := s.ensureShares(ctx, id); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err := s.tidyErased(ctx, id); err != nil {
		return err
	}
	return a.update(ctx, func(t *txn) error {
		if err := s.pruneLog(t, t.now.Add(-s.opts.Horizon)); err != nil {
			return err
		}
		if err := sweepMemory(t); err != nil {
			return err
		}
		return sweepStaged(t, t.now.Add(-stagingTime))
	})
}
