// Package certs chooses the TLS certificate that a client is shown: by the name that it asks for (SNI, RFC 6066 §3), from
// files, from those that were imported into the store, and from those that an authority gives by ACME; and if nothing fits, the
// default. Files are read again when they change. An installation that has nothing yet gets a self-signed one.
//
// Connections get the newest certificate by tls.Config's GetCertificate, so a renewal needs no restart and disturbs
// nobody. What a connection got is noted for whoever wants to bind to it (auth.NoteCertificate).
package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
)

// Managed are certificates that somebody else keeps: package acme's.
type Managed interface {
	// Find returns the certificate for a name in lower case, or nil.
	Find(name string) *tls.Certificate
	// Challenge returns the certificate for an authority that looks whether a name is ours; ok is false for all others.
	Challenge(hello *tls.ClientHelloInfo) (cert *tls.Certificate, ok bool, err error)
}

// Options say what a Keeper has to choose from.
type Options struct {
	// Files are certificates in files. If Default is set, the first of them is the default.
	Files   []Files
	Default bool
	// SelfSigned is the default if there is nothing better. It may be empty if Default is set.
	SelfSigned Files
	// Hostname is the name whose managed or imported certificate is the default, unless Default is set.
	Hostname string
	// Managed may be nil.
	Managed Managed
	Now     func() time.Time
	Logger  *slog.Logger
}

// Keeper chooses certificates. It is safe for concurrent use.
type Keeper struct {
	o   Options
	now atomic.Pointer[table]

	mu       sync.Mutex         // serialises what follows
	pairs    []*pair            // guarded by mu: of Options.Files, then SelfSigned
	imported []*tls.Certificate // guarded by mu
}

// table is what handshakes look into. It doesn't change.
type table struct {
	exact, wild map[string]*tls.Certificate // wild by what follows "*."
	first       *tls.Certificate            // the default of the settings, or nil
	selfSigned  *tls.Certificate            // or nil
}

// Open reads the certificates and their keys. It fails with fault.Invalid if two files are no pair, with fault.NotFound if one is
// missing.
func Open(o Options) (*Keeper, error) {
	k := &Keeper{o: o}
	for _, f := range o.Files {
		k.pairs = append(k.pairs, &pair{files: f})
	}
	if o.SelfSigned != (Files{}) {
		k.pairs = append(k.pairs, &pair{files: o.SelfSigned})
	}
	return k, k.Reload()
}

// Reload reads all files again. Of those that can't be used, what was read before stays in use.
func (k *Keeper) Reload() error { return k.update(true) }

// Refresh reads the files again that have changed since they were last read with success. A half-written pair is tried
// again at the next call.
func (k *Keeper) Refresh() error { return k.update(false) }

func (k *Keeper) update(all bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var failed error
	for _, p := range k.pairs {
		failed = errors.Join(failed, p.update(all, k.o.Logger))
	}
	if k.now.Load() == nil && failed != nil {
		return failed // at the start all must be there
	}
	k.now.Store(k.build())
	return failed
}

// SetImported gives the certificates in the store, in place of those before.
func (k *Keeper) SetImported(all []*tls.Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.imported = all
	k.now.Store(k.build())
}

// build makes a table: files go before what was imported. k.mu is held.
func (k *Keeper) build() *table {
	t := &table{exact: map[string]*tls.Certificate{}, wild: map[string]*tls.Certificate{}}
	for i, p := range k.pairs {
		switch {
		case i == len(k.o.Files):
			t.selfSigned = p.cert
			continue
		case i == 0 && k.o.Default:
			t.first = p.cert
		}
		t.add(p.cert)
	}
	for _, c := range k.imported {
		t.add(c)
	}
	return t
}

// add takes a certificate for the names that none before is for.
func (t *table) add(c *tls.Certificate) {
	for _, name := range c.Leaf.DNSNames {
		to, name := t.exact, strings.ToLower(name)
		if rest, ok := strings.CutPrefix(name, "*."); ok {
			to, name = t.wild, rest
		}
		if to[name] == nil {
			to[name] = c
		}
	}
}

