package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/certs"
	"postroad/internal/server/config"
	"postroad/internal/server/proxyproto"
	"postroad/internal/service/acme"
	"postroad/internal/service/auth"
	"postroad/internal/service/delivery"
	"postroad/internal/service/inbound"
	"postroad/internal/service/notices"
	"postroad/internal/service/oauth"
	"postroad/internal/service/queue"
	"postroad/internal/service/reports"
	"postroad/internal/service/scan"
)

// Server is a whole Postroad. New opens it, Run serves until told to stop, and
// closes it.
type Server struct {
	config config.Config
	world  World
	log    *slog.Logger

	store   *Store
	certs   *certs.Keeper
	acme    *acme.Manager // nil: no certificates are got
	token   admin.Token
	metrics *metrics
	agent   *delivery.Agent
	queue   *queue.Queue // nil: mail for other servers is refused

	engine   *auth.Engine        // signs people in
	oauth    *oauth.Provider     // of access tokens; nil: it is off
	notices  *notices.Service    // tells people what has changed in their accounts
	clients  *clientCerts        // by which they may; nil: by none
	internet *internet           // nil: nothing leaves the machine
	guard    *inbound.Guard      // of the door
	scanners *scan.Set           // other programs that look at messages; nil: none
	reports  *reports.Service    // to others, and of others
	fronts   map[string]frontEnd // by protocol

	scriptsSeen atomic.Pointer[string] // the administrator's filter scripts when they were read

	bound   []bound // the open listeners; set before ready is closed
	started time.Time
	ready   chan struct{} // closed when all listeners are open
	fatal   chan error    // what ends the server from within; one is enough
	broken  func() error  // why the store can't be written to, or nil
}

// bound is an open listener and what the settings say of it.
type bound struct {
	net.Listener
	set config.Listener
}

// New opens the store and builds the server. Nobody is served before Run. It
// fails with fault.InUse if another process has the data folder.
func New(ctx context.Context, c config.Config, w World) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w = w.complete()
	s := &Server{config: c, world: w, log: w.Logger, ready: make(chan struct{}), fatal: make(chan error, 1)}
	var broken onceError
	s.broken = broken.get
	s.scriptsSeen.Store(sieveFiles(c.Sieve))
	store, err := OpenStore(ctx, c, w, s.status, func(err error) {
		broken.set(err)
		s.fail(err)
	})
	if err != nil {
		return nil, err
	}
	s.store = store
	store.Admin.SetDoctor(s)
	if store.wrong != nil {
		return nil, errors.Join(store.wrong, s.store.Close())
	}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// build makes the parts that stand on the store.
func (s *Server) build(ctx context.Context) (err error) {
	if err := s.openQueue(ctx); err != nil {
		return err
	}
	if err = s.openCerts(ctx); err != nil {
		return err
	}
	if s.token, err = admin.EnsureToken(filepath.Join(s.config.Data, tokenFile), s.world.Rand); err != nil {
		return err
	}
	s.metrics = newMetrics(s)
	s.openReports()
	s.openNotices()
	if err := s.openSignIn(ctx); err != nil {
		return err
	}
	s.fronts, err = s.buildFronts()
	return err
}

// Run opens the listeners and serves until ctx ends or the server fails. Then it
// takes no more connections, lets sessions end within the shutdown limit, and closes the store.
// It returns nil after an orderly end.
func (s *Server) Run(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	err := s.start(running, &all)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-s.fatal:
			s.log.Error("the server cannot go on", "err", err)
		}
	}
	s.shutdown(&all, stop)
	return errors.Join(err, s.store.Close())
}

// start opens the listeners and starts all that runs beside them.
func (s *Server) start(ctx context.Context, all *sync.WaitGroup) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	s.started = s.world.Now()
	for _, b := range s.bound {
		all.Go(func() { s.serve(ctx, b) })
	}
	for _, task := range s.tasks() {
		all.Go(func() { task(ctx) })
	}
	close(s.ready)
	s.log.Info("ready", "hostname", s.config.Hostname, "data", s.config.Data, "version", s.world.Version)
	s.tell(s.world.Notify.Ready)
	return nil
}

