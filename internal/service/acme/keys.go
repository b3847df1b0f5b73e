package acme

import "postroad/internal/storage/kv"

// Partition is where certificates, their keys, and accounts with authorities are kept.
const Partition kv.Partition = 10 << 56

// Schema of the partition, version 1. Records carry their own version in their first byte.
//
//	f <path>   file: 01, modified (8 bytes, big endian, Unix seconds), content
//	l <name>   lock: 01, until (8 bytes, big endian, Unix nanoseconds), who holds it (16 bytes)
//
// Paths are certmagic's: certificates/AUTHORITY/NAME/NAME.crt, .key and .json; acme/... accounts; ocsp/... staples. Ours are
// challenges/NAME, next/NAME.key, imported/NAME.pem (certificate and key).
const (
	keyFile = 'f'
	keyLock = 'l'
)

func fileKey(path string) []byte { return append([]byte{keyFile}, path...) }
func lockKey(name string) []byte { return append([]byte{keyLock}, name...) }

// below is the range of the files in a folder; "" is the topmost.
func below(folder string) kv.Range {
	if folder == "" {
		return kv.Range{Lo: []byte{keyFile}, Hi: []byte{keyFile + 1}}
	}
	return kv.Range{Lo: fileKey(folder + "/"), Hi: fileKey(folder + "0")} // '0' follows '/'
}

// IsSecret reports whether what lies under a key of a partition must not be shown: a file may be a private key, and a lock's
// token is its holder's.
func IsSecret(p kv.Partition, _ []byte) bool { return p == Partition }
