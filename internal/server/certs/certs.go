// Package certs keeps the server's TLS certificate: read from files, read again
// when they change, or self-signed for an installation that has none yet.
//
// Connections get the newest certificate by tls.Config's GetCertificate, so a
// renewal needs no restart and disturbs nobody.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
)

// Keeper holds the certificate in use. It is safe for concurrent use.
type Keeper struct {
	certFile, keyFile string
	log               *slog.Logger

	mu    sync.Mutex // guards stamp and serialises Reload
	stamp [2]fileStamp

	now atomic.Pointer[tls.Certificate]
}

// fileStamp tells a file's states apart without reading it.
type fileStamp struct {
	size     int64
	modified time.Time
}

// Open reads the certificate and its key. It fails with fault.Invalid if they
// are no pair, with fault.NotFound if a file is missing.
func Open(certFile, keyFile string, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{certFile: certFile, keyFile: keyFile, log: log}
	return k, k.Reload()
}

// Reload reads the files again. If that fails, the certificate in use stays.
func (k *Keeper) Reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reload()
}

func (k *Keeper) reload() error {
	stamp, err := k.look()
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "cannot find the TLS certificate")
	}
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "cannot use the TLS certificate "+k.certFile)
	}
	k.now.Store(&pair)
	k.stamp = stamp
	k.log.Info("using TLS certificate", "file", k.certFile, "names", pair.Leaf.DNSNames, "until", pair.Leaf.NotAfter)
	return nil
}

// Refresh reads the files again if they have changed since they were last read
// with success. A half-written pair is tried again at the next call.
func (k *Keeper) Refresh() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamp, err := k.look()
	if err == nil && stamp == k.stamp {
		return nil
	}
	return k.reload()
}

func (k *Keeper) look() (s [2]fileStamp, err error) {
	for i, name := range []string{k.certFile, k.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = fileStamp{info.Size(), info.ModTime()}
	}
	return s, nil
}

// TLS returns the configuration for listeners. Older versions than TLS 1.2 are
// refused (RFC 8996).
func (k *Keeper) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return k.now.Load(), nil
		},
	}
}

// Leaf returns the certificate in use.
func (k *Keeper) Leaf() *x509.Certificate { return k.now.Load().Leaf }
