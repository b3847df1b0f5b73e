package directory

import (
	"bytes"
	"encoding/binary"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Partition is where the directory lies. Accounts' mailboxes lie in the
// partitions of their numbers, 1 to 1<<48-1.
const Partition kv.Partition = 1 << 56

// Schema of the partition, version 1. Records carry their own version in their
// first byte and are upgraded when next written.
//
//	n                            last number given to an account or group (8 bytes, big endian)
//	s                            secret of the installation: 32 random bytes
//	p                            postmaster: address record (absent: the oldest account)
//	d <domain>                   domain record
//	e <domain> 00 <local>        entry record: what the address is
//	a <id>                       account record
//	c <id>                       credential record
//	w <id> <id>                  app password record, under its account and its own number
//	t <id>                       two-step record: secret of the codes, recovery codes
//	f <id> <id>                  passkey record, under its account and its own number
//	F <hash>                     the <id> <id> of the passkey whose credential ID has that SHA-256
//	L <id>                       language record: what the account's owner wants to read
//	N <id> <id>                  notice record: what the account's owner hasn't been told yet, by a number of its own
//	g <id>                       group record
//	k <domain> 00 <selector>     DKIM key record, with the private key
//	r <address> 00 <address>     the second address (an alias or a group) leads to the first; empty value
//	o <hash>                     token record; the hash is the SHA-256 of its secret
//	l <domain>                   limits record: what the domain may have
//	q <domain>                   tally record: what it has of that (absent: not counted yet)
//	m <domain> 00 <id>           the account administers the domain ("": the whole server); empty value
//	M <id> <domain>              the same, the other way round; empty value
//	y <id>                       link record: the entry of an outside directory that an account or a group is tied to
//	Y <source> 00 <key>          the <id> that is tied to the entry
//	x <id>                       removed record: an account that can still be brought back
//	u <address> 00 <address>     the second address (a group; without local part: a domain) names the first as
//	                             owner or catch-all; empty value
//
// <id> is 6 bytes, big endian. <address> is <domain> 00 <local>. Domains are
// lower-case A-labels, local parts folded; neither holds a zero byte.
const (
	keyCounter    = 'n'
	keySecret     = 's'
	keyPostmaster = 'p'
	keyDomain     = 'd'
	keyEntry      = 'e'
	keyAccount    = 'a'
	keyCredential = 'c'
	keyApp        = 'w'
	keyTwoStep    = 't'
	keyGroup      = 'g'
	keyDKIM       = 'k'
	keyRef        = 'r'
	keyUse        = 'u'
	keyToken      = 'o'
	keyLimits     = 'l'
	keyTally      = 'q'
	keyDutyIn     = 'm'
	keyDutyOf     = 'M'
	keyRemoved    = 'x'
	keyLink       = 'y'
	keyLinked     = 'Y'
	keyPasskey    = 'f'
	keyPasskeyAt  = 'F'
	keyLanguage   = 'L'
	keyNotice     = 'N'
)

// IsSecret reports whether what lies under a key is not to be shown, on any screen: passwords' hashes, private keys, and
// what keys are derived from.
func IsSecret(p kv.Partition, key []byte) bool {
	secrets := []byte{keySecret, keyCredential, keyDKIM, keyApp, keyTwoStep, keyToken, keyRemoved}
	return p == Partition && len(key) > 0 && bytes.IndexByte(secrets, key[0]) >= 0
}

// idSize is the length of an <id>.
const idSize = 6

// maxID is the largest number that 48 bits hold.
const maxID = 1<<48 - 1

func domainKey(domain string) []byte { return append([]byte{keyDomain}, domain...) }

func appendAddress(k []byte, a Address) []byte {
	k = append(k, a.Domain...)
	k = append(k, 0)
	return append(k, a.Local...)
}

func entryKey(folded Address) []byte { return appendAddress([]byte{keyEntry}, folded) }

// entriesOf is the range of a domain's entries.
func entriesOf(domain string) kv.Range {
	lo := append([]byte{keyEntry}, domain...)
	return kv.Range{Lo: append(lo, 0), Hi: append(append([]byte(nil), lo...), 1)}
}

// pairKey is the key of a reference from source to target, of the kind keyRef or keyUse.
func pairKey(kind byte, target, source Address) []byte {
	k := appendAddress([]byte{kind}, target)
	k = append(k, 0)
	return appendAddress(k, source)
}

// pairsTo is the range of the references to target.
func pairsTo(kind byte, target Address) kv.Range {
	lo := appendAddress([]byte{kind}, target)
	return kv.Range{Lo: append(lo, 0), Hi: append(append([]byte(nil), lo...), 1)}
}

// pairsBelow is the range of the references to addresses whose local part begins as that of target does.
func pairsBelow(kind byte, target Address) kv.Range {
	lo := appendAddress([]byte{kind}, target)
	return kv.Range{Lo: lo, Hi: append(append([]byte(nil), lo...), 0xff)}
}

func dkimKey(domain, selector string) []byte {
	k := append([]byte{keyDKIM}, domain...)
	return append(append(k, 0), selector...)
}

// dkimKeysOf is the range of a domain's DKIM keys.
func dkimKeysOf(domain string) kv.Range {
	lo := append([]byte{keyDKIM}, domain...)
	return kv.Range{Lo: append(lo, 0), Hi: append(append([]byte(nil), lo...), 1)}
}

// splitRef takes a reference's key apart.
func splitRef(key []byte) (target, source Address, ok bool) {
	p := strings.Split(string(key[1:]), "\x00")
	if len(p) != 4 {
		return Address{}, Address{}, false
	}
	return Address{Domain: p[0], Local: p[1]}, Address{Domain: p[2], Local: p[3]}, true
}

// splitEntry takes an entry's key apart.
func splitEntry(key []byte) Address {
	domain, local, _ := strings.Cut(string(key[1:]), "\x00")
	return Address{Domain: domain, Local: local}
}

func idKey(prefix byte, id uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], id)
	return append([]byte{prefix}, b[2:]...)
}

