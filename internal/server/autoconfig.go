package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/protocol/autoconfig"
	"postroad/internal/protocol/oauthweb"
	"postroad/internal/server/config"
	"postroad/internal/service/oauth"
	"postroad/internal/service/setup"
)

// settingsFirst tells mail programs their settings, at whatever host they ask; all else goes on.
func (s *Server) settingsFirst(h http.Handler) http.Handler {
	if s.config.Autoconfig.Off {
		return h
	}
	return autoconfig.New(autoconfig.Options{
		Settings: s.mailSettings, Base: webBase(s.config), Certificate: s.profileCertificate, Logger: s.log.With("part", "autoconfig"),
		Secure: func(r *http.Request) bool { return r.TLS != nil || viaLoopback(r) }, // a web server in front may have ended TLS
	}).Before(h)
}

// mailSettings are those of a domain here.
func (s *Server) mailSettings(ctx context.Context, name string) (autoconfig.Settings, error) {
	notOurs := fault.New(fault.NotFound, "not a domain of ours")
	domain, err := directory.ParseDomain(name)
	if err != nil {
		return autoconfig.Settings{}, notOurs
	}
	if ours, err := s.store.Directory.IsLocal(ctx, domain); err != nil || !ours {
		return autoconfig.Settings{}, cmp.Or(err, notOurs)
	}
	return autoconfig.Settings{Domain: domain, Name: cmp.Or(s.config.Autoconfig.Name, domain), Services: mailServices(s.config), OAuth2: s.tokensFor()}, nil
}

// tokensFor tells programs of our own provider of tokens, which any of them may register itself with; nil if it is off.
func (s *Server) tokensFor() *autoconfig.OAuth2 {
	if s.oauth == nil {
		return nil
	}
	issuer := s.oauth.Issuer()
	authorize, token := oauthweb.Endpoints(issuer)
	return &autoconfig.OAuth2{Issuer: issuer, Authorize: authorize, Token: token, Scope: oauth.ScopeMail + " " + oauth.ScopeOffline}
}

// mailServices are where people's programs read and send mail: TLS from the first byte before STARTTLS (RFC 8314 §3), and IMAP before POP3.
func mailServices(c config.Config) (all []autoconfig.Service) {
	listening, host := reachableServices(c)
	for _, p := range []struct {
		is   setup.Protocol
		as   autoconfig.Protocol
		told string
	}{{setup.IMAP, autoconfig.IMAP, c.Autoconfig.IMAP}, {setup.POP3, autoconfig.POP3, c.Autoconfig.POP3}, {setup.Submission, autoconfig.Submission, c.Autoconfig.Submission}} {
		switch p.told {
		case "":
			all = append(all, found(listening, p.is, p.as, host)...)
		case config.None:
		default:
			if host, port, implicit, err := config.Place(p.told); err == nil { // which it was when it was read
				all = append(all, autoconfig.Service{Protocol: p.as, Host: host, Port: port, Implicit: implicit})
			}
		}
	}
	return all
}

// publicServices are what mail programs are told, in the words of package setup, if the settings tell them anything else than the listeners; nil
// if not.
func publicServices(c config.Config) (all []setup.Service) {
	if a := c.Autoconfig; a.Off || a.IMAP+a.POP3+a.Submission == "" {
		return nil
	}
	as := map[autoconfig.Protocol]setup.Protocol{autoconfig.IMAP: setup.IMAP, autoconfig.POP3: setup.POP3, autoconfig.Submission: setup.Submission}
	for _, s := range mailServices(c) {
		one := setup.Service{Protocol: as[s.Protocol], Port: s.Port, Implicit: s.Implicit}
		if s.Host != hostOf(c) {
			one.Host = s.Host
		}
		all = append(all, one)
	}
	return all
}

// reachableServices are the listeners that others can reach, at our hostname; if there are none, as in the demo, those for this machine.
func reachableServices(c config.Config) (all []setup.Service, host string) {
	if all = services(c.Listen); len(all) > 0 {
		return all, hostOf(c)
	}
	local := slices.Clone(c.Listen)
	for i := range local {
		if _, port, err := net.SplitHostPort(local[i].Address); err == nil {
			local[i].Address = ":" + port
		}
	}
	return services(local), "localhost"
}

// found are the listeners of a protocol.
func found(listening []setup.Service, is setup.Protocol, as autoconfig.Protocol, host string) (all []autoconfig.Service) {
	for _, l := range listening {
		if l.Protocol == is {
			all = append(all, autoconfig.Service{Protocol: as, Host: host, Port: l.Port, Implicit: l.Implicit})
		}
	}
	slices.SortStableFunc(all, func(a, b autoconfig.Service) int {
		switch {
		case a.Implicit == b.Implicit:
			return 0
		case a.Implicit:
			return -1
		}
		return 1
	})
	return all
}

// webBase is the address of our pages for people.
func webBase(c config.Config) string {
	listening, host := reachableServices(c)
	port := uint16(443)
	if h, p, _, err := config.Place(c.Autoconfig.Web); err == nil {
		host, port = h, p
	} else {
		for _, l := range listening {
			if l.Protocol == setup.HTTP && l.Implicit {
				port = l.Port
				break
			}
		}
	}
	if port == 443 {
		return "https://" + host
	}
	return fmt.Sprintf("https://%s:%d", host, port)
}

// profileCertificate is that of our own name.
func (s *Server) profileCertificate() *tls.Certificate { return s.certs.For(hostOf(s.config)) }
