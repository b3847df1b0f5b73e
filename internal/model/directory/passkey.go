package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"slices"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// MaxPasskeys is how many an account may have.
const MaxPasskeys = 20

// MaxPasskeyName is the longest name of a passkey, in bytes.
const MaxPasskeyName = 64

const (
	// maxCredentialID is the longest ID that an authenticator may give (WebAuthn Level 3 §4, Credential ID).
	maxCredentialID = 1023
	// maxPublicKey is room for an RSA key of 16,384 bits.
	maxPublicKey = 4096
	// handleSize is the most that there may be (WebAuthn Level 3 §5.4.3, and §14.6.1: random).
	handleSize = sha512.Size
	// maxTransports bounds what is kept of how an authenticator can be reached.
	maxTransports = 8
)

// Passkey is a key pair of an authenticator that its owner signs in with (WebAuthn). Here lies the public half.
type Passkey struct {
	ID   uint64 // never given again
	Name string // says to people which one it is; unique in the account
	// Credential is the authenticator's name for it, and Key the public key, in COSE's form (RFC 9052 §7).
	Credential, Key string
	// Handle is what authenticators know the account by: random, the same for all of its passkeys.
	Handle string
	// Count is the authenticator's count of signatures; 0: it doesn't count.
	Count uint32
	// Eligible: the passkey may be copied to other devices; BackedUp: it is.
	Eligible, BackedUp bool
	Transports         []string // how the authenticator can be reached: "usb", "internal", ...
	Model              string   // its AAGUID: 16 bytes, which may be zero
	Created            time.Time
	Used               time.Time // zero: never
}

// NewPasskey is a passkey to be: what an authenticator has told, verified.
type NewPasskey struct {
	Name               string
	Credential, Key    string
	Handle             string // as PasskeyHandle gave it
	Count              uint32
	Eligible, BackedUp bool
	Transports         []string
	Model              string
}

// PasskeyHandle gives what authenticators are to know an account by: that of the passkeys it has, or one that only this installation
// can tell from random, so that it says nothing of the account.
func (d *Directory) PasskeyHandle(ctx context.Context, id ident.AccountID) (string, error) {
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return "", err
	}
	if len(p.Passkeys) > 0 {
		return p.Passkeys[0].Handle, nil
	}
	h := hmac.New(sha512.New, d.Secret("passkey handles"))
	h.Write(idKey(keyPasskey, uint64(id)))
	return string(h.Sum(nil)), nil
}

// AddPasskey gives an account a passkey. Errors: fault.Exists if it has one of the name, or anybody has the credential
// (WebAuthn Level 3 §7.1 step 26), fault.TooLarge if it has MaxPasskeys, fault.Conflict if its other passkeys have another handle,
// fault.NotFound, fault.Invalid.
func (d *Directory) AddPasskey(ctx context.Context, id ident.AccountID, n NewPasskey) (k Passkey, err error) {
	if err := n.check(); err != nil {
		return Passkey{}, err
	}
	k = Passkey{Name: n.Name, Credential: n.Credential, Key: n.Key, Handle: n.Handle, Count: n.Count, Eligible: n.Eligible, BackedUp: n.BackedUp,
		Transports: n.Transports, Model: n.Model, Created: d.stamp()}
	err = d.update(ctx, func(tx kv.Tx) error {
		acc, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		if acc.Shared {
			return errShared()
		}
		have, err := getPasskeys(tx, id)
		if err != nil {
			return err
		}
		if err := k.fits(tx, have); err != nil {
			return err
		}
		if k.ID, err = nextID(tx); err != nil {
			return err
		}
		if err := tx.Set(credentialIDKey(k.Credential), passkeyKey(id, k.ID)[1:]); err != nil {
			return err
		}
		if err := d.notice(tx, id, PasskeyAdded, k.Name); err != nil {
			return err
		}
		return tx.Set(passkeyKey(id, k.ID), k.encode())
	})
	return k, err
}

