package server

import (
	"net"
	"net/http"
	"net/url"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/protocol/autoconfig"
	"postroad/internal/protocol/selfweb"
	"postroad/internal/server/config"
	"postroad/internal/service/passkey"
)

// passkeySite is who asks for passkeys: our pages, where browsers reach them. Passkeys are made for a name, so none can be where it would be an address.
func passkeySite(c config.Config) (*passkey.Site, error) {
	base, err := url.Parse(webBase(c))
	if err != nil || net.ParseIP(base.Hostname()) != nil {
		return nil, nil
	}
	site := &passkey.Site{ID: base.Hostname(), Name: c.Hostname, Origins: []string{base.Scheme + "://" + base.Host}}
	if d := c.Auth.PasskeyDomain; d != "" {
		if !config.Within(site.ID, d) {
			return nil, fault.New(fault.Invalid, "auth.passkey_domain %q: our pages are at %s, which is not in it: if people reach them by another name, say so in autoconfig.web", d, site.ID)
		}
		site.ID = d
	}
	if u, err := url.Parse(c.OAuth.Issuer); err == nil && u.Scheme == "https" && config.Within(u.Hostname(), site.ID) {
		site.Origins = append(site.Origins, "https://"+u.Host)
	}
	if site.ID == "localhost" { // browsers take that for safe also in the clear
		site.Origins = append(site.Origins, plainOrigins(c)...)
	}
	slices.Sort(site.Origins)
	site.Origins = slices.Compact(site.Origins)
	return site, nil
}

// plainOrigins are those of the listeners without TLS.
func plainOrigins(c config.Config) (all []string) {
	for _, l := range c.Listen {
		if _, port, err := net.SplitHostPort(l.Address); err == nil && l.Protocol == config.HTTP && l.TLS == config.NoTLS {
			all = append(all, "http://localhost:"+port)
		}
	}
	return all
}

// mountPages puts people's own pages in their place.
func (s *Server) mountPages(mux *http.ServeMux) error {
	if s.config.Pages.Off {
		return nil
	}
	c := selfweb.Config{
		Engine: s.engine, Directory: s.store.Directory, Mailboxes: s.store.Mailboxes, Audit: s.store.Audit, Fetched: s.store.Fetch, Name: hostOf(s.config),
		TimeZone: s.config.Sieve.TimeZone, RequireTwoStep: s.config.Auth.TwoStep == config.Compulsory, Now: s.world.Now, Logger: s.log.With("part", "pages"),
	}
	if s.oauth != nil {
		c.Grants = s.oauth
	}
	if !s.config.Autoconfig.Off {
		c.Services, c.SetupURL = pageServices(s.config), webBase(s.config)+autoconfig.SetupPath
		c.ProfileURL = webBase(s.config) + autoconfig.ProfilePath
	}
	pages, err := selfweb.New(c)
	if err != nil {
		return err
	}
	mux.Handle(selfweb.Path, safely(pages))
	mux.Handle(selfweb.Path+"/", safely(pages))
	return nil
}

// pageServices are those that mail programs are told.
func pageServices(c config.Config) (all []selfweb.Service) {
	for _, s := range mailServices(c) {
		all = append(all, selfweb.Service{What: string(s.Protocol), Host: s.Host, Port: s.Port, Implicit: s.Implicit})
	}
	return all
}
