package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/passkey"
	"postroad/internal/storage/kv"
)

// A browser in which somebody is signed in to our pages has a cookie: the account's number and a random secret. What belongs to it lies in
// the store, under a hash of the secret, so that it lasts over a restart, and can be listed and ended.
//
// A session ends by itself after PagesIdle without use and PagesLife after the sign-in; when the password changes; when two-step verification is turned on that it
// hasn't passed; with the passkey that has opened it; and with the account.

const (
	// PagesIdle is how long a page may be left alone, and PagesLife how long it is good for in all.
	PagesIdle = time.Hour
	PagesLife = 12 * time.Hour
	// ProofLife is how long ago somebody may have shown who they are who changes how they sign in.
	ProofLife = 10 * time.Minute

	// maxPages is how many browsers an account may be signed in in. One more ends the one that wasn't used for longest.
	maxPages = 50
	// seenEvery is how exactly it is known when a session was used.
	seenEvery = time.Minute
	// pagesSecret and pagesName are the sizes of a session's secret, and of its name in the store.
	pagesSecret = 24
	pagesName   = 16
)

// PagesPrefix begins the ID of every session of a browser, and of no other.
const PagesPrefix = "web-"

const keyPages = 's'

// Pages is a browser in which somebody is signed in to our pages.
type Pages struct {
	ID      string // names it; no secret
	Account ident.AccountID
	Address string // the account's
	Client  netip.Addr
	Program string // what the browser calls itself: untrusted text
	Key     Key
	// Setup: nothing but setting up two-step verification may be done.
	Setup               bool
	Since, Seen, Proved time.Time // Proved is when they showed last who they are

	version uint64 // of the password
	strong  bool   // there was a second step, or a passkey
	name    []byte // in the store
	secret  []byte
}

// Fresh reports whether somebody has shown who they are lately enough to change how they sign in.
func (s *Pages) Fresh(now time.Time) bool { return now.Sub(s.Proved) < ProofLife }

// Token is what the forms of a session's pages carry, so that other sites can't send them. use is a text of the caller's that sets it apart.
func (s *Pages) Token(use string) string {
	h := hmac.New(sha256.New, s.secret)
	io.WriteString(h, use)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// readyPages makes what pages need. It takes randomness: without it there are no passkeys, and no second steps.
func (e *Engine) readyPages() {
	var err error
	if e.halves, err = newHalves(e.rand); err == nil && e.options.Site != nil {
		e.challenges, err = passkey.NewChallenges(e.now, e.rand)
	}
	if err != nil {
		e.log.Error("passkeys can't be taken", "error", err)
		e.options.Site = nil
	}
}

// OpenPages begins a session for who has entered, and gives the cookie's value. program is what the browser calls itself. Errors: fault.Invalid
// if the entry is only half; fault.Unsupported without a store.
func (e *Engine) OpenPages(ctx context.Context, p Peer, entry Entry, program string) (cookie string, s Pages, err error) {
	if entry.Half != "" || entry.Identity.Account == 0 {
		return "", s, fault.New(fault.Invalid, "nobody has signed in")
	}
	if e.db == nil {
		return "", s, fault.New(fault.Unsupported, "no store for sessions")
	}
	now := e.now()
	s = Pages{Account: entry.Identity.Account, Client: p.Addr, Program: cut(program, maxProgram), Key: entry.Key, Setup: entry.Setup, Since: now, Proved: now,
		version: entry.version, strong: entry.strong}
	return e.keepPages(ctx, s, nil)
}

func cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "?") }

// RenewPages gives a session a new cookie, in place of the old one, when they have shown once more who they are. Errors as of Pages and
// OpenPages; fault.Denied if somebody else has entered.
func (e *Engine) RenewPages(ctx context.Context, s Pages, entry Entry) (cookie string, renewed Pages, err error) {
	if entry.Identity.Account != s.Account {
		return "", s, fault.New(fault.Denied, "that is another account")
	}
	old := s.name
	s.strong, s.Setup, s.Key, s.Proved = entry.strong, entry.Setup, entry.Key, e.now()
	return e.keepPages(ctx, s, old)
}

// RenewAfterPassword does so for the session in which the password was changed: it knows the new one. fault.Unauthenticated also if
// the password has changed once more meanwhile.
func (e *Engine) RenewAfterPassword(ctx context.Context, s Pages) (cookie string, renewed Pages, err error) {
	if s.version++; s.version == 1 { // it was the first password, or the first after an outside directory's
		p, err := e.dir.ProfileByID(ctx, s.Account)
		if err != nil {
			return "", s, err
		}
		s.version = versionOf(p)
	}
	return e.keepPages(ctx, s, s.name)
}

// RenewAfterTwoStep does so for the session in which two-step verification was turned on: it has passed it.
func (e *Engine) RenewAfterTwoStep(ctx context.Context, s Pages) (cookie string, renewed Pages, err error) {
	s.strong, s.Setup = true, false
	return e.keepPages(ctx, s, s.name)
}