func (n *NewPasskey) check() error {
	switch {
	case n.Credential == "" || len(n.Credential) > maxCredentialID, n.Key == "" || len(n.Key) > maxPublicKey, len(n.Handle) != handleSize,
		len(n.Transports) > maxTransports, len(n.Model) > 16:
		return fault.New(fault.Invalid, "the passkey can't be used here")
	}
	return checkPasskeyName(n.Name)
}

func checkPasskeyName(name string) error {
	if name == "" || len(name) > MaxPasskeyName || !utf8.ValidString(name) || hasControl(name) {
		return fault.New(fault.Invalid, "a passkey's name has 1 to %d bytes, and no control characters", MaxPasskeyName)
	}
	return nil
}

// fits reports what speaks against one more beside those that the account has.
func (k *Passkey) fits(r kv.Reader, have []Passkey) error {
	if named(have, k.Name) {
		return errPasskeyName(k.Name)
	}
	if len(have) >= MaxPasskeys {
		return fault.New(fault.TooLarge, "an account has at most %d passkeys", MaxPasskeys)
	}
	if len(have) > 0 && have[0].Handle != k.Handle {
		return fault.New(fault.Conflict, "the account's passkeys have changed meanwhile, try again")
	}
	_, taken, err := r.Get(credentialIDKey(k.Credential))
	if err == nil && taken {
		err = fault.New(fault.Exists, "this passkey is registered already")
	}
	return err
}

func named(all []Passkey, name string) bool {
	return slices.ContainsFunc(all, func(k Passkey) bool { return k.Name == name })
}

func errPasskeyName(name string) error {
	return fault.New(fault.Exists, "the account has a passkey %q already", name)
}

func errNoPasskey() error { return fault.New(fault.NotFound, "the account has no such passkey") }

