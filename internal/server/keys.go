package server

import (
	"context"
	"crypto"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/dns"
	checks "postroad/internal/service/sender"
	"postroad/internal/service/sender/dkim"
)

const (
	// keysEvery is how often the keeper looks whether pending keys have been published, and at all else.
	keysEvery = time.Hour
	// keptPublished is how long a key that signs no more stays in the DNS at least, for mail that is still under way elsewhere.
	keptPublished = 7 * 24 * time.Hour
	// keyLookup bounds one question to the DNS.
	keyLookup = 20 * time.Second
)

// keyKeeper looks after the DKIM keys of all domains: it activates those whose records appear in the DNS, removes those that
// have been retired for long enough, and makes new ones when it is time. Only one goroutine uses it, but for the counts.
type keyKeeper struct {
	dir *directory.Directory
	// published says whether the DNS has a key, as admin.Publication does. Nil: the DNS can't be seen, and nothing is activated.
	published func(ctx context.Context, k directory.DKIMKey) error
	// waiting reports whether mail that came in before a moment waits in our queue still.
	waiting func(ctx context.Context, before time.Time) (bool, error)
	now     func() time.Time
	log     *slog.Logger
	rotate  time.Duration // 0: never

	// How many keys were pending, and how many signed without their record, when last looked.
	pendingKeys, unpublishedKeys atomic.Int64

	seen   map[keyName]bool      // pending keys that were in the DNS when last looked
	warned map[keyName]time.Time // when something was last said of a key

	waits, lost int64 // counted while looking
	answered    bool  // the DNS has, for the domain at hand, all that it was asked
	silent      int   // domains in a row for which the DNS had no answer
}

// deaf is how many domains without an answer mean that the DNS has none for anybody now: asking on would take a minute each.
const deaf = 8

type keyName struct{ domain, selector string }

func nameOf(k directory.DKIMKey) keyName { return keyName{k.Domain, k.Selector} }

func newKeyKeeper(s *Server) *keyKeeper {
	return &keyKeeper{dir: s.store.Directory, published: publication(s.config.DNS, s.world), waiting: s.hasQueued, now: s.world.Now,
		log: s.log.With("part", "keys"), rotate: time.Duration(s.config.DKIM.Rotate)}
}

// hasQueued reports whether the queue has mail that came in before a moment.
func (s *Server) hasQueued(ctx context.Context, before time.Time) (bool, error) {
	list, err := s.store.Admin.Queue(ctx, admin.QueueFilter{ReceivedBefore: before, Limit: 1})
	return len(list.Items) > 0, err
}

// keepKeys looks after the keys until ctx ends.
func (s *Server) keepKeys(ctx context.Context) {
	k := newKeyKeeper(s)
	s.metrics.keys(k)
	k.look(ctx)
	every(ctx, keysEvery, func() { k.look(ctx) })
}

// keys shows how many keys somebody has to see to.
func (m *metrics) keys(k *keyKeeper) {
	for name, g := range map[string]struct {
		help  string
		value *atomic.Int64
	}{
		"postroad_dkim_keys_pending":     {"DKIM keys that wait for their records to be published.", &k.pendingKeys},
		"postroad_dkim_keys_unpublished": {"DKIM keys that sign mail, though their records are not in the DNS.", &k.unpublishedKeys},
	} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: g.help}, func() float64 { return float64(g.value.Load()) }))
	}
}

// look looks after all domains once.
func (k *keyKeeper) look(ctx context.Context) {
	seen, warned := k.seen, k.warned
	k.seen, k.warned = map[keyName]bool{}, map[keyName]time.Time{}
	k.waits, k.lost, k.silent = 0, 0, 0
	for dom, err := range k.dir.Domains(ctx) {
		if err == nil {
			err = k.domain(ctx, dom.Name, seen, warned)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.log.Error("cannot look after a domain's DKIM keys", "domain", dom.Name, "err", err)
		}
	}
	k.pendingKeys.Store(k.waits)
	k.unpublishedKeys.Store(k.lost)
}

// domain looks after one domain's keys. seen and warned are those of the last time.
func (k *keyKeeper) domain(ctx context.Context, domain string, seen map[keyName]bool, warned map[keyName]time.Time) error {
	keys, err := k.dir.DKIMKeys(ctx, domain)
	if err != nil {
		if fault.Is(err, fault.NotFound) {
			err = nil // it was removed just now
		}
		return err
	}
	k.answered = k.silent < deaf
	for _, key := range keys {
		if at, ok := warned[nameOf(key)]; ok {
			k.warned[nameOf(key)] = at
		}
		switch key.State {
		case directory.KeyPending:
			err = k.pending(ctx, key, keys, seen[nameOf(key)])
		case directory.KeyActive:
			k.active(ctx, key)
		case directory.KeyRetired:
			err = k.retired(ctx, key)
		}
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Conflict) { // somebody else was faster
			return err
		}
	}
	if k.answered {
		k.silent = 0
	} else {
		k.silent++
	}
	return k.renew(ctx, domain, keys)
}

