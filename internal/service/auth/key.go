package auth

import (
	"crypto/x509"
	"net/netip"
	"time"

	"postroad/internal/model/ident"
)

// Key is what somebody signs in with.
type Key struct {
	Kind KeyKind
	// Name says which, to people: the app password's name, the certificate's serial number.
	Name string
	// id is the app password's or passkey's number, or counts the passwords of the account.
	id uint64
	// grant is what a token of our own belongs to.
	grant string
	// path is the certificate with those that have signed it, as long as the session lasts.
	path *certPath
	// until is when the app password or certificate ends, in Unix seconds; 0: it doesn't.
	until int64
}

// certPath is a client's certificate, the one that has signed it, and so on up to the authority that the administrator trusts.
type certPath []*x509.Certificate

// KeyKind is a kind of Key.
type KeyKind string

// The kinds of keys.
const (
	Password    KeyKind = "password"
	AppPassword KeyKind = "app password"
	Certificate KeyKind = "certificate"
	Token       KeyKind = "token"
	Passkey     KeyKind = "passkey"
)

// String writes the key for people: "app password phone".
func (k Key) String() string {
	if k.Name == "" {
		return string(k.Kind)
	}
	return string(k.Kind) + " " + k.Name
}

// Outcome is what became of an attempt to sign in.
type Outcome string

// The outcomes. Only those after SignedIn and Failed are told to the client, and only to whom has shown that they know the secret.
const (
	SignedIn      Outcome = "signed in"
	Failed        Outcome = "failed"
	Limited       Outcome = "limited"   // refused unseen, after too many failures
	Disabled      Outcome = "disabled"  // the account is
	NeedsApp      Outcome = "needs app" // the main password, where two-step verification is on
	NotForThis    Outcome = "not for this protocol"
	Expired       Outcome = "expired" // the app password
	Cloned        Outcome = "copied passkey"
	AnotherPerson Outcome = "another person"
	Attacked      Outcome = "guessed at" // a name, more than namePace times an hour, from anywhere
)

// Event is an attempt to sign in, for whoever keeps a log.
type Event struct {
	Outcome   Outcome
	Login     string          // as the client wrote it, at most 254 bytes
	Account   ident.AccountID // 0: nobody's
	Address   string          // the account's
	Protocol  string
	Client    netip.Addr
	Mechanism string
	TLS       bool
	Key       Key // the zero Key if it isn't known
}

// LastUse is when an app password was used last, and by whom.
type LastUse struct {
	At       time.Time
	Protocol string
	Client   netip.Addr
}
