package inbound

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// AccountLimits bound what one account may send. 0 means the default, which a person never reaches; below 0 there is no limit.
type AccountLimits struct {
	// MessagesPerHour and MessagesPerDay count messages: 500 and 2,000.
	MessagesPerHour, MessagesPerDay int
	// RecipientsPerHour and RecipientsPerDay count recipients: 2,000 and 5,000.
	RecipientsPerHour, RecipientsPerDay int
	// NewRecipientsPerDay counts those that the account had not written to before: 1,000.
	NewRecipientsPerDay int
	// Refused is how many recipients a day may be refused, here or elsewhere, before their share counts: 100. If then it is
	// RefusedPercent or more, 30, the account is held.
	Refused, RefusedPercent int
}

func (l AccountLimits) withDefaults() AccountLimits {
	for n, def := range map[*int]int{
		&l.MessagesPerHour: 500, &l.MessagesPerDay: 2000, &l.RecipientsPerHour: 2000, &l.RecipientsPerDay: 5000,
		&l.NewRecipientsPerDay: 1000, &l.Refused: 100, &l.RefusedPercent: 30,
	} {
		if *n == 0 {
			*n = def
		}
	}
	return l
}

// AccountOptions are what Accounts are made of.
type AccountOptions struct {
	// DB is required.
	DB     kv.DB
	Limits AccountLimits
	// Authors is whom all may name as authors who have no rule of their own; Names tells whose an address is. nil: nobody looks at authors.
	Authors Authors
	Names   Names
	// Now tells the time; nil for time.Now.
	Now func() time.Time
	// Logger hears of accounts that send too much; nil: nobody does.
	Logger *slog.Logger
}

// Accounts know how much people have sent, and say when it is too much: as a rule somebody else uses their password then.
// What they know outlasts a restart. They are safe for concurrent use.
type Accounts struct {
	db      kv.DB
	limits  AccountLimits
	authors Authors
	names   Names
	now     func() time.Time
	log     *slog.Logger

	limited, held                           atomic.Uint64
	refusedRate, refusedHeld, refusedAuthor atomic.Uint64
}

// NewAccounts makes Accounts.
func NewAccounts(o AccountOptions) *Accounts {
	a := &Accounts{db: o.DB, limits: o.Limits.withDefaults(), authors: o.Authors, names: o.Names, now: o.Now, log: o.Logger}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.authors == AuthorsDefault {
		a.authors = AuthorsLocal
	}
	return a
}

// AccountStats are totals since Accounts were made.
type AccountStats struct {
	// Limited counts accounts that came to a limit, each once a day at most; Held those that were held.
	Limited, Held uint64
	// Refused counts refusals by reason: AccountRate, AccountHeld and Author.
	Refused map[Reason]uint64
}

// Stats returns the counts.
func (a *Accounts) Stats() AccountStats {
	return AccountStats{a.limited.Load(), a.held.Load(), map[Reason]uint64{AccountRate: a.refusedRate.Load(), AccountHeld: a.refusedHeld.Load(), Author: a.refusedAuthor.Load()}}
}

// Sending is one connection of somebody who has signed in. It is not safe for concurrent use.
type Sending struct {
	all *Accounts
	who ident.Identity
	// begun: the message has a recipient, and was counted with it.
	begun bool
	// authors is the account's own rule, as it was when the message began; check is that of the message.
	authors Authors
	check   AuthorCheck
}

// Begin begins a connection.
func (a *Accounts) Begin(who ident.Identity) *Sending { return &Sending{all: a, who: who} }

// Mail begins a message. Errors: a Refusal, and what the store may fail with.
func (s *Sending) Mail(ctx context.Context, _ string) error {
	s.begun = false
	return s.all.change(ctx, s.who, func(tx kv.Tx, c *account) (changed bool, err error) {
		if s.authors, err = readAuthors(tx, s.who.Account); err != nil {
			return false, err
		}
		if c.over(tally{messages: 1}, &s.all.limits) == "" && c.held.IsZero() {
			return false, nil
		}
		return s.all.refuse(s.who, c, tally{messages: 1})
	})
}

