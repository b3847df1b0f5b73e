package directory

import (
	"cmp"
	"context"
	"encoding/base32"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Belongings is what a directory knows of an account beside its name and its credential, so that RestoreAccount of another one can
// give it back. It is a secret. What the account administered is not in it: that is given by somebody.
type Belongings struct {
	Address  string      `json:"address,omitempty"`  // that the account had
	Number   uint64      `json:"number,omitempty"`   // likewise
	Apps     [][]byte    `json:"apps,omitempty"`     // app passwords, as they are stored
	Passkeys [][]byte    `json:"passkeys,omitempty"` // likewise
	Codes    *SecondStep `json:"codes,omitempty"`    // two-step verification; nil: off
	Link     *Link       `json:"link,omitempty"`
	Ways     []Way       `json:"ways,omitempty"`
}

// SecondStep is an account's two-step verification.
type SecondStep struct {
	Since    time.Time       `json:"since"`
	Secret   string          `json:"secret,omitempty"`   // of the authenticator, base32; empty: passkeys alone
	Last     uint64          `json:"last,omitempty"`     // the last period whose code was used
	Recovery [][]byte        `json:"recovery,omitempty"` // hashes
	Keyed    ident.AccountID `json:"keyed,omitempty"`    // the number that these are bound to
}

// Kinds of a Way.
const (
	WayAlias    = "alias"
	WayMember   = "member"
	WayOwner    = "owner"
	WayCatchAll = "catch-all"
)

// Way is how mail, or a right, comes to an account.
type Way struct {
	Kind string `json:"kind"`
	From string `json:"from"` // the address of an alias or a group; of a catch-all the domain
	To   string `json:"to"`   // the account's address, as it was written there, or that of an alias which leads to it
	// Direct: To is the account's own.
	Direct bool `json:"direct,omitempty"`
	// Alone: an alias leads nowhere else. If it does later without the account, somebody else has got it.
	Alone bool `json:"alone,omitempty"`
}

// maxWays is how many ways Belongings looks for.
const maxWays = 10_000

// Returned says what RestoreAccount has given back.
type Returned struct {
	AppPasswords int   `json:"app_passwords,omitempty"`
	Passkeys     int   `json:"passkeys,omitempty"`
	TwoStep      bool  `json:"two_step,omitempty"`
	Ways         []Way `json:"ways,omitempty"`
	// Beside: the account that was backed up is there, and keeps what it signs in by and what leads to it.
	Beside bool `json:"beside,omitempty"`
	// Left says in sentences what could not come back.
	Left []string `json:"left,omitempty"`
}

// Belongings gathers what an account has; fault.NotFound.
func (d *Directory) Belongings(ctx context.Context, id ident.AccountID) (b Belongings, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		p, err := readProfile(r, id)
		if err != nil {
			return err
		}
		b = Belongings{Address: p.Account.Address, Number: uint64(id), Link: p.Link}
		for i := range p.AppPasswords {
			a := p.AppPasswords[i]
			a.keyed = a.keyedTo(id)
			b.Apps = append(b.Apps, a.encode())
		}
		for i := range p.Passkeys {
			b.Passkeys = append(b.Passkeys, p.Passkeys[i].encode())
		}
		if b.Codes, err = d.secondStep(r, id); err != nil {
			return err
		}
		b.Ways, err = waysTo(r, p.Account.Address)
		return err
	})
	return b, err
}

// secondStep reads an account's two-step verification; nil if it is off.
func (d *Directory) secondStep(r kv.Reader, id ident.AccountID) (*SecondStep, error) {
	t, err := getTwoStep(r, id)
	if err != nil || !t.on {
		return nil, err
	}
	s := &SecondStep{Since: t.since, Last: t.last}
	s.Keyed = cmp.Or(t.keyed, id)
	for _, h := range t.recovery {
		s.Recovery = append(s.Recovery, []byte(h))
	}
	if t.sealed != "" {
		s.Secret, err = d.sealer.open(t.sealed, sealedCodes)
		s.Secret = base32.StdEncoding.EncodeToString([]byte(s.Secret))
	}
	return s, err
}

