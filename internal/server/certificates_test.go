package server_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/xdg-go/scram"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/certs"
	"postroad/internal/server/config"
	"postroad/internal/service/acme/acmetest"
	"postroad/internal/service/dns/dnstest"
)

// heard passes on the names of which the server says that it uses a new certificate, and what it warns of.
type heard struct{ names, warnings chan string }

func (heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h heard) WithGroup(string) slog.Handler          { return h }
func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "using a certificate of the authority" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "name" {
				h.names <- a.Value.String()
			}
			return a.Key != "name"
		})
	}
	if r.Level >= slog.LevelWarn {
		h.warn(r)
	}
	return nil
}

func (h heard) warn(r slog.Record) {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	select {
	case h.warnings <- text:
	default: // nobody reads so many
	}
}

// later is the real clock, set forward.
type later struct {
	mu sync.Mutex
	by time.Duration
}

func (l *later) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Add(l.by)
}

func (l *later) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by += d
}

// secured is a server on loopback whose certificates come from an authority there, that looks at it as a public one would.
type secured struct {
	*server.Server
	clock     later
	authority *acmetest.Authority
	dns       *dnstest.World
	at        map[string]string // addresses by protocol
	names     chan string       // with new certificates
	warnings  chan string
	folder    string
}

func startSecured(t *testing.T, change ...func(*config.Config)) *secured {
	t.Helper()
	s := &secured{at: map[string]string{}, names: make(chan string, 100), warnings: make(chan string, 100), folder: t.TempDir(), dns: dnstest.New(t, `
		mail.example.test.        A 127.0.0.1
		mta-sts.example.test.     A 127.0.0.1
		autoconfig.example.test.  A 192.0.2.77
	`)}
	opened := map[string]net.Listener{}
	for _, p := range []string{config.IMAP, config.POP3, config.Submission, config.HTTP} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		opened[p], s.at[p] = l, l.Addr().String()
	}
	s.authority = acmetest.Start(t, acmetest.Options{Lifetime: 90 * 86400, DNS: s.dns.Serve(t)[0].Addr.String(),
		TLSPort: opened[config.HTTP].Addr().(*net.TCPAddr).Port})
	c := config.Default()
	c.Hostname, c.Data, c.Listen = "mail.example.test", s.folder, nil
	for p := range opened {
		c.Listen = append(c.Listen, config.Listener{Protocol: p, Address: s.at[p], TLS: config.Implicit})
	}
	c.ACME = config.ACME{AcceptTerms: true, Directory: s.authority.Directory}
	for _, f := range change {
		f(&c)
	}
	var err error
	s.Server, err = server.New(t.Context(), c, server.World{
		Now: s.clock.now, Logger: slog.New(heard{s.names, s.warnings}), Files: vfs.NewMem(), Hash: directorytest.Cheap(),
		Resolver: s.dns, Roots: s.authority.Web, NewRSA: oneRSA,
		Listen: func(_ context.Context, l config.Listener) ([]net.Listener, error) {
			if open := opened[l.Protocol]; open != nil && l.Address == s.at[l.Protocol] {
				return []net.Listener{open}, nil
			}
			one, err := net.Listen("unix", strings.TrimPrefix(l.Address, "unix:"))
			return []net.Listener{one}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return s
}

// waitFor waits until a name has a new certificate.
func (s *secured) waitFor(t *testing.T, want string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case name := <-s.names:
			if name == want {
				return
			}
		case <-limit:
			for len(s.warnings) > 0 {
				t.Log(<-s.warnings)
			}
			t.Fatalf("no certificate for %s", want)
		}
	}
}

