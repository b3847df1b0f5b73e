package mtasts

import "postroad/internal/storage/kv"

// Partition is where policies are kept. (1<<56 is the directory's, 2<<56 and up are the queue's.)
const Partition kv.Partition = 3 << 56

// Schema of the partition, version 1. Records carry their own version in their first byte.
//
//	p <domain>   policy: 01, fetched, expires, used (8 bytes each, big endian, Unix seconds),
//	             length of the id (1 byte), id, policy file as it was fetched
//
// Domains are lower-case A-labels.
const keyPolicy = 'p'

func policyKey(domain string) []byte { return append([]byte{keyPolicy}, domain...) }

// policies is the range of all.
func policies() kv.Range { return kv.Range{Lo: []byte{keyPolicy}, Hi: []byte{keyPolicy + 1}} }
