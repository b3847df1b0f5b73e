package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"postroad/internal/fault"
)

// EAB binds our account with an authority to one that we have there otherwise (RFC 8555 §7.3.4).
type EAB struct {
	KeyID  string
	MACKey string // base64url
}

// Options are what a Manager needs.
type Options struct {
	Storage *Storage
	// Directory is the authority's address (RFC 8555 §7.1.1).
	Directory string
	// Contact is an address that the authority may write to; empty: none.
	Contact string
	EAB     *EAB // nil: none is asked for
	// Profile is the kind of certificate to ask for, if the authority offers several; empty: its default.
	Profile string
	// KeyType is p256 (default), p384, rsa2048 or rsa4096.
	KeyType string
	// NewKeys makes a new key at each renewal.
	NewKeys bool
	// HTTP asks the authority. Its dialer is the caller's.
	HTTP *http.Client
	// HTTP01 and TLSALPN01 say which listeners answer. With DNS01, neither is used.
	HTTP01, TLSALPN01 bool
	DNS01             *Update
	// Reachable says what keeps an authority from finding a name here: no record in the DNS, for instance. Such a name isn't
	// asked for, since authorities count failures. Nil: nothing does.
	Reachable func(ctx context.Context, name string) error
	// Staple fetches OCSP responses, over the machine's network. StapleEvery is how often it is looked whether they are fresh, which costs
	// nothing if they are; default 10 minutes.
	Staple      bool
	StapleEvery time.Duration
	// Every is how often certificates are looked at; default 10 minutes. Poll is how often the authority
	// is asked whether it has decided; default: what it says.
	Every, Poll time.Duration

	Now    func() time.Time
	Logger *slog.Logger
}

// keyTypes are those that settings may name.
var keyTypes = map[string]certmagic.KeyType{
	"": certmagic.P256, "p256": certmagic.P256, "p384": certmagic.P384, "rsa2048": certmagic.RSA2048, "rsa4096": certmagic.RSA4096,
}

// KeyType reports whether a type of keys is known.
func KeyType(name string) bool { _, ok := keyTypes[name]; return ok }

// Manager looks after the certificates of some names. It is safe for concurrent use.
type Manager struct {
	o          Options
	log        *slog.Logger
	storage    *Storage
	challenges *challenges
	issuer     *issuer
	cache      *certmagic.Cache
	config     *certmagic.Config
	loading    *certmagic.Config // reads certificates without asking anybody for their staples
	closed     atomic.Bool
	asked      chan struct{} // has one: names are to be looked at
	pruned     time.Time     // when Run did it last

	mu    sync.Mutex
	names map[string]*name // guarded by mu
}

// name is one that has a certificate, or should have; it may have other names with it.
type name struct {
	name string     // the first
	busy sync.Mutex // held while something is done about it; guards what the loop alone needs
	ask  time.Time  // when to ask again when to renew
	// stored is when the certificate in use was stored.
	stored time.Time

	// Guarded by Manager.mu:
	wanted   []string              // all that the certificate shall be for
	cert     certmagic.Certificate // empty: none
	renew    time.Time             // when; zero: not known
	failures int
	next     time.Time // no attempt before
	problem  string    // why the last one failed
}

// neverCheck keeps certmagic's cache from renewing by itself, on its own clock and in goroutines that nobody waits for.
const neverCheck = 100 * 365 * 24 * time.Hour

// New makes a Manager. It holds nothing until Keep or Run. Close it.
func New(o Options) *Manager {
	o.Every = orDefault(o.Every, 10*time.Minute)
	m := &Manager{o: o, log: o.Logger, storage: o.Storage, names: map[string]*name{}, asked: make(chan struct{}, 1)}
	m.challenges = &challenges{storage: o.Storage}
	m.issuer = newIssuer(&m.o, o.Storage, m.solvers())
	zap := zapLogger(slog.New(quiet{o.Logger.Handler()}))
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		RenewCheckInterval: neverCheck, OCSPCheckInterval: orDefault(o.StapleEvery, 10*time.Minute), Logger: zap,
	})
	m.config = certmagic.New(m.cache, certmagic.Config{
		Storage: o.Storage, Issuers: []certmagic.Issuer{m.issuer}, ReusePrivateKeys: !o.NewKeys,
		KeySource: certmagic.StandardKeyGenerator{KeyType: keyTypes[o.KeyType]}, DisableStorageCheck: true, DisableARI: true,
		OCSP: certmagic.OCSPConfig{DisableStapling: !o.Staple, HTTPProxy: m.proxy}, Logger: zap,
	})
	// A responder that doesn't answer must not hold up the start, nor a renewal: staples come with the next look at them.
	loading := *m.config
	loading.OCSP.DisableStapling = true
	m.loading = certmagic.New(m.cache, loading)
	return m
}

