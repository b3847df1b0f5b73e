package policy

import (
	"context"
	"encoding/binary"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Partition is where policies lie:
//
//	n         last ID given (8 bytes, big endian)
//	p <id>    policy record, version 1
//
// <id> is 8 bytes, big endian. A record is: kind, direction, action (a byte each), flags (bit 0: strict), domain, account, pattern,
// size, text, HTML, when it was added (Unix seconds), by whom.
const Partition kv.Partition = 15 << 56

const (
	keyCounter = 'n'
	keyPolicy  = 'p'
)

func policyKey(id uint64) []byte { return binary.BigEndian.AppendUint64([]byte{keyPolicy}, id) }

const strict = 1 // of the flags

func (p *Policy) encode() []byte {
	b := []byte{1, byte(p.Kind), byte(p.Direction), byte(p.Action), 0}
	if p.Strict {
		b[4] |= strict
	}
	b = record.AppendString(b, p.Domain)
	b = binary.AppendUvarint(b, uint64(p.Account))
	b = record.AppendString(b, p.Pattern)
	b = binary.AppendVarint(b, p.MaxBytes)
	b = record.AppendString(b, p.Text)
	b = record.AppendString(b, p.HTML)
	b = binary.AppendVarint(b, p.Created.Unix())
	return record.AppendString(b, p.By)
}

func decode(id uint64, b []byte) (p Policy, err error) {
	d := record.Decode(b, 1)
	p = Policy{ID: id, Kind: Kind(d.Byte()), Direction: Direction(d.Byte()), Action: Action(d.Byte())}
	p.Strict = d.Byte()&strict != 0
	p.Domain, p.Account, p.Pattern, p.MaxBytes = d.String(), ident.AccountID(d.Uint()), d.String(), d.Int()
	p.Text, p.HTML = d.String(), d.String()
	p.Created, p.By = time.Unix(d.Int(), 0), d.String()
	if d.Bad() {
		return p, fault.New(fault.Corrupt, "policy %d", id)
	}
	return p, nil
}

// Options are what a Book is made of. The zero value works.
type Options struct {
	Now    func() time.Time // default: time.Now
	Logger *slog.Logger     // default: nothing is logged
}

// Book is the open book of policies. It is safe for concurrent use; a nil Book has none.
type Book struct {
	db  kv.DB
	now func() time.Time
	log *slog.Logger

	mu  sync.Mutex // held while policies change
	set atomic.Pointer[set]
}

// Open reads the policies in db. A policy that can't be read is an error: mail that should be refused would be let in.
func Open(ctx context.Context, db kv.DB, o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Book{db: db, now: o.Now, log: o.Logger}
	return b, b.load(ctx)
}

// load puts all policies into memory.
func (b *Book) load(ctx context.Context) error {
	var all []Policy
	err := b.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyPolicy}, Hi: []byte{keyPolicy + 1}}) {
			if err != nil {
				return err
			}
			if len(p.Key) != 9 {
				return fault.New(fault.Corrupt, "key of a policy")
			}
			one, err := decode(binary.BigEndian.Uint64(p.Key[1:]), p.Value)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.set.Store(newSet(all))
	return nil
}

// All lists the policies in the order in which they were added. They must not be changed.
func (b *Book) All() []Policy { return b.current().all }

var none = newSet(nil)

func (b *Book) current() *set {
	if b == nil {
		return none
	}
	return b.set.Load()
}

// Add keeps a policy, which takes effect at once, and returns it with its ID. Errors: fault.Invalid; fault.Exists: there is one about the
// same; fault.TooLarge: there are too many.
func (b *Book) Add(ctx context.Context, p Policy) (Policy, error) {
	p, err := p.normalised()
	if err != nil {
		return p, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.current().admits(&p); err != nil {
		return p, err
	}
	p.Created = b.now()
	err = b.db.Update(ctx, Partition, func(tx kv.Tx) error {
		last, _, err := tx.Get([]byte{keyCounter})
		if err != nil {
			return err
		}
		p.ID = 1
		if len(last) == 8 {
			p.ID = binary.BigEndian.Uint64(last) + 1
		}
		if err := tx.Set([]byte{keyCounter}, binary.BigEndian.AppendUint64(nil, p.ID)); err != nil {
			return err
		}
		return tx.Set(policyKey(p.ID), p.encode())
	})
	if err != nil {
		return p, err
	}
	return p, b.load(ctx)
}

// Remove forgets a policy. Errors: fault.NotFound.
func (b *Book) Remove(ctx context.Context, id uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.Policy(id); !ok {
		return fault.New(fault.NotFound, "there is no policy %d", id)
	}
	if err := b.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Delete(policyKey(id)) }); err != nil {
		return err
	}
	return b.load(ctx)
}

// Redirect has a journal's reports go to another address. Errors: fault.NotFound if there is no such journal; fault.Invalid.
func (b *Book) Redirect(ctx context.Context, id uint64, address string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.Policy(id)
	if !ok || p.Kind != Journal {
		return fault.New(fault.NotFound, "there is no journal %d", id)
	}
	p.Pattern = address
	p, err := p.normalised()
	if err != nil {
		return err
	}
	if err := b.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Set(policyKey(id), p.encode()) }); err != nil {
		return err
	}
	return b.load(ctx)
}

// Policy finds the policy with an ID.
func (b *Book) Policy(id uint64) (Policy, bool) {
	for _, p := range b.All() {
		if p.ID == id {
			return p, true
		}
	}
	return Policy{}, false
}

// Forget removes all that is about a domain, or an account, that is no more.
func (b *Book) Forget(ctx context.Context, domain string, account ident.AccountID) error {
	for _, p := range b.All() {
		if domain != "" && p.Domain == domain || account != 0 && p.Account == account {
			if err := b.Remove(ctx, p.ID); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
	}
	return nil
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func validUTF8(texts ...string) bool {
	for _, t := range texts {
		if !utf8.ValidString(t) {
			return false
		}
	}
	return true
}
