package directory

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// oneRSA makes one RSA key for all tests, since that takes long.
var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, DKIMBits) })

// newSigner opens a directory with a clock that serves signs.example, with pending keys.
func newSigner(t testing.TB) (*Directory, *time.Time) {
	t.Helper()
	now := epoch
	d, err := Open(t.Context(), newStore(t), Options{Hash: quick, Now: func() time.Time { return now }, NewRSA: oneRSA})
	ok(t, err)
	t.Cleanup(func() { consistent(t, d) })
	_, err = d.AddSigningDomain(t.Context(), "Signs.example")
	ok(t, err)
	return d, &now
}

// states are a domain's keys in short.
func states(t testing.TB, d *Directory) (list []string) {
	t.Helper()
	keys, err := d.DKIMKeys(t.Context(), "signs.example")
	ok(t, err)
	for _, k := range keys {
		list = append(list, k.Selector+" "+k.State.String())
	}
	return list
}

func signing(t testing.TB, d *Directory) (list []string) {
	t.Helper()
	keys, err := d.SigningKeys(t.Context(), "signs.example")
	ok(t, err)
	for _, k := range keys {
		list = append(list, k.Selector)
	}
	return list
}

func same(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestDKIMKeys(t *testing.T) {
	d, now := newSigner(t)
	ctx := t.Context()
	same(t, states(t, d), "r20261121 pending", "e20261121 pending")
	same(t, signing(t, d))
	keys, err := d.DKIMKeys(ctx, "SIGNS.example")
	ok(t, err)
	if r, is := keys[0].Signer().(*rsa.PrivateKey); !is || r.N.BitLen() != DKIMBits || keys[0].Algorithm != RSASHA256 || !r.PublicKey.Equal(keys[0].Public()) {
		t.Errorf("%T %s", keys[0].Signer(), keys[0].Algorithm)
	}
	if _, is := keys[1].Signer().(ed25519.PrivateKey); !is || keys[1].Algorithm != Ed25519SHA256 {
		t.Errorf("%T %s", keys[1].Signer(), keys[1].Algorithm)
	}
	_, err = d.RotateKeys(ctx, "signs.example")
	fails(t, err, fault.Conflict) // the first ones are still pending
	ok(t, d.ActivateKey(ctx, "signs.example", "E20261121"))
	same(t, signing(t, d), "e20261121")
	ok(t, d.ActivateKey(ctx, "signs.example", "r20261121"))
	ok(t, d.ActivateKey(ctx, "signs.example", "r20261121"))
	same(t, signing(t, d), "r20261121", "e20261121")

	*now = now.Add(time.Hour)
	made, err := d.RotateKeys(ctx, "signs.example")
	ok(t, err)
	if len(made) != 2 || made[0].Selector != "r20261121b" || made[0].State != KeyPending {
		t.Errorf("made %v", made)
	}
	same(t, signing(t, d), "r20261121", "e20261121")
	*now = now.Add(time.Hour)
	ok(t, d.ActivateKey(ctx, "signs.example", "r20261121b"))
	same(t, signing(t, d), "r20261121b", "e20261121")
	same(t, states(t, d), "r20261121 retired", "e20261121 active", "r20261121b active", "e20261121b pending")
	keys, _ = d.DKIMKeys(ctx, "signs.example")
	if !keys[0].Changed.Equal(*now) || !keys[2].Changed.Equal(*now) || !keys[0].Created.Equal(epoch) {
		t.Errorf("changed at %v and %v", keys[0].Changed, keys[2].Changed)
	}
	ok(t, d.ActivateKey(ctx, "signs.example", "r20261121")) // back again
	same(t, signing(t, d), "r20261121", "e20261121")

	fails(t, d.RemoveKey(ctx, "signs.example", "r20261121"), fault.Conflict)
	fails(t, d.RetireKey(ctx, "signs.example", "e20261121b"), fault.Conflict)
	fails(t, d.RetireKey(ctx, "signs.example", "none"), fault.NotFound)
	ok(t, d.RemoveKey(ctx, "signs.example", "r20261121b"))
	ok(t, d.RemoveKey(ctx, "signs.example", "e20261121b"))
	ok(t, d.RetireKey(ctx, "signs.example", "r20261121"))
	ok(t, d.RetireKey(ctx, "signs.example", "r20261121"))
	same(t, states(t, d), "r20261121 retired", "e20261121 active")
	for _, domain := range []string{"elsewhere.example", "-", "sub.signs.example"} {
		if _, err := d.RotateKeys(ctx, domain); !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", domain, err)
		}
		if keys, err := d.SigningKeys(ctx, domain); err != nil || len(keys) > 0 {
			t.Errorf("%s: %v %v", domain, keys, err)
		}
	}
}