func idOf(key []byte) uint64 {
	var b [8]byte
	copy(b[2:], key[1:])
	return binary.BigEndian.Uint64(b[:])
}

func accountKey(id ident.AccountID) []byte    { return idKey(keyAccount, uint64(id)) }
func credentialKey(id ident.AccountID) []byte { return idKey(keyCredential, uint64(id)) }
func twoStepKey(id ident.AccountID) []byte    { return idKey(keyTwoStep, uint64(id)) }
func groupKey(id ident.GroupID) []byte        { return idKey(keyGroup, uint64(id)) }

func limitsKey(domain string) []byte { return append([]byte{keyLimits}, domain...) }
func tallyKey(domain string) []byte  { return append([]byte{keyTally}, domain...) }

func linkKey(id uint64) []byte { return idKey(keyLink, id) }

func linkedKey(source, key string) []byte {
	k := append([]byte{keyLinked}, source...)
	return append(append(k, 0), key...)
}

func removedKey(id ident.AccountID) []byte { return idKey(keyRemoved, uint64(id)) }

// dutiesIn is the prefix of the keys of those who administer a domain.
func dutiesIn(domain string) []byte {
	return append(append([]byte{keyDutyIn}, domain...), 0)
}

func dutyInKey(domain string, id ident.AccountID) []byte {
	return append(dutiesIn(domain), idKey(0, uint64(id))[1:]...)
}

func dutyOfKey(id ident.AccountID, domain string) []byte {
	return append(idKey(keyDutyOf, uint64(id)), domain...)
}

// splitDuty takes a key of keyDutyIn apart.
func splitDuty(key []byte) (Duty, error) {
	domain, id, ok := bytes.Cut(key[1:], []byte{0})
	if !ok || len(id) != idSize {
		return Duty{}, fault.New(fault.Corrupt, "directory: a duty can't be read")
	}
	return Duty{ident.AccountID(idOf(key[len(key)-idSize-1:])), string(domain)}, nil
}

// prefixed is the range of the keys that begin so. The first byte, a kind, is never 0xff.
func prefixed(prefix []byte) kv.Range {
	hi := bytes.TrimRight(prefix, "\xff")
	hi = append([]byte(nil), hi...)
	hi[len(hi)-1]++
	return kv.Range{Lo: prefix, Hi: hi}
}

// all is the range of keys with a prefix of one byte.
func all(prefix byte) kv.Range {
	return kv.Range{Lo: []byte{prefix}, Hi: []byte{prefix + 1}}
}

func appPasswordKey(id ident.AccountID, number uint64) []byte {
	return append(idKey(keyApp, uint64(id)), idKey(0, number)[1:]...)
}

// appPasswordsOf is the range of an account's app passwords.
func appPasswordsOf(id ident.AccountID) kv.Range {
	lo := idKey(keyApp, uint64(id))
	return kv.Range{Lo: lo, Hi: append(bytes.Clone(lo), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)}
}
