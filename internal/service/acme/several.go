package acme

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"postroad/internal/fault"
)

// MaxNames is how many names one certificate has at most: more, and authorities refuse it.
const MaxNames = 100

// growEvery is how long a certificate stays as it is, though another of its names leads here now: people set up names one by one, and each
// certificate counts.
const growEvery = time.Hour

// isWildcard reports whether a name stands for all of one label before a domain (RFC 8555 §7.1.3, RFC 9525 §6.3).
func isWildcard(name string) bool { return strings.HasPrefix(name, "*.") }

// covers reports whether one of the names, which may be wildcards, is for a host. exact: not by a wildcard.
func covers(names []string, host string) (by, exact bool) {
	_, parent, _ := strings.Cut(host, ".")
	for _, n := range names {
		if strings.EqualFold(n, host) {
			return true, true
		}
		by = by || isWildcard(n) && parent != "" && strings.EqualFold(n[2:], parent)
	}
	return by, false
}

// better reports whether a certificate is to be shown in place of another for a host: one that hasn't ended, that names it, that is newer.
func (m *Manager) better(a, b *certmagic.Certificate, host string) bool {
	rank := func(c *certmagic.Certificate) (n int) {
		if m.o.Now().Before(c.Leaf.NotAfter) {
			n += 2
		}
		if _, exact := covers(c.Leaf.DNSNames, host); exact {
			n++
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.Leaf.NotBefore.Compare(b.Leaf.NotBefore)) > 0
}

// missing are the names that shall be in a certificate and aren't.
func missing(wanted []string, leaf *x509.Certificate) (names []string) {
	if leaf == nil {
		return wanted
	}
	for _, w := range wanted {
		if !slices.Contains(leaf.DNSNames, w) {
			names = append(names, w)
		}
	}
	return names
}

// found are those of a certificate's names for which it can be asked now, and why it can't for the others.
func (m *Manager) found(ctx context.Context, n *name) (names []string, problem error) {
	m.mu.Lock()
	wanted := n.wanted
	m.mu.Unlock()
	for _, w := range wanted {
		if m.o.Reachable != nil && !isWildcard(w) { // those are answered for in the zone alone
			if err := m.o.Reachable(ctx, w); err != nil {
				problem = cmp.Or(problem, err)
				continue
			}
		}
		names = append(names, w)
	}
	return names, problem
}

// worthIt reports whether a certificate with these names is worth asking for, of one that is in use: it would lose none, unless it is
// about to end anyway, and it is due or would win some. n.busy is held.
func (m *Manager) worthIt(n *name, names []string, due bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	leaf, now := n.cert.Leaf, m.o.Now()
	if leaf == nil {
		return due && len(names) > 0
	}
	for _, had := range leaf.DNSNames {
		if slices.Contains(n.wanted, had) && !slices.Contains(names, had) && now.Before(lastChance(leaf)) {
			return false // a name server that doesn't answer at the moment takes no name away
		}
	}
	wins := len(missing(names, leaf)) > 0 && !now.Before(n.next) && now.Sub(n.stored) >= growEvery // authorities date certificates back
	return len(names) > 0 && (due || wins)
}

// lastChance is when a certificate is renewed whatever it loses.
func lastChance(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 8)
}

// obtain asks the authority for a certificate and stores it, with its key, where certmagic finds it: in the folder of the first name.
func (m *Manager) obtain(ctx context.Context, n *name, c change) error {
	key, text, err := m.keyFor(ctx, n.name, c.key)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: c.names}, key)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	issued, err := m.issuer.Issue(ctx, csr)
	if err != nil {
		return err
	}
	if _, err := tls.X509KeyPair(issued.Certificate, text); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the authority's certificate can't be used")
	}
	return m.keep(ctx, n.name, c.names, issued, text)
}

// keyFor is the key that a certificate is to have: the one that was made for it, that of the one before, or a new one.
func (m *Manager) keyFor(ctx context.Context, server string, next *nextKey) (key crypto.PrivateKey, text []byte, err error) {
	if next != nil {
		text, err = certmagic.PEMEncodePrivateKey(next.private)
		return next.private, text, err
	}
	if !m.o.NewKeys {
		text, err = m.storage.Load(ctx, certmagic.StorageKeys.SitePrivateKey(m.issuer.IssuerKey(), server))
		if err == nil {
			key, err = certmagic.PEMDecodePrivateKey(text)
			return key, text, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	if key, err = (certmagic.StandardKeyGenerator{KeyType: keyTypes[m.o.KeyType]}).GenerateKey(); err != nil {
		return nil, nil, err
	}
	text, err = certmagic.PEMEncodePrivateKey(key)
	return key, text, err
}

// keep stores a certificate in the three files that certmagic reads.
func (m *Manager) keep(ctx context.Context, server string, names []string, issued *certmagic.IssuedCertificate, key []byte) error {
	data, err := json.Marshal(issued.Metadata)
	if err != nil {
		return err
	}
	meta, err := json.MarshalIndent(certmagic.CertificateResource{SANs: names, IssuerData: data}, "", "\t")
	if err != nil {
		return err
	}
	at, issuer := certmagic.StorageKeys, m.issuer.IssuerKey()
	for _, f := range []struct {
		path string
		text []byte
	}{{at.SitePrivateKey(issuer, server), key}, {at.SiteMeta(issuer, server), meta}, {at.SiteCert(issuer, server), issued.Certificate}} {
		if err := m.storage.Store(ctx, f.path, f.text); err != nil {
			return err
		}
	}
	return nil
}
