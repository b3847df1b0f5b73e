package directory

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// DKIMBits is the size of RSA keys for DKIM (RFC 8301 §3.2: signers should use at least 2048 bits; larger keys
// don't fit everybody's DNS).
const DKIMBits = 2048

// MaxDKIMKeys is how many keys a domain may have.
const MaxDKIMKeys = 16

// KeyAlgorithm is what a DKIM key signs with, as the a tag says it.
type KeyAlgorithm string

// The algorithms (RFC 8301, RFC 8463).
const (
	RSASHA256     KeyAlgorithm = "rsa-sha256"
	Ed25519SHA256 KeyAlgorithm = "ed25519-sha256"
)

// KeyState says what a DKIM key is for.
type KeyState uint8

// The states of a key, in the order in which it has them.
const (
	// KeyPending: its record is to be published; it doesn't sign yet.
	KeyPending KeyState = iota + 1
	// KeyActive: it signs. There is one of an algorithm at most.
	KeyActive
	// KeyRetired: it signs no more, but its record stays published for mail that is still under way.
	KeyRetired
)

// String is "pending", "active" or "retired".
func (s KeyState) String() string {
	switch s {
	case KeyPending:
		return "pending"
	case KeyActive:
		return "active"
	case KeyRetired:
		return "retired"
	}
	return "KeyState(" + strconv.Itoa(int(s)) + ")"
}

// DKIMKey is a key that signs for a domain. Printing one doesn't show the private key.
type DKIMKey struct {
	Domain, Selector string
	Algorithm        KeyAlgorithm
	State            KeyState
	Created          time.Time
	// Changed is when it came into its state.
	Changed time.Time

	private *privateKey
}

// privateKey keeps a key behind a pointer, where printing doesn't go.
type privateKey struct {
	signer crypto.Signer
	pkcs8  []byte
}

// String doesn't show the key.
func (*privateKey) String() string { return "(private)" }

// Signer is the private key, an *rsa.PrivateKey or an ed25519.PrivateKey. It must not leave the server.
func (k DKIMKey) Signer() crypto.Signer { return k.private.signer }

// Public is the public key.
func (k DKIMKey) Public() crypto.PublicKey { return k.private.signer.Public() }

// newKey is a key without its name.
type newKey struct {
	algorithm KeyAlgorithm
	private   *privateKey
}

// newKeyPair makes a key of each algorithm. It takes a while.
func (d *Directory) newKeyPair() ([]newKey, error) {
	r, err := d.newRSA()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot make an RSA key")
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(d.rand, seed); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no randomness")
	}
	var keys []newKey
	for _, k := range []struct {
		algorithm KeyAlgorithm
		signer    crypto.Signer
	}{{RSASHA256, r}, {Ed25519SHA256, ed25519.NewKeyFromSeed(seed)}} {
		der, err := x509.MarshalPKCS8PrivateKey(k.signer)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "cannot write a key")
		}
		keys = append(keys, newKey{k.algorithm, &privateKey{k.signer, der}})
	}
	return keys, nil
}

// addKeys gives a domain keys, pending, with selectors that it never had at the same time.
func (d *Directory) addKeys(tx kv.Tx, domain string, keys []newKey) ([]DKIMKey, error) {
	now := d.stamp()
	made := make([]DKIMKey, 0, len(keys))
	for _, n := range keys {
		k := DKIMKey{Domain: domain, Algorithm: n.algorithm, State: KeyPending, Created: now, Changed: now, private: n.private}
		for i := 0; k.Selector == ""; i++ {
			s := selector(n.algorithm, now, i)
			_, taken, err := tx.Get(dkimKey(domain, s))
			if err != nil {
				return nil, err
			}
			if !taken {
				k.Selector = s
			}
		}
		if err := k.put(tx); err != nil {
			return nil, err
		}
		made = append(made, k)
	}
	return made, nil
}

// selector names a key by the day on which it was made; the n-th of a day has a letter or a number more.
func selector(a KeyAlgorithm, now time.Time, n int) string {
	s := string(a[0]) + now.Format("20060102")
	switch {
	case n == 0:
		return s
	case n < 26:
		return s + string(rune('a'+n))
	}
	return s + "-" + strconv.Itoa(n)
}

