package passhash

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Limits of what a stored form may cost.
const (
	maxArgonMemory = 256 << 10 // KiB
	maxArgonWork   = 4 << 20   // KiB times passes
	maxIterations  = 2_000_000
)

// verifyArgon2 reads the PHC form: $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH.
func verifyArgon2(s, password string) (bool, error) {
	p := strings.Split(s, "$")
	if len(p) != 6 || p[2] != "v=19" {
		return false, errCorrupt()
	}
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(p[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false, errCorrupt()
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(p[4])
	want, err2 := base64.RawStdEncoding.DecodeString(p[5])
	if err1 != nil || err2 != nil || len(want) < 4 || len(want) > 128 || passes == 0 || threads == 0 {
		return false, errCorrupt()
	}
	if memory > maxArgonMemory || uint64(memory)*uint64(passes) > maxArgonWork {
		return false, errUnsupported()
	}
	var got []byte
	switch p[1] {
	case "argon2id":
		got = argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	case "argon2i":
		got = argon2.Key([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	default:
		return false, errUnsupported()
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// adapted is base64 with . for +, and without padding, as passlib and OpenLDAP's pw-pbkdf2 write it.
var adapted = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)

// verifyPBKDF2 reads ITERATIONS$SALT$HASH.
func verifyPBKDF2(scheme, s, password string) (bool, error) {
	p := strings.Split(s, "$")
	if len(p) != 3 {
		return false, errCorrupt()
	}
	n, err := strconv.Atoi(p[0])
	salt, err1 := adapted.DecodeString(p[1])
	want, err2 := adapted.DecodeString(p[2])
	if err != nil || err1 != nil || err2 != nil || n < 1 || len(want) < 16 || len(want) > 128 {
		return false, errCorrupt()
	}
	if n > maxIterations {
		return false, errUnsupported()
	}
	got, err := pbkdf2.Key(pbkdf2Hash(scheme), password, salt, n, len(want))
	if err != nil {
		return false, errUnsupported()
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func pbkdf2Hash(scheme string) func() hash.Hash {
	switch scheme {
	case "PBKDF2-SHA256":
		return sha256.New
	case "PBKDF2-SHA512":
		return sha512.New
	}
	return sha1.New
}
