package setup_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/setup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)

var (
	addr4 = netip.MustParseAddr("192.0.2.1")
	addr6 = netip.MustParseAddr("2001:db8::1")
)

// world is the Internet around a server that is set up well, until a test changes it.
type world struct {
	*dnstest.World
	t       testing.TB
	facts   setup.Facts
	options setup.Options
	policy  string // what https://mta-sts.example.org says

	mu    sync.Mutex // guards what follows
	ports map[string]func(net.Conn)
	dials int
}

// outside is what others have in the DNS.
const outside = `
	1.2.0.192.in-addr.arpa.  PTR mail.example.org.
	1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.example.org.
	org.                     TXT "a domain of the top level"
	gmail.com.               MX 5 mx.gmail.com.
	gmail.com.               MX 50 backup.gmail.com.
	mx.gmail.com.            A 198.51.100.25
	mx.gmail.com.            AAAA 2001:db8:100::25
	2.0.0.127.list.example.  A 127.0.0.2
	2.0.0.127.other.example. A 127.0.0.2
`

// newWorld publishes what Records says, and has everybody answer as they should.
func newWorld(t testing.TB) *world {
	w := &world{World: dnstest.New(t, outside), t: t, facts: facts(t)}
	w.Secure("org")
	w.publish(setup.Records(w.facts))
	w.policy = w.facts.Policy.Text()
	w.options = setup.Options{DNS: w, Dial: w.dial, Roots: roots(t), Now: func() time.Time { return now }, Blocklists: []string{"list.example", "other.example"}}
	w.ports = map[string]func(net.Conn){
		"198.51.100.25:25": say("220 mx.gmail.com ESMTP\r\n"), "[2001:db8:100::25]:25": say("220 mx.gmail.com ESMTP\r\n"),
	}
	for _, a := range []netip.Addr{addr4, addr6} {
		for port, greet := range map[uint16]func(net.Conn){
			25: say("220 mail.example.org Postroad\r\n"), 465: w.secured(say("220 mail.example.org Postroad\r\n")), 993: w.secured(say("* OK ready\r\n")),
			143: say("* OK ready\r\n"), 443: w.secured(w.servePolicy),
		} {
			w.ports[netip.AddrPortFrom(a, port).String()] = greet
		}
	}
	return w
}

// publish puts records into the DNS, through the master file.
func (w *world) publish(records []setup.Record) {
	w.t.Helper()
	var zone strings.Builder
	if err := setup.WriteZone(&zone, w.facts.Domain, records); err != nil {
		w.t.Fatal(err)
	}
	w.Add(w.t, zone.String())
}

// replace publishes other records of a name.
func (w *world) replace(name, records string) {
	w.t.Helper()
	w.Remove(name)
	w.Add(w.t, records)
}

// tellNothing has this server tell programs no settings.
func (w *world) tellNothing() {
	w.facts.Autoconfig = false
	w.Remove("autoconfig.example.org")
	w.Remove("autodiscover.example.org")
}

func (w *world) check() setup.Report { return setup.Check(w.t.Context(), w.facts, w.options) }

// dial connects to those who listen; others refuse.
func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials++
	greet, ok := w.ports[address]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	here, there := net.Pipe()
	var done sync.WaitGroup
	done.Go(func() { defer there.Close(); greet(there) })
	w.t.Cleanup(func() { here.Close(); done.Wait() })
	return here, nil
}

// say greets, and waits for the other side to hang up.
func say(line string) func(net.Conn) {
	return func(c net.Conn) {
		var reading sync.WaitGroup // a pipe holds nothing: both sides may be writing
		reading.Go(func() { io.Copy(io.Discard, c) })
		io.WriteString(c, line)
		reading.Wait()
	}
}

// secured speaks TLS, with the server's certificate.
func (w *world) secured(greet func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		chain := w.facts.Chain
		cert := tls.Certificate{PrivateKey: leafKey}
		for _, x := range chain {
			cert.Certificate = append(cert.Certificate, x.Raw)
		}
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		if s.Handshake() == nil {
			greet(s)
		}
	}
}

// servePolicy answers one request with the policy.
func (w *world) servePolicy(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\r\n" {
			break
		}
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(w.policy), w.policy)
}

// facts are those of mail.example.org.
func facts(t testing.TB) setup.Facts {
	t.Helper()
	return setup.Facts{
		Domain: "example.org", Hostname: "mail.example.org", Told: true,
		Addrs: []netip.Addr{addr4, addr6}, Sources: []netip.Addr{addr4, addr6},
		Keys: []setup.Key{{Selector: "r1", Record: rsaKey(t), State: setup.Active}, {Selector: "e1", Record: record(t, keyOf(3)), State: setup.Pending}},
		Services: []setup.Service{
			{Protocol: setup.SMTP, Port: 25}, {Protocol: setup.Submission, Port: 465, Implicit: true},
			{Protocol: setup.IMAP, Port: 993, Implicit: true}, {Protocol: setup.IMAP, Port: 143}, {Protocol: setup.HTTP, Port: 443, Implicit: true},
		},
		Policy: mtasts.Policy{Mode: mtasts.Testing, MX: []string{"mail.example.org"}, MaxAge: 24 * time.Hour},
		Chain:  chain(t, "mail.example.org", "*.example.org"), Signed: true, Autoconfig: true,
		DMARCReports: "dmarc-reports@example.org", TLSReports: "tls-reports@example.org",
	}
}

// record is what publishes a key.
func record(t testing.TB, private ed25519.PrivateKey) string {
	t.Helper()
	_, text, err := dkim.SigningKey{Domain: "example.org", Selector: "s", Private: private}.Record()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rsaKey is a key as it is published.
func rsaKey(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/rsa.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// keyOf makes the same key each time, so that transcripts stay.
func keyOf(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), ed25519.SeedSize)))
}

var caKey, leafKey = keyOf(1), keyOf(2)

// ca is the authority that everybody knows.
func ca(t testing.TB) *x509.Certificate {
	return certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.AddDate(-5, 0, 0), NotAfter: now.AddDate(5, 0, 0)}, nil, caKey)
}

func roots(t testing.TB) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca(t))
	return pool
}

// chain is a certificate of the authority for names, valid for two months more.
func chain(t testing.TB, names ...string) []*x509.Certificate {
	return chainUntil(t, now.AddDate(0, 2, 0), names...)
}

func chainUntil(t testing.TB, until time.Time, names ...string) []*x509.Certificate {
	root := ca(t)
	leaf := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: now.AddDate(0, -1, 0), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, root, leafKey)
	return []*x509.Certificate{leaf, root}
}

// certificate signs a template with the authority's key, or, without parent, with its own.
func certificate(t testing.TB, template, parent *x509.Certificate, own ed25519.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(7)
	signer := caKey
	if parent == nil {
		parent, signer = template, own
	}
	der, err := x509.CreateCertificate(nil, template, parent, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// text shows a report as a transcript.
func text(r setup.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s (%s)\n", r.Domain, r.Hostname, strings.Join(r.Addresses, ", "))
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-5s  %-11s  %s\n", f.Level, f.Topic, f.Text)
		if f.Fix != "" {
			fmt.Fprintf(&b, "%-20s> %s\n", "", f.Fix)
		}
	}
	return b.String()
}
