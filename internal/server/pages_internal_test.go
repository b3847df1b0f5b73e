package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/passkey"
)

// Passkeys are made for a name that stays, and only where our pages are.
func TestPasskeySite(t *testing.T) {
	https := config.Listener{Protocol: config.HTTP, Address: ":443", TLS: config.Implicit}
	site := func(id string, origins ...string) *passkey.Site {
		return &passkey.Site{ID: id, Name: "mail.example.org", Origins: origins}
	}
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   *passkey.Site
	}{
		"as it is":            {func(*config.Config) {}, site("mail.example.org", "https://mail.example.org")},
		"another port":        {func(c *config.Config) { c.Listen[0].Address = ":8443" }, site("mail.example.org", "https://mail.example.org:8443")},
		"behind a web server": {func(c *config.Config) { c.Autoconfig.Web = "post.example.org:443" }, site("post.example.org", "https://post.example.org")},
		"for the domain":      {func(c *config.Config) { c.Auth.PasskeyDomain = "example.org" }, site("example.org", "https://mail.example.org")},
		"an issuer within": {func(c *config.Config) {
			c.Auth.PasskeyDomain, c.OAuth.Issuer = "example.org", "https://id.example.org"
		}, site("example.org", "https://id.example.org", "https://mail.example.org")},
		"an issuer elsewhere": {func(c *config.Config) { c.OAuth.Issuer = "https://id.example.org" }, site("mail.example.org", "https://mail.example.org")},
		"an address":          {func(c *config.Config) { c.Hostname = "192.0.2.1" }, nil},
		"on this machine": {func(c *config.Config) {
			c.Listen = []config.Listener{{Protocol: config.HTTP, Address: "127.0.0.1:10443", TLS: config.Implicit}, {Protocol: config.HTTP, Address: "127.0.0.1:10080", TLS: config.NoTLS}}
		}, site("localhost", "http://localhost:10080", "https://localhost:10443")},
	} {
		set := config.Config{Hostname: "mail.example.org", Listen: []config.Listener{https}}
		c.change(&set)
		got, err := passkeySite(set)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	_, err := passkeySite(config.Config{Hostname: "mail.example.org", Listen: []config.Listener{https}, Auth: config.Auth{PasskeyDomain: "example.com"}})
	if !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
