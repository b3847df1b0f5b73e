package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"postroad/internal/server/config"
)

// proxies are the web servers in front of this one that say whom they speak for.
type proxies struct {
	networks []netip.Prefix
	unix     bool // those that connect to a unix socket
}

func proxiesOf(c config.HTTPServer) (p proxies, err error) {
	p.networks, p.unix, err = c.Trusted()
	return p, err
}

// maxForwarded bounds how many addresses are looked at: more proxies in a row there are nowhere.
const maxForwarded = 20

// behind has a request of a trusted proxy look as if it came from whom the proxy speaks for (X-Forwarded-For, as RFC 7239 §5.2 has it for
// its successor). Anybody may write the field, and each proxy adds its peer to the right: the rightmost address that isn't a proxy of
// ours is the client's. What stands left of it is hearsay.
func (p proxies) behind(h http.Handler) http.Handler {
	if len(p.networks) == 0 && !p.unix {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := p.client(r); client.IsValid() {
			there := *r
			there.RemoteAddr = net.JoinHostPort(client.String(), "0")
			r = &there
		}
		h.ServeHTTP(w, r)
	})
}

// client is whom a proxy speaks for; the zero Addr if the peer is none, or says nothing that can be read.
func (p proxies) client(r *http.Request) (client netip.Addr) {
	if !p.trusts(r.RemoteAddr) {
		return client
	}
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	slices.Reverse(said)
	for _, text := range said[:min(len(said), maxForwarded)] {
		a, ok := addressIn(strings.TrimSpace(text))
		if !ok {
			break
		}
		if client = a; !p.has(a) {
			break
		}
	}
	return client
}

// trusts reports whether a request's peer is a proxy of ours.
func (p proxies) trusts(remote string) bool {
	if remote == "" || remote == "@" || strings.HasPrefix(remote, "/") {
		return p.unix
	}
	a, ok := addressIn(remote)
	return ok && p.has(a)
}

func (p proxies) has(a netip.Addr) bool {
	return slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// addressIn reads an address, with or without a port and brackets.
func addressIn(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		var at netip.AddrPort
		at, err = netip.ParseAddrPort(s)
		a = at.Addr()
	}
	return a.Unmap().WithZone(""), err == nil
}
