package acme

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"

	"postroad/internal/fault"
)

// Stored is a certificate in the storage, whoever brought it.
type Stored struct {
	Name     string // the first of its names
	Imported bool   // else it is an authority's
	Chain    []*x509.Certificate
}

// Stored lists all certificates in the storage. It works also while the server is stopped.
func (s *Storage) Stored(ctx context.Context) ([]Stored, error) {
	var all []Stored
	for _, folder := range []string{"certificates", importFolder} {
		files, err := s.List(ctx, folder, true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range files {
			if !strings.HasSuffix(f, ".crt") && !strings.HasSuffix(f, importExt) {
				continue
			}
			text, err := s.Load(ctx, f)
			if err != nil {
				return nil, err
			}
			if chain := parseChain(text); len(chain) > 0 {
				all = append(all, Stored{Name: nameOf(chain[0]), Imported: folder == importFolder, Chain: chain})
			}
		}
	}
	return all, nil
}

// Chain is the newest stored certificate of an authority for a name, with those that lead to its root; nil if there is none.
func (s *Storage) Chain(ctx context.Context, server string) []*x509.Certificate {
	all, err := s.Stored(ctx)
	if err != nil {
		return nil
	}
	var best []*x509.Certificate
	for _, c := range all {
		if c.Chain[0].VerifyHostname(server) == nil && (best == nil || c.Chain[0].NotBefore.After(best[0].NotBefore)) {
			best = c.Chain
		}
	}
	return best
}

func parseChain(text []byte) (chain []*x509.Certificate) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return chain
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			chain = append(chain, c)
		}
	}
}

// nameOf is what a certificate is called by: the first host that it is for.
func nameOf(leaf *x509.Certificate) string {
	if len(leaf.DNSNames) > 0 {
		return strings.ToLower(leaf.DNSNames[0])
	}
	return leaf.Subject.CommonName
}

// An imported certificate is one file, with its key: so there is never one without the other.
const (
	importFolder = "imported"
	importExt    = ".pem"
)

func importFile(name string) string {
	return importFolder + "/" + certmagic.StorageKeys.Safe(name) + importExt
}

// maxImport bounds a file that is imported.
const maxImport = 256 << 10

// Import stores a certificate that somebody brings, PEM with those that lead to its root behind it, and its key. One with the
// same first name is replaced. fault.Invalid if the two don't belong together, or the certificate is for no host.
func (s *Storage) Import(ctx context.Context, cert, key []byte) (Stored, error) {
	if len(cert) > maxImport || len(key) > maxImport {
		return Stored{}, fault.New(fault.TooLarge, "a certificate with its chain has at most %d bytes", maxImport)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return Stored{}, fault.New(fault.Invalid, "this is no certificate with its key: %s", strings.TrimPrefix(err.Error(), "tls: "))
	}
	name := nameOf(pair.Leaf)
	if len(pair.Leaf.DNSNames) == 0 || certmagic.StorageKeys.Safe(name) == "" {
		return Stored{}, fault.New(fault.Invalid, "the certificate is for no host's name")
	}
	text := slices.Concat(bytes.TrimSpace(cert), []byte("\n"), bytes.TrimSpace(key), []byte("\n"))
	return Stored{Name: name, Imported: true, Chain: parseChain(cert)}, s.Store(ctx, importFile(name), text)
}

// RemoveImport removes an imported certificate. fault.NotFound if there is none of that name.
func (s *Storage) RemoveImport(ctx context.Context, name string) error {
	if !s.Exists(ctx, importFile(fold(name))) {
		return fault.New(fault.NotFound, "there is no imported certificate for %s", name)
	}
	return s.Delete(ctx, importFile(fold(name)))
}

// Imports reads all imported certificates. What can't be read is passed over, and told as an error beside the rest.
func (s *Storage) Imports(ctx context.Context) (all []*tls.Certificate, failed error) {
	files, err := s.List(ctx, importFolder, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		text, err := s.Load(ctx, f)
		pair, pairErr := tls.X509KeyPair(text, text)
		if e := errors.Join(err, pairErr); e != nil {
			failed = errors.Join(failed, fault.Wrap(fault.Corrupt, e, "imported certificate "+f))
			continue
		}
		all = append(all, &pair)
	}
	return all, errors.Join(err, failed)
}
