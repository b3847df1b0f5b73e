package inbound

import (
	"net/netip"
	"strings"

	"postroad/internal/service/dns"
)

// HeloRules say what is asked of the name in HELO or EHLO.
type HeloRules struct {
	// Refuse those whose name doesn't hold; else it is only noted, which is what RFC 5321 §4.1.4 has in mind.
	Refuse bool
	// Resolve: the name must have an address or a mail host in the DNS.
	Resolve bool
}

// heloProblem says what is wrong with the name that a client at peer gives itself; "" if nothing is. ours are
// our own name and the address that the client has connected to.
func heloProblem(name string, peer netip.Addr, hostname string, local netip.Addr) string {
	if literal, ok := strings.CutPrefix(name, "["); ok {
		return literalProblem(literal, peer, local)
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Unmap() == local {
			return "it is our own address"
		}
		return "an address without brackets"
	}
	ascii, err := dns.ASCII(name)
	switch {
	case err != nil, strings.Contains(ascii, "_"):
		return "not a host's name" // RFC 5321 §2.3.5
	case strings.EqualFold(ascii, strings.TrimSuffix(hostname, ".")), ascii == "localhost", ascii == "localhost.localdomain":
		return "it is our own name"
	case !strings.Contains(ascii, "."):
		return "not a fully qualified name"
	}
	return ""
}

// literalProblem checks an address literal (RFC 5321 §4.1.3) without its first bracket.
func literalProblem(literal string, peer, local netip.Addr) string {
	text, ok := strings.CutSuffix(literal, "]")
	if !ok {
		return "not an address literal"
	}
	v6 := len(text) > 5 && strings.EqualFold(text[:5], "IPv6:")
	if v6 {
		text = text[5:]
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil || addr.Zone() != "" || addr.Is6() != v6:
		return "not an address literal"
	case local.IsValid() && addr.Unmap() == local, addr.Unmap().IsLoopback():
		return "it is our own address"
	case addr.Unmap() != peer:
		return "not the client's address"
	}
	return ""
}
