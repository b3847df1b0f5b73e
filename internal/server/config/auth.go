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
	// TwoStep is optional (default) or required: then the password alone opens no mail protocol for anybody, and pages only to set
	// two-step verification up.
	TwoStep string `toml:"two_step"`
	// PasskeyDomain is what passkeys are made for: the host of our pages (default), or a domain above it. Passkeys of another are lost.
	PasskeyDomain string `toml:"passkey_domain"`
	// Notices has people told, by a message in their INBOX, what has changed about who can get into their accounts. Default: true.
	Notices *bool `toml:"notices"`
	// ClientCA is a PEM file with the authorities whose certificates clients may sign in by (EXTERNAL). Default: none.
	ClientCA string `toml:"client_ca"`
	// ClientCRL is a file with their lists of revoked certificates, PEM or DER. It is read again when it changes.
	ClientCRL string `toml:"client_crl"`
	// OIDC are the providers whose access tokens are taken (OAUTHBEARER, XOAUTH2). Default: none.
	OIDC []OIDC `toml:"oidc"`
}

// Tells reports whether people are told what changes in their accounts.
func (a *Auth) Tells() bool { return a.Notices == nil || *a.Notices }

// OIDC is an OAuth 2.0 or OpenID Connect provider whose access tokens are taken.
type OIDC struct {
	Issuer   string   `toml:"issuer"`   // https://...
	Audience []string `toml:"audience"` // a token must name one of these
	Scope    string   `toml:"scope"`    // and have this; one of both settings is needed
	Claim    string   `toml:"claim"`    // that holds the address; default: email
	Domains  []string `toml:"domains"`  // of the addresses that the provider may speak for; default: all
	// ClientID and the first line of ClientSecretFile are ours at the provider, for tokens that it has to be asked about.
	ClientID         string `toml:"client_id"`
	ClientSecretFile string `toml:"client_secret_file"`
	Introspect       bool   `toml:"introspect"` // ask about all tokens, so that they can be revoked
	// CAFile is a PEM file with the authorities that the provider's certificate is verified by. Default: the system's.
	CAFile string `toml:"ca_file"`
}

func (o *OIDC) validate() error {
	switch {
	case !strings.HasPrefix(o.Issuer, "https://"):
		return fault.New(fault.Invalid, "auth.oidc: issuer %q: want https://...", o.Issuer)
	case len(o.Audience) == 0 && o.Scope == "":
		return fault.New(fault.Invalid, "auth.oidc %s: want audience or scope, or tokens for any other service would be good here", o.Issuer)
	case (o.ClientID == "") != (o.ClientSecretFile == ""):
		return fault.New(fault.Invalid, "auth.oidc %s: want both client_id and client_secret_file, or none", o.Issuer)
	case o.Introspect && o.ClientID == "":
		return fault.New(fault.Invalid, "auth.oidc %s: introspect needs client_id", o.Issuer)
	case o.CAFile != "" && !filepath.IsAbs(o.CAFile):
		return fault.New(fault.Invalid, "auth.oidc %s: ca_file %q must be an absolute path", o.Issuer, o.CAFile)
	}
	return nil
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
	if err := a.validatePasskeys(); err != nil {
		return err
	}
	for i := range a.OIDC {
		if err := a.OIDC[i].validate(); err != nil {
			return err
		}
	}
	if a.ClientCRL != "" && a.ClientCA == "" {
		return fault.New(fault.Invalid, "auth.client_crl needs auth.client_ca")
	}
	return nil
}
