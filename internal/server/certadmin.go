package server

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io/fs"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/certs"
	"postroad/internal/service/acme"
)

// certAdmin answers administrators about certificates, of a server that runs or is stopped.
type certAdmin struct {
	storage *acme.Storage
	server  *Server // nil: it is stopped
	host    string
}

var _ admin.CertificateAdmin = (*certAdmin)(nil)

var errStopped = fault.New(fault.Unsupported, "certificates are got by a running server: start it")

// Certificates implements admin.CertificateAdmin.
func (a *certAdmin) Certificates(ctx context.Context) (all []admin.Certificate, err error) {
	if a.server == nil {
		return a.stored(ctx)
	}
	for _, b := range a.server.certs.All() {
		if c, err := x509.ParseCertificate(b.Certificate.Certificate[0]); err == nil {
			all = append(all, describe(c, b.Source))
		}
	}
	if a.server.acme != nil {
		for _, s := range a.server.acme.List() {
			all = append(all, a.managed(ctx, s))
		}
	}
	return a.sorted(all), nil
}

// stored are those in the store, of a server that is stopped.
func (a *certAdmin) stored(ctx context.Context) (all []admin.Certificate, err error) {
	found, err := a.storage.Stored(ctx)
	for _, s := range found {
		source := certs.FromACME
		if s.Imported {
			source = certs.Imported
		}
		all = append(all, describe(s.Chain[0], source))
	}
	return a.sorted(all), err
}

func (a *certAdmin) sorted(all []admin.Certificate) []admin.Certificate {
	slices.SortFunc(all, func(x, y admin.Certificate) int {
		switch {
		case x.Name < y.Name:
			return -1
		case x.Name > y.Name:
			return 1
		}
		return x.Until.Compare(y.Until)
	})
	if a.server == nil {
		return all
	}
	chosen := tlsaOf(a.server.certs.Leaf().RawSubjectPublicKeyInfo)
	for i, c := range all {
		if c.TLSA == chosen && c.Until.Equal(a.server.certs.Leaf().NotAfter) {
			all[i].Default = true
			break
		}
	}
	return all
}

func (a *certAdmin) managed(ctx context.Context, s acme.Status) admin.Certificate {
	c := admin.Certificate{Name: s.Name, Names: s.Names, Source: string(certs.FromACME)}
	if len(s.Chain) > 0 {
		c = describe(s.Chain[0], certs.FromACME)
		c.Name = s.Name
	}
	c.Renew, c.Problem = s.Renew, s.Problem
	if next, err := a.storage.NextPublic(ctx, s.Name); err == nil {
		c.NextTLSA, _ = tlsaOfKey(next)
	}
	return c
}

func describe(c *x509.Certificate, source certs.Source) admin.Certificate {
	d := admin.Certificate{Name: c.Subject.CommonName, Names: c.DNSNames, Source: string(source), From: c.NotBefore, Until: c.NotAfter,
		Issuer: c.Issuer.CommonName, TLSA: tlsaOf(c.RawSubjectPublicKeyInfo)}
	if len(c.DNSNames) > 0 {
		d.Name = c.DNSNames[0]
	}
	if d.Issuer == "" && len(c.Issuer.Organization) > 0 {
		d.Issuer = c.Issuer.Organization[0]
	}
	return d
}

// tlsaOf is a TLSA record that holds for a key, whatever the certificate (RFC 7672 §3.1.1).
func tlsaOf(spki []byte) string {
	sum := sha256.Sum256(spki)
	return "3 1 1 " + hex.EncodeToString(sum[:])
}

func tlsaOfKey(public crypto.PublicKey) (string, error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	return tlsaOf(spki), err
}

// RenewCertificate implements admin.CertificateAdmin.
func (a *certAdmin) RenewCertificate(ctx context.Context, r admin.CertificateRenewal) (admin.Certificate, error) {
	if a.server == nil {
		return admin.Certificate{}, errStopped
	}
	if a.server.acme == nil {
		return admin.Certificate{}, fault.New(fault.Unsupported, "no certificates are got from an authority here: see [acme] in the settings")
	}
	if err := a.server.acme.Renew(ctx, r.Name, acme.Renewal{NewKey: r.NewKey, Unpublished: r.Unpublished, Revoke: r.Revoke}); err != nil {
		return admin.Certificate{}, err
	}
	for _, s := range a.server.acme.List() {
		if s.Name == r.Name || slices.Contains(s.Names, r.Name) {
			return a.managed(ctx, s), nil
		}
	}
	return admin.Certificate{}, fault.New(fault.NotFound, "%s is gone", r.Name)
}

// ImportCertificate implements admin.CertificateAdmin.
func (a *certAdmin) ImportCertificate(ctx context.Context, c admin.CertificateImport) (admin.Certificate, error) {
	s, err := a.storage.Import(ctx, []byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return admin.Certificate{}, err
	}
	a.changed(ctx)
	return describe(s.Chain[0], certs.Imported), nil
}

// RemoveCertificate implements admin.CertificateAdmin.
func (a *certAdmin) RemoveCertificate(ctx context.Context, name string) error {
	err := a.storage.RemoveImport(ctx, name)
	if err == nil {
		a.changed(ctx)
	}
	return err
}

// changed brings what was imported, or removed, into effect.
func (a *certAdmin) changed(ctx context.Context) {
	if a.server != nil {
		a.server.loadImported(ctx)
		if a.server.acme != nil {
			a.server.acme.Look()
		}
	}
}

// NextCertificateKey implements admin.CertificateAdmin.
func (a *certAdmin) NextCertificateKey(ctx context.Context, name string) (admin.NextKey, error) {
	var public crypto.PublicKey
	var err error
	switch {
	case a.server != nil && a.server.acme != nil:
		public, err = a.server.acme.NextKey(ctx, name)
	default:
		if public, err = a.storage.NextPublic(ctx, name); errors.Is(err, fs.ErrNotExist) {
			err = errStopped
		}
	}
	if err != nil {
		return admin.NextKey{}, err
	}
	tlsa, err := tlsaOfKey(public)
	return admin.NextKey{TLSA: tlsa}, err
}
