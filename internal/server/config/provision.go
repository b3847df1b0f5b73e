package config

import (
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
)

// Provision is what all outside directories of accounts have in common.
type Provision struct {
	// Name names the directory in commands and in what is stored; it must not change.
	Name string `toml:"name"`
	// Domains are those whose accounts may be kept there.
	Domains []string `toml:"domains"`
	// Adopt ties accounts of our own to entries that have their address.
	Adopt bool `toml:"adopt"`
	// Remove removes accounts whose entries are gone, so that they can be brought back for a while. Else they are disabled.
	Remove bool `toml:"remove"`
	// Every is how often it is read; default 5 minutes.
	Every Duration `toml:"every"`
}

// Interval is how often the directory is read.
func (p *Provision) Interval() time.Duration {
	if p.Every == 0 {
		return 5 * time.Minute
	}
	return time.Duration(p.Every)
}

func (p *Provision) validate(kind string) error {
	switch {
	case p.Name == "" || len(p.Name) > 32 || strings.ContainsAny(p.Name, " \t\r\n\x00"):
		return fault.New(fault.Invalid, "%s: name %q: want one word of at most 32 bytes", kind, p.Name)
	case len(p.Domains) == 0 || !allHosts(p.Domains):
		return fault.New(fault.Invalid, "%s %s: domains: want those whose accounts may be kept there, in lower case", kind, p.Name)
	case p.Every != 0 && time.Duration(p.Every) < 10*time.Second:
		return fault.New(fault.Invalid, "%s %s: every: at least 10s", kind, p.Name)
	}
	return nil
}

func allHosts(names []string) bool {
	return !slices.ContainsFunc(names, func(s string) bool { return !isHost(s) })
}

// LDAP is a directory of accounts, OpenLDAP's or Active Directory.
type LDAP struct {
	Provision
	// Kind is openldap (default) or ad: which names its attributes have, and the filters.
	Kind string   `toml:"kind"`
	URLs []string `toml:"urls"` // ldaps://host, or ldap://host with STARTTLS; the first that answers is asked
	// CAFile is a PEM file with the authorities that sign its certificate. Default: the system's.
	CAFile string `toml:"ca_file"`
	// BindDN, and the first line of BindPasswordFile, are whom it lets read entries.
	BindDN           string `toml:"bind_dn"`
	BindPasswordFile string `toml:"bind_password_file"`
	Base             string `toml:"base"`
	Filter           string `toml:"filter"`
	GroupBase        string `toml:"group_base"`
	GroupFilter      string `toml:"group_filter"` // "none": no groups
	// Lookup verifies passwords against userPassword instead of by a bind.
	Lookup bool `toml:"lookup"`
	// Attributes are the names of those that say something, where they aren't the usual ones.
	Attributes LDAPAttributes `toml:"attributes"`
}

// LDAPAttributes are names of attributes. Empty: the usual ones.
type LDAPAttributes struct {
	Key      string `toml:"key"`
	Address  string `toml:"address"`
	Name     string `toml:"name"`
	Aliases  string `toml:"aliases"`
	Quota    string `toml:"quota"`
	Disabled string `toml:"disabled"`
	Member   string `toml:"member"`
}

// SQL is a table of accounts in PostgreSQL.
type SQL struct {
	Provision
	URL string `toml:"url"` // postgres://user@host/database?sslmode=verify-full
	// PasswordFile has, as its first line, the password for the connection.
	PasswordFile string `toml:"password_file"`
	// List, Password and Groups are queries; see docs/operations.md.
	List     string `toml:"list"`
	Password string `toml:"password"`
	Groups   string `toml:"groups"`
}

// validateProvision checks all outside directories. Whether they can be reached is seen later.
func (c *Config) validateProvision() error {
	seen := map[string]bool{}
	check := func(kind string, p *Provision) error {
		if err := p.validate(kind); err != nil {
			return err
		}
		if seen[p.Name] {
			return fault.New(fault.Invalid, "two directories are called %s", p.Name)
		}
		seen[p.Name] = true
		return nil
	}
	for i := range c.LDAP {
		l := &c.LDAP[i]
		if err := check("ldap", &l.Provision); err != nil {
			return err
		}
		if l.BindDN != "" && l.BindPasswordFile == "" {
			return fault.New(fault.Invalid, "ldap %s: bind_dn needs bind_password_file", l.Name)
		}
	}
	for i := range c.SQL {
		if err := check("sql", &c.SQL[i].Provision); err != nil {
			return err
		}
	}
	return nil
}
