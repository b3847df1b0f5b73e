package dns

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strconv"
	"time"

	wire "github.com/miekg/dns"

	"postroad/internal/fault"
)

// Server is a recursive resolver.
type Server struct {
	// Addr is where it listens: port 53 as a rule, 853 with TLS.
	Addr netip.AddrPort
	// TLS, if set, has it asked over TLS (RFC 7858), with these names and roots.
	TLS *tls.Config
	// Validating: its AD bit is believed. Without TLS this goes without saying for
	// loopback addresses and is refused for all others.
	Validating bool
}

// trusted reports whether the server's AD bit is to be believed.
func (s Server) trusted() bool {
	return s.Addr.Addr().IsLoopback() || s.Validating && s.TLS != nil
}

// Options are what a Client is made of. The zero value asks the servers of /etc/resolv.conf.
type Options struct {
	// Servers are asked in this order. None: those in ResolvConf.
	Servers []Server
	// ResolvConf is the file that names the servers, read once; "/etc/resolv.conf" by default.
	ResolvConf string
	// Timeout is how long one server may take to answer once; 5 seconds by default.
	Timeout time.Duration
	// Attempts is how often the list of servers is gone through; 2 by default.
	Attempts int
	// CacheBytes bounds the memory for answers; 16 MiB by default, negative: no cache.
	CacheBytes int
	// Dial connects to a server: network is "udp" or "tcp". Nil: the net package's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now tells the time for the cache. Nil: time.Now.
	Now func() time.Time
	// Rand makes query numbers hard to guess. Nil: crypto/rand.
	Rand io.Reader
}

const (
	defaultResolvConf = "/etc/resolv.conf"
	// maxServers bounds how long a question can take: Servers * Attempts * Timeout.
	maxServers  = 8
	maxAttempts = 10
)

// Client asks recursive servers and remembers the answers. It is safe for
// concurrent use. Of servers that are asked over TLS it keeps a few connections for
// some seconds after the last question, or until Close.
type Client struct {
	servers  []Server
	timeout  time.Duration
	attempts int
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	now      func() time.Time
	rand     io.Reader
	cache    *cache
	flights  flights
	streams  streams
}

// New makes a Client. It fails with fault.Invalid if there is no server to ask, or one is
// called validating to which nothing protects the way.
func New(o Options) (*Client, error) {
	c := &Client{servers: o.Servers, timeout: o.Timeout, attempts: o.Attempts, dial: o.Dial, now: o.Now, rand: o.Rand}
	if len(c.servers) == 0 {
		if err := c.configure(o.ResolvConf); err != nil {
			return nil, err
		}
	}
	c.setDefaults(o)
	if len(c.servers) == 0 || len(c.servers) > maxServers {
		return nil, fault.New(fault.Invalid, "DNS: %d servers, 1 to %d are possible", len(c.servers), maxServers)
	}
	for _, s := range c.servers {
		if s.Validating && !s.trusted() {
			return nil, fault.New(fault.Invalid, "DNS: %s can be trusted to validate only over TLS or on a loopback address", s.Addr)
		}
	}
	return c, nil
}

// Close closes the connections that are kept. The Client can still be used, but keeps none any more.
func (c *Client) Close() { c.streams.close() }

func (c *Client) setDefaults(o Options) {
	if c.timeout <= 0 {
		c.timeout = 5 * time.Second
	}
	if c.attempts <= 0 {
		c.attempts = 2
	}
	c.attempts = min(c.attempts, maxAttempts)
	if c.dial == nil {
		c.dial = (&net.Dialer{}).DialContext
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	c.cache = newCache(o.CacheBytes)
}

// configure reads resolv.conf: its servers, and how long and how often they are asked.
func (c *Client) configure(path string) error {
	if path == "" {
		path = defaultResolvConf
	}
	conf, err := wire.ClientConfigFromFile(path)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "DNS: can't read "+path)
	}
	for _, s := range conf.Servers {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "DNS: "+path+" has a nameserver that is no address")
		}
		port, err := strconv.ParseUint(conf.Port, 10, 16)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "DNS: port")
		}
		c.servers = append(c.servers, Server{Addr: netip.AddrPortFrom(addr, uint16(port))})
	}
	c.servers = c.servers[:min(len(c.servers), maxServers)]
	if c.timeout <= 0 {
		c.timeout = time.Duration(conf.Timeout) * time.Second
	}
	if c.attempts <= 0 {
		c.attempts = conf.Attempts
	}
	return nil
}