func (k *DKIMKey) put(tx kv.Tx) error {
	return tx.Set(dkimKey(k.Domain, k.Selector), newRecord(1).text(string(k.Algorithm)).uint(uint64(k.State)).
		time(k.Created).time(k.Changed).text(string(k.private.pkcs8)))
}

// decodeDKIM reads a key's record. Its errors don't quote it.
func decodeDKIM(p kv.Pair) (DKIMKey, error) {
	domain, selector, _ := strings.Cut(string(p.Key[1:]), "\x00")
	r := readRecord(p.Value, 1)
	k := DKIMKey{Domain: domain, Selector: selector, Algorithm: KeyAlgorithm(r.text()), State: KeyState(r.uint()), Created: r.time(), Changed: r.time()}
	der := []byte(r.text())
	if k.State < KeyPending || k.State > KeyRetired {
		r.Fail()
	}
	if err := r.end("DKIM key"); err != nil {
		return DKIMKey{}, err
	}
	signer, err := parseSigner(k.Algorithm, der)
	k.private = &privateKey{signer, der}
	return k, err
}

func parseSigner(a KeyAlgorithm, der []byte) (crypto.Signer, error) {
	if parsed, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		switch p := parsed.(type) {
		case *rsa.PrivateKey:
			if a == RSASHA256 {
				return p, nil
			}
		case ed25519.PrivateKey:
			if a == Ed25519SHA256 {
				return p, nil
			}
		}
	}
	return nil, fault.New(fault.Corrupt, "directory: a DKIM key can't be read")
}

// keysOf reads a domain's keys, oldest first.
func keysOf(r kv.Reader, domain string) ([]DKIMKey, error) {
	var keys []DKIMKey
	for p, err := range r.Scan(dkimKeysOf(domain)) {
		if err != nil {
			return nil, err
		}
		k, err := decodeDKIM(p)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	slices.SortStableFunc(keys, func(a, b DKIMKey) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(string(b.Algorithm), string(a.Algorithm)) // RSA first
	})
	return keys, nil
}

// DKIMKeys lists all keys of a domain, oldest first; those that should be published are all of them. fault.NotFound
// if the domain isn't served here.
func (d *Directory) DKIMKeys(ctx context.Context, domain string) (keys []DKIMKey, err error) {
	domain, err = ParseDomain(domain)
	if err != nil {
		return nil, err
	}
	err = d.view(ctx, func(r kv.Reader) error {
		if err := requireOurs(r, domain); err != nil {
			return err
		}
		keys, err = keysOf(r, domain)
		return err
	})
	return keys, err
}

// DKIMKey finds one key of a domain; fault.NotFound if there is none such.
func (d *Directory) DKIMKey(ctx context.Context, domain, selector string) (DKIMKey, error) {
	keys, err := d.DKIMKeys(ctx, domain)
	if err != nil {
		return DKIMKey{}, err
	}
	i, err := indexOf(keys, domain, selector)
	if err != nil {
		return DKIMKey{}, err
	}
	return keys[i], nil
}

func indexOf(keys []DKIMKey, domain, selector string) (int, error) {
	i := slices.IndexFunc(keys, func(k DKIMKey) bool { return strings.EqualFold(k.Selector, selector) })
	if i < 0 {
		return i, fault.New(fault.NotFound, "%s has no key %s", domain, selector)
	}
	return i, nil
}

// SigningKeys returns the keys to sign mail of a domain with, in the spelling of ParseDomain: the active ones, RSA first. None: the domain isn't ours,
// or has none. The answer is remembered, and shared: don't change it.
func (d *Directory) SigningKeys(ctx context.Context, domain string) ([]DKIMKey, error) {
	c := d.current()
	if keys, ok := c.keys(domain); ok {
		return *keys, nil
	}
	var active []DKIMKey
	ours := false
	err := d.view(ctx, func(r kv.Reader) (err error) {
		if ours, err = isOurs(r, domain); err != nil || !ours {
			return err
		}
		active, err = keysOf(r, domain)
		active = slices.DeleteFunc(active, func(k DKIMKey) bool { return k.State != KeyActive })
		slices.SortStableFunc(active, func(a, b DKIMKey) int { return strings.Compare(string(b.Algorithm), string(a.Algorithm)) })
		return err
	})
	if err != nil {
		return nil, err
	}
	if ours {
		c.keepKeys(domain, &active)
	}
	return active, nil
}

