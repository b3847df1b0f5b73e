package dane_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	wire "github.com/miekg/dns"

	"postroad/internal/fault"
	"postroad/internal/service/certtest"
	"postroad/internal/service/dane"
	"postroad/internal/service/dns"
	"postroad/internal/service/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	pair tls.Certificate
}

// issue makes a certificate that by vouches for; nil: its own.
func issue(t testing.TB, by *issued, ca bool, until time.Time, names ...string) *issued {
	t.Helper()
	var signer *tls.Certificate
	if by != nil {
		signer = &by.pair
	}
	c := certtest.Issue(t, x509.Certificate{DNSNames: names, NotBefore: now.Add(-48 * time.Hour), NotAfter: until, IsCA: ca}, signer)
	return &issued{c.Leaf, c}
}

// record makes the TLSA record that speaks of a certificate.
func record(usage, selector, matching uint8, c *issued) dns.TLSA {
	data := c.Raw
	if selector == dane.SelectorSPKI {
		data = c.RawSubjectPublicKeyInfo
	}
	switch sum256, sum512 := sha256.Sum256(data), sha512.Sum512(data); matching {
	case dane.MatchingSHA256:
		data = sum256[:]
	case dane.MatchingSHA512:
		data = sum512[:]
	}
	return dns.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
}

// hierarchy is a root, an intermediate authority, and certificates of a host.
type hierarchy struct{ root, middle, leaf, expired, stranger *issued }

func newHierarchy(t testing.TB) hierarchy {
	var h hierarchy
	later := now.Add(48 * time.Hour)
	h.root = issue(t, nil, true, later)
	h.middle = issue(t, h.root, true, later)
	h.leaf = issue(t, h.middle, false, later, "mx.example.org")
	h.expired = issue(t, h.middle, false, now.Add(-time.Hour), "mx.example.org")
	h.stranger = issue(t, nil, true, later, "mx.example.org")
	return h
}

func chain(all ...*issued) (certs []*x509.Certificate) {
	for _, c := range all {
		certs = append(certs, c.Certificate)
	}
	return certs
}

func TestEverySelectorAndMatchingType(t *testing.T) {
	h := newHierarchy(t)
	for usage, named := range map[uint8]*issued{dane.UsageEE: h.leaf, dane.UsageTA: h.root} {
		for selector := range uint8(2) {
			for matching := range uint8(3) {
				r := dane.Usable([]dns.TLSA{record(usage, selector, matching, named)})
				if err := dane.Verify(r, []string{"mx.example.org"}, chain(h.leaf, h.middle, h.root), now); err != nil {
					t.Errorf("%d %d %d: %v", usage, selector, matching, err)
				}
				if err := dane.Verify(r, []string{"mx.example.org"}, chain(h.stranger, h.middle), now); !fault.Is(err, fault.Denied) {
					t.Errorf("%d %d %d: another's certificate: %v", usage, selector, matching, err)
				}
				r[0].Data = append([]byte(nil), r[0].Data...)
				r[0].Data[len(r[0].Data)-1] ^= 1
				if err := dane.Verify(r, []string{"mx.example.org"}, chain(h.leaf, h.middle, h.root), now); !fault.Is(err, fault.Denied) {
					t.Errorf("%d %d %d: one bit is wrong: %v", usage, selector, matching, err)
				}
			}
		}
	}
}

// TestEndEntity: RFC 7672 §3.1.1.
func TestEndEntity(t *testing.T) {
	h := newHierarchy(t)
	mine := dane.Usable([]dns.TLSA{record(3, 1, 1, h.expired)})
	if err := dane.Verify(mine, []string{"another.example"}, chain(h.expired), now); err != nil {
		t.Errorf("names and dates count for nothing: %v", err)
	}
	if err := dane.Verify(mine, nil, chain(h.leaf, h.expired), now); !fault.Is(err, fault.Denied) {
		t.Errorf("only the server's own certificate counts: %v", err)
	}
	if err := dane.Verify(mine, nil, nil, now); !fault.Is(err, fault.Denied) {
		t.Errorf("no certificate: %v", err)
	}
}

