package directory

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base32"
	"io"
	"net/url"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Two-step verification: once it is on, the password alone opens nothing. Where people sign in by hand, a code of their
// authenticator (TOTP, RFC 6238), a passkey or a recovery code is asked for too; mail programs, which can't ask, need an app password.

// recoveryCodes is how many are given at a time.
const recoveryCodes = 10

// TwoStep says how an account's two-step verification stands.
type TwoStep struct {
	On       bool
	Codes    bool      // it takes codes of an authenticator; else passkeys, and recovery codes, alone
	Pending  bool      // a secret was given out, but no code of it has been seen yet
	Since    time.Time // when it was turned on; zero if it isn't
	Recovery int       // recovery codes that are left
}

// Enrolment is what an authenticator needs. It is told once.
type Enrolment struct {
	Secret string // base32
	URL    string // otpauth://, which programs show as a QR code
}

// twoStep is the record.
type twoStep struct {
	on       bool
	since    time.Time       // of the last change
	sealed   string          // the secret; "": none
	fresh    string          // a secret that no code was seen of yet; "": none
	last     uint64          // the last period whose code was used
	recovery []string        // keyed hashes
	keyed    ident.AccountID // the number that these are bound to, if the account was restored from another; 0: its own

	news []NoticeKind // what a change makes that the owner is to be told; not stored
}

// TwoStep tells how an account's two-step verification stands; fault.NotFound.
func (d *Directory) TwoStep(ctx context.Context, id ident.AccountID) (TwoStep, error) {
	var s TwoStep
	err := d.view(ctx, func(r kv.Reader) error {
		if _, err := getAccount(r, id); err != nil {
			return err
		}
		t, err := getTwoStep(r, id)
		s = TwoStep{On: t.on, Codes: t.on && t.sealed != "", Pending: t.fresh != "", Recovery: len(t.recovery)}
		if t.on {
			s.Since = t.since
		}
		return err
	})
	return s, err
}

// EnrolTwoStep begins: it makes a secret for an authenticator. Two-step verification is on once ConfirmTwoStep has seen a code of it.
// issuer is what the authenticator calls us. fault.Conflict if it is on already, and takes codes.
func (d *Directory) EnrolTwoStep(ctx context.Context, id ident.AccountID, issuer string) (Enrolment, error) {
	return d.enrol(ctx, id, issuer, false)
}

// ReplaceAuthenticator is EnrolTwoStep also for who has an authenticator already: codes of that are good until ConfirmTwoStep has seen
// one of the new.
func (d *Directory) ReplaceAuthenticator(ctx context.Context, id ident.AccountID, issuer string) (Enrolment, error) {
	return d.enrol(ctx, id, issuer, true)
}

func (d *Directory) enrol(ctx context.Context, id ident.AccountID, issuer string, replace bool) (Enrolment, error) {
	secret := make([]byte, codeSecret)
	if _, err := io.ReadFull(d.rand, secret); err != nil {
		return Enrolment{}, fault.Wrap(fault.Internal, err, "no randomness")
	}
	sealed, err := d.sealer.seal(string(secret), sealedCodes)
	if err != nil {
		return Enrolment{}, err
	}
	acc, err := d.changeTwoStep(ctx, id, func(t *twoStep) error {
		if t.on && t.sealed != "" && !replace {
			return fault.New(fault.Conflict, "two-step verification is on already")
		}
		if !t.on {
			t.since = d.stamp()
		}
		t.fresh = sealed
		return nil
	})
	if err != nil {
		return Enrolment{}, err
	}
	text := base32.StdEncoding.EncodeToString(secret)
	return Enrolment{Secret: text, URL: EnrolURL(issuer, acc.Address, text)}, nil
}

// sealedCodes is what sealed secrets of codes are bound to.
const sealedCodes = "totp"

// EnrolURL is what an authenticator reads, in the form that authenticators agree upon: otpauth://totp/ISSUER:ACCOUNT?secret=...&issuer=ISSUER.
func EnrolURL(issuer, account, secret string) string {
	label := url.PathEscape(issuer) + ":" + url.PathEscape(account)
	return "otpauth://totp/" + label + "?secret=" + secret + "&issuer=" + url.QueryEscape(issuer) + "&algorithm=SHA1&digits=6&period=30"
}

