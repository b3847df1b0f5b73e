package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
)

// Certificate is a TLS certificate that clients may be shown. Its private key is never told.
type Certificate struct {
	Name   string    `json:"name"`             // what it is called by: the first of Names
	Names  []string  `json:"names,omitempty"`  // whom it is for
	Source string    `json:"source"`           // file, imported, acme, self-signed
	Issuer string    `json:"issuer,omitempty"` // the authority
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"` // zero: there is none yet
	// Renew is when it will be renewed, or tried again.
	Renew time.Time `json:"renew,omitzero"`
	// Problem is why the last attempt to get it failed.
	Problem string `json:"problem,omitempty"`
	// Default: who asks for no name of ours gets it.
	Default bool `json:"default,omitempty"`
	// TLSA is what DANE's record says of its key, and NextTLSA that of the key to come, if one was made.
	TLSA     string `json:"tlsa,omitempty"`
	NextTLSA string `json:"next_tlsa,omitempty"`
}

// CertificateRenewal says which certificate to renew, and how.
type CertificateRenewal struct {
	Name string `json:"name"`
	// NewKey: with the key that was announced by NextCertificateKey, or a new one.
	NewKey bool `json:"new_key,omitempty"`
	// Unpublished: also if that key is younger than a day.
	Unpublished bool `json:"unpublished,omitempty"`
	// Revoke: then have the authority revoke the old one, whose key was stolen. It needs NewKey.
	Revoke bool `json:"revoke,omitempty"`
}

// CertificateImport is a certificate that somebody brings.
type CertificateImport struct {
	Certificate string `json:"certificate"` // PEM, those that lead to its root behind it
	Key         string `json:"key"`         // PEM
}

// CertificateAdmin is what an administrator can do with TLS certificates.
type CertificateAdmin interface {
	// Certificates lists all. Of a stopped server it is those that are stored.
	Certificates(ctx context.Context) ([]Certificate, error)
	// RenewCertificate gets a certificate anew from the authority, now. fault.NotFound if none is got for the name, fault.Conflict if
	// the new key is too young, fault.Unsupported on a stopped server.
	RenewCertificate(ctx context.Context, r CertificateRenewal) (Certificate, error)
	// ImportCertificate stores a certificate and brings it into use. fault.Invalid if it can't be.
	ImportCertificate(ctx context.Context, c CertificateImport) (Certificate, error)
	// RemoveCertificate removes an imported one, by its name.
	RemoveCertificate(ctx context.Context, name string) error
	// NextCertificateKey makes the key that a name's certificate shall have next, and tells its TLSA record. It is
	// used by the next RenewCertificate with NewKey.
	NextCertificateKey(ctx context.Context, name string) (NextKey, error)
}

// NextKey is a key to come.
type NextKey struct {
	TLSA string `json:"tlsa"`
}

// SetCertificates gives d somebody who knows of certificates. Call it before anybody asks.
func (d *Direct) SetCertificates(c CertificateAdmin) { d.certs = c }

var errNoCertificates = fault.New(fault.Unsupported, "this server knows nothing of certificates")

// Certificates implements Admin.
func (d *Direct) Certificates(ctx context.Context) ([]Certificate, error) {
	if d.certs == nil {
		return nil, errNoCertificates
	}
	return d.certs.Certificates(ctx)
}

// RenewCertificate implements Admin.
func (d *Direct) RenewCertificate(ctx context.Context, r CertificateRenewal) (Certificate, error) {
	if d.certs == nil {
		return Certificate{}, errNoCertificates
	}
	return d.certs.RenewCertificate(ctx, r)
}

// ImportCertificate implements Admin.
func (d *Direct) ImportCertificate(ctx context.Context, c CertificateImport) (Certificate, error) {
	if d.certs == nil {
		return Certificate{}, errNoCertificates
	}
	return d.certs.ImportCertificate(ctx, c)
}

// RemoveCertificate implements Admin.
func (d *Direct) RemoveCertificate(ctx context.Context, name string) error {
	if d.certs == nil {
		return errNoCertificates
	}
	return d.certs.RemoveCertificate(ctx, name)
}

// NextCertificateKey implements Admin.
func (d *Direct) NextCertificateKey(ctx context.Context, name string) (NextKey, error) {
	if d.certs == nil {
		return NextKey{}, errNoCertificates
	}
	return d.certs.NextCertificateKey(ctx, name)
}

func (c *Client) Certificates(ctx context.Context) ([]Certificate, error) {
	return call[[]Certificate](ctx, c, "cert.list", none{})
}
func (c *Client) RenewCertificate(ctx context.Context, r CertificateRenewal) (Certificate, error) {
	return call[Certificate](ctx, c, "cert.renew", r)
}
func (c *Client) ImportCertificate(ctx context.Context, i CertificateImport) (Certificate, error) {
	return call[Certificate](ctx, c, "cert.import", i)
}
func (c *Client) RemoveCertificate(ctx context.Context, name string) error {
	return do(ctx, c, "cert.remove", nameArg{name})
}
func (c *Client) NextCertificateKey(ctx context.Context, name string) (NextKey, error) {
	return call[NextKey](ctx, c, "cert.key", nameArg{name})
}
