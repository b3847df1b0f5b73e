package setup

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"postroad/internal/service/dns"
)

// checkPorts connects to our own public addresses. What a firewall farther out does can't be seen from here.
func (k *checker) checkPorts(ctx context.Context, n *notes) {
	addrs := k.reachable()
	if k.Offline || len(addrs) == 0 || len(k.Services) == 0 {
		return
	}
	results := make([][]knocked, len(addrs)) // for each service
	turns := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, a := range addrs {
		results[i] = make([]knocked, len(k.Services))
		for j, s := range k.Services {
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				results[i][j] = k.knock(ctx, a, s)
			})
		}
	}
	wg.Wait()
	for i, a := range addrs {
		k.tellPorts(n, a, results[i])
	}
}

// reachable are the addresses to connect to: one of each family that others are told.
func (k *checker) reachable() (all []netip.Addr) {
	for _, want4 := range []bool{true, false} {
		for _, a := range k.host.Records {
			if a.Is4() == want4 && k.ours(a) {
				all = append(all, a)
				break
			}
		}
	}
	return all
}

func (k *checker) tellPorts(n *notes, a netip.Addr, results []knocked) {
	var good []uint16
	for j, s := range k.Services {
		switch r := results[j]; {
		case r.err == nil && r.stranger == "":
			good = append(good, s.Port)
		case r.err == nil:
			n.wrong("see which program, or which machine behind the router, answers there", "%s port %d (%s) is not this server: it greets with %s", a, s.Port, s.Protocol, shown(r.stranger))
		default:
			n.warn("let the port in at the firewall, and through the router if there is one; some routers can't lead a machine back to itself: then try from outside",
				"%s port %d (%s) can't be reached from here: %s", a, s.Port, s.Protocol, clean(r.err.Error(), maxShown))
		}
	}
	slices.Sort(good)
	if len(good) > 0 {
		n.ok("%s answers on %s, seen from here; a firewall farther out may still be in the way of others", a, many(good))
	}
}

// knocked is what came of a connection: an error, or how somebody else greeted.
type knocked struct {
	err      error
	stranger string
}

// knock connects to a service and reads how it greets.
func (k *checker) knock(ctx context.Context, a netip.Addr, s Service) knocked {
	greeting, err := k.greeting(ctx, a, s)
	if err == nil && s.Protocol == SMTP && !strings.Contains(strings.ToLower(greeting), k.Hostname) { // RFC 5321 §4.3.1
		return knocked{stranger: greeting}
	}
	return knocked{err: err}
}

// greeting connects, and returns the first line that comes; "" from a web server, where the client begins.
func (k *checker) greeting(ctx context.Context, a netip.Addr, s Service) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := k.Dial(ctx, "tcp", netip.AddrPortFrom(a, s.Port).String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if s.Implicit {
		// Whether the certificate is good is checkCertificate's to tell.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: k.Hostname, MinVersion: tls.VersionTLS12})
		if err := conn.(*tls.Conn).HandshakeContext(ctx); err != nil {
			return "", err
		}
	}
	if s.Protocol == HTTP {
		return "", nil
	}
	return firstLine(conn)
}

// firstLine reads a line of at most 512 octets (RFC 5321 §4.5.3.1.5).
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 512)).ReadString('\n')
	if line == "" && err != nil {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// checkOutbound looks whether mail can leave this network: many providers close port 25.
func (k *checker) checkOutbound(ctx context.Context, n *notes) {
	if k.SmartHost != "" {
		n.ok("all mail leaves through %s, as the settings say", k.SmartHost)
		return
	}
	if k.Offline {
		return
	}
	targets := k.probeTargets(ctx, n)
	for _, t := range targets {
		greeting, err := k.greeting(ctx, t.addr, Service{Protocol: SMTP, Port: 25})
		where := t.host + " [" + t.addr.String() + "]:" + strconv.Itoa(25)
		switch {
		case err != nil && t.addr.Is6() && !k.has6():
			// This machine needn't have IPv6.
		case err != nil:
			n.wrong("ask your provider to open port 25 for outgoing connections, and look at your own firewall; or send through a smart host ([[route]])",
				"no mail leaves this network over %s: %s didn't answer (%s)", family(t.addr), clean(where, maxShown), clean(err.Error(), maxShown))
		case !strings.HasPrefix(greeting, "220"):
			n.warn("read what it says: your address may be listed as one that sends spam", "%s answers, but doesn't welcome us: %s", clean(where, maxShown), shown(greeting))
		default:
			n.ok("mail can leave over %s: %s answers", family(t.addr), clean(where, maxShown))
		}
	}
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func (k *checker) has6() bool {
	for _, a := range k.sources {
		if a.Is6() {
			return true
		}
	}
	return false
}

// target is a host to connect to.
type target struct {
	host string
	addr netip.Addr
}

// probeTargets finds a mail host of the probed domain, with an address of each family.
func (k *checker) probeTargets(ctx context.Context, n *notes) (all []target) {
	mx := ask(ctx, k.DNS.LookupMX, k.Probe)
	if mx.err != nil {
		n.warn("say --probe with another domain", "whether mail can leave isn't known: no mail host of %s is found", shown(k.Probe))
		return nil
	}
	host := mx.Records[0].Host
	ips := ask(ctx, k.DNS.LookupIP, host)
	for _, want4 := range []bool{true, false} {
		for _, a := range ips.Records {
			if a.Is4() == want4 {
				all = append(all, target{host, a})
				break
			}
		}
	}
	if len(all) == 0 {
		n.warn("say --probe with another domain", "whether mail can leave isn't known: %s has no address (%s)", shown(host), dns.ReasonOf(ips.err))
	}
	return all
}
