package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// MaxTokenName is the longest name of a token, in bytes.
const MaxTokenName = 64

// tokenPrefix begins every token, so that scanners for lost secrets can tell what it is.
const tokenPrefix = "postroad_"

// useStep is how exactly it is known when a token was last used: uses are written down no more often.
const useStep = time.Hour

// Token admits programs to the admin API. Its secret is shown once, and only its hash is kept: it is random, so
// that a fast hash is safe.
type Token struct {
	Name string // unique
	// Duties is what it may administer.
	Duties  Duties
	Created time.Time
	Expires time.Time // zero: never
	Used    time.Time // about when it was last used; zero: never
}

// AddToken makes a token and returns its secret. Errors: fault.Exists if there is one of that name, fault.NotFound
// if a domain isn't served here, fault.Invalid.
func (d *Directory) AddToken(ctx context.Context, t Token) (secret string, err error) {
	if t.Name == "" || len(t.Name) > MaxTokenName || !utf8.ValidString(t.Name) || hasControl(t.Name) {
		return "", fault.New(fault.Invalid, "a token needs a name of at most %d bytes", MaxTokenName)
	}
	if t.Duties.None() {
		return "", fault.New(fault.Invalid, "say what the token is for: domains, or the whole server")
	}
	var random [24]byte
	if _, err := io.ReadFull(d.rand, random[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "no randomness")
	}
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	t.Created, t.Used = d.stamp(), time.Time{}
	return secret, d.update(ctx, func(tx kv.Tx) error {
		if err := t.parseDomains(tx); err != nil {
			return err
		}
		if _, _, err := findToken(tx, t.Name); !fault.Is(err, fault.NotFound) {
			return orExists(err, t.Name)
		}
		return tx.Set(tokenKey(secret), t.encode())
	})
}

func orExists(err error, name string) error {
	if err == nil {
		err = fault.New(fault.Exists, "there is a token %q already", name)
	}
	return err
}

func (t *Token) parseDomains(r kv.Reader) error {
	for i, name := range t.Duties.Domains {
		name, err := ParseDomain(name)
		if err == nil {
			err = requireOurs(r, name)
		}
		if err != nil {
			return err
		}
		t.Duties.Domains[i] = name
	}
	return nil
}

// Token finds the token with a secret, and notes that it is used. Errors: fault.Unauthenticated if there is none, or it has expired.
func (d *Directory) Token(ctx context.Context, secret string) (Token, error) {
	key := tokenKey(secret)
	var t Token
	err := d.view(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(key)
		if err == nil && !ok {
			err = errToken()
		}
		if err == nil {
			t, err = decodeToken(kv.Pair{Key: key, Value: v})
		}
		return err
	})
	if err != nil {
		return Token{}, err
	}
	now := d.stamp()
	if !t.Expires.IsZero() && !now.Before(t.Expires) {
		return Token{}, errToken()
	}
	if now.Sub(t.Used) < useStep {
		return t, nil
	}
	return t, d.noteUse(ctx, key, now)
}

func errToken() error {
	return fault.New(fault.Unauthenticated, "no such token, or it has expired")
}

func (d *Directory) noteUse(ctx context.Context, key []byte, now time.Time) error {
	return d.update(ctx, func(tx kv.Tx) error {
		v, ok, err := tx.Get(key)
		if err != nil || !ok {
			return err
		}
		t, err := decodeToken(kv.Pair{Key: key, Value: v})
		if err != nil {
			return err
		}
		t.Used = now
		return tx.Set(key, t.encode())
	})
}

// RemoveToken makes a token worthless; fault.NotFound if there is none of that name.
func (d *Directory) RemoveToken(ctx context.Context, name string) error {
	return d.update(ctx, func(tx kv.Tx) error {
		key, _, err := findToken(tx, name)
		if err != nil {
			return err
		}
		return tx.Delete(key)
	})
}

// Tokens lists all tokens, in no order that means anything. An error ends the list as its last pair.
func (d *Directory) Tokens(ctx context.Context) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) { list(ctx, d, all(keyToken), decodeToken, yield) }
}

func findToken(r kv.Reader, name string) (key []byte, t Token, err error) {
	for p, err := range r.Scan(all(keyToken)) {
		if err != nil {
			return nil, t, err
		}
		if t, err = decodeToken(p); err != nil {
			return nil, t, err
		}
		if t.Name == name {
			return append([]byte(nil), p.Key...), t, nil
		}
	}
	return nil, Token{}, fault.New(fault.NotFound, "there is no token %q", name)
}

// dropTokensOf takes a domain that is to disappear out of all tokens; those that are for nothing else go.
func dropTokensOf(tx kv.Tx, domain string) error {
	changed := map[string]Token{}
	for p, err := range tx.Scan(all(keyToken)) {
		if err != nil {
			return err
		}
		t, err := decodeToken(p)
		if err != nil {
			return err
		}
		if kept := without(t.Duties.Domains, domain); len(kept) < len(t.Duties.Domains) {
			t.Duties.Domains = kept
			changed[string(p.Key)] = t
		}
	}
	for key, t := range changed {
		err := tx.Delete([]byte(key))
		if err == nil && !t.Duties.None() {
			err = tx.Set([]byte(key), t.encode())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func without(list []string, one string) []string {
	kept := []string{}
	for _, s := range list {
		if s != one {
			kept = append(kept, s)
		}
	}
	return kept
}

func (t Token) encode() []byte {
	r := newRecord(1).text(t.Name).bool(t.Duties.Server).texts(t.Duties.Domains).time(t.Created)
	return r.text(stampText(t.Expires)).text(stampText(t.Used))
}

func decodeToken(p kv.Pair) (Token, error) {
	r := readRecord(p.Value, 1)
	t := Token{Name: r.text(), Duties: Duties{Server: r.bool(), Domains: r.texts()}, Created: r.time()}
	t.Expires, t.Used = readStamp(r), readStamp(r)
	return t, r.end("token")
}

// stampText writes a time that may be zero, which a record's time can't be.
func stampText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func readStamp(r *reader) time.Time {
	s := r.text()
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.Fail()
	}
	return t
}

// tokenKey is where the token with a secret lies. What lies there can be found only by who knows the secret, so
// that finding it takes no comparison that could be timed.
func tokenKey(secret string) []byte {
	sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	return append([]byte{keyToken}, sum[:]...)
}
