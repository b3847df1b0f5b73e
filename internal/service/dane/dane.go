// Package dane tells whether a mail server's certificate is the one that its TLSA records speak
// of: RFC 7672 (DANE for SMTP) on top of RFC 6698 and RFC 7671.
//
//	usable := dane.Usable(records)
//	if len(usable) > 0 {
//		config = dane.Config(usable, names, time.Now) // for tls.Client; the handshake fails if nothing matches
//	}
//
// The records must come from an answer that DNSSEC vouches for: package route sees to that, and
// to which names the records are looked up at. Where records exist but none is usable, TLS is
// due all the same, without authentication (RFC 7672 §2.2).
//
// Usages DANE-TA(2) and DANE-EE(3) are known. PKIX-TA(0) and PKIX-EE(1) are unusable: for SMTP
// there is no set of authorities that both sides know of (RFC 7672 §3.1.3).
//
// Names are matched with those in the certificate's subjectAltName. A common name counts for nothing, also where
// there is no other (RFC 7672 §3.2.3 leaves that open).
package dane

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// Values of a record's fields that are known here (RFC 7218).
const (
	UsageTA = 2 // the authority that vouches for the server's certificate
	UsageEE = 3 // the server's certificate itself

	SelectorCert = 0 // the whole certificate
	SelectorSPKI = 1 // its public key

	MatchingFull   = 0 // the bytes themselves
	MatchingSHA256 = 1
	MatchingSHA512 = 2
)

// Limits of what is worked through.
const (
	// MaxRecords is how many records of an answer are looked at.
	MaxRecords = 100
	// maxChain is how many certificates of a server are looked at.
	maxChain = 20
)

// Usable returns the records that can authenticate a server: known usage, selector
// and matching type, and data of a length that fits. Where one usage and selector has digests of both
// kinds only the stronger count (RFC 7671 §9).
func Usable(records []dns.TLSA) []dns.TLSA {
	var usable []dns.TLSA
	strong := map[[2]uint8]bool{}
	for _, r := range records[:min(len(records), MaxRecords)] {
		if !known(r) {
			continue
		}
		usable = append(usable, r)
		if r.Matching == MatchingSHA512 {
			strong[[2]uint8{r.Usage, r.Selector}] = true
		}
	}
	kept := usable[:0]
	for _, r := range usable {
		if r.Matching != MatchingSHA256 || !strong[[2]uint8{r.Usage, r.Selector}] {
			kept = append(kept, r)
		}
	}
	return kept
}

func known(r dns.TLSA) bool {
	if r.Usage != UsageTA && r.Usage != UsageEE || r.Selector > SelectorSPKI {
		return false
	}
	switch r.Matching {
	case MatchingFull:
		return len(r.Data) > 0
	case MatchingSHA256:
		return len(r.Data) == sha256.Size
	case MatchingSHA512:
		return len(r.Data) == sha512.Size
	}
	return false
}

// Matches reports whether the record speaks of the certificate, whatever its usage.
func Matches(r dns.TLSA, cert *x509.Certificate) bool {
	subject := cert.Raw
	if r.Selector == SelectorSPKI {
		subject = cert.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case MatchingFull:
		return bytes.Equal(subject, r.Data)
	case MatchingSHA256:
		sum := sha256.Sum256(subject)
		return bytes.Equal(sum[:], r.Data)
	case MatchingSHA512:
		sum := sha512.Sum512(subject)
		return bytes.Equal(sum[:], r.Data)
	}
	return false
}

// Verify tells whether a server that showed the certificates in chain, its own first, is the one
// that the usable records speak of. It returns nil for one match, whatever the other records say; else fault.Denied.
//
// With DANE-EE the certificate's names and dates count for nothing (RFC 7672 §3.1.1). With
// DANE-TA the authority must be in the chain, vouch for the certificate at the time now, and the certificate
// must have one of the names (§3.1.2, §3.2.2).
func Verify(usable []dns.TLSA, names []string, chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return fault.New(fault.Denied, "the server shows no certificate")
	}
	chain = chain[:min(len(chain), maxChain)]
	why := fault.New(fault.Denied, "no TLSA record matches the server's certificates")
	for _, r := range usable {
		if r.Usage == UsageEE && Matches(r, chain[0]) {
			return nil
		}
	}
	for _, authority := range chain[1:] {
		if !isAuthority(usable, authority) {
			continue
		}
		if why = vouches(authority, names, chain, now); why == nil {
			return nil
		}
	}
	return why
}

func isAuthority(usable []dns.TLSA, cert *x509.Certificate) bool {
	for _, r := range usable {
		if r.Usage == UsageTA && Matches(r, cert) {
			return true
		}
	}
	return false
}

// vouches checks that a path leads from the authority to the server's certificate, and the latter's names.
func vouches(authority *x509.Certificate, names []string, chain []*x509.Certificate, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(authority)
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err != nil {
		return fault.Wrap(fault.Denied, err, "the authority of the TLSA record doesn't vouch for the server's certificate")
	}
	for _, n := range names {
		if chain[0].VerifyHostname(n) == nil {
			return nil
		}
	}
	wrong := x509.HostnameError{Certificate: chain[0]}
	if len(names) > 0 {
		wrong.Host = names[0]
	}
	return fault.Wrap(fault.Denied, wrong, "the server's certificate has none of the names that it should have")
}

// Config returns a client's TLS configuration whose handshake succeeds only with the server that the
// usable records speak of. names are the reference identifiers; the first, the TLSA base domain, is sent as
// server name (RFC 7672 §8.1). Nil for now means time.Now. The caller may add to it, but must leave
// InsecureSkipVerify (there are no authorities but those of the records) and VerifyConnection alone.
func Config(usable []dns.TLSA, names []string, now func() time.Time) *tls.Config {
	if now == nil {
		now = time.Now
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, Time: now}
	if len(names) > 0 {
		c.ServerName = names[0]
	}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		return Verify(usable, names, s.PeerCertificates, now())
	}
	return c
}
