// Package passhash verifies passwords against the hashes that other systems keep: what OpenLDAP, Dovecot, Postfix admin tools and
// Unix write into userPassword attributes, tables and shadow files. It makes none.
//
// Forms: {ARGON2ID}, {ARGON2I} and $argon2…$ (PHC), {BLF-CRYPT} and $2a$, $2b$, $2y$ (bcrypt), {SHA512-CRYPT} and $6$, {SHA256-CRYPT}
// and $5$ (sha-crypt by U. Drepper), {CRYPT} in front of any of these, {PBKDF2-SHA256}, {PBKDF2-SHA512} as OpenLDAP's module
// writes them, and the salted and plain SHA-1, SHA-256, SHA-512 of {SSHA}, {SSHA256}, {SSHA512}, {SHA}, {SHA256}, {SHA512} (RFC 2307 §5.3 and
// its likes). {PLAIN}, DES, MD5 and whatever costs too much are refused.
package passhash

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"postroad/internal/fault"
)

// MaxLength is the longest stored form, in bytes.
const MaxLength = 1024

// MaxPassword is the longest password that is tried, in bytes: sha-crypt's cost grows with it.
const MaxPassword = 1024

// Verify reports whether a password fits a stored form. Errors: fault.Unsupported for a form that isn't known or too costly,
// fault.Corrupt for one that can't be read. It takes as long as the form demands; comparisons take constant time.
func Verify(stored, password string) (bool, error) {
	if len(stored) > MaxLength {
		return false, fault.New(fault.Corrupt, "the stored password is too long")
	}
	if len(password) > MaxPassword {
		return false, nil
	}
	scheme, rest := split(stored)
	if digest := digests[scheme]; digest.make != nil {
		return digest.verify(rest, password)
	}
	switch scheme {
	case "", "CRYPT", "ARGON2", "ARGON2I", "ARGON2ID", "BLF-CRYPT", "BCRYPT", "SHA256-CRYPT", "SHA512-CRYPT":
		return verifyModular(rest, password)
	case "PBKDF2-SHA256", "PBKDF2-SHA512", "PBKDF2-SHA1", "PBKDF2":
		return verifyPBKDF2(scheme, rest, password)
	}
	return false, errUnsupported()
}

func errUnsupported() error {
	return fault.New(fault.Unsupported, "the stored password is of a kind that isn't taken")
}

func errCorrupt() error { return fault.New(fault.Corrupt, "the stored password can't be read") }

// split takes {SCHEME} off.
func split(s string) (scheme, rest string) {
	if !strings.HasPrefix(s, "{") {
		return "", s
	}
	scheme, rest, ok := strings.Cut(s[1:], "}")
	if !ok {
		return "?", s
	}
	return strings.ToUpper(scheme), rest
}

// verifyModular verifies a form that begins with $ and its kind.
func verifyModular(s, password string) (bool, error) {
	switch {
	case strings.HasPrefix(s, "$2"):
		return verifyBcrypt(s, password)
	case strings.HasPrefix(s, "$5$"):
		return verifySHACrypt(s, password, sha256Crypt)
	case strings.HasPrefix(s, "$6$"):
		return verifySHACrypt(s, password, sha512Crypt)
	case strings.HasPrefix(s, "$argon2"):
		return verifyArgon2(s, password)
	}
	return false, errUnsupported()
}

// maxBcryptCost is about two seconds.
const maxBcryptCost = 14

func verifyBcrypt(s, password string) (bool, error) {
	if strings.HasPrefix(s, "$2y$") { // PHP's and OpenBSD's name for the same
		s = "$2b$" + s[4:]
	}
	cost, err := bcrypt.Cost([]byte(s))
	if err != nil {
		return false, errCorrupt()
	}
	if cost > maxBcryptCost {
		return false, errUnsupported()
	}
	if len(password) > 72 { // what bcrypt looks at; the library refuses more, other systems cut it off
		password = password[:72]
	}
	return bcrypt.CompareHashAndPassword([]byte(s), []byte(password)) == nil, nil
}

// digest is a hash of the password and, behind it, a salt.
type digest struct {
	make   func() hash.Hash
	salted bool
}

var digests = map[string]digest{
	"SHA": {sha1.New, false}, "SHA1": {sha1.New, false}, "SHA256": {sha256.New, false}, "SHA512": {sha512.New, false},
	"SSHA": {sha1.New, true}, "SSHA256": {sha256.New, true}, "SSHA512": {sha512.New, true},
}

func (d digest) verify(text, password string) (bool, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(text)
	}
	h := d.make()
	n := h.Size()
	if err != nil || len(b) < n || !d.salted && len(b) != n {
		return false, errCorrupt()
	}
	h.Write([]byte(password))
	h.Write(b[n:])
	return subtle.ConstantTimeCompare(h.Sum(nil), b[:n]) == 1, nil
}
