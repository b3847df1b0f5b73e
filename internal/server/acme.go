package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/acme"
	"postroad/internal/service/dns"
)

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
