package dkim

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"

	"postroad/internal/fault"
)

// Record returns the name and the text of the TXT record that publishes the key (RFC 6376 §3.6.1, RFC 8463 §4). The name has no final
// dot. The text is longer than a string of a TXT record may be (255 octets) if the key is RSA's: split it there. Errors are
// of kind fault.Invalid: the key is none that can sign.
func (k SigningKey) Record() (name, text string, err error) {
	name = k.Selector + "._domainkey." + k.Domain
	switch k.Algorithm() {
	case RSA:
		der, err := x509.MarshalPKIXPublicKey(&k.Private.(*rsa.PrivateKey).PublicKey)
		if err != nil {
			return "", "", fault.Wrap(fault.Invalid, err, "a key that can't be published")
		}
		return name, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case Ed25519:
		pub := k.Private.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
		return name, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub), nil
	}
	return "", "", fault.New(fault.Invalid, "a key that can't sign")
}
