package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
func openRules(c config.Config, w World, s *Store) (*filters.Rules, error) {
	o := filters.Options{Dir: s.Directory, Store: s.Mailboxes, Knows: s.knows, Host: c.Hostname, Now: w.Now, Global: globalScripts(c.Sieve.Global), Viruses: c.LooksForViruses()}
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

// knows reports whether an account's owner has written to an address, or has it among the contacts.
func (s *Store) knows(ctx context.Context, box *mailbox.Session, address string) (bool, error) {
	a, err := directory.Parse(address)
	if err != nil || s.Junk == nil {
		return false, nil
	}
	return s.Junk.Knows(ctx, box, a.Local, a.Domain)
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

// reloadRules reads the administrator's filter scripts again. If one is wrong, the old ones stay in use.
func (s *Server) reloadRules() error {
	c := s.config.Sieve
	s.scriptsSeen.Store(sieveFiles(c))
	global := globalScripts(c.Global)
	before, err := readScripts(c.Before, global)
	if err != nil {
		return err
	}
	after, err := readScripts(c.After, global)
	if err == nil {
		s.store.Rules.Reload(before, after)
	}
	return err
}

// watchRules does so when the files have changed.
func (s *Server) watchRules(ctx context.Context) {
	c := s.config.Sieve
	if len(c.Before)+len(c.After) == 0 && c.Global == "" {
		return
	}
	every(ctx, scriptsEvery, s.lookAtRules)
}

// lookAtRules reads the scripts again if they have changed.
func (s *Server) lookAtRules() {
	if now := sieveFiles(s.config.Sieve); *now == *s.scriptsSeen.Load() {
		return
	}
	if err := s.reloadRules(); err != nil {
		s.log.Error("a filter script of the administrator is wrong: the old ones stay in use", "err", err)
		return
	}
	s.log.Info("filter scripts of the administrator were read again")
}

// maxWatched is how many files of the folder with scripts are looked at.
const maxWatched = 10_000

// sieveFiles tells the administrator's filter scripts from others at the same place: by names, sizes and times.
func sieveFiles(c config.Sieve) *string {
	names := slices.Concat(c.Before, c.After)
	if c.Global != "" {
		if f, err := os.Open(c.Global); err == nil {
			found, _ := f.Readdirnames(maxWatched)
			f.Close()
			slices.Sort(found)
			for _, name := range found {
				names = append(names, filepath.Join(c.Global, name))
			}
		}
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s\x00", name)
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintf(&b, "%d %d\x00", info.Size(), info.ModTime().UnixNano())
		}
	}
	text := b.String()
	return &text
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