// pending activates a key whose record is in the DNS. One that takes another's place is to be seen there twice: the
// domain's name servers don't all get a record at the same moment.
func (k *keyKeeper) pending(ctx context.Context, key directory.DKIMKey, all []directory.DKIMKey, before bool) error {
	if err := k.inDNS(ctx, key); err != nil {
		k.waits++
		k.complain(ctx, key, "a new DKIM key waits for its record to be published", err)
		return nil
	}
	k.seen[nameOf(key)] = true
	if !before && signsAlready(all, key.Algorithm) {
		return nil
	}
	err := k.dir.ActivateKey(ctx, key.Domain, key.Selector)
	if err == nil {
		delete(k.warned, nameOf(key)) // of something else
		k.log.InfoContext(ctx, "a new DKIM key signs", "domain", key.Domain, "selector", key.Selector, "algorithm", string(key.Algorithm))
	}
	return err
}

// signsAlready reports whether one of the keys signs with an algorithm.
func signsAlready(keys []directory.DKIMKey, a directory.KeyAlgorithm) bool {
	for _, k := range keys {
		if k.State == directory.KeyActive && k.Algorithm == a {
			return true
		}
	}
	return false
}

// active warns if the record of a key that signs is not in the DNS: nobody can verify what it signs.
func (k *keyKeeper) active(ctx context.Context, key directory.DKIMKey) {
	if err := k.inDNS(ctx, key); fault.Is(err, fault.Conflict) {
		k.lost++
		k.complain(ctx, key, "a DKIM key signs mail, but its record is not in the DNS", err)
	}
}

// retired removes a key that has been retired for long enough, and has signed nothing that hasn't left yet: mail may be held for
// months.
func (k *keyKeeper) retired(ctx context.Context, key directory.DKIMKey) error {
	if k.now().Sub(key.Changed) < keptPublished {
		return nil
	}
	if waiting, err := k.waiting(ctx, key.Changed); err != nil || waiting {
		return err
	}
	err := k.dir.RemoveKey(ctx, key.Domain, key.Selector)
	if err == nil {
		k.log.InfoContext(ctx, "an old DKIM key has been removed: its record may go from the DNS", "domain", key.Domain, "record", recordName(key))
	}
	return err
}

// renew makes new keys for a domain whose keys have signed for long enough.
func (k *keyKeeper) renew(ctx context.Context, domain string, keys []directory.DKIMKey) error {
	var youngest time.Time
	for _, key := range keys {
		if key.Created.After(youngest) {
			youngest = key.Created
		}
	}
	if k.rotate == 0 || len(keys) == 0 || k.now().Sub(youngest) < k.rotate {
		return nil
	}
	made, err := k.dir.RotateKeys(ctx, domain)
	for _, key := range made {
		k.log.WarnContext(ctx, "made a new DKIM key: publish its record", "domain", domain, "record", recordName(key), "help", "postroad domain records "+domain)
	}
	if fault.Is(err, fault.Conflict) { // they wait already
		return nil
	}
	return err
}

func recordName(k directory.DKIMKey) string { return k.Selector + "._domainkey." + k.Domain }

// inDNS asks whether the DNS has a key.
func (k *keyKeeper) inDNS(ctx context.Context, key directory.DKIMKey) error {
	if k.published == nil {
		return fault.New(fault.Unsupported, "this server can't see the DNS")
	}
	if !k.answered {
		return fault.New(fault.Unavailable, "the DNS doesn't answer")
	}
	err := k.published(ctx, key)
	k.answered = !fault.Is(err, fault.Unavailable)
	return err
}

// complain says what is wrong with a key, once a day.
func (k *keyKeeper) complain(ctx context.Context, key directory.DKIMKey, what string, why error) {
	if ctx.Err() != nil || k.now().Sub(k.warned[nameOf(key)]) < 24*time.Hour {
		return
	}
	k.warned[nameOf(key)] = k.now()
	level := slog.LevelWarn
	if k.published == nil {
		level = slog.LevelDebug // in the demo
	}
	k.log.Log(ctx, level, what, "domain", key.Domain, "record", recordName(key), "err", why, "help", "postroad domain records "+key.Domain)
}

// publication makes a function that says whether the DNS has a key; nil if the server stays off the network.
func publication(c config.DNS, w World) func(context.Context, directory.DKIMKey) error {
	if !w.Online && w.Resolver == nil {
		return nil
	}
	return func(ctx context.Context, k directory.DKIMKey) error {
		// A new one each time: what it asked before is out of date.
		r, err := newResolver(c, w)
		if err != nil {
			return err
		}
		if own, ok := r.(*dns.Client); ok && w.Resolver == nil {
			defer own.Close()
		}
		ctx, cancel := context.WithTimeout(ctx, keyLookup)
		defer cancel()
		return checkPublished(ctx, checks.FromDNS(r), k)
	}
}

// checkPublished fails with fault.Conflict if the DNS doesn't have a key, or has another one in its place.
func checkPublished(ctx context.Context, r dkim.Resolver, k directory.DKIMKey) error {
	found, err := dkim.LookupKey(ctx, r, k.Selector, k.Domain)
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.Conflict, "the DNS has no record %s", recordName(k))
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Canceled):
		return fault.Wrap(fault.Unavailable, err, "the DNS doesn't answer for "+recordName(k))
	case err != nil:
		return fault.New(fault.Conflict, "the record %s is wrong: %s", recordName(k), fault.TextOf(err))
	}
	if err := found.Permits(k.Domain, k.Domain); err != nil {
		return fault.New(fault.Conflict, "the record %s is wrong: %s", recordName(k), fault.TextOf(err))
	}
	if same, ok := k.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !same.Equal(found.Public) {
		return fault.New(fault.Conflict, "the record %s is that of another key", recordName(k))
	}
	return nil
}
