package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/acme"
	"postroad/internal/service/audit"
	"postroad/internal/service/fetch"
	"postroad/internal/service/inbound"
	"postroad/internal/service/junk"
	"postroad/internal/service/policy"
	"postroad/internal/service/quarantine"
	filters "postroad/internal/service/sieve/rules"
	"postroad/internal/service/trace"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
	"postroad/internal/storage/spool"
)

// Names inside the data folder.
const (
	storeDir  = "store"       // the kv engine's files: all mail and accounts
	spoolDir  = "spool"       // large messages on their way in; may be emptied while stopped
	tlsDir    = "tls"         // the self-signed certificate
	tokenFile = "admin.token" // admits to the admin API over HTTPS
	// SocketName is the socket for commands on a running server.
	SocketName = "admin.sock"
	// selfSigned is the self-signed certificate's file.
	selfSigned = "self-signed.pem"
)

// Store is an open store with its models: what a server works on, and also what commands
// work on while the server is stopped.
type Store struct {
	DB        kv.DB
	Directory *directory.Directory
	Mailboxes *mailbox.Store
	Admin     *admin.Direct
	Trace     *trace.Log        // of what happens to messages
	Audit     *audit.Log        // of sign-ins, and what administrators do
	Accounts  *inbound.Accounts // what people here have sent
	Fetch     *fetch.Service    // mail from other servers
	Policies  *policy.Book      // what administrators have decided about mail
	// Quarantine has messages that nobody gets unless an administrator lets them.
	Quarantine *quarantine.Store
	// Certificates are TLS certificates that were imported or got from an authority.
	Certificates *acme.Storage

	Junk  *junk.Service  // tells junk from good mail
	Rules *filters.Rules // by which people's mail is filtered

	acts    *listener  // hears what happens in accounts
	outside *outside   // directories outside that accounts are kept in
	engine  *pebble.DB // what DB is
	wrong   error      // what is wrong in the administrator's filter scripts
}

// spareLogs is how many files lie ready for the store's log: as many as are filled before the first is used again, mostly.
const spareLogs = 3

// OpenStore opens the store in the data folder of c, which is made if needed. It fails
// with fault.InUse while another process has it open. onFatal is called once if the
// store can't be written to any more; it may be nil.
func OpenStore(ctx context.Context, c config.Config, w World, status func() admin.Status, onFatal func(error)) (*Store, error) {
	w = w.complete()
	spools := filepath.Join(c.Data, spoolDir)
	if err := os.MkdirAll(spools, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot make the data folder "+c.Data)
	}
	spares := spareLogs
	if w.Files != nil { // in memory there is nothing to gain
		spares = 0
	}
	db, err := pebble.Open(filepath.Join(c.Data, storeDir), pebble.Options{
		FS: w.Files, Logger: w.Logger.With("part", "store"), CacheBytes: int64(c.Limits.Cache), SpareLogs: spares, OnFatal: onFatal})
	if fault.Is(err, fault.InUse) {
		return nil, fault.Wrap(fault.InUse, err, "another server has "+c.Data+" open")
	}
	if err != nil {
		return nil, err
	}
	w.Hash.Scram |= c.Auth.ScramHashes()
	w.Hash.Recoverable = w.Hash.Recoverable || c.Auth.Recoverable()
	s, err := openModels(ctx, db, spools, c, w, status)
	if err == nil {
		s.Trace, err = openTrace(ctx, db, c.Trace, w)
	}
	if err == nil {
		s.Audit, err = openAudit(ctx, db, c.Audit, w)
	}
	if err == nil {
		s.Policies, err = openPolicies(ctx, db, w)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.Admin.SetTrace(s.Trace)
	s.Admin.SetAudit(s.Audit)
	s.Admin.SetPolicies(s.Policies)
	s.Accounts = openAccounts(db, s.Directory, c, w)
	s.Admin.SetAccounts(s.Accounts)
	s.Fetch = openFetch(db, s.Directory, s.Mailboxes, spools, w)
	s.Admin.SetFetch(s.Fetch)
	if err := s.openJunk(ctx, c, w); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.Quarantine = openQuarantine(db, c, w)
	s.Admin.SetQuarantine(s.Quarantine)
	// Scripts of the administrator that are wrong keep the server from starting, but not commands from working.
	if s.Rules, s.wrong = openRules(c, w, s); s.wrong != nil {
		s.Rules = filters.New(filters.Options{Dir: s.Directory, Store: s.Mailboxes, Now: w.Now, Host: c.Hostname})
	}
	s.Admin.SetRules(s.Rules)
	if s.outside, err = openOutside(c, w, s.Directory, s.Admin); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.Admin.SetSources(s.outside)
	s.engine = db
	s.Certificates = acme.NewStorage(db, w.Now)
	s.Admin.SetCertificates(&certAdmin{storage: s.Certificates, host: hostOf(c)})
	s.Admin.Advise(&advisor{c, w, s.Directory, s.Certificates})
	s.Admin.SetPublication(publication(c.DNS, w))
	return s, nil
}

func openModels(ctx context.Context, db kv.DB, spools string, c config.Config, w World, status func() admin.Status) (*Store, error) {
	// What the last process left in the spool was not acknowledged.
	if err := spool.Clean(spools); err != nil {
		return nil, err
	}
	dir, err := directory.Open(ctx, db, directory.Options{Now: w.Now, Rand: w.Rand, Hash: w.Hash, NewRSA: w.NewRSA, LoginDomain: c.Auth.DefaultDomain, Notices: c.Auth.Tells()})
	if err != nil {
		return nil, err
	}
	acts := &listener{}
	boxes := mailbox.NewStore(db, mailbox.Options{Acted: acts.acted, Now: w.Now, Logger: w.Logger, SpoolDir: spools, KeepErased: c.Accounts.KeptExpunged()})
	return &Store{acts: acts, DB: db, Directory: dir, Mailboxes: boxes, Admin: admin.NewDirect(db, dir, boxes, status)}, nil
}

// Close closes the store. Nobody may use it any more.
func (s *Store) Close() error {
	s.Admin.EndBackups()
	s.outside.Close()
	err := errors.Join(s.Trace.Flush(context.Background()), s.Audit.Flush(context.Background())) // what was noted after their Run
	return errors.Join(err, s.DB.Close())
}

// NewLogger makes the logger that a configuration asks for, writing to standard error.
func NewLogger(c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // Validate has seen to it; else info
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// DirectoryPartition is where the directory lies, for commands that print what is stored.
const DirectoryPartition = directory.Partition