func (t *table) find(name string) *tls.Certificate {
	if c := t.exact[name]; c != nil {
		return c
	}
	_, rest, _ := strings.Cut(name, ".") // RFC 9525 §6.3: a wildcard stands for one label
	return t.wild[rest]
}

// For returns the certificate that a client gets who asks for a name; without one it asks for nothing.
func (k *Keeper) For(name string) *tls.Certificate {
	t := k.now.Load()
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name != "" {
		if c := k.known(t, name); c != nil {
			return c
		}
	}
	if k.valid(t.first) {
		return t.first
	}
	if c := k.known(t, k.o.Hostname); k.valid(c) || t.first == nil && c != nil {
		return c
	}
	if t.first != nil {
		return t.first
	}
	return t.selfSigned
}

// known is the certificate for a name. One that has ended is shown only where there is no other.
func (k *Keeper) known(t *table, name string) *tls.Certificate {
	c := t.find(name)
	if !k.valid(c) && k.o.Managed != nil {
		if m := k.o.Managed.Find(name); m != nil {
			return m
		}
	}
	return c
}

// valid reports whether there is a certificate, and it hasn't ended.
func (k *Keeper) valid(c *tls.Certificate) bool { return c != nil && k.o.Now().Before(c.Leaf.NotAfter) }

// Brought reports whether somebody has brought a certificate for a name, in files or imported, that is valid now: none has
// to be got then.
func (k *Keeper) Brought(name string) bool {
	return k.valid(k.now.Load().find(name))
}

// All lists the certificates that somebody has brought, and the self-signed one if there is.
func (k *Keeper) All() (all []Brought) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range k.pairs {
		source := FromFile
		if i == len(k.o.Files) {
			source = SelfSigned
		}
		all = append(all, Brought{p.cert, source})
	}
	for _, c := range k.imported {
		all = append(all, Brought{c, Imported})
	}
	return all
}

// Brought is a certificate, and where it is from.
type Brought struct {
	*tls.Certificate
	Source Source
}

// Source is where a certificate is from.
type Source string

// Where certificates are from.
const (
	FromFile   Source = "file"
	Imported   Source = "imported"
	SelfSigned Source = "self-signed"
	FromACME   Source = "acme"
)

// Leaf returns the certificate of who asks for no name.
func (k *Keeper) Leaf() *x509.Certificate { return k.For("").Leaf }

// LeafFor returns the certificate of who asks for a name.
func (k *Keeper) LeafFor(name string) *x509.Certificate { return k.For(name).Leaf }

// TLS returns the configuration for listeners. Older versions than TLS 1.2 are refused (RFC 8996).
func (k *Keeper) TLS() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.get}
	c.WrapSession = func(s tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		session.Extra = append(session.Extra, k.stamp(s.ServerName))
		return c.EncryptTicket(s, session)
	}
	// A session begun under an earlier certificate isn't resumed: its client would bind to that one (RFC 5929 §4).
	c.UnwrapSession = func(ticket []byte, s tls.ConnectionState) (*tls.SessionState, error) {
		session, err := c.DecryptTicket(ticket, s)
		if err != nil || session == nil {
			return nil, err
		}
		for _, e := range session.Extra {
			if bytes.Equal(e, k.stamp(s.ServerName)) {
				return session, nil
			}
		}
		return nil, nil
	}
	return c
}

// stamp tells certificates apart.
func (k *Keeper) stamp(name string) []byte {
	sum := sha256.Sum256(k.For(name).Certificate[0])
	return append([]byte("postroad"), sum[:]...)
}

// get is tls.Config's GetCertificate.
func (k *Keeper) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if k.o.Managed != nil {
		if c, ok, err := k.o.Managed.Challenge(hello); ok || err != nil {
			return c, err
		}
	}
	c := k.For(hello.ServerName)
	if c == nil {
		return nil, fault.New(fault.NotFound, "there is no TLS certificate")
	}
	auth.ShownIn(hello.Context()).Set(c.Leaf)
	return c, nil
}