// keepPages stores a session under a new secret, and forgets the one at old.
func (e *Engine) keepPages(ctx context.Context, s Pages, old []byte) (string, Pages, error) {
	p, err := e.dir.ProfileByID(ctx, s.Account)
	if err != nil {
		return "", s, err
	}
	if versionOf(p) != s.version { // somebody has changed the password since it was shown
		return "", s, errPages()
	}
	s.secret = make([]byte, pagesSecret)
	if _, err := io.ReadFull(e.rand, s.secret); err != nil {
		return "", s, fault.Wrap(fault.Internal, err, "no randomness")
	}
	s.Address, s.Seen = p.Account.Address, e.now()
	s.place()
	err = e.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if old == nil {
			if err := makeRoom(tx, s.Account); err != nil {
				return err
			}
		} else {
			_, there, err := tx.Get(pagesKey(s.Account, old))
			if err != nil {
				return err
			}
			if !there { // somebody has ended it meanwhile
				return errPages()
			}
			if err := tx.Delete(pagesKey(s.Account, old)); err != nil {
				return err
			}
		}
		return tx.Set(pagesKey(s.Account, s.name), s.encode())
	})
	cookie := append(binary.BigEndian.AppendUint64(nil, uint64(s.Account))[2:], s.secret...)
	return base64.RawURLEncoding.EncodeToString(cookie), s, err
}

// place finds the session's name in the store, and for people.
func (s *Pages) place() {
	sum := sha256.Sum256(s.secret)
	s.name = sum[:pagesName]
	s.ID = idOfPages(s.name)
}

// idOfPages is part of the name, which alone finds nothing.
func idOfPages(name []byte) string { return PagesPrefix + hex.EncodeToString(name[:6]) }

func errPages() error { return fault.New(fault.Unauthenticated, "nobody is signed in") }

// Pages finds the session of a cookie, and whose it is. fault.Unauthenticated: there is none, or it has ended.
func (e *Engine) Pages(ctx context.Context, cookie string) (s Pages, p *directory.Profile, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(b) != 6+pagesSecret || e.db == nil {
		return s, nil, errPages()
	}
	s.Account, s.secret = ident.AccountID(binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...))), b[6:]
	s.place()
	key := pagesKey(s.Account, s.name)
	err = e.db.View(ctx, Partition, func(r kv.Reader) error {
		v, ok, err := r.Get(key)
		if err == nil && !ok {
			err = errPages()
		}
		if err == nil {
			err = s.decode(v)
		}
		return err
	})
	if err != nil {
		return s, nil, err
	}
	p, err = e.dir.ProfileByID(ctx, s.Account)
	if fault.Is(err, fault.NotFound) || err == nil && !e.pagesHold(&s, p) {
		return s, nil, errPages()
	}
	if err != nil {
		return s, nil, err
	}
	s.Address = p.Account.Address
	s.Setup = e.options.RequireTwoStep && !p.TwoStep
	return s, p, e.seen(ctx, &s)
}

// pagesHold reports whether a session is good still.
func (e *Engine) pagesHold(s *Pages, p *directory.Profile) bool {
	now := e.now()
	return p.Account.Enabled && !p.Account.Shared && now.Before(s.ends()) && s.version == versionOf(p) && (s.strong || !p.TwoStep) &&
		(s.Key.Kind != Password || p.Credential != nil || p.Link != nil) &&
		(s.Key.Kind != Passkey || slices.ContainsFunc(p.Passkeys, func(k directory.Passkey) bool { return k.ID == s.Key.id }))
}

// ends is when a session ends by itself.
func (s *Pages) ends() time.Time {
	idle, whole := s.Seen.Add(PagesIdle), s.Since.Add(PagesLife)
	if idle.Before(whole) {
		return idle
	}
	return whole
}

// seen notes that a session is used. It may be lost in a crash.
func (e *Engine) seen(ctx context.Context, s *Pages) error {
	now := e.now()
	if now.Sub(s.Seen) < seenEvery {
		return nil
	}
	s.Seen = now
	key := pagesKey(s.Account, s.name)
	return e.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
		if _, there, err := tx.Get(key); err != nil || !there { // it was ended meanwhile
			return err
		}
		return tx.Set(key, s.encode())
	})
}

// ClosePages ends the session of a cookie, if there is one.
func (e *Engine) ClosePages(ctx context.Context, s Pages) error {
	return e.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Delete(pagesKey(s.Account, s.name)) })
}

// AllPages lists the sessions of an account, or with 0 of all, in the order of their beginning.
func (e *Engine) AllPages(ctx context.Context, account ident.AccountID) (list []Pages, err error) {
	if e.db == nil {
		return nil, nil
	}
	err = e.db.View(ctx, Partition, func(r kv.Reader) (err error) {
		list, err = scanPages(r, account)
		return err
	})
	held := list[:0]
	for _, s := range list {
		p, err := e.dir.ProfileByID(ctx, s.Account)
		if err == nil && e.pagesHold(&s, p) {
			s.Address = p.Account.Address
			held = append(held, s)
		}
	}
	slices.SortStableFunc(held, func(a, b Pages) int { return a.Since.Compare(b.Since) })
	return held, err
}

