package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/certs"
	"postroad/internal/service/acme"
)

// openCerts reads the certificates of the settings and the store, and makes a self-signed one if none of the settings is the
// default.
func (s *Server) openCerts(ctx context.Context) (err error) {
	o := certs.Options{Hostname: hostOf(s.config), Now: s.world.Now, Logger: s.log}
	if s.config.TLS.Cert != "" {
		o.Files, o.Default = []certs.Files{certs.Files(s.config.TLS)}, true
	} else if o.SelfSigned, err = s.selfSigned(); err != nil {
		return err
	}
	for _, c := range s.config.Certificate {
		o.Files = append(o.Files, certs.Files(c))
	}
	if s.acme, err = s.openACME(ctx); err != nil {
		return err
	}
	if s.acme != nil {
		o.Managed = s.acme
	}
	if s.certs, err = certs.Open(o); err == nil {
		s.loadImported(ctx)
		err = s.keepNames(ctx)
	}
	if err == nil {
		s.store.Admin.SetCertificates(&certAdmin{storage: s.store.Certificates, server: s, host: hostOf(s.config)})
	}
	return err
}

// selfSigned makes a self-signed certificate, unless there is one.
func (s *Server) selfSigned() (certs.Files, error) {
	dir := filepath.Join(s.config.Data, tlsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return certs.Files{}, fault.Wrap(fault.Unavailable, err, "cannot make the folder for the certificate")
	}
	f := certs.Files{Cert: filepath.Join(dir, selfSigned), Key: filepath.Join(dir, "self-signed.key")}
	subject := certs.Subject{Names: []string{s.config.Hostname, "localhost"},
		IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	made, err := certs.EnsureSelfSigned(f.Cert, f.Key, subject, s.world.Now())
	if made {
		level := slog.LevelWarn
		if strings.HasSuffix(s.config.Hostname, ".test") || s.config.ACME.AcceptTerms {
			level = slog.LevelInfo // a name for tests (RFC 6761 §6.2) can't have a real one; the other is to come
		}
		s.log.Log(context.Background(), level, "no TLS certificate is set: made a self-signed one, which programs will warn of", "file", f.Cert)
	}
	return f, err
}

// keepNames has the certificates of the store in use before anybody connects.
func (s *Server) keepNames(ctx context.Context) error {
	if s.acme == nil {
		return nil
	}
	sets, err := s.certSets(ctx)
	if err == nil {
		s.acme.KeepSets(ctx, sets)
	}
	return err
}

// getCerts gets and renews certificates until ctx ends, as domains come and go.
func (s *Server) getCerts(ctx context.Context) {
	if s.acme != nil {
		s.acme.Run(ctx, s.certSets, func() <-chan struct{} { return s.store.DB.Bell(directory.Partition) })
	}
}

func (s *Server) closeCerts() {
	if s.acme != nil {
		s.acme.Close()
	}
}

// loadImported brings the certificates of the store into use.
func (s *Server) loadImported(ctx context.Context) {
	all, err := s.store.Certificates.Imports(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("cannot read all imported certificates", "err", err)
	}
	s.certs.SetImported(all)
}

// watchCerts uses new certificates soon after their files have changed, or another node has imported one.
func (s *Server) watchCerts(ctx context.Context) {
	s.warnOfEnds()
	warned := s.world.Now()
	every(ctx, certsEvery, func() {
		if err := s.certs.Refresh(); err != nil {
			s.log.Error("cannot read the TLS certificate; the old one stays in use", "err", err)
		}
		s.loadImported(ctx)
		if now := s.world.Now(); now.Sub(warned) >= 24*time.Hour {
			s.warnOfEnds()
			warned = now
		}
	})
}

// endsSoon is how long before its end the log speaks of a certificate that somebody has brought: nobody renews it here.
const endsSoon = 14 * 24 * time.Hour

func (s *Server) warnOfEnds() {
	for _, b := range s.certs.All() {
		if left := b.Leaf.NotAfter.Sub(s.world.Now()); b.Source != certs.SelfSigned && left < endsSoon {
			s.log.Warn("a TLS certificate ends soon, or has ended: bring a new one", "names", b.Leaf.DNSNames, "from", string(b.Source), "until", b.Leaf.NotAfter)
		}
	}
}

// challengesFirst lets an authority see that names are ours.
func (s *Server) challengesFirst(h http.Handler) http.Handler {
	if s.acme == nil {
		return h
	}
	return s.acme.Handler(h)
}

// httpsTLS is the configuration of listeners for HTTPS, where an authority may look. HTTP/2 must be named: net/http would
// offer it and then hang up, if the same http.Server serves a listener without TLS first.
func (s *Server) httpsTLS() *tls.Config {
	c := s.certs.TLS()
	c.NextProtos = []string{"h2", "http/1.1"}
	if s.acme != nil {
		c.NextProtos = append(c.NextProtos, acme.ALPN)
	}
	return c
}

// certCollector shows all certificates' ends.
type certCollector struct{ s *Server }

var (
	certExpires = prometheus.NewDesc("postroad_certificate_name_expires_seconds", "When a name's TLS certificate ends, in Unix seconds.", []string{"name", "source"}, nil)
	certFailing = prometheus.NewDesc("postroad_certificates_failing", "Names whose last attempt to get a certificate failed, or whose files can't be read.", nil, nil)
)

// Describe implements prometheus.Collector.
func (certCollector) Describe(to chan<- *prometheus.Desc) { to <- certExpires; to <- certFailing }

// Collect implements prometheus.Collector.
func (c certCollector) Collect(to chan<- prometheus.Metric) {
	failing, seen := 0, map[string]bool{}
	show := func(name string, source certs.Source, until time.Time) {
		if key := name + " " + string(source); !seen[key] {
			seen[key] = true
			to <- prometheus.MustNewConstMetric(certExpires, prometheus.GaugeValue, float64(until.Unix()), name, string(source))
		}
	}
	for _, b := range c.s.certs.All() {
		for _, name := range b.Leaf.DNSNames {
			show(name, b.Source, b.Leaf.NotAfter)
		}
	}
	if c.s.acme != nil {
		for _, st := range c.s.acme.List() {
			if st.Problem != "" {
				failing++
			}
			if len(st.Chain) > 0 {
				show(st.Name, certs.FromACME, st.Chain[0].NotAfter)
			}
		}
	}
	to <- prometheus.MustNewConstMetric(certFailing, prometheus.GaugeValue, float64(failing))
}
