package dkim

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"

	"postroad/internal/fault"
)

// Sizes of RSA keys in bits that are accepted (RFC 8301 §3.2). Larger ones would cost more than
// a signature is worth.
const (
	MinRSA = 1024
	MaxRSA = 4096
)

// MaxKeyRecord is the longest key record that is read, in bytes: room for a 4096 bit key with notes, thrice over.
const MaxKeyRecord = 4096

// Resolver looks keys up.
type Resolver interface {
	// LookupTXT returns the TXT records of a name, the strings of each joined. Errors are of kind
	// fault.NotFound if there is no such name or record; all other kinds count as temporary.
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Key is a public key as published in the DNS (RFC 6376 §3.6.1).
type Key struct {
	// Public is an *rsa.PublicKey or an ed25519.PublicKey.
	Public crypto.PublicKey
	// Bits is the key's size.
	Bits int
	// Testing: the domain says that it is only trying DKIM out (t=y).
	Testing bool
	// strict: the identity's domain has to be the signing domain itself (t=s).
	strict bool
	// hashes are the acceptable ones; nil for all.
	hashes []string
	// mail: the key may sign mail.
	mail bool
	// rsa is Public if that is an RSA key; nil if nothing can be signed with it.
	rsa *publicRSA
}

// ParseKey reads a key record. Errors are of kind fault.Invalid, with a text that says what is wrong;
// fault.NotFound: the key has been revoked; fault.TooLarge: over a limit.
func ParseKey(record string) (*Key, error) {
	if len(record) > MaxKeyRecord {
		return nil, fault.New(fault.TooLarge, "key record too long")
	}
	tags, err := ParseTags(record)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "key syntax error")
	}
	if v, ok := tags.Get("v"); ok && (v != "DKIM1" || tags[0].Name != "v") {
		return nil, fault.New(fault.Invalid, "key of an unknown version")
	}
	p, ok := tags.Get("p")
	if !ok {
		return nil, fault.New(fault.Invalid, "key record without a key")
	}
	k := &Key{mail: true}
	k.constraints(tags)
	if p == "" {
		return nil, fault.New(fault.NotFound, "key revoked")
	}
	der, err := appendDecoded(nil, p)
	if err != nil {
		return nil, fault.New(fault.Invalid, "key is not base64")
	}
	return k, k.decode(tags, der)
}

func (k *Key) constraints(tags Tags) {
	if h, ok := tags.Get("h"); ok {
		k.hashes = list(h)
	}
	if s, ok := tags.Get("s"); ok {
		services := list(s)
		k.mail = slices.Contains(services, "*") || slices.Contains(services, "email")
	}
	if t, ok := tags.Get("t"); ok {
		flags := list(t)
		k.Testing, k.strict = slices.Contains(flags, "y"), slices.Contains(flags, "s")
	}
}

func (k *Key) decode(tags Tags, der []byte) error {
	switch typ, _ := tags.Get("k"); typ {
	case "", "rsa":
		return k.decodeRSA(der)
	case "ed25519": // RFC 8463 §4.2: the bare key
		if len(der) != ed25519.PublicKeySize {
			return fault.New(fault.Invalid, "ed25519 key of %d bytes", len(der))
		}
		k.Public, k.Bits = ed25519.PublicKey(der), 256
		return nil
	}
	return fault.New(fault.Invalid, "key of an unknown type")
}

// decodeRSA reads a SubjectPublicKeyInfo, as all publish it, or an RSAPublicKey, as RFC 6376 §3.6.1 says.
func (k *Key) decodeRSA(der []byte) error {
	pub, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		spki, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return fault.New(fault.Invalid, "key can't be read")
		}
		var ok bool
		if pub, ok = spki.(*rsa.PublicKey); !ok {
			return fault.New(fault.Invalid, "key is not an RSA key")
		}
	}
	k.Public, k.Bits = pub, pub.N.BitLen()
	if k.Bits < MinRSA || k.Bits > MaxRSA {
		return fault.New(fault.Invalid, "RSA key of %d bits", k.Bits)
	}
	k.rsa = readyRSA(pub)
	return nil
}

// Verify checks a signature over a SHA-256 digest (RFC 6376 §6.1.3, RFC 8463 §3). Algorithm is the name in the a tag.
// The error, of kind fault.Invalid, says what is wrong.
func (k *Key) Verify(algorithm string, digest, signature []byte) error {
	switch pub := k.Public.(type) {
	case *rsa.PublicKey:
		if algorithm != RSA {
			return fault.New(fault.Invalid, "key is not of the signature's type")
		}
		if k.rsa.verify(digest, signature) {
			return nil
		}
	case ed25519.PublicKey:
		if algorithm != Ed25519 {
			return fault.New(fault.Invalid, "key is not of the signature's type")
		}
		if ed25519.Verify(pub, digest, signature) {
			return nil
		}
	}
	return fault.New(fault.Invalid, "signature does not verify")
}

// Permits says whether the key may be used for a signature of a domain by an identity in a
// domain; ARC has no identities and gives the domain twice.
func (k *Key) Permits(domain, identityDomain string) error {
	switch {
	case k.hashes != nil && !slices.Contains(k.hashes, "sha256"):
		return fault.New(fault.Invalid, "key is not for sha256")
	case !k.mail:
		return fault.New(fault.Invalid, "key is not for mail")
	case k.strict && !strings.EqualFold(domain, identityDomain):
		return fault.New(fault.Invalid, "key is not for subdomains")
	}
	return nil
}

// LookupKey finds the key of a selector in a domain (RFC 6376 §3.6.2, §6.1.2). Errors are of kind fault.NotFound if there is none, or it
// has been revoked, fault.Invalid if there is none that can be used, and fault.Unavailable if it may be there another time.
// Their text says what is wrong.
func LookupKey(ctx context.Context, r Resolver, selector, domain string) (*Key, error) {
	return (*Keys)(nil).Lookup(ctx, r, selector, domain)
}

// Lookup is LookupKey, but for reading a record anew that was read before.
func (c *Keys) Lookup(ctx context.Context, r Resolver, selector, domain string) (*Key, error) {
	records, err := r.LookupTXT(ctx, selector+"._domainkey."+domain)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && len(records) == 0:
		return nil, fault.New(fault.NotFound, "no key for signature")
	case fault.Is(err, fault.Invalid): // what can't be a name never has records
		return nil, fault.New(fault.NotFound, "no key for signature")
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "key unavailable")
	}
	// With several records any may be taken (RFC 6376 §3.6.2.2): the first that can be used, of the first few.
	var first error
	for _, record := range records[:min(len(records), 5)] {
		k, err := c.parse(record)
		if err == nil {
			return k, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
