package server_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/certtest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/memnet"
)

// scripts/sites.sh has the same with real networks and Postfix.

// sites are two servers with a DNS and a network between them: mail leaves here, for there.example.
type sites struct {
	t           *testing.T
	here, there *servertest.Server
	zone        *dnstest.World
	roots       *x509.CertPool
	sent        chan string // what became of each attempt: "deferred 4.4.1 ben@there.example"

	mu     sync.Mutex
	hosts  map[string]func(context.Context) (net.Conn, error) // guarded by mu: who listens, by address
	dialed []string                                           // guarded by mu
}

const thereAt = "192.0.2.25:25"

// newSites starts both. change edits here's settings.
func newSites(t *testing.T, zone string, change func(*config.Config, *sites)) *sites {
	t.Helper()
	s := &sites{t: t, zone: dnstest.New(t, zone), roots: x509.NewCertPool(), sent: make(chan string, 100), hosts: map[string]func(context.Context) (net.Conn, error){}}
	s.there = servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Hostname = "mx.there.example" }})
	s.there.AddAccount("ben")
	s.roots.AddCert(s.there.Certificate().Leaf())
	for _, domain := range []string{"there.example", "lists.example"} {
		if err := s.there.Store().Admin.AddDomain(t.Context(), domain); err != nil {
			t.Fatal(err)
		}
		if err := s.there.Store().Admin.AddAlias(t.Context(), admin.Alias{Address: "ben@" + domain, Targets: []string{"ben@example.test"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.up(thereAt, servertest.SMTP)
	s.here = servertest.Start(t, servertest.Options{
		DNS: s.zone, Dial: s.dial, Roots: s.roots, Logger: slog.New(&outcomes{s.sent}), Change: func(c *config.Config) {
			if change != nil {
				change(c, s)
			}
		},
	})
	s.here.AddAccount("ann")
	return s
}

// up has a port of there's answer at an address, down nobody.
func (s *sites) up(address string, port int) {
	s.listen(address, func(ctx context.Context) (net.Conn, error) {
		return s.there.Network.DialFrom(ctx, "192.0.2.1", fmt.Sprintf("mem:%d", port))
	})
}

func (s *sites) down(address string) { s.listen(address, nil) }

func (s *sites) listen(address string, dial func(context.Context) (net.Conn, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[address] = dial
}

func (s *sites) dial(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	dial := s.hosts[address]
	s.dialed = append(s.dialed, network+" "+address)
	s.mu.Unlock()
	if dial == nil {
		return nil, fault.New(fault.Unavailable, "connection refused")
	}
	return dial(ctx)
}

func (s *sites) dials() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dialed)
}

// outcomes passes on what the queue logs of attempts.
type outcomes struct{ heard chan string }

func (*outcomes) Enabled(context.Context, slog.Level) bool { return true }
func (o *outcomes) WithAttrs([]slog.Attr) slog.Handler     { return o }
func (o *outcomes) WithGroup(string) slog.Handler          { return o }
func (o *outcomes) Handle(_ context.Context, r slog.Record) error {
	what, ok := strings.CutPrefix(r.Message, "queue: ")
	said := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		said[a.Key] = a.Value.String()
		return true
	})
	if ok && slices.Contains([]string{"deferred", "delivered", "relayed", "failed"}, what) {
		o.heard <- strings.TrimSpace(fmt.Sprintf("%s %s %s %s", what, said["status"], said["to"], said["tls"]))
	}
	return nil
}

func (s *sites) submits(to string) {
	s.t.Helper()
	if err := submit(s.t, s.here, "ann@example.test", to); err != nil {
		s.t.Fatal(err)
	}
}

// comes waits for what becomes of an attempt.
func (s *sites) comes(want string) {
	s.t.Helper()
	if got := <-s.sent; got != want {
		s.t.Errorf("an attempt came to %q, want %q", got, want)
	}
}

func (s *sites) flush(domain string) {
	s.t.Helper()
	if n, err := s.here.Store().Admin.FlushQueue(s.t.Context(), domain); err != nil || n.Recipients == 0 {
		s.t.Fatal(n, err)
	}
}

