package imap

import (
	"context"
	"errors"

	"postroad/internal/fault"
)

// reply is how a command ends when it didn't fail: OK, a response code if there is one, and a text.
type reply struct{ code, text string }

// someGone ends a command by message numbers of which some were expunged meanwhile. It has done what it could: OK, with a
// code that says that it is time to ask for news (RFC 5530 §3). RFC 2180 §4.1.2 and §4.2.2 know a NO as well, which clients take for
// a failure of the whole command.
var someGone = reply{"EXPUNGEISSUED", "done, but for messages that are gone"}

// refusal is a command's failure as the client is told it.
type refusal struct {
	status string // NO or BAD
	code   string // response code without brackets; may be empty
	text   string
}

func (r *refusal) Error() string { return r.text }

// no refuses a command with a response code, which may be empty.
func no(code, text string) error { return &refusal{"NO", code, text} }

// bad refuses a command that can't be right.
func bad(text string) error { return &refusal{"BAD", "", text} }

// codes maps what can go wrong to response codes (RFC 9051 §7.1, RFC 5530).
var codes = map[fault.Kind]string{
	fault.Internal:        "SERVERBUG",
	fault.NotFound:        "NONEXISTENT",
	fault.Exists:          "ALREADYEXISTS",
	fault.Denied:          "NOPERM",
	fault.Unauthenticated: "AUTHENTICATIONFAILED",
	fault.Invalid:         "CANNOT",
	fault.TooLarge:        "LIMIT",
	fault.OverQuota:       "OVERQUOTA",
	fault.Conflict:        "INUSE",
	fault.InUse:           "INUSE",
	fault.RateLimited:     "LIMIT",
	fault.Unavailable:     "UNAVAILABLE",
	fault.Unsupported:     "CANNOT",
	fault.Corrupt:         "CORRUPTION",
	fault.Canceled:        "UNAVAILABLE",
}

// refusalOf tells how a failure is told to the client.
func refusalOf(err error) *refusal {
	var (
		r      *refusal
		syntax *syntaxError
		limit  *limitError
		f      *fault.Error
	)
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &syntax):
		return &refusal{"BAD", "", syntax.text}
	case errors.As(err, &limit):
		return &refusal{"NO", limit.code, limit.text}
	case errors.As(err, &f):
		return &refusal{"NO", codes[f.Kind], printable(fault.TextOf(err))}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &refusal{"NO", codes[fault.Unavailable], "the server is going down"}
	}
	return &refusal{"NO", codes[fault.Internal], fault.Internal.String()}
}

// printable makes a text fit for resp-text (RFC 9051 §9): no line ends, no 8-bit, not empty.
func printable(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	if len(b) == 0 {
		return "failed"
	}
	return string(b)
}

// ours reports whether a failure is our own fault and belongs in the log.
func ours(err error) bool {
	var (
		r      *refusal
		syntax *syntaxError
		limit  *limitError
	)
	if errors.As(err, &r) || errors.As(err, &syntax) || errors.As(err, &limit) {
		return false
	}
	k := fault.KindOf(err)
	return k == fault.Internal || k == fault.Corrupt || k == fault.Unavailable
}
