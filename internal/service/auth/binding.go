package auth

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/xdg-go/scram"
)

// bindings are the channel bindings that we offer, best first: each gives
// its data for a peer, if the connection has it.
func bindings() []func(Peer) (scram.ChannelBinding, bool) {
	return []func(Peer) (scram.ChannelBinding, bool){exporter, endPoint}
}

// exporter is tls-exporter (RFC 9266): TLS 1.3, or 1.2 with the extended master secret.
func exporter(p Peer) (scram.ChannelBinding, bool) {
	if p.TLS == nil || !p.TLS.HandshakeComplete {
		return scram.ChannelBinding{}, false
	}
	b, err := scram.NewTLSExporterBinding(p.TLS)
	return b, err == nil
}

// endPoint is tls-server-end-point (RFC 5929 §4): the hash of our certificate.
func endPoint(p Peer) (scram.ChannelBinding, bool) {
	if p.TLS == nil || p.Certificate == nil {
		return scram.ChannelBinding{}, false
	}
	// The library reads the certificate from where a client has it.
	b, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{p.Certificate}})
	return b, err == nil
}

// firstBinding is the best binding of a connection; the zero value if it has none.
func firstBinding(p Peer) scram.ChannelBinding {
	for _, of := range bindings() {
		if b, ok := of(p); ok {
			return b
		}
	}
	return scram.ChannelBinding{}
}

func canBind(p Peer) bool { return firstBinding(p).IsSupported() }
