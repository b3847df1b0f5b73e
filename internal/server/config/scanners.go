package config

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
)

// Scanner is another program that is shown messages: a spam filter or virus scanner.
type Scanner struct {
	// Name names it in logs, header fields and metrics; default: its kind.
	Name string `toml:"name"`
	// Kind is rspamd, clamd, milter or http.
	Kind string `toml:"kind"`
	// Address is where it is: host:port or unix:/path for clamd and milter; http://host:port, https://host or unix:/path for rspamd and http.
	Address string `toml:"address"`
	// Timeout is how long a message waits for it; default 20s.
	Timeout Duration `toml:"timeout"`
	// OnFailure is what becomes of mail while it gives no answer: accept, or tempfail: whoever brings it shall come again. Default:
	// tempfail for clamd, accept for others.
	OnFailure string `toml:"on_failure"`
	// Virus is what becomes of messages with viruses: reject (default), quarantine, junk, or note: it is only told.
	Virus string `toml:"virus"`
	// Follow says what else is done because it says so: all (default); junk: what it wants to be refused goes to the
	// junk; note: its opinion only counts where mail is judged.
	Follow string `toml:"follow"`
	// Changes says how much it may change of messages: all (default), headers, or none but for fields that it adds in front.
	Changes string `toml:"changes"`
	// Outgoing: it also sees mail of people here; Relayed: that which trusted networks and LMTP bring. Default: for clamd alone.
	Outgoing *bool `toml:"outgoing"`
	Relayed  *bool `toml:"relayed"`
	// MaxSize is the largest message that it is shown; default: 25M for clamd, whose own limit (StreamMaxLength) should not be less,
	// 50M for others. Larger messages are taken without it.
	MaxSize Size `toml:"max_size"`
	// Connections is how many messages it is shown at once; default 32.
	Connections int `toml:"connections"`
	// CAFile is a PEM file with the authorities that sign its certificate, for https. Default: the system's.
	CAFile string `toml:"ca_file"`
	// PasswordFile's first line is the password that rspamd wants, or the secret that signs requests of http. Default: none.
	PasswordFile string `toml:"password_file"`
}

// Kinds of scanners.
const (
	Rspamd = "rspamd"
	Clamd  = "clamd"
	Milter = "milter"
	Hook   = "http"
)

// Words for Scanner, besides Refuse's.
const (
	TempFail   = "tempfail"
	AcceptMail = "accept"
	Reject     = "reject"
	Quarantine = "quarantine"
	ToJunk     = "junk"
	NoteOnly   = "note"
	FollowAll  = "all"

	ChangeAll     = "all"
	ChangeHeaders = "headers"
	ChangeNone    = "none"
)

// scannerKinds are all kinds.
var scannerKinds = []string{Rspamd, Clamd, Milter, Hook}

// Sees reports whether it sees a kind of mail that was asked for with want.
func (s *Scanner) sees(want *bool) bool {
	if want == nil {
		return s.Kind == Clamd
	}
	return *want
}

// SeesOutgoing and SeesRelayed say which mail it sees, besides that of strangers.
func (s *Scanner) SeesOutgoing() bool { return s.sees(s.Outgoing) }

// SeesRelayed is as SeesOutgoing.
func (s *Scanner) SeesRelayed() bool { return s.sees(s.Relayed) }

// LooksForViruses reports whether a scanner does.
func (c *Config) LooksForViruses() bool {
	return slices.ContainsFunc(c.Scanner, func(s Scanner) bool { return s.Kind == Clamd || s.Kind == Hook })
}

// Title is its name.
func (s *Scanner) Title() string {
	if s.Name == "" {
		return s.Kind
	}
	return s.Name
}

