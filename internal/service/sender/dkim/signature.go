package dkim

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
)

// The names of signature algorithms.
const (
	RSA     = "rsa-sha256"
	Ed25519 = "ed25519-sha256"
)

// Signature is a signature field taken apart.
type Signature struct {
	Algorithm string
	Domain    string
	Selector  string
	// Value is the signature itself (b), decoded, and BodyHash the body's digest (bh).
	Value    []byte
	BodyHash [sha256.Size]byte
	// Names is the h tag in lower case: names of fields, with colons between them and white space around.
	Names string
	// RelaxedHeader and RelaxedBody: the canonical forms; otherwise simple.
	RelaxedHeader, RelaxedBody bool
	// BodyLimit is how much of the body is signed: Whole if there is no l tag.
	BodyLimit int64
	// Identity is the i tag, or "@" and the domain. In ARC it means something else, and is empty.
	Identity string
	// Time and Expires are zero if not there.
	Time, Expires time.Time
}

// parse reads the tags that DKIM-Signature and ARC-Message-Signature have in common (RFC 6376 §3.5, §6.1.1, RFC 8617 §4.1.2).
func (s *Signature) parse(tags Tags) error {
	if err := s.ParseSealTags(tags); err != nil {
		return err
	}
	bh, ok := tags.Get("bh")
	if !ok {
		return missing("bh")
	}
	h, ok := tags.Get("h")
	if !ok {
		return missing("h")
	}
	if b, err := appendDecoded(s.BodyHash[:0], bh); err != nil || len(b) != sha256.Size {
		return fault.New(fault.Invalid, "body hash is none")
	}
	s.Names = strings.ToLower(h)
	if err := s.parseForms(tags); err != nil {
		return err
	}
	return s.parseTimes(tags)
}

// ParseSealTags reads a, b, d and s: what ARC-Seal has in common with the others (RFC 8617 §4.1.3).
func (s *Signature) ParseSealTags(tags Tags) error {
	var v [4]string
	for i, t := range [...]string{"a", "b", "d", "s"} {
		if v[i], _ = tags.Get(t); v[i] == "" {
			return missing(t)
		}
	}
	s.Algorithm, s.Domain, s.Selector = strings.ToLower(v[0]), v[2], v[3]
	if s.Algorithm != RSA && s.Algorithm != Ed25519 {
		return fault.New(fault.Invalid, "unsupported algorithm") // among them rsa-sha1: RFC 8301 §3.1
	}
	var err error
	if s.Value, err = appendDecoded(nil, v[1]); err != nil {
		return fault.New(fault.Invalid, "signature is not base64")
	}
	if !isDomain(s.Domain) || !isDomain(s.Selector) {
		return fault.New(fault.Invalid, "domain or selector is none")
	}
	return nil
}

func missing(tag string) error {
	return fault.New(fault.Invalid, "signature missing required tag %s", tag)
}

// Covers reports whether a name, in lower case, is among Names.
func (s *Signature) Covers(name string) bool {
	for n := range strings.SplitSeq(s.Names, ":") {
		if trim(n) == name {
			return true
		}
	}
	return false
}

// parseForms reads c and l.
func (s *Signature) parseForms(tags Tags) error {
	form, _ := tags.Get("c")
	header, body, _ := strings.Cut(strings.ToLower(form), "/")
	for _, f := range []struct {
		name string
		to   *bool
	}{{header, &s.RelaxedHeader}, {body, &s.RelaxedBody}} {
		switch f.name {
		case "", "simple":
		case "relaxed":
			*f.to = true
		default:
			return fault.New(fault.Invalid, "unsupported canonicalization")
		}
	}
	s.BodyLimit = Whole
	if l, ok := tags.Get("l"); ok {
		n, err := strconv.ParseUint(l, 10, 63)
		if err != nil {
			return fault.New(fault.Invalid, "body length is none")
		}
		s.BodyLimit = int64(n)
	}
	return nil
}

// parseTimes reads t and x.
func (s *Signature) parseTimes(tags Tags) error {
	for _, f := range []struct {
		tag string
		to  *time.Time
	}{{"t", &s.Time}, {"x", &s.Expires}} {
		v, ok := tags.Get(f.tag)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 40) // twelve digits, as RFC 6376 §3.5 asks for: the year 36000
		if err != nil {
			return fault.New(fault.Invalid, "time is none")
		}
		*f.to = time.Unix(int64(n), 0).UTC()
	}
	if !s.Time.IsZero() && !s.Expires.IsZero() && !s.Expires.After(s.Time) {
		return fault.New(fault.Invalid, "signature expires before it is made")
	}
	return nil
}

// parseDKIM reads a DKIM-Signature field body. What can be read is in s even if there is an error.
func (s *Signature) parseDKIM(body string) error {
	var room [usualTags]Tag
	tags, err := appendTags(room[:0], body)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "signature syntax error")
	}
	s.Domain, _ = tags.Get("d")
	s.Selector, _ = tags.Get("s")
	s.Algorithm, _ = tags.Get("a")
	s.Identity = "@" + s.Domain
	if v, ok := tags.Get("v"); !ok || v != "1" {
		return fault.New(fault.Invalid, "incompatible version")
	}
	if err := s.parse(tags); err != nil {
		return err
	}
	if q, ok := tags.Get("q"); ok && !slices.Contains(list(q), "dns/txt") {
		return fault.New(fault.Invalid, "unknown query method")
	}
	if i, ok := tags.Get("i"); ok {
		s.Identity = compact(i)
		if !strings.Contains(i, "@") || !within(s.identityDomain(), s.Domain) {
			return fault.New(fault.Invalid, "domain mismatch")
		}
	}
	if !s.Covers("from") {
		return fault.New(fault.Invalid, "From field not signed")
	}
	return nil
}

// ParseMessageSignature reads an ARC-Message-Signature's tags: those of a DKIM-Signature but v and i (RFC 8617 §4.1.2).
func ParseMessageSignature(tags Tags) (*Signature, error) {
	s := &Signature{}
	return s, s.parse(tags)
}

func (s *Signature) identityDomain() string {
	return s.Identity[strings.LastIndexByte(s.Identity, '@')+1:]
}

// within reports whether a name is a domain or below it.
func within(name, domain string) bool {
	n := len(name) - len(domain)
	return n >= 0 && strings.EqualFold(name[n:], domain) && (n == 0 || name[n-1] == '.')
}

// isDomain reports whether s can be a domain name, in ASCII or UTF-8 (RFC 8616): labels that aren't empty.
func isDomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && label > 0:
			label = -1
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c == '-', c == '_', c >= 0x80:
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}
