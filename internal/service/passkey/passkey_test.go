package passkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/passkey"
	"postroad/internal/service/passkey/passkeytest"
)

const origin = "https://mail.example.org"

var (
	site = passkey.Site{ID: "mail.example.org", Name: "Post", Origins: []string{origin}}
	ann  = passkey.User{Handle: "handle", Name: "ann@example.org", Label: "Ann"}
	ask  = []byte("a challenge of 40 bytes, if it were one.")
)

// create makes a passkey of a key, as a browser and the site do it together.
func create(k *passkeytest.Key) (passkey.Created, error) {
	return site.Create(k.Create(site.CreationOptions(ask, ann, nil)), ask)
}

// newKey is a key, and the passkey that was made of it.
func newKey(t testing.TB) (*passkeytest.Key, passkey.Created) {
	t.Helper()
	k := passkeytest.New(t, origin)
	c, err := create(k)
	if err != nil {
		t.Fatal(err)
	}
	return k, c
}

// sign has the owner of a key sign in: by one of the passkeys that are known, or, if none is named, by any.
func sign(t testing.TB, k *passkeytest.Key, verified bool, known ...passkey.Known) *passkey.Answer {
	t.Helper()
	a, err := passkey.Read(k.Get(site.RequestOptions(ask, known, verified)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAllAlgorithms(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*passkeytest.Key){
		"ES256": func(*passkeytest.Key) {},
		"EdDSA": func(k *passkeytest.Key) { k.Private = ed },
		"RS256": func(k *passkeytest.Key) { k.Private = rs },
	} {
		k := passkeytest.New(t, origin)
		change(k)
		c, err := create(k)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Credential != string(k.ID) || c.Count != 1 || !c.Eligible || !c.BackedUp || !slices.Equal(c.Transports, []string{"internal", "hybrid"}) {
			t.Errorf("%s: %+v", name, c)
		}
		a := sign(t, k, true)
		if a.Credential() != string(k.ID) || a.Handle() != ann.Handle || !bytes.Equal(a.Challenge(), ask) {
			t.Errorf("%s: %q %q %q", name, a.Credential(), a.Handle(), a.Challenge())
		}
		if p, err := site.Verify(a, ask, c.Key, true); err != nil || p.Count != 2 || !p.BackedUp {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
}

// What has to be refused when a passkey is made (§7.1).
func TestCreateRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*passkeytest.Key){
		"another origin":                func(k *passkeytest.Key) { k.Origin = "https://mail.example.org.evil.example" },
		"the origin in the clear":       func(k *passkeytest.Key) { k.Origin = "http://mail.example.org" },
		"another port":                  func(k *passkeytest.Key) { k.Origin = origin + ":8443" },
		"another site":                  func(k *passkeytest.Key) { k.Site = "evil.example" },
		"another ceremony":              func(k *passkeytest.Key) { k.Type = "webauthn.get" },
		"nobody was there":              func(k *passkeytest.Key) { k.Flags &^= passkeytest.Present },
		"nobody was verified":           func(k *passkeytest.Key) { k.Flags &^= passkeytest.Verified },
		"backed up, but can't be":       func(k *passkeytest.Key) { k.Flags &^= passkeytest.Eligible },
		"an algorithm nobody asked for": func(k *passkeytest.Key) { k.Private = p384 },
		"no ID":                         func(k *passkeytest.Key) { k.ID = nil },
		"too long an ID":                func(k *passkeytest.Key) { k.ID = make([]byte, 1024) },
		"in a frame":                    func(k *passkeytest.Key) { k.Cross = true },
	} {
		k := passkeytest.New(t, origin)
		change(k)
		if _, err := create(k); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := passkeytest.New(t, origin)
	if _, err := site.Create(k.Create(site.CreationOptions([]byte("another challenge"), ann, nil)), ask); !fault.Is(err, fault.Invalid) {
		t.Errorf("another challenge: %v", err)
	}
	if _, err := site.Create(make([]byte, passkey.MaxAnswer+1), ask); !fault.Is(err, fault.Invalid) {
		t.Errorf("too long: %v", err)
	}
}

// What has to be refused when somebody signs in (§7.2).
func TestVerifyRefuses(t *testing.T) {
	other := passkeytest.New(t, origin)
	for name, change := range map[string]func(*passkeytest.Key){
		"another origin":          func(k *passkeytest.Key) { k.Origin = "https://evil.example" },
		"another site":            func(k *passkeytest.Key) { k.Site = "evil.example" },
		"another ceremony":        func(k *passkeytest.Key) { k.Type = "webauthn.create" },
		"nobody was there":        func(k *passkeytest.Key) { k.Flags &^= passkeytest.Present },
		"nobody was verified":     func(k *passkeytest.Key) { k.Flags &^= passkeytest.Verified },
		"backed up, but can't be": func(k *passkeytest.Key) { k.Flags &^= passkeytest.Eligible },
		"another key":             func(k *passkeytest.Key) { k.Private = other.Private },
		"in a frame":              func(k *passkeytest.Key) { k.Cross = true },
	} {
		k, c := newKey(t)
		change(k)
		if _, err := site.Verify(sign(t, k, true), ask, c.Key, true); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Beside a password it is enough that somebody was there.
func TestSecondStepNeedsNoVerification(t *testing.T) {
	k, c := newKey(t)
	k.Flags &^= passkeytest.Verified
	a := sign(t, k, false, passkey.Known{Credential: c.Credential, Transports: c.Transports})
	if _, err := site.Verify(a, ask, c.Key, false); err != nil {
		t.Error(err)
	}
}

// ceremonies are challenges whose time can be set.
type ceremonies struct {
	*passkey.Challenges
	t   *testing.T
	now time.Time
}

func newCeremonies(t *testing.T) *ceremonies {
	t.Helper()
	c := &ceremonies{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	if c.Challenges, err = passkey.NewChallenges(func() time.Time { return c.now }, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return c
}

// signIn makes a challenge for signing in.
func (c *ceremonies) signIn() []byte {
	c.t.Helper()
	challenge, err := c.New("sign in")
	if err != nil {
		c.t.Fatal(err)
	}
	return challenge
}

func TestChallenges(t *testing.T) {
	all := newCeremonies(t)
	c := all.signIn()
	check := func(what string, err error, good bool) {
		t.Helper()
		if good != (err == nil) || !good && !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("good", all.Check(c, "sign in"), true)
	check("for something else", all.Check(c, "make one"), false)
	check("short", all.Check(c[1:], "sign in"), false)
	for i := range c {
		forged := bytes.Clone(c)
		forged[i] ^= 1
		check("forged", all.Check(forged, "sign in"), false)
	}
	check("used", all.Use(c, 1), true)
	check("used twice", all.Use(c, 1), false)
	all.now = all.now.Add(passkey.ChallengeLife - time.Second)
	check("in time", all.Check(c, "sign in"), true)
	check("used twice, later", all.Use(c, 1), false)
	all.now = all.now.Add(time.Second)
	check("too late", all.Check(c, "sign in"), false)
	another := newCeremonies(t)
	another.now = all.now
	check("another server's", all.Check(another.signIn(), "sign in"), false)
}

// An account whose program signs in over and over shuts nobody else out, and comes in again itself once the first have expired.
func TestChallengesOfOneAccount(t *testing.T) {
	all := newCeremonies(t)
	use := func(account uint64) error { return all.Use(all.signIn(), account) }
	n, err := 0, error(nil)
	for err = use(1); err == nil && n < 200_000; err = use(1) {
		n++
	}
	if !fault.Is(err, fault.RateLimited) || n > 1000 {
		t.Errorf("%d: %v", n, err)
	}
	if err := use(2); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	all.now = all.now.Add(passkey.ChallengeLife)
	if err := use(1); err != nil {
		t.Errorf("later: %v", err)
	}
}

// Whatever a browser says, it is refused or read, and never more.
func FuzzRead(f *testing.F) {
	k := passkeytest.New(f, origin)
	created := k.Create(site.CreationOptions(ask, ann, nil))
	c, err := site.Create(created, ask)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(created)
	f.Add(k.Get(site.RequestOptions(ask, nil, true)))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		site.Create(b, ask)
		passkey.CreatedFor(b)
		if a, err := passkey.Read(b); err == nil {
			a.Challenge()
			a.Handle()
			site.Verify(a, ask, c.Key, true)
		}
	})
}

// The specification's own examples (§16, from its source of July 2026), each one registration and one sign-in with it.
func TestSpecificationVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	type bytes = hexBytes
	var all []struct {
		Name   string
		Create struct {
			Challenge         bytes
			CredentialID      bytes `json:"credential_id"`
			ClientDataJSON    bytes
			AttestationObject bytes
		}
		Get struct {
			Challenge         bytes
			AuthenticatorData bytes
			ClientDataJSON    bytes
			Signature         bytes
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	org := passkey.Site{ID: "example.org", Origins: []string{"https://example.org"}}
	signIns := 0
	for _, v := range all {
		id := base64.RawURLEncoding.EncodeToString(v.Create.CredentialID)
		answer := func(response map[string]any) []byte {
			b, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		object, at := v.Create.AttestationObject, strings.Index(string(v.Create.AttestationObject), string(rpHash()))
		verified := object[at+32]&passkeytest.Verified != 0
		framed := strings.Contains(string(v.Create.ClientDataJSON), `"crossOrigin":true`)
		want := verified && !framed && !strings.Contains(v.Name, "ES384")
		created := answer(map[string]any{"clientDataJSON": v.Create.ClientDataJSON.text(), "attestationObject": object.text()})
		c, err := org.Create(created, v.Create.Challenge)
		if want != (err == nil) {
			t.Errorf("%s: %v", v.Name, err)
		}
		if err != nil {
			continue
		}
		if c.Credential != string(v.Create.CredentialID) {
			t.Errorf("%s: %x", v.Name, c.Credential)
		}
		a, err := passkey.Read(answer(map[string]any{"clientDataJSON": v.Get.ClientDataJSON.text(), "authenticatorData": v.Get.AuthenticatorData.text(), "signature": v.Get.Signature.text()}))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if _, err := org.Verify(a, v.Get.Challenge, c.Key, v.Get.AuthenticatorData[32]&passkeytest.Verified != 0); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		if _, err := org.Verify(a, v.Create.Challenge, c.Key, false); err == nil {
			t.Errorf("%s: to another challenge", v.Name)
		}
		signIns++
	}
	if signIns < 2 { // the others don't verify the person, are in frames, or have an algorithm that nobody asked for
		t.Errorf("only %d of them have signed in", signIns)
	}
}

// rpHash stands before the flags in all of the specification's examples.
func rpHash() []byte {
	sum := sha256.Sum256([]byte("example.org"))
	return sum[:]
}

// hexBytes are written in hexadecimal.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

func (h hexBytes) text() string { return base64.RawURLEncoding.EncodeToString(h) }
