// Package dnstest has a DNS for tests: records as a zone file has them, names that fail, and counts of what was asked.
//
//	world := dnstest.New(t, `
//		example.org.    MX 10 mx.example.org.
//		mx.example.org. A  192.0.2.1
//	`)
//	world.Secure("example.org")                                    // DNSSEC vouches for it, and all below it
//	world.Fail("broken.example", "MX", dns.Temporary)              // SERVFAIL
//	answer, err := world.LookupMX(ctx, "example.org")              // World is a dns.Resolver
//	client, err := dns.New(dns.Options{Servers: world.Serve(t)})   // a real server on loopback
//
// A name exists if it, or one below it, has records. World answers through the real
// dns.Client over connections in memory, so that tests see what production does; it
// starts no goroutine and fits into synctest bubbles. Programs that want a DNS of their own
// beneath real servers use Parse and ListenAndServe.
package dnstest

import (
	"net/netip"
	"strings"
	"sync"
	"testing"

	wire "github.com/miekg/dns"

	"postroad/internal/service/dns"
)

// World is all that the DNS knows. It is safe for concurrent use.
type World struct {
	dns.Resolver // asks the world, and remembers nothing

	mu      sync.Mutex // guards what follows
	records map[string][]wire.RR
	secure  []string
	fails   map[key]dns.Reason
	silent  map[string]bool
	asked   map[key]int
}

type key struct{ name, qtype string }

// New makes a World of the records in a zone file's notation, with absolute names. A TTL of 5 minutes goes without saying.
func New(t testing.TB, zone string) *World {
	t.Helper()
	w, err := Parse(zone)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Parse is New outside of tests.
func Parse(zone string) (*World, error) {
	w := &World{records: map[string][]wire.RR{}, fails: map[key]dns.Reason{}, silent: map[string]bool{}, asked: map[key]int{}}
	client, err := dns.New(dns.Options{
		Servers: []dns.Server{{Addr: netip.MustParseAddrPort("127.0.0.1:53")}}, Dial: w.Dial, CacheBytes: -1, Attempts: 1,
	})
	if err != nil {
		return nil, err
	}
	w.Resolver = client
	return w, w.add(zone)
}

// Add adds records.
func (w *World) Add(t testing.TB, zone string) {
	t.Helper()
	if err := w.add(zone); err != nil {
		t.Fatal(err)
	}
}

func (w *World) add(zone string) error {
	records, err := parse(zone)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, all := range records {
		w.records[name] = append(w.records[name], all...)
	}
	return nil
}

// Replace has the world know these records and no others, and DNSSEC vouch for what is in a comment "; secure: NAMES".
func (w *World) Replace(zone string) error {
	records, err := parse(zone)
	if err != nil {
		return err
	}
	var secure []string
	for line := range strings.Lines(zone) {
		if names, ok := strings.CutPrefix(strings.TrimSpace(line), "; secure:"); ok {
			for _, n := range strings.Fields(names) {
				secure = append(secure, fold(n))
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records, w.secure = records, secure
	return nil
}

func parse(zone string) (map[string][]wire.RR, error) {
	var lines strings.Builder // an indented line would belong to the name before it
	for line := range strings.Lines(zone) {
		lines.WriteString(strings.TrimSpace(line) + "\n")
	}
	parser := wire.NewZoneParser(strings.NewReader(lines.String()), ".", "zone")
	parser.SetDefaultTTL(300)
	records := map[string][]wire.RR{}
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := fold(rr.Header().Name)
		records[name] = append(records[name], rr)
	}
	return records, parser.Err()
}

// Remove removes all records of a name.
func (w *World) Remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.records, fold(name))
}

// Secure has DNSSEC vouch for names and all below them: for what is there and what isn't.
func (w *World) Secure(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range names {
		w.secure = append(w.secure, fold(n))
	}
}

// Fail has questions for a name fail: those of a type ("MX"), or all ("").
func (w *World) Fail(name, qtype string, why dns.Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[key{fold(name), qtype}] = why
}

// Heal undoes Fail and Silence.
func (w *World) Heal(name, qtype string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.fails, key{fold(name), qtype})
	delete(w.silent, fold(name))
}

// Silence leaves questions for a name without any answer.
func (w *World) Silence(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent[fold(name)] = true
}

// Asked tells how often a question has come.
func (w *World) Asked(name, qtype string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[key{fold(name), qtype}]
}

// AskedAll tells how many questions have come.
func (w *World) AskedAll() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, times := range w.asked {
		n += times
	}
	return n
}

func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// answer answers a question; nil if there is to be no answer.
func (w *World) answer(query *wire.Msg) *wire.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := query.Question[0]
	name, qtype := fold(q.Name), wire.TypeToString[q.Qtype]
	w.asked[key{name, qtype}]++
	if w.silent[name] {
		return nil
	}
	m := new(wire.Msg)
	m.SetReply(query)
	m.RecursionAvailable = true
	m.SetEdns0(wire.DefaultMsgSize, false)
	why, fails := w.fails[key{name, qtype}]
	if !fails {
		why, fails = w.fails[key{name, ""}]
	}
	if fails {
		refuse(m, why)
		return m
	}
	w.fill(m, name, q.Qtype)
	return m
}

func refuse(m *wire.Msg, why dns.Reason) {
	switch why {
	case dns.NoName:
		m.Rcode = wire.RcodeNameError
	case dns.NoRecord:
		m.Rcode = wire.RcodeSuccess
	default:
		m.Rcode = wire.RcodeServerFailure
	}
	if why == dns.Bogus {
		opt := m.IsEdns0()
		opt.Option = append(opt.Option, &wire.EDNS0_EDE{InfoCode: wire.ExtendedErrorCodeDNSBogus})
	}
}

// fill puts in the records of a name, aliases followed as a recursive server does.
func (w *World) fill(m *wire.Msg, name string, qtype uint16) {
	m.AuthenticatedData = true
	for range 20 {
		m.AuthenticatedData = m.AuthenticatedData && w.isSecure(name)
		var alias *wire.CNAME
		found := false
		for _, rr := range w.records[name] {
			if c, ok := rr.(*wire.CNAME); ok && qtype != wire.TypeCNAME {
				alias = c
			} else if rr.Header().Rrtype != qtype {
				continue
			}
			found = true
			m.Answer = append(m.Answer, rr)
		}
		if alias == nil {
			if !found {
				w.deny(m, name)
			}
			return
		}
		name = fold(alias.Target)
	}
}

func (w *World) deny(m *wire.Msg, name string) {
	if !w.exists(name) {
		m.Rcode = wire.RcodeNameError
	}
	m.Ns = append(m.Ns, &wire.SOA{
		Hdr: wire.RR_Header{Name: ".", Rrtype: wire.TypeSOA, Class: wire.ClassINET, Ttl: 300},
		Ns:  "ns.", Mbox: "root.", Minttl: 60,
	})
}

func (w *World) exists(name string) bool {
	for have := range w.records {
		if have == name || strings.HasSuffix(have, "."+name) {
			return true
		}
	}
	return false
}

func (w *World) isSecure(name string) bool {
	for _, s := range w.secure {
		if name == s || strings.HasSuffix(name, "."+s) {
			return true
		}
	}
	return false
}
