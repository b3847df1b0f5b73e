// Package servertest starts a whole Postroad in memory: store, protocols and all,
// on a network, a disk and a clock inside the test.
//
// It is what tests use that change something through one front end and look at
// it through another.
package servertest

import (
	"context"
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/dns"
	"postroad/internal/service/memnet"
	"postroad/internal/service/transfer"
)

// Hostname is what the server calls itself.
const Hostname = "mail.example.test"

// Domain is served from the start. It has no accounts.
const Domain = "example.test"

// Ports that Start listens on, as in the demo: the standard ones.
const (
	SMTP, Submission, Submissions, LMTP = 25, 587, 465, 24
	IMAP, IMAPS, POP3, POP3S            = 143, 993, 110, 995
	HTTP, HTTPS                         = 80, 443
	ManageSieve                         = 4190
)

// Options change what Start starts. The zero value is a server with an empty store.
type Options struct {
	// Files is the disk, to start a second server on the first's. Nil: an empty one in memory.
	Files vfs.FS
	// Folder is the data folder, for what isn't on Files. Empty: a new temporary one.
	Folder string
	// Change, if set, edits the configuration.
	Change func(*config.Config)
	// DNS and Dial are the network outside, which mail for other domains goes by, if both are set.
	DNS  dns.Resolver
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots verify the certificates of other servers.
	Roots *x509.CertPool
	// Send, if set, stands for all servers outside. Without it, DNS and Dial mail for them is refused.
	Send func(context.Context, transfer.Job) []transfer.Outcome
	// Now is what the clock shows at first; default: a day in March 2026.
	Now time.Time
	// Logger hears what the server says. Nil: nobody.
	Logger *slog.Logger
}

// oneRSA is the RSA key of all domains in a test's process: making one takes long.
var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(crand.Reader, directory.DKIMBits) })

// Server is a running Postroad.
type Server struct {
	*server.Server
	Clock   *Clock
	Network *memnet.Network
	Files   vfs.FS
	Folder  string

	t    testing.TB
	stop context.CancelFunc
	done chan error
	once sync.Once
	err  error
}

// Start starts a server, which ends with the test at the latest. Passwords may go in the clear.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Files == nil {
		o.Files = vfs.NewMem()
	}
	if o.Folder == "" {
		o.Folder = t.TempDir()
	}
	if o.Now.IsZero() {
		o.Now = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	}
	s := &Server{Clock: &Clock{now: o.Now}, Network: &memnet.Network{},
		Files: o.Files, Folder: o.Folder, t: t, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	var err error
	s.Server, err = server.New(ctx, s.config(o), server.World{
		Now: s.Clock.Now, Rand: rand.NewChaCha8([32]byte{1}), Logger: o.Logger, Files: o.Files,
		Listen: s.listen, Hash: directorytest.Cheap(), Version: "test", Send: o.Send,
		Online: o.DNS != nil && o.Dial != nil, Resolver: o.DNS, Dial: o.Dial, Roots: o.Roots, NewRSA: oneRSA,
	})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	go func() { s.done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-s.done:
		s.done <- err
		t.Fatalf("the server did not start: %v", err)
	}
	s.addDomain()
	return s
}

func (s *Server) addDomain() {
	s.t.Helper()
	ctx := context.Background()
	if all, err := s.Store().Admin.Domains(ctx); err == nil && len(all) > 0 {
		return // a second server on the same store
	}
	if err := s.Store().Admin.AddDomain(ctx, Domain); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) config(o Options) config.Config {
	c := config.Default()
	c.Hostname, c.Data, c.Listen = Hostname, o.Folder, nil
	for port, l := range map[int]config.Listener{
		SMTP: {Protocol: config.SMTP, TLS: config.StartTLS}, LMTP: {Protocol: config.LMTP, TLS: config.NoTLS},
		Submission: {Protocol: config.Submission, TLS: config.StartTLS}, Submissions: {Protocol: config.Submission, TLS: config.Implicit},
		IMAP: {Protocol: config.IMAP, TLS: config.StartTLS}, IMAPS: {Protocol: config.IMAP, TLS: config.Implicit},
		POP3: {Protocol: config.POP3, TLS: config.StartTLS}, POP3S: {Protocol: config.POP3, TLS: config.Implicit},
		ManageSieve: {Protocol: config.ManageSieve, TLS: config.StartTLS},
		HTTP:        {Protocol: config.HTTP, TLS: config.NoTLS}, HTTPS: {Protocol: config.HTTP, TLS: config.Implicit},
	} {
		l.Address, l.PlainLogin = address(port), true
		c.Listen = append(c.Listen, l)
	}
	c.Junk.Filter = config.SwitchOff // what it thinks of tests' letters isn't what they are about
	if o.Change != nil {
		o.Change(&c)
	}
	return c
}

func address(port int) string { return fmt.Sprintf("mem:%d", port) }

func (s *Server) listen(_ context.Context, l config.Listener) ([]net.Listener, error) {
	one, err := s.Network.Listen(l.Address)
	return []net.Listener{one}, err
}

// Stop ends the server as SIGTERM would, and returns what Run returned.
func (s *Server) Stop() error {
	s.once.Do(func() {
		s.stop()
		s.err = <-s.done
	})
	return s.err
}

// Dial connects to a port.
func (s *Server) Dial(port int) net.Conn {
	s.t.Helper()
	c, err := s.Network.Dial(context.Background(), address(port))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// DialTLS connects to a port that speaks TLS from the start.
func (s *Server) DialTLS(port int) net.Conn {
	s.t.Helper()
	return tls.Client(s.Dial(port), s.TrustingTLS())
}

// TrustingTLS is a client's configuration that trusts the server.
func (s *Server) TrustingTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate().Leaf())
	return &tls.Config{RootCAs: roots, ServerName: Hostname}
}

// AddAccount makes an account, by its local part, whose password is "secret".
func (s *Server) AddAccount(local string) admin.Account {
	s.t.Helper()
	a, err := s.Store().Admin.AddAccount(context.Background(), admin.NewAccount{Address: local + "@" + Domain, Password: Password})
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// Password is that of every account made by AddAccount.
const Password = "secret"

// Mailbox opens an account's mailbox beneath all protocols.
func (s *Server) Mailbox(a admin.Account) *mailbox.Session {
	s.t.Helper()
	box, err := s.Store().Mailboxes.Open(context.Background(), ident.AccountID(a.ID), ident.System())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(box.Close)
	return box
}

// Check fails the test if anything in the store contradicts itself.
func (s *Server) Check() {
	s.t.Helper()
	problems, err := s.Store().Admin.Check(context.Background())
	if err != nil {
		s.t.Error(err)
	}
	for _, p := range problems {
		s.t.Errorf("check: %s: %s", p.Account, p.Text)
	}
}

// Clock is a clock that only tests move.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is what World.Now gives.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
