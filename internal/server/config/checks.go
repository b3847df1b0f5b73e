package config

import (
	"net/netip"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/inbound"
)

// Checks say how mail of strangers is judged. They are off where the DNS isn't asked, as in the demo.
type Checks struct {
	// DMARC says what becomes of mail that fails the policy of its author's domain: enforce (default) what that asks for, mark it, or off.
	DMARC string `toml:"dmarc"`
	// SPFFail says what becomes of mail that SPF alone fails: mark (default) or refuse.
	SPFFail string `toml:"spf_fail"`
	// NullMX says what becomes of senders whose domain accepts no mail (null MX, RFC 7505): mark (default), greylisting looks at them; or refuse.
	NullMX string `toml:"null_mx"`
	// Helo says what becomes of clients whose name in HELO can't be theirs: mark (default) or refuse. With HeloResolve
	// the name must be in the DNS, too.
	Helo        string `toml:"helo"`
	HeloResolve bool   `toml:"helo_resolve"`
	// Greylist says who is asked to come back later: auto (default), those who look bad; always, all who are new; off, nobody.
	Greylist string `toml:"greylist"`
	// TrustedNetworks are those whose hosts nobody checks, besides this machine: "192.0.2.0/24", "2001:db8::1".
	TrustedNetworks []string `toml:"trusted_networks"`
	// TrustedSealers are domains whose ARC seals are believed: forwarders and lists that check what they pass on.
	TrustedSealers []string `toml:"trusted_sealers"`
	// Connections and Messages are how many of one client (an IPv4 address or IPv6 /64) are taken in a minute, DomainMessages how many from one domain that has
	// proved to be itself. Defaults: 300, 600, 3,000; -1: no limit.
	Connections    int `toml:"connections_per_minute"`
	Messages       int `toml:"messages_per_minute"`
	DomainMessages int `toml:"domain_messages_per_minute"`
	// DNSBL are block lists, DNSWL lists of the good, asked by DNS (RFC 5782).
	DNSBL []List `toml:"dnsbl"`
	DNSWL []List `toml:"dnswl"`
}

// List is a list of clients in the DNS.
type List struct {
	Zone string `toml:"zone"`
	// Codes are the answers that count: "127.0.0.2", "127.0.0.2-127.0.0.11", "127.0.0.0/24". Default: all that say "listed".
	Codes []string `toml:"codes"`
	// Action is refuse (default), or mark: being listed is told, and makes greylisting look. For block lists only.
	Action string `toml:"action"`
	// Score, if set, is what being listed adds; only a sum of 10 is refused. For block lists only.
	Score int `toml:"score"`
}

// AccountLimits bound what one account sends. 0: the default, which no person reaches; -1: no limit.
type AccountLimits struct {
	MessagesPerHour     int `toml:"messages_per_hour"`          // default 500
	MessagesPerDay      int `toml:"messages_per_day"`           // default 2,000
	RecipientsPerHour   int `toml:"recipients_per_hour"`        // default 2,000
	RecipientsPerDay    int `toml:"recipients_per_day"`         // default 5,000
	NewRecipientsPerDay int `toml:"new_recipients_per_day"`     // not written to before; default 1,000
	RefusedPerDay       int `toml:"refused_recipients_per_day"` // from which on their share counts; default 100
	RefusedPercent      int `toml:"refused_percent"`            // from which on the account is held; default 30
}

func (l *AccountLimits) validate() error {
	for name, n := range map[string]int{
		"messages_per_hour": l.MessagesPerHour, "messages_per_day": l.MessagesPerDay, "recipients_per_hour": l.RecipientsPerHour,
		"recipients_per_day": l.RecipientsPerDay, "new_recipients_per_day": l.NewRecipientsPerDay, "refused_recipients_per_day": l.RefusedPerDay,
		"refused_percent": l.RefusedPercent,
	} {
		if n < -1 {
			return fault.New(fault.Invalid, "limits.account.%s %d: want a number, or -1 for no limit", name, n)
		}
	}
	if l.RefusedPercent > 100 {
		return fault.New(fault.Invalid, "limits.account.refused_percent %d: at most 100", l.RefusedPercent)
	}
	return nil
}