// listen opens all listeners, or none.
func (s *Server) listen(ctx context.Context) error {
	for _, l := range slices.Concat(s.config.Listen, []config.Listener{s.adminSocket()}) {
		opened, err := s.open(ctx, l)
		if err != nil {
			for _, b := range s.bound {
				b.Close()
			}
			return err
		}
		for _, o := range opened {
			s.log.Info("listening", "protocol", l.Protocol, "address", o.Addr().String(), "tls", l.TLS)
			s.bound = append(s.bound, bound{o, l})
		}
	}
	return nil
}

// open opens the sockets of one listener.
func (s *Server) open(ctx context.Context, l config.Listener) ([]net.Listener, error) {
	opened, err := s.world.Listen(ctx, l)
	if err != nil || len(l.Proxy) == 0 {
		return opened, err
	}
	trusted, err := l.Trusted()
	wrapped := make([]net.Listener, len(opened))
	for i, o := range opened {
		wrapped[i] = proxyproto.New(o, proxyproto.Options{Trusted: trusted})
	}
	return wrapped, err
}

// serve gives a listener to its protocol until it closes.
func (s *Server) serve(ctx context.Context, b bound) {
	err := s.fronts[b.set.Protocol].serve(ctx, b)
	if err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
		s.fail(fault.Wrap(fault.Unavailable, err, "listener "+b.Addr().String()+" failed"))
	}
}

// fail ends the server from within. It may be called from anywhere and doesn't wait.
func (s *Server) fail(err error) {
	select {
	case s.fatal <- err:
	default: // it is ending already
	}
}

// shutdown ends all that start has started, and waits for it.
func (s *Server) shutdown(all *sync.WaitGroup, stop func()) {
	s.tell(s.world.Notify.Stopping)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.config.Limits.Shutdown))
	defer cancel()
	for _, b := range s.bound {
		b.Close()
	}
	var fronts sync.WaitGroup
	begun := map[frontEnd]bool{} // one may speak several protocols
	for name, f := range s.fronts {
		if begun[f] {
			continue
		}
		begun[f] = true
		fronts.Go(func() {
			if err := f.shutdown(ctx); err != nil {
				s.log.Warn("sessions did not end in time and were cut", "protocol", name, "err", err)
			}
		})
	}
	fronts.Wait()
	stop()
	all.Wait()
	s.closeCerts()
	s.log.Info("stopped")
}

func (s *Server) tell(say func() error) {
	if err := say(); err != nil {
		s.log.Warn("the service manager does not listen", "err", err)
	}
}

// Reload reads the certificate again, and the administrator's filter scripts. What fails stays as it is.
func (s *Server) Reload() error {
	s.tell(s.world.Notify.Reloading)
	defer s.tell(s.world.Notify.Ready)
	return errors.Join(s.certs.Reload(), s.useRevocations(s.clients.reload), s.reloadRules())
}

// Ready is closed when all listeners are open.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Store is what the server works on. It is open from New until Run returns.
func (s *Server) Store() *Store { return s.store }

// Certificate returns the TLS certificates in use, for telling people of them.
func (s *Server) Certificate() *certs.Keeper { return s.certs }

// Addresses lists the open listeners, once Ready.
func (s *Server) Addresses() []config.Listener {
	var all []config.Listener
	for _, b := range s.bound {
		l := b.set
		l.Address = b.Addr().String()
		all = append(all, l)
	}
	return all
}

// onceError keeps the first error that it is given.
type onceError struct {
	mu  sync.Mutex
	err error
}

func (o *onceError) set(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

func (o *onceError) get() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Close closes a server that was never Run.
func (s *Server) Close() error {
	s.closeCerts()
	return s.store.Close()
}
