package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"postroad/internal/fault"
)

// Token is the secret that admits to the API over HTTPS.
type Token struct{ sum [sha256.Size]byte }

// EnsureToken reads the token from a file, or makes one there (mode 0600).
func EnsureToken(file string, random io.Reader) (Token, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = makeToken(file, random)
	}
	text := strings.TrimSpace(string(b))
	if err == nil && len(text) < 20 {
		err = errors.New("shorter than 20 characters")
	}
	return NewToken(text), fault.Wrap(fault.Unavailable, err, "cannot use the admin token "+file)
}

func makeToken(file string, random io.Reader) ([]byte, error) {
	var secret [24]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return nil, err
	}
	b := append([]byte(base64.RawURLEncoding.EncodeToString(secret[:])), '\n')
	return b, os.WriteFile(file, b, 0o600)
}

// NewToken is the token with a text.
func NewToken(text string) Token { return Token{sha256.Sum256([]byte(text))} }

// Admits reports whether a request carries the token (RFC 6750 §2.1). It takes
// the same time for every wrong one.
func (t Token) Admits(r *http.Request) bool {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}