// Endpoint parts a TCP address or a socket's path.
func (s *Scanner) Endpoint() (network, address string) {
	if path, ok := strings.CutPrefix(s.Address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", s.Address
}

// Largest is the largest message that it is shown.
func (s *Scanner) Largest() int64 {
	switch {
	case s.MaxSize > 0:
		return int64(s.MaxSize)
	case s.Kind == Clamd:
		return 25 << 20
	}
	return 50 << 20
}

// Fails says what becomes of mail while it gives no answer.
func (s *Scanner) Fails() string {
	switch {
	case s.OnFailure != "":
		return s.OnFailure
	case s.Kind == Clamd:
		return TempFail
	}
	return AcceptMail
}

const longestScan = 3 * time.Minute // clients wait ten for the reply to their message (RFC 5321 §4.5.3.2.6)

func (c *Config) validateScanners() error {
	seen := map[string]bool{}
	for i := range c.Scanner {
		s := &c.Scanner[i]
		if err := s.validate(); err != nil {
			return fault.New(fault.Invalid, "scanner %d (%s): %s", i+1, s.Title(), fault.TextOf(err))
		}
		if seen[s.Title()] {
			return fault.New(fault.Invalid, "two scanners have the name %s", s.Title())
		}
		seen[s.Title()] = true
	}
	return nil
}

func (s *Scanner) validate() error {
	if err := oneOf("kind", s.Kind, scannerKinds...); s.Kind == "" || err != nil {
		return fault.New(fault.Invalid, "kind %q: want %s", s.Kind, strings.Join(scannerKinds, ", "))
	}
	if len(s.Name) > 32 || strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fault.New(fault.Invalid, "name: want one word of at most 32 letters, digits, dots and hyphens")
	}
	for _, w := range []struct {
		name, value string
		known       []string
	}{
		{"on_failure", s.OnFailure, []string{AcceptMail, TempFail}},
		{"virus", s.Virus, []string{Reject, Quarantine, ToJunk, NoteOnly}},
		{"follow", s.Follow, []string{FollowAll, ToJunk, NoteOnly}},
		{"changes", s.Changes, []string{ChangeAll, ChangeHeaders, ChangeNone}},
	} {
		if err := oneOf(w.name, w.value, w.known...); err != nil {
			return err
		}
	}
	switch {
	case s.Timeout < 0 || time.Duration(s.Timeout) > longestScan:
		return fault.New(fault.Invalid, "timeout: at most %s", longestScan)
	case s.Connections < 0 || s.Connections > 1000:
		return fault.New(fault.Invalid, "connections: at most 1,000")
	case s.Changes != "" && s.Kind == Clamd:
		return fault.New(fault.Invalid, "changes: clamd never changes anything")
	case s.PasswordFile != "" && (!s.web() || !filepath.IsAbs(s.PasswordFile)):
		return fault.New(fault.Invalid, "password_file: want the absolute path of a file, for rspamd and http alone")
	case s.CAFile != "" && (!strings.HasPrefix(s.Address, "https:") || !filepath.IsAbs(s.CAFile)):
		return fault.New(fault.Invalid, "ca_file: want the absolute path of a file, for an address with https alone")
	}
	return s.validateAddress()
}

// validateAddress looks at the form of the address.
func (s *Scanner) validateAddress() error {
	network, address := s.Endpoint()
	_, port, err := net.SplitHostPort(address)
	switch {
	case network == "unix" && !filepath.IsAbs(address):
		return fault.New(fault.Invalid, "address: want the absolute path of a socket after unix:")
	case network == "unix":
		return nil
	case s.web() && !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://"):
		return fault.New(fault.Invalid, "address: want http://host:port, https://host or unix:/path")
	case !s.web() && (err != nil || port == ""):
		return fault.New(fault.Invalid, "address: want host:port or unix:/path")
	}
	return nil
}

// web reports whether it speaks HTTP.
func (s *Scanner) web() bool { return s.Kind == Rspamd || s.Kind == Hook }

// oneOf finds out whether a word that may be left out is known.
func oneOf(name, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	if value == "" {
		return nil
	}
	return fault.New(fault.Invalid, "%s %q: want %s", name, value, strings.Join(known, ", "))
}