// waysTo lists how mail comes to an account, from there outwards: ways to an alias stand behind the alias.
func waysTo(r kv.Reader, account string) ([]Way, error) {
	at, err := parseStored(account)
	if err != nil {
		return nil, err
	}
	var ways []Way
	seen := map[Address]bool{at.Fold(): true}
	for next := []Address{at.Fold()}; len(next) > 0; next = next[1:] {
		for _, kind := range []byte{keyRef, keyUse} {
			sources, err := referrers(r, kind, next[0], false)
			if err != nil {
				return nil, err
			}
			for _, s := range sources {
				w, err := wayFrom(r, kind, s, next[0])
				if err != nil {
					return nil, err
				}
				for i := range w {
					w[i].Direct = next[0] == at.Fold()
				}
				if ways = append(ways, w...); len(ways) > maxWays {
					return ways[:maxWays], nil
				}
				if len(w) > 0 && w[0].Kind == WayAlias && !seen[s] {
					seen[s] = true
					next = append(next, s)
				}
			}
		}
	}
	return ways, nil
}

// wayFrom describes how one source leads to an address; none if it doesn't.
func wayFrom(r kv.Reader, kind byte, source, to Address) (ways []Way, err error) {
	if source.Local == "" {
		dom, ok, err := getDomain(r, source.Domain)
		if err != nil || !ok {
			return nil, err
		}
		return waysOf(r, WayCatchAll, dom.Name, []string{dom.CatchAll}, to)
	}
	e, ok, err := getEntry(r, source)
	switch {
	case err != nil || !ok:
		return nil, err
	case e.kind == isAlias:
		return waysOf(r, WayAlias, e.written, e.targets, to)
	case e.kind != isGroup:
		return nil, nil
	}
	g, err := getGroup(r, ident.GroupID(e.id))
	if err != nil {
		return nil, err
	}
	if kind == keyUse {
		return waysOf(r, WayOwner, g.Address, g.Owners, to)
	}
	return waysOf(r, WayMember, g.Address, g.Members, to)
}

func waysOf(r kv.Reader, kind, from string, targets []string, to Address) (ways []Way, err error) {
	for _, s := range targets {
		a, err := Parse(s)
		if err != nil {
			continue // no catch-all
		}
		if leads, err := leadsTo(r, a.Fold(), to); err != nil {
			return nil, err
		} else if leads {
			ways = append(ways, Way{Kind: kind, From: from, To: s, Alone: kind == WayAlias && len(targets) == 1})
		}
	}
	return ways, nil
}

// RestoreAccount is AddAccount for one that was backed up: with the credential it had, if any, and with its belongings, under a
// new number. same: they are of this installation; what is keyed by another's secret can't come. If the account itself is there still, this one gets
// neither: what was revoked since the backup, for a lost phone perhaps, would open it.
func (d *Directory) RestoreAccount(ctx context.Context, n NewAccount, enabled bool, credential []byte, b Belongings, same bool) (acc Account, back Returned, err error) {
	a, err := parseOwn(n.Address)
	if err != nil {
		return acc, back, err
	}
	if err := checkNew(n); err != nil {
		return acc, back, err
	}
	var cred *Credential
	if len(credential) > 0 {
		if cred, err = decodeCredential(credential); err != nil {
			return acc, back, err
		}
	}
	err = d.update(ctx, func(tx kv.Tx) (err error) {
		cred, b := cred, b
		back = Returned{}
		if back.Beside, err = stillThere(tx, b, same); err != nil {
			return err
		}
		if back.Beside {
			cred, b = nil, Belongings{}
			back.Left = []string{"what it signs in by, and what leads to it: the account in the backup is there"}
		}
		if acc, err = d.addAccount(tx, a, n, cred); err != nil {
			return err
		}
		if acc.Enabled = acc.Enabled && enabled; !acc.Enabled {
			if err := tx.Set(accountKey(acc.ID), acc.encode()); err != nil {
				return err
			}
		}
		u := unpacker{d: d, tx: tx, acc: acc, at: a, same: same, back: back}
		err = u.unpack(b)
		back = u.back
		return err
	})
	return acc, back, err
}

