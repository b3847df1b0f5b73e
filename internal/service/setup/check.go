package setup

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// Resolver asks the DNS.
type Resolver interface {
	dns.Resolver
	dns.Services
}

// Options say how Check looks. DNS must be set.
type Options struct {
	DNS Resolver
	// Dial connects to others; network is "tcp". Nil: the net package's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities that others believe. Nil: the system's.
	Roots *x509.CertPool
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
	// Timeout is how long all may take; 0 for DefaultTimeout.
	Timeout time.Duration
	// Offline: only the DNS is asked, and nobody connected to.
	Offline bool
	// Blocklists are the zones to look the addresses up in. Nil: DefaultBlocklists; empty: none.
	Blocklists []string
	// Probe is the domain whose mail host is connected to, to see whether mail can leave; "" for DefaultProbe.
	Probe string
}

// Bounds of a check.
const (
	DefaultTimeout = 60 * time.Second
	// dialTimeout is how long a connection may take until its first line.
	dialTimeout = 10 * time.Second
	// atOnce is how many checks run at a time.
	atOnce = 8
	// maxHosts is how many hosts or addresses of a kind are looked at.
	maxHosts = 8
)

// DefaultProbe is a domain whose mail hosts answer everybody whose network lets mail out.
const DefaultProbe = "gmail.com"

// checker is one check on its way. What it knows is set before the parts run, and not changed by them.
type checker struct {
	Facts
	Options
	// mx is where mail for the domain goes, host where the server is.
	mx   found[dns.MX]
	host found[netip.Addr]
	// sources are the addresses that mail is sent from, as far as is known; none if all leaves through a smart host.
	sources []netip.Addr
}

// found is the DNS's answer to one question.
type found[T any] struct {
	dns.Answer[T]
	err error
}

func ask[T any](ctx context.Context, lookup func(context.Context, string) (dns.Answer[T], error), name string) found[T] {
	a, err := lookup(ctx, name)
	return found[T]{a, err}
}

// none reports whether the DNS says that there is nothing.
func (f *found[T]) none() bool { return fault.Is(f.err, fault.NotFound) }

// unknown reports whether there is no answer for now.
func (f *found[T]) unknown() bool { return f.err != nil && !fault.Is(f.err, fault.NotFound) }

// Check compares what is with what should be. It ends within Options.Timeout, or when ctx does; what isn't
// known by then is among the findings.
func Check(ctx context.Context, f Facts, o Options) Report {
	k := newChecker(f, o)
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	alive := k.first(ctx)
	k.settle()
	r := Report{Domain: f.Domain, Hostname: f.Hostname, Addresses: []string{}}
	for _, a := range k.known() {
		r.Addresses = append(r.Addresses, a.String())
	}
	if !alive {
		n := notes{topic: "dns"}
		n.wrong("see that the resolvers work that [dns] servers or /etc/resolv.conf name, and that port 53 is open to them",
			"no DNS server answers, so nothing can be checked: %s", cause(k.mx.err))
		r.Findings = n.all
		return r
	}
	r.Findings = k.run(ctx)
	return r
}

func newChecker(f Facts, o Options) *checker {
	k := &checker{Facts: f, Options: o}
	if k.Dial == nil {
		k.Dial = new(net.Dialer).DialContext
	}
	if k.Now == nil {
		k.Now = time.Now
	}
	if k.Timeout == 0 {
		k.Timeout = DefaultTimeout
	}
	if k.Blocklists == nil {
		k.Blocklists = DefaultBlocklists()
	}
	if k.Probe == "" {
		k.Probe = DefaultProbe
	}
	return k
}

