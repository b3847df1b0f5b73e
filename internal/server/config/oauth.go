package config

import (
	"net/url"

	"postroad/internal/fault"
)

// OAuth is our own OAuth 2.0 and OpenID Connect provider, for people's mail programs.
type OAuth struct {
	// Enable: it answers on the listeners of http. Default: false.
	Enable bool `toml:"enable"`
	// Issuer is its name, where browsers and programs find it. Default: https://hostname.
	Issuer string `toml:"issuer"`
	// Client are programs and sites that are known beforehand. Others register themselves.
	Client []OAuthClient `toml:"client"`
}

// OAuthClient is a program or site that is known beforehand.
type OAuthClient struct {
	ID        string   `toml:"id"`
	Name      string   `toml:"name"`
	Redirects []string `toml:"redirect_uris"`
	// SecretFile: its first line is the client's secret. Default: none, as programs on people's devices can't keep one.
	SecretFile string `toml:"secret_file"`
}

func (o *OAuth) validate() error {
	if u, err := url.Parse(o.Issuer); o.Issuer != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "") {
		return fault.New(fault.Invalid, "oauth.issuer %q: want https://host, without a path", o.Issuer)
	}
	seen := map[string]bool{}
	for _, c := range o.Client {
		if c.ID == "" || seen[c.ID] {
			return fault.New(fault.Invalid, "oauth.client: each needs an id of its own")
		}
		seen[c.ID] = true
	}
	return nil
}
