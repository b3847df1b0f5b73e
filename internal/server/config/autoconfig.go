package config

import (
	"net"
	"strconv"
	"strings"
	"unicode"

	"postroad/internal/fault"
)

// Autoconfig says what mail programs are told that ask for their settings. Where nothing is said they are told of the listeners that others
// can reach, at our hostname.
type Autoconfig struct {
	// Off: they are told nothing.
	Off bool `toml:"off"`
	// Name is what people may call us; default: the domain of their address.
	Name string `toml:"name"`
	// IMAP, POP3 and Submission are where these services are for people's programs, if not at our listeners: "mail.example.org:993". "none": they
	// aren't told of it. The ports 143, 110, 587 and 25 mean STARTTLS, all others TLS from the first byte.
	IMAP       string `toml:"imap"`
	POP3       string `toml:"pop3"`
	Submission string `toml:"submission"`
	// Web is where this server's own pages are reached over HTTPS: "mail.example.org:8443". Default: our hostname, and the port of the listener.
	Web string `toml:"web"`
}

// None is a service that isn't told of.
const None = "none"

// Place splits "host:port"; implicit is whether TLS begins with the first byte there.
func Place(s string) (host string, port uint16, implicit bool, err error) {
	host, text, err := net.SplitHostPort(s)
	n, err2 := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || err2 != nil || n == 0 || !isHost(host):
		return "", 0, false, fault.New(fault.Invalid, "%q: want a host's name in lower case and a port, like mail.example.org:993", s)
	case !strings.Contains(host, "."):
		return "", 0, false, fault.New(fault.Invalid, "%q: want the whole name of the host, with its domain: people's programs elsewhere don't find %q", s, host)
	}
	return host, uint16(n), n != 143 && n != 110 && n != 587 && n != 25, nil
}

func (a Autoconfig) validate() error {
	for name, s := range map[string]string{"imap": a.IMAP, "pop3": a.POP3, "submission": a.Submission, "web": a.Web} {
		if _, _, _, err := Place(s); err != nil && s != "" && (s != None || name == "web") {
			return fault.New(fault.Invalid, "autoconfig.%s %s", name, fault.TextOf(err))
		}
	}
	if len(a.Name) > 60 || strings.ContainsFunc(a.Name, unicode.IsControl) {
		return fault.New(fault.Invalid, "autoconfig.name: at most 60 bytes, and one line")
	}
	return nil
}