// Found counts a recipient, which the message is for if found; else there is no such mailbox here. Errors as Mail's.
func (s *Sending) Found(ctx context.Context, address string, found bool) error {
	if !found {
		return s.all.fail(ctx, s.who, tally{recipients: 1, refused: 1})
	}
	return s.all.change(ctx, s.who, func(tx kv.Tx, c *account) (bool, error) {
		more := tally{recipients: 1}
		if !s.begun {
			more.messages = 1
		}
		key := toKey(s.who.Account, addressHash(address))
		fresh, err := s.all.meet(tx, c, key)
		if err != nil {
			return false, err
		}
		more.fresh = fresh
		if !c.held.IsZero() || c.over(more, &s.all.limits) != "" {
			return s.all.refuse(s.who, c, more)
		}
		c.now().add(more)
		c.known += fresh
		s.begun = true
		return true, tx.Set(key, today(s.all.now()))
	})
}

// Count counts a message to some recipients that an account's filter sends, as Mail and Found do one that its owner hands in. Errors as theirs.
func (a *Accounts) Count(ctx context.Context, who ident.Identity, to []string) error {
	s := a.Begin(who)
	if err := s.Mail(ctx, ""); err != nil {
		return err
	}
	for _, address := range to {
		if err := s.Found(ctx, address, true); err != nil {
			return err
		}
	}
	return nil
}

// maxKnown is how many addresses are remembered of an account. Beyond it none is new any more: the other limits have to do.
const maxKnown = 50_000

// meet tells whether an address is new to an account: 1 or 0.
func (a *Accounts) meet(tx kv.Tx, c *account, key []byte) (uint64, error) {
	_, known, err := tx.Get(key)
	if err != nil || known || c.known >= maxKnown {
		return 0, err
	}
	return 1, nil
}

// Bounced counts recipients elsewhere that have refused an account's mail.
func (a *Accounts) Bounced(ctx context.Context, id ident.AccountID, n int) error {
	return a.fail(ctx, ident.Identity{Account: id}, tally{refused: uint64(max(n, 0))}) // as recipients they were counted when they were taken
}

// fail counts recipients that were refused. It never is an error that there are too many: the next message will be.
func (a *Accounts) fail(ctx context.Context, who ident.Identity, more tally) error {
	held := false
	err := a.change(ctx, who, func(_ kv.Tx, c *account) (bool, error) {
		c.now().add(more)
		if held = c.held.IsZero() && c.suspect(&a.limits); held {
			t := c.today()
			c.held, c.reason = a.now(), fmt.Sprintf("%d of %d recipients were refused", t.refused, max(t.refused, t.recipients))
			a.held.Add(1)
			a.log.ErrorContext(ctx, "an account is held: somebody else may be using it. See: postroad account limits held", "account", uint64(who.Account), "why", c.reason)
		}
		return true, nil
	})
	if err == nil && held { // this a crash must not take back
		err = a.db.Update(ctx, AccountPartition, func(tx kv.Tx) error {
			v, _, err := tx.Get(accountKey(who.Account))
			if err != nil {
				return err
			}
			return tx.Set(accountKey(who.Account), v)
		})
	}
	return err
}

// refuse says why no more is taken, and complains of it once a day. changed: c is to be kept.
func (a *Accounts) refuse(who ident.Identity, c *account, more tally) (changed bool, err error) {
	if !c.held.IsZero() {
		a.refusedHeld.Add(1)
		return false, (&Refusal{Reason: AccountHeld, Code: 450, Status: "4.7.1", Text: "Sending is on hold for your account: please ask your administrator"}).fault()
	}
	a.refusedRate.Add(1)
	what := c.over(more, &a.limits)
	if c.hour-c.told >= day {
		c.told, changed = c.hour, true
		a.limited.Add(1)
		a.log.Warn("an account sends too much", "account", uint64(who.Account), "login", who.Login, "limit", what)
	}
	return changed, (&Refusal{Reason: AccountRate, Code: 450, Status: "4.7.1", Text: "Too many " + what + ", try again later"}).fault()
}

// change reads what is known of an account, has fn look at it, and writes it back, unsynced, if fn says so. A Refusal
// that fn returns is returned, and doesn't keep the change from being written.
func (a *Accounts) change(ctx context.Context, who ident.Identity, fn func(tx kv.Tx, c *account) (changed bool, err error)) error {
	var refusal error
	err := a.db.SubmitLazy(ctx, AccountPartition, func(tx kv.Tx) error {
		c, err := load(tx, who.Account)
		if err != nil {
			return err
		}
		c.advance(a.now())
		changed, err := fn(tx, &c)
		if RefusalOf(err) != nil {
			refusal, err = err, nil
		}
		if err != nil || !changed {
			return err
		}
		return tx.Set(accountKey(who.Account), c.encode())
	})
	if err != nil {
		return err
	}
	return refusal
}