func TestDKIMKeysAreLimited(t *testing.T) {
	d, now := newSigner(t)
	ctx := t.Context()
	for range MaxDKIMKeys/2 - 1 {
		*now = now.Add(time.Minute)
		keys, err := d.DKIMKeys(ctx, "signs.example")
		ok(t, err)
		for _, k := range keys[len(keys)-2:] {
			ok(t, d.ActivateKey(ctx, "signs.example", k.Selector))
		}
		_, err = d.RotateKeys(ctx, "signs.example")
		ok(t, err)
	}
	keys, err := d.DKIMKeys(ctx, "signs.example")
	ok(t, err)
	for _, k := range keys[len(keys)-2:] {
		ok(t, d.ActivateKey(ctx, "signs.example", k.Selector))
	}
	_, err = d.RotateKeys(ctx, "signs.example")
	fails(t, err, fault.TooLarge)
}

func TestSelectors(t *testing.T) {
	seen := map[string]bool{}
	for n := range 60 {
		s := selector(RSASHA256, epoch, n)
		if seen[s] || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%d: %q", n, s)
		}
		seen[s] = true
	}
}

// TestDKIMKeysGoWithTheirDomain: one that comes back has others.
func TestDKIMKeysGoWithTheirDomain(t *testing.T) {
	d, _ := newSigner(t)
	ctx := t.Context()
	_, err := d.AddSigningDomain(ctx, "signs.example.net") // its keys stay
	ok(t, err)
	ok(t, d.ActivateKey(ctx, "signs.example", "e20261121"))
	old, _ := d.DKIMKeys(ctx, "signs.example")
	ok(t, d.RemoveDomain(ctx, "signs.example"))
	same(t, signing(t, d))
	_, err = d.DKIMKeys(ctx, "signs.example")
	fails(t, err, fault.NotFound)
	if keys, err := d.DKIMKeys(ctx, "signs.example.net"); err != nil || len(keys) != 2 {
		t.Errorf("%v %v", keys, err)
	}
	_, err = d.AddDomain(ctx, "signs.example")
	ok(t, err)
	same(t, states(t, d))
	ok(t, d.RemoveDomain(ctx, "signs.example"))
	_, err = d.AddSigningDomain(ctx, "signs.example")
	ok(t, err)
	if again, _ := d.DKIMKeys(ctx, "signs.example"); again[1].Signer().(ed25519.PrivateKey).Equal(old[1].Signer()) {
		t.Error("the old key is back")
	}
}

