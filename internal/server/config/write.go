package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"postroad/internal/fault"
)

// Text is a setting file that says what a new installation must: the host's name, where
// the data lies and, if given, where certificates are from. The rest stands there as comments.
func Text(c Config) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Postroad's settings. docs/operations.md explains each of them.\n\n")
	fmt.Fprintf(&b, "hostname = %s\n", strconv.Quote(c.Hostname))
	fmt.Fprintf(&b, "data = %s\n\n", strconv.Quote(c.Data))
	if c.TLS.Cert != "" {
		fmt.Fprintf(&b, "[tls]\ncert = %s\nkey = %s\n\n", strconv.Quote(c.TLS.Cert), strconv.Quote(c.TLS.Key))
	} else {
		b.WriteString("# Without a certificate a self-signed one is used, which programs will warn of.\n" +
			"# [tls]\n# cert = \"/etc/ssl/mail.pem\"\n# key = \"/etc/ssl/mail.key\"\n\n")
	}
	if c.ACME.AcceptTerms {
		b.WriteString("[acme]\naccept_terms = true # of the certificate authority, Let's Encrypt\n")
		if c.ACME.Email != "" {
			fmt.Fprintf(&b, "email = %s\n", strconv.Quote(c.ACME.Email))
		}
		b.WriteString("\n")
	} else if c.TLS.Cert == "" {
		b.WriteString("# Or have certificates got, from Let's Encrypt, whose terms of service you agree to then.\n# [acme]\n# accept_terms = true\n\n")
	}
	b.WriteString("# [log]\n# level = \"info\"\n# format = \"text\"\n\n")
	if len(c.Listen) == 0 {
		b.WriteString("# Without a [[listen]] table the standard ports are used.\n")
	}
	for _, l := range c.Listen {
		fmt.Fprintf(&b, "[[listen]]\nprotocol = %s\naddress = %s\ntls = %s\n\n",
			strconv.Quote(l.Protocol), strconv.Quote(l.Address), strconv.Quote(l.TLS))
	}
	return b.Bytes()
}

// Write makes a new setting file, mode 0644, and the folders above it. It never
// overwrites one: fault.Exists.
func Write(file string, c Config) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot make the folder of the setting file")
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		return fault.New(fault.Exists, "%s exists already", file)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot make the setting file")
	}
	_, err = f.Write(Text(c))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return fault.Wrap(fault.Unavailable, err, "cannot write the setting file")
}
