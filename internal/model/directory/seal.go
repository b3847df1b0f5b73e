package directory

import (
	"crypto/aes"
	"crypto/cipher"
	"io"

	"postroad/internal/fault"
)

// sealer encrypts the few secrets that have to be had again as they were, under keys derived from the installation's:
// who reads a record alone (in a log, in a part of a backup) has nothing.
type sealer struct {
	gcm  cipher.AEAD
	rand io.Reader
}

// newSealer makes a sealer with a key of 32 bytes.
func newSealer(key []byte, rand io.Reader) (*sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	gcm, err := cipher.NewGCM(block)
	return &sealer{gcm, rand}, fault.Wrap(fault.Internal, err, "")
}

// seal encrypts a text: nonce, then what AES-256-GCM makes of it. what is bound to it, and must be said to open it.
func (s *sealer) seal(text, what string) (string, error) {
	nonce := make([]byte, s.gcm.NonceSize(), s.gcm.NonceSize()+len(text)+s.gcm.Overhead())
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return "", fault.Wrap(fault.Internal, err, "no randomness")
	}
	return string(s.gcm.Seal(nonce, nonce, []byte(text), []byte(what))), nil
}

// open decrypts it again.
func (s *sealer) open(sealed, what string) (string, error) {
	n := s.gcm.NonceSize()
	if len(sealed) < n {
		return "", fault.New(fault.Corrupt, "directory: a sealed secret can't be read")
	}
	text, err := s.gcm.Open(nil, []byte(sealed[:n]), []byte(sealed[n:]), []byte(what))
	if err != nil {
		return "", fault.New(fault.Corrupt, "directory: a sealed secret can't be read")
	}
	return string(text), nil
}
