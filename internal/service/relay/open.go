package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"postroad/internal/service/transfer"
)

// open makes a connection to a hop that is ready for MAIL. Where TLS is opportunistic and
// fails, it is tried once more in the clear (RFC 7435 §3): the first connection is of no use,
// as nobody knows what the hop makes of the broken handshake.
func (r *Relay) open(ctx context.Context, hop *Hop) (*conn, *trouble) {
	c, t := r.openOnce(ctx, hop, hop.TLS.Mode)
	if t != nil && t.tls && hop.TLS.Mode == Opportunistic && !hop.TLS.Implicit && ctx.Err() == nil {
		r.log.InfoContext(ctx, "TLS failed, trying without", "host", hop.Host, "addr", hop.Addr, "why", t.text)
		c, t = r.openOnce(ctx, hop, None)
	}
	return c, t
}

func (r *Relay) openOnce(ctx context.Context, hop *Hop, mode Mode) (*conn, *trouble) {
	nc, err := r.connect(ctx, hop)
	if err != nil {
		r.shun(ctx, hop)
		return nil, unreachable(err, hop)
	}
	c := &conn{limits: &r.limits, key: keyOf(hop), name: hop.Host, addr: hop.Addr, lmtp: hop.Protocol == LMTP, nc: nc}
	c.in = bufio.NewReaderSize(nc, 2*maxReplyLine)
	c.bind(ctx)
	if t := r.introduce(ctx, c, hop, mode); t != nil {
		if c.silent {
			r.shun(ctx, hop)
		}
		c.release()
		c.end(t)
		return nil, t
	}
	r.shunned.remove(hop)
	return c, nil
}

// shun has a hop tried after the others, unless it is we who have no time left.
func (r *Relay) shun(ctx context.Context, hop *Hop) {
	if ctx.Err() == nil {
		now := r.now()
		r.shunned.add(hop, now, now.Add(r.limits.Shun))
	}
}

func (r *Relay) connect(ctx context.Context, hop *Hop) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, r.limits.Connect)
	defer cancel()
	if hop.Socket != "" {
		return r.dial(ctx, netip.Addr{}, "unix", hop.Socket)
	}
	return r.dial(ctx, hop.Source, "tcp", hop.Addr.String())
}

// introduce goes from the bare connection to where mail can be sent.
func (r *Relay) introduce(ctx context.Context, c *conn, hop *Hop, mode Mode) *trouble {
	if hop.TLS.Implicit {
		if t := c.secure(ctx, hop); t != nil {
			return t
		}
	}
	if t := c.greeting(); t != nil {
		return t
	}
	name := r.hostname(localAddr(c.nc))
	if t := c.hello(name); t != nil {
		return t
	}
	if mode != None && !hop.TLS.Implicit {
		if t := c.startTLS(ctx, hop, mode, name); t != nil {
			return t
		}
	}
	if hop.Auth != nil {
		return c.authenticate(hop.Auth)
	}
	return nil
}

func localAddr(nc net.Conn) netip.Addr {
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// greeting awaits the 220 (RFC 5321 §3.1). A host that refuses all mail (554, 521) isn't asked
// for any; another one may do better.
func (c *conn) greeting() *trouble {
	r, err := c.read(c.limits.Greeting)
	switch {
	case err != nil:
		c.silent = true
		return lost(err, "waiting for the greeting")
	case r.code != 220:
		return refused(r).elsewhere()
	}
	return nil
}

// hello says EHLO, or HELO to a hop that knows no better (RFC 5321 §3.2).
func (c *conn) hello(name string) *trouble {
	verb := "EHLO"
	if c.lmtp {
		verb = "LHLO" // RFC 2033 §4.1
	}
	r, t := c.ask(verb+" "+name, verb, c.limits.Hello)
	if t == nil && r.permanent() && !c.lmtp {
		r, t = c.ask("HELO "+name, "HELO", c.limits.Hello)
		r.lines = r.lines[:min(len(r.lines), 1)]
	}
	switch {
	case t != nil:
		return t
	case r.code != 250:
		return refused(r).elsewhere()
	}
	c.helo, c.ext = firstWord(r.lines[0]), parseExtensions(r.lines[1:])
	return nil
}

// startTLS moves to TLS if the hop offers it (RFC 3207).
func (c *conn) startTLS(ctx context.Context, hop *Hop, mode Mode, name string) *trouble {
	must := mode >= Required
	if !c.ext.startTLS {
		c.observe(hop, ErrNoTLS)
		if must {
			return noTLS("4.7.4", "TLS is required, but the host does not offer it")
		}
		return nil
	}
	r, t := c.ask("STARTTLS", "STARTTLS", c.limits.Hello)
	if t != nil || r.code != 220 {
		c.observe(hop, ErrNoTLS)
	}
	switch {
	case t != nil:
		t.tls = true
		return t
	case r.code != 220 && r.code != 421 && !must:
		return nil // RFC 3207 §4: the client decides whether to go on
	case r.code != 220:
		t = refused(r).elsewhere()
		t.result = transfer.Deferred // of no recipient's making, so it may pass
		t.status = "4.7.4"
		return t
	}
	if c.in.Buffered() > 0 {
		// Whoever can put bytes between the reply and the handshake wants them read as if they came by TLS.
		const why = "the host sent something in the clear after its reply to STARTTLS"
		c.observe(hop, errors.New(why))
		t := noTLS("4.7.5", why)
		t.broken = true
		return t
	}
	if t := c.secure(ctx, hop); t != nil {
		return t
	}
	return c.hello(name) // RFC 3207 §4.2: nothing said before counts
}

func noTLS(status, text string) *trouble {
	t := temporary(status, text).elsewhere()
	t.tls = true
	return t
}

// handshakeTrouble tells a hop that went away from one whose TLS is not good enough.
func handshakeTrouble(err error) *trouble {
	var op *net.OpError
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &op) && op.Op != "remote error" {
		t := lost(err, "doing the TLS handshake")
		t.tls = true
		return t
	}
	t := noTLS("4.7.5", "TLS handshake: "+err.Error())
	t.broken = true
	return t
}

// secure does the TLS handshake.
func (c *conn) secure(ctx context.Context, hop *Hop) *trouble {
	tc := tls.Client(c.nc, hop.TLS.config(c.name))
	err := c.arm(c.limits.Hello)
	if err == nil {
		err = tc.HandshakeContext(ctx)
	}
	if err != nil {
		c.observe(hop, err)
		return handshakeTrouble(err)
	}
	c.mu.Lock()
	c.nc = tc
	c.mu.Unlock()
	c.in.Reset(tc)
	c.ext = extensions{}
	c.tls = strings.ReplaceAll(tls.VersionName(tc.ConnectionState().Version), " ", "") + " " + hop.TLS.label()
	c.observe(hop, nil)
	return nil
}
