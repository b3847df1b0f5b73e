package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/provision"
	"postroad/internal/service/provision/ldap"
	"postroad/internal/service/provision/sql"
)

// outside are the directories outside that accounts are kept in.
type outside struct {
	log    *slog.Logger
	syncer *provision.Syncer
	now    func() time.Time
	all    []*outsideSource
}

// outsideSource is one of them.
type outsideSource struct {
	provision.Source
	set   config.Provision
	kind  string
	close func()

	syncing sync.Mutex // held while it is read
	mu      sync.Mutex
	last    admin.SourceStatus // guarded by mu
}

// openOutside makes what the settings name. Nothing is connected to yet.
func openOutside(c config.Config, w World, dir *directory.Directory, accounts provision.Accounts) (*outside, error) {
	o := &outside{log: w.Logger.With("part", "accounts"), syncer: provision.New(dir, accounts), now: w.Now}
	for i := range c.LDAP {
		s, err := openLDAP(&c.LDAP[i], w)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "ldap "+c.LDAP[i].Name)
		}
		o.add(s, c.LDAP[i].Provision, "ldap", s.Close)
	}
	for i := range c.SQL {
		s, err := openSQL(&c.SQL[i])
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "sql "+c.SQL[i].Name)
		}
		o.add(s, c.SQL[i].Provision, "sql", s.Close)
	}
	return o, nil
}

func (o *outside) add(s provision.Source, set config.Provision, kind string, close func()) {
	x := &outsideSource{Source: s, set: set, kind: kind, close: close}
	x.last = admin.SourceStatus{Name: set.Name, Kind: kind, Domains: set.Domains}
	o.all = append(o.all, x)
}

func openLDAP(c *config.LDAP, w World) (*ldap.Source, error) {
	attributes, filter, groups, err := ldap.Preset(c.Kind)
	if err != nil {
		return nil, err
	}
	o := ldap.Options{Name: c.Name, URLs: c.URLs, BindDN: c.BindDN, Base: c.Base, Filter: cmp.Or(c.Filter, filter), GroupBase: c.GroupBase,
		GroupFilter: cmp.Or(c.GroupFilter, groups), Lookup: c.Lookup, Attributes: attributes, Dial: w.Dial}
	if o.GroupFilter == "none" {
		o.GroupFilter = ""
	}
	a := c.Attributes
	for _, x := range []struct {
		to *string
		by string
	}{{&o.Attributes.Key, a.Key}, {&o.Attributes.Address, a.Address}, {&o.Attributes.Name, a.Name}, {&o.Attributes.Aliases, a.Aliases},
		{&o.Attributes.Quota, a.Quota}, {&o.Attributes.Disabled, a.Disabled}, {&o.Attributes.Member, a.Member}} {
		*x.to = cmp.Or(x.by, *x.to)
	}
	if c.BindPasswordFile != "" {
		if o.Password, err = firstLine(c.BindPasswordFile); err != nil {
			return nil, err
		}
	}
	if o.TLS, err = trusting(c.CAFile, w.Roots); err != nil {
		return nil, err
	}
	return ldap.New(o)
}

func openSQL(c *config.SQL) (*sql.Source, error) {
	o := sql.Options{Name: c.Name, URL: c.URL, List: c.List, Password: c.Password, Groups: c.Groups}
	if c.PasswordFile != "" {
		secret, err := firstLine(c.PasswordFile)
		if err != nil {
			return nil, err
		}
		o.Secret = secret
	}
	return sql.New(o)
}

// trusting is TLS that trusts the authorities in a file, or else roots.
func trusting(file string, roots *x509.CertPool) (*tls.Config, error) {
	if file == "" {
		return &tls.Config{RootCAs: roots}, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fault.New(fault.Invalid, "%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// Verify implements auth.Outside.
func (o *outside) Verify(ctx context.Context, l directory.Link, password string) (bool, error) {
	for _, s := range o.all {
		if s.Name() == l.Source {
			return s.Verify(ctx, l, password)
		}
	}
	return false, fault.New(fault.Unavailable, "the settings have no directory %q any more", l.Source)
}

// Serves implements auth.Outside.
func (o *outside) Serves(domain string) bool { return o.of(domain) != nil }

// Pretend implements auth.Outside.
func (o *outside) Pretend(ctx context.Context, domain, password string) error {
	return o.of(domain).Pretend(ctx, password)
}

func (o *outside) of(domain string) *outsideSource {
	for _, s := range o.all {
		if slices.Contains(s.set.Domains, domain) {
			return s
		}
	}
	return nil
}

// Run reads all directories now and then, until ctx ends.
func (o *outside) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range o.all {
		all.Go(func() {
			o.sync(ctx, s)
			every(ctx, s.set.Interval(), func() { o.sync(ctx, s) })
		})
	}
	all.Wait()
}

// sync reads one directory. It waits while that is done already.
func (o *outside) sync(ctx context.Context, s *outsideSource) admin.SourceStatus {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	report, err := o.syncer.Sync(ctx, limited{s}, provision.Options{Adopt: s.set.Adopt, Remove: s.set.Remove})
	status := admin.SourceStatus{Name: s.set.Name, Kind: s.kind, Domains: s.set.Domains, At: o.now(), Report: report}
	if err != nil && ctx.Err() == nil {
		status.Error = fault.TextOf(err)
		o.log.Error("cannot read a directory of accounts", "source", s.set.Name, "err", err)
	}
	if report.Added+report.Changed+report.Disabled+report.Removed > 0 || len(report.Problems) > 0 {
		o.log.Info("accounts are as their directory says", "source", s.set.Name, "added", report.Added, "changed", report.Changed,
			"disabled", report.Disabled, "removed", report.Removed, "problems", len(report.Problems))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = status
	return status
}

// limited gives only what is of the domains that a directory may speak for.
type limited struct{ *outsideSource }

func (l limited) List(ctx context.Context, entry func(provision.Entry) error, group func(provision.Group) error) error {
	return l.Source.List(ctx, func(e provision.Entry) error {
		e.Aliases = slices.DeleteFunc(e.Aliases, func(a string) bool { return !l.may(a) })
		if !l.may(e.Address) {
			return nil
		}
		return entry(e)
	}, func(g provision.Group) error {
		if !l.may(g.Address) {
			return nil
		}
		return group(g)
	})
}

func (l limited) may(address string) bool {
	a, err := directory.Parse(address)
	return err == nil && slices.Contains(l.set.Domains, a.Domain)
}

// Sources implements admin.Sources.
func (o *outside) Sources() []admin.SourceStatus {
	list := []admin.SourceStatus{}
	for _, s := range o.all {
		s.mu.Lock()
		list = append(list, s.last)
		s.mu.Unlock()
	}
	return list
}

// SyncSource implements admin.Sources.
func (o *outside) SyncSource(ctx context.Context, name string) (admin.SourceStatus, error) {
	for _, s := range o.all {
		if s.set.Name == name {
			return o.sync(ctx, s), ctx.Err()
		}
	}
	return admin.SourceStatus{}, fault.New(fault.NotFound, "the settings have no directory %q", name)
}

// Close closes all connections.
func (o *outside) Close() {
	for _, s := range o.all {
		s.close()
	}
}