// dial connects to a protocol's port, trusting the authority alone.
func (s *secured) dial(t *testing.T, protocol, name string) (*tls.Conn, error) {
	t.Helper()
	c, err := tls.Dial("tcp", s.at[protocol], &tls.Config{RootCAs: s.authority.Roots, ServerName: name})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func (s *secured) mustDial(t *testing.T, protocol, name string) *tls.Conn {
	t.Helper()
	c, err := s.dial(t, protocol, name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCertificatesComeAndAreRenewed: a server that starts without a certificate gets one for its name and for each domain's policy
// host, and renews it; nobody's connection is dropped by that, and who binds a sign-in to the certificate of a connection from
// before (RFC 5929 §4) binds to the right one.
func TestCertificatesComeAndAreRenewed(t *testing.T) {
	s := startSecured(t)
	self := s.Certificate().Leaf()
	s.waitFor(t, "mail.example.test")
	first := s.mustDial(t, config.IMAP, "mail.example.test").ConnectionState().PeerCertificates[0]
	if string(first.RawSubjectPublicKeyInfo) != string(self.RawSubjectPublicKeyInfo) {
		t.Error("the key isn't that of the self-signed certificate: TLSA records were wrong for a while")
	}
	ctx := t.Context()
	for _, d := range []string{"example.test", "elsewhere.test"} { // the second leads nowhere
		if err := s.Store().Admin.AddDomain(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []string{"before@example.test", "after@example.test"} { // a maildrop is one session's at a time
		if _, err := s.Store().Admin.AddAccount(ctx, admin.NewAccount{Address: who, Password: "secret"}); err != nil {
			t.Fatal(err)
		}
	}
	s.waitFor(t, "mta-sts.example.test")
	s.policyIsServed(t)

	protocols := []string{config.IMAP, config.POP3, config.Submission}
	before := map[string]*tls.Conn{}
	for _, p := range protocols {
		before[p] = s.mustDial(t, p, "mail.example.test")
	}
	s.clock.advance(80 * 24 * time.Hour)
	if err := s.Store().Admin.AddDomain(ctx, "third.test"); err != nil { // whereupon it looks
		t.Fatal(err)
	}
	s.waitFor(t, "mail.example.test")
	for _, p := range protocols {
		after := s.mustDial(t, p, "mail.example.test")
		if leaf := after.ConnectionState().PeerCertificates[0]; leaf.Equal(first) || string(leaf.RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) {
			t.Errorf("%s: after the renewal there is no other certificate with the same key", p)
		}
		for when, c := range map[string]*tls.Conn{"before": before[p], "after": after} {
			if err := signInBound(c, p, when+"@example.test"); err != nil {
				t.Errorf("%s, on a connection from %s the renewal: %v", p, when, err)
			}
		}
	}
	s.listIsRight(t)
}

// TestOneCertificateForADomain: the hostname's certificate takes the names of its domain in, those that lead here.
func TestOneCertificateForADomain(t *testing.T) {
	s := startSecured(t, func(c *config.Config) { c.ACME.PerDomain = true })
	s.waitFor(t, "mail.example.test")
	if err := s.Store().Admin.AddDomain(t.Context(), "example.test"); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(2 * time.Hour)
	if err := s.Store().Admin.AddDomain(t.Context(), "elsewhere.test"); err != nil { // whereupon it looks
		t.Fatal(err)
	}
	s.waitFor(t, "mail.example.test")
	s.policyIsServed(t)
	leaf := s.mustDial(t, config.IMAP, "mta-sts.example.test").ConnectionState().PeerCertificates[0]
	if !leaf.Equal(s.mustDial(t, config.IMAP, "mail.example.test").ConnectionState().PeerCertificates[0]) || len(leaf.DNSNames) != 2 {
		t.Errorf("%v", leaf.DNSNames)
	}
	all, err := s.Store().Admin.Certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Source == "acme" && c.Name == "mail.example.test" && (len(c.Names) != 2 || !strings.Contains(c.Problem, "autoconfig.example.test leads to another host")) {
			t.Errorf("%+v", c)
		}
	}
}

func (s *secured) policyIsServed(t *testing.T) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.authority.Roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", s.at[config.HTTP])
		}}}
	r, err := c.Get("https://mta-sts.example.test/.well-known/mta-sts.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, _ := io.ReadAll(r.Body); !strings.Contains(string(b), "mx: mail.example.test") {
		t.Errorf("%s %s", r.Status, b)
	}
}