// first asks what the parts build upon. It returns false if the DNS answers none of it.
func (k *checker) first(ctx context.Context) (alive bool) {
	var wg sync.WaitGroup
	wg.Go(func() { k.mx = ask(ctx, k.DNS.LookupMX, k.Domain) })
	wg.Go(func() { k.host = ask(ctx, k.DNS.LookupIP, k.Hostname) })
	wg.Wait()
	dead := func(err error) bool { return fault.Is(err, fault.Unavailable) && dns.ReasonOf(err) == dns.Temporary }
	return !(dead(k.mx.err) && dead(k.host.err)) && ctx.Err() == nil
}

// settle decides which addresses are ours to send from: those that are known, and for a family of which none is known what
// the DNS says of the host, since this machine may stand behind a translator.
func (k *checker) settle() {
	if k.SmartHost != "" {
		return // mail comes from there
	}
	k.sources = slices.Clone(k.Sources)
	if k.Told {
		return
	}
	for _, a := range k.host.Records {
		if IsPublic(a) && !slices.ContainsFunc(k.Sources, func(s netip.Addr) bool { return s.Is4() == a.Is4() }) {
			k.sources = append(k.sources, a)
		}
	}
	k.sources = k.sources[:min(len(k.sources), maxHosts)]
}

// known are the addresses that this server is taken to have.
func (k *checker) known() []netip.Addr {
	if len(k.sources) > 0 {
		return k.sources
	}
	return k.Addrs[:min(len(k.Addrs), maxHosts)]
}

// run runs the parts, a few at a time, and puts their findings in order.
func (k *checker) run(ctx context.Context) []Finding {
	parts := []struct {
		topic string
		check func(context.Context, *notes)
	}{
		{"host", k.checkHost}, {"mx", k.checkMX}, {"certificate", k.checkCertificate}, {"reverse", k.checkReverse},
		{"spf", k.checkSPF}, {"dkim", k.checkDKIM}, {"dmarc", k.checkDMARC}, {"mta-sts", k.checkSTS},
		{"tls-rpt", k.checkTLSReports}, {"dnssec", k.checkDNSSEC}, {"dane", k.checkDANE}, {"srv", k.checkServices},
		{"autoconfig", k.checkAutoconfig}, {"blocklists", k.checkBlocklists}, {"ports", k.checkPorts}, {"port 25 out", k.checkOutbound},
	}
	results := make([]notes, len(parts))
	turns := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, p := range parts {
		results[i].topic = p.topic
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			p.check(ctx, &results[i])
			if ctx.Err() != nil && len(results[i].all) == 0 {
				results[i].warn("try again", "not found out in time")
			}
		})
	}
	wg.Wait()
	var all []Finding
	for _, n := range results {
		all = append(all, n.all...)
	}
	return all
}

// record is what should be published at a name, in a few words.
func (k *checker) record(name, typ string) string {
	for _, r := range Records(k.Facts) {
		if r.Name == name+"." && r.Type == typ {
			if line := r.Name + " " + r.Type + " " + r.Value; len(line) <= 200 {
				return "publish: " + line
			}
		}
	}
	return "publish the " + typ + " record of " + name + " that \"postroad domain records " + k.Domain + "\" tells"
}

// unanswered notes that the DNS doesn't answer.
func unanswered(n *notes, name string, err error) {
	if dns.ReasonOf(err) == dns.Bogus {
		n.wrong("mend the zone's signatures (DNSSEC), or take its DS record away from the zone above", "%s: the answer is signed wrongly, so that nobody who validates gets it", name)
		return
	}
	n.warn("try again; if it stays so, see whether the zone's name servers answer", "%s: no answer from the DNS for now", name)
}

// cause says what went wrong, for people who may see everything.
func cause(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// maxDials is how many addresses of a name are tried.
const maxDials = 4

// dialName connects to a name as the DNS that is checked knows it, not the system's.
func (k *checker) dialName(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	a, err := k.DNS.LookupIP(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range a.Records[:min(len(a.Records), maxDials)] {
		var conn net.Conn
		if conn, err = k.dial(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// dial connects to an address, within dialTimeout.
func (k *checker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return k.Dial(ctx, network, address)
}
