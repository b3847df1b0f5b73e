package dns

import (
	"errors"

	"postroad/internal/fault"
)

// Reason says why there is no answer.
type Reason uint8

// Why there is no answer.
const (
	// Temporary: no server answered, or they answered that they can't (SERVFAIL, REFUSED, time-out).
	Temporary Reason = iota
	// NoName: the name doesn't exist, nor any below it (NXDOMAIN).
	NoName
	// NoRecord: the name exists, and has no such records (NODATA).
	NoRecord
	// Bogus: signatures that should be there are missing or wrong (RFC 4033 §5), as far as the server
	// tells (RFC 8914); else it is Temporary.
	Bogus
)

// String says the reason in a few words.
func (r Reason) String() string {
	switch r {
	case NoName:
		return "no such name"
	case NoRecord:
		return "no such record"
	case Bogus:
		return "DNSSEC validation failed"
	}
	return "no answer for now"
}

// kind is NotFound for what the DNS says isn't there and Unavailable for what may be answered later.
func (r Reason) kind() fault.Kind {
	if r == NoName || r == NoRecord {
		return fault.NotFound
	}
	return fault.Unavailable
}

// Failure is why a question has no answer. Resolvers return it within a fault of kind NotFound
// (NoName, NoRecord) or Unavailable (Temporary, Bogus).
type Failure struct {
	Name, Type string
	Reason     Reason
	// Secure: DNSSEC vouches that it isn't there.
	Secure bool
	// Detail is for the log: what went wrong on the way. It may be nil.
	Detail error
}

// text is for everybody, and begins what Error tells: it isn't said twice then (fault.Error).
func (f *Failure) text() string { return "DNS: " + f.Name + " " + f.Type + ": " + f.Reason.String() }

// Error tells what was asked and why there is no answer.
func (f *Failure) Error() string {
	s := f.text()
	if f.Detail != nil {
		s += ": " + f.Detail.Error()
	}
	return s
}

// Unwrap returns Detail.
func (f *Failure) Unwrap() error { return f.Detail }

// Fault gives f the kind of fault that it is.
func (f *Failure) Fault() error { return &fault.Error{Kind: f.Reason.kind(), Text: f.text(), Err: f} }

// ReasonOf returns the reason in err's chain; Temporary if there is none. Ask only about failures.
func ReasonOf(err error) Reason {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Reason
	}
	return Temporary
}

// SecureOf reports whether DNSSEC vouches for the failure: that there really is nothing.
func SecureOf(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Secure
}
