package server

import (
	"context"
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"

	"postroad/internal/server/config"
	"postroad/internal/service/auth"
)

// openSignIn makes what signs people in, for all protocols.
func (s *Server) openSignIn(ctx context.Context) (err error) {
	c := s.config.Auth
	if s.clients, err = openClientCerts(c); err != nil {
		return err
	}
	o := auth.Options{
		Now: s.world.Now, Rand: s.world.Rand, Logger: s.log.With("part", "auth"), DB: s.store.DB, CRAMMD5: c.CRAMMD5, APOP: c.APOP,
		Note: noteSignIn(s.store.Audit),
	}
	o.RequireTwoStep = c.TwoStep == config.Compulsory
	if o.Site, err = passkeySite(s.config); err != nil {
		return err
	}
	if s.clients != nil {
		o.ClientRoots, o.Revoked = s.clients.roots, s.clients.revoked
	}
	if out := s.store.outside; len(out.all) > 0 {
		o.Outside = out
	}
	if o.Tokens, err = s.tokenVerifier(ctx); err != nil {
		return err
	}
	if s.oauth != nil {
		o.Holds = s.oauth.Holds
	}
	s.engine = auth.New(s.store.Directory, o)
	s.store.Admin.SetSignIns(s.engine)
	s.metrics.signIns(s.engine)
	return s.engine.Load(ctx)
}

// mailTLS is TLS for people's programs, which may have to show a certificate. Other servers aren't asked for one.
func (s *Server) mailTLS() *tls.Config {
	c := s.certs.TLS()
	if s.clients == nil {
		return c
	}
	c = c.Clone()
	// Whether it is good is asked when somebody wants to sign in by it: a bad one is no reason to refuse the connection.
	c.ClientAuth, c.ClientCAs = tls.RequestClientCert, s.clients.roots
	return c
}

// signIns shows who is signed in.
func (m *metrics) signIns(e *auth.Engine) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postroad_sessions", Help: "Connections on which somebody is signed in."},
		func() float64 { return float64(len(e.Sessions())) }))
}
