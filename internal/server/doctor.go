package server

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/doctor"
	"postroad/internal/service/backup"
	"postroad/internal/service/queue"
	"postroad/internal/service/setup"
)

// defaultConnections is how many connections all protocols together take on, if the settings don't say.
const defaultConnections = 10_000

// Examine implements admin.Doctor.
func (s *Server) Examine(ctx context.Context) []setup.Finding {
	p := doctor.Patient{
		Hostname: hostOf(s.config), Now: s.world.Now,
		Data: s.config.Data, Secrets: []string{filepath.Join(s.config.Data, tokenFile), filepath.Join(s.config.Data, storeDir)},
		Space: freeSpace, Files: openFiles, Connections: uint64(max(s.config.Limits.Connections, defaultConnections)),
		Doors: s.doors(false), Shut: s.doors(true), Dial: s.world.Dial, Roots: s.world.Roots,
		Queue: s.queueState, Held: s.heldAccounts, Programs: s.pingScanners,
		Backup:  s.lastBackup,
		Domains: s.domainNames,
		Domain: func(ctx context.Context, name string) (setup.Report, error) {
			return s.store.Admin.CheckDomain(ctx, admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: name, Offline: true}})
		},
	}
	if s.acme != nil {
		p.Certificates = s.withoutCertificate
	}
	if r, err := s.resolverForDoctor(); err == nil {
		p.Resolve = func(ctx context.Context) (int, bool, error) {
			a, err := r.LookupIP(ctx, p.Hostname)
			return len(a.Records), a.Secure, err
		}
	}
	return doctor.Examine(ctx, p)
}

func (s *Server) resolverForDoctor() (setup.Resolver, error) {
	return (&advisor{config: s.config, world: s.world, dir: s.store.Directory}).resolver()
}

// doors are the listeners that want a PROXY header, or those that don't, which can be knocked at.
func (s *Server) doors(proxy bool) (all []doctor.Door) {
	for _, b := range s.bound {
		if len(b.set.Proxy) > 0 != proxy {
			continue
		}
		at := b.Addr()
		all = append(all, doctor.Door{Protocol: b.set.Protocol, Network: at.Network(), Address: dialable(at),
			TLS: b.set.TLS == config.Implicit, Greets: b.set.Protocol != config.HTTP})
	}
	return all
}

// dialable is an address at which a listener can be reached from here.
func dialable(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return a.String()
	}
	host := "127.0.0.1"
	if t.IP.To4() == nil {
		host = "::1"
	}
	return net.JoinHostPort(host, strings.TrimPrefix(a.String()[strings.LastIndexByte(a.String(), ':'):], ":"))
}

// queueState looks at a thousand items: those that wait for long are among the first.
func (s *Server) queueState(ctx context.Context) (doctor.Queue, error) {
	if s.queue == nil {
		return doctor.Queue{}, nil
	}
	q := doctor.Queue{Waiting: s.queue.Stats().Items}
	items, _, err := s.queue.List(ctx, queue.Filter{Limit: 1000})
	for i := range items {
		switch {
		case items[i].State == queue.Held:
			q.Held++
		case items[i].State == queue.Waiting && (q.Oldest.IsZero() || items[i].Received.Before(q.Oldest)):
			q.Oldest = items[i].Received
		}
	}
	return q, err
}

// withoutCertificate are the certificates that there are not, or not for all of their names, with why.
func (s *Server) withoutCertificate() (names []string) {
	for _, c := range s.acme.List() {
		if c.Problem != "" {
			names = append(names, c.Name+" ("+c.Problem+")")
		}
	}
	return names
}

func (s *Server) heldAccounts(ctx context.Context) (names []string, err error) {
	held, err := s.store.Admin.HeldAccounts(ctx)
	for _, a := range held {
		names = append(names, a.Address)
	}
	return names, err
}

func (s *Server) domainNames(ctx context.Context) (names []string, err error) {
	for d, err := range s.store.Directory.Domains(ctx) {
		if err != nil {
			return nil, err
		}
		names = append(names, d.Name)
	}
	return names, nil
}

func (s *Server) lastBackup(ctx context.Context) (time.Time, error) {
	return backup.Last(ctx, s.store.DB)
}

// freeSpace tells the bytes that a service may still write where a folder lies, and all.
func freeSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// openFiles is how many files this process may have open.
func openFiles() (uint64, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return r.Cur, err
}