// arrived counts what is in ben's inbox.
func (s *sites) arrived() int {
	s.t.Helper()
	c := s.there.IMAP("ben", nil)
	d, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		s.t.Fatal(err)
	}
	return int(d.NumMessages)
}

const thereZone = "there.example. 60 IN MX 10 mx.there.example.\nmx.there.example. 60 IN A 192.0.2.25\n"

// TestOutage: what is sent while a site is away arrives once it is back, each message once. The first try tells of the
// outage, later ones wait without being tried.
func TestOutage(t *testing.T) {
	s := newSites(t, thereZone, nil)
	s.down(thereAt)
	s.submits("ben@there.example")
	s.comes("deferred 4.4.1 ben@there.example")
	s.submits("ben@there.example")
	s.submits("ben@there.example")
	s.up(thereAt, servertest.SMTP)
	s.flush("there.example")
	for range 3 {
		got := <-s.sent
		for strings.HasPrefix(got, "deferred 4.4.1") {
			got = <-s.sent // an attempt that was under way
		}
		if got != "relayed 2.0.0 ben@there.example TLS1.3 unverified" && got != "delivered 2.0.0 ben@there.example TLS1.3 unverified" {
			t.Errorf("came to %q", got)
		}
	}
	if n := s.arrived(); n != 3 {
		t.Errorf("%d messages arrived", n)
	}
	s.here.Check()
	s.there.Check()
}

// TestSiteWithDANE: a host is verified by its TLSA record (RFC 7672), and a wrong one keeps mail back.
func TestSiteWithDANE(t *testing.T) {
	s := newSites(t, thereZone, nil)
	s.zone.Secure("there.example")
	right := sha256.Sum256(s.there.Certificate().Leaf().RawSubjectPublicKeyInfo)
	s.zone.Add(t, fmt.Sprintf("_25._tcp.mx.there.example. 60 IN TLSA 3 1 1 %x\n", right))
	s.submits("ben@there.example")
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 DANE")
	s.zone.Remove("_25._tcp.mx.there.example")
	s.zone.Add(t, fmt.Sprintf("_25._tcp.mx.there.example. 60 IN TLSA 3 1 1 %x\n", sha256.Sum256(nil)))
	s.submits("ben@there.example")
	s.comes("deferred 4.7.5 ben@there.example")
	if n := s.arrived(); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
	s.zone.Remove("_25._tcp.mx.there.example")
	s.zone.Add(t, fmt.Sprintf("_25._tcp.mx.there.example. 60 IN TLSA 3 1 1 %x\n", right))
	s.flush("there.example")
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 DANE")
	if n := s.arrived(); n != 2 {
		t.Errorf("%d messages arrived", n)
	}
}

// policies serves MTA-STS policies over HTTPS, with there's certificate.
func (s *sites) policies(text string) {
	network := &memnet.Network{}
	l, err := network.Listen("mem:443")
	if err != nil {
		s.t.Fatal(err)
	}
	leaf, pair := webCertificate(s.t, "mta-sts.there.example")
	s.roots.AddCert(leaf)
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, text)
	})}
	done := make(chan error, 1)
	go func() { done <- web.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})) }()
	s.t.Cleanup(func() {
		web.Close()
		<-done
	})
	s.listen("mta-sts.there.example:443", func(ctx context.Context) (net.Conn, error) { return network.Dial(ctx, "mem:443") })
}

// TestSiteWithMTASTS: RFC 8461 §5. The policy's hosts prove their names, others get nothing.
func TestSiteWithMTASTS(t *testing.T) {
	for host, want := range map[string]string{
		"mx.there.example": "delivered 2.0.0 ben@there.example TLS1.3 MTA-STS",
		"mx.other.example": "deferred 4.7.5 ben@there.example",
	} {
		s := newSites(t, thereZone+"_mta-sts.there.example. 60 IN TXT \"v=STSv1; id=1;\"\n", nil)
		s.policies("version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: " + host + "\r\n")
		s.submits("ben@there.example")
		s.comes(want)
	}
}