// TestPrivateKeysAreNotShown in whatever way keys, or a record that can't be read, are printed.
func TestPrivateKeysAreNotShown(t *testing.T) {
	d, _ := newSigner(t)
	keys, err := d.DKIMKeys(t.Context(), "signs.example")
	ok(t, err)
	var printed strings.Builder
	log := slog.New(slog.NewTextHandler(&printed, nil))
	for _, k := range keys {
		fmt.Fprintf(&printed, "%v %+v %#v %v %+v", k, k, k, &k, []DKIMKey{k})
		b, err := json.Marshal(k)
		ok(t, err)
		printed.Write(b)
		log.Info("x", "key", k, "keys", keys)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "key", k)
	}
	ok(t, d.update(t.Context(), func(tx kv.Tx) error { // cut short in the middle of the key
		return tx.Set(dkimKey("signs.example", "torn"), newRecord(1).text("rsa-sha256").uint(2).time(epoch).time(epoch).text(string(keys[0].private.pkcs8[:200])))
	}))
	problems, err := d.Check(t.Context())
	ok(t, err)
	if len(problems) != 1 {
		t.Errorf("%d problems", len(problems))
	}
	fmt.Fprint(&printed, problems)
	_, err = d.DKIMKeys(t.Context(), "signs.example")
	fails(t, err, fault.Corrupt)
	fmt.Fprint(&printed, err)
	ok(t, d.update(t.Context(), func(tx kv.Tx) error { return tx.Delete(dkimKey("signs.example", "torn")) }))
	r := keys[0].Signer().(*rsa.PrivateKey)
	e := keys[1].Signer().(ed25519.PrivateKey).Seed()
	for _, secret := range []string{
		r.D.String(), r.D.Text(16), r.Primes[0].String(), fmt.Sprint(e), strings.Trim(fmt.Sprint(e), "[]"), fmt.Sprintf("%x", e), base64.StdEncoding.EncodeToString(e),
		base64.StdEncoding.EncodeToString(keys[0].private.pkcs8)[:100], fmt.Sprint(keys[0].private.pkcs8[100:120])[1:50], string(e), fmt.Sprintf("%#x", e)[:40],
		string(keys[0].private.pkcs8[100:120]), fmt.Sprintf("%x", keys[0].private.pkcs8[100:120]),
	} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%.40q is shown", secret)
		}
	}
}

func TestCheckFindsWrongKeysAndUses(t *testing.T) {
	ctx := t.Context()
	for name, spoil := range map[string]func(tx kv.Tx) error{
		"key of another domain": func(tx kv.Tx) error {
			k := DKIMKey{Domain: "elsewhere.example", Selector: "x", Algorithm: Ed25519SHA256, State: KeyActive, private: &privateKey{pkcs8: nil}}
			return k.put(tx)
		},
		"key torn":   func(tx kv.Tx) error { return tx.Set(dkimKey("signs.example", "x"), []byte{1, 2}) },
		"index lost": func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyUse}, []byte{keyUse + 1}) },
		"index wrong": func(tx kv.Tx) error {
			return tx.Set(pairKey(keyUse, Address{"x", "b"}, Address{"club", "signs.example"}), nil)
		},
		"no such catchall": func(tx kv.Tx) error {
			return tx.Set(pairKey(keyUse, Address{"x", "b"}, Address{"", "signs.example"}), nil)
		},
		"delimiters": func(tx kv.Tx) error { return tx.Set(domainKey("b"), Domain{Delimiters: "@"}.encode()) },
		"owner gone": func(tx kv.Tx) error { return tx.Delete(entryKey(Address{"ann", "signs.example"})) },
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(ctx, newStore(t), Options{Hash: quick, NewRSA: oneRSA})
			ok(t, err)
			_, err = d.AddSigningDomain(ctx, "signs.example")
			ok(t, err)
			_, err = d.AddAccount(ctx, NewAccount{Address: "ann@signs.example"})
			ok(t, err)
			newList(t, d, NewGroup{Address: "club@signs.example", Owners: []string{"ann+x@signs.example"}})
			to := "ann@signs.example"
			ok(t, d.SetDomain(ctx, "signs.example", DomainChange{CatchAll: &to}))
			consistent(t, d)
			ok(t, d.update(ctx, spoil))
			problems, err := d.Check(ctx)
			ok(t, err)
			if len(problems) == 0 {
				t.Error("nothing was found")
			}
		})
	}
}

func BenchmarkSigningKeys(b *testing.B) {
	d, _ := newSigner(b)
	ok(b, d.ActivateKey(b.Context(), "signs.example", "r20261121"))
	b.ReportAllocs()
	for b.Loop() {
		if keys, err := d.SigningKeys(b.Context(), "signs.example"); err != nil || len(keys) != 1 {
			b.Fatal(keys, err)
		}
	}
}
