package config

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestSending(t *testing.T) {
	c := Default()
	c.Hostname, c.Data = "mx.example.org", "/data"
	c.DNS.Servers = []string{"127.0.0.1", "[::1]:5353"}
	c.Route = []Route{{Host: "smtp.provider.example", TLS: Verified, User: "u", PasswordFile: "/p"}, {Recipient: ".lab.example", Host: "10.0.0.1", Protocol: LMTP}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := c.DNS.Resolvers()
	if err != nil || len(got) != 2 || got[0].Port() != 53 || got[1].Port() != 5353 {
		t.Errorf("%v %v", got, err)
	}
}

func TestSendingMistakes(t *testing.T) {
	for want, change := range map[string]func(*Config){
		`dns server "localhost"`:  func(c *Config) { c.DNS.Servers = []string{"localhost"} },
		`tls "yes"`:               func(c *Config) { c.Route = []Route{{Host: "x", TLS: "yes"}} },
		`bare_line_endings "ok"`:  func(c *Config) { c.SMTP.BareLineEndings = "ok" },
		`protocol "imap"`:         func(c *Config) { c.Route = []Route{{Host: "x", Protocol: IMAP}} },
		"belong together":         func(c *Config) { c.Route = []Route{{Host: "x", User: "u", TLS: Required}} },
		"a password needs tls":    func(c *Config) { c.Route = []Route{{Host: "x", User: "u", PasswordFile: "p"}} },
		"a password needs tls re": func(c *Config) { c.Route = []Route{{Host: "x", User: "u", PasswordFile: "p", TLS: NoTLS}} },
	} {
		c := Default()
		c.Hostname, c.Data = "mx.example.org", "/data"
		change(&c)
		if err := c.Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
