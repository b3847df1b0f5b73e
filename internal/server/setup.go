package server

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/acme"
	"postroad/internal/service/dns"
	"postroad/internal/service/reports"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/setup"
)

// advisor tells what domains need in the DNS, of a server that runs or is stopped. It keeps no state.
type advisor struct {
	config config.Config
	world  World
	dir    *directory.Directory
	certs  *acme.Storage
}

var _ admin.Advisor = (*advisor)(nil)

// lookLimit is how long the DNS may take where records are only told.
const lookLimit = 3 * time.Second

// DomainRecords implements admin.Advisor.
func (a *advisor) DomainRecords(ctx context.Context, q admin.RecordsQuery) ([]admin.DomainRecord, error) {
	f, err := a.facts(ctx, q)
	if err != nil {
		return nil, err
	}
	if r, err := a.resolver(); err == nil && !q.Offline {
		look(ctx, r, &f)
	}
	return setup.Records(f), nil
}

// look asks the DNS whether the host's zone is signed, and for addresses of families that this machine has none of.
func look(ctx context.Context, r dns.Resolver, f *setup.Facts) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found, err := r.LookupIP(ctx, f.Hostname)
	f.Signed = err == nil && found.Secure || err != nil && dns.SecureOf(err)
	if f.Told {
		return
	}
	known := slices.Clone(f.Addrs)
	for _, ip := range found.Records {
		if !slices.ContainsFunc(known, func(k netip.Addr) bool { return k.Is4() == ip.Is4() }) && setup.IsPublic(ip) {
			f.Addrs, f.Sources = append(f.Addrs, ip), append(f.Sources, ip)
		}
	}
}

// CheckDomain implements admin.Advisor.
func (a *advisor) CheckDomain(ctx context.Context, q admin.CheckQuery) (admin.DomainReport, error) {
	f, err := a.facts(ctx, q.RecordsQuery)
	if err != nil {
		return admin.DomainReport{}, err
	}
	r, err := a.resolver()
	if err != nil {
		return admin.DomainReport{}, err
	}
	o := setup.Options{DNS: r, Dial: a.world.Dial, Now: a.world.Now, Offline: q.Offline, Probe: q.Probe, Blocklists: q.Blocklists}
	for _, name := range append(slices.Clone(q.Blocklists), q.Probe) {
		if _, err := dns.ASCII(name); err != nil && name != "" {
			return admin.DomainReport{}, fault.New(fault.Invalid, "%q is not a domain", name)
		}
	}
	return setup.Check(ctx, f, o), nil
}

// resolver is the one of the settings. In the demo, which stays off the network, it is fault.Unsupported.
func (a *advisor) resolver() (setup.Resolver, error) {
	if !a.world.Online && a.world.Resolver == nil {
		return nil, fault.New(fault.Unsupported, "this server stays off the network")
	}
	r, err := newResolver(a.config.DNS, a.world)
	if err != nil {
		return nil, err
	}
	services, ok := r.(setup.Resolver)
	if !ok {
		return nil, fault.New(fault.Unsupported, "the resolver can't look for services")
	}
	return services, nil
}

// facts gathers what this server is.
func (a *advisor) facts(ctx context.Context, q admin.RecordsQuery) (setup.Facts, error) {
	domain, err := directory.ParseDomain(q.Domain)
	if err != nil {
		return setup.Facts{}, err
	}
	keys, err := a.keys(ctx, domain)
	if err != nil {
		return setup.Facts{}, err
	}
	host := hostOf(a.config)
	if !strings.Contains(host, ".") {
		return setup.Facts{}, fault.New(fault.Invalid, "the setting hostname is %q, which others can't find: it must be a complete name, like mail.%s", host, domain)
	}
	f := setup.Facts{Domain: domain, Hostname: host, Keys: keys, Services: services(a.config.Listen), Public: publicServices(a.config), Autoconfig: !a.config.Autoconfig.Off, Policy: policyFor(a.config, domain),
		Chain: a.chain(ctx), NextKeys: a.nextKeys(ctx), Renews: a.config.ACME.AcceptTerms && !a.config.ACME.NewKeys, DMARCReports: reports.DMARCAddress + "@" + domain, TLSReports: reports.TLSAddress + "@" + domain, SmartHost: smartHost(a.config.Route)}
	return f, a.addresses(&f, q.PublicIPs)
}

// hostOf is our name as the DNS has it.
func hostOf(c config.Config) string {
	if host, err := dns.ASCII(c.Hostname); err == nil {
		return host
	}
	return strings.ToLower(c.Hostname) // only a machine that nobody named has such a one
}

