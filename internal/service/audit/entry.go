package audit

import (
	"encoding/binary"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
)

// Kind is the stream that an entry is in.
type Kind byte

// The kinds.
const (
	SignIn  Kind = 's' // somebody signed in
	Failure Kind = 'f' // somebody didn't, or was not let in
	Act     Kind = 'a' // an administrator did something
)

// Kinds lists all.
func Kinds() []Kind { return []Kind{SignIn, Failure, Act} }

// String names the kind.
func (k Kind) String() string {
	switch k {
	case SignIn:
		return "sign-in"
	case Failure:
		return "failure"
	case Act:
		return "act"
	}
	return "unknown"
}

// maxText bounds each text of an entry, in bytes.
const maxText = 500

// Entry is something that happened. Texts are bounded when they are noted; those of strangers may hold anything.
type Entry struct {
	Kind Kind
	At   time.Time // the first
	Last time.Time // the last of those that are alike
	// Count is how many alike there were.
	Count uint64
	What  string // the outcome, or the operation
	Who   string // the account's address, or the name that was tried; of an act: who did it
	// Of sign-ins and failures:
	Protocol, Client, Mechanism, Key string
	TLS                              bool
	// Of acts: what it was done to, and how it failed, if it did.
	Detail, Error string
}

// alike is what entries that are counted as one have in common.
type alike struct {
	kind                                          Kind
	what, who, protocol, client, mechanism, usedk string
	tls                                           bool
}

func (e *Entry) alike() alike {
	return alike{e.Kind, e.What, e.Who, e.Protocol, e.Client, e.Mechanism, e.Key, e.TLS}
}

func (e *Entry) texts() []*string {
	return []*string{&e.What, &e.Who, &e.Protocol, &e.Client, &e.Mechanism, &e.Key, &e.Detail, &e.Error}
}

// encode writes the record: version, times in microseconds, count, TLS, texts.
func (e *Entry) encode() []byte {
	b := binary.AppendVarint([]byte{1}, e.At.UnixMicro())
	b = binary.AppendVarint(b, e.Last.UnixMicro())
	b = binary.AppendUvarint(b, e.Count)
	secure := uint64(0)
	if e.TLS {
		secure = 1
	}
	b = binary.AppendUvarint(b, secure)
	for _, s := range e.texts() {
		b = record.AppendString(b, *s)
	}
	return b
}

func decodeEntry(k Kind, value []byte) (e Entry, err error) {
	d := record.Decode(value, 1)
	e = Entry{Kind: k, At: time.UnixMicro(d.Int()).UTC(), Last: time.UnixMicro(d.Int()).UTC(), Count: d.Uint(), TLS: d.Uint() == 1}
	for _, s := range e.texts() {
		*s = d.String()
	}
	if d.Bad() || d.Rest() > 0 {
		return Entry{}, fault.New(fault.Corrupt, "an entry of the audit log can't be read")
	}
	return e, nil
}
