package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Partition is where grants and tokens lie.
const Partition kv.Partition = 9<<56 + 2

// Schema of the partition, version 1. <account> has 6 bytes, <number> 8, <hash> 32.
//
//	k                    the key that signs ID tokens: PKCS#8, DER
//	n                    the last number given to a grant, 8 bytes
//	g <account> <number> grant
//	t <hash>             secret: an access token, refresh token or code, and the grant it belongs to
//	d <hash>             device: what waits for somebody to allow it, under the hash of its device code
//	u <user code>        the hash of the device code
const (
	keySigner = 'k'
	keyNumber = 'n'
	keyGrant  = 'g'
	keySecret = 't'
	keyDevice = 'd'
	keyUser   = 'u'
)

// IsSecret reports whether what lies under a key is not to be shown, on any screen.
func IsSecret(p kv.Partition, key []byte) bool {
	return p == Partition && len(key) > 0 && key[0] == keySigner
}

// Grant is what somebody has allowed a program.
type Grant struct {
	ID         string // names it
	Account    ident.AccountID
	ClientID   string
	ClientName string
	Scope      []string
	Created    time.Time
	Used       time.Time // when tokens were given out last
	Expires    time.Time

	number  uint64
	nonce   string // of the authorization request, for the ID token
	version uint64 // of the account's password
}

// kind says what a secret is good for.
type kind byte

const (
	isAccess kind = iota + 1
	isRefresh
	isCode
)

// secret is what is kept of a token or code.
type secret struct {
	kind    kind
	account ident.AccountID
	grant   uint64
	expires time.Time
	used    time.Time // a refresh token or code: when it was used; zero: not yet

	// of a code:
	redirect, challenge string
}

func id6(b []byte, id ident.AccountID) []byte {
	return append(b, binary.BigEndian.AppendUint64(nil, uint64(id))[2:]...)
}

func grantKey(account ident.AccountID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(id6([]byte{keyGrant}, account), number)
}

func grantsOf(account ident.AccountID) kv.Range {
	lo := id6([]byte{keyGrant}, account)
	return kv.Range{Lo: lo, Hi: append(slices.Clone(lo), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)}
}

func secretKey(hash []byte) []byte { return append([]byte{keySecret}, hash...) }
func deviceKey(hash []byte) []byte { return append([]byte{keyDevice}, hash...) }
func userKey(code string) []byte   { return append([]byte{keyUser}, code...) }

func (g *Grant) key() []byte { return grantKey(g.Account, g.number) }

func (g *Grant) name() {
	g.ID = strconv.FormatUint(uint64(g.Account), 36) + "-" + strconv.FormatUint(g.number, 36)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, t.UnixMicro())
}

