package directory

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"io"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Options are what a Directory needs of the world. The zero value works.
type Options struct {
	Now  func() time.Time // default time.Now
	Rand io.Reader        // default crypto/rand.Reader
	Hash HashParams
	// LoginDomain is that of people who sign in by a name without domain. "": the only one that is served; with several, such
	// names are nobody's.
	LoginDomain string
	// Notices: what changes about who can get into an account is remembered, for its owner to be told (Notices).
	Notices bool
	// NewRSA makes the RSA keys for DKIM; default: rsa.GenerateKey with DKIMBits, which takes a good part of a second.
	NewRSA func() (*rsa.PrivateKey, error)
}

// Directory is the open directory of an installation. It is safe for
// concurrent use. What it returns is shared and must not be changed.
type Directory struct {
	db      kv.DB
	now     func() time.Time
	rand    io.Reader
	newRSA  func() (*rsa.PrivateKey, error)
	hasher  *hasher
	secret  []byte
	sealer  *sealer // of secrets that have to be had again
	domain  string  // Options.LoginDomain
	notices bool    // Options.Notices
	appKey  []byte  // of the hashes of secrets that we made ourselves
	cache   atomic.Pointer[cache]
}

// Open reads the directory of db, and begins it if there is none.
func Open(ctx context.Context, db kv.DB, o Options) (*Directory, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.NewRSA == nil {
		o.NewRSA = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(o.Rand, DKIMBits) }
	}
	d := &Directory{db: db, now: o.Now, rand: o.Rand, newRSA: o.NewRSA, domain: o.LoginDomain, notices: o.Notices, hasher: newHasher(o.Hash, o.Rand)}
	d.dropCache()
	err := db.Update(ctx, Partition, func(tx kv.Tx) error {
		secret, ok, err := tx.Get([]byte{keySecret})
		if err != nil {
			return err
		}
		d.secret = append([]byte(nil), secret...)
		if ok && len(secret) == hashSize {
			return nil
		}
		d.secret = make([]byte, hashSize)
		if _, err := io.ReadFull(o.Rand, d.secret); err != nil {
			return fault.Wrap(fault.Internal, err, "no randomness")
		}
		return tx.Set([]byte{keySecret}, d.secret)
	})
	if err != nil {
		return nil, err
	}
	d.sealer, err = newSealer(d.Secret("sealed secrets"), o.Rand)
	d.hasher.sealer, d.appKey = d.sealer, d.Secret("app passwords")
	return d, err
}

// Secret returns 32 bytes that belong to this installation and last over
// restarts, to derive keys from: a different one for each label. They never leave the server.
func (d *Directory) Secret(label string) []byte { return mac(d.secret, label) }

// Now is the directory's time.
func (d *Directory) Now() time.Time { return d.now() }

// stamp is the time as records keep it.
func (d *Directory) stamp() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// update is the one way in which the directory changes: it drops the cache before anybody hears of the change.
func (d *Directory) update(ctx context.Context, fn func(tx kv.Tx) error) error {
	defer d.dropCache()
	return d.db.Update(ctx, Partition, fn)
}

func (d *Directory) view(ctx context.Context, fn func(r kv.Reader) error) error {
	return d.db.View(ctx, Partition, fn)
}

// nextID takes a number that no account or group ever had.
func nextID(tx kv.Tx) (uint64, error) {
	key := []byte{keyCounter}
	last, err := lastID(tx)
	if err != nil {
		return 0, err
	}
	if last >= maxID {
		return 0, fault.New(fault.Unavailable, "no numbers are left for accounts")
	}
	return last + 1, tx.Set(key, binary.BigEndian.AppendUint64(nil, last+1))
}

func lastID(r kv.Reader) (uint64, error) {
	v, ok, err := r.Get([]byte{keyCounter})
	if err != nil || !ok {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fault.New(fault.Corrupt, "directory: counter can't be read")
	}
	return binary.BigEndian.Uint64(v), nil
}

// page is how many records a listing reads in one snapshot.
const page = 256

// list visits the records of a range in pages, each in a snapshot of its own,
// so that a slow reader holds nothing up. visit returns false to end.
func list[T any](ctx context.Context, d *Directory, r kv.Range, decode func(kv.Pair) (T, error), visit func(T, error) bool) {
	for {
		batch := make([]T, 0, page)
		next := []byte(nil)
		err := d.view(ctx, func(rd kv.Reader) error {
			for p, err := range rd.Scan(r) {
				if err != nil {
					return err
				}
				if len(batch) == page {
					next = append(next, p.Key...)
					return nil
				}
				v, err := decode(p)
				if err != nil {
					return err
				}
				batch = append(batch, v)
			}
			return nil
		})
		for _, v := range batch {
			if !visit(v, nil) {
				return
			}
		}
		if err != nil {
			var none T
			visit(none, err)
			return
		}
		if next == nil {
			return
		}
		r.Lo = next
	}
}

// exists reports whether a range has a key.
func exists(rd kv.Reader, r kv.Range) (bool, error) {
	for _, err := range rd.Scan(r) {
		return err == nil, err
	}
	return false, nil
}