// TestSmartHost: mail goes where the settings say, by submission, to a host that is verified, with a password.
func TestSmartHost(t *testing.T) {
	s := newSites(t, "mx.there.example. 60 IN A 192.0.2.25\n", func(c *config.Config, s *sites) {
		c.Route = []config.Route{{Host: "mx.there.example", Port: 587, TLS: config.Verified, User: "ben@example.test", PasswordFile: filepath.Join(c.Data, "password")}}
		if err := os.WriteFile(c.Route[0].PasswordFile, []byte(servertest.Password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	s.up("192.0.2.25:587", servertest.Submission)
	s.here.AddAccount("ben")
	if err := submit(t, s.here, "ben@example.test", "ben@there.example"); err != nil {
		t.Fatal(err)
	}
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 verified")
	if text := bytesOf(t, s.there.IMAP("ben", nil), 1); !strings.Contains(text, "with UTF8SMTPSA id") && !strings.Contains(text, "with ESMTPSA id") {
		t.Errorf("nobody has signed in:\n%s", text)
	}
}

// TestLMTPSocket: a route leads to a unix socket.
func TestLMTPSocket(t *testing.T) {
	s := newSites(t, "", func(c *config.Config, _ *sites) {
		c.Route = []config.Route{{Recipient: "lists.example", Host: "unix:/run/lists", Protocol: config.LMTP}}
	})
	s.up("/run/lists", servertest.LMTP)
	s.submits("ben@lists.example")
	s.comes("delivered 2.0.0 ben@lists.example")
	if got := s.dials(); !slices.Equal(got, []string{"unix /run/lists"}) {
		t.Errorf("connected to %v", got)
	}
}

// TestHostsInOrder: best preference first, IPv6 before IPv4 of the same host, and each only if the one before doesn't answer
// (RFC 5321 §5.1).
func TestHostsInOrder(t *testing.T) {
	s := newSites(t, `
		there.example.     60 IN MX 30 mx.there.example.
		there.example.     60 IN MX 20 second.there.example.
		there.example.     60 IN MX 10 first.there.example.
		first.there.example.  60 IN A 192.0.2.1
		second.there.example. 60 IN A 192.0.2.2
		mx.there.example.  60 IN A 192.0.2.25
		mx.there.example.  60 IN AAAA 2001:db8::25
	`, nil)
	s.listen("192.0.2.2:25", func(context.Context) (net.Conn, error) { return busy(), nil })
	s.submits("ben@there.example")
	s.comes("delivered 2.0.0 ben@there.example TLS1.3 unverified")
	want := []string{"tcp 192.0.2.1:25", "tcp 192.0.2.2:25", "tcp [2001:db8::25]:25", "tcp 192.0.2.25:25"}
	if got := s.dials(); !slices.Equal(got, want) {
		t.Errorf("connected to %v, want %v", got, want)
	}
}

// busy is a host that takes no mail for now.
func busy() net.Conn {
	ours, theirs := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
	go func() {
		io.WriteString(theirs, "421 too busy\r\n")
		theirs.Close()
	}()
	return ours
}

// webCertificate is a web server's for a name.
func webCertificate(t *testing.T, name string) (*x509.Certificate, tls.Certificate) {
	t.Helper()
	c := certtest.Server(t, name)
	return c.Leaf, c
}

// TestAddressLiteral: a person here can write to an address instead of a domain (RFC 5321 §4.1.3).
func TestAddressLiteral(t *testing.T) {
	s := newSites(t, "", nil)
	s.submits("ben@[192.0.2.25]")
	if got := <-s.sent; !strings.HasPrefix(got, "failed 5.7.1 ") {
		t.Errorf("came to %q", got) // who is asked doesn't know it
	}
	if got := s.dials(); !slices.Equal(got, []string{"tcp 192.0.2.25:25"}) {
		t.Errorf("connected to %v", got)
	}
	s.submits("ben@[127.0.0.1]")
	s.comes("failed 5.4.6 ben@[127.0.0.1]")
}
