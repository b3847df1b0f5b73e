package inbound

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"postroad/internal/service/delivery"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Guard with all that it needs: a DNS in which good.example does all as it should from 192.0.2.1 and
// list.example forwards from 198.51.100.5, a store in memory, and a clock that tests move.
type world struct {
	*Guard
	t    testing.TB
	dns  *dnstest.World
	db   kv.DB
	told []Evaluated

	mu    sync.Mutex
	clock time.Time // guarded by mu
}

const (
	goodIP = "192.0.2.1"
	listIP = "198.51.100.5"
	badIP  = "203.0.113.9" // has no name
)

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
	w.dns = dnstest.New(t, keyText("good.example")+keyText("list.example")+`
		good.example.               TXT "v=spf1 ip4:192.0.2.0/24 -all"
		good.example.               MX 10 mail.good.example.
		mail.good.example.          A 192.0.2.1
		_dmarc.good.example.        TXT "v=DMARC1; p=reject; rua=mailto:d@good.example"
		1.2.0.192.in-addr.arpa.     PTR mail.good.example.
		list.example.               TXT "v=spf1 ip4:198.51.100.0/24 -all"
		mail.list.example.          A 198.51.100.5
		5.100.51.198.in-addr.arpa.  PTR mail.list.example.
		_dmarc.soft.example.        TXT "v=DMARC1; p=quarantine"
		_dmarc.trying.example.      TXT "v=DMARC1; p=reject; t=y"
		_dmarc.open.example.        TXT "v=DMARC1; p=none"
	`)
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Resolver, o.DB, o.Hostname, o.Secret, o.Now = w.dns, db, "mx.example.org", []byte("secret"), w.now
	o.Report = func(e Evaluated) { w.told = append(w.told, e) }
	w.Guard = New(o)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// keyOf makes a domain's key, the same at each call.
func keyOf(domain string) dkim.SigningKey {
	seed := sha256.Sum256([]byte(domain))
	return dkim.SigningKey{Domain: domain, Selector: "s", Private: ed25519.NewKeyFromSeed(seed[:])}
}

// keyText is the record to publish for it.
func keyText(domain string) string {
	public := keyOf(domain).Private.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
	return fmt.Sprintf("s._domainkey.%s. TXT \"v=DKIM1; k=ed25519; p=%s\"\n", domain, base64.StdEncoding.EncodeToString(public))
}

// signed puts signatures of domains in front of a message.
func (w *world) signed(msg string, domains ...string) string {
	w.t.Helper()
	for _, d := range domains {
		s, err := dkim.NewSigner(dkim.SignOptions{Keys: []dkim.SigningKey{keyOf(d)}, Now: w.now})
		if err != nil {
			w.t.Fatal(err)
		}
		s.Write([]byte(msg))
		fields, err := s.Fields()
		if err != nil {
			w.t.Fatal(err)
		}
		msg = fields + msg
	}
	return msg
}

// letter is a message in the name of an address.
func letter(from string) string {
	return "From: <" + from + ">\r\nTo: bob@example.org\r\nSubject: hello\r\nDate: Sat, 14 Mar 2026 15:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nHello.\r\n"
}

// client is one conversation: what it says at each step. Empty Helo is that of a host without mistakes.
type client struct{ IP, Helo, From, To, Message string }

// visit plays a conversation up to its recipient.
func (w *world) visit(c client) (*Visit, error) {
	w.t.Helper()
	if c.Helo == "" {
		c.Helo = "mail.sender.example"
	}
	if c.To == "" {
		c.To = "bob@example.org"
	}
	ctx := context.Background()
	v, err := w.Connect(ctx, Client{Addr: netip.MustParseAddr(c.IP)})
	if v == nil || err != nil {
		return v, err
	}
	w.t.Cleanup(v.Close)
	for _, step := range []func() error{
		func() error { return v.Hello(ctx, c.Helo) },
		func() error { return v.Mail(ctx, c.From) },
		func() error { return v.Recipient(ctx, c.To) },
	} {
		if err := step(); err != nil {
			return v, err
		}
	}
	return v, nil
}

// deliver plays a whole conversation.
func (w *world) deliver(c client) (*delivery.Verdict, error) {
	w.t.Helper()
	v, err := w.visit(c)
	if err != nil {
		return nil, err
	}
	check := v.Message([]string{"bob@example.org"})
	for rest := c.Message; rest != ""; rest = rest[min(50, len(rest)):] {
		check.Write([]byte(rest[:min(50, len(rest))]))
	}
	return check.Verdict(context.Background())
}

// refused demands a refusal for a reason, in well-formed words.
func refused(t testing.TB, err error, reason Reason, code int) {
	t.Helper()
	r := RefusalOf(err)
	if r == nil || r.Reason != reason || r.Code != code {
		t.Fatalf("%v, want %s with %d", err, reason, code)
	}
	if strings.ContainsAny(r.Text, "\r\n") || len(r.Text) > maxReply || r.Status == "" || r.Status[0] != byte('0'+code/100) {
		t.Errorf("%+v", r)
	}
}

func TestNobodyChecksWhoIsTrusted(t *testing.T) {
	w := newWorld(t, Options{Trusted: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
	for _, a := range []netip.Addr{{}, netip.MustParseAddr(badIP), netip.MustParseAddr("::ffff:203.0.113.9")} {
		if v, err := w.Connect(t.Context(), Client{Addr: a}); v != nil || err != nil {
			t.Error(a, v, err)
		}
	}
	if v, err := New(Options{DB: w.db, Hostname: "x"}).Connect(t.Context(), Client{Addr: netip.MustParseAddr(badIP)}); v != nil || err != nil {
		t.Error("without a resolver:", v, err)
	}
	if v, err := New(Options{DB: w.db, Hostname: "x", Resolver: w.dns}).Connect(t.Context(), Client{Addr: netip.MustParseAddr("::1")}); v != nil || err != nil {
		t.Error("loopback:", v, err)
	}
}
