package oauth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a provider for ann.
type world struct {
	*Provider
	db  kv.DB
	ann ident.AccountID
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, db := directorytest.Open(t, directory.Options{}, "example.org")
	a, err := dir.AddAccount(t.Context(), directory.NewAccount{Address: "ann@example.org", Password: "secret"})
	must(t, err)
	w := &world{db: db, ann: a.ID}
	w.Provider, err = New(t.Context(), Options{DB: db, Directory: dir, Issuer: "https://id.example"})
	must(t, err)
	return w
}

// consent is that of ann, who has shown the password that is in force.
func (w *world) consent(t testing.TB) Consent {
	t.Helper()
	p, err := w.dir.ProfileByID(t.Context(), w.ann)
	must(t, err)
	return Consent{w.ann, versionOf(p)}
}

var verifier = strings.Repeat("v", 43)

func (w *world) code(t testing.TB, c Client) string {
	t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	code, err := w.Authorize(t.Context(), Request{By: w.consent(t), Client: c, Redirect: "https://a/", Scope: []string{ScopeMail}, Challenge: base64.RawURLEncoding.EncodeToString(sum[:])})
	must(t, err)
	return code
}

// Whoever is first with a code has it; the others end what it gave.
func TestCodesAreGoodOnce(t *testing.T) {
	w := newWorld(t)
	c, err := w.Register("x", []string{"https://a/"})
	must(t, err)
	code := w.code(t, c)
	var won atomic.Int64
	var tokens sync.Map
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if g, err := w.Redeem(t.Context(), &c, code, "https://a/", verifier); err == nil {
				won.Add(1)
				tokens.Store(g.Access, true)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got tokens", won.Load())
	}
	tokens.Range(func(k, _ any) bool {
		if _, err := w.Inspect(t.Context(), k.(string)); !fault.Is(err, fault.Unauthenticated) {
			t.Error("the code came twice, and its token is good")
		}
		return true
	})
}

// A password that changes between sign-in and consent takes what was allowed with it.
func TestConsentUnderAnOldPassword(t *testing.T) {
	w := newWorld(t)
	c, err := w.Register("x", []string{"https://a/"})
	must(t, err)
	codes, err := w.StartDevice(t.Context(), &c, []string{ScopeMail})
	must(t, err)
	by := w.consent(t)
	must(t, w.dir.SetPassword(t.Context(), w.ann, "another secret"))
	if _, err := w.Authorize(t.Context(), Request{By: by, Client: c, Redirect: "https://a/", Scope: []string{ScopeMail}}); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	if err := w.Decide(t.Context(), codes.User, &by); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	if _, err := w.PollDevice(t.Context(), &c, codes.Device); !errors.Is(err, Pending) {
		t.Error("the device was told", err)
	}
}

// Between the moment when somebody lets a device in and that when it asks for its tokens, what they allowed can end like any grant.
func TestAllowedDevicesEndBeforeTheyAsk(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *world){
		"nothing":                func(*testing.T, *world) {},
		"a new password":         func(t *testing.T, w *world) { must(t, w.dir.SetPassword(t.Context(), w.ann, "another secret")) },
		"the end of all grants":  func(t *testing.T, w *world) { _, err := w.EndGrant(t.Context(), w.ann, ""); must(t, err) },
		"the end of the account": func(t *testing.T, w *world) { must(t, w.dir.SetEnabled(t.Context(), w.ann, false)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c, err := w.Register("x", nil)
			must(t, err)
			codes, err := w.StartDevice(t.Context(), &c, []string{ScopeMail})
			must(t, err)
			by := w.consent(t)
			must(t, w.Decide(t.Context(), codes.User, &by))
			if all, err := w.Grants(t.Context(), w.ann); err != nil || len(all) > 0 {
				t.Errorf("%d grants are listed before the device has got anything: %v", len(all), err)
			}
			end(t, w)
			_, err = w.PollDevice(t.Context(), &c, codes.Device)
			if name == "nothing" {
				must(t, err)
			} else if !errors.Is(err, InvalidGrant) {
				t.Errorf("the device was told %v", err)
			}
		})
	}
}

// An account has a bounded number of grants: the one used longest ago makes room.
func TestGrantsAreBounded(t *testing.T) {
	w := newWorld(t)
	c, err := w.Register("x", []string{"https://a/"})
	must(t, err)
	now := time.Now()
	w.now = func() time.Time { now = now.Add(time.Millisecond); return now }
	first, err := w.Redeem(t.Context(), &c, w.code(t, c), "https://a/", verifier)
	must(t, err)
	for range MaxGrants {
		_, err := w.Redeem(t.Context(), &c, w.code(t, c), "https://a/", verifier)
		must(t, err)
	}
	all, err := w.Grants(t.Context(), w.ann)
	must(t, err)
	if len(all) > MaxGrants {
		t.Errorf("%d grants", len(all))
	}
	if _, err := w.Inspect(t.Context(), first.Access); !fault.Is(err, fault.Unauthenticated) {
		t.Error("the oldest is still there")
	}
}

// The key that signs, clients and tokens outlast a restart; nothing secret is stored as it is.
func TestProviderOutlastsARestart(t *testing.T) {
	w := newWorld(t)
	c, err := w.Register("x", []string{"https://a/"})
	must(t, err)
	g, err := w.Redeem(t.Context(), &c, w.code(t, c), "https://a/", verifier)
	must(t, err)
	before, err := w.Keys()
	must(t, err)
	again, err := New(t.Context(), Options{DB: w.db, Directory: w.dir, Issuer: w.issuer})
	must(t, err)
	after, err := again.Keys()
	must(t, err)
	if before.Keys[0].KeyID != after.Keys[0].KeyID {
		t.Error("the key has changed")
	}
	if _, err := again.Client(c.ID); err != nil {
		t.Error(err)
	}
	if _, err := again.Inspect(t.Context(), g.Access); err != nil {
		t.Error(err)
	}
	must(t, w.db.View(t.Context(), Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{0}, Hi: []byte{0xf0}}) {
			if err != nil {
				return err
			}
			if both := string(p.Key) + string(p.Value); strings.Contains(both, g.Access[4:]) || strings.Contains(both, g.Refresh[4:]) {
				t.Error("a token is in the store")
			}
		}
		return nil
	}))
}

func FuzzRecords(f *testing.F) {
	g := Grant{Account: 1, number: 2, ClientID: "c", ClientName: "n", Scope: []string{"mail"}, Created: time.Unix(1, 0).UTC(), version: 3}
	f.Add(g.encode())
	f.Add((&secret{kind: isCode, account: 1, grant: 2, redirect: "x"}).encode())
	f.Add((&device{clientID: "c", state: 1, account: 5, grant: 7}).encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		if g, err := decodeGrant(grantKey(1, 2), value); err == nil {
			if _, err := decodeGrant(g.key(), g.encode()); err != nil {
				t.Error(err)
			}
		}
		if s, err := decodeSecret(value); err == nil {
			if again, err := decodeSecret(s.encode()); err != nil || again != s {
				t.Errorf("%+v became %+v, %v", s, again, err)
			}
		}
		if d, err := decodeDevice(value); err == nil {
			if again, err := decodeDevice(d.encode()); err != nil || again != d {
				t.Errorf("%+v became %+v, %v", d, again, err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	c, err := w.Register("x", []string{"https://a/"})
	must(b, err)
	g, err := w.Redeem(b.Context(), &c, w.code(b, c), "https://a/", verifier)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Verify(b.Context(), g.Access); err != nil {
			b.Fatal(err)
		}
	}
}
