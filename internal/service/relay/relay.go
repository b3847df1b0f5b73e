package relay

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"postroad/internal/service/transfer"
)

// Options say what a Relay works with. Dial is necessary; the rest has defaults.
type Options struct {
	// Dial makes connections: network is "tcp", or "unix" for a socket's path. from is the hop's Source; invalid
	// leaves it to Dial. Connections have room for a few KB on the way back, as TCP's have: replies to chunks are not waited for one by one.
	Dial func(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error)
	// Hostname is how we introduce ourselves on connections from a local address, which is the zero Addr if it is
	// unknown: a domain name that resolves to it, or an address literal (RFC 5321 §4.1.1.1). Default: "localhost".
	Hostname func(local netip.Addr) string
	// Now tells the time for outcomes and deadlines of messages. Default: time.Now.
	Now func() time.Time
	// Logger gets what no outcome tells. Default: nothing is logged.
	Logger *slog.Logger
	Limits Limits
}

// Relay sends messages to next hops. It is safe for concurrent use; each Send takes the
// goroutine that it is called in, one connection, and a few buffers.
type Relay struct {
	dial     func(ctx context.Context, from netip.Addr, network, addr string) (net.Conn, error)
	hostname func(netip.Addr) string
	now      func() time.Time
	log      *slog.Logger
	limits   Limits
	idle     idle
	shunned  shunned
}

