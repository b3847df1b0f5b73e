package auth

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// Connection is a client's connection, which is listed while somebody is signed in on it. Its methods may be called by
// any goroutine, also on nil, which is listed nowhere.
type Connection struct {
	engine *Engine
	end    func()

	// guarded by engine.connections.mu
	number    uint64 // 0: nobody is signed in
	account   ident.AccountID
	address   string
	protocol  string
	mechanism string
	client    netip.Addr
	since     time.Time
	key       Key
	program   string
	tls       bool
}

// session is what is told of the connection. It isn't kept, since there may be many thousands.
func (c *Connection) session() Session {
	return Session{
		ID: sessionID(c.number), Account: c.account, Address: c.address, Protocol: c.protocol, Client: c.client, Program: c.program,
		Key: c.key.String(), Mechanism: c.mechanism, TLS: c.tls, Since: c.since,
	}
}

// sessionID names the connection with a number.
func sessionID(number uint64) string { return strconv.FormatUint(number, 36) }

// Session is a connection on which somebody is signed in.
type Session struct {
	ID        string // names it while the server runs
	Account   ident.AccountID
	Address   string // the account's
	Protocol  string
	Client    netip.Addr
	Program   string // what the client calls itself; "": it hasn't said
	Key       string // what was signed in with
	Mechanism string
	TLS       bool
	Since     time.Time
}

// maxProgram bounds what is kept of a program's name, in bytes.
const maxProgram = 200

// connections are those on which somebody is signed in.
type connections struct {
	mu   sync.Mutex
	last uint64                 // number given; guarded by mu
	open map[uint64]*Connection // guarded by mu
}

// Connect announces a connection that somebody may sign in on. end closes it at once; it may be called at any time, from any
// goroutine, and must not wait. The caller calls Close when the connection ends.
func (e *Engine) Connect(end func()) *Connection {
	if e == nil {
		return nil
	}
	return &Connection{engine: e, end: end}
}

// Close says that the connection has ended.
func (c *Connection) Close() { c.SignOut() }

// SignOut says that nobody is signed in any more.
func (c *Connection) SignOut() {
	if c == nil {
		return
	}
	all := &c.engine.connections
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.open, c.number)
	c.number = 0
}

// Program notes what the client calls itself: untrusted text.
func (c *Connection) Program(name string) {
	if c == nil {
		return
	}
	all := &c.engine.connections
	all.mu.Lock()
	defer all.mu.Unlock()
	c.program = strings.Clone(name[:min(len(name), maxProgram)])
}

// signIn lists the connection.
func (c *Connection) signIn(a *attempt, p *directory.Profile, k Key, now time.Time) {
	if c == nil {
		return
	}
	all := &c.engine.connections
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.open, c.number)
	all.last++
	c.number, c.key, c.since = all.last, k, now
	c.account, c.address = p.Account.ID, p.Account.Address
	c.protocol, c.client, c.mechanism, c.tls = a.peer.Protocol, a.peer.Addr, a.mechanism, a.peer.TLS != nil
	if all.open == nil {
		all.open = map[uint64]*Connection{}
	}
	all.open[c.number] = c
}

// Sessions lists the connections on which somebody is signed in, oldest first.
func (e *Engine) Sessions() []Session {
	all := &e.connections
	all.mu.Lock()
	defer all.mu.Unlock()
	numbers := make([]uint64, 0, len(all.open))
	for n := range all.open {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	list := make([]Session, len(numbers))
	for i, n := range numbers {
		list[i] = all.open[n].session()
	}
	return list
}

// EndSession ends the session with an ID; false if there is none.
func (e *Engine) EndSession(id string) bool {
	number, err := strconv.ParseUint(id, 36, 64)
	return err == nil && e.endWhere(func(c *Connection) bool { return c.number == number }) > 0
}

// EndSessions ends all sessions of an account, and returns how many there were.
func (e *Engine) EndSessions(id ident.AccountID) int {
	return e.endWhere(func(c *Connection) bool { return c.account == id })
}

// EndStale ends the sessions of an account whose key opens nothing any more: because the account is disabled or gone, its
// password has changed, or the app password was removed. It returns how many connections there were; browsers' sessions, which open
// nothing from then on anyway, are forgotten, so that they don't come back with what has ended them.
func (e *Engine) EndStale(ctx context.Context, id ident.AccountID) int {
	p, err := e.dir.ProfileByID(ctx, id)
	if err != nil {
		p = nil // gone, or nobody can say
	}
	if err == nil || fault.Is(err, fault.NotFound) {
		e.forgetPages(ctx, id, p)
	}
	stale := map[uint64]bool{}
	for number, k := range e.keysOf(id) {
		stale[number] = !e.stillOpens(ctx, p, k)
	}
	return e.endWhere(func(c *Connection) bool { return stale[c.number] })
}

// keysOf are the keys that an account's sessions were opened with.
func (e *Engine) keysOf(id ident.AccountID) map[uint64]Key {
	all := &e.connections
	all.mu.Lock()
	defer all.mu.Unlock()
	keys := map[uint64]Key{}
	for n, c := range all.open {
		if c.account == id {
			keys[n] = c.key
		}
	}
	return keys
}

// endWhere ends some sessions.
func (e *Engine) endWhere(which func(*Connection) bool) int {
	all := &e.connections
	all.mu.Lock()
	var ends []func()
	for n, c := range all.open {
		if which(c) {
			ends = append(ends, c.end)
			delete(all.open, n)
			c.number = 0
		}
	}
	all.mu.Unlock()
	for _, end := range ends {
		end()
	}
	return len(ends)
}

// stillOpens reports whether a key that was right once still is.
func (e *Engine) stillOpens(ctx context.Context, p *directory.Profile, k Key) bool {
	if p == nil || !p.Account.Enabled {
		return false
	}
	switch k.Kind {
	case Password:
		own := p.Credential != nil && p.Credential.Version == k.id
		outside := p.Link != nil && p.Credential == nil && k.id == 0
		return (own || outside) && !e.twoStep(p)
	case AppPassword:
		return slices.ContainsFunc(p.AppPasswords, func(a directory.AppPassword) bool { return a.ID == k.id })
	case Passkey:
		return slices.ContainsFunc(p.Passkeys, func(x directory.Passkey) bool { return x.ID == k.id })
	case Certificate:
		return !e.isRevoked(k)
	case Token:
		return k.grant == "" || e.options.Holds == nil || e.options.Holds(ctx, p.Account.ID, k.grant)
	}
	return true
}