func readTime(d *record.Decoder) time.Time {
	if n := d.Int(); n != 0 {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}

// encode writes a grant: version, times, client's ID and name, scope, nonce, version of the password.
func (g *Grant) encode() []byte {
	b := []byte{1}
	for _, t := range []time.Time{g.Created, g.Used, g.Expires} {
		b = appendTime(b, t)
	}
	for _, s := range []string{g.ClientID, g.ClientName, strings.Join(g.Scope, " "), g.nonce} {
		b = record.AppendString(b, s)
	}
	return binary.AppendUvarint(b, g.version)
}

func decodeGrant(key, value []byte) (g Grant, err error) {
	d := record.Decode(value, 1)
	g.Created, g.Used, g.Expires = readTime(&d), readTime(&d), readTime(&d)
	g.ClientID, g.ClientName, g.Scope, g.nonce = d.String(), d.String(), strings.Fields(d.String()), d.String()
	g.version = d.Uint()
	if d.Bad() || d.Rest() > 0 || len(key) != 15 {
		return Grant{}, fault.New(fault.Corrupt, "a grant can't be read")
	}
	g.Account = ident.AccountID(binary.BigEndian.Uint64(append([]byte{0, 0}, key[1:7]...)))
	g.number = binary.BigEndian.Uint64(key[7:])
	g.name()
	return g, nil
}

// encode writes a secret: version, kind, account, grant, times, redirect, challenge.
func (s *secret) encode() []byte {
	b := []byte{1, byte(s.kind)}
	b = binary.AppendUvarint(b, uint64(s.account))
	b = binary.AppendUvarint(b, s.grant)
	b = appendTime(appendTime(b, s.expires), s.used)
	return record.AppendString(record.AppendString(b, s.redirect), s.challenge)
}

func decodeSecret(value []byte) (s secret, err error) {
	d := record.Decode(value, 1)
	s.kind, s.account, s.grant = kind(d.Byte()), ident.AccountID(d.Uint()), d.Uint()
	s.expires, s.used = readTime(&d), readTime(&d)
	s.redirect, s.challenge = d.String(), d.String()
	if d.Bad() || d.Rest() > 0 {
		return secret{}, fault.New(fault.Corrupt, "a token's record can't be read")
	}
	return s, nil
}

// getSecret reads what is kept of a secret; ok is false if nothing is, or it is of another kind.
func (p *Provider) getSecret(r kv.Reader, k kind, text string) (s secret, ok bool, err error) {
	v, ok, err := r.Get(secretKey(p.hash(text)))
	if err != nil || !ok {
		return secret{}, false, err
	}
	s, err = decodeSecret(v)
	return s, err == nil && s.kind == k, err
}

func getGrant(r kv.Reader, account ident.AccountID, number uint64) (g Grant, ok bool, err error) {
	k := grantKey(account, number)
	v, ok, err := r.Get(k)
	if err != nil || !ok {
		return Grant{}, false, err
	}
	g, err = decodeGrant(k, v)
	return g, err == nil, err
}

func listGrants(r kv.Reader, keys kv.Range) ([]Grant, error) {
	var all []Grant
	for p, err := range r.Scan(keys) {
		if err != nil {
			return nil, err
		}
		g, err := decodeGrant(p.Key, p.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// loadKey reads the key that signs, or makes one.
func (p *Provider) loadKey(ctx context.Context) (key *ecdsa.PrivateKey, err error) {
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		v, ok, err := tx.Get([]byte{keySigner})
		if err != nil {
			return err
		}
		if ok {
			parsed, err := x509.ParsePKCS8PrivateKey(v)
			if err != nil {
				return fault.Wrap(fault.Corrupt, err, "the key that signs ID tokens can't be read")
			}
			key, ok = parsed.(*ecdsa.PrivateKey)
			if !ok {
				return fault.New(fault.Corrupt, "the key that signs ID tokens is of another kind")
			}
			return nil
		}
		if key, err = ecdsa.GenerateKey(elliptic.P256(), p.rand); err != nil {
			return fault.Wrap(fault.Internal, err, "no randomness")
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "")
		}
		return tx.Set([]byte{keySigner}, der)
	})
	return key, err
}

// Tidy removes what has expired.
func (p *Provider) Tidy(ctx context.Context) error {
	now := p.now()
	var gone [][]byte
	err := p.db.View(ctx, Partition, func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Range{Lo: []byte{keyDevice}, Hi: []byte{keyUser + 1}}) {
			if err != nil {
				return err
			}
			if over(pair, now) {
				gone = append(gone, slices.Clone(pair.Key))
			}
		}
		return nil
	})
	for chunk := range slices.Chunk(gone, 1000) {
		if err == nil {
			err = p.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
				for _, k := range chunk {
					if err := tx.Delete(k); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	return err
}

// over reports whether a record has expired. A refresh token that was used is kept as long as its grant, to know it
// when it comes again.
func over(pair kv.Pair, now time.Time) bool {
	switch pair.Key[0] {
	case keyGrant:
		g, err := decodeGrant(pair.Key, pair.Value)
		return err == nil && !now.Before(g.Expires)
	case keySecret:
		s, err := decodeSecret(pair.Value)
		return err == nil && !now.Before(s.expires)
	case keyDevice:
		d, err := decodeDevice(pair.Value)
		return err == nil && !now.Before(d.expires)
	case keyUser:
		d := record.Decode(pair.Value, 1)
		expires := readTime(&d)
		return !d.Bad() && !now.Before(expires)
	}
	return false
}

// RunTidy tidies up now and then, until ctx ends.
func (p *Provider) RunTidy(ctx context.Context) {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := p.Tidy(ctx); err != nil && ctx.Err() == nil {
				p.log.Error("cannot tidy grants", "error", err)
			}
		}
	}
}
