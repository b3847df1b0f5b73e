package acme

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"

	"postroad/internal/fault"
)

// Status is how a name's certificate is.
type Status struct {
	Name string
	// Names are all that it shall be for.
	Names []string
	// Chain is the certificate, then those that lead to its root. Empty: there is none yet.
	Chain []*x509.Certificate
	// Renew is when it will be renewed; if the last attempt failed, or there is none, when that is tried again.
	Renew time.Time
	// Problem is why the last attempt failed; empty: it didn't.
	Problem string
}

// List tells of all names that are kept, in order.
func (m *Manager) List() []Status {
	var all []Status
	for _, n := range m.sorted() {
		all = append(all, m.status(n))
	}
	return all
}

func (m *Manager) status(n *name) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Name: n.name, Names: n.wanted, Renew: n.renew, Problem: n.problem}
	if n.next.After(s.Renew) {
		s.Renew = n.next
	}
	for _, der := range n.cert.Certificate.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil {
			s.Chain = append(s.Chain, c)
		}
	}
	return s
}

// Renewal says how Renew goes about it.
type Renewal struct {
	// NewKey takes the key that NextKey made, or a new one if it made none.
	NewKey bool
	// Unpublished takes it though it is younger than NextKeyAge.
	Unpublished bool
	// Revoke has the authority revoke the old certificate once there is a new one (RFC 8555 §7.6): its key was stolen. It
	// needs NewKey.
	Revoke bool
}

// NextKeyAge is for how long a key has to be known before it is used, so that others have heard of its TLSA record.
const NextKeyAge = 24 * time.Hour

// Renew gets a new certificate for a name now. fault.NotFound if the name isn't kept.
func (m *Manager) Renew(ctx context.Context, server string, r Renewal) error {
	n := m.called(server)
	if n == nil {
		return fault.New(fault.NotFound, "%s is none of the names that certificates are got for", server)
	}
	if r.Revoke && !r.NewKey {
		return fault.New(fault.Invalid, "a certificate is revoked because its key was stolen: the next one needs a new key")
	}
	n.busy.Lock()
	defer n.busy.Unlock()
	names, problem := m.found(ctx, n)
	if len(names) == 0 {
		return problem
	}
	m.mu.Lock()
	c := change{renewal: !n.cert.Empty(), names: names}
	old := n.cert.Certificate
	m.mu.Unlock()
	if r.NewKey {
		var err error
		if c.key, err = m.keyToUse(ctx, n.name, r.Unpublished); err != nil {
			return err
		}
	}
	if err := m.get(ctx, n, c); err != nil {
		m.failed(ctx, n, err)
		return fault.Wrap(fault.Unavailable, err, "cannot get a certificate: "+shorten(err.Error()))
	}
	if c.key != nil {
		if err := m.storage.Delete(ctx, nextKeyFile(n.name)); err != nil {
			return err
		}
	}
	if r.Revoke && old.Leaf != nil {
		return m.issuer.revoke(ctx, old)
	}
	return nil
}

// nextKey is a key that a certificate will have.
type nextKey struct {
	private crypto.Signer
	made    time.Time
}

func nextKeyFile(server string) string { return "next/" + server + ".key" }

// called finds what is kept by any of its names, that of the first before others.
func (m *Manager) called(server string) *name {
	server = fold(server)
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.names[server]; n != nil {
		return n
	}
	for _, n := range m.names {
		if slices.Contains(n.wanted, server) {
			return n
		}
	}
	return nil
}

// NextKey makes the key that a name's certificate shall have next, unless it is made already, and returns its public part.
func (m *Manager) NextKey(ctx context.Context, server string) (crypto.PublicKey, error) {
	n := m.called(server)
	if server = fold(server); n != nil {
		server = n.name
	}
	if k, err := m.storage.nextKey(ctx, server); err == nil || !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, err
		}
		return k.private.Public(), nil
	}
	if n == nil {
		return nil, fault.New(fault.NotFound, "%s is none of the names that certificates are got for", server)
	}
	private, err := certmagic.StandardKeyGenerator{KeyType: keyTypes[m.o.KeyType]}.GenerateKey()
	if err != nil {
		return nil, err
	}
	text, err := certmagic.PEMEncodePrivateKey(private)
	if err != nil {
		return nil, err
	}
	return private.(crypto.Signer).Public(), m.storage.Store(ctx, nextKeyFile(server), text)
}

// NextPublic is the public part of the key that NextKey has made for a name; fs.ErrNotExist if it hasn't.
func (s *Storage) NextPublic(ctx context.Context, server string) (crypto.PublicKey, error) {
	k, err := s.nextKey(ctx, fold(server))
	if err != nil {
		return nil, err
	}
	return k.private.Public(), nil
}

func (s *Storage) nextKey(ctx context.Context, server string) (*nextKey, error) {
	info, err := s.Stat(ctx, nextKeyFile(server))
	if err != nil {
		return nil, err
	}
	text, err := s.Load(ctx, nextKeyFile(server))
	if err != nil {
		return nil, err
	}
	private, err := certmagic.PEMDecodePrivateKey(text)
	return &nextKey{private, info.Modified}, err
}

// keyToUse is the next key, if it has been known for long enough.
func (m *Manager) keyToUse(ctx context.Context, server string, unpublished bool) (*nextKey, error) {
	k, err := m.storage.nextKey(ctx, server)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = m.NextKey(ctx, server); err == nil {
			k, err = m.storage.nextKey(ctx, server)
		}
	}
	if err != nil {
		return nil, err
	}
	if age := m.o.Now().Sub(k.made); age < NextKeyAge && !unpublished {
		return nil, fault.New(fault.Conflict, "the next key of %s is younger than a day: where its TLSA record is looked at, mail would be kept back; publish the record and come again in %s",
			server, (NextKeyAge - age).Round(time.Minute))
	}
	return k, nil
}

// SeedKey gives a name that has no key yet one (PEM), for its certificates to come.
func (m *Manager) SeedKey(ctx context.Context, server string, key []byte) error {
	file := certmagic.StorageKeys.SitePrivateKey(m.issuer.IssuerKey(), fold(server))
	if m.storage.Exists(ctx, file) {
		return nil
	}
	return m.storage.Store(ctx, file, key)
}

// Look has Run look at all names soon.
func (m *Manager) Look() {
	select {
	case m.asked <- struct{}{}:
	default: // it will anyway
	}
}
