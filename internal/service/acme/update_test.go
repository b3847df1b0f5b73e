package acme

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	wire "github.com/miekg/dns"

	"postroad/internal/fault"
	"postroad/internal/service/acme/acmetest"
)

// primary is a zone's name server that takes signed updates (RFC 2136, RFC 8945).
type primary struct {
	addr string
	soa  *wire.SOA

	mu      sync.Mutex
	records []wire.RR // guarded by mu
	updates int       // guarded by mu
	late    int       // guarded by mu: questions that find nothing yet
}

const tsigSecret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ=="

func newPrimary(t *testing.T, zone string) *primary {
	t.Helper()
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", packets.LocalAddr().String())
	if err != nil {
		t.Skip("no port is free for both")
	}
	p := &primary{addr: l.Addr().String(), soa: &wire.SOA{Hdr: wire.RR_Header{Name: zone, Rrtype: wire.TypeSOA, Class: wire.ClassINET, Ttl: 60}, Ns: "ns." + zone, Mbox: "root." + zone}}
	for _, s := range []*wire.Server{{Listener: l}, {PacketConn: packets}} {
		s.Handler, s.TsigSecret = wire.HandlerFunc(p.handle), map[string]string{"update.": tsigSecret}
		s.MsgAcceptFunc = func(wire.Header) wire.MsgAcceptAction { return wire.MsgAccept }
		started, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { s.ActivateAndServe(); close(done) }()
		<-started
		t.Cleanup(func() { s.Shutdown(); <-done })
	}
	return p
}

func (p *primary) handle(w wire.ResponseWriter, q *wire.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := new(wire.Msg).SetReply(q)
	a.Authoritative = true
	if q.Opcode == wire.OpcodeUpdate {
		p.update(w, q, a)
	} else {
		p.answer(q.Question[0], a)
	}
	w.WriteMsg(a)
}

func (p *primary) update(w wire.ResponseWriter, q, a *wire.Msg) {
	if q.IsTsig() == nil || w.TsigStatus() != nil {
		a.Rcode = wire.RcodeNotAuth
		return
	}
	p.updates++
	for _, rr := range q.Ns {
		if rr.Header().Class == wire.ClassNONE {
			p.records = slices.DeleteFunc(p.records, func(r wire.RR) bool {
				return r.(*wire.TXT).Txt[0] == rr.(*wire.TXT).Txt[0] && r.Header().Name == rr.Header().Name
			})
			continue
		}
		p.records = append(p.records, rr)
	}
	a.SetTsig("update.", wire.HmacSHA256, 300, time.Now().Unix())
}

func (p *primary) answer(q wire.Question, a *wire.Msg) {
	switch {
	case q.Qtype == wire.TypeNS && strings.EqualFold(q.Name, p.soa.Hdr.Name):
		a.Answer = append(a.Answer, &wire.NS{Hdr: wire.RR_Header{Name: q.Name, Rrtype: wire.TypeNS, Class: wire.ClassINET, Ttl: 60}, Ns: "ns." + q.Name})
	case q.Qtype == wire.TypeTXT && p.late > 0:
		p.late--
		a.Ns = append(a.Ns, p.soa)
	case q.Qtype == wire.TypeA: // of all names, for the authority
		a.Answer = append(a.Answer, &wire.A{Hdr: wire.RR_Header{Name: q.Name, Rrtype: wire.TypeA, Class: wire.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1)})
	default:
		for _, rr := range p.records {
			if rr.Header().Rrtype == q.Qtype && strings.EqualFold(rr.Header().Name, q.Name) {
				a.Answer = append(a.Answer, rr)
			}
		}
		a.Ns = append(a.Ns, p.soa)
	}
}

func (p *primary) updater() *Update {
	var d net.Dialer
	return &Update{Server: p.addr, KeyName: "Update", KeySecret: tsigSecret, Poll: 5 * time.Millisecond, Dial: d.DialContext}
}

// An authority looks into the zone, which we change by updates that are signed.
func TestGetsCertificatesByDNS(t *testing.T) {
	p := newPrimary(t, "example.test.")
	w := newWorld(t, acmetest.Options{DNS: p.addr})
	m := w.open(t, func(o *Options) { o.DNS01 = p.updater() })
	m.Keep(t.Context(), []string{host})
	look(t, m)
	w.verify(t, m, host)
	if len(p.records) > 0 || p.updates != 2 {
		t.Errorf("%d updates left %v", p.updates, p.records)
	}
}

func challengeFor(name string) acme.Challenge {
	return acme.Challenge{Identifier: acme.Identifier{Type: "dns", Value: name}, KeyAuthorization: "token.thumbprint"}
}

func TestUpdateSaysWhatIsWrong(t *testing.T) {
	p := newPrimary(t, "example.test.")
	for what, c := range map[string]struct {
		change func(*Update)
		name   string
		want   fault.Kind
	}{
		"wrong secret": {func(u *Update) { u.KeySecret = "d3Jvbmc=" }, host, fault.Denied},
		"no key":       {func(u *Update) { u.KeyName = "" }, host, fault.Denied},
		"no server":    {func(u *Update) { u.Server = "127.0.0.1:1" }, host, fault.Unavailable},
		"other zone":   {func(u *Update) {}, "mail.elsewhere.test", fault.NotFound},
	} {
		u := p.updater()
		c.change(u)
		if err := u.Present(t.Context(), challengeFor(c.name)); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		} else if strings.Contains(err.Error(), u.KeySecret) {
			t.Errorf("%s: the secret is in the error", what)
		}
	}
}

// The challenge's name may be an alias of one in a zone that is for this alone; and nobody is asked to look before
// all servers of the zone know.
func TestUpdateFollowsAliasesAndWaits(t *testing.T) {
	p := newPrimary(t, "acme.test.")
	w := newWorld(t, acmetest.Options{})
	w.dns.Add(t, `
		_acme-challenge.mail.example.test. CNAME mail.acme.test.
		ns.acme.test. A 127.0.0.1
	`)
	u := p.updater()
	u.Resolver = w.dns
	dialed := map[string]int{}
	dial := u.Dial
	u.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed[address]++
		return dial(ctx, network, p.addr) // the zone's other server is the same one
	}
	p.late = 3
	if err := u.Present(t.Context(), challengeFor(host)); err != nil {
		t.Fatal(err)
	}
	if err := u.Wait(t.Context(), challengeFor(host)); err != nil {
		t.Fatal(err)
	}
	if p.late != 0 || dialed["127.0.0.1:53"] != 4 {
		t.Errorf("didn't wait until the record was there: %v", dialed)
	}
	if len(p.records) != 1 || p.records[0].Header().Name != "mail.acme.test." || p.records[0].Header().Ttl != 60 {
		t.Errorf("%v", p.records)
	}
}

func TestAlgorithms(t *testing.T) {
	for name, want := range map[string]bool{"": true, "hmac-sha256": true, "HMAC-SHA512": true, "hmac-md5": false, "x": false} {
		if Algorithm(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
