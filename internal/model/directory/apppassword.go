package directory

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base32"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// MaxAppPasswords is how many an account may have.
const MaxAppPasswords = 50

// MaxAppName is the longest name of an app password, in bytes.
const MaxAppName = 64

// AppPassword is a password for one program or device, which the server makes. It is random (125 bits), so
// that nobody guesses it: what is kept of it is a keyed hash, which costs a microsecond where a person's password needs argon2.
type AppPassword struct {
	ID   uint64 // never given again
	Name string // says to people which program it is for; unique in the account
	// Protocols are those that it opens: "imap", "managesieve", "pop3", "smtp"; empty: all.
	Protocols []string
	Created   time.Time
	Expires   time.Time // zero: never

	hash   string
	scram  scramSet
	sealed string
	keyed  ident.AccountID // the number that the hash is bound to, of an account that was restored under another; 0: its own
}

// keyedTo is the number that the hash is bound to, if the password is of account id.
func (a *AppPassword) keyedTo(id ident.AccountID) ident.AccountID { return cmp.Or(a.keyed, id) }

// NewAppPassword is an app password to be.
type NewAppPassword struct {
	Name      string
	Protocols []string // empty: all
	Expires   time.Time
}

// ScramKeys gives the keys for SCRAM with one function; ok is false if there are none.
func (a *AppPassword) ScramKeys(h ScramHash) (k ScramKeys, ok bool) { return a.scram.of(h) }

// Opens reports whether the password is good for a protocol at a time.
func (a *AppPassword) Opens(protocol string, now time.Time) bool {
	return (len(a.Protocols) == 0 || slices.Contains(a.Protocols, protocol)) && (a.Expires.IsZero() || now.Before(a.Expires))
}

// AppProtocols are what app passwords can be limited to.
func AppProtocols() []string { return []string{"imap", "managesieve", "pop3", "smtp"} }

// AddAppPassword makes an app password and gives its text, which is never told again. Errors: fault.Exists
// if the account has one of the name, fault.TooLarge if it has MaxAppPasswords, fault.NotFound, fault.Invalid.
func (d *Directory) AddAppPassword(ctx context.Context, id ident.AccountID, n NewAppPassword) (a AppPassword, text string, err error) {
	if err := n.check(d.now()); err != nil {
		return AppPassword{}, "", err
	}
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return AppPassword{}, "", err
	}
	if a, text, err = d.newAppPassword(p, n); err != nil {
		return AppPassword{}, "", err
	}
	err = d.update(ctx, func(tx kv.Tx) error {
		now, err := readProfile(tx, id)
		if err != nil {
			return err
		}
		if err := now.mayAdd(&a); err != nil {
			return err
		}
		if a.ID, err = nextID(tx); err != nil {
			return err
		}
		if err := d.notice(tx, id, AppPasswordAdded, a.Name); err != nil {
			return err
		}
		return tx.Set(appPasswordKey(id, a.ID), a.encode())
	})
	if err != nil {
		return AppPassword{}, "", err
	}
	return a, text, nil
}

func (n *NewAppPassword) check(now time.Time) error {
	switch {
	case n.Name == "" || len(n.Name) > MaxAppName || !utf8.ValidString(n.Name) || hasControl(n.Name):
		return fault.New(fault.Invalid, "an app password's name has 1 to %d bytes, and no control characters", MaxAppName)
	case !n.Expires.IsZero() && !n.Expires.After(now):
		return fault.New(fault.Invalid, "the app password would have expired already")
	}
	for _, p := range n.Protocols {
		if !slices.Contains(AppProtocols(), p) {
			return fault.New(fault.Invalid, "app passwords are for %s, not %q", strings.Join(AppProtocols(), ", "), p)
		}
	}
	return nil
}

// newAppPassword makes all but the number.
func (d *Directory) newAppPassword(p *Profile, n NewAppPassword) (a AppPassword, text string, err error) {
	raw := make([]byte, 16+saltSize)
	if _, err := io.ReadFull(d.rand, raw); err != nil {
		return a, "", fault.Wrap(fault.Internal, err, "no randomness")
	}
	text = appText(raw[:16])
	a = AppPassword{Name: n.Name, Protocols: slices.Compact(slices.Sorted(slices.Values(n.Protocols))),
		Created: d.stamp(), Expires: n.Expires.UTC().Truncate(time.Microsecond)}
	plain, _ := plainApp(text)
	a.hash = d.appHash(p.Account.ID, plain)
	like := p.anyScram()
	if like == nil {
		like = &scramSet{salt: string(raw[16:]), iterations: d.hasher.params.ScramIterations}
	}
	a.scram, a.sealed, err = d.hasher.keys(text, text, like)
	return a, text, err
}

// appLetters are base32's (RFC 4648 §6), small.
var appLetters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const appLength = 25

// appText writes a secret in fives: "abcde-fghij-klmno-pqrst-uvwxy".
func appText(secret []byte) string {
	s := appLetters.EncodeToString(secret)[:appLength]
	return strings.Join([]string{s[:5], s[5:10], s[10:15], s[15:20], s[20:]}, "-")
}