// RotateKeys gives a domain a new pair of keys, pending. Errors: fault.Conflict while others are pending, fault.NotFound, fault.TooLarge
// over MaxDKIMKeys.
func (d *Directory) RotateKeys(ctx context.Context, domain string) (made []DKIMKey, err error) {
	domain, err = ParseDomain(domain)
	if err != nil {
		return nil, err
	}
	if _, err := d.Domain(ctx, domain); err != nil {
		return nil, err
	}
	pair, err := d.newKeyPair()
	if err != nil {
		return nil, err
	}
	err = d.changeKeys(ctx, domain, func(tx kv.Tx, keys []DKIMKey) error {
		for _, k := range keys {
			if k.State == KeyPending {
				return fault.New(fault.Conflict, "the key %s of %s is still pending: publish and activate it, or remove it", k.Selector, domain)
			}
		}
		if len(keys)+len(pair) > MaxDKIMKeys {
			return fault.New(fault.TooLarge, "%s would have more than %d keys", domain, MaxDKIMKeys)
		}
		made, err = d.addKeys(tx, domain, pair)
		return err
	})
	return made, err
}

// ActivateKey has a key sign from now on, one that was retired too. That of the same algorithm which
// did so before is retired. Errors: fault.NotFound.
func (d *Directory) ActivateKey(ctx context.Context, domain, selector string) error {
	return d.changeKey(ctx, domain, selector, func(tx kv.Tx, keys []DKIMKey, i int) error {
		if keys[i].State == KeyActive {
			return nil
		}
		for j := range keys {
			if keys[j].Algorithm == keys[i].Algorithm && keys[j].State == KeyActive {
				if err := d.setState(tx, &keys[j], KeyRetired); err != nil {
					return err
				}
			}
		}
		return d.setState(tx, &keys[i], KeyActive)
	})
}

// RetireKey has a key sign no more. fault.NotFound if there is none such; fault.Conflict if it is pending: it never signed, and may
// be removed.
func (d *Directory) RetireKey(ctx context.Context, domain, selector string) error {
	return d.changeKey(ctx, domain, selector, func(tx kv.Tx, keys []DKIMKey, i int) error {
		switch keys[i].State {
		case KeyPending:
			return fault.New(fault.Conflict, "the key %s is still pending: it can be removed", selector)
		case KeyRetired:
			return nil
		}
		return d.setState(tx, &keys[i], KeyRetired)
	})
}

// RemoveKey removes a key for good. fault.Conflict if it is active.
func (d *Directory) RemoveKey(ctx context.Context, domain, selector string) error {
	return d.changeKey(ctx, domain, selector, func(tx kv.Tx, keys []DKIMKey, i int) error {
		if keys[i].State == KeyActive {
			return fault.New(fault.Conflict, "the key %s signs mail: activate another one, or retire it, first", selector)
		}
		return tx.Delete(dkimKey(keys[i].Domain, keys[i].Selector))
	})
}

func (d *Directory) setState(tx kv.Tx, k *DKIMKey, s KeyState) error {
	k.State, k.Changed = s, d.stamp()
	return k.put(tx)
}

// changeKeys changes the keys of a domain.
func (d *Directory) changeKeys(ctx context.Context, domain string, fn func(tx kv.Tx, keys []DKIMKey) error) error {
	domain, err := ParseDomain(domain)
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if err := requireOurs(tx, domain); err != nil {
			return err
		}
		keys, err := keysOf(tx, domain)
		if err != nil {
			return err
		}
		return fn(tx, keys)
	})
}

// changeKey changes one of them, keys[i].
func (d *Directory) changeKey(ctx context.Context, domain, selector string, fn func(tx kv.Tx, keys []DKIMKey, i int) error) error {
	return d.changeKeys(ctx, domain, func(tx kv.Tx, keys []DKIMKey) error {
		i, err := indexOf(keys, domain, selector)
		if err != nil {
			return err
		}
		return fn(tx, keys, i)
	})
}
