package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

func verify(t *testing.T, d *Directory, login, password string) bool {
	t.Helper()
	p, err := d.Profile(t.Context(), login)
	ok(t, err)
	right, err := d.Verify(t.Context(), p.Credential, password)
	ok(t, err)
	return right
}

func TestPasswords(t *testing.T) {
	d := newDirectory(t)
	id := add(t, d, "ann")
	const ann = "ann@example.org"
	if verify(t, d, ann, "") || verify(t, d, ann, "x") {
		t.Error("a password is right where none is set")
	}
	ok(t, d.SetPassword(t.Context(), id, "Pässword 1"))
	for password, want := range map[string]bool{
		"Pässword 1": true, "Pa\u0308ssword 1": true, "Pässword\u00a01": true, // RFC 8265 §4.2.2
		"pässword 1": false, "": false, "Pässword 1 ": false, "a\x00": false, strings.Repeat("x", 2*MaxPassword): false,
	} {
		if got := verify(t, d, ann, password); got != want {
			t.Errorf("%.20q is right: %t", password, got)
		}
	}
	before, _ := d.Profile(t.Context(), ann)
	ok(t, d.SetPassword(t.Context(), id, "other"))
	after, _ := d.Profile(t.Context(), ann)
	if after.Credential.Version == before.Credential.Version || verify(t, d, ann, "Pässword 1") || !verify(t, d, ann, "other") {
		t.Error("the password hasn't changed")
	}
	for _, bad := range []string{"", "a\nb", strings.Repeat("x", MaxPassword+1)} {
		if err := d.SetPassword(t.Context(), id, bad); err == nil {
			t.Errorf("%.20q was accepted", bad)
		}
	}
}

// The keys are those that an independent implementation computes.
func TestScramKeys(t *testing.T) {
	d := newDirectory(t)
	ann := add(t, d, "ann")
	for _, password := range []string{"pencil", "\ufb01ne a\u0308", "a\u00a0b"} { // SASLprep changes the latter
		ok(t, d.SetPassword(t.Context(), ann, password))
		p, err := d.ProfileByID(t.Context(), ann)
		ok(t, err)
		k, has := p.Credential.ScramKeys(ScramSHA256)
		client, err := scram.SHA256.NewClient("ann", password, "")
		ok(t, err)
		want, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: k.Salt, Iters: k.Iterations})
		ok(t, err)
		if !has || k.StoredKey != string(want.StoredKey) || k.ServerKey != string(want.ServerKey) || k.Iterations != 4096 {
			t.Errorf("%q: the keys differ", password)
		}
	}
}

// RFC 7677 §3, the example.
func TestScramKeysFitTheExample(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	ok(t, err)
	set, err := newScramSet("pencil", "pencil", string(salt), 4096, ScramSHA256)
	ok(t, err)
	k, _ := set.of(ScramSHA256)
	const message = "n=user,r=rOprNGfwEbeRWgbNEkqO," +
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	if got := base64.StdEncoding.EncodeToString(mac([]byte(k.ServerKey), message)); got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("the server's signature is %s", got)
	}
	// The proof is ClientKey XOR HMAC(StoredKey, message), and StoredKey is ClientKey's hash.
	proof, err := base64.StdEncoding.DecodeString("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	ok(t, err)
	for i, b := range mac([]byte(k.StoredKey), message) {
		proof[i] ^= b
	}
	if sum := sha256.Sum256(proof); string(sum[:]) != k.StoredKey {
		t.Error("the client's proof doesn't fit")
	}
}

func TestUpgrade(t *testing.T) {
	db := newStore(t)
	ctx := t.Context()
	old, err := Open(ctx, db, Options{Hash: quick})
	ok(t, err)
	_, err = old.AddDomain(ctx, "example.org")
	ok(t, err)
	_, err = old.AddAccount(ctx, NewAccount{Address: "ann@example.org", Password: "pw"})
	ok(t, err)
	harder := quick
	harder.Time = 2
	d, err := Open(ctx, db, Options{Hash: harder})
	ok(t, err)
	p, err := d.Profile(ctx, "ann@example.org")
	ok(t, err)
	ok(t, d.Upgrade(ctx, p, "pw"))
	q, err := d.Profile(ctx, "ann@example.org")
	ok(t, err)
	if d.hasher.outdated(q.Credential, false) || q.Credential.Version != p.Credential.Version || !verify(t, d, "ann@example.org", "pw") {
		t.Errorf("not upgraded: %+v", q.Credential.params)
	}
	// A password that was changed meanwhile stays.
	ok(t, d.SetPassword(ctx, p.Account.ID, "new"))
	ok(t, d.Upgrade(ctx, p, "pw"))
	if !verify(t, d, "ann@example.org", "new") {
		t.Error("the new password was undone")
	}
}

func TestHashesAreFewAtATime(t *testing.T) {
	h := newHasher(quick, rand.Reader)
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.verify(ctx, nil, "x")
	fails(t, err, fault.Canceled)
	<-h.slots
	_, err = h.verify(t.Context(), nil, "x")
	ok(t, err)
}

func TestCredentialRecord(t *testing.T) {
	h := newHasher(quick, rand.Reader)
	c, err := h.make(t.Context(), "x", epoch, nil)
	ok(t, err)
	got, err := decodeCredential(c.encode())
	ok(t, err)
	if *got != *c {
		t.Errorf("got %+v, want %+v", got, c)
	}
}

func FuzzRecords(f *testing.F) {
	h := newHasher(quick, rand.Reader)
	c, _ := h.make(context.Background(), "x", epoch, nil)
	f.Add(c.encode())
	f.Add(entry{kind: isAlias, targets: []string{"a@b"}}.encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		if c, err := decodeCredential(value); err == nil {
			h.outdated(c, false)
		} else {
			fails(t, err, fault.Corrupt)
		}
		if _, err := decodeEntry(value); err != nil {
			fails(t, err, fault.Corrupt)
		}
		if a, err := decodeAppPassword(kv.Pair{Key: appPasswordKey(1, 2), Value: value}); err == nil {
			if b, err := decodeAppPassword(kv.Pair{Key: appPasswordKey(1, 2), Value: a.encode()}); err != nil || b.hash != a.hash {
				t.Errorf("%+v became %+v, %v", a, b, err)
			}
		}
		if _, err := decodeTwoStep(value); err != nil {
			fails(t, err, fault.Corrupt)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	h := newHasher(HashParams{}, rand.Reader)
	c, err := h.make(b.Context(), "x", epoch, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		h.verify(b.Context(), c, "x")
	}
}
