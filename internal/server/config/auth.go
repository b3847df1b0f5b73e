package config

import (
	"path/filepath"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

// Auth says how people sign in.
type Auth struct {
	// DefaultDomain is that of people who sign in by a name without one. Default: the only domain that is served; with several, none.
	DefaultDomain string `toml:"default_domain"`
	// Scram lists the hash functions that SCRAM is offered with besides sha-256: "sha-1", "sha-512". Passwords get keys for
	// them when they are set, or when somebody signs in by PLAIN or LOGIN.
	Scram []string `toml:"scram"`
	// CRAMMD5 and APOP offer these mechanisms. Passwords are kept, encrypted, while one of them is on: a thief
	// of the whole store can read them. Default: false.
	CRAMMD5 bool `toml:"cram_md5"`
	APOP    bool `toml:"apop"`
	// ClientCA is a PEM file with the authorities whose certificates clients may sign in by (EXTERNAL). Default: none.
	ClientCA string `toml:"client_ca"`
	// ClientCRL is a file with their lists of revoked certificates, PEM or DER. It is read again when it changes.
	ClientCRL string `toml:"client_crl"`
}

// Recoverable reports whether passwords have to be kept.
func (a *Auth) Recoverable() bool { return a.CRAMMD5 || a.APOP }

// scramNames are the hash functions that can be had besides SHA-256.
var scramNames = map[string]directory.ScramHash{"sha-1": directory.ScramSHA1, "sha-256": directory.ScramSHA256, "sha-512": directory.ScramSHA512}

// ScramHashes is Scram as a set.
func (a *Auth) ScramHashes() (set directory.ScramHash) {
	for _, name := range a.Scram {
		set |= scramNames[strings.ToLower(name)]
	}
	return set
}

func (a *Auth) validate() error {
	for _, name := range a.Scram {
		if scramNames[strings.ToLower(name)] == 0 {
			return fault.New(fault.Invalid, "auth.scram %q: want sha-1, sha-256 or sha-512", name)
		}
	}
	if a.DefaultDomain != "" && !isHost(a.DefaultDomain) {
		return fault.New(fault.Invalid, "auth.default_domain %q is not a domain in lower case", a.DefaultDomain)
	}
	for key, file := range map[string]string{"client_ca": a.ClientCA, "client_crl": a.ClientCRL} {
		if file != "" && !filepath.IsAbs(file) {
			return fault.New(fault.Invalid, "auth.%s %q must be an absolute path", key, file)
		}
	}
	if a.ClientCRL != "" && a.ClientCA == "" {
		return fault.New(fault.Invalid, "auth.client_crl needs auth.client_ca")
	}
	return nil
}
