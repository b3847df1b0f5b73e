package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"

	"github.com/xdg-go/scram"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// scramExchange is SCRAM-SHA-256 (RFC 5802, RFC 7677), with plus or without.
// The library's errors quote what must stay secret: none is passed on.
type scramExchange struct {
	e       *Engine
	peer    Peer
	plus    bool
	talk    *scram.ServerConversation // nil before the client's first message
	login   string
	profile *directory.Profile // nil: nobody of that name, who can't succeed
	who     ident.Identity
}

func (m *scramExchange) identity() ident.Identity { return m.who }

func (m *scramExchange) step(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return nil, false, nil // the client speaks first: an empty challenge
	case m.talk == nil:
		challenge, err := m.first(ctx, string(response))
		return challenge, false, err
	}
	challenge, err := m.final(ctx, string(response))
	return challenge, err == nil, err
}

// first answers client-first-message with nonce, salt and count (RFC 5802 §5).
func (m *scramExchange) first(ctx context.Context, message string) ([]byte, error) {
	bind, err := m.binding(message)
	if err != nil {
		return nil, err
	}
	nonce, err := m.e.nonce()
	if err != nil {
		return nil, err
	}
	var lookup error
	server, err := scram.SHA256.NewServer(func(login string) (scram.StoredCredentials, error) {
		m.login = login
		m.profile, lookup = m.e.profile(ctx, login)
		return m.e.scramCredentials(m.profile, login), lookup
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	server.WithNonceGenerator(func() string { return nonce })
	if m.plus {
		m.talk = server.NewConversationWithChannelBindingRequired(bind)
	} else {
		m.talk = server.NewConversationWithChannelBinding(bind)
	}
	challenge, err := m.talk.Step(message)
	switch {
	case lookup != nil:
		return nil, lookup
	case err != nil:
		return nil, fault.New(fault.Invalid, "the response is not what SCRAM asks for")
	}
	return []byte(challenge), mayActAs(m.talk.AuthzID(), m.login)
}

// final verifies the client's proof. Nothing is waited for between looking at
// the limits and counting a failure, so exchanges in parallel win no more guesses.
func (m *scramExchange) final(ctx context.Context, message string) ([]byte, error) {
	a := attempt{peer: m.peer, mechanism: m.name(), login: m.login}
	k := keyOf(a)
	leave, err := m.e.throttle.enter(ctx, k)
	if err != nil {
		return nil, err
	}
	defer leave()
	if now := m.e.now(); m.e.throttle.pairBlocked(k, now) || m.e.throttle.hostBlocked(k, now) {
		return nil, m.e.refuse(ctx, a)
	}
	challenge, err := m.talk.Step(message)
	if err != nil || !m.talk.Valid() || m.profile == nil {
		return nil, m.e.fail(ctx, a, k)
	}
	m.who, err = m.e.accept(ctx, a, k, m.profile)
	return []byte(challenge), err
}

func (m *scramExchange) name() string {
	if m.plus {
		return "SCRAM-SHA-256-PLUS"
	}
	return "SCRAM-SHA-256"
}

// binding finds the channel binding that client-first-message asks for
// (gs2-header, RFC 5802 §7). For clients that could bind but think we can't, it is
// any that we offer: the library then tells the downgrade (RFC 5802 §6).
func (m *scramExchange) binding(message string) (scram.ChannelBinding, error) {
	flag, _, _ := strings.Cut(message, ",")
	kind, bound := strings.CutPrefix(flag, "p=")
	if bound != m.plus {
		return scram.ChannelBinding{}, fault.New(fault.Invalid, "channel binding doesn't fit the mechanism")
	}
	if !bound {
		return firstBinding(m.peer), nil
	}
	for _, of := range bindings() {
		if b, ok := of(m.peer); ok && string(b.Type) == kind {
			return b, nil
		}
	}
	return scram.ChannelBinding{}, fault.New(fault.Invalid, "this channel binding is not offered")
}

// scramCredentials returns the keys of a profile. Somebody unknown, or without a password, gets keys that no
// proof fits, with a salt that is always the same for the name.
func (e *Engine) scramCredentials(p *directory.Profile, login string) scram.StoredCredentials {
	if p != nil && p.Credential != nil {
		k := p.Credential.Scram
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: k.Salt, Iters: k.Iterations},
			StoredKey:  []byte(k.StoredKey), ServerKey: []byte(k.ServerKey),
		}
	}
	name := foldLogin(login)
	if name == "" {
		name = login
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(e.derive("salt", name)[:16]), Iters: e.dir.ScramIterations()},
		StoredKey:  e.derive("stored", name), ServerKey: e.derive("server", name),
	}
}

func (e *Engine) derive(what, name string) []byte {
	h := hmac.New(sha256.New, e.saltKey)
	io.WriteString(h, what+"\x00"+name)
	return h.Sum(nil)
}

// nonce returns 24 random bytes in base64.
func (e *Engine) nonce() (string, error) {
	raw := make([]byte, 24)
	if _, err := io.ReadFull(e.rand, raw); err != nil {
		return "", fault.Wrap(fault.Internal, err, "no randomness")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