// proxy is that of the environment, for OCSP. To set one at all gives certmagic's requests a limit in time; none begins once
// Close was called.
func (m *Manager) proxy(r *http.Request) (*url.URL, error) {
	if m.closed.Load() {
		return nil, fault.New(fault.Canceled, "shutting down")
	}
	return http.ProxyFromEnvironment(r)
}

func (m *Manager) solvers() map[string]acmez.Solver {
	all := map[string]acmez.Solver{}
	switch {
	case m.o.DNS01 != nil:
		all[acme.ChallengeTypeDNS01] = m.o.DNS01
	default:
		if m.o.HTTP01 {
			all[acme.ChallengeTypeHTTP01] = m.challenges
		}
		if m.o.TLSALPN01 {
			all[acme.ChallengeTypeTLSALPN01] = m.challenges
		}
	}
	return all
}

// Close ends what New began. It waits for a request to an OCSP responder that is under way, 30 seconds at most. Closing twice does nothing.
func (m *Manager) Close() {
	if !m.closed.Swap(true) {
		m.cache.Stop()
	}
}

// Find returns the certificate for a name, or nil: one that names it before a wildcard's.
func (m *Manager) Find(server string) *tls.Certificate {
	all := m.cache.AllMatchingCertificates(server)
	var best *certmagic.Certificate
	for i := range all { // while one takes another's place there are two
		if by, _ := covers(all[i].Leaf.DNSNames, server); by && (best == nil || m.better(&all[i], best, server)) {
			best = &all[i]
		}
	}
	if best == nil {
		return nil
	}
	return &best.Certificate
}

// Keep says for which names there shall be certificates, one each, from now on: see KeepSets.
func (m *Manager) Keep(ctx context.Context, names []string) (changed bool) {
	return m.KeepSets(ctx, Single(names...))
}

// Single has each name stand alone.
func Single(names ...string) (sets [][]string) {
	for _, n := range names {
		sets = append(sets, []string{n})
	}
	return sets
}

// KeepSets says for which names there shall be certificates, from now on, one for each set. A set's first name is what its certificate is
// called; names that don't lead here are left out of it until they do. "*.example.com" needs DNS01. Those that were obtained before are there at once; the
// others come with Run. Certificates of names that are left out stay in the storage. It reports whether the names are others than before.
func (m *Manager) KeepSets(ctx context.Context, sets [][]string) (changed bool) {
	fresh, gone, others := m.exchange(sets)
	m.cache.Remove(gone)
	for _, n := range fresh {
		n.busy.Lock()
		if err := m.load(ctx, n); err != nil && !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
			m.log.ErrorContext(ctx, "cannot read a stored certificate", "name", n.name, "err", err)
		}
		n.busy.Unlock()
	}
	return others
}

// exchange makes names those that are kept.
func (m *Manager) exchange(sets [][]string) (fresh []*name, gone []string, others bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	want := map[string]bool{}
	for _, set := range sets {
		wanted := make([]string, 0, len(set))
		for _, text := range set {
			wanted = append(wanted, fold(text))
		}
		if len(wanted) == 0 {
			continue
		}
		text := wanted[0]
		want[text] = true
		if m.names[text] == nil {
			m.names[text] = &name{name: text}
			fresh = append(fresh, m.names[text])
		}
		others = others || !slices.Equal(m.names[text].wanted, wanted)
		m.names[text].wanted = wanted
	}
	for text, n := range m.names {
		if !want[text] {
			delete(m.names, text)
			gone, others = append(gone, n.cert.Hash()), true
		}
	}
	return fresh, gone, others
}

// Run gets and renews certificates until ctx ends. sets says for which names there shall be some, as KeepSets; it is asked again when changed,
// a bell as kv.DB's, rings.
func (m *Manager) Run(ctx context.Context, sets func(context.Context) ([][]string, error), changed func() <-chan struct{}) {
	tick := time.NewTicker(m.o.Every)
	defer tick.Stop()
	for due := true; ctx.Err() == nil; {
		bell := changed()
		all, err := sets(ctx)
		if err != nil && ctx.Err() == nil {
			m.log.ErrorContext(ctx, "cannot tell which names need certificates", "err", err)
		}
		// The bell rings for much else than domains: to look each time would ask the DNS far too often.
		if others := err == nil && m.KeepSets(ctx, all); others || due {
			m.lookAtAll(ctx)
			m.prune(ctx)
		}
		due = true
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-m.asked:
		case <-bell:
			due = false
		}
	}
}

// atOnce is how many certificates are asked for at a time.
const atOnce = 4

func (m *Manager) lookAtAll(ctx context.Context) {
	places := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, n := range m.sorted() {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			m.look(ctx, n)
		})
	}
	all.Wait()
}

func (m *Manager) sorted() []*name {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*name
	for _, n := range m.names {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *name) int { return cmp.Compare(a.name, b.name) })
	return all
}

