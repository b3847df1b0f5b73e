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

// scramKind is SCRAM with one hash function.
type scramKind struct {
	name string // without -PLUS
	hash directory.ScramHash
	lib  scram.HashGeneratorFcn
}

// scramKinds lists what we speak, best first.
func scramKinds() []scramKind {
	return []scramKind{
		{"SCRAM-SHA-512", directory.ScramSHA512, scram.SHA512},
		{"SCRAM-SHA-256", directory.ScramSHA256, scram.SHA256},
		{"SCRAM-SHA-1", directory.ScramSHA1, scram.SHA1},
	}
}

// scramExchange is SCRAM (RFC 5802, RFC 7677), with plus or without.
// The library's errors quote what must stay secret: none is passed on.
//
// An account may have several passwords: its own, and app passwords. The client says a name only, so which one it has shows
// in its last message, by its proof: all are tried. What is said before is the same for all of them, since they share salt and count.
type scramExchange struct {
	e       *Engine
	peer    Peer
	kind    scramKind
	plus    bool
	bind    scram.ChannelBinding
	nonce   string
	hello   string // the client's first message; "": not heard yet
	login   string
	authzid string
	profile *directory.Profile // nil: nobody of that name, who can't succeed
	who     ident.Identity
}

func (m *scramExchange) identity() ident.Identity { return m.who }

func (m *scramExchange) step(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return nil, false, nil // the client speaks first: an empty challenge
	case m.hello == "":
		challenge, err := m.first(ctx, string(response))
		return challenge, false, err
	}
	challenge, err := m.final(ctx, string(response))
	return challenge, err == nil, err
}

// candidate is one of the passwords that the client may have.
type candidate struct {
	app  *directory.AppPassword // nil: the account's own password, or nobody's
	keys scram.StoredCredentials
}

// first answers client-first-message with nonce, salt and count (RFC 5802 §5).
func (m *scramExchange) first(ctx context.Context, message string) (challenge []byte, err error) {
	if m.bind, err = m.binding(message); err != nil {
		return nil, err
	}
	if m.nonce, err = m.e.nonce(); err != nil {
		return nil, err
	}
	var lookup error
	talk, err := m.talk(func(login string) (scram.StoredCredentials, error) {
		m.login = login
		if m.profile, lookup = m.e.profile(ctx, login); lookup != nil {
			return scram.StoredCredentials{}, lookup
		}
		var fake scram.StoredCredentials
		fake, lookup = m.e.fakeKeys(ctx, m.profile, login)
		return fake, lookup
	})
	if err != nil {
		return nil, err
	}
	text, err := talk.Step(message)
	switch {
	case lookup != nil:
		return nil, lookup
	case err != nil:
		return nil, fault.New(fault.Invalid, "the response is not what SCRAM asks for")
	}
	m.hello, m.authzid = message, talk.AuthzID()
	return []byte(text), nil
}

// talk begins a conversation of the library.
func (m *scramExchange) talk(keys scram.CredentialLookup) (*scram.ServerConversation, error) {
	server, err := m.kind.lib.NewServer(keys)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	server.WithNonceGenerator(func() string { return m.nonce })
	if m.plus {
		return server.NewConversationWithChannelBindingRequired(m.bind), nil
	}
	return server.NewConversationWithChannelBinding(m.bind), nil
}

// final verifies the client's proof.
func (m *scramExchange) final(ctx context.Context, message string) ([]byte, error) {
	a := &attempt{peer: m.peer, mechanism: m.name(), login: m.login, authzid: m.authzid}
	fits, challenge, err := m.proven(message)
	if err != nil {
		return nil, err
	}
	m.who, err = m.e.settle(ctx, a, m.profile, fits)
	return challenge, err
}

// proven finds the password that the client's proof is of, and what to answer then; nil if it is of none.
func (m *scramExchange) proven(message string) (*candidate, []byte, error) {
	for _, c := range m.candidates() {
		talk, err := m.talk(func(string) (scram.StoredCredentials, error) { return c.keys, nil })
		if err != nil {
			return nil, nil, err
		}
		if _, err := talk.Step(m.hello); err != nil {
			return nil, nil, fault.Wrap(fault.Internal, err, "")
		}
		if challenge, err := talk.Step(message); err == nil && talk.Valid() {
			return &c, []byte(challenge), nil
		}
	}
	return nil, nil, nil
}

// candidates are the passwords that the exchange can be about: those with the salt and count that the client was told.
func (m *scramExchange) candidates() []candidate {
	if m.profile == nil {
		return nil
	}
	var all []candidate
	salt, count, _ := m.profile.ScramSalt()
	add := func(app *directory.AppPassword, k directory.ScramKeys, has bool) {
		if has && k.Salt == salt && k.Iterations == count {
			all = append(all, candidate{app, scram.StoredCredentials{
				KeyFactors: scram.KeyFactors{Salt: salt, Iters: count}, StoredKey: []byte(k.StoredKey), ServerKey: []byte(k.ServerKey),
			}})
		}
	}
	if c := m.profile.Credential; c != nil {
		k, has := c.ScramKeys(m.kind.hash)
		add(nil, k, has)
	}
	for i := range m.profile.AppPasswords {
		app := &m.profile.AppPasswords[i]
		k, has := app.ScramKeys(m.kind.hash)
		add(app, k, has)
	}
	return all
}

func (m *scramExchange) offered(p Peer) bool { return !m.plus || canBind(p) }

func (m *scramExchange) name() string {
	if m.plus {
		return m.kind.name + "-PLUS"
	}
	return m.kind.name
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

// fakeKeys are keys that no proof fits, with the salt and count that the client is to be told: the account's, or for
// somebody unknown, or without a password, a salt that is always the same for the name, whatever the hash function.
func (e *Engine) fakeKeys(ctx context.Context, p *directory.Profile, login string) (scram.StoredCredentials, error) {
	name, err := e.dir.LoginName(ctx, login)
	if name == "" {
		name = login
	}
	f := scram.KeyFactors{Salt: string(e.derive("salt", name)[:16]), Iters: e.dir.ScramIterations()}
	if p != nil {
		if salt, count, ok := p.ScramSalt(); ok {
			f = scram.KeyFactors{Salt: salt, Iters: count}
		}
	}
	return scram.StoredCredentials{KeyFactors: f, StoredKey: e.derive("stored", name), ServerKey: e.derive("server", name)}, err
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
