// Package fault says what can go wrong in Postroad: one error type with a Kind.
//
// A Kind says what the failure means to whoever asked; each protocol maps the
// Kinds to its own replies in one table. An Error carries two texts: Text,
// which is safe to show to a client, and the cause, which is for our log only.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what a failure means to whoever asked.
// The zero value, Internal, is our own fault: the client hears "internal
// error" and the log has the details.
type Kind uint8

const (
	// Internal is our own fault, or one that nobody foresaw.
	Internal Kind = iota
	// NotFound: the named thing isn't there, or must not be known to be there.
	NotFound
	// Exists: the name is taken.
	Exists
	// Denied: the identity lacks the right.
	Denied
	// Unauthenticated: credentials are missing or wrong.
	Unauthenticated
	// Invalid: the request can't be right, whatever the state.
	Invalid
	// TooLarge: a length, count or depth is over its limit.
	TooLarge
	// OverQuota: the account has no room for it.
	OverQuota
	// Conflict: the state has moved on; read again and retry.
	Conflict
	// InUse: somebody holds it exclusively (a POP3 maildrop).
	InUse
	// RateLimited: too much, too fast; try later.
	RateLimited
	// Unavailable: cannot be done now, may work later (shutting down, no room on disk).
	Unavailable
	// Unsupported: understood, but not something that this server does.
	Unsupported
	// Corrupt: stored data contradicts itself; `postroad check` tells more.
	Corrupt
	// Canceled: whoever asked has gone, or time ran out.
	Canceled

	kindEnd
)

// Kinds lists every Kind, for tests that a protocol's table misses none.
func Kinds() []Kind {
	ks := make([]Kind, 0, kindEnd)
	for k := Internal; k < kindEnd; k++ {
		ks = append(ks, k)
	}
	return ks
}

// String names the Kind in one or two words.
func (k Kind) String() string {
	names := [...]string{
		Internal: "internal error", NotFound: "not found", Exists: "exists already", Denied: "denied",
		Unauthenticated: "not authenticated", Invalid: "invalid", TooLarge: "too large", OverQuota: "over quota",
		Conflict: "conflict", InUse: "in use", RateLimited: "too many requests", Unavailable: "unavailable",
		Unsupported: "not supported", Corrupt: "corrupt", Canceled: "canceled",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Retry reports whether the same request may succeed later.
func (k Kind) Retry() bool {
	switch k {
	case Internal, OverQuota, Conflict, InUse, RateLimited, Unavailable, Corrupt, Canceled:
		return true
	}
	return false
}

// Error is a failure with its Kind. Errors are immutable.
type Error struct {
	// Kind says what the failure means to whoever asked.
	Kind Kind
	// Text may be shown to a client. If empty, Kind's name is shown.
	Text string
	// Err is the cause, for our log. It may be nil.
	Err error
}

// Error gives the whole story, for our log.
func (e *Error) Error() string {
	switch {
	case e.Text == "" && e.Err == nil:
		return e.Kind.String()
	case e.Err == nil:
		return e.Text
	case e.Text == "":
		return e.Kind.String() + ": " + e.Err.Error()
	}
	cause := e.Err.Error()
	if rest, again := strings.CutPrefix(cause, e.Text); again && (rest == "" || strings.HasPrefix(rest, ": ")) {
		return cause // the cause's own words, which aren't said twice
	}
	return e.Text + ": " + cause
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind with a client-safe text.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// Wrap gives err a kind and a client-safe text. Wrapping nil gives nil.
func Wrap(k Kind, err error, text string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, Text: text, Err: err}
}

// KindOf returns the kind of the outermost Error in err's chain; Internal if
// there is none. KindOf(nil) is Internal too: ask only about failures.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a failure of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// TextOf returns what a client may be told of err: the Text of the outermost
// Error in its chain, or the name of its kind. For Internal and Corrupt it is
// always the kind's name: the details are nobody else's business.
func TextOf(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return Internal.String()
	}
	if e.Text == "" || e.Kind == Internal || e.Kind == Corrupt {
		return e.Kind.String()
	}
	return e.Text
}
