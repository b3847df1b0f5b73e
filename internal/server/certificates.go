package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/certs"
	"postroad/internal/server/config"
	"postroad/internal/service/acme"
	"postroad/internal/service/dns"
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

// openACME makes what gets certificates; nil if the settings don't ask for it, or this server stays off the network.
func (s *Server) openACME(ctx context.Context) (*acme.Manager, error) {
	a := s.config.ACME
	if !a.AcceptTerms || !s.world.Online && s.world.Resolver == nil {
		return nil, nil
	}
	o := acme.Options{Storage: s.store.Certificates, Directory: a.Authority(), Contact: a.Email, Profile: a.Profile, KeyType: a.KeyType,
		NewKeys: a.NewKeys, Staple: s.world.Online, Now: s.world.Now, Logger: s.log.With("part", "acme")}
	for _, l := range s.config.Listen {
		if l.Protocol == config.HTTP {
			o.HTTP01, o.TLSALPN01 = o.HTTP01 || l.TLS == config.NoTLS, o.TLSALPN01 || l.TLS == config.Implicit
		}
	}
	resolver, err := newResolver(s.config.DNS, s.world)
	if err != nil {
		return nil, err
	}
	o.Reachable = reachable(resolver, hostOf(s.config))
	if o.HTTP, err = acmeClient(a.CAFile, s.world); err != nil {
		return nil, err
	}
	if o.EAB, err = eabOf(a); err != nil {
		return nil, err
	}
	if o.DNS01, err = updateOf(a.Update, s.world, resolver); err != nil {
		return nil, err
	}
	m := acme.New(o)
	return m, s.seedKey(ctx, m)
}

// seedKey gives the host's certificate the key of the self-signed one, so that what TLSA records say of it is true
// before and after the first certificate comes.
func (s *Server) seedKey(ctx context.Context, m *acme.Manager) error {
	if s.config.TLS.Cert != "" || s.config.ACME.KeyType != "" && s.config.ACME.KeyType != "p256" {
		return nil
	}
	key, err := os.ReadFile(filepath.Join(s.config.Data, tlsDir, "self-signed.key"))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot read the self-signed certificate's key")
	}
	return m.SeedKey(ctx, hostOf(s.config), key)
}

// acmeClient asks the authority over the world's network.
func acmeClient(caFile string, w World) (*http.Client, error) {
	roots := w.Roots
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fault.Wrap(fault.NotFound, err, "cannot read acme.ca_file")
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "acme.ca_file %s holds no certificate", caFile)
		}
	}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: w.Dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 30 * time.Second, IdleConnTimeout: time.Minute,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: w.Now},
	}}, nil
}

func eabOf(a config.ACME) (*acme.EAB, error) {
	if a.EABKeyID == "" {
		return nil, nil
	}
	key, err := firstLine(a.EABKeyFile)
	if err != nil {
		return nil, err
	}
	return &acme.EAB{KeyID: a.EABKeyID, MACKey: key}, nil
}

func updateOf(d config.DNSUpdate, w World, r dns.Resolver) (*acme.Update, error) {
	if d.Server == "" {
		return nil, nil
	}
	u := &acme.Update{Server: d.Address(), Zone: d.Zone, KeyName: d.KeyName, KeyAlgorithm: d.KeyAlgorithm,
		TTL: time.Duration(d.TTL), Resolver: r, Dial: w.Dial}
	if d.KeyName == "" {
		return u, nil
	}
	var err error
	if u.KeySecret, err = firstLine(d.KeyFile); err != nil {
		return nil, err
	}
	if _, err := base64.StdEncoding.DecodeString(u.KeySecret); err != nil {
		return nil, fault.New(fault.Invalid, "acme.dns.key_file: the first line is not base64")
	}
	return u, nil
}

// reachable makes a check that a name leads where the host does: an authority would look there, and count the failure.
func reachable(r dns.Resolver, host string) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		ctx, cancel := context.WithTimeout(ctx, keyLookup)
		defer cancel()
		found, err := r.LookupIP(ctx, name)
		if err != nil {
			return fault.New(fault.Unavailable, "the DNS has no address of %s: %s", name, fault.TextOf(err))
		}
		if name == host {
			return nil
		}
		ours, err := r.LookupIP(ctx, host)
		if err != nil {
			return fault.New(fault.Unavailable, "the DNS has no address of %s: %s", host, fault.TextOf(err))
		}
		if !slices.ContainsFunc(found.Records, func(a netip.Addr) bool { return slices.Contains(ours.Records, a) }) {
			return fault.New(fault.Unavailable, "%s leads to another host than %s", name, host)
		}
		return nil
	}
}

// certNames are those for which certificates are to be got.
func (s *Server) certNames(ctx context.Context) ([]string, error) {
	all := append([]string{hostOf(s.config)}, s.config.ACME.Names...)
	for d, err := range s.store.Directory.Domains(ctx) {
		if err != nil {
			return nil, err
		}
		for _, prefix := range s.config.ACME.Prefixes() {
			if prefix != "mta-sts" || s.config.MTASTS.ModeOf(d.Name) != config.Off {
				all = append(all, prefix+"."+d.Name)
			}
		}
	}
	// A name without a dot is a machine's that nobody named: no authority can look there.
	all = slices.DeleteFunc(all, func(name string) bool { return s.certs.Brought(name) || !strings.Contains(name, ".") })
	slices.Sort(all)
	return slices.Compact(all), nil
}

// keepNames has the certificates of the store in use before anybody connects.
func (s *Server) keepNames(ctx context.Context) error {
	if s.acme == nil {
		return nil
	}
	names, err := s.certNames(ctx)
	if err == nil {
		s.acme.Keep(ctx, names)
	}
	return err
}

// getCerts gets and renews certificates until ctx ends, as domains come and go.
func (s *Server) getCerts(ctx context.Context) {
	if s.acme != nil {
		s.acme.Run(ctx, s.certNames, func() <-chan struct{} { return s.store.DB.Bell(directory.Partition) })
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

// httpsTLS is the configuration of listeners for HTTPS, where an authority may look.
func (s *Server) httpsTLS() *tls.Config {
	c := s.certs.TLS()
	if s.acme != nil {
		c.NextProtos = []string{acme.ALPN}
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
