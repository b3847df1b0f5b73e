package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestSending(t *testing.T) {
	c := Default()
	c.Hostname, c.Data = "mx.example.org", "/data"
	c.DNS.Servers = []string{"127.0.0.1", "[::1]:5353", "tls://192.0.2.53", "tls://[2001:db8::53]:8853#dns.example.org"}
	c.Route = []Route{{Host: "smtp.provider.example", TLS: Verified, User: "u", PasswordFile: "/p"}, {Recipient: ".lab.example", Host: "10.0.0.1", Protocol: LMTP},
		{Recipient: "lists.example", Host: "unix:/run/lists", Protocol: LMTP}, {Sender: "shop.example", Host: "x", Bind: []string{"192.0.2.9"}}}
	c.Sending = Sending{Bind: []string{"192.0.2.8", "2001:db8::8"}, Names: map[string]string{"192.0.2.9": "out.example.org"}, Family: IPv4}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := c.DNS.Resolvers()
	want := []Resolver{
		{Addr: netip.MustParseAddrPort("127.0.0.1:53")}, {Addr: netip.MustParseAddrPort("[::1]:5353")},
		{netip.MustParseAddrPort("192.0.2.53:853"), true, "192.0.2.53"}, {netip.MustParseAddrPort("[2001:db8::53]:8853"), true, "dns.example.org"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
}

func TestSendingMistakes(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`dns server "localhost"`:             func(c *Config) { c.DNS.Servers = []string{"localhost"} },
		`bind "localhost"`:                   func(c *Config) { c.Sending.Bind = []string{"localhost"} },
		`bind "0.0.0.0"`:                     func(c *Config) { c.Sending.Bind = []string{"0.0.0.0"} },
		`bind "192.0.2.2": want at most one`: func(c *Config) { c.Sending.Bind = []string{"192.0.2.1", "192.0.2.2"} },
		`bind "::ffff:192.0.2.1"`:            func(c *Config) { c.Route = []Route{{Host: "x", Bind: []string{"::ffff:192.0.2.1"}}} },
		`names: "mx" is no address`:          func(c *Config) { c.Sending.Names = map[string]string{"mx": "mx.example.org"} },
		`"a b.example" is no full`:           func(c *Config) { c.Sending.Names = map[string]string{"192.0.2.1": "a b.example"} },
		`"mx" is no full`:                    func(c *Config) { c.Sending.Names = map[string]string{"192.0.2.1": "mx"} },
		`family "4"`:                         func(c *Config) { c.Sending.Family = "4" },
		`dns server "tls://dns"`:             func(c *Config) { c.DNS.Servers = []string{"tls://dns"} },
		`dns server "tls://192.0.2.1#"`:      func(c *Config) { c.DNS.Servers = []string{"tls://192.0.2.1#"} },
		`dns server "192.0.2.1#x"`:           func(c *Config) { c.DNS.Servers = []string{"192.0.2.1#x"} },
		`tls "yes"`:                          func(c *Config) { c.Route = []Route{{Host: "x", TLS: "yes"}} },
		`bare_line_endings "ok"`:             func(c *Config) { c.SMTP.BareLineEndings = "ok" },
		`protocol "imap"`:                    func(c *Config) { c.Route = []Route{{Host: "x", Protocol: IMAP}} },
		"belong together":                    func(c *Config) { c.Route = []Route{{Host: "x", User: "u", TLS: Required}} },
		"a password needs tls":               func(c *Config) { c.Route = []Route{{Host: "x", User: "u", PasswordFile: "p"}} },
		"a password needs tls re":            func(c *Config) { c.Route = []Route{{Host: "x", User: "u", PasswordFile: "p", TLS: NoTLS}} },
	} {
		c := Default()
		c.Hostname, c.Data = "mx.example.org", "/data"
		change(&c)
		if err := c.Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestNamesByAddress(t *testing.T) {
	s := Sending{Names: map[string]string{"192.0.2.9": "out.example.org", "2001:db8::9": "out.example.org"}}
	for from, want := range map[string]string{"192.0.2.9": "out.example.org", "2001:DB8:0::9": "out.example.org", "192.0.2.1": "mx.example.org"} {
		if got := s.Name(netip.MustParseAddr(from), "mx.example.org"); got != want {
			t.Errorf("from %s: %s", from, got)
		}
	}
	if got := s.Name(netip.Addr{}, "mx.example.org"); got != "mx.example.org" {
		t.Errorf("from nowhere: %s", got)
	}
	if got := s.Hostnames("mx.example.org"); !slices.Equal(got, []string{"mx.example.org", "out.example.org"}) {
		t.Errorf("all names: %v", got)
	}
}
