package mtasts

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// Resolver finds text records: part of dns.Resolver.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) (dns.Answer[string], error)
}

// Options are what a Client is made of. TXT must be set.
type Options struct {
	TXT Resolver
	// Transport fetches policies. It must check certificates and follow no redirects. Nil: NewTransport(nil, nil).
	Transport http.RoundTripper
	// Store keeps them. Nil: InMemory().
	Store Store
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
	// Logger hears of policies that can't be had. Nil: nobody.
	Logger *slog.Logger
}

const (
	// patience is for how long a fetch that failed isn't tried again (RFC 8461 §3.3).
	patience = 5 * time.Minute
	// maxFailed bounds the memory for failures.
	maxFailed = 10_000
	day       = 24 * time.Hour
	// forgotten is how long ago a policy was used when it isn't renewed any more.
	forgotten = 30 * day
)

// Client finds the policies of domains. It is safe for concurrent use, and has no goroutines.
type Client struct {
	txt       Resolver
	transport http.RoundTripper
	store     Store
	now       func() time.Time
	log       *slog.Logger
	turns     turns

	mu     sync.Mutex // guards failed
	failed map[string]failure
}

// failure is a fetch that didn't work.
type failure struct {
	id  string
	at  time.Time
	err error
}

// New makes a Client.
func New(o Options) *Client {
	c := &Client{txt: o.TXT, transport: o.Transport, store: o.Store, now: o.Now, log: o.Logger, failed: map[string]failure{}}
	if c.transport == nil {
		c.transport = NewTransport(nil, nil)
	}
	if c.store == nil {
		c.store = InMemory()
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Found is what is known of a domain's policy.
type Found struct {
	// Policy is the one in force; its zero value if there is none.
	Policy Policy
	// ID is the version that it was announced with; "" if there is none.
	ID string
	// Trouble is why the current policy couldn't be had, while an earlier one or none is in force. For
	// logs and reports; it doesn't keep mail from being delivered (RFC 8461 §3.3).
	Trouble error
}

// Find returns the policy in force for a domain of recipients (RFC 8461 §5.1). It asks the DNS for its version,
// and fetches it if that has changed, which may take a minute. An error means that
// it isn't known whether there is a policy, since our own store fails or ctx has ended: mail should wait.
func (c *Client) Find(ctx context.Context, domain string) (Found, error) {
	domain, err := dns.ASCII(domain)
	if err != nil {
		return Found{}, err
	}
	leave, err := c.turns.enter(ctx, domain)
	if err != nil {
		return Found{}, err
	}
	defer leave()
	kept, inForce, err := c.load(ctx, domain)
	if err != nil {
		return Found{}, err
	}
	if inForce {
		if err := c.use(ctx, domain, &kept.Stored); err != nil {
			return Found{}, err
		}
	}
	return c.current(ctx, domain, kept)
}

// held is a policy that was fetched before; its zero value if none is in force.
type held struct {
	Stored
	policy Policy
}

func (h held) found(trouble error) Found {
	return Found{Policy: h.policy, ID: h.ID, Trouble: trouble}
}

// current returns the kept policy, or a newer one if there is one.
func (c *Client) current(ctx context.Context, domain string, kept held) (Found, error) {
	id, err := c.version(ctx, domain)
	switch {
	case ctx.Err() != nil:
		return Found{}, fault.Wrap(fault.Canceled, ctx.Err(), "")
	case fault.Is(err, fault.NotFound):
		return kept.found(nil), nil // a policy that is kept holds without its record (§5.1)
	case err != nil:
		return kept.found(err), nil
	case id == kept.ID:
		return kept.found(nil), nil
	}
	if err := c.lately(domain, id); err != nil {
		return kept.found(err), nil
	}
	fresh, err := c.renew(ctx, domain, id, c.now())
	if ctx.Err() != nil {
		return Found{}, fault.Wrap(fault.Canceled, ctx.Err(), "")
	}
	if err != nil {
		return kept.found(err), nil
	}
	return fresh.found(nil), nil
}

// version asks the DNS which version of its policy a domain has.
func (c *Client) version(ctx context.Context, domain string) (id string, err error) {
	a, err := c.txt.LookupTXT(ctx, recordPrefix+domain)
	if err != nil {
		return "", err
	}
	return ParseRecord(a.Records)
}

// load returns the policy that is kept for a domain, if it still holds. One that
// is damaged counts as none: the next fetch replaces it.
func (c *Client) load(ctx context.Context, domain string) (h held, inForce bool, err error) {
	s, ok, err := c.store.Load(ctx, domain)
	var p Policy
	if err == nil && ok {
		if p, err = ParsePolicy(s.Text); err != nil {
			err = fault.Wrap(fault.Corrupt, err, "MTA-STS: stored policy")
		}
	}
	if fault.Is(err, fault.Corrupt) {
		c.log.Error("a kept MTA-STS policy is damaged", "domain", domain, "err", err)
		return held{}, false, nil
	}
	if err != nil || !ok || !c.now().Before(s.Expires) {
		return held{}, false, err
	}
	return held{s, p}, true, nil
}

// use notes once a day that a policy is still of use.
func (c *Client) use(ctx context.Context, domain string, s *Stored) error {
	if c.now().Sub(s.Used) < day {
		return nil
	}
	s.Used = c.now()
	return c.store.Save(ctx, domain, *s)
}

// renew fetches a domain's policy and keeps it.
func (c *Client) renew(ctx context.Context, domain, id string, used time.Time) (held, error) {
	text, p, err := c.fetch(ctx, domain)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Warn("no MTA-STS policy", "domain", domain, "id", id, "err", err)
			c.note(domain, failure{id, c.now(), err})
		}
		return held{}, err
	}
	c.note(domain, failure{})
	now := c.now()
	h := held{Stored{ID: id, Text: text, Fetched: now, Expires: now.Add(p.MaxAge), Used: used}, p}
	if err := c.store.Save(ctx, domain, h.Stored); err != nil { // it holds for this time all the same
		c.log.Error("an MTA-STS policy can't be kept", "domain", domain, "err", err)
	}
	return h, nil
}

