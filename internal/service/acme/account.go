package acme

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"path"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"postroad/internal/fault"
)

// accountFile is where our account with an authority is kept; its key lies beside it.
func (i *issuer) accountFile(ext string) string {
	return path.Join("acme", i.IssuerKey(), "account"+ext)
}

// account is ours with the authority; it is made when first needed (RFC 8555 §7.3).
func (i *issuer) account(ctx context.Context) (acme.Account, error) {
	i.opening.Lock()
	defer i.opening.Unlock()
	if i.known.Location != "" {
		return i.known, nil
	}
	lock := "account_" + i.IssuerKey()
	if err := i.storage.Lock(ctx, lock); err != nil {
		return acme.Account{}, err
	}
	defer i.storage.Unlock(ctx, lock)
	a, err := i.loadAccount(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = i.register(ctx)
	}
	if err == nil {
		i.known = a
	}
	return a, err
}

func (i *issuer) loadAccount(ctx context.Context) (a acme.Account, err error) {
	text, err := i.storage.Load(ctx, i.accountFile(".json"))
	if err != nil {
		return a, err
	}
	key, err := i.storage.Load(ctx, i.accountFile(".key"))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fault.Wrap(fault.Corrupt, err, "acme: stored account")
	}
	a.PrivateKey, err = certmagic.PEMDecodePrivateKey(key)
	return a, err
}

// register makes an account. The terms were accepted in the settings.
func (i *issuer) register(ctx context.Context) (acme.Account, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return acme.Account{}, err
	}
	a := acme.Account{TermsOfServiceAgreed: true, PrivateKey: key}
	if i.o.Contact != "" {
		a.Contact = []string{"mailto:" + i.o.Contact}
	}
	if i.o.EAB != nil {
		if err := a.SetExternalAccountBinding(ctx, i.client.Client, acme.EAB{KeyID: i.o.EAB.KeyID, MACKey: i.o.EAB.MACKey}); err != nil {
			return a, err
		}
	}
	if a, err = i.client.NewAccount(ctx, a); err != nil {
		return a, err
	}
	i.log.Info("made an account with the certificate authority", "authority", i.o.Directory, "account", a.Location)
	return a, i.saveAccount(ctx, a, key)
}

func (i *issuer) saveAccount(ctx context.Context, a acme.Account, key crypto.PrivateKey) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	secret, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		return err
	}
	if err := i.storage.Store(ctx, i.accountFile(".key"), secret); err != nil {
		return err
	}
	return i.storage.Store(ctx, i.accountFile(".json"), text)
}

// forgetAccount has the next request make a new account: the authority doesn't know the old one any more.
func (i *issuer) forgetAccount(ctx context.Context) error {
	i.opening.Lock()
	defer i.opening.Unlock()
	i.known = acme.Account{}
	return i.storage.Delete(ctx, i.accountFile(".json"))
}
