package reports

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/format/arf"
	"postroad/internal/service/dns"
	"postroad/internal/storage/kv"
)

// Local parts of the addresses, at any domain of ours, that reports about us come to.
const (
	TLSAddress   = "tls-reports"
	DMARCAddress = "dmarc-reports"
)

// Resolver asks the DNS: part of dns.Resolver.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) (dns.Answer[string], error)
	LookupIP(ctx context.Context, host string) (dns.Answer[netip.Addr], error)
}

// Identity is in whose name reports are sent.
type Identity struct {
	// Organization is a name for people; Domain is ours, as A-labels; Contact an address in it.
	Organization, Domain, Contact string
}

// Mail is a report that leaves by mail.
type Mail struct {
	// ID is the report's: the same when it is sent again.
	ID string
	// From is the reverse-path too. It is ours.
	From string
	To   []string
	// Text is the whole message. "TLS-Required: No" in its header means what it says (RFC 8689 §5).
	Text []byte
}

// Options are what a Service is made of. DB must be set.
type Options struct {
	DB kv.DB
	// SendTLS, SendDMARC and SendFailures say which reports are sent; DNS, Who and Mail must be set then.
	SendTLS, SendDMARC, SendFailures bool
	DNS                              Resolver
	// Organization finds the organizational domain of a domain (RFC 9989 §4.10.2).
	Organization func(ctx context.Context, domain string) (string, error)
	// Who says in whose name reports are sent. fault.NotFound: nobody's, for now.
	Who func(ctx context.Context) (Identity, error)
	// Mail hands a message on; it is durable, or will never work, when Mail returns nil.
	Mail func(ctx context.Context, m Mail) error
	// HTTP posts reports. It must connect to public addresses only, and follow no redirects. Nil: reports by HTTPS aren't sent.
	HTTP http.RoundTripper
	// Ours tells whether reports about a domain are for us. Nil: none is.
	Ours func(ctx context.Context, domain string) (bool, error)
	// FailuresPerDay is how many failure reports go to one address in a day (UTC); 0 for DefaultFailuresPerDay.
	FailuresPerDay int
	// Redact takes out of failure reports what names people; nil: nothing is.
	Redact *arf.Redactor
	// Generator names the program in reports.
	Generator string
	// Rand spreads the sending over some hours. Nil: it isn't spread.
	Rand io.Reader
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
	// Logger hears of what was sent and received. Nil: nobody.
	Logger *slog.Logger
}

// Service counts, sends and keeps reports. It is safe for concurrent use.
type Service struct {
	o        Options
	db       kv.DB
	now      func() time.Time
	log      *slog.Logger
	seed     [8]byte
	tally    tally
	failures failures
	sending  sync.Mutex    // held while reports are sent
	reading  chan struct{} // has room while a report may be read
	stats    counters
}

// counters are Stats as they are counted.
type counters struct {
	sent, failed, received, ignored, dropped               atomic.Uint64
	failuresSent, failuresReceived                         atomic.Uint64
	tlsSessions, tlsFailures, dmarcMessages, dmarcFailures atomic.Uint64
}

// Stats counts since New.
type Stats struct {
	// Sent are reports sent, Failed those given up.
	Sent, Failed uint64
	// Received are reports kept, Ignored those that couldn't be read, believed or kept, or were about others.
	Received, Ignored uint64
	// Dropped counts what was not counted or told since a limit was met.
	Dropped uint64
	// FailuresSent are failure reports sent (Sent doesn't count them), FailuresReceived the messages that received ones tell of.
	FailuresSent, FailuresReceived uint64
	// What received reports tell of: sessions with our servers and messages in our name, and those that failed.
	TLSSessions, TLSFailures, DMARCMessages, DMARCFailures uint64
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{o: o, db: o.DB, now: o.Now, log: o.Logger, reading: make(chan struct{}, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if o.Rand != nil {
		io.ReadFull(o.Rand, s.seed[:]) //nolint:errcheck // without it reports of all are sent at the same times
	}
	if s.o.FailuresPerDay <= 0 {
		s.o.FailuresPerDay = DefaultFailuresPerDay
	}
	s.failures = failures{waiting: make(chan *Failed, maxWaiting), known: map[string]*told{}}
	s.tally = tally{limit: maxPending, kick: make(chan struct{}, 1)}
	return s
}

// Stats returns the counts.
func (s *Service) Stats() Stats {
	c := &s.stats
	return Stats{Sent: c.sent.Load(), Failed: c.failed.Load(), Received: c.received.Load(), Ignored: c.ignored.Load(), Dropped: c.dropped.Load(),
		FailuresSent: c.failuresSent.Load(), FailuresReceived: c.failuresReceived.Load(),
		TLSSessions: c.tlsSessions.Load(), TLSFailures: c.tlsFailures.Load(), DMARCMessages: c.dmarcMessages.Load(), DMARCFailures: c.dmarcFailures.Load()}
}

// How often Run looks.
const (
	flushEvery = time.Minute
	sendEvery  = 5 * time.Minute
	pruneEvery = 6 * time.Hour
)

// Run counts, sends and forgets until ctx ends. What was counted is in the store when it returns.
func (s *Service) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { s.keepCounts(ctx) })
	all.Go(func() { s.sendFailures(ctx) })
	all.Go(func() { every(ctx, sendEvery, func() { s.logged(ctx, "send reports", s.sendDue) }) })
	all.Go(func() { every(ctx, pruneEvery, func() { s.logged(ctx, "forget old reports", s.prune) }) })
	all.Wait()
}

// keepCounts brings counts into the store now and then, and at the end.
func (s *Service) keepCounts(ctx context.Context) {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			s.logged(last, "keep counts for reports", s.Flush)
			return
		case <-s.tally.kick:
		case <-t.C:
		}
		s.logged(ctx, "keep counts for reports", s.Flush)
	}
}

func (s *Service) sendDue(ctx context.Context) error {
	_, err := s.Send(ctx, false)
	return err
}

// logged tells the log what couldn't be done.
func (s *Service) logged(ctx context.Context, what string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("cannot "+what, "err", err)
	}
}

// every runs fn at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, fn func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			fn()
		}
	}
}
