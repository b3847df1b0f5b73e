package auth

import (
	"bytes"
	"context"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// MaxResponse is the longest response of a client, decoded, in bytes: what a line of 12288 holds (RFC 4954 §4).
const MaxResponse = 12288 / 4 * 3

// Exchange is a SASL exchange under way. It belongs to one connection and is not safe for concurrent use.
type Exchange interface {
	// Next takes the client's response (decoded; nil at the start: no
	// initial response) and gives the next challenge. With done the exchange has succeeded; a
	// challenge may still come with it (SCRAM's v=), to be shown as the protocol shows such data. After
	// done or an error the exchange is over. Errors are those of Engine.Login, and
	// fault.Invalid for responses that can't be.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// Identity is who has signed in, once Next was done.
	Identity() ident.Identity
}

// mechanism is a SASL mechanism that this package speaks.
type mechanism struct {
	name string
	// offered says whether the connection allows it.
	offered func(p Peer) bool
	// start begins an exchange.
	start func(e *Engine, p Peer) stepper
}

// stepper is an Exchange without the rules that all have in common.
type stepper interface {
	step(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	identity() ident.Identity
}

// offer lists the mechanisms that are on, best first.
func (e *Engine) offer() (all []mechanism) {
	add := func(on bool, name string, offered func(Peer) bool, start func(e *Engine, p Peer) stepper) {
		if on {
			all = append(all, mechanism{name, offered, start})
		}
	}
	add(e.options.ClientRoots != nil, "EXTERNAL", e.hasCertificate, func(e *Engine, p Peer) stepper { return &external{e: e, peer: p} })
	for _, plus := range []bool{true, false} {
		for _, k := range scramKinds() {
			m := scramExchange{e: e, kind: k, plus: plus}
			add(e.dir.ScramHashes()&k.hash != 0, m.name(), m.offered, func(e *Engine, p Peer) stepper {
				return &scramExchange{e: e, peer: p, kind: k, plus: plus}
			})
		}
	}
	for _, google := range []bool{false, true} {
		m := bearer{google: google}
		add(e.options.Tokens != nil, m.name(), Peer.mayShowSecrets, func(e *Engine, p Peer) stepper { return &bearer{e: e, peer: p, google: google} })
	}
	add(true, "PLAIN", Peer.mayShowSecrets, func(e *Engine, p Peer) stepper { return &plain{e: e, peer: p} })
	add(true, "LOGIN", Peer.mayShowSecrets, func(e *Engine, p Peer) stepper { return &login{e: e, peer: p} })
	add(e.options.CRAMMD5, "CRAM-MD5", always, func(e *Engine, p Peer) stepper { return &cramMD5{e: e, peer: p} })
	return all
}

// Mechanisms names the mechanisms to announce to a peer, best first.
func (e *Engine) Mechanisms(p Peer) []string {
	var names []string
	for _, m := range e.mechanisms {
		if m.offered(p) {
			names = append(names, m.name)
		}
	}
	return names
}

// Start begins an exchange. The name's case doesn't matter. It fails with
// fault.Unsupported for mechanisms that are unknown or not offered to this peer.
func (e *Engine) Start(p Peer, name string) (Exchange, error) {
	for _, m := range e.mechanisms {
		if equalASCII(m.name, name) && m.offered(p) {
			return &exchange{stepper: m.start(e, p)}, nil
		}
	}
	return nil, fault.New(fault.Unsupported, "this mechanism is not offered")
}

func equalASCII(a, b string) bool {
	return len(a) == len(b) && bytes.EqualFold([]byte(a), []byte(b))
}

// exchange holds the rules that all mechanisms have in common.
type exchange struct {
	stepper
	begun bool
	over  bool
	done  bool
}

// Next implements Exchange.
func (x *exchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case x.over:
		return nil, false, fault.New(fault.Invalid, "the exchange is over")
	case len(response) > MaxResponse:
		x.over = true
		return nil, false, fault.New(fault.Invalid, "the response is too long")
	case response == nil && x.begun:
		response = []byte{}
	}
	x.begun = true
	challenge, done, err := x.step(ctx, response)
	x.done = done && err == nil
	x.over = done || err != nil
	if err != nil {
		return nil, false, err
	}
	return challenge, x.done, nil
}

// Identity implements Exchange.
func (x *exchange) Identity() ident.Identity {
	if !x.done {
		return ident.Identity{}
	}
	return x.identity()
}

// plain is RFC 4616.
type plain struct {
	e    *Engine
	peer Peer
	who  ident.Identity
}

func (m *plain) identity() ident.Identity { return m.who }

func (m *plain) step(ctx context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil // the client speaks first: an empty challenge
	}
	// RFC 4616 §2: [authzid] NUL authcid NUL passwd
	part := bytes.Split(response, []byte{0})
	if len(part) != 3 || len(part[1]) == 0 || len(part[2]) == 0 || !utf8.Valid(response) {
		return nil, false, fault.New(fault.Invalid, "the response is not what PLAIN asks for")
	}
	who, err := m.e.password(ctx, &attempt{peer: m.peer, mechanism: "PLAIN", login: string(part[1]), authzid: string(part[0])}, string(part[2]))
	m.who = who
	return nil, err == nil, err
}

// login is the mechanism of draft-murchison-sasl-login, which some programs know alone.
type login struct {
	e    *Engine
	peer Peer
	name []byte // nil: not heard yet
	who  ident.Identity
}

func (m *login) identity() ident.Identity { return m.who }

func (m *login) step(ctx context.Context, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case len(response) == 0 || !utf8.Valid(response):
		return nil, false, fault.New(fault.Invalid, "the response is not what LOGIN asks for")
	case m.name == nil:
		m.name = bytes.Clone(response)
		return []byte("Password:"), false, nil
	}
	who, err := m.e.password(ctx, &attempt{peer: m.peer, mechanism: "LOGIN", login: string(m.name)}, string(response))
	m.who = who
	return nil, err == nil, err
}

func always(Peer) bool { return true }
