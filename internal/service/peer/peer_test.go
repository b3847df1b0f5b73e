package peer

import (
	"net"
	"net/netip"
	"testing"
)

// text is an address of a kind that package net doesn't know.
type text string

func (text) Network() string  { return "text" }
func (a text) String() string { return string(a) }

func TestAddr(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:25": "192.0.2.1", "[::ffff:192.0.2.1]:25": "192.0.2.1", "[fe80::1%eth0]:25": "fe80::1", "@": "invalid IP", "pipe": "invalid IP",
	} {
		if got := Addr(text(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	tcp := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("[::ffff:192.0.2.1]:25"))
	if got := Addr(tcp).String(); got != "192.0.2.1" {
		t.Errorf("%v: %s", tcp, got)
	}
	if Addr(nil).IsValid() {
		t.Error("nil has an address")
	}
}

func TestNetwork(t *testing.T) {
	at := func(s string) netip.Prefix { return Network(netip.MustParseAddr(s)) }
	if at("2001:db8::1") != at("2001:db8::ffff:1%eth0") || at("2001:db8::1") == at("2001:db8:0:1::1") {
		t.Error("one IPv6 client is a /64")
	}
	if got := at("::ffff:192.0.2.1").String(); got != "192.0.2.1/32" {
		t.Error(got)
	}
	if Network(netip.Addr{}).IsValid() {
		t.Error("no address is in a network")
	}
}
