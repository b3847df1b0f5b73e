package dnstest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"

	wire "github.com/miekg/dns"

	"postroad/internal/service/dns"
)

// Serve answers on a loopback address, by UDP and TCP, until the test ends.
func (w *World) Serve(t testing.TB) []dns.Server {
	t.Helper()
	packets, listener := listen(t)
	w.serve(t, &wire.Server{PacketConn: packets}, &wire.Server{Listener: listener})
	return []dns.Server{{Addr: packets.LocalAddr().(*net.UDPAddr).AddrPort()}}
}

// ServeListener answers those who connect to a listener, by TCP or TLS, until the test ends.
func (w *World) ServeListener(t testing.TB, l net.Listener) {
	t.Helper()
	w.serve(t, &wire.Server{Listener: l})
}

func (w *World) serve(t testing.TB, servers ...*wire.Server) {
	t.Helper()
	for _, s := range servers {
		started, done := make(chan struct{}), make(chan error, 1)
		s.Handler = wire.HandlerFunc(w.handle)
		s.NotifyStartedFunc = func() { close(started) }
		go func() { done <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// ListenAndServe answers at an address, by UDP and TCP, or by TLS alone if it gets a configuration
// for that (RFC 7858), until ctx ends.
func (w *World) ListenAndServe(ctx context.Context, address string, secure *tls.Config) error {
	servers := []*wire.Server{{Addr: address, Net: "udp"}, {Addr: address, Net: "tcp"}}
	if secure != nil {
		servers = []*wire.Server{{Addr: address, Net: "tcp-tls", TLSConfig: secure}}
	}
	done := make(chan error, len(servers))
	var started []*wire.Server
	for _, s := range servers {
		listening := make(chan struct{})
		s.Handler, s.NotifyStartedFunc = wire.HandlerFunc(w.handle), func() { close(listening) }
		go func() { done <- s.ListenAndServe() }()
		select {
		case <-listening:
			started = append(started, s)
		case err := <-done:
			return errors.Join(err, shutdown(started, done))
		}
	}
	<-ctx.Done()
	return shutdown(started, done)
}

func shutdown(all []*wire.Server, done <-chan error) (err error) {
	for _, s := range all {
		err = errors.Join(err, s.Shutdown())
		err = errors.Join(err, <-done)
	}
	return err
}

// listen finds a port that is free for UDP and TCP.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		packets, err := net.ListenPacket("udp4", netip.MustParseAddrPort("127.0.0.1:0").String())
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp4", packets.LocalAddr().String())
		if err == nil {
			return packets, listener
		}
		packets.Close()
	}
	t.Fatal("no free port")
	return nil, nil
}

func (w *World) handle(rw wire.ResponseWriter, query *wire.Msg) {
	if len(query.Question) != 1 {
		return
	}
	m := w.answer(query)
	if m == nil {
		return
	}
	if _, udp := rw.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(sizeFor(query))
	}
	if err := rw.WriteMsg(m); err != nil {
		return // the asker has gone
	}
}
