package reports

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"postroad/internal/storage/kv"
)

// Partition is where all of this lies.
const Partition kv.Partition = 5 << 56

// Schema of the partition, version 1. Records carry their own version in their first byte. Days are counted from 1970 (UTC), 4 bytes,
// big endian; kinds are 't' (TLS), 'd' (DMARC) and 'f' (failures, only received). Numbers and strings are as in package record.
//
//	c <day> <kind> <domain> 00 <hash>   a row of a report to be: 01, count, what is counted (tls.go, dmarc.go)
//	m <day> <kind> <domain>             a report to be: 01, rows, first attempt, next attempt (Unix seconds), attempts,
//	                                    which addresses have it (bits), the published policy (DMARC)
//	n <day>                             totals of a day: 01, rows, reports to be
//	r <day> <kind> <hash>               a report received that day: 01, time (Unix seconds), who vouches for it, the
//	                                    file, compressed (gzip); of a failure report what is kept of it, as JSON
//	t <day>                             totals of a day: 01, reports, bytes; those of failure reports don't count
//	u <day>                             likewise, of failure reports
//	f <day> <address>                   failure reports to an address that day: 01, reports, 0; without address: to all
//
// Hashes are the first 16 bytes of SHA-256. Domains are lower-case A-labels.
const (
	keyRow      = 'c'
	keyReport   = 'm'
	keyTotals   = 'n'
	keyReceived = 'r'
	keyArrivals = 't'
	keyFailures = 'u'
	keyTold     = 'f'
)

// Kind is what reports are about.
type Kind byte

// Kinds of reports.
const (
	TLS   Kind = 't'
	DMARC Kind = 'd'
	// Failure reports are sent at once, one for a message.
	Failure Kind = 'f'
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case TLS:
		return "tls"
	case Failure:
		return "failure"
	}
	return "dmarc"
}

// day is a day (UTC), counted from 1970.
type day uint32

func dayOf(t time.Time) day { return day(t.Unix() / 86400) }

// begin is its first second, end the first of the next.
func (d day) begin() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }
func (d day) end() time.Time   { return (d + 1).begin() }

func dayKey(prefix byte, d day) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefix}, uint32(d))
}

// subject is whom a report to be is for, and of which day.
type subject struct {
	day    day
	kind   Kind
	domain string
}

func (s subject) key() []byte {
	return append(append(dayKey(keyReport, s.day), byte(s.kind)), s.domain...)
}

// rows is the beginning of the keys of its rows.
func (s subject) rows() []byte {
	return append(append(append(dayKey(keyRow, s.day), byte(s.kind)), s.domain...), 0)
}

func (s subject) row(what string) []byte { return append(s.rows(), hash(what)...) }

// subjectOf reads a report's key.
func subjectOf(key []byte) (s subject, ok bool) {
	if len(key) < 7 {
		return s, false
	}
	return subject{day(binary.BigEndian.Uint32(key[1:])), Kind(key[5]), string(key[6:])}, true
}

func hash(what string) []byte {
	sum := sha256.Sum256([]byte(what))
	return sum[:16]
}

// after is the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	next := append([]byte(nil), prefix...)
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next[:i+1]
		}
	}
	return next
}

func within(prefix []byte) kv.Range { return kv.Range{Lo: prefix, Hi: after(prefix)} }
