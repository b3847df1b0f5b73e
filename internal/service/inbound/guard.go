package inbound

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/peer"
	"postroad/internal/service/sender"
	"postroad/internal/storage/kv"
)

// Policy says what becomes of messages that fail DMARC.
type Policy uint8

// What becomes of messages that fail DMARC.
const (
	// Enforce does what the author's domain asks for: refuse, or junk.
	Enforce Policy = iota
	// MarkOnly tells it in Authentication-Results.
	MarkOnly
	// Off doesn't look for policies at all.
	Off
)

// Greylisting says whom greylisting asks to come back.
type Greylisting uint8

// Whom greylisting asks to come back.
const (
	// GreyAuto: strangers that look bad.
	GreyAuto Greylisting = iota
	// GreyOff: nobody.
	GreyOff
	// GreyAlways: everybody who has no record here.
	GreyAlways
)

// Rates bound what comes in a minute; 0 means the default, below 0 no limit.
type Rates struct {
	// Connections and Messages are for one client: an IPv4 address, or an IPv6 /64. 300 and 600 by default.
	Connections, Messages int
	// Domain is how many messages that were proved to be from one domain are taken; 3000 by default.
	Domain int
}

// Options are what a Guard is made of.
type Options struct {
	// Resolver is asked about senders. Nil: strangers aren't checked.
	Resolver dns.Resolver
	// DB has the partitions of keys.go. It is required.
	DB kv.DB
	// Hostname is our name, also in Authentication-Results. It is required.
	Hostname string
	// Secret makes hashes in the store a secret of this installation. It is required.
	Secret []byte
	// Local reports whether an address is in a domain of ours; nil: all are. Only for those strangers hear of lists and greylisting.
	Local func(ctx context.Context, address string) (bool, error)
	// Trusted are networks whose hosts nobody checks; nil: loopback.
	Trusted []netip.Prefix
	// DMARC says what becomes of messages that fail it.
	DMARC Policy
	// SPFRefuse: messages that SPF fails, and nothing else speaks for, are refused. Else that is only told.
	SPFRefuse bool
	// NullMXRefuse: senders whose domain accepts no mail are refused. Else greylisting looks at them.
	NullMXRefuse bool
	Helo         HeloRules
	Greylist     Greylisting
	// Block are lists of bad clients, Allow of good ones: those are neither greylisted nor refused because of Block.
	Block, Allow []List
	// Welcome reports whether an administrator wants mail of a client: it is then as if on a list of the good. Nil: of nobody.
	Welcome func(client netip.Addr) bool
	// WelcomeSender reports whether an administrator wants mail of a reverse-path for a recipient: if SPF proves it, it is neither refused
	// because of Block nor greylisted. Nil: of nobody.
	WelcomeSender func(from, to string) bool
	// Sealers are domains whose ARC seals are believed.
	Sealers []string
	Rates   Rates
	// Entries is how many strangers are remembered, of each kind; 0 for 200,000.
	Entries int
	// Report hears of each message that DMARC was asked about. It must not wait.
	Report func(Evaluated)
	// Failed hears of each message of which its author's domain wants to be told one by one. It must not wait. Nil: nobody does.
	Failed func(Failed)
	// Now tells the time; nil for time.Now.
	Now func() time.Time
	// Logger hears what is odd; nil: nobody does.
	Logger *slog.Logger
}

// Guard watches the door. It is safe for concurrent use.
type Guard struct {
	o       Options
	log     *slog.Logger
	dns     sender.Resolver
	checker *sender.Checker
	memory  *memory
	counts  counts

	connections, messages *meter[netip.Prefix]
	domains               *meter[string]
	broken                *meter[string]       // how often a broken list is complained of
	told                  *meter[netip.Prefix] // how often a client that comes too often is
}