// stillThere reports whether the account is there whose belongings these are: by its address, or by its number and another address.
func stillThere(r kv.Reader, b Belongings, same bool) (bool, error) {
	if a, err := Parse(b.Address); err == nil {
		_, err := ownEntry(r, a)
		if !fault.Is(err, fault.NotFound) {
			return err == nil, err
		}
	}
	if !same || b.Number == 0 {
		return false, nil
	}
	_, err := getAccount(r, ident.AccountID(b.Number))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// unpacker gives an account its belongings.
type unpacker struct {
	d    *Directory
	tx   kv.Tx
	acc  Account
	at   Address
	same bool
	back Returned
}

func (u *unpacker) left(format string, args ...any) {
	u.back.Left = append(u.back.Left, fault.TextOf(fault.New(fault.Invalid, format, args...)))
}

func (u *unpacker) unpack(b Belongings) error {
	for _, step := range []func(Belongings) error{u.link, u.apps, u.passkeys, u.codes, u.ways} {
		if err := step(b); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) link(b Belongings) error {
	if b.Link == nil || u.acc.HasPassword {
		return nil
	}
	if err := b.Link.check(); err != nil {
		return err
	}
	err := setLink(u.tx, Linked{uint64(u.acc.ID), false, *b.Link})
	if fault.Is(err, fault.Exists) {
		u.left("its entry in %s belongs to another account now", b.Link.Source)
		return nil
	}
	return err
}

func (u *unpacker) apps(b Belongings) error {
	if !u.same && len(b.Apps) > 0 {
		u.left("app passwords (%d) of another installation: make new ones", len(b.Apps))
		return nil
	}
	for _, record := range b.Apps[:min(len(b.Apps), MaxAppPasswords)] {
		a, err := decodeAppPassword(kv.Pair{Key: appPasswordKey(0, 0), Value: record})
		if err != nil {
			return err
		}
		if a.ID, err = nextID(u.tx); err != nil {
			return err
		}
		if err := u.tx.Set(appPasswordKey(u.acc.ID, a.ID), a.encode()); err != nil {
			return err
		}
		u.back.AppPasswords++
	}
	return nil
}

func (u *unpacker) passkeys(b Belongings) error {
	var have []Passkey
	for _, record := range b.Passkeys[:min(len(b.Passkeys), MaxPasskeys)] {
		k, err := decodePasskey(kv.Pair{Key: passkeyKey(0, 0), Value: record})
		if err != nil {
			return err
		}
		if err := k.fits(u.tx, have); fault.Is(err, fault.Exists) {
			u.left("the passkey %q, which another account has", k.Name)
			continue
		} else if err != nil {
			return err
		}
		if k.ID, err = nextID(u.tx); err != nil {
			return err
		}
		if err := u.tx.Set(credentialIDKey(k.Credential), passkeyKey(u.acc.ID, k.ID)[1:]); err != nil {
			return err
		}
		if err := u.tx.Set(passkeyKey(u.acc.ID, k.ID), k.encode()); err != nil {
			return err
		}
		have = append(have, k)
		u.back.Passkeys++
	}
	return nil
}

func (u *unpacker) codes(b Belongings) error {
	if b.Codes == nil {
		return nil
	}
	// A code that was used since the backup is not good again.
	t := twoStep{on: true, since: b.Codes.Since, last: max(b.Codes.Last, codeStep(u.d.now()))}
	if b.Codes.Secret != "" {
		secret, err := base32.StdEncoding.DecodeString(b.Codes.Secret)
		if err == nil {
			t.sealed, err = u.d.sealer.seal(string(secret), sealedCodes)
		}
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "the secret of an authenticator can't be read")
		}
	}
	if u.same {
		t.keyed = b.Codes.Keyed
		for _, h := range b.Codes.Recovery {
			t.recovery = append(t.recovery, string(h))
		}
	} else if len(b.Codes.Recovery) > 0 {
		u.left("recovery codes of another installation: make new ones")
	}
	u.back.TwoStep = true
	return u.tx.Set(twoStepKey(u.acc.ID), t.encode())
}

