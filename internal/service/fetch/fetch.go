// Package fetch collects mail that people have on other servers, by IMAP and POP3, again and again, into their mailboxes here.
//
// A Source is one mailbox elsewhere: where it is, who asks, where the mail goes, and what becomes of it there (Policy).
// Run asks each when it is due; RunNow at once. A source that fails is asked less and less often.
//
// No message comes twice, and none is removed there before it is safe here. For each message that has come a
// record tells so, under a digest of its UIDL, or of UIDVALIDITY and UID. Before messages are stored their records
// say "pending"; the items carry the digest in their property bags; afterwards the records say "done". After a crash in between,
// the pending ones are looked for in the mailbox. Only what is done is removed there.
//
// Passwords and tokens are kept encrypted (AES-256-GCM) by a key that is derived from the installation's secret. Where a source signs in by OAuth 2.0,
// access tokens are renewed before they end and when the server refuses one; what the provider gives is durable before it is used.
//
// A Receiver checks messages, and puts them where they belong; one that it can't check now is asked for again by the next run.
//
// What this package does not do: it has no opinion on messages, and tells nobody anything about them.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/oauthclient"
	"postroad/internal/service/turns"
	"postroad/internal/storage/kv"
)

// Protocols.
const (
	IMAP = "imap"
	POP3 = "pop3"
)

// Kinds of protection of a connection.
const (
	TLS      = "tls"      // from the first byte
	StartTLS = "starttls" // the server must offer it
	None     = "none"     // passwords go in the clear
)

// Policy says when messages are removed there.
type Policy string

// Policies.
const (
	Keep   Policy = "keep"   // never
	Delete Policy = "delete" // once they are here
	Days   Policy = "days"   // some days after they came
	Mirror Policy = "mirror" // when they have been deleted here: they are gone or in the trash
)

// Limits of a Source.
const (
	MinEvery   = time.Minute
	MaxEvery   = 7 * 24 * time.Hour
	MaxSources = 20 // of one account
	maxText    = 255
)

// Source is a mailbox on another server.
type Source struct {
	ID       uint32          `json:"id"` // of the installation, never given twice
	Account  ident.AccountID `json:"account"`
	Protocol string          `json:"protocol"`
	Address  string          `json:"address"` // host:port
	Security string          `json:"security"`
	User     string          `json:"user"`
	Token    bool            `json:"token,omitempty"`   // the secret is an OAuth 2.0 access token
	OAuth    *OAuth          `json:"oauth,omitempty"`   // how access tokens are renewed; nil: the secret is all there is
	Mailbox  string          `json:"mailbox,omitempty"` // there, by IMAP; empty: INBOX
	Folder   []string        `json:"folder,omitempty"`  // here; empty: the inbox
	Policy   Policy          `json:"policy"`
	Days     int             `json:"days,omitempty"` // of the policy Days
	Every    time.Duration   `json:"every"`
	Trust    string          `json:"trust,omitempty"`   // certificates in PEM that the server\'s must be of; empty: the system\'s authorities
	Judge    string          `json:"judge,omitempty"`   // JudgeInbox, JudgeAll or JudgeNobody
	Results  string          `json:"results,omitempty"` // the name (authserv-id) of who there is believed to have checked senders; empty: nobody
	Created  time.Time       `json:"created"`
}

// OAuth is the provider that gives a source's access tokens, and what it knows us by.
type OAuth struct {
	oauthclient.App
	Provider string `json:"provider"` // as people call it: "google", an issuer, ...
}

// Status is how a source is.
type Status struct {
	Last     time.Time `json:"last,omitzero"`    // when it was asked last
	LastOK   time.Time `json:"last_ok,omitzero"` // when that was without an error
	Next     time.Time `json:"next,omitzero"`    // when it is due
	Failures int       `json:"failures,omitempty"`
	Error    string    `json:"error,omitempty"` // why it failed
	Fetched  int64     `json:"fetched"`         // messages that have come

	UIDValidity uint32 `json:"uid_validity,omitempty"` // by IMAP: UIDs up to LastUID have been dealt with
	LastUID     uint32 `json:"last_uid,omitempty"`
}

// Result is what one run did.
type Result struct {
	Fetched int   `json:"fetched"`
	Bytes   int64 `json:"bytes"`
	Removed int   `json:"removed"` // there
	Skipped int   `json:"skipped"` // too large, or the server couldn't give them
}

// Options are what a Service needs of the world.
type Options struct {
	Now    func() time.Time
	Logger *slog.Logger
	Dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the machine's network
	Roots  *x509.CertPool                                                       // nil: the system's
	// Takes fails if an account takes no mail any more, since it was removed; nil: all do.
	Takes func(ctx context.Context, account ident.AccountID) error
	// Providers gives and renews OAuth 2.0 tokens; nil: sources that need them are refused.
	Providers *oauthclient.Client
	// Added hears of each source that was added; nil: nobody does.
	Added func(ctx context.Context, src Source) error
	// Key encrypts passwords: 32 bytes that belong to the installation.
	Key []byte
	// Spool is where messages wait in case; empty: the system's folder for temporary files.
	Spool string
}

// Service keeps the sources and asks them. It is safe for concurrent use.
type Service struct {
	o     Options
	db    kv.DB
	boxes *mailbox.Store
	slots chan struct{} // one for each run that may be under way

	wake chan struct{} // Run looks at once

	patience time.Duration // maxRun

	providers *oauthclient.Client
	receiver  atomic.Pointer[Receiver]

	running turns.Turns[uint32] // sources that are being asked: POP3 lets one in at a time

	mu          sync.Mutex
	permissions map[uint32]*permission // guarded by mu; that somebody is being asked for
}

