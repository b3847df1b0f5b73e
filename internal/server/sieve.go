package server

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
	"postroad/internal/protocol/managesieve"
	"postroad/internal/server/config"
	"postroad/internal/service/auth"
	"postroad/internal/service/sieve"
	filters "postroad/internal/service/sieve/rules"
)

// openRules makes the rules by which people's mail is filtered: their own scripts, and the administrator's.
func openRules(c config.Config, w World, dir *directory.Directory, boxes *mailbox.Store) (*filters.Rules, error) {
	o := filters.Options{Dir: dir, Store: boxes, Host: c.Hostname, Now: w.Now, Global: globalScripts(c.Sieve.Global)}
	var err error
	if o.Location, err = c.Sieve.Location(); err != nil {
		return nil, err
	}
	if o.Before, err = readScripts(c.Sieve.Before, o.Global); err != nil {
		return nil, err
	}
	o.After, err = readScripts(c.Sieve.After, o.Global)
	return filters.New(o), err
}

// sieveFront lets people's programs keep their scripts.
func (s *Server) sieveFront(engine *auth.Engine) frontEnd {
	l := s.config.Limits
	server := managesieve.New(managesieve.Config{
		Auth: engine, Mailboxes: s.store.Mailboxes, Compiler: s.store.Rules, Extensions: s.store.Rules.Extensions(), Lists: filters.Lists(), MaxRedirects: filters.MaxRedirects,
		TLS: s.mailTLS(), Certificate: s.certs.LeafFor, Logger: s.log,
		Limits: managesieve.Limits{Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress},
	})
	s.metrics.sieve(server)
	return &front{
		func(ctx context.Context, n net.Listener, c config.Listener) error {
			return server.Serve(ctx, n, managesieve.ListenerOptions{ImplicitTLS: c.TLS == config.Implicit, PlainAllowed: c.PlainLogin})
		}, server.Shutdown}
}

// sieve shows what the ManageSieve server counts.
func (m *metrics) sieve(s *managesieve.Server) {
	m.open(config.ManageSieve, func() float64 { return float64(s.Stats().Open) })
	count := func(name, help string, value func(managesieve.Stats) uint64) {
		m.counter("postroad_managesieve_"+name+"_total", help, func() float64 { return float64(value(s.Stats())) })
	}
	count("connections", "ManageSieve connections.", func(c managesieve.Stats) uint64 { return c.Connections })
	count("connections_refused", "Connections turned away by limits.", func(c managesieve.Stats) uint64 { return c.Refused })
	count("commands", "Commands.", func(c managesieve.Stats) uint64 { return c.Commands })
	count("errors", "Wrong commands and failed sign-ins.", func(c managesieve.Stats) uint64 { return c.Errors })
	count("panics", panicsHelp, func(c managesieve.Stats) uint64 { return c.Panics })
}

// readScripts compiles the scripts in files.
func readScripts(files []string, global func(string) (string, bool)) ([]*sieve.Script, error) {
	var all []*sieve.Script
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the filter script "+name+" can't be read")
		}
		s, err := filters.CompileGlobal(filepath.Base(name), string(text), global, sieve.Limits{})
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the filter script "+name+" is wrong: "+err.Error())
		}
		all = append(all, s)
	}
	return all, nil
}

// globalScripts finds the scripts that all may include; nil if there are none.
func globalScripts(folder string) func(name string) (string, bool) {
	if folder == "" {
		return nil
	}
	return func(name string) (string, bool) {
		if !sieve.ValidName(name) || name[0] == '.' { // it has no "/" then
			return "", false
		}
		text, err := os.ReadFile(filepath.Join(folder, name+".sieve"))
		return string(text), err == nil
	}
}
