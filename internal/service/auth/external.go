package auth

import (
	"context"
	"crypto/x509"
	"log/slog"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// external is EXTERNAL (RFC 4422 appendix A): who the client is was shown by its TLS certificate. The certificate names
// accounts by its subject alternative names of the kind rfc822Name (RFC 5280 §4.2.1.6).
type external struct {
	e    *Engine
	peer Peer
	who  ident.Identity
}

func (m *external) identity() ident.Identity { return m.who }

func (m *external) step(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if response == nil {
		return nil, false, nil // the client speaks first: an empty challenge
	}
	path := m.e.clientCertificate(m.peer)
	if path == nil {
		return nil, false, errWrong()
	}
	leaf := path[0]
	a := &attempt{peer: m.peer, mechanism: "EXTERNAL", authzid: string(response)}
	p, err := m.e.certified(ctx, leaf, a)
	if err != nil {
		return nil, false, err
	}
	with := Key{Kind: Certificate, Name: leaf.SerialNumber.Text(16), path: &path, until: leaf.NotAfter.Unix()}
	if p == nil {
		m.e.failures.Add(1)
		m.e.tell(ctx, slog.LevelWarn, "sign-in failed", a, nil, with, Failed)
		return nil, false, errWrong()
	}
	m.who, err = m.e.acceptNamed(ctx, a, a.login, p, with)
	return nil, err == nil, err
}

// acceptNamed lets in somebody of whom others say that an address is theirs, unless it is an alias by which somebody who administers no more than
// its domain could have led them to any account.
func (e *Engine) acceptNamed(ctx context.Context, a *attempt, address string, p *directory.Profile, with Key) (ident.Identity, error) {
	if !strings.EqualFold(address, p.Account.Address) {
		own, err := e.dir.OwnName(ctx, address, p.Account)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return ident.Identity{}, err
		}
		if err != nil || !own {
			return ident.Identity{}, e.deny(ctx, a, p, with, AnotherPerson, "this address is an alias, whose administrators don't administer the account that it leads to")
		}
	}
	return e.accept(ctx, a, p, with)
}

// certified finds the account that a certificate is for: of several, the one that the client wants to act as; nil: none.
func (e *Engine) certified(ctx context.Context, leaf *x509.Certificate, a *attempt) (first *directory.Profile, err error) {
	for _, address := range leaf.EmailAddresses {
		p, err := e.profile(ctx, address)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		same, err := e.mayActAs(ctx, a.authzid, p)
		if err != nil {
			return nil, err
		}
		if same {
			a.login = address
			return p, nil
		}
		if first == nil {
			first, a.login = p, address // who is refused then, as a somebody who wants to be another
		}
	}
	return first, nil
}

// clientCertificate is the peer's certificate with those that lead to it, if one of the authorities that the administrator trusts has signed it for
// clients, and none of them is revoked; else nil.
func (e *Engine) clientCertificate(p Peer) certPath {
	if e.options.ClientRoots == nil || p.TLS == nil || !p.TLS.HandshakeComplete || len(p.TLS.PeerCertificates) == 0 {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range p.TLS.PeerCertificates[1:] {
		between.AddCert(c)
	}
	chains, err := p.TLS.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: e.options.ClientRoots, Intermediates: between, CurrentTime: e.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return nil
	}
	for _, chain := range chains {
		if !e.anyRevoked(chain) {
			return chain
		}
	}
	return nil
}

func (e *Engine) anyRevoked(path certPath) bool {
	return e.options.Revoked != nil && slices.ContainsFunc(path, e.options.Revoked)
}

// EndRevoked ends the sessions that were signed in to by certificates which have been revoked since, or whose authority was. It returns how many there were.
func (e *Engine) EndRevoked() int {
	return e.endWhere(func(c *Connection) bool { return e.isRevoked(c.key) })
}

func (e *Engine) isRevoked(k Key) bool {
	return k.path != nil && e.anyRevoked(*k.path)
}

// EndExpired ends the sessions that were signed in to by app passwords and certificates which have ended since. It returns how many there were.
func (e *Engine) EndExpired() int {
	now := e.now().Unix()
	return e.endWhere(func(c *Connection) bool { return c.key.until != 0 && c.key.until <= now })
}

func (e *Engine) hasCertificate(p Peer) bool { return e.clientCertificate(p) != nil }
