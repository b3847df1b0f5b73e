package config

import (
	"net/netip"

	"postroad/internal/fault"
)

// HTTPServer says how the listeners of http answer.
type HTTPServer struct {
	// TrustedProxies are web servers in front of this one that say in X-Forwarded-For whom they speak for: addresses, networks, and
	// "unix" for those that connect to a unix socket. Default: none; nobody is believed.
	TrustedProxies []string `toml:"trusted_proxies"`
}

// Trusted parses TrustedProxies. A single address is a network of one.
func (h HTTPServer) Trusted() (networks []netip.Prefix, unix bool, err error) {
	for _, s := range h.TrustedProxies {
		if s == "unix" {
			unix = true
			continue
		}
		p, err := network(s)
		if err != nil || p.Bits() == 0 {
			return nil, false, fault.New(fault.Invalid, "http.trusted_proxies: %q is no address or network, nor unix", s)
		}
		networks = append(networks, p)
	}
	return networks, unix, nil
}

func (h HTTPServer) validate() error {
	_, _, err := h.Trusted()
	return err
}

// network reads a network; a single address is one of one.
func network(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if a, aerr := netip.ParseAddr(s); aerr == nil {
		p, err = a.Prefix(a.BitLen())
	}
	return p.Masked(), err
}
