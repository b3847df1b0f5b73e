// Package passkey speaks WebAuthn with browsers (Web Authentication: An API for accessing Public Key Credentials, Level 3; sections are numbered as
// in its source of July 2026): it says what a page asks the
// person's authenticator for, and verifies what comes back. Who has which passkey is package directory's business, and what
// they open package auth's.
//
//	site := passkey.Site{ID: "mail.example.org", Origins: []string{"https://mail.example.org"}}
//	page shows site.RequestOptions(challenge, nil, true), and Script hands back the browser's answer
//	answer, err := passkey.Read(bytes)
//	proof, err := site.Verify(answer, challenge, key, true)
//
// No attestation is asked for: any authenticator will do. Verification of signatures and of CBOR is that of
// github.com/go-webauthn/webauthn.
package passkey

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"postroad/internal/fault"
)

// Script is what a page needs in the browser, JavaScript: see its comment for what it looks for in the page.
//
//go:embed passkey.js
var Script []byte

// MaxAnswer bounds a browser's answer, in bytes.
const MaxAnswer = 32 << 10

// Site is who asks for passkeys: the relying party.
type Site struct {
	// ID is the domain that passkeys are made for: the pages' host, or a domain above it (§4, RP ID).
	ID string
	// Name is what people call it.
	Name string
	// Origins are where its pages are, as "https://mail.example.org".
	Origins []string
}

// User is for whom a passkey is made.
type User struct {
	Handle string // what authenticators know the account by
	Name   string // to people: the address
	Label  string // to people: the person's name, or the address
}

// Known is a passkey that somebody has.
type Known struct {
	Credential string
	Transports []string
}

// bytesText is binary data in JSON: base64url without padding (§3).
type bytesText string

func (b bytesText) MarshalJSON() ([]byte, error) {
	return json.Marshal(base64.RawURLEncoding.EncodeToString([]byte(b)))
}

type descriptor struct {
	Type       string    `json:"type"`
	ID         bytesText `json:"id"`
	Transports []string  `json:"transports,omitempty"`
}

func describe(known []Known) []descriptor {
	list := []descriptor{}
	for _, k := range known {
		list = append(list, descriptor{"public-key", bytesText(k.Credential), k.Transports})
	}
	return list
}

// timeout is how long browsers ask people, in milliseconds: the default of §15.1.
const timeout = 300_000

// algorithms are those that are taken, best first: EdDSA, ES256, RS256. §5.4 wants at least these of sites for everybody.
var algorithms = [...]webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgEdDSA, webauthncose.AlgES256, webauthncose.AlgRS256}

// CreationOptions is PublicKeyCredentialCreationOptionsJSON (§5.1.8): what the browser is asked for who makes a passkey that lets them in
// without a name (discoverable), beside those that they have.
func (s *Site) CreationOptions(challenge []byte, u User, have []Known) json.RawMessage {
	type parameter struct {
		Type string `json:"type"`
		Alg  int64  `json:"alg"`
	}
	var params []parameter
	for _, a := range algorithms {
		params = append(params, parameter{"public-key", int64(a)})
	}
	return encode(map[string]any{
		"rp":               map[string]string{"id": s.ID, "name": s.Name},
		"user":             map[string]any{"id": bytesText(u.Handle), "name": u.Name, "displayName": u.Label},
		"challenge":        bytesText(challenge),
		"pubKeyCredParams": params, "timeout": timeout, "excludeCredentials": describe(have),
		"authenticatorSelection": map[string]any{"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
		"attestation":            "none",
	})
}

// RequestOptions is PublicKeyCredentialRequestOptionsJSON (§5.1.9): what the browser is asked for who signs in. of are the passkeys that will do;
// nil: any that is known here. verify: the authenticator has to verify the person, as is needed where nothing else is asked for.
func (s *Site) RequestOptions(challenge []byte, of []Known, verify bool) json.RawMessage {
	verification := "preferred"
	if verify {
		verification = "required"
	}
	return encode(map[string]any{
		"challenge": bytesText(challenge), "timeout": timeout, "rpId": s.ID, "allowCredentials": describe(of), "userVerification": verification,
	})
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil { // maps of texts and numbers
		return json.RawMessage("{}")
	}
	return b
}

// Created is a new passkey.
type Created struct {
	Credential, Key    string
	Model              string // AAGUID
	Count              uint32
	Eligible, BackedUp bool
	Transports         []string
}

func errAnswer() error { return fault.New(fault.Invalid, "the passkey's answer can't be used") }

// readable keeps what the library says for the log: it quotes what was sent.
func readable(err error) error {
	return fault.Wrap(fault.Invalid, err, "the passkey's answer can't be used")
}

// Create verifies the answer to CreationOptions (§7.1). The authenticator must have verified the person. Errors: fault.Invalid.
func (s *Site) Create(answer []byte, challenge []byte) (Created, error) {
	if len(answer) > MaxAnswer {
		return Created{}, errAnswer()
	}
	p, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Created{}, readable(err)
	}
	var params []protocol.CredentialParameter
	for _, a := range algorithms {
		params = append(params, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: a})
	}
	_, err = p.Verify(base64.RawURLEncoding.EncodeToString(challenge), s.ID, s.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, nil, params, protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return Created{}, readable(err)
	}
	data := &p.Response.AttestationObject.AuthData
	c := Created{Credential: string(data.AttData.CredentialID), Key: string(data.AttData.CredentialPublicKey), Model: string(data.AttData.AAGUID),
		Count: data.Counter, Eligible: data.Flags.HasBackupEligible(), BackedUp: data.Flags.HasBackupState()}
	if c.Credential == "" || c.Key == "" || c.BackedUp && !c.Eligible { // §7.1 step 17
		return Created{}, errAnswer()
	}
	if _, err := webauthncose.ParsePublicKey([]byte(c.Key)); err != nil {
		return Created{}, readable(err)
	}
	c.Transports = transports(p.Response.Transports)
	return c, nil
}

