package config

import (
	"net/url"
	"strings"

	"postroad/internal/fault"
)

// IMAPEntries are what mail programs may learn of the server by IMAP (METADATA, RFC 5464), and how much one command may do.
type IMAPEntries struct {
	// Admin is a URI by which people reach the administrator, "mailto:it@example.org" or "tel:+431234567". Default: mailto: the postmaster of
	// the domain of whoever asks.
	Admin string `toml:"admin"`
	// Comment is a text about the server. Default: none.
	Comment string `toml:"comment"`
	// MessageLimit is how many messages one IMAP command works on (MESSAGELIMIT, RFC 9738), 1,000 to 10,000. Default 0: any number, which most
	// mail programs expect, and which costs this server little.
	MessageLimit int `toml:"message_limit"`
}

func (i IMAPEntries) validate() error {
	if u, err := url.Parse(i.Admin); i.Admin != "" && (err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "") {
		return fault.New(fault.Invalid, "imap.admin: %q is not a URI, such as mailto:it@example.org", i.Admin)
	}
	if len(i.Admin) > 1000 || len(i.Comment) > 10_000 || strings.ContainsRune(i.Comment, 0) {
		return fault.New(fault.Invalid, "imap.admin has up to 1000 bytes, imap.comment up to 10000, and no NUL")
	}
	if n := i.MessageLimit; n != 0 && (n < 1000 || n > 10_000) {
		return fault.New(fault.Invalid, "imap.message_limit is 0 (none), or from 1000 to 10000")
	}
	return nil
}