// Words for Checks, besides Refuse and Enforce.
const (
	Mark      = "mark"
	Auto      = "auto"
	Always    = "always"
	SwitchOff = "off"
)

func (c *Checks) validate() error {
	for _, w := range []struct {
		name, value string
		known       []string
	}{
		{"dmarc", c.DMARC, []string{Enforce, Mark, SwitchOff}},
		{"spf_fail", c.SPFFail, []string{Mark, Refuse}},
		{"null_mx", c.NullMX, []string{Mark, Refuse}},
		{"helo", c.Helo, []string{Mark, Refuse}},
		{"greylist", c.Greylist, []string{Auto, Always, SwitchOff}},
	} {
		if w.value != "" && !slices.Contains(w.known, w.value) {
			return fault.New(fault.Invalid, "checks.%s %q: want %s", w.name, w.value, strings.Join(w.known, ", "))
		}
	}
	for name, n := range map[string]int{"connections_per_minute": c.Connections, "messages_per_minute": c.Messages, "domain_messages_per_minute": c.DomainMessages} {
		if n < -1 {
			return fault.New(fault.Invalid, "checks.%s %d: want a number, or -1 for no limit", name, n)
		}
	}
	if _, err := c.Networks(); err != nil {
		return err
	}
	for _, s := range c.TrustedSealers {
		if !isHost(strings.ToLower(s)) {
			return fault.New(fault.Invalid, "checks.trusted_sealers: %q is not a domain", s)
		}
	}
	for kind, lists := range map[string][]List{"dnsbl": c.DNSBL, "dnswl": c.DNSWL} {
		for _, l := range lists {
			if _, err := l.parse(); err != nil {
				return fault.New(fault.Invalid, "checks.%s %q: %s", kind, l.Zone, fault.TextOf(err))
			}
			if kind == "dnswl" && (l.Action != "" || l.Score != 0) {
				return fault.New(fault.Invalid, "checks.dnswl %q: action and score are for dnsbl", l.Zone)
			}
		}
	}
	return nil
}

// Networks parses TrustedNetworks, and adds loopback.
func (c *Checks) Networks() ([]netip.Prefix, error) {
	all := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	more, err := Listener{Proxy: c.TrustedNetworks}.Trusted()
	if err != nil {
		return nil, fault.New(fault.Invalid, "checks.trusted_networks: want networks or addresses")
	}
	return append(all, more...), nil
}

// Lists says lists in the words of package inbound.
func (c *Checks) Lists() (block, allow []inbound.List, err error) {
	for _, l := range c.DNSBL {
		p, err := l.parse()
		if err != nil {
			return nil, nil, err
		}
		block = append(block, p)
	}
	for _, l := range c.DNSWL {
		p, err := l.parse()
		if err != nil {
			return nil, nil, err
		}
		allow = append(allow, p)
	}
	return block, allow, nil
}

func (l List) parse() (inbound.List, error) {
	p := inbound.List{Zone: strings.ToLower(strings.TrimSuffix(l.Zone, ".")), Mark: l.Action == Mark, Score: l.Score}
	switch {
	case !isHost(p.Zone):
		return p, fault.New(fault.Invalid, "zone is not a domain")
	case l.Action != "" && l.Action != Refuse && l.Action != Mark:
		return p, fault.New(fault.Invalid, "action %q: want refuse or mark", l.Action)
	case l.Score < 0:
		return p, fault.New(fault.Invalid, "score must not be negative")
	}
	for _, s := range l.Codes {
		c, err := inbound.ParseCodes(s)
		if err != nil {
			return p, err
		}
		p.Codes = append(p.Codes, c)
	}
	return p, nil
}