// transports keeps those that there are (§5.8.4): they go back to browsers.
func transports(all []protocol.AuthenticatorTransport) (kept []string) {
	seen := map[protocol.AuthenticatorTransport]bool{}
	for _, t := range all {
		switch t {
		case protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal:
			if !seen[t] {
				kept = append(kept, string(t))
			}
			seen[t] = true
		}
	}
	return kept
}

// Answer is what a browser says to RequestOptions. Nothing of it is verified.
type Answer struct {
	parsed *protocol.ParsedCredentialAssertionData
}

// Read takes an answer apart. Errors: fault.Invalid.
func Read(answer []byte) (*Answer, error) {
	if len(answer) > MaxAnswer {
		return nil, errAnswer()
	}
	p, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, readable(err)
	}
	return &Answer{p}, nil
}

// Credential is the authenticator's name for the passkey.
func (a *Answer) Credential() string { return string(a.parsed.RawID) }

// Handle is what the authenticator knows the account by; "": it doesn't say.
func (a *Answer) Handle() string { return string(a.parsed.Response.UserHandle) }

// Challenge is the one that it answers, which may be anybody's.
func (a *Answer) Challenge() []byte {
	return challengeOf(a.parsed.Response.CollectedClientData.Challenge)
}

// CreatedFor is the challenge that an answer to CreationOptions says it answers; nil if it can't be read.
func CreatedFor(answer []byte) []byte {
	if len(answer) > MaxAnswer {
		return nil
	}
	p, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil
	}
	return challengeOf(p.Response.CollectedClientData.Challenge)
}

func challengeOf(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// Proof is what a verified answer says.
type Proof struct {
	Count              uint32
	Eligible, BackedUp bool
}

// Verify verifies an answer to RequestOptions by the passkey's public key (§7.2, but for the steps that need to know whose it is, and the
// counter). verify: as there. Errors: fault.Unauthenticated.
func (s *Site) Verify(a *Answer, challenge []byte, key string, verify bool) (Proof, error) {
	err := a.parsed.Verify(base64.RawURLEncoding.EncodeToString(challenge), s.ID, "", s.Origins, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, verify, true, []byte(key), protocol.SignaturePolicy{})
	if err != nil {
		return Proof{}, fault.Wrap(fault.Unauthenticated, err, "the passkey's answer is not good here")
	}
	data := &a.parsed.Response.AuthenticatorData
	p := Proof{data.Counter, data.Flags.HasBackupEligible(), data.Flags.HasBackupState()}
	if p.BackedUp && !p.Eligible { // §7.2 step 18
		return Proof{}, fault.New(fault.Unauthenticated, "the passkey's answer is not good here")
	}
	return p, nil
}
