package dkim

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
)

// SigningKey signs for a domain.
type SigningKey struct {
	Domain, Selector string
	// Private is an *rsa.PrivateKey of MinRSA to MaxRSA bits, or an ed25519.PrivateKey.
	Private crypto.PrivateKey
}

// Algorithm is the key's signature algorithm; "" if it can't sign.
func (k SigningKey) Algorithm() string {
	switch p := k.Private.(type) {
	case *rsa.PrivateKey:
		if bits := p.N.BitLen(); bits >= MinRSA && bits <= MaxRSA {
			return RSA
		}
	case ed25519.PrivateKey:
		if len(p) == ed25519.PrivateKeySize {
			return Ed25519
		}
	}
	return ""
}

// Sign signs a SHA-256 digest. Errors are of kind fault.Invalid: the key is none that Algorithm knows.
func (k SigningKey) Sign(digest []byte) ([]byte, error) {
	switch p := k.Private.(type) {
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, p, crypto.SHA256, digest) // needs no randomness
	case ed25519.PrivateKey:
		return ed25519.Sign(p, digest), nil
	}
	return nil, fault.New(fault.Invalid, "a key that can't sign")
}

// SignOptions say how to sign.
type SignOptions struct {
	// Keys make one signature each, in this order from the top. At least one, at most MaxSignatures.
	Keys []SigningKey
	// Identity is the i tag, "" for none. Its domain has to be within each key's domain.
	Identity string
	// Headers are the names to sign, in lower case: as often as they are in the message. nil for Headers().
	Headers []string
	// Oversigned are those signed once more than they are there, so that nobody can add one. nil for Oversigned().
	Oversigned []string
	// Now tells the time; nil for time.Now.
	Now func() time.Time
	// Valid is how long the signatures shall be good; 0 for ever.
	Valid time.Duration
}

// Headers returns the names of the fields signed by default: those that people see or
// that say how to read the message, and a list's (RFC 6376 §5.4.1).
func Headers() []string {
	return append(Oversigned(), "sender", "resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id",
		"content-disposition", "content-id", "content-description", "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post",
		"list-subscribe", "list-post", "list-owner", "list-archive", "auto-submitted", "autocrypt")
}

// Oversigned returns the names that are by default signed once more than they are there (RFC 6376 §8.15). Sender and the list's
// fields aren't among them: lists add those rightly.
func Oversigned() []string {
	return []string{"from", "reply-to", "subject", "date", "to", "cc", "message-id", "in-reply-to", "references",
		"mime-version", "content-type", "content-transfer-encoding"}
}

// Signer makes the signatures of one message. It is an io.Writer that never fails; not safe for concurrent use.
type Signer struct {
	opts   SignOptions
	err    error
	scan   *Scan
	header Header
	body   *BodyDigest
}

// NewSigner makes a Signer that is written to. Errors are of kind fault.Invalid.
func NewSigner(o SignOptions) (*Signer, error) {
	s, err := NewSignReader(o)
	if err == nil {
		s.scan = NewScan(s)
	}
	return s, err
}

