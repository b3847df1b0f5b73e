package sender

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/sender/dmarc"
	"postroad/internal/service/sender/spf"
)

// Resolver asks the DNS for all checks. It is safe for concurrent use.
type Resolver interface {
	spf.Resolver
	// Exists reports whether a name exists: it is false for NXDOMAIN only.
	Exists(ctx context.Context, name string) (bool, error)
}

// DefaultTimeout is how long the checks of a message may take: RFC 7208 §4.6.4 asks for at least 20 seconds.
const DefaultTimeout = 25 * time.Second

// Options make a Checker.
type Options struct {
	// Resolver is required.
	Resolver Resolver
	// ID is our name in Authentication-Results (authserv-id). It is required.
	ID string
	// Timeout is how long the checks of a message may take in all; 0 for DefaultTimeout. What has no result
	// then is a temperror.
	Timeout time.Duration
	// NoDMARC: no policy is looked for, and none is told of.
	NoDMARC bool
	// Now tells the time; nil for time.Now.
	Now func() time.Time
	// Broken hears of a check that panicked, by its name. It costs the message that check's result: temperror (of arc, which has none: fail). Nil: nobody does.
	Broken func(check string, p *fault.Panic)
}

// Checker checks messages. It is safe for concurrent use.
type Checker struct {
	opts    Options
	keys    dkim.Keys
	records spf.Records
	asks    dmarc.Records // what domains ask for
}

// New makes a Checker.
func New(o Options) *Checker {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Checker{opts: o}
}

// Session is what is known of the sender before the message.
type Session struct {
	// IP is the client's address.
	IP netip.Addr
	// Helo is what the client calls itself.
	Helo string
	// MailFrom is the reverse-path without brackets; "" if it is null.
	MailFrom string
}

// Check takes one message. It is an io.Writer that never fails; not safe for concurrent use. One that isn't finished
// can be dropped.
type Check struct {
	by      *Checker
	session Session
	scan    dkim.Scan
	dkim    dkim.Verifier
	arc     arc.Verifier
	iprev   IPRev
	known   bool // iprev is
	unread  bool // taking the message apart has panicked
}

// Begin starts the check of one message. Nothing is asked of the DNS before Verdict.
func (c *Checker) Begin(s Session) *Check {
	k := new(Check)
	c.BeginIn(k, s)
	return k
}

// BeginIn is Begin in a Check that is the caller's, and may have been one of another message.
func (c *Checker) BeginIn(k *Check, s Session) {
	s.IP = s.IP.Unmap().WithZone("")
	*k = Check{by: c, session: s}
	k.dkim.Begin(dkim.Options{Resolver: c.opts.Resolver, Keys: &c.keys, Now: c.opts.Now})
	k.arc.Begin(arc.Options{Resolver: c.opts.Resolver, Keys: &c.keys})
	k.scan.Begin(&k.dkim, &k.arc)
}

// Write takes the next portion of the message, header and body, with CRLF line ends.
func (k *Check) Write(p []byte) (int, error) {
	if !k.unread {
		k.unread = !k.survives("message", func() { k.scan.Write(p) }) //nolint:errcheck // it never fails
	}
	return len(p), nil
}

// Header is the message's header as it came, without the empty line; "" before it is complete, or if it is over dkim.MaxHeader.
func (k *Check) Header() string {
	var b strings.Builder
	for _, f := range k.scan.Header() {
		b.WriteString(f.Raw)
		b.WriteString("\r\n")
	}
	return b.String()
}

// Known tells what CheckIPRev says of the session's IP, so that Verdict needn't ask.
func (k *Check) Known(r IPRev) { k.iprev, k.known = r, true }

// Verdict is what the checks say.
type Verdict struct {
	// ID is our name.
	ID      string
	Session Session
	// SPF is for the reverse-path, or for the HELO name if that is null; Helo is for the HELO name.
	SPF, Helo spf.Result
	IPRev     IPRev
	// DKIM has one result per signature, from the top.
	DKIM  []dkim.Result
	ARC   arc.Result
	DMARC dmarc.Result
	// Override says in words why DMARC.Disposition isn't what the policy asks for; "" if it is. It is for whoever decides so.
	Override string
	// Others are results of further methods, which are told after ours.
	Others []authres.Method
}

