package certs

import (
	"crypto/tls"
	"log/slog"
	"os"
	"time"

	"postroad/internal/fault"
)

// Files name a certificate and its key.
type Files struct{ Cert, Key string }

// pair is a certificate in two files.
type pair struct {
	files Files
	stamp [2]fileStamp
	cert  *tls.Certificate // nil: not read yet
}

// fileStamp tells a file's states apart without reading it.
type fileStamp struct {
	size     int64
	modified time.Time
}

// update reads the files, if they have changed or always is set. If that fails, what was read before stays.
func (p *pair) update(always bool, log *slog.Logger) error {
	stamp, err := p.look()
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "cannot find the TLS certificate")
	}
	if !always && stamp == p.stamp {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(p.files.Cert, p.files.Key)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "cannot use the TLS certificate "+p.files.Cert)
	}
	p.cert, p.stamp = &cert, stamp
	log.Info("using TLS certificate", "file", p.files.Cert, "names", cert.Leaf.DNSNames, "until", cert.Leaf.NotAfter)
	return nil
}

func (p *pair) look() (s [2]fileStamp, err error) {
	for i, name := range []string{p.files.Cert, p.files.Key} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = fileStamp{info.Size(), info.ModTime()}
	}
	return s, nil
}
