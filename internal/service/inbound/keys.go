package inbound

import (
	"encoding/binary"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Partition is where it is kept who delivered here before and who was asked to come back; AccountPartition
// is where accounts' sending is counted.
const (
	Partition        kv.Partition = 6 << 56
	AccountPartition kv.Partition = 7 << 56
)

// Schema of Partition, version 1. Records carry their own version in their first byte; times are Unix seconds.
//
//	g <hash>          greylisting: flags (1: has come back in time), first seen, last seen.
//	                  The hash is of network (or that it is one that SPF permits), sender and recipient
//	r <what> <hash>   somebody who delivered before: first seen, last seen, messages. What: n, a network; h, a client; s, a domain that
//	                  SPF vouched for; d, a domain that signed
//
// Hashes are the first 16 bytes of a keyed SHA-256: nobody can make two things meet that don't belong together.
//
// Schema of AccountPartition, version 1.
//
//	a <account>           what the account has sent, by the hour, and whether it is held: see account.go
//	t <account> <hash>    the account has written to the address with that hash (8 bytes): day of the last time
//	f <account>           whom it may name as author, if not as everybody: 01, rule (1 any, 2 local, 3 domain, 4 own)
const (
	keyGrey    = 'g'
	keyRecord  = 'r'
	keyAccount = 'a'
	keyTo      = 't'
	keyAuthors = 'f'
)

// hash names what is too long or too private for a key.
type hash [16]byte

func greyKey(h hash) []byte { return append([]byte{keyGrey}, h[:]...) }

func recordKey(s subject) []byte { return append([]byte{keyRecord, byte(s.kind)}, s.hash[:]...) }

func accountKey(a ident.AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyAccount}, uint64(a))
}

func toKey(a ident.AccountID, h hash) []byte {
	return append(toKeys(a), h[:8]...)
}

// toKeys begins the keys of all addresses that an account has written to.
func toKeys(a ident.AccountID) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyTo}, uint64(a))
}

// all is the range of keys that begin with a letter.
func all(first byte) kv.Range { return kv.Range{Lo: []byte{first}, Hi: []byte{first + 1}} }