// Verdict finishes the check. The message must be complete. It waits for the DNS, for no longer than Options.Timeout.
func (k *Check) Verdict(ctx context.Context) Verdict {
	v := Verdict{ID: k.by.opts.ID, Session: k.session}
	var tooLarge error
	if !k.unread {
		k.unread = !k.survives("message", func() { tooLarge = k.scan.Close() })
	}
	// What is at hand is looked at first: for one who writes often that is all, and nothing has to be waited for.
	memory, complete := k.memory(ctx)
	if !k.remembered(memory, complete, &v) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, k.by.opts.Timeout)
		defer cancel()
		v = k.parallel(ctx, v)
		memory, complete = k.memory(ctx)
	}
	switch {
	case k.by.opts.NoDMARC:
	case tooLarge != nil:
		v.DMARC = dmarc.Result{Status: authres.PermError, Reason: fault.TextOf(tooLarge), Disposition: dmarc.Quarantine}
	default:
		v.DMARC = k.checkDMARC(ctx, memory, complete, k.dmarcMessage(&v))
	}
	return v
}

func (k *Check) request() spf.Request {
	return spf.Request{IP: k.session.IP, Helo: k.session.Helo, MailFrom: k.session.MailFrom, Receiver: k.by.opts.ID, Now: k.by.opts.Now, Records: &k.by.records}
}

// parallel runs what DMARC builds upon. It leaves DMARC a part of the time: whoever makes SPF or DKIM wait for
// names of his own shall not thereby escape another's policy.
func (k *Check) parallel(ctx context.Context, v Verdict) Verdict {
	ctx, cancel := context.WithTimeout(ctx, k.by.opts.Timeout/5*4)
	defer cancel()
	q := k.request()
	var g sync.WaitGroup
	g.Go(func() { v.SPF = k.checkSPF(ctx, q) })
	if q.MailFrom != "" {
		g.Go(func() { v.Helo = k.checkHelo(ctx, q) })
	}
	if k.known {
		v.IPRev = k.iprev
	} else {
		g.Go(func() { v.IPRev = k.checkIPRev(ctx) })
	}
	g.Go(func() { v.ARC = k.checkARC(ctx) })
	v.DKIM = k.checkDKIM(ctx, true) // the dearest, which needs no goroutine of its own
	g.Wait()
	if q.MailFrom == "" {
		v.Helo = v.SPF
	}
	return v
}

// remembered does what parallel does out of the DNS's answers that are at hand. It returns false if these aren't all, and what it has found says nothing then.
func (k *Check) remembered(ctx context.Context, complete func() bool, v *Verdict) bool {
	if complete == nil || !k.known || k.unread || k.arc.Sealed() {
		return false
	}
	q := k.request()
	if v.SPF = k.checkSPF(ctx, q); !complete() {
		return false
	}
	v.Helo = v.SPF
	if q.MailFrom != "" {
		v.Helo = k.checkHelo(ctx, q)
	}
	if k.survives("dkim", func() { k.dkim.Lookup(ctx) }); !complete() {
		return false
	}
	v.IPRev, v.ARC, v.DKIM = k.iprev, k.checkARC(ctx), k.checkDKIM(ctx, false)
	return true
}

// memory is a context with which the DNS is asked for what is at hand alone, and what tells whether that was all; nil if there is no such thing.
func (k *Check) memory(ctx context.Context) (_ context.Context, complete func() bool) {
	if r, ok := k.by.opts.Resolver.(rememberer); ok {
		return r.Remembered(ctx)
	}
	return ctx, nil
}

func (k *Check) dmarcMessage(v *Verdict) dmarc.Message {
	m := dmarc.Message{SPF: dmarc.Identifier{Domain: v.SPF.Domain, Result: v.SPF.Status}, Records: &k.by.asks}
	for _, s := range v.DKIM {
		m.DKIM = append(m.DKIM, dmarc.Identifier{Domain: s.Domain, Result: s.Status})
	}
	for _, f := range k.scan.Header() {
		if f.Name == "from" {
			m.From = append(m.From, f.Body())
		}
	}
	return m
}