// TestTrustAnchor: RFC 7672 §3.1.2, §3.2.2.
func TestTrustAnchor(t *testing.T) {
	h := newHierarchy(t)
	later := now.Add(48 * time.Hour)
	root := dane.Usable([]dns.TLSA{record(2, 0, 1, h.root)})
	middle := dane.Usable([]dns.TLSA{record(2, 1, 1, h.middle)})
	wild := issue(t, h.middle, false, later, "*.example.org")
	unnamed := issue(t, h.middle, false, later)
	other := issue(t, h.root, true, later)
	for what, c := range map[string]struct {
		records []dns.TLSA
		chain   []*x509.Certificate
		names   []string
		good    bool
	}{
		"the host's name":                              {root, chain(h.leaf, h.middle, h.root), []string{"mx.example.org"}, true},
		"the domain's name":                            {root, chain(issue(t, h.root, false, later, "example.org"), h.root), []string{"mx.example.org", "example.org"}, true},
		"another name":                                 {root, chain(h.leaf, h.middle, h.root), []string{"mx.example.net"}, false},
		"no name to compare with":                      {root, chain(h.leaf, h.middle, h.root), nil, false},
		"a certificate without names":                  {root, chain(unnamed, h.middle, h.root), []string{"mx.example.org"}, false},
		"a wildcard":                                   {root, chain(wild, h.middle, h.root), []string{"mx.example.org"}, true},
		"a wildcard, two labels":                       {root, chain(wild, h.middle, h.root), []string{"a.mx.example.org"}, false},
		"an intermediate authority":                    {middle, chain(h.leaf, h.middle), []string{"mx.example.org"}, true},
		"any order":                                    {root, chain(h.leaf, h.root, h.middle), []string{"mx.example.org"}, true},
		"the authority isn't shown":                    {root, chain(h.leaf, h.middle), []string{"mx.example.org"}, false},
		"the link is missing":                          {root, chain(h.leaf, h.root), []string{"mx.example.org"}, false},
		"it vouches for somebody else":                 {dane.Usable([]dns.TLSA{record(2, 0, 1, other)}), chain(h.leaf, h.middle, other), []string{"mx.example.org"}, false},
		"expired":                                      {root, chain(h.expired, h.middle, h.root), []string{"mx.example.org"}, false},
		"one of two authorities suffices":              {append(middle[:1:1], record(2, 0, 1, other)), chain(h.leaf, other, h.middle), []string{"mx.example.org"}, true},
		"the server's own certificate is no authority": {dane.Usable([]dns.TLSA{record(2, 0, 1, h.stranger)}), chain(h.stranger), []string{"mx.example.org"}, false},
	} {
		if err := dane.Verify(c.records, c.names, c.chain, now); c.good != (err == nil) || err != nil && !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestUsable(t *testing.T) {
	d32, d64 := make([]byte, 32), make([]byte, 64)
	for what, c := range map[string]struct {
		records []dns.TLSA
		want    int
	}{
		"none":                  {nil, 0},
		"PKIX-TA":               {[]dns.TLSA{tlsa(0, 0, 1, d32)}, 0},
		"PKIX-EE":               {[]dns.TLSA{tlsa(1, 1, 1, d32)}, 0},
		"private usage":         {[]dns.TLSA{tlsa(255, 1, 1, d32)}, 0},
		"unknown selector":      {[]dns.TLSA{tlsa(3, 2, 1, d32)}, 0},
		"unknown matching type": {[]dns.TLSA{tlsa(3, 1, 3, d32)}, 0},
		"digest too short":      {[]dns.TLSA{tlsa(3, 1, 1, d32[:31]), tlsa(3, 1, 2, d32)}, 0},
		"digest too long":       {[]dns.TLSA{tlsa(3, 1, 1, d64)}, 0},
		"nothing in full":       {[]dns.TLSA{tlsa(3, 1, 0, nil)}, 0},
		"good among bad":        {[]dns.TLSA{tlsa(1, 1, 1, d32), tlsa(3, 1, 1, d32), tlsa(9, 9, 9, nil), tlsa(2, 0, 1, d32)}, 2},
		"the stronger digest":   {[]dns.TLSA{tlsa(3, 1, 1, d32), tlsa(3, 1, 2, d64), tlsa(3, 0, 1, d32), tlsa(3, 1, 0, d64)}, 3},
		"at the limit":          {make100(d32), dane.MaxRecords},
		"above the limit":       {append(make100(d32), make100(d32)...), dane.MaxRecords},
	} {
		if got := dane.Usable(c.records); len(got) != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func tlsa(usage, selector, matching uint8, data []byte) dns.TLSA {
	return dns.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
}

func make100(digest []byte) (all []dns.TLSA) {
	for range dane.MaxRecords {
		all = append(all, dns.TLSA{Usage: 3, Selector: 1, Matching: 1, Data: digest})
	}
	return all
}

// TestHandshake: the hook decides, with real handshakes, and again when a session is resumed.
func TestHandshake(t *testing.T) {
	h := newHierarchy(t)
	right := dane.Usable([]dns.TLSA{record(3, 1, 1, h.leaf)})
	wrong := dane.Usable([]dns.TLSA{record(3, 1, 1, h.stranger)})
	names := []string{"mx.example.org", "example.org"}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{h.leaf.Raw, h.middle.Raw}, PrivateKey: h.leaf.pair.PrivateKey}}}
	sessions := tls.NewLRUClientSessionCache(1)
	for _, step := range []struct {
		records []dns.TLSA
		good    bool
	}{{right, true}, {wrong, false}, {right, true}} {
		client := dane.Config(step.records, names, func() time.Time { return now })
		client.ClientSessionCache = sessions
		name, err := handshake(t, client, server)
		if step.good != (err == nil) || name != "mx.example.org" {
			t.Errorf("server name %q: %v", name, err)
		}
	}
	old := server.Clone()
	old.MaxVersion = tls.VersionTLS11
	old.MinVersion = tls.VersionTLS10
	if _, err := handshake(t, dane.Config(right, names, nil), old); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

// handshake tells the server name that the client sent, and what the client thinks of the server.
func handshake(t *testing.T, client, server *tls.Config) (name string, err error) {
	t.Helper()
	a, b := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
	defer a.Close()
	server = server.Clone()
	server.Time = func() time.Time { return now }
	server.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.Close()
		s := tls.Server(b, server)
		if s.Handshake() == nil {
			s.Write([]byte("x")) // with what resumes the session before it
		}
	}()
	c := tls.Client(a, client)
	if err = c.Handshake(); err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	a.Close()
	<-done
	return name, err
}

// TestVectors: records that OpenSSL computed for certificates that it made (testdata/README says how).
func TestVectors(t *testing.T) {
	cert := readCert(t, "testdata/leaf.pem")
	zone, err := os.Open("testdata/tlsa.zone")
	if err != nil {
		t.Fatal(err)
	}
	defer zone.Close()
	p, n := wire.NewZoneParser(zone, ".", "tlsa.zone"), 0
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		r := rr.(*wire.TLSA)
		var data []byte
		if data, err = hex.DecodeString(r.Certificate); err != nil {
			t.Fatal(err)
		}
		n++
		if !dane.Matches(dns.TLSA{Usage: r.Usage, Selector: r.Selector, Matching: r.MatchingType, Data: data}, cert) {
			t.Errorf("%v doesn't match", r)
		}
	}
	if p.Err() != nil || n != 4 {
		t.Errorf("%d records, %v", n, p.Err())
	}
}

func readCert(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func BenchmarkVerify(b *testing.B) {
	h := newHierarchy(b)
	r := dane.Usable([]dns.TLSA{record(3, 1, 1, h.leaf)})
	c := chain(h.leaf, h.middle)
	for b.Loop() {
		if err := dane.Verify(r, nil, c, now); err != nil {
			b.Fatal(err)
		}
	}
}
