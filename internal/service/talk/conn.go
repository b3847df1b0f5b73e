package talk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"postroad/internal/service/auth"
	"postroad/internal/service/peer"
)

// Conn is a client's connection. It is used by its own goroutine, but for Interrupt and Cut. It reads and writes what the client's
// bytes pass: the network, or TLS once there is one.
type Conn struct {
	Log *slog.Logger // names the client

	server   *Server
	opts     ListenerOptions
	raw      net.Conn
	addr     netip.Addr
	line     *auth.Connection // listed once somebody has signed in
	tls      *tls.Conn
	shown    *x509.Certificate // to the client, in the handshake
	deadline time.Time         // by which the client must have signed in
	errors   int               // of the client
	session  Session           // nil: the client hasn't been let in
}

// serve is the connection's goroutine. Whatever breaks in it breaks it alone.
func (c *Conn) serve() {
	defer c.close()
	defer c.recover()
	s := c.server
	c.addr = peer.Addr(c.raw.RemoteAddr())
	c.Log = s.config.Logger.With(slog.String("protocol", c.protocol()), slog.String("client", c.addr.String()))
	if !s.crowd.Count(c, c.addr) {
		s.crowd.Leave(c) // it takes nobody's place while it is told
		s.refuse(c.raw, c.opts, "too many connections from your address", s.config.Limits.Write)
		return
	}
	c.line = s.config.Auth.Connect(c.Cut)
	c.AwaitSignIn()
	if c.opts.ImplicitTLS && !c.StartTLS() {
		return
	}
	c.session = s.config.Session(c)
	c.session.Run()
}

func (c *Conn) recover() {
	if p := recover(); p != nil {
		c.server.panics.Add(1)
		c.Log.Error(c.server.config.Name+" session ended by a fault of ours", "panic", p, "stack", string(debug.Stack()))
	}
}

func (c *Conn) close() {
	c.line.Close()
	if c.session != nil {
		c.session.End()
	}
	c.server.crowd.Leave(c) // first: who sees the connection's end may count on having left
	c.stream().Close()
}

// protocol is its name for sign-in.
func (c *Conn) protocol() string { return strings.ToLower(c.server.config.Name) }

// stream is what the client's bytes pass.
func (c *Conn) stream() net.Conn {
	if c.tls != nil {
		return c.tls
	}
	return c.raw
}

// Read reads what the client sends, in the time that Arm has set.
func (c *Conn) Read(p []byte) (int, error) { return c.stream().Read(p) }

// Write writes all of p, for which the client has Limits.Write: whoever reads a byte now and then is cut off.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.raw.SetWriteDeadline(time.Now().Add(c.server.config.Limits.Write)); err != nil {
		return 0, err
	}
	return c.stream().Write(p)
}

// Arm sets the time by which the client must have sent its next command: Limits.Idle from now, for a stranger no later than
// Limits.Login. If the server is closing, that is now.
func (c *Conn) Arm(stranger bool) error {
	until := time.Now().Add(c.server.config.Limits.Idle)
	if stranger && c.deadline.Before(until) {
		until = c.deadline
	}
	if err := c.raw.SetReadDeadline(until); err != nil {
		return err
	}
	if c.Closing() { // Interrupt may have come before the deadline was set
		return c.raw.SetReadDeadline(past)
	}
	return nil
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Interrupt ends the waiting for a command.
func (c *Conn) Interrupt() { c.raw.SetReadDeadline(past) }

// Cut ends the connection.
func (c *Conn) Cut() { c.raw.Close() }

// Closing reports whether the server is shutting down.
func (c *Conn) Closing() bool { return c.server.crowd.Closing() }

// Context is that of the session's work.
func (c *Conn) Context() context.Context { return c.server.crowd.Context() }

// Command counts a command.
func (c *Conn) Command() { c.server.commands.Add(1) }

// Blame counts an error of the client, and reports whether it was one too many.
func (c *Conn) Blame() bool {
	c.server.errors.Add(1)
	c.errors++
	return c.errors >= c.server.config.Limits.Errors
}

// Peer is the client as sign-in sees it.
func (c *Conn) Peer() auth.Peer {
	p := auth.Peer{Addr: c.addr, Protocol: c.protocol(), PlainAllowed: c.opts.PlainAllowed, Connection: c.line}
	if c.tls != nil {
		st := c.tls.ConnectionState()
		p.TLS, p.Certificate = &st, c.shown
		if p.Certificate == nil {
			p.Certificate = c.server.config.certificate(st.ServerName)
		}
	}
	return p
}

// SignOut makes a stranger of the client.
func (c *Conn) SignOut() { c.line.SignOut() }

// AwaitSignIn gives a stranger the time to sign in that one has who has just come.
func (c *Conn) AwaitSignIn() { c.deadline = time.Now().Add(c.server.config.Limits.Login) }

// MayStartTLS reports whether there is TLS, and the client doesn't speak by it yet.
func (c *Conn) MayStartTLS() bool { return c.server.config.TLS != nil && c.tls == nil }

// MayShowPassword reports whether a password may be sent as it is.
func (c *Conn) MayShowPassword() bool { return c.tls != nil || c.opts.PlainAllowed }

// StartTLS does the handshake; false if it failed, and the session is over. Nothing of what the client has sent before may lie unread.
func (c *Conn) StartTLS() bool {
	if c.server.config.TLS == nil {
		return false
	}
	conn := tls.Server(c.raw, c.server.config.TLS)
	if err := c.raw.SetDeadline(c.deadline); err != nil || c.Closing() {
		return false
	}
	ctx, shown := auth.NoteCertificate(c.Context())
	if err := conn.HandshakeContext(ctx); err != nil {
		if !errors.Is(err, io.EOF) {
			c.Log.Debug("TLS handshake failed", "error", err)
		}
		return false
	}
	c.tls, c.shown = conn, shown.Leaf()
	return true
}

// certificate is our certificate in a resumed session, if it is known which one that is.
func (c *Config) certificate(serverName string) *x509.Certificate {
	if c.Certificate != nil {
		return c.Certificate(serverName)
	}
	return onlyCertificate(c.TLS)
}

func onlyCertificate(c *tls.Config) *x509.Certificate {
	if c == nil || len(c.Certificates) != 1 || c.GetCertificate != nil || c.GetConfigForClient != nil {
		return nil
	}
	if leaf := c.Certificates[0].Leaf; leaf != nil || len(c.Certificates[0].Certificate) == 0 {
		return leaf
	}
	leaf, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}