// atOnce is how many sources are asked at a time.
const atOnce = 4

// New returns a Service on a store.
func New(db kv.DB, boxes *mailbox.Store, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, db: db, boxes: boxes, slots: make(chan struct{}, atOnce), wake: make(chan struct{}, 1), patience: maxRun,
		providers: o.Providers, permissions: map[uint32]*permission{}}
}

func (s *Service) tls(src *Source) *tls.Config {
	host, _, _ := net.SplitHostPort(src.Address)
	c := &tls.Config{ServerName: host, RootCAs: s.o.Roots}
	if src.Trust != "" {
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AppendCertsFromPEM([]byte(src.Trust)) // which it could when it was added
	}
	return c
}

// maxRun is how long a source may be asked at a time: a few servers that always say a little more would keep all others from being asked.
// What has come by then has come, and the next run goes on from there.
const maxRun = 6 * time.Hour

// lookEvery is how often Run looks for what is due.
const lookEvery = 20 * time.Second

// Run asks sources when they are due, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	var runs sync.WaitGroup
	defer runs.Wait()
	for {
		due, err := s.due(ctx)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.Error("cannot tell which external accounts are due", "err", err)
		}
		for _, src := range due {
			select {
			case s.slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			other, end := s.running.Try(src.ID)
			if other != nil { // somebody was faster
				<-s.slots
				continue
			}
			runs.Go(func() {
				defer func() { end(); <-s.slots }()
				_, _ = s.ask(ctx, src.ID, true) // how it ended is logged, and stands in the status
			})
		}
		select {
		case <-t.C:
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// look has Run look for what is due.
func (s *Service) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// due lists the sources that are to be asked now, longest due first.
func (s *Service) due(ctx context.Context) ([]Source, error) {
	all, err := s.List(ctx, 0)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	all = slices.DeleteFunc(all, func(l Listed) bool { return l.Next.After(now) || s.running.Taken(l.ID) })
	slices.SortStableFunc(all, func(a, b Listed) int { return a.Next.Compare(b.Next) })
	due := make([]Source, len(all))
	for i := range all {
		due[i] = all[i].Source
	}
	return due, nil
}

// RunNow asks a source, whenever it is due. It waits while it is being asked already. Errors: fault.NotFound, and why it failed.
func (s *Service) RunNow(ctx context.Context, id uint32) (Result, error) {
	end, err := s.running.Wait(ctx, id)
	if err != nil {
		return Result{}, err
	}
	defer end()
	return s.ask(ctx, id, false)
}

// ask asks a source, which nobody else does meanwhile; if onlyDue, only if it is due still.
func (s *Service) ask(ctx context.Context, id uint32, onlyDue bool) (Result, error) {
	src, status, err := s.get(ctx, id)
	if err != nil || onlyDue && status.Next.After(s.o.Now()) {
		return Result{}, err
	}
	r := &run{s: s, src: src, status: status, before: status}
	failed := s.takes(ctx, src.Account)
	if failed == nil {
		within, cancel := context.WithTimeout(ctx, s.patience)
		failed = r.guarded(within)
		cancel()
	}
	if ctx.Err() != nil {
		return r.result, fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
	}
	r.conclude(failed)
	if err := s.putStatus(ctx, src, r.status); err != nil {
		return r.result, err
	}
	log := s.o.Logger.With("part", "fetch", "source", id, "account", src.Account, "server", src.Address)
	if failed != nil {
		log.Warn("external account failed", "err", failed, "failures", r.status.Failures, "next", r.status.Next)
	} else if r.result != (Result{}) {
		log.Info("external account", "fetched", r.result.Fetched, "removed", r.result.Removed, "skipped", r.result.Skipped)
	}
	return r.result, failed
}

// guarded is all, with an error in the place of a panic: what breaks at one message, which comes again and again, is no worse than a server that fails.
func (r *run) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.s.o.Logger.Error("external account panicked", "part", "fetch", "source", r.src.ID, "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "a message could not be handled: see the log")
		}
	}()
	return r.all(ctx)
}

// takes fails if an account takes no mail.
func (s *Service) takes(ctx context.Context, account ident.AccountID) error {
	if s.o.Takes == nil {
		return nil
	}
	return s.o.Takes(ctx, account)
}

// Back-off after failures in a row.
const (
	maxBackOff = 12 * time.Hour
	// signInBackOff is for a wrong password: who tries it every ten minutes is locked out.
	signInBackOff = time.Hour
)

// conclude notes how a run ended, and when the next one is due.
func (r *run) conclude(failed error) {
	now := r.s.o.Now().UTC()
	r.status.Last = now
	r.status.Fetched += int64(r.result.Fetched)
	if failed == nil {
		r.status.LastOK, r.status.Failures, r.status.Error, r.status.Next = now, 0, "", now.Add(r.src.Every)
		return
	}
	r.status.UIDValidity, r.status.LastUID = r.before.UIDValidity, r.before.LastUID // the next run has to deal with it
	r.status.Failures++
	r.status.Error = shorten(failed.Error())
	wait := r.src.Every
	if fault.Is(failed, fault.Unauthenticated) || fault.Is(failed, fault.Denied) {
		wait = max(wait, signInBackOff)
	}
	for range min(r.status.Failures-1, 16) {
		wait *= 2
		if wait >= maxBackOff {
			break
		}
	}
	r.status.Next = now.Add(max(min(wait, maxBackOff), r.src.Every))
}

// shorten bounds a text that is kept.
func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), 300)], "") }