// Passkey finds the passkey that an authenticator calls so, and whose it is. fault.NotFound: nobody's.
func (d *Directory) Passkey(ctx context.Context, credential string) (*Profile, *Passkey, error) {
	var at []byte
	err := d.view(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(credentialIDKey(credential))
		if err == nil && !ok {
			err = errNoPasskey()
		}
		at = slices.Clone(v)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if len(at) != 2*idSize {
		return nil, nil, fault.New(fault.Corrupt, "directory: a passkey's index can't be read")
	}
	p, err := d.ProfileByID(ctx, ident.AccountID(idOf(append([]byte{0}, at[:idSize]...))))
	if err != nil { // retired, perhaps
		return nil, nil, err
	}
	for i := range p.Passkeys {
		if k := &p.Passkeys[i]; subtle.ConstantTimeCompare([]byte(k.Credential), []byte(credential)) == 1 {
			return p, k, nil
		}
	}
	return nil, nil, errNoPasskey()
}

// UsePasskey notes that a passkey was used. count is the authenticator's count of signatures, which must have grown if there is one:
// else there are two copies of it (WebAuthn Level 3 §7.2 step 22), and this fails with fault.Conflict. fault.NotFound: it is gone.
func (d *Directory) UsePasskey(ctx context.Context, id ident.AccountID, number uint64, count uint32, backedUp bool) error {
	return d.changePasskey(ctx, id, number, func(k *Passkey, _ []Passkey) error {
		if (count != 0 || k.Count != 0) && count <= k.Count {
			return fault.New(fault.Conflict, "the passkey's counter has gone back: there may be a copy of it")
		}
		k.Count, k.BackedUp, k.Used = count, backedUp, d.stamp()
		return nil
	})
}

// RenamePasskey gives a passkey another name. Errors: fault.Exists, fault.Invalid, fault.NotFound.
func (d *Directory) RenamePasskey(ctx context.Context, id ident.AccountID, number uint64, name string) error {
	if err := checkPasskeyName(name); err != nil {
		return err
	}
	return d.changePasskey(ctx, id, number, func(k *Passkey, all []Passkey) error {
		if k.Name != name && named(all, name) {
			return errPasskeyName(name)
		}
		k.Name = name
		return nil
	})
}

func (d *Directory) changePasskey(ctx context.Context, id ident.AccountID, number uint64, fn func(k *Passkey, all []Passkey) error) error {
	return d.update(ctx, func(tx kv.Tx) error {
		all, at, err := findPasskey(tx, id, number)
		if err != nil {
			return err
		}
		if err := fn(&all[at], all); err != nil {
			return err
		}
		return tx.Set(passkeyKey(id, number), all[at].encode())
	})
}

func findPasskey(r kv.Reader, id ident.AccountID, number uint64) (all []Passkey, at int, err error) {
	if _, err := getAccount(r, id); err != nil {
		return nil, 0, err
	}
	if all, err = getPasskeys(r, id); err != nil {
		return nil, 0, err
	}
	if at = slices.IndexFunc(all, func(k Passkey) bool { return k.ID == number }); at < 0 {
		return nil, 0, errNoPasskey()
	}
	return all, at, nil
}

// RemovePasskey removes a passkey, and returns what it was. Errors: fault.NotFound; fault.Conflict if two-step verification is on and
// the account would be left without a second step.
func (d *Directory) RemovePasskey(ctx context.Context, id ident.AccountID, number uint64) (k Passkey, err error) {
	err = d.update(ctx, func(tx kv.Tx) error {
		all, at, err := findPasskey(tx, id, number)
		if err != nil {
			return err
		}
		k = all[at]
		t, err := getTwoStep(tx, id)
		if err != nil {
			return err
		}
		if len(all) == 1 && t.on && t.sealed == "" {
			return fault.New(fault.Conflict, "it is the only second step that the account has: set up an authenticator first, or turn two-step verification off")
		}
		if err := tx.Delete(credentialIDKey(k.Credential)); err != nil {
			return err
		}
		if err := d.notice(tx, id, PasskeyRemoved, k.Name); err != nil {
			return err
		}
		return tx.Delete(passkeyKey(id, number))
	})
	return k, err
}

// deletePasskeys removes all passkeys of an account that is to disappear.
func deletePasskeys(tx kv.Tx, id ident.AccountID) error {
	all, err := getPasskeys(tx, id)
	if err != nil {
		return err
	}
	for i := range all {
		if err := tx.Delete(credentialIDKey(all[i].Credential)); err != nil {
			return err
		}
	}
	r := passkeysOf(id)
	return tx.DeleteRange(r.Lo, r.Hi)
}

func (k *Passkey) encode() []byte {
	return newRecord(1).text(k.Name).text(k.Credential).text(k.Key).text(k.Handle).uint(uint64(k.Count)).bool(k.Eligible).bool(k.BackedUp).
		texts(k.Transports).text(k.Model).time(k.Created).text(stampText(k.Used))
}

func decodePasskey(p kv.Pair) (Passkey, error) {
	r := readRecord(p.Value, 1)
	if len(p.Key) != 1+2*idSize {
		return Passkey{}, fault.New(fault.Corrupt, "directory: a passkey's key can't be read")
	}
	k := Passkey{ID: idOf(p.Key[idSize:]), Name: r.text(), Credential: r.text(), Key: r.text(), Handle: r.text(), Count: uint32(r.uint()),
		Eligible: r.bool(), BackedUp: r.bool(), Transports: r.texts(), Model: r.text(), Created: r.time(), Used: readStamp(r)}
	return k, r.end("passkey")
}

func getPasskeys(r kv.Reader, id ident.AccountID) ([]Passkey, error) {
	var all []Passkey
	for p, err := range r.Scan(passkeysOf(id)) {
		if err != nil {
			return nil, err
		}
		k, err := decodePasskey(p)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func passkeyKey(id ident.AccountID, number uint64) []byte {
	return append(idKey(keyPasskey, uint64(id)), idKey(0, number)[1:]...)
}

// passkeysOf is the range of an account's passkeys.
func passkeysOf(id ident.AccountID) kv.Range {
	lo := idKey(keyPasskey, uint64(id))
	return kv.Range{Lo: lo, Hi: append(slices.Clone(lo), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)}
}

// credentialIDKey is where the passkey that an authenticator calls so is looked up: by a hash, since its name may be long.
func credentialIDKey(credential string) []byte {
	sum := sha256.Sum256([]byte(credential))
	return append([]byte{keyPasskeyAt}, sum[:]...)
}
