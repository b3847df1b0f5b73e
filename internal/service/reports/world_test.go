package reports

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/format/arf"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender/dmarc"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Service and all that is around it.
type world struct {
	*Service
	t    testing.TB
	now  time.Time
	dns  *dnstest.World
	db   kv.DB
	mu   sync.Mutex // guards what is sent and posted, while it is
	sent []Mail
	// mailFails and webFails are what sending fails with.
	mailFails error
	web       int // status of the answer; 0: nobody answers
	posted    []string
	who       error
	redact    *arf.Redactor
	perDay    int
	mailed    chan struct{} // told of each try to send, unless nil
}

// noon is when everything begins.
var noon = time.Date(2026, 3, 13, 12, 0, 0, 0, time.UTC)

const zone = `
	_smtp._tls.b.example. TXT "v=TLSRPTv1; rua=mailto:tls@b.example"
	_smtp._tls.web.example. TXT "v=TLSRPTv1; rua=https://reports.web.example/tls,mailto:tls@web.example"
	_smtp._tls.odd.example. TXT "v=TLSRPTv1"
	_dmarc.b.example. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@b.example"
	_dmarc.other.example. TXT "v=DMARC1; p=none"
`

func newWorld(t testing.TB) *world {
	db := pebbletest.Open(t)
	w := &world{t: t, now: noon, dns: dnstest.New(t, zone), db: db}
	w.Service = w.service()
	return w
}

// service makes another one on the same store, as after a restart.
func (w *world) service() *Service {
	return New(Options{
		DB: w.db, SendTLS: true, SendDMARC: true, SendFailures: true, FailuresPerDay: w.perDay, Redact: w.redact, DNS: w.dns, Generator: "Postroad test",
		Organization: func(ctx context.Context, domain string) (string, error) {
			return dmarc.Organization(ctx, texts{w.dns}, domain)
		},
		Who: func(context.Context) (Identity, error) {
			return Identity{"A & Co.", "a.example", "postmaster@a.example"}, w.who
		},
		Mail: func(_ context.Context, m Mail) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.mailed != nil {
				w.mailed <- struct{}{}
			}
			if w.mailFails == nil {
				w.sent = append(w.sent, m)
			}
			return w.mailFails
		},
		HTTP: w,
		Ours: func(_ context.Context, domain string) (bool, error) {
			return domain == "a.example" || strings.HasSuffix(domain, ".a.example"), nil
		},
		Now: func() time.Time { return w.now },
	})
}

// RoundTrip is the web.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posted = append(w.posted, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("Content-Type")))
	if w.web == 0 {
		return nil, fault.New(fault.Unavailable, "nobody there")
	}
	return &http.Response{StatusCode: w.web, Body: http.NoBody}, nil
}

// texts is the DNS as package dmarc asks it.
type texts struct{ dns *dnstest.World }

func (t texts) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := t.dns.LookupTXT(ctx, name)
	return a.Records, err
}
func (t texts) Exists(context.Context, string) (bool, error) { return true, nil }

func (w *world) send(all bool) int {
	w.t.Helper()
	n, err := w.Send(w.t.Context(), all)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// stored counts the keys with a prefix.
func (w *world) stored(prefix byte) (n int) {
	w.t.Helper()
	err := w.db.View(w.t.Context(), Partition, func(r kv.Reader) error {
		for _, err := range r.Scan(within([]byte{prefix})) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

var stsPolicy = tlsrpt.Policy{Type: tlsrpt.STS, Strings: []string{"version: STSv1", "mode: enforce", "mx: mx.b.example", "max_age: 86400"}, Domain: "b.example", MX: []string{"mx.b.example"}}

func success(domain string) Session {
	return Session{domain, tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: domain}, tlsrpt.Failure{}}
}

func failure(domain, what string) Session {
	s := success(domain)
	s.Failure = tlsrpt.Failure{Type: what, Sending: netip.MustParseAddr("192.0.2.9"), Receiving: netip.MustParseAddr("198.51.100.25"),
		Host: "mx.b.example", Helo: "mx.b.example"}
	return s
}

func evaluated(domain string, rua ...string) *Evaluated {
	return &Evaluated{
		Policy: dmarcxml.Policy{Domain: domain, P: "reject", DKIM: "r", SPF: "r", FO: "0", Discovery: "treewalk", Testing: "n"}, RUA: rua,
		Limits: make([]int64, len(rua)),
		Record: dmarcxml.Record{IP: netip.MustParseAddr("203.0.113.5"), Disposition: "reject", DKIM: "fail", SPF: "fail", HeaderFrom: domain, EnvelopeFrom: "bad.example",
			Signatures: []dmarcxml.Signature{{Domain: "bad.example", Selector: "s", Result: "pass"}}, Sender: dmarcxml.Sender{Domain: "bad.example", Scope: "mfrom", Result: "pass"}},
	}
}