func load(r kv.Reader, id ident.AccountID) (account, error) {
	v, ok, err := r.Get(accountKey(id))
	if err != nil || !ok {
		return account{}, err
	}
	return decodeAccount(v)
}

// Usage is how much an account has sent, beside its limits.
type Usage struct {
	// Hour and Day count in the current hour and the last 24.
	MessagesHour, MessagesDay, RecipientsHour, RecipientsDay, NewRecipientsDay, RefusedDay uint64
	// Held: nothing is taken from it since then, for Reason; zero: it isn't held.
	Held   time.Time
	Reason string
	Limits AccountLimits
}

// Show tells what an account has sent.
func (a *Accounts) Show(ctx context.Context, id ident.AccountID) (u Usage, err error) {
	var c account
	err = a.db.View(ctx, AccountPartition, func(r kv.Reader) (err error) {
		c, err = load(r, id)
		return err
	})
	c.advance(a.now())
	h, d := *c.now(), c.today()
	return Usage{MessagesHour: h.messages, MessagesDay: d.messages, RecipientsHour: h.recipients, RecipientsDay: d.recipients,
		NewRecipientsDay: d.fresh, RefusedDay: d.refused, Held: c.held, Reason: c.reason, Limits: a.limits}, err
}

// Held lists the accounts that are held.
func (a *Accounts) Held(ctx context.Context) (ids []ident.AccountID, err error) {
	err = a.db.View(ctx, AccountPartition, func(r kv.Reader) error {
		for p, err := range r.Scan(all(keyAccount)) {
			if err != nil {
				return err
			}
			if c, err := decodeAccount(p.Value); err == nil && !c.held.IsZero() && len(p.Key) == 9 {
				ids = append(ids, ident.AccountID(binary.BigEndian.Uint64(p.Key[1:])))
			}
		}
		return nil
	})
	return ids, err
}

// Reset forgets what an account has sent, and holds it no longer. Whom it has written to stays known.
func (a *Accounts) Reset(ctx context.Context, id ident.AccountID) error {
	return a.db.Update(ctx, AccountPartition, func(tx kv.Tx) error {
		c, err := load(tx, id)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		c = account{known: c.known}
		return tx.Set(accountKey(id), c.encode())
	})
}

// Forget forgets all of an account, which is no more.
func (a *Accounts) Forget(ctx context.Context, id ident.AccountID) error {
	return a.db.Update(ctx, AccountPartition, func(tx kv.Tx) error {
		if err := tx.DeleteRange(toKeys(id), toKeys(id+1)); err != nil {
			return err
		}
		if err := tx.Delete(authorsKey(id)); err != nil {
			return err
		}
		return tx.Delete(accountKey(id))
	})
}

// addressLife is how long an account's correspondents are remembered.
const addressLife = 180 // days

// Tidy forgets whom accounts have not written to for long. It should be called now and then.
func (a *Accounts) Tidy(ctx context.Context) error {
	oldest := a.now().Unix()/86400 - addressLife
	var stale []string
	known := map[ident.AccountID]uint64{}
	err := a.db.View(ctx, AccountPartition, func(r kv.Reader) error {
		for p, err := range r.Scan(all(keyTo)) {
			switch {
			case err != nil:
				return err
			case len(p.Key) < 9 || len(p.Value) < 4 || int64(binary.BigEndian.Uint32(p.Value)) < oldest:
				stale = append(stale, string(p.Key))
			default:
				known[ident.AccountID(binary.BigEndian.Uint64(p.Key[1:]))]++
			}
		}
		return ctx.Err()
	})
	if err != nil || len(stale) == 0 {
		return err
	}
	if err := remove(ctx, a.db, AccountPartition, stale); err != nil {
		return err
	}
	for id, n := range known {
		err := a.change(ctx, ident.Identity{Account: id}, func(_ kv.Tx, c *account) (bool, error) {
			c.known = n
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// today is the day, as it is kept with an address.
func today(now time.Time) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(now.Unix()/86400))
}

// addressHash names an address that an account writes to.
func addressHash(address string) (h hash) {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	copy(h[:], sum[:])
	return h
}
