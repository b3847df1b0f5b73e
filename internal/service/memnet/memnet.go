// Package memnet is a network inside the process: listeners with names, and
// buffered connections with deadlines.
//
// It lets a test run the whole server without a port, and under testing/synctest: whoever waits
// here waits on channels. Unlike net.Pipe a connection has buffers as
// TCP's have, so a client may send several commands before anybody reads.
package memnet

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"postroad/internal/fault"
)

// Network holds listeners by address. The zero value is ready. It is safe for concurrent use.
type Network struct {
	// Window is how many bytes each new connection holds in each direction before its writer waits; default 64 KiB.
	Window int

	mu        sync.Mutex
	listeners map[string]*listener
	clients   int // gives each client its own port
}

// Listen opens address, any text. A second listener with one address is fault.InUse.
func (n *Network) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[address] != nil {
		return nil, fault.New(fault.InUse, "%s is in use", address)
	}
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	l := &listener{network: n, address: address, incoming: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l, nil
}

// Dial connects to a listener and waits until it accepts. Without one it fails with fault.NotFound.
func (n *Network) Dial(ctx context.Context, address string) (net.Conn, error) {
	return n.DialFrom(ctx, "192.0.2.1", address)
}

// DialFrom is Dial from an IP address of the caller's choice.
func (n *Network) DialFrom(ctx context.Context, from, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.clients++
	port := 1024 + n.clients%60000
	n.mu.Unlock()
	if l == nil {
		return nil, nobody(address)
	}
	client, server := pipe(clientAddr(from, port), l.Addr(), cmp.Or(n.Window, defaultWindow))
	if err := l.hand(ctx, server); err != nil {
		return nil, err
	}
	return client, nil
}

// Hand lets a listener accept a connection of the caller's own make, and waits until it does.
func (n *Network) Hand(ctx context.Context, address string, conn net.Conn) error {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nobody(address)
	}
	return l.hand(ctx, conn)
}

func nobody(address string) error { return fault.New(fault.NotFound, "nobody listens on %s", address) }

func (l *listener) hand(ctx context.Context, conn net.Conn) error {
	select {
	case l.incoming <- conn:
		return nil
	case <-l.closed:
		return nobody(l.address)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func clientAddr(ip string, port int) net.Addr {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return name(net.JoinHostPort(ip, strconv.Itoa(port)))
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port)))
}

// name is the address of a listener.
type name string

func (a name) Network() string { return "mem" }
func (a name) String() string  { return string(a) }

type listener struct {
	network  *Network
	address  string
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *listener) Addr() net.Addr { return name(l.address) }

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.address)
		l.network.mu.Unlock()
		close(l.closed)
	})
	return nil
}