// NewSignReader makes a Signer for a Scan, which must be closed before Fields is called. Errors are of kind fault.Invalid.
func NewSignReader(o SignOptions) (*Signer, error) {
	if o.Headers == nil {
		o.Headers = Headers()
	}
	if o.Oversigned == nil {
		o.Oversigned = Oversigned()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Signer{opts: o}, nil
}

func (o *SignOptions) check() error {
	if len(o.Keys) == 0 || len(o.Keys) > MaxSignatures {
		return fault.New(fault.Invalid, "%d keys to sign with", len(o.Keys))
	}
	if !slices.Contains(o.Headers, "from") { // RFC 6376 §5.4
		return fault.New(fault.Invalid, "a signature has to cover From")
	}
	for _, k := range o.Keys {
		switch i := (&Signature{Identity: o.Identity}).identityDomain(); {
		case k.Algorithm() == "":
			return fault.New(fault.Invalid, "the key %s of %s can't sign", k.Selector, k.Domain)
		case !isDomain(k.Domain) || !isDomain(k.Selector):
			return fault.New(fault.Invalid, "a key needs a domain and a selector")
		case o.Identity != "" && (!within(i, k.Domain) || !isIdentity(o.Identity)):
			return fault.New(fault.Invalid, "the identity is not within %s", k.Domain)
		}
	}
	return nil
}

// isIdentity reports whether an identity can stand in a tag as it is.
func isIdentity(s string) bool {
	return strings.Contains(s, "@") && !strings.ContainsAny(s, "; \t\r\n=") && isTagValue(s)
}

// Write takes the next portion of the message.
func (s *Signer) Write(p []byte) (int, error) { return s.scan.Write(p) }

// ReadHeader implements Reader.
func (s *Signer) ReadHeader(h Header, b *Bodies) {
	s.header = h
	if !slices.ContainsFunc(h, func(f Field) bool { return f.Name == "from" }) {
		s.err = fault.New(fault.Invalid, "a message without From can't be signed")
		return
	}
	s.body = b.Want(true, Whole)
}

// Fields returns the signature fields, folded, each with its final CRLF, to be put before the message. The message
// must be complete. Errors are of kind fault.Invalid, or fault.TooLarge for a header over MaxHeader.
func (s *Signer) Fields() (string, error) {
	if s.scan != nil {
		if err := s.scan.Close(); err != nil {
			return "", err
		}
	}
	if s.err != nil {
		return "", s.err
	}
	names := CoveredNames(s.header, s.opts.Headers, s.opts.Oversigned)
	d := NewDigester(s.header)
	var all strings.Builder
	for _, k := range s.opts.Keys {
		field, err := SignField(s.field(k, names), d, names, k)
		if err != nil {
			return "", err
		}
		all.WriteString(field)
	}
	return all.String(), nil
}

// field is the signature's field up to "b=".
func (s *Signer) field(k SigningKey, names []string) string {
	now := s.opts.Now()
	b := "DKIM-Signature: v=1; a=" + k.Algorithm() + "; c=relaxed/relaxed;\r\n\td=" + k.Domain + "; s=" + k.Selector + ";\r\n\tt=" + unix(now)
	if s.opts.Valid > 0 {
		b += "; x=" + unix(now.Add(s.opts.Valid))
	}
	if s.opts.Identity != "" {
		b += ";\r\n\ti=" + s.opts.Identity
	}
	return b + ";\r\n\t" + FoldNames(names) + ";\r\n\tbh=" + base64.StdEncoding.EncodeToString(s.body.Sum()) + ";\r\n\tb="
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// CoveredNames lists the names for an h tag: each of names as often as the header has it, and those
// oversigned once more.
func CoveredNames(h Header, names, oversigned []string) []string {
	count := make(map[string]int, len(h))
	for _, f := range h {
		count[f.Name]++
	}
	var covered []string
	for _, name := range names {
		n := count[name]
		if slices.Contains(oversigned, name) {
			n++
		}
		covered = append(covered, slices.Repeat([]string{name}, n)...)
		delete(count, name) // should a name be listed twice
	}
	return covered
}

// FoldNames is an h tag, folded.
func FoldNames(names []string) string {
	var b strings.Builder
	b.WriteString("h=")
	used := 10
	for i, name := range names {
		if i > 0 {
			b.WriteByte(':')
		}
		if used += len(name) + 1; used > 76 {
			b.WriteString("\r\n\t")
			used = 8 + len(name) + 1
		}
		b.WriteString(name)
	}
	return b.String()
}

// SignField completes a field that ends with "b=": it signs what names say, in relaxed form, and the field itself. The
// field returned ends with CRLF.
func SignField(field string, d *Digester, names []string, k SigningKey) (string, error) {
	digest := d.Digest(&Signature{Names: strings.Join(names, ":"), RelaxedHeader: true}, field)
	value, err := k.Sign(digest)
	if err != nil {
		return "", err
	}
	return field + FoldBase64(value) + "\r\n", nil
}

// FoldBase64 is a signature's value, folded.
func FoldBase64(value []byte) string {
	text := base64.StdEncoding.EncodeToString(value)
	const first, line = 66, 68
	if len(text) <= first {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:first])
	for text = text[first:]; text != ""; text = text[min(line, len(text)):] {
		b.WriteString("\r\n\t" + text[:min(line, len(text))])
	}
	return b.String()
}