// keys are those to publish.
func (a *advisor) keys(ctx context.Context, domain string) ([]setup.Key, error) {
	keys, err := a.dir.DKIMKeys(ctx, domain)
	if err != nil {
		return nil, err
	}
	states := map[directory.KeyState]setup.KeyState{directory.KeyPending: setup.Pending, directory.KeyActive: setup.Active, directory.KeyRetired: setup.Retired}
	var all []setup.Key
	for _, k := range keys {
		_, text, err := dkim.SigningKey{Domain: domain, Selector: k.Selector, Private: k.Signer()}.Record()
		if err != nil {
			return nil, err
		}
		all = append(all, setup.Key{Selector: k.Selector, Record: text, State: states[k.State]})
	}
	return all, nil
}

// addresses fills in where the server is: as told, or as this machine looks.
func (a *advisor) addresses(f *setup.Facts, told []string) error {
	f.Told = len(told) > 0
	for _, s := range told {
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.Zone() != "" {
			return fault.New(fault.Invalid, "%q is not an IP address", s)
		}
		f.Addrs = append(f.Addrs, ip.Unmap())
	}
	f.Sources = slices.Clone(f.Addrs)
	if !f.Told {
		f.Addrs, f.Sources = machineAddresses(a.config.Sending)
	}
	f.Names = map[netip.Addr]string{}
	for _, ip := range f.Sources {
		f.Names[ip] = a.config.Sending.Name(ip, f.Hostname)
	}
	return nil
}

// machineAddresses are this machine's public addresses, and those that it connects to others from.
func machineAddresses(s config.Sending) (all, sources []netip.Addr) {
	interfaces, _ := net.InterfaceAddrs() // without them nothing is known
	for _, i := range interfaces {
		if p, err := netip.ParsePrefix(i.String()); err == nil && setup.IsPublic(p.Addr()) {
			all = append(all, p.Addr().Unmap())
		}
	}
	for _, family := range []struct{ name, somewhere string }{{config.IPv4, "198.51.100.1:25"}, {config.IPv6, "[2001:db8::1]:25"}} {
		if s.Family != "" && s.Family != family.name {
			continue
		}
		if ip := sourceFor(s.Bind, family.name == config.IPv4, family.somewhere); setup.IsPublic(ip) {
			sources = append(sources, ip)
		}
	}
	return all, sources
}

// sourceFor is the address that connections of a family come from: the one of the settings, or the system's choice, which it
// makes for UDP without sending anything.
func sourceFor(bind []string, want4 bool, somewhere string) netip.Addr {
	for _, s := range bind {
		if ip, err := netip.ParseAddr(s); err == nil && ip.Is4() == want4 {
			return ip
		}
	}
	c, err := net.Dial("udp", somewhere)
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// services are the ports that others can reach.
func services(listen []config.Listener) (all []setup.Service) {
	protocols := map[string]setup.Protocol{config.SMTP: setup.SMTP, config.Submission: setup.Submission, config.IMAP: setup.IMAP, config.POP3: setup.POP3, config.ManageSieve: setup.Sieve, config.HTTP: setup.HTTP}
	for _, l := range listen {
		p, known := protocols[l.Protocol]
		port := portOf(l)
		if !known || port == 0 || l.TLS == config.NoTLS && l.Protocol != config.SMTP {
			continue
		}
		if s := (setup.Service{Protocol: p, Port: port, Implicit: l.TLS == config.Implicit}); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// portOf is the port that others reach a listener at; 0 if they don't. A socket of the service manager is
// taken to be on its protocol's standard port.
func portOf(l config.Listener) uint16 {
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		if strings.HasPrefix(l.Address, "fd:") {
			return standardPort(l.Protocol, l.TLS)
		}
		return 0
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return 0
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}

// standardPort is the port of Standard's listener like this one.
func standardPort(protocol, tls string) uint16 {
	for _, l := range config.Standard() {
		if l.Protocol == protocol && l.TLS == tls {
			return portOf(l)
		}
	}
	return 0
}

// chain is the certificate of this host: that of an authority, if one is asked and has given it.
func (a *advisor) chain(ctx context.Context) []*x509.Certificate {
	if a.config.TLS.Cert == "" && a.config.ACME.AcceptTerms {
		if chain := a.certs.Chain(ctx, hostOf(a.config)); chain != nil {
			return chain
		}
	}
	return chainOf(a.config)
}

// nextKeys are those that this host's certificate will have.
func (a *advisor) nextKeys(ctx context.Context) [][]byte {
	public, err := a.certs.NextPublic(ctx, hostOf(a.config))
	if err != nil {
		return nil
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil
	}
	return [][]byte{spki}
}

// chainOf reads the certificate in use: that of the settings, or the self-signed one. It is empty if there is none.
func chainOf(c config.Config) (chain []*x509.Certificate) {
	file := c.TLS.Cert
	if file == "" {
		file = filepath.Join(c.Data, tlsDir, selfSigned)
	}
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return chain
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			chain = append(chain, cert)
		}
	}
}

// smartHost is who takes all mail that leaves; "" if nobody does.
func smartHost(routes []config.Route) string {
	for _, r := range routes {
		if r.Recipient == "" && r.Sender == "" {
			return r.Host
		}
	}
	return ""
}