// New returns a Relay. Close it after its last Send.
func New(o Options) *Relay {
	r := &Relay{dial: o.Dial, hostname: o.Hostname, now: o.Now, log: o.Logger, limits: o.Limits.withDefaults()}
	if r.hostname == nil {
		r.hostname = func(netip.Addr) string { return "localhost" }
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.idle = idle{limits: &r.limits, conns: map[key][]*waiting{}}
	return r
}

// Close says QUIT on all idle connections and waits until they are closed. A Send that is
// still under way ends its own.
func (r *Relay) Close() { r.idle.close() }

// Send tries to hand a message on: to the first of hops that takes it, for each recipient. It
// returns what became of them, in their order; see the package comment for which hop is tried
// when. It never returns fewer outcomes than there are recipients. If ctx ends, those who
// have no answer yet are Deferred.
//
// All recipients must be of the destination that hops lead to.
func (r *Relay) Send(ctx context.Context, hops []Hop, job transfer.Job) []transfer.Outcome {
	a := &attempt{relay: r, began: r.now(), results: make([]transfer.Outcome, len(job.Recipients))}
	a.mail.Job = &job
	whole := a.hold()
	defer whole.release()
	to := a.check()
	if len(to) > 0 && len(hops) == 0 {
		a.settle(nil, to, temporary("4.4.4", "there is no host to try").elsewhere())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.limits.Job+r.limits.forBytes(a.mail.size), errSlow)
	defer cancel()
	hops = r.shunned.order(hops, a.began)
	tried, sessions := 0, 0
	for i := 0; i < len(hops) && tried < r.limits.Hops && sessions < r.limits.Sessions && len(to) > 0; i++ {
		var met bool
		a.noWay = false
		if to, met = a.visit(ctx, &hops[i], to); met {
			sessions++
		}
		if !a.noWay { // IPv6 addresses, say, on a machine without: they cost nothing
			tried++
		}
		if ctx.Err() != nil {
			break
		}
	}
	return a.results
}

// attempt is one Send.
type attempt struct {
	relay   *Relay
	began   time.Time
	mail    mail
	hop     *Hop // the one that is tried
	noWay   bool // and the machine has no way to such an address
	results []transfer.Outcome
}

// check surveys the message and fails recipients that can't be put on the wire. It returns the others.
func (a *attempt) check() (to []int) {
	for i := range a.mail.Recipients {
		to = append(to, i)
	}
	if len(to) == 0 {
		return nil
	}
	if !safeAddress(a.mail.From) {
		a.settle(nil, to, permanent("5.1.7", "the sender's address is malformed"))
		return nil
	}
	fit := to[:0]
	for _, i := range to {
		if address := a.mail.Recipients[i].Address; address == "" || !safeAddress(address) {
			a.settle(nil, []int{i}, permanent("5.1.3", "the recipient's address is malformed"))
			continue
		}
		fit = append(fit, i)
	}
	var err error
	if a.mail.survey, err = look(a.mail.Content, 0, a.mail.Content.Size(), true); err != nil {
		a.relay.log.Error("cannot read a message that is to be sent", "id", a.mail.ID, "err", err)
		a.settle(nil, fit, lost(err, "reading the message"))
		return nil
	}
	return fit
}

// visit tries one hop for the recipients to. It returns those for whom another one may do
// better, and whether the hop was asked to take the message: one that turned out to be unfit before
// (REQUIRETLS, RFC 8689 §4.2.1) is as one that isn't there.
func (a *attempt) visit(ctx context.Context, hop *Hop, to []int) (again []int, met bool) {
	a.hop = hop
	if a.mail.mustBeSafe() && hop.TLS.Mode != Verified {
		t := troubleNoTLS
		return a.settle(nil, to, &t), false
	}
	c := a.relay.idle.take(keyOf(hop))
	if c != nil {
		c.bind(ctx)
		if again, met, ok := a.session(ctx, c, to); ok {
			return again, met
		}
	}
	c, t := a.relay.open(ctx, hop)
	if t != nil {
		a.noWay = t.here
		if a.mail.mustBeSafe() && (t.status == "4.7.4" || t.status == "4.7.5") { // RFC 8689 §4.2.1: "MUST send a non-delivery notification"
			t.result, t.status = transfer.Failed, "5.7.10"
		}
		return a.settle(nil, to, a.interrupted(ctx, t)), false
	}
	again, met, _ = a.session(ctx, c, to)
	return again, met
}

// session sends the message over a connection, in as many transactions as the hop's limits
// ask for. The connection is not the caller's any more afterwards. met reports whether the hop was
// asked to take the message; ok is false if the connection had been idle and turned out to be gone before
// it did anything for us: then a new one is as good as the first.
func (a *attempt) session(ctx context.Context, c *conn, to []int) (again []int, met, ok bool) {
	most := a.relay.limits.Recipients
	if c.ext.maxRcpts > 0 {
		most = min(most, c.ext.maxRcpts)
	}
	for len(to) > 0 {
		if c.full() {
			t := temporary("4.5.3", "the host takes no more recipients for now")
			t.next = true
			again = append(again, a.settle(c, to, t)...)
			break
		}
		n := min(most, len(to))
		tx := &transaction{a: a, c: c, to: to[:n]}
		tx.run()
		again, met = append(again, tx.again...), met || tx.asked
		to = append(tx.left, to[n:]...)
		t := tx.failed
		if t == nil {
			c.reused = false
			continue
		}
		broken := t.broken
		if c.reused && broken && !tx.mailed && ctx.Err() == nil {
			c.release()
			c.drop()
			return nil, false, false
		}
		t = a.interrupted(ctx, t)
		again = append(again, a.settle(c, tx.undecided(), t)...)
		if broken {
			again = append(again, a.settle(c, to, t.forOthers())...)
			c.release()
			c.drop()
			return again, met, true
		}
	}
	a.part(c)
	return again, met, true
}

// part keeps the connection for the next message, if nothing is wrong with it.
func (a *attempt) part(c *conn) {
	if !c.release() || c.in.Buffered() > 0 {
		c.drop()
		return
	}
	a.relay.idle.give(c)
}

// interrupted says what really happened if we ran out of time: that is not the host's fault.
func (a *attempt) interrupted(ctx context.Context, t *trouble) *trouble {
	if ctx.Err() == nil || context.Cause(ctx) == errSlow {
		return t
	}
	t = temporary("4.4.2", "the attempt was interrupted: "+t.text)
	t.broken = true
	return t
}

// errSlow ends a Send whose hops take too long over it.
var errSlow = errors.New("the hops are too slow")

// outcome is the frame of one: who was asked, and when.
func (a *attempt) outcome(c *conn) transfer.Outcome {
	now := a.relay.now()
	o := transfer.Outcome{At: now, Took: now.Sub(a.began)}
	if a.hop != nil {
		o.Remote, o.Addr = a.hop.Host, a.hop.Addr
	}
	if c != nil {
		o.TLS = c.tls
	}
	return o
}

// settle notes trouble for recipients, and returns those of them for whom another hop may be tried.
func (a *attempt) settle(c *conn, to []int, t *trouble) (again []int) {
	for _, i := range to {
		o := a.outcome(c)
		o.Result, o.Code, o.Status, o.Text, o.HostWide = t.result, t.code, t.status, t.text, t.hostWide
		if old := &a.results[i]; old.Status == "" || worthMore(&o, old, t.next) {
			*old = o
		}
		if t.next {
			again = append(again, i)
		}
	}
	return again
}

// worthMore reports whether an outcome takes the place of what another hop came to. A final
// one always does. Else hope is worth more than a host that refuses everybody, and a
// reply about the recipient more than trouble with a host.
func worthMore(o, old *transfer.Outcome, next bool) bool {
	switch {
	case !next:
		return true
	case o.Result != old.Result:
		return o.Result == transfer.Deferred
	}
	return o.Code != 0 || old.Code == 0
}
