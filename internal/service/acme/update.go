package acme

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	wire "github.com/miekg/dns"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// Update says how to put records into a zone by dynamic updates (RFC 2136), for the challenge dns-01 (RFC 8555 §8.4).
type Update struct {
	// Server is the zone's primary, "host:port".
	Server string
	// Zone is where the records go; empty: Server is asked which zone a name is in.
	Zone string
	// Key signs the updates (TSIG, RFC 8945); its name empty: they are not signed.
	KeyName, KeyAlgorithm, KeySecret string // the secret in base64
	// TTL of the records; default one minute.
	TTL time.Duration
	// Resolver finds aliases of the challenge's name, and the zone's other servers. Nil: neither is looked for.
	Resolver dns.Resolver
	// Dial connects to Server and the others.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Patience bounds the waiting until all of the zone's servers have a record; default 2 minutes. Poll is how often
	// they are asked; default 2 seconds.
	Patience, Poll time.Duration
}

// algorithms of TSIG (RFC 8945 §6), by the names that people use. MD5 and SHA-1 are not among them.
var algorithms = map[string]string{
	"": wire.HmacSHA256, "hmac-sha224": wire.HmacSHA224, "hmac-sha256": wire.HmacSHA256, "hmac-sha384": wire.HmacSHA384, "hmac-sha512": wire.HmacSHA512,
}

// Algorithm reports whether a TSIG algorithm is known. Empty means hmac-sha256.
func Algorithm(name string) bool { return algorithms[strings.ToLower(name)] != "" }

var (
	_ acmez.Solver = (*Update)(nil)
	_ acmez.Waiter = (*Update)(nil)
)

// updateLimit bounds one exchange with a name server.
const updateLimit = 20 * time.Second

// Present implements acmez.Solver: it puts the challenge's record into the zone.
func (u *Update) Present(ctx context.Context, ch acme.Challenge) error {
	return u.change(ctx, ch, func(m *wire.Msg, rr wire.RR) { m.Insert([]wire.RR{rr}) })
}

// CleanUp implements acmez.Solver: it takes the record out again.
func (u *Update) CleanUp(ctx context.Context, ch acme.Challenge) error {
	return u.change(context.WithoutCancel(ctx), ch, func(m *wire.Msg, rr wire.RR) { m.Remove([]wire.RR{rr}) })
}

func (u *Update) change(ctx context.Context, ch acme.Challenge, put func(*wire.Msg, wire.RR)) error {
	name := u.follow(ctx, wire.Fqdn(ch.DNS01TXTRecordName()))
	zone, err := u.zoneOf(ctx, name)
	if err != nil {
		return err
	}
	ttl := orDefault(u.TTL, time.Minute)
	m := new(wire.Msg).SetUpdate(zone)
	put(m, &wire.TXT{Hdr: wire.RR_Header{Name: name, Rrtype: wire.TypeTXT, Class: wire.ClassINET, Ttl: uint32(ttl / time.Second)},
		Txt: []string{ch.DNS01KeyAuthorization()}})
	answer, err := u.exchange(ctx, u.Server, m, true)
	if err != nil {
		return err
	}
	if answer.Rcode != wire.RcodeSuccess {
		return fault.New(fault.Denied, "the name server %s refused to change the zone %s: %s", u.Server, zone, wire.RcodeToString[answer.Rcode])
	}
	return nil
}

// follow finds the name that a challenge's name is an alias of: whoever doesn't want to have a whole zone changed by a program
// delegates just this.
func (u *Update) follow(ctx context.Context, name string) string {
	for range 8 {
		if u.Resolver == nil {
			break
		}
		a, err := u.Resolver.LookupCNAME(ctx, name)
		if err != nil {
			break // no alias, or nobody knows
		}
		name = wire.Fqdn(a.Records[0])
	}
	return name
}

// zoneOf is the zone that a name is in: that of the settings, or the one whose SOA the server tells.
func (u *Update) zoneOf(ctx context.Context, name string) (string, error) {
	if u.Zone != "" {
		return wire.Fqdn(u.Zone), nil
	}
	for at, end := 0, false; !end; at, end = wire.NextLabel(name, at) {
		answer, err := u.exchange(ctx, u.Server, new(wire.Msg).SetQuestion(name[at:], wire.TypeSOA), false)
		if err != nil {
			return "", err
		}
		for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
			if soa, ok := rr.(*wire.SOA); ok && wire.IsSubDomain(soa.Hdr.Name, name) {
				return soa.Hdr.Name, nil
			}
		}
	}
	return "", fault.New(fault.NotFound, "the name server %s has no zone for %s", u.Server, strings.TrimSuffix(name, "."))
}

// exchange asks a name server, over TCP: an update must not be sent twice.
func (u *Update) exchange(ctx context.Context, server string, m *wire.Msg, sign bool) (*wire.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, updateLimit)
	defer cancel()
	raw, err := u.Dial(ctx, "tcp", server)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot reach the name server "+server)
	}
	defer raw.Close()
	conn := &wire.Conn{Conn: raw}
	if sign && u.KeyName != "" {
		conn.TsigSecret = map[string]string{wire.CanonicalName(u.KeyName): u.KeySecret}
		m.SetTsig(wire.CanonicalName(u.KeyName), algorithms[strings.ToLower(u.KeyAlgorithm)], 300, time.Now().Unix())
	}
	client := &wire.Client{Net: "tcp", TsigSecret: conn.TsigSecret, Timeout: updateLimit}
	answer, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	return answer, fault.Wrap(fault.Unavailable, err, "the name server "+server+" doesn't answer properly")
}

// Wait implements acmez.Waiter: it waits until all of the zone's servers have the record. If they don't in time, the authority
// may still be luckier.
func (u *Update) Wait(ctx context.Context, ch acme.Challenge) error {
	limit, poll := orDefault(u.Patience, 2*time.Minute), orDefault(u.Poll, 2*time.Second)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	name := u.follow(ctx, wire.Fqdn(ch.DNS01TXTRecordName()))
	servers := u.servers(ctx, name)
	for len(servers) > 0 {
		servers = slices.DeleteFunc(servers, func(s string) bool { return u.has(ctx, s, name, ch.DNS01KeyAuthorization()) })
		if len(servers) == 0 {
			break
		}
		t := time.NewTimer(poll)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
	return nil
}

// servers are the addresses of the zone's name servers.
func (u *Update) servers(ctx context.Context, name string) (all []string) {
	zone, err := u.zoneOf(ctx, name)
	if err != nil || u.Resolver == nil {
		return nil
	}
	answer, err := u.exchange(ctx, u.Server, new(wire.Msg).SetQuestion(zone, wire.TypeNS), false)
	if err != nil {
		return nil
	}
	for _, rr := range answer.Answer {
		ns, ok := rr.(*wire.NS)
		if !ok {
			continue
		}
		if ips, err := u.Resolver.LookupIP(ctx, ns.Ns); err == nil {
			all = append(all, netip.AddrPortFrom(ips.Records[0], 53).String())
		}
	}
	return all
}

// has reports whether a name server has the record. One that can't be reached from here isn't waited for.
func (u *Update) has(ctx context.Context, server, name, value string) bool {
	answer, err := u.exchange(ctx, server, new(wire.Msg).SetQuestion(name, wire.TypeTXT), false)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(answer.Answer, func(rr wire.RR) bool {
		txt, ok := rr.(*wire.TXT)
		return ok && strings.Join(txt.Txt, "") == value
	})
}

func orDefault(d, value time.Duration) time.Duration {
	if d == 0 {
		return value
	}
	return d
}
