package server

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/config"
)

// clientCerts are the authorities whose certificates clients may sign in by, and what they have revoked. Nil: there are none.
type clientCerts struct {
	roots *x509.CertPool
	all   []*x509.Certificate
	file  string // of revoked ones; "": there is none

	lists atomic.Pointer[revocations]
}

// revocations are the serial numbers of revoked certificates, by raw issuer.
type revocations struct {
	changed time.Time // of the file
	serials map[string]map[string]bool
}

func openClientCerts(c config.Auth) (*clientCerts, error) {
	if c.ClientCA == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot read auth.client_ca")
	}
	k := &clientCerts{roots: x509.NewCertPool(), file: c.ClientCRL}
	for _, der := range blocks(b, "CERTIFICATE") {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "cannot read auth.client_ca")
		}
		k.roots.AddCert(cert)
		k.all = append(k.all, cert)
	}
	if len(k.all) == 0 {
		return nil, fault.New(fault.Invalid, "auth.client_ca: there is no certificate in %s", c.ClientCA)
	}
	return k, k.reload()
}

// blocks are the PEM blocks of a type; a file without any is taken for one in DER.
func blocks(b []byte, kind string) (all [][]byte) {
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == kind {
			all = append(all, block.Bytes)
		}
	}
	if all == nil && len(b) > 0 && b[0] == 0x30 {
		all = append(all, b)
	}
	return all
}

// refresh reads the lists again if their file has changed.
func (k *clientCerts) refresh() error {
	if k == nil || k.file == "" {
		return nil
	}
	info, err := os.Stat(k.file)
	if err != nil || info.ModTime().Equal(k.lists.Load().changed) {
		return err
	}
	return k.reload()
}

// reload reads the lists of revoked certificates. If that fails the old ones stay.
func (k *clientCerts) reload() error {
	if k == nil {
		return nil
	}
	if k.file == "" {
		k.lists.Store(&revocations{})
		return nil
	}
	info, err := os.Stat(k.file)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot read auth.client_crl")
	}
	b, err := os.ReadFile(k.file)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot read auth.client_crl")
	}
	r := &revocations{changed: info.ModTime(), serials: map[string]map[string]bool{}}
	for _, der := range blocks(b, "X509 CRL") {
		if err := k.add(r, der); err != nil {
			return err
		}
	}
	k.lists.Store(r)
	return nil
}

// add takes in one list, which its authority must have signed (RFC 5280 §6.3).
func (k *clientCerts) add(r *revocations, der []byte) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "cannot read auth.client_crl")
	}
	for _, ca := range k.all {
		if string(ca.RawSubject) != string(list.RawIssuer) || list.CheckSignatureFrom(ca) != nil {
			continue
		}
		serials := r.serials[string(list.RawIssuer)] // there may be several lists, as after a change of its key
		if serials == nil {
			serials = map[string]bool{}
			r.serials[string(list.RawIssuer)] = serials
		}
		for _, e := range list.RevokedCertificateEntries {
			serials[e.SerialNumber.String()] = true
		}
		return nil
	}
	return fault.New(fault.Invalid, "auth.client_crl: a list is signed by none of auth.client_ca")
}

func (k *clientCerts) revoked(c *x509.Certificate) bool {
	return k.lists.Load().serials[string(c.RawIssuer)][c.SerialNumber.String()]
}

// watchClients uses new lists of revoked client certificates soon after their file has changed.
func (s *Server) watchClients(ctx context.Context) {
	every(ctx, certsEvery, func() {
		if err := s.useRevocations(s.clients.refresh); err != nil {
			s.log.Error("cannot read the list of revoked client certificates; the old one stays in use", "err", err)
		}
	})
}

// useRevocations reads the lists of revoked certificates by one of the ways to do so, and ends the sessions that were signed in to by those in them.
func (s *Server) useRevocations(read func() error) error {
	err := read()
	if n := s.engine.EndRevoked(); n > 0 {
		s.log.Info("certificates were revoked: who had signed in by them is signed out", "sessions", n)
	}
	return err
}