// lately returns the error of a fetch of this version that failed so lately that it isn't tried again yet.
func (c *Client) lately(domain, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.failed[domain]; f.id == id && c.now().Sub(f.at) < patience {
		return f.err
	}
	return nil
}

// note remembers a failure; a zero one forgets.
func (c *Client) note(domain string, f failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.err == nil {
		delete(c.failed, domain)
		return
	}
	if len(c.failed) >= maxFailed {
		clear(c.failed) // at worst some are tried again too early
	}
	c.failed[domain] = f
}

// Refresh renews the policies that were fetched more than a day or half their life ago, and are in use
// (RFC 8461 §10.2), and forgets those that have expired. It is to be called daily, and returns the first
// trouble with the store; those with policies are only logged.
func (c *Client) Refresh(ctx context.Context) error {
	domains, err := c.store.Domains(ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if err := c.refresh(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) refresh(ctx context.Context, domain string) error {
	leave, err := c.turns.enter(ctx, domain)
	if err != nil {
		return err
	}
	defer leave()
	kept, inForce, err := c.load(ctx, domain)
	if err != nil {
		return err
	}
	if !inForce {
		return c.store.Delete(ctx, domain)
	}
	age := c.now().Sub(kept.Fetched)
	if age < min(day, kept.policy.MaxAge/2) || c.now().Sub(kept.Used) > forgotten {
		return nil
	}
	if id, err := c.version(ctx, domain); err == nil && c.lately(domain, id) == nil {
		// A failure leaves the one that is kept.
		_, _ = c.renew(ctx, domain, id, kept.Used)
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Canceled, ctx.Err(), "")
	}
	return nil
}

// turns lets one at a time look after a domain.
type turns struct {
	mu   sync.Mutex // guards busy
	busy map[string]chan struct{}
}

// enter waits for the domain's turn. leave must be called afterwards.
func (t *turns) enter(ctx context.Context, domain string) (leave func(), err error) {
	for {
		t.mu.Lock()
		busy, ok := t.busy[domain]
		if !ok {
			if t.busy == nil {
				t.busy = map[string]chan struct{}{}
			}
			t.busy[domain] = make(chan struct{})
			t.mu.Unlock()
			return func() { t.leave(domain) }, nil
		}
		t.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Canceled, ctx.Err(), "")
		}
	}
}

func (t *turns) leave(domain string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.busy[domain])
	delete(t.busy, domain)
}
