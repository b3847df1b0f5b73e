// Package passkeytest is an authenticator in software, with the browser before it, for tests of those who take passkeys.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// Flags of authenticator data (WebAuthn Level 3 §6.1).
const (
	Present  = 1 << 0
	Verified = 1 << 2
	Eligible = 1 << 3
	BackedUp = 1 << 4
	attested = 1 << 6
)

// Key is a passkey in an authenticator, and how the browser before it behaves. Its fields may be changed between uses, to attack.
type Key struct {
	Origin  string
	Site    string // RP ID that is signed; "": what the page asked for
	Flags   byte
	Count   uint32 // goes up by Step with each use
	Step    uint32
	Handle  []byte
	ID      []byte
	Type    string // of the client data; "": as it should be
	Private crypto.Signer
	Cross   bool // the page was in a frame of another site

	t testing.TB
}

// New makes an authenticator with an ES256 key in a browser at a page.
func New(t testing.TB, origin string) *Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	rand.Read(id)
	return &Key{Origin: origin, Flags: Present | Verified | Eligible | BackedUp, Step: 1, ID: id, Private: private, t: t}
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k *Key) read(v any, options []byte) {
	k.t.Helper()
	if err := json.Unmarshal(options, v); err != nil {
		k.t.Fatalf("%s: %v", options, err)
	}
}

func (k *Key) clientData(kind, challenge string) []byte {
	if k.Type != "" {
		kind = k.Type
	}
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.Origin, "crossOrigin": k.Cross})
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k *Key) data(site string, flags byte) []byte {
	if k.Site != "" {
		site = k.Site
	}
	k.Count += k.Step
	hash := sha256.Sum256([]byte(site))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), k.Count)
}

// Create answers creation options.
func (k *Key) Create(options []byte) []byte {
	k.t.Helper()
	var o struct {
		RP        struct{ ID string }
		User      struct{ ID string }
		Challenge string
	}
	k.read(&o, options)
	k.Handle, _ = base64.RawURLEncoding.DecodeString(o.User.ID)
	data := k.data(o.RP.ID, k.Flags|attested)
	data = append(data, make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.ID)))
	data = append(append(data, k.ID...), k.public()...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(map[string]any{"clientDataJSON": text(k.clientData("webauthn.create", o.Challenge)), "attestationObject": text(object),
		"transports": []string{"internal", "hybrid", "pigeon"}})
}

// Get answers request options.
func (k *Key) Get(options []byte) []byte {
	k.t.Helper()
	var o struct {
		RPID      string `json:"rpId"`
		Challenge string
	}
	k.read(&o, options)
	client, data := k.clientData("webauthn.get", o.Challenge), k.data(o.RPID, k.Flags)
	hash := sha256.Sum256(client)
	signed := append(append([]byte{}, data...), hash[:]...)
	digest, how := sha256.Sum256(signed), crypto.SignerOpts(crypto.SHA256)
	what := digest[:]
	if _, ok := k.Private.(ed25519.PrivateKey); ok {
		what, how = signed, crypto.Hash(0)
	}
	signature, err := k.Private.Sign(rand.Reader, what, how)
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(map[string]any{"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(signature), "userHandle": text(k.Handle)})
}

func (k *Key) answer(response map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"id": text(k.ID), "rawId": text(k.ID), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

// public is the key in COSE's form.
func (k *Key) public() []byte {
	var m map[int]any
	switch p := k.Private.Public().(type) {
	case *ecdsa.PublicKey:
		b, err := p.Bytes()
		if err != nil {
			k.t.Fatal(err)
		}
		m = map[int]any{1: 2, 3: -7, -1: 1, -2: b[1:33], -3: b[33:]}
		if p.Curve == elliptic.P384() {
			m = map[int]any{1: 2, 3: -35, -1: 2, -2: b[1:49], -3: b[49:]}
		}
	case ed25519.PublicKey:
		m = map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(p)}
	case *rsa.PublicKey:
		m = map[int]any{1: 3, 3: -257, -1: p.N.Bytes(), -2: []byte{1, 0, 1}}
	}
	b, err := cbor.Marshal(m)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}
