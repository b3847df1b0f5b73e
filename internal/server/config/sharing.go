package config

import (
	"strings"

	"postroad/internal/fault"
)

// Sharing says what people may give to others by their mail programs.
type Sharing struct {
	// Anyone: people may share mailboxes with everybody who has an account here, of whatever domain (ACL's "anyone"). By default
	// only an administrator does.
	Anyone bool `toml:"anyone"`
	// QuotaAdmins are accounts that may set everybody's quota by IMAP (SETQUOTA, RFC 9208).
	QuotaAdmins []string `toml:"quota_admins"`
}

func (s Sharing) validate() error {
	for _, a := range s.QuotaAdmins {
		if local, domain, ok := strings.Cut(a, "@"); !ok || local == "" || domain == "" {
			return fault.New(fault.Invalid, "sharing.quota_admins: %q is not an address", a)
		}
	}
	return nil
}