// EndPages ends the session of an account with an ID, or with "" all but the one at keep; the zero Pages keeps none. It returns how many there were.
func (e *Engine) EndPages(ctx context.Context, account ident.AccountID, id string, keep Pages) (ended int, err error) {
	if e.db == nil {
		return 0, nil
	}
	err = e.db.Update(ctx, Partition, func(tx kv.Tx) error {
		ended = 0
		all, err := scanPages(tx, account)
		if err != nil {
			return err
		}
		for _, s := range all {
			if id != "" && s.ID != id || bytes.Equal(s.name, keep.name) {
				continue
			}
			ended++
			if err := tx.Delete(pagesKey(s.Account, s.name)); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// forgetPages removes the sessions of an account that aren't good any more; of one that is gone (nil) all.
func (e *Engine) forgetPages(ctx context.Context, account ident.AccountID, p *directory.Profile) {
	if e.db == nil {
		return
	}
	err := e.db.Update(ctx, Partition, func(tx kv.Tx) error {
		all, err := scanPages(tx, account)
		for i := range all {
			if err == nil && (p == nil || !e.pagesHold(&all[i], p)) {
				err = tx.Delete(pagesKey(account, all[i].name))
			}
		}
		return err
	})
	if err != nil {
		e.log.ErrorContext(ctx, "browsers' sessions that have ended can't be forgotten", "account", account, "error", err)
	}
}

// makeRoom ends the session that wasn't used for longest, if there are as many as there may be.
func makeRoom(tx kv.Tx, account ident.AccountID) error {
	all, err := scanPages(tx, account)
	if err != nil || len(all) < maxPages {
		return err
	}
	oldest := slices.MinFunc(all, func(a, b Pages) int { return a.Seen.Compare(b.Seen) })
	return tx.Delete(pagesKey(account, oldest.name))
}

// tidyPages removes what has ended by itself.
func (e *Engine) tidyPages(ctx context.Context) error {
	var gone []write
	now := e.now()
	err := e.db.View(ctx, Partition, func(r kv.Reader) error {
		all, err := scanPages(r, 0)
		for _, s := range all {
			if !now.Before(s.ends()) {
				gone = append(gone, write{key: pagesKey(s.Account, s.name)})
			}
		}
		return err
	})
	for chunk := range slices.Chunk(gone, 1000) {
		if err == nil {
			err = e.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error { return apply(tx, chunk) })
		}
	}
	return err
}

func pagesKey(account ident.AccountID, name []byte) []byte {
	return append(append([]byte{keyPages}, binary.BigEndian.AppendUint64(nil, uint64(account))[2:]...), name...)
}

// scanPages reads the sessions of an account, or with 0 of all. What can't be read is passed over.
func scanPages(r kv.Reader, account ident.AccountID) (all []Pages, err error) {
	within := kv.Range{Lo: []byte{keyPages}, Hi: []byte{keyPages + 1}}
	if account != 0 {
		within = kv.Range{Lo: pagesKey(account, nil), Hi: pagesKey(account+1, nil)}
	}
	for p, err := range r.Scan(within) {
		if err != nil {
			return nil, err
		}
		var s Pages
		if len(p.Key) != 7+pagesName || s.decode(p.Value) != nil {
			continue
		}
		s.Account = ident.AccountID(binary.BigEndian.Uint64(append([]byte{0, 0}, p.Key[1:7]...)))
		s.name = slices.Clone(p.Key[7:])
		s.ID = idOfPages(s.name)
		all = append(all, s)
	}
	return all, nil
}

// encode writes a session: version, times, password's version, strong, client, program, key.
func (s *Pages) encode() []byte {
	b := []byte{1}
	for _, t := range []time.Time{s.Since, s.Seen, s.Proved} {
		b = binary.AppendVarint(b, t.UnixMicro())
	}
	b = binary.AppendUvarint(b, s.version)
	strong := uint64(0)
	if s.strong {
		strong = 1
	}
	b = binary.AppendUvarint(b, strong)
	addr, _ := s.Client.MarshalBinary()
	b = record.AppendString(record.AppendString(b, addr), s.Program)
	b = record.AppendString(record.AppendString(b, string(s.Key.Kind)), s.Key.Name)
	return binary.AppendUvarint(b, s.Key.id)
}

func (s *Pages) decode(v []byte) error {
	d := record.Decode(v, 1)
	for _, t := range []*time.Time{&s.Since, &s.Seen, &s.Proved} {
		*t = time.UnixMicro(d.Int()).UTC()
	}
	s.version, s.strong = d.Uint(), d.Uint() != 0
	addr := d.Bytes()
	s.Program = d.String()
	s.Key = Key{Kind: KeyKind(d.String()), Name: d.String(), id: d.Uint()}
	if d.Bad() || d.Rest() > 0 || s.Client.UnmarshalBinary(addr) != nil {
		return fault.New(fault.Corrupt, "a session can't be read")
	}
	return nil
}