// plainApp takes away what people put into an app password: spaces, dashes, capitals. ok is false for what can be none.
func plainApp(text string) (plain string, ok bool) {
	var b [appLength]byte
	n := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case c == ' ' || c == '-':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '2' <= c && c <= '7':
		default:
			return "", false
		}
		if n == appLength {
			return "", false
		}
		b[n] = c
		n++
	}
	return string(b[:]), n == appLength
}

func (d *Directory) appHash(id ident.AccountID, plain string) string {
	return string(mac(d.appKey, string(idKey(keyApp, uint64(id)))+plain))
}

// MatchAppPassword finds the app password of p that a text is, in any spelling; nil if it is none. Whether it is good for
// what it is used for is another question: see Opens.
func (d *Directory) MatchAppPassword(p *Profile, text string) *AppPassword {
	plain, ok := plainApp(text)
	if !ok || p == nil || len(p.AppPasswords) == 0 {
		return nil
	}
	var hash string
	var keyed ident.AccountID
	for i := range p.AppPasswords {
		if to := p.AppPasswords[i].keyedTo(p.Account.ID); to != keyed {
			hash, keyed = d.appHash(to, plain), to
		}
		if subtle.ConstantTimeCompare([]byte(hash), []byte(p.AppPasswords[i].hash)) == 1 {
			return &p.AppPasswords[i]
		}
	}
	return nil
}

// PlainApp gives an app password itself, as Plain does.
func (d *Directory) PlainApp(a *AppPassword) (text string, ok bool) {
	if a.sealed == "" {
		return "", false
	}
	text, err := d.sealer.open(a.sealed, sealedPassword)
	return text, err == nil
}

// RemoveAppPassword removes the app password of a name; fault.NotFound if there is none. It returns what it was.
func (d *Directory) RemoveAppPassword(ctx context.Context, id ident.AccountID, name string) (a AppPassword, err error) {
	err = d.update(ctx, func(tx kv.Tx) error {
		all, err := getAppPasswords(tx, id)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(all, func(a AppPassword) bool { return a.Name == name })
		if at < 0 {
			return fault.New(fault.NotFound, "the account has no app password %q", name)
		}
		a = all[at]
		if err := d.notice(tx, id, AppPasswordRemoved, a.Name); err != nil {
			return err
		}
		return tx.Delete(appPasswordKey(id, a.ID))
	})
	return a, err
}

// mayAdd reports what speaks against one more.
func (p *Profile) mayAdd(a *AppPassword) error {
	switch {
	case p.Account.Shared:
		return errShared()
	case slices.ContainsFunc(p.AppPasswords, func(x AppPassword) bool { return x.Name == a.Name }):
		return fault.New(fault.Exists, "the account has an app password %q already", a.Name)
	case len(p.AppPasswords) >= MaxAppPasswords:
		return fault.New(fault.TooLarge, "an account has at most %d app passwords", MaxAppPasswords)
	}
	if s := p.anyScram(); s != nil && (s.salt != a.scram.salt || s.iterations != a.scram.iterations) {
		return fault.New(fault.Conflict, "the account's password has changed meanwhile, try again")
	}
	return nil
}

// sharedScram is the set whose salt and count the account's next password must have, since app passwords have them; nil: it is free.
func (p *Profile) sharedScram() *scramSet {
	if len(p.AppPasswords) == 0 {
		return nil
	}
	return &p.AppPasswords[0].scram
}

// anyScram is a set with the account's salt and count; nil: it has none yet.
func (p *Profile) anyScram() *scramSet {
	if p.Credential != nil {
		return &p.Credential.scram
	}
	return p.sharedScram()
}

// ScramSalt is the salt and count that all of the account's passwords have in SCRAM; ok is false if it has no password.
func (p *Profile) ScramSalt() (salt string, iterations int, ok bool) {
	s := p.anyScram()
	if s == nil {
		return "", 0, false
	}
	return s.salt, s.iterations, true
}

func (a *AppPassword) encode() []byte {
	expires := int64(0)
	if !a.Expires.IsZero() {
		expires = a.Expires.UnixMicro()
	}
	return newRecord(2).text(a.Name).texts(a.Protocols).time(a.Created).uint(uint64(expires)).
		text(a.hash).scram(&a.scram).text(a.sealed).uint(uint64(a.keyed))
}

// decodeAppPassword reads the record. Version 1 knew no accounts that were restored.
func decodeAppPassword(p kv.Pair) (AppPassword, error) {
	r := readRecord(p.Value, 2)
	if len(p.Key) != len(appPasswordKey(0, 0)) {
		return AppPassword{}, fault.New(fault.Corrupt, "directory: an app password's key can't be read")
	}
	a := AppPassword{ID: idOf(p.Key[6:]), Name: r.text(), Protocols: r.texts(), Created: r.time()}
	if expires := r.uint(); expires != 0 {
		a.Expires = time.UnixMicro(int64(expires)).UTC()
	}
	a.hash, a.scram, a.sealed = r.text(), r.scram(), r.text()
	if r.version >= 2 {
		a.keyed = ident.AccountID(r.uint())
	}
	if len(a.Protocols) == 0 {
		a.Protocols = nil
	}
	return a, r.end("app password")
}

func getAppPasswords(r kv.Reader, id ident.AccountID) ([]AppPassword, error) {
	var all []AppPassword
	for p, err := range r.Scan(appPasswordsOf(id)) {
		if err != nil {
			return nil, err
		}
		a, err := decodeAppPassword(p)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}
