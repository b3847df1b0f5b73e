package server

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/config"
	"postroad/internal/service/dns"
	"postroad/internal/service/transfer"
)

// World is what a server needs of the world outside. The zero value is the real one.
type World struct {
	// Now is the clock. Timeouts of connections follow the machine's clock.
	Now func() time.Time
	// Rand makes secrets, salts and identifiers.
	Rand io.Reader
	// Logger hears what happens. Nil: nobody.
	Logger *slog.Logger
	// Files is where the store lies. Nil: the disk. Spooled
	// messages and certificates are always on the disk.
	Files vfs.FS
	// Listen opens the sockets of one listener, at least one. Nil: the machine's
	// network, and Sockets.
	Listen func(ctx context.Context, l config.Listener) ([]net.Listener, error)
	// Sockets are those that the service manager opened, by name, for addresses "fd:NAME".
	Sockets map[string][]net.Listener
	// Notify tells the service manager how we are.
	Notify Notifier
	// Online: mail for other servers is sent over the machine's network, as the settings say.
	Online bool
	// Resolver is asked for the hosts of other domains. Nil: the DNS servers of the settings.
	Resolver dns.Resolver
	// Dial connects to these hosts; network is "tcp", or "unix" for a socket's path. Nil: the machine's network, which
	// alone obeys the settings' source addresses.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities that other servers' certificates are verified by. Nil: the system's.
	Roots *x509.CertPool
	// DialFrom is Dial from an address of ours, or any if it is invalid. Nil: Dial, whatever the address.
	DialFrom func(ctx context.Context, from netip.Addr, network, address string) (net.Conn, error)
	// Send, if set, passes mail on to other servers in place of that, as queue.Options.Send. Without
	// either, mail for them is refused.
	Send func(ctx context.Context, job transfer.Job) []transfer.Outcome
	// Hash is what a password costs. The zero value is the directory's default.
	Hash directory.HashParams
	// NewRSA makes the RSA keys that sign mail. Nil: real ones, which takes a while.
	NewRSA func() (*rsa.PrivateKey, error)
	// Version is the program's, for logs, metrics and the status.
	Version string
}

// Notifier hears of the states that a service manager wants to know.
type Notifier interface {
	Ready() error
	Reloading() error
	Stopping() error
}

func (w World) complete() World {
	if w.Now == nil {
		w.Now = time.Now
	}
	if w.Rand == nil {
		w.Rand = rand.Reader
	}
	if w.Logger == nil {
		w.Logger = slog.New(slog.DiscardHandler)
	}
	if w.Listen == nil {
		w.Listen = machine{w.Sockets}.listen
	}
	w.completeDial()
	if w.Notify == nil {
		w.Notify = nobody{}
	}
	if w.Version == "" {
		w.Version = "unknown"
	}
	return w
}

func (w *World) completeDial() {
	if w.DialFrom == nil && w.Dial == nil {
		w.DialFrom = dialFrom
	}
	if w.Dial == nil {
		w.Dial = new(net.Dialer).DialContext
	}
	if dial := w.Dial; w.DialFrom == nil {
		w.DialFrom = func(ctx context.Context, _ netip.Addr, network, address string) (net.Conn, error) {
			return dial(ctx, network, address)
		}
	}
}

// dialFrom connects over the machine's network.
func dialFrom(ctx context.Context, from netip.Addr, network, address string) (net.Conn, error) {
	var d net.Dialer
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	return d.DialContext(ctx, network, address)
}

// nobody is the Notifier where there is no service manager.
type nobody struct{}

func (nobody) Ready() error     { return nil }
func (nobody) Reloading() error { return nil }
func (nobody) Stopping() error  { return nil }

// machine listens on the machine's own network.
type machine struct{ sockets map[string][]net.Listener }

func (m machine) listen(ctx context.Context, l config.Listener) ([]net.Listener, error) {
	if name, ok := strings.CutPrefix(l.Address, "fd:"); ok {
		if len(m.sockets[name]) == 0 {
			return nil, fault.New(fault.NotFound, "the service manager gave us no socket %q", name)
		}
		return m.sockets[name], nil
	}
	var one net.Listener
	var err error
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		one, err = listenUnix(ctx, path)
	} else {
		var c net.ListenConfig
		one, err = c.Listen(ctx, "tcp", l.Address)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot listen on "+l.Address)
	}
	return []net.Listener{one}, nil
}

// maxSocketPath is the longest name that the system takes for a socket, unix(7).
const maxSocketPath = 107

// listenUnix opens a socket for our user and group; that for commands for our user alone.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fault.New(fault.TooLarge, "a socket's path has at most %d bytes", maxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	mode := os.FileMode(0o660)
	if filepath.Base(path) == SocketName {
		mode = 0o600
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a unix socket that a killed server left behind. One that
// somebody listens on is fault.InUse; a file that is no socket stays.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // listening will say what is wrong, if anything is
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return fault.New(fault.InUse, "somebody listens on %s", path)
	}
	return fault.Wrap(fault.Unavailable, os.Remove(path), "cannot remove the stale socket "+path)
}