// ways gives back what led to the account. An alias is made again if it is gone, as it is when the account was all it led to.
func (u *unpacker) ways(b Belongings) error {
	if len(b.Ways) == 0 {
		return nil
	}
	was, err := Parse(b.Address)
	if err != nil {
		return err
	}
	made := map[Address]bool{}
	for _, w := range b.Ways[:min(len(b.Ways), maxWays)] {
		to, err := Parse(w.To)
		if err != nil {
			return err
		}
		if w.Direct && was.Fold() != u.at.Fold() {
			to = u.at
		}
		if !w.Direct && !made[to.Fold()] {
			continue // the alias is there: who took it from what led to it had a reason
		}
		w.To = to.String()
		done, err := u.way(w, to, made)
		if err != nil {
			return err
		}
		if done {
			u.back.Ways = append(u.back.Ways, w)
		}
	}
	return nil
}

// way makes one way, and reports whether it wasn't there.
func (u *unpacker) way(w Way, to Address, made map[Address]bool) (bool, error) {
	if w.Kind == WayCatchAll {
		return u.catchAll(w.From, to)
	}
	from, err := parseOwn(w.From)
	if err != nil || from.Fold() == u.at.Fold() {
		return false, err
	}
	e, ok, err := getEntry(u.tx, from.Fold())
	switch {
	case err != nil:
		return false, err
	case w.Kind == WayAlias && !ok:
		made[from.Fold()] = true
		return u.alias(from, to)
	case w.Kind == WayAlias && e.kind == isAlias && w.Alone && !made[from.Fold()] && !containsAddress(e.targets, to.Fold()):
		u.left("the alias %s, which is somebody else's now", from)
		return false, nil
	case w.Kind == WayAlias && e.kind == isAlias:
		var added bool
		e.targets, added, err = u.join(keyRef, from, e.targets, to, MaxTargets)
		if err != nil || !added {
			return false, err
		}
		return true, u.tx.Set(entryKey(from.Fold()), e.encode())
	case ok && e.kind == isGroup && (w.Kind == WayMember || w.Kind == WayOwner):
		return u.group(w.Kind, from, e, to)
	}
	u.left("%s, which is not what it was", w.From)
	return false, nil
}

// alias makes an alias that is gone.
func (u *unpacker) alias(from, to Address) (bool, error) {
	_, ours, err := getDomain(u.tx, from.Domain)
	if err != nil {
		return false, err
	}
	if !ours {
		u.left("the alias %s, whose domain is gone", from)
		return false, nil
	}
	if err := claim(u.tx, from, entry{kind: isAlias, targets: []string{to.String()}}); err != nil {
		return false, err
	}
	return true, pair(u.tx, keyRef, from, []Address{to})
}

func (u *unpacker) group(kind string, from Address, e entry, to Address) (added bool, err error) {
	err = changeStored(u.tx, e, func(g *Group) (err error) {
		if kind == WayOwner {
			g.Owners, added, err = u.join(keyUse, from, g.Owners, to, MaxOwners)
		} else {
			g.Members, added, err = u.join(keyRef, from, g.Members, to, MaxMembers)
		}
		return err
	})
	return added, err
}

// join adds a target to those of a source, if it isn't there and there is room.
func (u *unpacker) join(kind byte, source Address, targets []string, to Address, most int) ([]string, bool, error) {
	if containsAddress(targets, to.Fold()) {
		return targets, false, nil
	}
	if len(targets) >= most {
		u.left("%s, which is full", source)
		return targets, false, nil
	}
	return append(slices.Clone(targets), to.String()), true, pair(u.tx, kind, source, []Address{to})
}

func (u *unpacker) catchAll(domain string, to Address) (bool, error) {
	dom, ok, err := getDomain(u.tx, domain)
	if err != nil || !ok || dom.CatchAll != "" {
		return false, err
	}
	if err := dom.setCatchAll(u.tx, to.String()); err != nil {
		return false, err
	}
	return true, u.tx.Set(domainKey(domain), dom.encode())
}