// look does what has to be done about a name now.
func (m *Manager) look(ctx context.Context, n *name) {
	n.busy.Lock()
	defer n.busy.Unlock()
	if ctx.Err() != nil {
		return
	}
	m.followOthers(ctx, n)
	m.askWhen(ctx, n)
	m.mu.Lock()
	have, due := !n.cert.Empty(), !m.o.Now().Before(n.next) && (n.cert.Empty() || !m.o.Now().Before(n.renew))
	m.mu.Unlock()
	if !due && (!have || len(m.lacks(n)) == 0) {
		m.content(n)
		return
	}
	names, problem := m.found(ctx, n)
	m.unreachable(ctx, n, problem)
	if !m.worthIt(n, names, due) {
		return
	}
	err := m.get(ctx, n, change{renewal: have, names: names})
	if err != nil && ctx.Err() == nil {
		m.failed(ctx, n, err)
		return
	}
	m.unreachable(ctx, n, problem)
}

// content forgets what was wrong with names that aren't wanted any more.
func (m *Manager) content(n *name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n.failures == 0 {
		n.problem = ""
	}
}

// lacks are the names that a certificate should have and hasn't.
func (m *Manager) lacks(n *name) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return missing(n.wanted, n.cert.Leaf)
}

// followOthers brings a certificate into use that another node has got in the meantime.
func (m *Manager) followOthers(ctx context.Context, n *name) {
	info, err := m.storage.Stat(ctx, certmagic.StorageKeys.SiteCert(m.issuer.IssuerKey(), n.name))
	if err != nil || info.Modified.Equal(n.stored) {
		return
	}
	if err := m.load(ctx, n); err != nil && ctx.Err() == nil {
		m.log.ErrorContext(ctx, "cannot read a stored certificate", "name", n.name, "err", err)
	}
}

// unreachable tells of a name for which there is no sense in asking now. Unlike a refusal by the authority that costs nothing, so it
// is looked at again the next time.
func (m *Manager) unreachable(ctx context.Context, n *name, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		return
	}
	if told := fault.TextOf(err); n.problem != told && ctx.Err() == nil {
		n.problem = told
		m.log.WarnContext(ctx, "a name gets no certificate", "name", n.name, "why", told)
	}
}

// change says how to get a certificate.
type change struct {
	renewal bool     // there is one already
	names   []string // that it is to be for
	key     *nextKey
}

// get obtains or renews a certificate and brings it into use. Only one node of a cluster does so at a time: the others
// find what it has got.
func (m *Manager) get(ctx context.Context, n *name, c change) error {
	ctx, cancel := context.WithTimeout(ctx, issueLimit)
	defer cancel()
	lock := "renew_" + n.name
	if err := m.storage.Lock(ctx, lock); err != nil {
		return err
	}
	defer m.storage.Unlock(ctx, lock)
	if again, err := m.reload(ctx, n); again || err != nil {
		return err
	}
	if err := m.obtain(m.replacing(ctx, n, c), n, c); err != nil {
		return err
	}
	return m.load(ctx, n)
}

// replacing has the authority know which certificate the new one takes the place of (RFC 9773 §5), unless the last attempt failed: that may be why.
func (m *Manager) replacing(ctx context.Context, n *name, c change) context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := n.cert.Leaf; c.renewal && n.failures == 0 && old != nil && old.AuthorityKeyId != nil {
		return context.WithValue(ctx, replacesKey{}, old)
	}
	return ctx
}

// reload brings what another node has got into use, and reports whether there was any such thing.
func (m *Manager) reload(ctx context.Context, n *name) (bool, error) {
	m.mu.Lock()
	had := n.cert.Hash()
	m.mu.Unlock()
	err := m.load(ctx, n)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return n.cert.Hash() != had, err
}

// load brings a name's stored certificate into use, and lets go of the one before. n.busy is held.
func (m *Manager) load(ctx context.Context, n *name) error {
	info, err := m.storage.Stat(ctx, certmagic.StorageKeys.SiteCert(m.issuer.IssuerKey(), n.name))
	if err != nil {
		return err
	}
	cert, err := m.loading.CacheManagedCertificate(ctx, n.name)
	if err != nil {
		return err
	}
	n.stored = info.Modified
	m.mu.Lock()
	old := n.cert
	n.cert = cert
	if old.Hash() == cert.Hash() { // nothing has been got: what failed has failed still
		m.mu.Unlock()
		return nil
	}
	n.failures, n.next, n.problem = 0, time.Time{}, ""
	n.renew = renewal(cert.Leaf)
	m.mu.Unlock()
	n.ask = time.Time{}
	if !old.Empty() {
		m.cache.Remove([]string{old.Hash()})
	}
	m.log.InfoContext(ctx, "using a certificate of the authority", "name", n.name, "until", cert.Leaf.NotAfter, "issuer", cert.Leaf.Issuer.CommonName)
	return nil
}