// New makes a Guard.
func New(o Options) *Guard {
	o = o.withDefaults()
	g := &Guard{
		o: o, log: o.Logger, memory: newMemory(o.DB, o.Secret, o.Entries),
		connections: newMeter[netip.Prefix](o.Rates.Connections, time.Minute),
		messages:    newMeter[netip.Prefix](o.Rates.Messages, time.Minute),
		domains:     newMeter[string](o.Rates.Domain, time.Minute),
		broken:      newMeter[string](1, time.Hour),
		told:        newMeter[netip.Prefix](1, time.Minute),
	}
	if o.Resolver != nil {
		g.dns = sender.FromDNS(o.Resolver)
		g.checker = sender.New(sender.Options{Resolver: g.dns, ID: o.Hostname, NoDMARC: o.DMARC == Off, Now: o.Now, Broken: g.complain})
	}
	return g
}

func (o Options) withDefaults() Options {
	if o.Trusted == nil {
		o.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	for n, def := range map[*int]int{&o.Rates.Connections: 300, &o.Rates.Messages: 600, &o.Rates.Domain: 3000, &o.Entries: 200_000} {
		if *n == 0 {
			*n = def
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Sealers = slices.Clone(o.Sealers)
	for i, s := range o.Sealers {
		o.Sealers[i] = strings.ToLower(strings.TrimSuffix(s, "."))
	}
	return o
}

// Trusts reports whether nobody checks a client because it is one of ours. One that has no address is a program on this machine.
func (g *Guard) Trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return !a.IsValid() || slices.ContainsFunc(g.o.Trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// toldOf reports whether a client was complained of within the last minute, and notes that it is now.
func (g *Guard) toldOf(a netip.Addr) bool { return !g.told.take(peer.Network(a), g.o.Now()) }

// Tidy forgets strangers who haven't been here for long. It should be called about every hour, the first time soon.
func (g *Guard) Tidy(ctx context.Context) error { return g.memory.tidy(ctx, g.o.Now()) }

// survives runs something that the guard can do without, and reports whether it came to an end and didn't panic.
func (g *Guard) survives(check string, run func()) bool {
	p := fault.Caught(run)
	if p != nil {
		g.complain(check, p)
	}
	return p == nil
}

// complain tells of a check that panicked.
func (g *Guard) complain(check string, p *fault.Panic) {
	g.counts.panics.Add(1)
	g.log.Error("a check of strangers panicked", "check", check, "panic", p.Value, "stack", string(p.Stack))
}

// Stats are totals since the Guard was made.
type Stats struct {
	// Checked messages, and how many of them were given to which DMARC result, went to junk, or were let in because of a trusted seal.
	Checked, Pass, Fail, NoPolicy, TempError, PermError, Junk, Sealed uint64
	// Refused counts refusals by reason.
	Refused map[Reason]uint64
	// ListTrouble counts questions to lists that got no answer.
	ListTrouble uint64
	// Panics counts checks that ended in one: mistakes of ours, which the log tells of.
	Panics uint64
}

type counts struct {
	checked, pass, fail, noPolicy, tempError, permError, junk, sealed, listTrouble, panics atomic.Uint64

	refused [16]atomic.Uint64 // in the order of Reasons
}

// refuse counts a refusal and makes an error of it.
func (c *counts) refuse(r Refusal) error {
	if i := slices.Index(Reasons(), r.Reason); i >= 0 {
		c.refused[i].Add(1)
	}
	return r.fault()
}

// Stats returns the counts.
func (g *Guard) Stats() Stats {
	c := &g.counts
	s := Stats{
		Checked: c.checked.Load(), Pass: c.pass.Load(), Fail: c.fail.Load(), NoPolicy: c.noPolicy.Load(),
		TempError: c.tempError.Load(), PermError: c.permError.Load(), Junk: c.junk.Load(), Sealed: c.sealed.Load(),
		ListTrouble: c.listTrouble.Load(), Panics: c.panics.Load(), Refused: map[Reason]uint64{},
	}
	for i, r := range Reasons() {
		s.Refused[r] = c.refused[i].Load()
	}
	return s
}