func (s *secured) listIsRight(t *testing.T) {
	t.Helper()
	all, err := s.Store().Admin.Certificates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]admin.Certificate{}
	for _, c := range all {
		got[c.Source+" "+c.Name] = c
	}
	if c := got["acme mail.example.test"]; !c.Default || c.Problem != "" || c.Renew.IsZero() || !strings.HasPrefix(c.TLSA, "3 1 1 ") {
		t.Errorf("%+v", c)
	}
	if c := got["acme autoconfig.example.test"]; !strings.Contains(c.Problem, "another host") || !c.Until.IsZero() {
		t.Errorf("%+v", c)
	}
	if c := got["acme mta-sts.elsewhere.test"]; !strings.Contains(c.Problem, "no address") {
		t.Errorf("%+v", c)
	}
	records, err := s.Store().Admin.DomainRecords(t.Context(), admin.RecordsQuery{Domain: "example.test", Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.Store().Admin.NextCertificateKey(t.Context(), "mail.example.test")
	if err != nil {
		t.Fatal(err)
	}
	more, err := s.Store().Admin.DomainRecords(t.Context(), admin.RecordsQuery{Domain: "example.test", Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	want := got["acme mail.example.test"].TLSA
	if r := tlsas(records); len(r) != 1 || r[0] != want {
		t.Errorf("TLSA records %q, want %q", r, want)
	}
	if r := tlsas(more); len(r) != 2 || r[0] != want || r[1] != next.TLSA {
		t.Errorf("TLSA records with the next key: %q", r)
	}
}

func tlsas(all []admin.DomainRecord) (values []string) {
	for _, r := range all {
		if r.Type == "TLSA" {
			values = append(values, r.Value)
		}
	}
	return values
}

// signInBound signs somebody in by SCRAM-SHA-256-PLUS with tls-server-end-point.
func signInBound(c *tls.Conn, protocol, login string) error {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	state := c.ConnectionState()
	binding, err := scram.NewTLSServerEndpointBinding(&state)
	if err != nil {
		return err
	}
	client, err := scram.SHA256.NewClient(login, "secret", "")
	if err != nil {
		return err
	}
	talk := client.NewConversationWithChannelBinding(binding)
	begin := map[string]string{config.IMAP: "a AUTHENTICATE SCRAM-SHA-256-PLUS\r\n", config.POP3: "AUTH SCRAM-SHA-256-PLUS\r\n",
		config.Submission: "EHLO here\r\nAUTH SCRAM-SHA-256-PLUS\r\n"}[protocol]
	if _, err := io.WriteString(c, begin); err != nil {
		return err
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		line := lines.Text()
		challenge, ok := strings.CutPrefix(strings.TrimPrefix(line, "334"), "+")
		switch {
		case strings.HasPrefix(line, "334"):
			challenge = line[3:]
		case strings.HasPrefix(line, "a OK"), strings.HasPrefix(line, "235"), strings.HasPrefix(line, "+OK") && talk.Valid():
			return nil
		case strings.HasPrefix(line, "a "), strings.HasPrefix(line, "-ERR"), strings.HasPrefix(line, "5"):
			return fault.New(fault.Denied, "%s", line)
		case !ok || strings.HasPrefix(line, "+OK"):
			continue
		}
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(challenge))
		if err != nil {
			return err
		}
		answer := ""
		if !talk.Done() {
			if answer, err = talk.Step(string(text)); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(c, base64.StdEncoding.EncodeToString([]byte(answer))+"\r\n"); err != nil {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// TestImportedCertificates: what is imported is shown to whoever asks for its name, at once, and no authority is asked for that.
func TestImportedCertificates(t *testing.T) {
	s := startSecured(t)
	s.waitFor(t, "mail.example.test")
	dir := t.TempDir()
	f := certs.Files{Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k")}
	if _, err := certs.EnsureSelfSigned(f.Cert, f.Key, certs.Subject{Names: []string{"shop.test"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	cert, _ := os.ReadFile(f.Cert)
	key, _ := os.ReadFile(f.Key)
	ctx := t.Context()
	if _, err := s.Store().Admin.ImportCertificate(ctx, admin.CertificateImport{Certificate: string(cert), Key: string(key)}); err != nil {
		t.Fatal(err)
	}
	if n := s.nameShown(t, "shop.test"); n != "shop.test" {
		t.Errorf("shown %s", n)
	}
	if n := s.nameShown(t, "none.test"); n != "mail.example.test" {
		t.Errorf("shown %s", n)
	}
	if err := s.Store().Admin.RemoveCertificate(ctx, "shop.test"); err != nil {
		t.Fatal(err)
	}
	if n := s.nameShown(t, "shop.test"); n != "mail.example.test" {
		t.Errorf("after the removal %s is shown", n)
	}
	if _, err := s.Store().Admin.RenewCertificate(ctx, admin.CertificateRenewal{Name: "shop.test"}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

func (s *secured) nameShown(t *testing.T, ask string) string {
	t.Helper()
	c, err := tls.Dial("tcp", s.at[config.IMAP], &tls.Config{ServerName: ask, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// TestCertificateMetrics: a monitor sees each name's end.
func TestCertificateMetrics(t *testing.T) {
	s := startSecured(t)
	s.waitFor(t, "mail.example.test")
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.authority.Roots, ServerName: "mail.example.test"}}}
	h2, err := tls.Dial("tcp", s.at[config.HTTP], &tls.Config{RootCAs: s.authority.Roots, ServerName: "mail.example.test", NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if p := h2.ConnectionState().NegotiatedProtocol; p != "h2" {
		t.Errorf("beside challenges the listener speaks %q", p)
	}
	h2.Close()
	r, err := c.Get("https://" + s.at[config.HTTP] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	for _, want := range []string{`postroad_certificate_name_expires_seconds{name="mail.example.test",source="acme"} `, "postroad_certificates_failing ", "postroad_certificate_expires_seconds "} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s", want)
		}
	}
}

var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, directory.DKIMBits) })