// ConfirmTwoStep turns two-step verification on, since the authenticator gives the right code, and returns recovery codes,
// which are told once; none if it was on already, by passkeys or another authenticator. Errors: fault.Unauthenticated for a wrong code,
// fault.Conflict if nothing was begun.
func (d *Directory) ConfirmTwoStep(ctx context.Context, id ident.AccountID, code string) ([]string, error) {
	codes, hashes, err := d.newRecoveryCodes(id)
	if err != nil {
		return nil, err
	}
	_, err = d.changeTwoStep(ctx, id, func(t *twoStep) error {
		if t.fresh == "" {
			return fault.New(fault.Conflict, "two-step verification is on already, or was not begun")
		}
		begun := twoStep{sealed: t.fresh}
		if right, err := d.useCode(&begun, code); err != nil || !right {
			return wrongCode(err)
		}
		t.sealed, t.last, t.fresh = begun.sealed, begun.last, ""
		if t.on {
			codes, t.news = nil, []NoticeKind{AuthenticatorSet}
			return nil
		}
		t.news = []NoticeKind{TwoStepTurnedOn}
		t.on, t.since, t.recovery, t.keyed = true, d.stamp(), hashes, 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// StartTwoStep turns two-step verification on for an account whose passkeys are its second step, and returns recovery codes,
// which are told once. fault.Conflict if it is on already, or the account has no passkey.
func (d *Directory) StartTwoStep(ctx context.Context, id ident.AccountID) ([]string, error) {
	codes, hashes, err := d.newRecoveryCodes(id)
	if err != nil {
		return nil, err
	}
	err = d.update(ctx, func(tx kv.Tx) error {
		t, err := d.withPasskeys(tx, id)
		if err != nil {
			return err
		}
		if t.on {
			return fault.New(fault.Conflict, "two-step verification is on already")
		}
		if err := d.notice(tx, id, TwoStepTurnedOn, ""); err != nil {
			return err
		}
		return tx.Set(twoStepKey(id), (&twoStep{on: true, since: d.stamp(), recovery: hashes}).encode())
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// RemoveAuthenticator leaves passkeys alone as the second step: codes of the authenticator are good no more. fault.Conflict if two-step
// verification is off, or the account has no passkey.
func (d *Directory) RemoveAuthenticator(ctx context.Context, id ident.AccountID) error {
	return d.update(ctx, func(tx kv.Tx) error {
		t, err := d.withPasskeys(tx, id)
		if err != nil {
			return err
		}
		if !t.on {
			return fault.New(fault.Conflict, "two-step verification is not on")
		}
		t.sealed, t.fresh, t.last = "", "", 0
		if err := d.notice(tx, id, AuthenticatorRemoved, ""); err != nil {
			return err
		}
		return tx.Set(twoStepKey(id), t.encode())
	})
}

// withPasskeys reads the record of an account that has a passkey.
func (d *Directory) withPasskeys(tx kv.Tx, id ident.AccountID) (twoStep, error) {
	if _, err := getAccount(tx, id); err != nil {
		return twoStep{}, err
	}
	keys, err := getPasskeys(tx, id)
	if err == nil && len(keys) == 0 {
		err = fault.New(fault.Conflict, "the account has no passkey")
	}
	if err != nil {
		return twoStep{}, err
	}
	return getTwoStep(tx, id)
}

// UseCode takes a code of the account's authenticator, or a recovery code. Each is good once. Errors: fault.Unauthenticated for a
// wrong one, fault.Conflict if two-step verification isn't on. Whoever asks has to slow guessers down.
func (d *Directory) UseCode(ctx context.Context, id ident.AccountID, code string) error {
	_, err := d.changeTwoStep(ctx, id, func(t *twoStep) error {
		if !t.on {
			return fault.New(fault.Conflict, "two-step verification is not on")
		}
		right, err := d.useCode(t, code)
		if err == nil && !right {
			if right = t.useRecovery(d.recoveryHash(cmp.Or(t.keyed, id), code)); right {
				t.news = []NoticeKind{RecoveryCodeUsed}
			}
		}
		if err != nil || !right {
			return wrongCode(err)
		}
		return nil
	})
	return err
}

// RenewRecoveryCodes makes new recovery codes in place of the old ones; fault.Conflict if two-step verification isn't on.
func (d *Directory) RenewRecoveryCodes(ctx context.Context, id ident.AccountID) ([]string, error) {
	codes, hashes, err := d.newRecoveryCodes(id)
	if err != nil {
		return nil, err
	}
	_, err = d.changeTwoStep(ctx, id, func(t *twoStep) error {
		if !t.on {
			return fault.New(fault.Conflict, "two-step verification is not on")
		}
		t.recovery, t.keyed, t.news = hashes, 0, []NoticeKind{RecoveryCodesRenewed}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// EndTwoStep turns two-step verification off, and forgets the secret and the recovery codes.
func (d *Directory) EndTwoStep(ctx context.Context, id ident.AccountID) error {
	_, err := d.changeTwoStep(ctx, id, func(t *twoStep) error {
		var news []NoticeKind
		if t.on {
			news = []NoticeKind{TwoStepTurnedOff}
		}
		*t = twoStep{news: news}
		return nil
	})
	return err
}

func wrongCode(err error) error {
	if err != nil {
		return err
	}
	return fault.New(fault.Unauthenticated, "the code is wrong, or was used before")
}

// changeTwoStep changes an account's record; an empty one is removed.
func (d *Directory) changeTwoStep(ctx context.Context, id ident.AccountID, fn func(*twoStep) error) (acc Account, err error) {
	err = d.update(ctx, func(tx kv.Tx) error {
		if acc, err = getAccount(tx, id); err != nil {
			return err
		}
		t, err := getTwoStep(tx, id)
		if err != nil {
			return err
		}
		if err := fn(&t); err != nil {
			return err
		}
		for _, kind := range t.news {
			if err := d.notice(tx, id, kind, ""); err != nil {
				return err
			}
		}
		if !t.on && t.fresh == "" {
			return tx.Delete(twoStepKey(id))
		}
		return tx.Set(twoStepKey(id), t.encode())
	})
	return acc, err
}

// useCode takes a code of the authenticator, with or without a space in it.
func (d *Directory) useCode(t *twoStep, code string) (bool, error) {
	if t.sealed == "" {
		return false, nil
	}
	secret, err := d.sealer.open(t.sealed, sealedCodes)
	if err != nil {
		return false, err
	}
	step, ok := findCode(secret, strings.ReplaceAll(code, " ", ""), d.now(), t.last)
	if ok {
		t.last = step
	}
	return ok, nil
}

func (t *twoStep) useRecovery(hash string) bool {
	for i, h := range t.recovery {
		if subtle.ConstantTimeCompare([]byte(h), []byte(hash)) == 1 {
			t.recovery = append(t.recovery[:i:i], t.recovery[i+1:]...)
			return true
		}
	}
	return false
}

// newRecoveryCodes makes codes of 50 bits, written "abcde-fghij", and what is kept of them.
func (d *Directory) newRecoveryCodes(id ident.AccountID) (codes, hashes []string, err error) {
	for range recoveryCodes {
		raw := make([]byte, 10)
		if _, err := io.ReadFull(d.rand, raw); err != nil {
			return nil, nil, fault.Wrap(fault.Internal, err, "no randomness")
		}
		s := appLetters.EncodeToString(raw)
		code := s[:5] + "-" + s[5:10]
		codes, hashes = append(codes, code), append(hashes, d.recoveryHash(id, code))
	}
	return codes, hashes, nil
}

func (d *Directory) recoveryHash(id ident.AccountID, code string) string {
	plain := strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(code))
	return string(mac(d.appKey, string(idKey(keyTwoStep, uint64(id)))+plain))
}

func (t *twoStep) encode() []byte {
	return newRecord(3).bool(t.on).time(t.since).text(t.sealed).uint(t.last).texts(t.recovery).text(t.fresh).uint(uint64(t.keyed))
}

// decodeTwoStep reads the record. In version 1 the secret was fresh until two-step verification was on; version 2 knew
// no accounts that were restored.
func decodeTwoStep(value []byte) (twoStep, error) {
	r := readRecord(value, 3)
	t := twoStep{on: r.bool(), since: r.time(), sealed: r.text(), last: r.uint(), recovery: r.texts()}
	if r.version >= 2 {
		t.fresh = r.text()
	} else if !t.on {
		t.sealed, t.fresh = "", t.sealed
	}
	if r.version >= 3 {
		t.keyed = ident.AccountID(r.uint())
	}
	return t, r.end("two-step")
}

func getTwoStep(r kv.Reader, id ident.AccountID) (twoStep, error) {
	v, ok, err := r.Get(twoStepKey(id))
	if err != nil || !ok {
		return twoStep{}, err
	}
	return decodeTwoStep(v)
}
