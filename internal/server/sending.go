package server

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/dns"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/outbound"
	"postroad/internal/service/relay"
	"postroad/internal/service/route"
	"postroad/internal/storage/kv"
)

// internet sends mail to other servers for real: it looks up their hosts and speaks to them.
type internet struct {
	*outbound.Sender
	relay    *relay.Relay
	policies *mtasts.Client
	router   *route.Router
	dns      dns.Resolver
}

var families = map[string]route.Families{"": route.Both, config.IPv4: route.IPv4Only, config.IPv6: route.IPv6Only}

// sources sorts addresses by family; the settings have at most one of each.
func sources(bind []string) (s route.Sources) {
	for _, text := range bind {
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
			s.V4 = a
		} else if err == nil {
			s.V6 = a
		}
	}
	return s
}

// newInternet makes one as the settings say; what it learns of other servers is kept in db, and observe hears of TLS with them. It fails
// with fault.Invalid if the settings can't be right.
func newInternet(c config.Config, w World, db kv.DB, observe func(outbound.Observation)) (*internet, error) {
	rules, passwords, err := rules(c.Route)
	if err != nil {
		return nil, err
	}
	resolver, err := newResolver(c.DNS, w)
	if err != nil {
		return nil, err
	}
	policies := mtasts.New(mtasts.Options{TXT: resolver, Transport: mtasts.NewTransport(w.Dial, w.Roots), Store: mtasts.InKV(db), Now: w.Now, Logger: w.Logger})
	router, err := route.New(route.Options{
		DNS: resolver, Rules: rules, Hostnames: c.Sending.Hostnames(c.Hostname), Now: w.Now, STS: policies,
		Sources: sources(c.Sending.Bind), Families: families[c.Sending.Family], Own: newOwnAddresses(c.Listen, w.Now, net.InterfaceAddrs).has,
	})
	if err != nil {
		return nil, err
	}
	r := relay.New(relay.Options{
		Dial: w.DialFrom, Hostname: func(from netip.Addr) string { return c.Sending.Name(from, c.Hostname) },
		Now: w.Now, Logger: w.Logger.With("part", "relay"),
	})
	sender := outbound.New(outbound.Options{Routes: router, Lax: router.Lax(), Relay: r, Now: w.Now, Roots: w.Roots, Credentials: passwords.get, Observe: observe})
	return &internet{sender, r, policies, router, resolver}, nil
}

// close says goodbye on connections that are kept for the next message.
func (i *internet) close() {
	i.relay.Close()
	if c, ok := i.dns.(*dns.Client); ok {
		c.Close()
	}
}

func newResolver(c config.DNS, w World) (dns.Resolver, error) {
	if w.Resolver != nil {
		return w.Resolver, nil
	}
	addrs, err := c.Resolvers()
	if err != nil {
		return nil, err
	}
	var servers []dns.Server
	for _, a := range addrs {
		one := dns.Server{Addr: a.Addr}
		if a.TLS {
			one.Validating = true
			one.TLS = &tls.Config{ServerName: a.Name, RootCAs: w.Roots, Time: w.Now, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
		}
		servers = append(servers, one)
	}
	return dns.New(dns.Options{Servers: servers, Now: w.Now})
}

// passwords are those of smart hosts, by the reference in their rule.
type passwords map[string]*relay.Credentials

func (p passwords) get(reference string) *relay.Credentials { return p[reference] }

// rules says the settings' routes in the words of package route.
func rules(routes []config.Route) ([]route.Rule, passwords, error) {
	modes := map[string]route.Mode{
		"": route.Opportunistic, config.Opportunistic: route.Opportunistic, config.NoTLS: route.None,
		config.Required: route.Required, config.Verified: route.Verified, config.Implicit: route.Verified,
	}
	var out []route.Rule
	secrets := passwords{}
	for i, r := range routes {
		rule := route.Rule{Recipient: r.Recipient, Sender: r.Sender, Host: r.Host, MX: r.MX, Port: r.Port,
			TLS: modes[r.TLS], ImplicitTLS: r.TLS == config.Implicit, Sources: sources(r.Bind)}
		if r.Protocol == config.LMTP {
			rule.Protocol = route.LMTP
		}
		if r.User != "" {
			password, err := firstLine(r.PasswordFile)
			if err != nil {
				return nil, nil, err
			}
			rule.Credentials = fmt.Sprint(i)
			secrets[rule.Credentials] = &relay.Credentials{User: r.User, Password: password}
		}
		out = append(out, rule)
	}
	return out, secrets, nil
}

// firstLine reads a password from a file.
func firstLine(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot read the password file "+file)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	if line = bytes.TrimRight(line, "\r"); len(line) == 0 {
		return "", fault.New(fault.Invalid, "the password file %s is empty", file)
	}
	return string(line), nil
}
